/*
 * listeners: the listening sockets. One per worker and address with
 * SO_REUSEPORT, opened and kept by the parent, so that neither a crash nor a
 * reload loses a queued connection. A socket is known by its name,
 * "submission@127.0.0.1:587"; what changes address changes name.
 */
#ifndef POSTERND_LISTENERS_H
#define POSTERND_LISTENERS_H

#include "lib/buf.h"
#include "lib/ipc.h"
#include "posternd/config.h"

struct listeners;

/*
 * Opens what the configuration names; sockets that `old` (or NULL) has already
 * are kept. NULL when one cannot be opened: lines are added to problems.
 */
struct listeners *listeners_open(const struct config *,
	    const struct listeners *old, struct buf *problems);
void	 listeners_free(struct listeners **);
/* Sends a worker its sockets, but not those that `had` (or NULL) has too. */
void	 listeners_send(const struct listeners *, const struct listeners *had,
	    struct ipc *, uint32_t worker);

/*
 * The addresses that a "listen" section stands for: one, or 0.0.0.0 and [::].
 * false: not an address.
 */
#define LISTENER_ADDRESSES_MAX 2
#define LISTENER_NAME_LEN 192
bool	 listeners_names(const struct config_listen *, size_t *n,
	    char names[LISTENER_ADDRESSES_MAX][LISTENER_NAME_LEN]);

#endif
