#include "lib/prelude.h"

#include "lib/ev.h"
#include "lib/log.h"
#include "lib/xalloc.h"
#include "relay/places.h"
#include "relay/pool_private.h"
#include "relay/trouble.h"

#define SMTP_PORT	25
#define RESOLVED_MS	60000	/* addresses are used that long; libunbound
				   keeps them by their TTL */
#define STOP_MS		4000	/* for all but what may arrive twice */
#define STOP_AGAIN_MS	500
#define REFUSED_MS	5000	/* a hop that takes no more connections is
				   not asked for another one that long */

struct hop;

struct conn {
	LIST_ENTRY(conn) link;
	struct hop *hop;
	struct client *client;	/* NULL: waits for a seat at its target */
	struct seat seat;
	size_t	 target;		/* which of the hop's */
	bool	 idle, opening, in_clear;
	struct ev_timer idle_limit;
};

struct hop {
	LIST_ENTRY(hop) link;
	struct pool *pool;
	struct pool_conf *conf;
	struct route *route;
	char	*domain;
	bool	 strict;		/* carries REQUIRETLS mail, and no other */
	struct delivery_list waiting;
	size_t	 nwaiting;
	LIST_HEAD(, conn) conns;
	size_t	 nconns, nopening;
	struct dns_query *query;
	struct dns_target targets[DNS_TARGETS_MAX];
	size_t	 ntargets;
	bool	 unfit;			/* all that were tried are */
	uint64_t resolved_ms;
	uint64_t refused_ms;	/* when a connection beside others failed, or 0 */
	struct ev_timer run;
};

struct pool {
	struct pool_conf *conf;
	LIST_HEAD(, hop) hops;
	void	(*done)(void);
	struct ev_timer done_timer, stop_timer;
};

static void	ready_cb(struct client *, void *);
static void	over_cb(struct client *, struct delivery *, bool, void *);
static void	run_cb(void *);
static void	idle_cb(void *);
static void	turn_cb(void *);
static void	wanted_cb(void *);
static void	stop_cb(void *);

static const struct client_ops client_ops = { ready_cb, over_cb };
static const struct place_ops place_ops = { turn_cb, wanted_cb };

/* --- hops ------------------------------------------------------------------------------ */

static struct hop *
find_hop(struct pool *p, const char *route, const char *domain, bool strict)
{
	struct hop *h;

	LIST_FOREACH(h, &p->hops, link)
		if (h->conf == p->conf && h->strict == strict &&
		    strcmp(h->route->conf->name, route) == 0 &&
		    strcmp(h->domain, domain) == 0)
			return h;
	return NULL;
}

static struct hop *
hop_new(struct pool *p, struct route *r, const char *domain, bool strict)
{
	struct hop *h = xcalloc(1, sizeof(*h));

	h->pool = p;
	h->conf = p->conf;
	h->conf->refs++;
	h->route = r;
	h->domain = xstrdup(domain);
	h->strict = strict;
	TAILQ_INIT(&h->waiting);
	LIST_INIT(&h->conns);
	ev_timer_init(&h->run, run_cb, h);
	LIST_INSERT_HEAD(&p->hops, h, link);
	return h;
}

static void
check_done(struct pool *p)
{
	if (p->done != NULL && LIST_EMPTY(&p->hops) &&
	    !ev_timer_armed(&p->done_timer))
		ev_timer_set(&p->done_timer, 0);
}

static void
hop_free_if_unused(struct hop *h)
{
	struct pool *p = h->pool;

	if (h->nwaiting > 0 || h->nconns > 0 || h->query != NULL)
		return;
	LIST_REMOVE(h, link);
	ev_timer_cancel(&h->run);
	pool_conf_free(&h->conf);
	free(h->domain);
	free(h);
	check_done(p);
}

static const char *
hop_name(const struct hop *h)
{
	return *h->domain != '\0' ? h->domain : h->route->conf->host;
}

static struct delivery *
take_waiting(struct hop *h)
{
	struct delivery *d = TAILQ_FIRST(&h->waiting);

	if (d != NULL) {
		TAILQ_REMOVE(&h->waiting, d, link);
		h->nwaiting--;
	}
	return d;
}

