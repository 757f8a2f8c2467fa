/*
 * pool: next hops and the connections to them. A next hop is a route, and for
 * direct delivery a domain as well. Deliveries wait here for a connection;
 * connections are kept a while for the next delivery. A next hop that cannot
 * be reached gives its deliveries back as deferred and holds up nobody else.
 */
#ifndef RELAY_POOL_H
#define RELAY_POOL_H

#include "lib/conf.h"
#include "relay/delivery.h"

struct pool;

/* What a slice was made into; NULL with *errstr (static) when it cannot be. */
struct pool_conf;
struct pool_conf *pool_conf_new(const struct relay_conf *, const char **errstr);
void	 pool_conf_free(struct pool_conf **);

struct pool *pool_new(void);
/*
 * From now on by this configuration, which is taken over. Connections of the
 * one before finish their deliveries and end.
 */
void	 pool_use(struct pool *, struct pool_conf *);
/* Takes the delivery over. */
void	 pool_deliver(struct pool *, struct delivery *);
/* Ends what is not on the wire yet, without results. */
void	 pool_give_back(struct pool *);
/* Queue is gone: forget everything, break what is in progress. */
void	 pool_abandon(struct pool *);
/* Finish, say QUIT; done_cb runs from the loop when no connection is left. */
void	 pool_stop(struct pool *, void (*done_cb)(void));

#endif
