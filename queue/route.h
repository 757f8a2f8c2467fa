/*
 * route: which route a message takes for a recipient, and what its next hop is
 * called. Pure.
 *
 * The first route whose senders match the return path is taken; a route
 * without senders matches everybody. Mail that an account submits with a null
 * return path goes by the account's name. A bounce of our own has neither: it
 * takes the first route for everybody; else the first that its recipient could
 * send by, for it goes to one of our own; else the first there is.
 */
#ifndef QUEUE_ROUTE_H
#define QUEUE_ROUTE_H

#include "lib/buf.h"
#include "queue/store.h"

#define ROUTE_HOP_MAX	512	/* bytes of a hop's name */

/*
 * Of a list of struct conf_queue_route, for the return path or the account;
 * sender "": a bounce of our own. NULL: no route is for this sender.
 */
const struct conf_queue_route *route_choose(const struct conf_list *,
	    const char *sender, const char *rcpt);
/* The route of this name, or NULL. */
const struct conf_queue_route *route_named(const struct conf_list *,
	    const char *name);
/*
 * What recipient i of a message takes, as route_for() says. All recipients of
 * one message take the same.
 */
const struct conf_queue_route *route_of(const struct queue_conf *,
	    const struct store_msg *, size_t i);
/*
 * What recipient i of a message takes: the route that it was redirected to, as
 * long as that exists, else route_choose()'s. domain and hop as below; both
 * are empty when there is none.
 */
const struct conf_queue_route *route_for(const struct queue_conf *,
	    const struct store_msg *, size_t i, struct buf *domain,
	    struct buf *hop);
/*
 * The domain by which mail for rcpt is grouped on this route, in lower case:
 * "" when the route has one next hop. A recipient without a domain is local,
 * so it belongs to the host's own.
 */
void	 route_domain(const struct conf_queue_route *, const char *rcpt,
	    const char *hostname, struct buf *domain);
/* "route" or "route/domain": the name of the next hop in sched and in logs. */
void	 route_hop(const char *route, const char *domain, struct buf *hop);

#endif
