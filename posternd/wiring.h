/*
 * wiring: what a child gets to talk to others by. Who talks to whom is one table
 * in wiring.c; and the workers share a key of TLS session tickets.
 */
#ifndef POSTERND_WIRING_H
#define POSTERND_WIRING_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/ipc_msgs.h"

struct child;

/* All there are, borrowed for good; makes the first key. */
void	 wiring_start(const struct child *, size_t n);
/* Whether such two have a channel. */
bool	 wiring_links(enum role, enum role);
/* A channel to everybody who has been launched; the others follow suit. */
void	 wiring_connect(const struct child *);
/* The key of the moment, for a worker. */
void	 wiring_tls_key(const struct child *);
/* Another one, for all; it comes by itself every hour. */
void	 wiring_renew_tls_key(void);

#endif
