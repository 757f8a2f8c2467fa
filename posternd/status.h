/* status: the rows of `posternctl status`. */
#ifndef POSTERND_STATUS_H
#define POSTERND_STATUS_H

#include "lib/ipc.h"
#include "posternd/config.h"

/* What status says about the whole; call at start and after each reload. */
void	 status_serving(const struct config *);
/*
 * What to say at the end, "" if all is well; NULL, and nothing sent, before the
 * first status_serving().
 */
const char *status_send(struct ipc *, uint64_t id);

#endif