/* The next hop as a whole cannot be used: everybody waiting hears why. */
static void
hop_failed(struct hop *h, enum outcome o, const char *status, const char *why,
    const char *remote)
{
	struct delivery *d;

	/* A smarthost's missing name is our trouble, not the recipients'. */
	if (o == OUTCOME_FAILED && !h->route->conf->mx) {
		o = OUTCOME_DEFERRED;
		status = "4.4.4";
	}
	trouble_down(hop_name(h), h->route->conf->name);
	while ((d = take_waiting(h)) != NULL) {
		delivery_rest(d, false, o, status, why, remote);
		delivery_end(&d, remote, "none", o == OUTCOME_FAILED);
	}
}

/*
 * RFC 8689 4.2.1: nobody there does what the sender demands, so the mail goes back
 * at once. Without TLS that is 5.7.10 (encryption needed).
 */
static void
hop_unfit(struct hop *h, const char *status, const char *why,
    const char *remote)
{
	struct delivery *d;

	while ((d = take_waiting(h)) != NULL) {
		delivery_rest(d, false, OUTCOME_FAILED, strcmp(status,
		    "4.7.30") == 0 ? "5.7.30" : "5.7.10", why, remote);
		delivery_end(&d, remote, "none", true);
	}
}

/* --- connections --------------------------------------------------------------------------- */

static void
conn_connect(struct conn *c)
{
	struct hop *h = c->hop;

	c->client = client_new(h->strict ? &h->route->strict : c->in_clear ?
	    &h->route->clear : &h->route->client, &h->targets[c->target],
	    &client_ops, c);
}

/* Many domains may have this mail server: they share what one may take. */
static void
conn_open(struct conn *c)
{
	struct hop *h = c->hop;
	const struct dns_target *t = &h->targets[c->target];

	seat_leave(&c->seat);
	if (seat_take(&c->seat, (const struct sockaddr *)&t->addr, t->addr_len,
	    h->route->conf->connections, &place_ops, c))
		conn_connect(c);
}

static void
conn_new(struct hop *h)
{
	struct conn *c = xcalloc(1, sizeof(*c));

	c->hop = h;
	c->opening = true;
	ev_timer_init(&c->idle_limit, idle_cb, c);
	LIST_INSERT_HEAD(&h->conns, c, link);
	h->nconns++;
	h->nopening++;
	conn_open(c);
}

static void
not_opening(struct conn *c)
{
	if (c->opening)
		c->hop->nopening--;
	c->opening = false;
}

static void
conn_free(struct conn *c)
{
	not_opening(c);
	ev_timer_cancel(&c->idle_limit);
	LIST_REMOVE(c, link);
	c->hop->nconns--;
	seat_leave(&c->seat);
	client_free(&c->client);
	free(c);
}

static void
turn_cb(void *arg)
{
	struct conn *c = arg;
	struct hop *h = c->hop;

	if (h->nwaiting > 0) {
		conn_connect(c);
		return;
	}
	conn_free(c);			/* others have carried all of it */
	ev_timer_set(&h->run, 0);
}

static void
conn_give(struct conn *c, struct delivery *d)
{
	c->idle = false;
	ev_timer_cancel(&c->idle_limit);
	client_deliver(c->client, d);
}

static bool
worn_out(const struct conn *c)
{
	const struct hop *h = c->hop;

	return h->conf != h->pool->conf || h->pool->done != NULL ||
	    client_carried(c->client) >= h->route->conf->messages;
}

static void
ready_cb(struct client *client, void *arg)
{
	struct conn *c = arg;
	struct delivery *d = NULL;

	if (c->opening)
		trouble_over(hop_name(c->hop), c->hop->route->conf->name);
	c->hop->unfit = false;
	not_opening(c);
	if (client_carried(client) < c->hop->route->conf->messages)
		d = take_waiting(c->hop);
	if (d != NULL) {
		conn_give(c, d);
		return;
	}
	c->idle = true;
	if (worn_out(c) || seat_wanted(&c->seat))
		client_quit(client);
	else
		ev_timer_set(&c->idle_limit,
		    (uint64_t)c->hop->route->conf->idle_sec * 1000);
	ev_timer_set(&c->hop->run, 0);
}

static void
idle_cb(void *arg)
{
	struct conn *c = arg;

	c->idle = false;
	client_quit(c->client);
}

/* It is not kept for what may come while others wait for its seat. */
static void
wanted_cb(void *arg)
{
	struct conn *c = arg;

	if (!c->idle || c->hop->nwaiting > 0)
		return;
	ev_timer_cancel(&c->idle_limit);
	idle_cb(c);
}

