/*
 * route: which route a message takes for a recipient, and what its next hop is
 * called. Pure.
 *
 * The first route whose senders match the return path is taken; a route
 * without senders matches everybody. A bounce has no return path to match. It
 * takes the first route for everybody; else the first that its recipient could
 * send by, for it goes to one of our own; else the first there is.
 */
#ifndef QUEUE_ROUTE_H
#define QUEUE_ROUTE_H

#include "lib/buf.h"
#include "lib/conf.h"

#define ROUTE_HOP_MAX	512	/* bytes of a hop's name */

/* A list of struct conf_queue_route. NULL: no route is for this sender. */
const struct conf_queue_route *route_choose(const struct conf_list *,
	    const char *return_path, const char *rcpt);
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
