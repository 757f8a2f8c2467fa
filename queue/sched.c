#include "lib/prelude.h"

#include "lib/xalloc.h"
#include "queue/sched.h"
#include "queue/table.h"

#define AT_ONCE_FIRST	2	/* before a hop has shown that it answers */
#define MINUTE_US	60000000ULL
/* The longest that a hop keeps mail untried: it may be back any moment. */
#define BLOCK_MAX_MS	(10 * 60 * 1000)

/*
 * A hop stands in the ready list as long as sched_next() may take from it:
 * something waits, and there is room or all of it is to come out as blocked.
 * When all of that is of accounts that have their share, it is parked until a
 * job has ended or somebody else's comes.
 */
struct sched_hop {
	struct table_node node;
	TAILQ_ENTRY(sched_hop) link;
	struct fair_lines lines;
	bool	 ready, parked, paced;
	struct sched_pace *pace;	/* its route's */
	uint32_t running, limit, window; /* window: jobs at once for now */
	uint32_t failures;		/* in a row */
	struct retry retry;
	uint64_t blocked_ms;		/* until then, 0: not blocked */
	char	*why;
	char	 name[];
};

/* A route's budget, and the hops that wait for the next of its moments. */
struct sched_pace {
	struct table_node node;
	TAILQ_ENTRY(sched_pace) link;	/* of those with such hops */
	TAILQ_HEAD(, sched_hop) hops;
	uint64_t interval_us, next_us;	/* 0: whenever there is something */
	char	 name[];
};

struct sched {
	uint64_t dice;
	struct fair fair;
	struct table hops, paces;
	TAILQ_HEAD(, sched_hop) ready, parked;
	TAILQ_HEAD(, sched_pace) paced;
	void	(*on_ready)(void *);
	void	*arg;
};

/* A job that ends makes room for one; a second is asked in case that is not. */
#define UNPARKED_AT_ONCE 2

struct sched *
sched_new(uint64_t seed)
{
	struct sched *s = xcalloc(1, sizeof(*s));

	s->dice = seed | 1;
	fair_init(&s->fair, SCHED_RUNNING_MAX, SCHED_BYTES_MAX);
	table_init(&s->hops);
	table_init(&s->paces);
	TAILQ_INIT(&s->ready);
	TAILQ_INIT(&s->parked);
	TAILQ_INIT(&s->paced);
	return s;
}

/* Out of whatever list it stands in. */
static void
hop_unlist(struct sched *s, struct sched_hop *h)
{
	if (h->ready)
		TAILQ_REMOVE(&s->ready, h, link);
	if (h->parked)
		TAILQ_REMOVE(&s->parked, h, link);
	if (h->paced) {
		TAILQ_REMOVE(&h->pace->hops, h, link);
		if (TAILQ_EMPTY(&h->pace->hops))
			TAILQ_REMOVE(&s->paced, h->pace, link);
	}
	h->ready = h->parked = h->paced = false;
}

static void
hop_free(struct sched *s, struct sched_hop *h)
{
	hop_unlist(s, h);
	table_remove(&s->hops, &h->node);
	free(h->why);
	free(h);
}

void
sched_free(struct sched **sp)
{
	struct sched *s = *sp;
	struct table_node *n;

	if (s == NULL)
		return;
	*sp = NULL;
	while ((n = table_next(&s->hops, NULL)) != NULL)
		hop_free(s, (struct sched_hop *)n);
	while ((n = table_next(&s->paces, NULL)) != NULL) {
		table_remove(&s->paces, n);
		free(n);
	}
	table_clear(&s->paces);
	table_clear(&s->hops);
	fair_clear(&s->fair);
	free(s);
}

/* xorshift64*: spreads retries, keeps no secret. */
uint64_t
sched_dice(struct sched *s)
{
	s->dice ^= s->dice >> 12;
	s->dice ^= s->dice << 25;
	s->dice ^= s->dice >> 27;
	return s->dice * 2685821657736338717ULL;
}

