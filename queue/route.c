#include "lib/prelude.h"

#include "lib/addr.h"
#include "queue/route.h"

static bool
for_everybody(const struct conf_queue_route *r)
{
	return r->senders.n == 0;
}

static bool
names(const struct conf_queue_route *r, const char *address)
{
	size_t i;

	for (i = 0; i < r->senders.n; i++)
		if (addr_match(r->senders.v[i], address))
			return true;
	return false;
}

static const struct conf_queue_route *
choose_for_bounce(const struct conf_list *routes, const char *rcpt)
{
	const struct conf_queue_route *r;
	size_t i;

	for (i = 0; i < routes->n; i++) {
		r = CONF_AT(*routes, struct conf_queue_route, i);
		if (for_everybody(r))
			return r;
	}
	for (i = 0; i < routes->n; i++) {
		r = CONF_AT(*routes, struct conf_queue_route, i);
		if (names(r, rcpt))
			return r;
	}
	return routes->n == 0 ? NULL :
	    CONF_AT(*routes, struct conf_queue_route, 0);
}

const struct conf_queue_route *
route_choose(const struct conf_list *routes, const char *sender,
    const char *rcpt)
{
	const struct conf_queue_route *r;
	size_t i;

	if (*sender == '\0')
		return choose_for_bounce(routes, rcpt);
	for (i = 0; i < routes->n; i++) {
		r = CONF_AT(*routes, struct conf_queue_route, i);
		if (for_everybody(r) || names(r, sender))
			return r;
	}
	return NULL;
}

void
route_domain(const struct conf_queue_route *r, const char *rcpt,
    const char *hostname, struct buf *domain)
{
	const char *d = addr_domain_of(rcpt);

	buf_reset(domain);
	if (!r->by_domain)
		return;
	/* Neither outgrows ROUTE_HOP_MAX: RFC 5321 4.5.3.1.2 allows 255. */
	if (buf_adds(domain, *d == '\0' ? hostname : d) == 0)
		addr_lower((char *)domain->data);
}

void
route_hop(const char *route, const char *domain, struct buf *hop)
{
	buf_reset(hop);
	if (*domain == '\0')
		buf_adds(hop, route);
	else
		buf_addf(hop, "%s/%s", route, domain);
}

const struct conf_queue_route *
route_named(const struct conf_list *routes, const char *name)
{
	size_t i;

	for (i = 0; i < routes->n; i++)
		if (strcmp(CONF_AT(*routes, struct conf_queue_route, i)->name,
		    name) == 0)
			return CONF_AT(*routes, struct conf_queue_route, i);
	return NULL;
}

const struct conf_queue_route *
route_of(const struct queue_conf *conf, const struct store_msg *m, size_t i)
{
	const struct conf_queue_route *r = NULL;
	/* A null return path does not make an account's mail a bounce of ours. */
	const char *sender = *m->env.return_path != '\0' ?
	    m->env.return_path : m->account;

	if (m->route != NULL)
		r = route_named(&conf->routes, m->route);
	return r != NULL ? r : route_choose(&conf->routes, sender,
	    m->env.rcpts[i].addr);
}

const struct conf_queue_route *
route_for(const struct queue_conf *conf, const struct store_msg *m, size_t i,
    struct buf *domain, struct buf *hop)
{
	const struct conf_queue_route *r = route_of(conf, m, i);

	buf_reset(domain);
	buf_reset(hop);
	if (r == NULL)
		return NULL;
	route_domain(r, m->env.rcpts[i].addr, conf->hostname, domain);
	route_hop(r->name, buf_str(domain), hop);
	return r;
}
