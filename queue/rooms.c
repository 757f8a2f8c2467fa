#include "lib/prelude.h"

#include <sys/random.h>
#include <malloc.h>

#include "lib/log.h"
#include "lib/ticket.h"
#include "queue/clock.h"
#include "queue/ctl.h"
#include "queue/dispatch.h"
#include "queue/feed.h"
#include "queue/life.h"
#include "queue/life_digest.h"
#include "queue/rooms.h"
#include "queue/route.h"
#include "queue/strays.h"
#include "queue/submit.h"

#define SWEEP_EVERY_MS	(10 * 60 * 1000)
#define SEGMENT_LEAST	(8 * 1024 * 1024)

/* --- configuration ------------------------------------------------------------- */

static const char *
check_cap(const struct conf_cap *cap)
{
	size_t i;

	for (i = 0; i < cap->limits.n; i++) {
		const struct conf_limit *l = CONF_AT(cap->limits,
		    struct conf_limit, i);

		if (l->what >= LIMIT_KINDS || l->window_sec == 0)
			return "a cap has a limit without a kind or a window";
	}
	return NULL;
}

static const char bad_retry[] = "retry-first must be above 0 and at most "
    "retry-max";

static bool
good_retry(uint32_t first_sec, uint32_t max_sec)
{
	return first_sec > 0 && first_sec <= max_sec;
}

const char *
queue_conf_check(const struct queue_conf *c)
{
	bool fallback = false;
	const char *why;
	size_t i;

	if (c->ticket_key.n != TICKET_KEY_LEN)
		return "the key for tickets has the wrong length";
	if (c->routes.n == 0)
		return "there is no route: mail could go nowhere";
	if (!good_retry(c->retry_first_sec, c->retry_max_sec))
		return bad_retry;
	for (i = 0; i < c->routes.n; i++) {
		const struct conf_queue_route *r = CONF_AT(c->routes,
		    struct conf_queue_route, i);

		if (!good_retry(r->retry_first_sec, r->retry_max_sec))
			return bad_retry;
	}
	if (c->segment_bytes < SEGMENT_LEAST)
		return "segment must be 8M or more, so that the largest record "
		    "fits";
	for (i = 0; i < c->caps.n; i++) {
		const struct conf_cap *cap = CONF_AT(c->caps, struct conf_cap,
		    i);

		if ((why = check_cap(cap)) != NULL)
			return why;
		if (strcmp(cap->name, CAPS_DEFAULT) == 0)
			fallback = true;
	}
	return fallback ? NULL : "there is no cap named \"default\"";
}

static uint32_t
per_minute(const char *name, void *arg)
{
	const struct queue *q = arg;
	const struct conf_queue_route *r = route_named(&q->conf->routes, name);

	return r == NULL ? 0 : r->per_minute;
}

void
queue_reconf(struct queue *q, const struct queue_conf *conf)
{
	const struct queue_conf *was = q->conf;

	q->conf = conf;
	strays_reload(q->strays, was);
	sched_repace(q->sched, per_minute, q);
	caps_configure(q->caps, &conf->caps);
	caps_configure(q->released, &conf->caps);
}

/* --- opening and closing ------------------------------------------------------------ */

static void
settled(const uint64_t *ids, size_t n, void *arg)
{
	life_settled(arg, ids, n);
}

const struct store_ops queue_store_ops = { settled };

static void
replay_cb(const char *account, uint64_t minute_ms,
    const uint64_t used[LIMIT_KINDS], void *arg)
{
	struct queue *q = arg;

	caps_replay(q->caps, account, minute_ms, used, clock_steady_ms());
}

static void
sweep_cb(void *arg)
{
	struct queue *q = arg;

	caps_sweep(q->caps, clock_steady_ms());
	caps_sweep(q->released, clock_steady_ms());
	sched_sweep(q->sched, ev_now_ms());
	life_digests_sweep(q->digests);
	malloc_trim(0);			/* what a long list or a flood took */
	ev_timer_set(&q->sweep, SWEEP_EVERY_MS);
}

/* --- auth ---------------------------------------------------------------------------- */

static int
on_auth_msg(struct ipc *ipc, struct ipc_in *in, void *arg)
{
	struct queue *q = arg;

	if (in->type == M_REVOKE)
		return revoked_get(&q->revoked, in);
	if (in->type != M_REVOKE_END || !ipc_in_end(in))
		return -1;
	q->told = true;
	return 0;
}

static void
on_auth_gone(struct ipc *ipc, const char *why, void *arg)
{
	struct queue *q = arg;

	if (why != NULL) {
		log_warnx("auth channel=closed why=\"%s\"", why);
		child_peer_bad(ROLE_AUTH, 0, why);
	}
	ipc_free(&q->auth);
}

void
queue_auth_peer(struct queue *q, int fd)
{
	static const struct ipc_ops ops = { on_auth_msg, on_auth_gone };

	ipc_free(&q->auth);
	q->auth = ipc_new(fd, &ops, q);
	revoked_send_all(&q->revoked, q->auth);
}

/* --- the rooms ----------------------------------------------------------------------- */

const char *
queue_open(struct queue *q, const struct queue_conf *conf,
    struct store *(*open_store)(struct queue *, const char **))
{
	const char *errstr = NULL;
	uint64_t seed;

	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return "the kernel gives no random numbers";
	memset(q, 0, sizeof(*q));
	revoked_init(&q->revoked);
	clock_start();
	q->caps = caps_new();
	q->released = caps_new();
	q->sched = sched_new(seed);
	q->live = live_new(life_stored_cb, life_due_cb);
	q->submit = submit_new(q);
	q->dispatch = dispatch_new(q);
	q->feed = feed_new(q);
	q->ctl = ctl_new();
	q->digests = life_digests_new(q);
	q->strays = strays_new(q);
	queue_reconf(q, conf);
	q->store = open_store(q, &errstr);
	if (q->store == NULL)
		return errstr;
	store_usage(q->store, caps_back_sec(q->caps), replay_cb, q);
	log_info("queue=open messages=%llu",
	    (unsigned long long)store_count(q->store));
	ev_timer_init(&q->sweep, sweep_cb, q);
	ev_timer_set(&q->sweep, SWEEP_EVERY_MS);
	feed_start(q->feed);
	return NULL;
}

void
queue_close(struct queue *q)
{
	ev_timer_cancel(&q->sweep);
	ev_timer_cancel(&q->stop);
	submit_let_go(q->submit);
	ctl_free(&q->ctl);		/* it may have spool files open */
	store_close(&q->store);
	life_digests_free(&q->digests);
	strays_free(&q->strays);
	submit_free(&q->submit);
	feed_free(&q->feed);
	dispatch_free(&q->dispatch);
	live_free(&q->live);
	sched_free(&q->sched);
	caps_free(&q->caps);
	caps_free(&q->released);
	ipc_free(&q->auth);
	revoked_clear(&q->revoked);
}