/* --- hops ---------------------------------------------------------------------- */

static struct sched_hop *
hop_find(const struct sched *s, const char *name)
{
	return (struct sched_hop *)table_find(&s->hops, name, strlen(name));
}

static struct sched_hop *
hop_make(struct sched *s, const char *name)
{
	size_t len = strlen(name);
	struct sched_hop *h = hop_find(s, name);

	if (h != NULL)
		return h;
	h = xcalloc(1, sizeof(*h) + len + 1);
	memcpy(h->name, name, len);
	h->window = AT_ONCE_FIRST;
	TAILQ_INIT(&h->lines);
	table_add(&s->hops, &h->node, h->name, len);
	return h;
}

/* A hop that failed is remembered: the next failure weighs more. */
static bool
hop_unused(const struct sched_hop *h)
{
	return TAILQ_EMPTY(&h->lines) && h->running == 0;
}

static bool
hop_has_room(const struct sched_hop *h)
{
	uint32_t most = h->window < h->limit ? h->window : h->limit;

	return h->blocked_ms != 0 || h->running < most;
}

void
sched_on_ready(struct sched *s, void (*ready)(void *), void *arg)
{
	s->on_ready = ready;
	s->arg = arg;
}

static void
hop_review(struct sched *s, struct sched_hop *h)
{
	bool ready = !TAILQ_EMPTY(&h->lines) && hop_has_room(h);

	if (!ready)
		hop_unlist(s, h);
	else if (!h->ready && !h->parked && !h->paced) {
		TAILQ_INSERT_TAIL(&s->ready, h, link);
		h->ready = true;
		if (s->on_ready != NULL)
			s->on_ready(s->arg);
	}
}

static void
hop_park(struct sched *s, struct sched_hop *h)
{
	hop_unlist(s, h);
	TAILQ_INSERT_TAIL(&s->parked, h, link);
	h->parked = true;
}

static void
hop_wait_for_pace(struct sched *s, struct sched_hop *h)
{
	hop_unlist(s, h);
	if (TAILQ_EMPTY(&h->pace->hops))
		TAILQ_INSERT_TAIL(&s->paced, h->pace, link);
	TAILQ_INSERT_TAIL(&h->pace->hops, h, link);
	h->paced = true;
}

/* Back into the ready list, if it may be there. */
static void
hop_unpark(struct sched *s, struct sched_hop *h)
{
	if (!h->parked && !h->paced)
		return;
	hop_unlist(s, h);
	hop_review(s, h);
}

/* --- jobs ------------------------------------------------------------------------- */

static struct sched_pace *
pace_of(struct sched *s, const char *route)
{
	size_t len = strlen(route);
	struct sched_pace *p = (struct sched_pace *)table_find(&s->paces,
	    route, len);

	if (p != NULL)
		return p;
	p = xcalloc(1, sizeof(*p) + len + 1);
	memcpy(p->name, route, len);
	TAILQ_INIT(&p->hops);
	table_add(&s->paces, &p->node, p->name, len);
	return p;
}

/* The next moment counts from the last one. */
static void
pace_set(struct sched_pace *p, uint32_t per_minute)
{
	uint64_t had_us = p->interval_us;

	p->interval_us = per_minute == 0 ? 0 : MINUTE_US / per_minute;
	p->next_us = p->interval_us > 0 && p->next_us > had_us ?
	    p->next_us - had_us + p->interval_us : 0;
}

static void
hop_pace(struct sched *s, struct sched_hop *h, const struct sched_place *place)
{
	struct sched_pace *p = pace_of(s, place->route);

	pace_set(p, place->per_minute);
	if (h->pace == p)
		return;
	hop_unpark(s, h);
	h->pace = p;
}

