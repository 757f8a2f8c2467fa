/*
 * pool_private: the pool's routes, shared by pool.c and pool_conf.c, which
 * makes them from a configuration slice.
 */
#ifndef RELAY_POOL_PRIVATE_H
#define RELAY_POOL_PRIVATE_H

#include "relay/client.h"
#include "relay/dns.h"
#include "relay/pool.h"
#include "relay/tlspolicy.h"

struct route {
	const struct conf_relay_route *conf;
	struct client_conf client;
	struct client_conf clear;	/* after TLS failed where it need not be */
	struct client_conf strict;	/* for REQUIRETLS; made when first needed */
};

/* Shared by the hops that were made under it. */
struct pool_conf {
	unsigned int refs;
	struct relay_conf slice;	/* the pool's own copy */
	struct route *routes;
	size_t	 nroutes;
};

/* NULL when there is none of that name. */
struct route *pool_route(struct pool_conf *, const char *name);
/* Makes the route's `strict`; NULL, or why it cannot be. */
const char *pool_route_strict(struct route *);

#endif
