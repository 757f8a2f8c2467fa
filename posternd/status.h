/* status: the rows of `posternctl status`. */
#ifndef POSTERND_STATUS_H
#define POSTERND_STATUS_H

#include "lib/ipc.h"
#include "posternd/config.h"

/* What status says about the whole; call at start and after each reload. */
void	 status_serving(const struct config *);
/* Keeps the certificates that keys has told of; -1: the message is malformed. */
int	 status_certificates(struct ipc_in *);
/*
 * What to say at the end, "" if all is well; valid until the next call.
 * NULL, and nothing sent, before the first status_serving().
 */
const char *status_send(struct ipc *, uint64_t id);

#endif