/* A connection that never became ready: another target, or none is left. */
static bool
try_next(struct conn *c)
{
	struct hop *h = c->hop;
	bool tls = client_tls_failed(c->client);

	trouble_say(hop_name(h), h->route->conf->name,
	    client_why(c->client));
	h->unfit = h->unfit && client_unfit(c->client);
	client_free(&c->client);
	if (tls && !c->in_clear && !h->strict &&
	    !h->route->client.tls.required)
		c->in_clear = true;	/* opportunistic: once without */
	else {
		c->in_clear = false;
		c->target++;
	}
	if (c->target >= h->ntargets || h->nwaiting == 0)
		return false;
	conn_open(c);
	return true;
}

static void
over_cb(struct client *client, struct delivery *unsent, bool usable, void *arg)
{
	struct conn *c = arg;
	struct hop *h = c->hop;
	char why[800], status[16], remote[256];

	snprintf(why, sizeof(why), "%s", client_why(client));
	snprintf(status, sizeof(status), "%s", client_status(client));
	snprintf(remote, sizeof(remote), "%s", h->ntargets > c->target ?
	    h->targets[c->target].host : hop_name(h));
	if (unsent != NULL) {
		TAILQ_INSERT_HEAD(&h->waiting, unsent, link);
		h->nwaiting++;
	}
	if (!usable && try_next(c))
		return;
	conn_free(c);
	/* Other connections may still serve those who wait. */
	if (!usable && h->nconns > 0)
		h->refused_ms = ev_now_ms();
	if (!usable && h->nwaiting > 0 && h->nconns == 0) {
		h->resolved_ms = 0;
		if (h->strict && h->unfit)
			hop_unfit(h, status, why, remote);
		else
			hop_failed(h, OUTCOME_DEFERRED, status, why, remote);
	}
	ev_timer_set(&h->run, 0);
}

/* --- running a hop ----------------------------------------------------------------------- */

static void
resolved_cb(const struct dns_answer *a, void *arg)
{
	struct hop *h = arg;

	h->query = NULL;
	if (a->outcome != OUTCOME_DELIVERED) {
		trouble_say(hop_name(h), h->route->conf->name, a->why);
		hop_failed(h, a->outcome, a->status, a->why, hop_name(h));
		ev_timer_set(&h->run, 0);
		return;
	}
	/* Verified under a name that somebody made up is not verified. */
	if (h->strict && h->route->conf->mx && !a->secure) {
		hop_unfit(h, "4.7.10", "DNSSEC does not vouch for the mail servers "
		    "of the domain, which REQUIRETLS demands", hop_name(h));
		ev_timer_set(&h->run, 0);
		return;
	}
	memcpy(h->targets, a->targets, a->n * sizeof(*a->targets));
	h->ntargets = a->n;
	h->resolved_ms = ev_now_ms();
	h->unfit = true;	/* until one is tried that is not */
	ev_timer_set(&h->run, 0);
}

static bool
need_addresses(struct hop *h)
{
	const struct conf_relay_route *r = h->route->conf;

	if (h->query != NULL)
		return true;
	if (h->resolved_ms != 0 &&
	    (h->nopening > 0 || ev_now_ms() < h->resolved_ms + RESOLVED_MS))
		return false;
	h->query = r->mx ? dns_mx(h->domain, SMTP_PORT, r->loopback,
	    resolved_cb, h) :
	    dns_host(r->host, (uint16_t)r->port, resolved_cb, h);
	return true;
}

static void
use_idle(struct hop *h)
{
	struct conn *c;

	LIST_FOREACH(c, &h->conns, link)
		if (c->idle && h->nwaiting > 0 && !worn_out(c))
			conn_give(c, take_waiting(h));
}

/*
 * A server may have had enough of us (421 too many connections): those that
 * it has taken go on, and only after a while it is asked for one more.
 */
static bool
must_pause(struct hop *h)
{
	uint64_t now = ev_now_ms(), until = h->refused_ms + REFUSED_MS;

	if (h->refused_ms == 0 || h->nconns == 0 || now >= until)
		return false;
	ev_timer_set(&h->run, until - now);
	return true;
}

static void
run_cb(void *arg)
{
	struct hop *h = arg;

	use_idle(h);
	while (h->nwaiting > h->nopening &&
	    h->nconns < h->route->conf->connections) {
		if (must_pause(h))
			return;
		if (need_addresses(h))
			return;
		conn_new(h);
	}
	hop_free_if_unused(h);
}

/* --- the pool --------------------------------------------------------------------------------- */