void
sched_repace(struct sched *s, sched_per_minute *per_minute, void *arg)
{
	struct table_node *n = NULL;

	while ((n = table_next(&s->paces, n)) != NULL) {
		struct sched_pace *p = (struct sched_pace *)n;

		pace_set(p, per_minute(p->name, arg));
	}
	if (s->on_ready != NULL)
		s->on_ready(s->arg);
}

bool
sched_waits(const struct sched *s, const char *route)
{
	const struct sched_pace *p = (struct sched_pace *)table_find(&s->paces,
	    route, strlen(route));

	return p != NULL && !TAILQ_EMPTY(&p->hops);
}

void
sched_add(struct sched *s, struct sched_job *j,
    const struct sched_place *place, bool first)
{
	struct sched_hop *h = hop_make(s, place->hop);

	h->limit = place->at_once == 0 ? 1 : place->at_once;
	h->retry = place->retry;
	hop_pace(s, h, place);
	j->hop = h;
	j->fair.priority = place->priority;
	j->fair.load = place->load;
	j->state = SCHED_WAITING;
	fair_put(&s->fair, &h->lines, place->account, &j->fair, first);
	if (h->parked)			/* somebody else's, perhaps */
		hop_unpark(s, h);
	hop_review(s, h);
}

void
sched_cancel(struct sched *s, struct sched_job *j)
{
	struct sched_hop *h = j->hop;

	if (j->state != SCHED_WAITING)
		return;
	fair_take(&s->fair, &h->lines, &j->fair);
	j->state = SCHED_IDLE;
	j->hop = NULL;
	hop_review(s, h);
	if (hop_unused(h) && h->failures == 0)
		hop_free(s, h);
}

/* The time of a block may be over: then one job may probe. */
static void
hop_wake(struct sched *s, struct sched_hop *h, uint64_t now_ms)
{
	if (h->blocked_ms == 0 || now_ms < h->blocked_ms)
		return;
	h->blocked_ms = 0;
	h->window = 1;
	hop_review(s, h);
}

/* Of each route whose moment has come, a hop; when the next moment is, or 0. */
static uint64_t
wake_paced(struct sched *s, uint64_t now_ms)
{
	struct sched_pace *p, *next;
	uint64_t at_ms, next_ms = 0;

	for (p = TAILQ_FIRST(&s->paced); p != NULL; p = next) {
		next = TAILQ_NEXT(p, link);
		at_ms = (p->next_us + 999) / 1000;
		if (at_ms <= now_ms)
			hop_unpark(s, TAILQ_FIRST(&p->hops));
		else if (next_ms == 0 || at_ms < next_ms)
			next_ms = at_ms;
	}
	return next_ms;
}

static bool
too_early(const struct sched_hop *h, uint64_t now_ms)
{
	return h->blocked_ms == 0 && h->pace->next_us > now_ms * 1000;
}

/* Of the next hop in turn with one that may go; those without are parked. */
static struct sched_job *
next_job(struct sched *s, uint64_t now_ms)
{
	struct fair_job *j;
	struct sched_hop *h;

	if (fair_full(&s->fair))
		return NULL;
	wake_paced(s, now_ms);
	while ((h = TAILQ_FIRST(&s->ready)) != NULL) {
		hop_wake(s, h, now_ms);
		if (!h->ready)
			continue;
		if (too_early(h, now_ms)) {
			hop_wait_for_pace(s, h);
			continue;
		}
		j = fair_next(&s->fair, &h->lines, h->blocked_ms == 0);
		if (j != NULL)
			return (struct sched_job *)j;
		hop_park(s, h);
	}
	return NULL;
}

static void
pace_count(struct sched_pace *p, uint64_t now_ms)
{
	if (p->interval_us > 0)
		p->next_us = (p->next_us > now_ms * 1000 ? p->next_us :
		    now_ms * 1000) + p->interval_us;
}

/* What it counted last, in the same turn, has not been. */
static void
pace_count_back(struct sched_pace *p)
{
	p->next_us -= p->interval_us;
}