static void
done_cb(void *arg)
{
	struct pool *p = arg;

	ev_timer_cancel(&p->stop_timer);
	p->done();
}

struct pool *
pool_new(void)
{
	struct pool *p = xcalloc(1, sizeof(*p));

	LIST_INIT(&p->hops);
	ev_timer_init(&p->done_timer, done_cb, p);
	ev_timer_init(&p->stop_timer, stop_cb, p);
	return p;
}

static void
retire_idle(struct hop *h)
{
	struct conn *c;

	LIST_FOREACH(c, &h->conns, link)
		if (c->idle) {
			c->idle = false;
			ev_timer_cancel(&c->idle_limit);
			client_quit(c->client);
		}
}

void
pool_use(struct pool *p, struct pool_conf *conf)
{
	struct hop *h;

	pool_conf_free(&p->conf);
	p->conf = conf;
	LIST_FOREACH(h, &p->hops, link)
		retire_idle(h);
}

static void
undeliverable(struct delivery *d, const char *why)
{
	delivery_rest(d, false, OUTCOME_DEFERRED, "4.3.5", why, "");
	delivery_end(&d, "", "none", false);
}

void
pool_deliver(struct pool *p, struct delivery *d)
{
	struct route *r = pool_route(p->conf, d->route);
	bool strict = (d->flags & DELIVER_REQUIRE_TLS) != 0;
	const char *domain, *why;
	struct hop *h;

	if (p->done != NULL) {		/* we stop, and queue knows by now */
		delivery_end(&d, "", "none", false);
		return;
	}
	why = r == NULL ? "the route is no longer configured" :
	    strict ? pool_route_strict(r) : NULL;
	if (why != NULL) {
		undeliverable(d, why);
		return;
	}
	domain = r->conf->mx ? d->domain : "";
	h = find_hop(p, d->route, domain, strict);
	if (h == NULL)
		h = hop_new(p, r, domain, strict);
	TAILQ_INSERT_TAIL(&h->waiting, d, link);
	h->nwaiting++;
	ev_timer_set(&h->run, 0);
}

void
pool_give_back(struct pool *p)
{
	struct delivery *d;
	struct hop *h;

	LIST_FOREACH(h, &p->hops, link)
		while ((d = take_waiting(h)) != NULL)
			delivery_end(&d, "", "none", false);
}

void
pool_abandon(struct pool *p)
{
	struct hop *h, *next;
	struct conn *c;

	pool_give_back(p);
	for (h = LIST_FIRST(&p->hops); h != NULL; h = next) {
		next = LIST_NEXT(h, link);
		while ((c = LIST_FIRST(&h->conns)) != NULL)
			conn_free(c);
		dns_cancel(&h->query);
		hop_free_if_unused(h);
	}
}

/* Connections that wait for a seat have nothing to carry any more. */
static void
drop_waiting(struct hop *h)
{
	struct conn *c, *next;

	for (c = LIST_FIRST(&h->conns); c != NULL; c = next) {
		next = LIST_NEXT(c, link);
		if (c->client == NULL)
			conn_free(c);
	}
}

/*
 * Who has all of a message may take it and say so late: that is waited for, as
 * long as the parent lets us. The rest is made again.
 */
static void
stop_cb(void *arg)
{
	struct pool *p = arg;
	struct hop *h, *next;
	struct conn *c, *after;

	pool_give_back(p);
	for (h = LIST_FIRST(&p->hops); h != NULL; h = next) {
		next = LIST_NEXT(h, link);
		dns_cancel(&h->query);
		for (c = LIST_FIRST(&h->conns); c != NULL; c = after) {
			after = LIST_NEXT(c, link);
			if (c->client == NULL || !client_in_doubt(c->client))
				conn_free(c);
		}
		hop_free_if_unused(h);
	}
	if (!LIST_EMPTY(&p->hops))
		ev_timer_set(&p->stop_timer, STOP_AGAIN_MS);
	check_done(p);
}

void
pool_stop(struct pool *p, void (*done)(void))
{
	struct hop *h, *next;

	p->done = done;
	ev_timer_set(&p->stop_timer, STOP_MS);
	pool_give_back(p);
	for (h = LIST_FIRST(&p->hops); h != NULL; h = next) {
		next = LIST_NEXT(h, link);
		retire_idle(h);
		drop_waiting(h);
		dns_cancel(&h->query);
		hop_free_if_unused(h);
	}
	check_done(p);
}