enum sched_verdict
sched_next(struct sched *s, uint64_t now_ms, struct sched_job **jp,
    uint64_t *until_ms)
{
	struct sched_job *j = next_job(s, now_ms);
	struct sched_hop *h;

	if (j == NULL) {
		*until_ms = wake_paced(s, now_ms);
		return SCHED_NONE;
	}
	h = j->hop;
	*jp = j;
	*until_ms = h->blocked_ms;
	if (h->blocked_ms == 0) {
		h->running++;
		fair_enter(&s->fair, &j->fair);
		pace_count(h->pace, now_ms);
	}
	fair_take(&s->fair, &h->lines, &j->fair);
	TAILQ_REMOVE(&s->ready, h, link);
	TAILQ_INSERT_TAIL(&s->ready, h, link);
	hop_review(s, h);
	j->state = h->blocked_ms == 0 ? SCHED_RUNNING : SCHED_IDLE;
	return h->blocked_ms == 0 ? SCHED_GO : SCHED_BLOCKED;
}

static void
hop_block(struct sched *s, struct sched_hop *h, const char *why,
    uint64_t now_ms)
{
	struct retry retry = h->retry;

	/* Attempts that ran side by side failed for one reason: count one. */
	if (h->blocked_ms > now_ms)
		return;
	if (retry.max_ms > BLOCK_MAX_MS)
		retry.max_ms = BLOCK_MAX_MS;
	h->failures++;
	h->blocked_ms = now_ms + retry_wait_ms(&retry, h->failures,
	    sched_dice(s));
	free(h->why);
	h->why = xstrdup(why);
	hop_unpark(s, h);		/* what waits is to come out */
}

/* One less runs: somebody whose share was used up may have the room. */
static void
job_leaves(struct sched *s, struct sched_job *j)
{
	struct sched_hop *h;
	int n;

	fair_leave(&s->fair, &j->fair);
	for (n = 0; n < UNPARKED_AT_ONCE &&
	    (h = TAILQ_FIRST(&s->parked)) != NULL; n++)
		hop_unpark(s, h);
}

void
sched_done(struct sched *s, struct sched_job *j, enum sched_end end,
    const char *why, uint64_t now_ms)
{
	struct sched_hop *h = j->hop;

	h->running--;
	job_leaves(s, j);
	j->state = SCHED_IDLE;
	j->hop = NULL;
	if (end == SCHED_UNSENT)
		pace_count_back(h->pace);
	if (end == SCHED_UNREACHED)
		hop_block(s, h, why, now_ms);
	if (end == SCHED_REACHED) {
		h->failures = 0;
		h->blocked_ms = 0;
		if (h->window < AT_ONCE_FIRST)
			h->window = AT_ONCE_FIRST;
		else if (h->window < h->limit)
			h->window++;
	}
	hop_review(s, h);
	if (hop_unused(h) && h->failures == 0)
		hop_free(s, h);
	if (s->on_ready != NULL)	/* there may have been no room at all */
		s->on_ready(s->arg);
}

const char *
sched_why(const struct sched_job *j)
{
	return j->hop->why;
}

void
sched_unblock(struct sched *s, const char *hop)
{
	struct table_node *n = NULL;
	struct sched_hop *h;

	if (hop != NULL) {
		if ((h = hop_find(s, hop)) != NULL)
			hop_wake(s, h, UINT64_MAX);
		return;
	}
	while ((n = table_next(&s->hops, n)) != NULL)
		hop_wake(s, (struct sched_hop *)n, UINT64_MAX);
}

void
sched_sweep(struct sched *s, uint64_t now_ms)
{
	struct table_node *n, *next;
	struct sched_hop *h;

	for (n = table_next(&s->hops, NULL); n != NULL; n = next) {
		next = table_next(&s->hops, n);
		h = (struct sched_hop *)n;
		if (hop_unused(h) && h->blocked_ms + h->retry.max_ms < now_ms)
			hop_free(s, h);
	}
}
