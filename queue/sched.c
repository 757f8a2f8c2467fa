#include "lib/prelude.h"

#include "lib/xalloc.h"
#include "queue/sched.h"
#include "queue/table.h"

#define AT_ONCE_FIRST	2	/* before a hop has shown that it answers */
#define JITTER_PARTS	5	/* give or take a fifth */
#define MINUTE_US	60000000ULL
/* The longest that a hop keeps mail untried: it may be back any moment. */
#define BLOCK_MAX_MS	(10 * 60 * 1000)

TAILQ_HEAD(jobs, sched_job);

/*
 * A hop stands in the ready list as long as sched_next() may take from it:
 * something waits, and there is room or all of it is to come out as blocked.
 * When all of that is of accounts that have their share, it is parked until a
 * job has ended or somebody else's comes.
 */
struct sched_hop {
	struct table_node node;
	TAILQ_ENTRY(sched_hop) link;
	TAILQ_HEAD(, sched_lane) lanes;	/* those with waiting jobs */
	bool	 ready, parked, paced;
	struct sched_pace *pace;	/* or NULL */
	uint32_t running, limit, window; /* window: jobs at once for now */
	uint32_t failures;		/* in a row */
	struct sched_retry retry;
	uint64_t blocked_ms;		/* until then, 0: not blocked */
	char	*why;
	char	 name[];
};

/* A route's budget, and the hops that wait for the next of its moments. */
struct sched_pace {
	struct table_node node;
	TAILQ_HEAD(, sched_hop) hops;
	uint64_t interval_us, next_us;
	char	 name[];
};

struct sched_account {
	struct table_node node;
	uint32_t running;
	uint64_t bytes;			/* of what runs */
	uint32_t refs;			/* lanes, and running jobs */
	char	 name[];
};

#define PRIORITIES	(2 * SCHED_PRIORITY_MAX + 1)

struct sched_lane {
	struct table_node node;
	TAILQ_ENTRY(sched_lane) link;
	struct sched_account *account;
	uint32_t waiting;		/* a bit for each priority that has jobs */
	struct jobs jobs[PRIORITIES];
	size_t	 key_len;
	char	 key[];			/* address of the hop, account */
};

struct sched {
	uint64_t dice;
	struct table hops, lanes, accounts, paces;
	uint32_t running;
	uint64_t bytes;
	TAILQ_HEAD(, sched_hop) ready, parked;
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
	table_init(&s->hops);
	table_init(&s->lanes);
	table_init(&s->accounts);
	table_init(&s->paces);
	TAILQ_INIT(&s->ready);
	TAILQ_INIT(&s->parked);
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
	if (h->paced)
		TAILQ_REMOVE(&h->pace->hops, h, link);
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

/* All of a table whose nodes are the beginning of what was allocated. */
static void
free_nodes(struct table *t)
{
	struct table_node *n;

	while ((n = table_next(t, NULL)) != NULL) {
		table_remove(t, n);
		free(n);
	}
	table_clear(t);
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
	/* Jobs that run at the end keep theirs. */
	free_nodes(&s->accounts);
	free_nodes(&s->paces);
	table_clear(&s->hops);
	table_clear(&s->lanes);
	free(s);
}

/* --- hops and lanes ------------------------------------------------------------ */

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
	TAILQ_INIT(&h->lanes);
	table_add(&s->hops, &h->node, h->name, len);
	return h;
}

/* A hop that failed is remembered: the next failure weighs more. */
static bool
hop_unused(const struct sched_hop *h)
{
	return TAILQ_EMPTY(&h->lanes) && h->running == 0;
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
	bool ready = !TAILQ_EMPTY(&h->lanes) && hop_has_room(h);

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

static struct sched_account *
account_ref(struct sched *s, const char *name)
{
	size_t len = strlen(name);
	struct sched_account *a = (struct sched_account *)table_find(
	    &s->accounts, name, len);

	if (a == NULL) {
		a = xcalloc(1, sizeof(*a) + len + 1);
		memcpy(a->name, name, len);
		table_add(&s->accounts, &a->node, a->name, len);
	}
	a->refs++;
	return a;
}

static void
account_unref(struct sched *s, struct sched_account *a)
{
	if (--a->refs > 0)
		return;
	table_remove(&s->accounts, &a->node);
	free(a);
}

static struct sched_lane *
lane_make(struct sched *s, struct sched_hop *h, const char *account)
{
	size_t account_len = strlen(account);
	size_t len = sizeof(h) + account_len;
	struct sched_lane *lane = xmalloc(sizeof(*lane) + len);
	struct table_node *old;
	size_t i;

	memcpy(lane->key, &h, sizeof(h));
	memcpy(lane->key + sizeof(h), account, account_len);
	old = table_find(&s->lanes, lane->key, len);
	if (old != NULL) {
		free(lane);
		return (struct sched_lane *)old;
	}
	lane->account = account_ref(s, account);
	lane->waiting = 0;
	for (i = 0; i < PRIORITIES; i++)
		TAILQ_INIT(&lane->jobs[i]);
	lane->key_len = len;
	table_add(&s->lanes, &lane->node, lane->key, len);
	TAILQ_INSERT_TAIL(&h->lanes, lane, link);
	return lane;
}

static void
lane_put(struct sched_lane *lane, struct sched_job *j, bool first)
{
	int p = j->priority + SCHED_PRIORITY_MAX;

	if (first)
		TAILQ_INSERT_HEAD(&lane->jobs[p], j, link);
	else
		TAILQ_INSERT_TAIL(&lane->jobs[p], j, link);
	lane->waiting |= 1U << p;
	j->lane = lane;
}

/* Of the highest priority that there is, the one that has waited longest. */
static struct sched_job *
lane_first(const struct sched_lane *lane)
{
	int p = 31 - __builtin_clz(lane->waiting);

	return TAILQ_FIRST(&lane->jobs[p]);
}

static void
lane_take(struct sched *s, struct sched_job *j)
{
	struct sched_lane *lane = j->lane;
	int p = j->priority + SCHED_PRIORITY_MAX;

	TAILQ_REMOVE(&lane->jobs[p], j, link);
	if (TAILQ_EMPTY(&lane->jobs[p]))
		lane->waiting &= ~(1U << p);
	TAILQ_REMOVE(&j->hop->lanes, lane, link);
	j->lane = NULL;
	if (lane->waiting != 0) {
		TAILQ_INSERT_TAIL(&j->hop->lanes, lane, link);
		return;
	}
	table_remove(&s->lanes, &lane->node);
	account_unref(s, lane->account);
	free(lane);
}

/* --- jobs ------------------------------------------------------------------------- */

static void
hop_pace(struct sched *s, struct sched_hop *h, const char *route,
    uint32_t per_minute)
{
	struct sched_pace *p;
	size_t len = strlen(route);

	p = (struct sched_pace *)table_find(&s->paces, route, len);
	if (p == NULL && per_minute > 0) {
		p = xcalloc(1, sizeof(*p) + len + 1);
		memcpy(p->name, route, len);
		TAILQ_INIT(&p->hops);
		table_add(&s->paces, &p->node, p->name, len);
	}
	if (per_minute > 0)
		p->interval_us = MINUTE_US / per_minute;
	if (h->pace == (per_minute > 0 ? p : NULL))
		return;
	hop_unpark(s, h);
	h->pace = per_minute > 0 ? p : NULL;
}

void
sched_add(struct sched *s, struct sched_job *j,
    const struct sched_place *place, bool first)
{
	struct sched_hop *h = hop_make(s, place->hop);

	h->limit = place->at_once == 0 ? 1 : place->at_once;
	h->retry = place->retry;
	hop_pace(s, h, place->route, place->per_minute);
	j->hop = h;
	j->priority = place->priority;
	j->load = place->load;
	j->state = SCHED_WAITING;
	lane_put(lane_make(s, h, place->account), j, first);
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
	lane_take(s, j);
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

/* Nothing more for what is there already, of another job. */
static bool
has_bytes(const struct sched *s, const struct sched_account *a,
    const struct sched_job *j)
{
	uint64_t left = s->bytes < SCHED_BYTES_MAX ?
	    SCHED_BYTES_MAX - s->bytes : 0;

	return j->load == NULL || j->load->running > 0 || a->bytes < left;
}

/* Whether its account may have one more: it has less than what is free. */
static bool
has_share(const struct sched *s, const struct sched_lane *lane)
{
	return lane->account->running < SCHED_RUNNING_MAX - s->running &&
	    has_bytes(s, lane->account, lane_first(lane));
}

/* The first lane whose account may have one more; any, if nothing is to run. */
static struct sched_lane *
lane_choose(const struct sched *s, const struct sched_hop *h)
{
	struct sched_lane *lane;

	TAILQ_FOREACH(lane, &h->lanes, link)
		if (h->blocked_ms != 0 || has_share(s, lane))
			break;
	return lane;
}

/* Of each route whose moment has come, a hop; when the next moment is, or 0. */
static uint64_t
wake_paced(struct sched *s, uint64_t now_ms)
{
	struct table_node *n = NULL;
	struct sched_pace *p;
	uint64_t at_ms, next_ms = 0;

	while ((n = table_next(&s->paces, n)) != NULL) {
		p = (struct sched_pace *)n;
		if (TAILQ_EMPTY(&p->hops))
			continue;
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
	return h->blocked_ms == 0 && h->pace != NULL &&
	    h->pace->next_us > now_ms * 1000;
}

/* The next hop in turn with a lane that may go; those without are parked. */
static struct sched_lane *
next_lane(struct sched *s, uint64_t now_ms)
{
	struct sched_lane *lane;
	struct sched_hop *h;

	if (s->running >= SCHED_RUNNING_MAX)
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
		lane = lane_choose(s, h);
		if (lane != NULL)
			return lane;
		hop_park(s, h);
	}
	return NULL;
}

/* It runs from here on: takes its place, and its message's, if it is the first. */
static void
job_enters(struct sched *s, struct sched_job *j, struct sched_account *a)
{
	s->running++;
	a->running++;
	a->refs++;
	j->account = a;
	if (j->load != NULL && j->load->running++ == 0) {
		s->bytes += j->load->bytes;
		a->bytes += j->load->bytes;
	}
}

enum sched_verdict
sched_next(struct sched *s, uint64_t now_ms, struct sched_job **jp,
    uint64_t *until_ms)
{
	struct sched_lane *lane = next_lane(s, now_ms);
	struct sched_hop *h;
	struct sched_job *j;

	if (lane == NULL) {
		*until_ms = wake_paced(s, now_ms);
		return SCHED_NONE;
	}
	j = lane_first(lane);
	h = j->hop;
	*jp = j;
	*until_ms = h->blocked_ms;
	if (h->blocked_ms == 0) {
		h->running++;
		job_enters(s, j, lane->account);
		if (h->pace != NULL)
			h->pace->next_us = (h->pace->next_us > now_ms * 1000 ?
			    h->pace->next_us : now_ms * 1000) +
			    h->pace->interval_us;
	}
	lane_take(s, j);
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
	struct sched_retry retry = h->retry;

	/* Attempts that ran side by side failed for one reason: count one. */
	if (h->blocked_ms > now_ms)
		return;
	if (retry.max_ms > BLOCK_MAX_MS)
		retry.max_ms = BLOCK_MAX_MS;
	h->failures++;
	h->blocked_ms = now_ms + sched_backoff_ms(s, &retry, h->failures);
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

	s->running--;
	j->account->running--;
	if (j->load != NULL && --j->load->running == 0) {
		s->bytes -= j->load->bytes;
		j->account->bytes -= j->load->bytes;
	}
	account_unref(s, j->account);
	j->account = NULL;
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

/* --- when to try again ------------------------------------------------------------- */

/* xorshift64*: spreads retries, keeps no secret. */
static uint64_t
dice(struct sched *s)
{
	s->dice ^= s->dice >> 12;
	s->dice ^= s->dice << 25;
	s->dice ^= s->dice >> 27;
	return s->dice * 2685821657736338717ULL;
}

static uint64_t
plain_backoff(const struct sched_retry *r, uint32_t attempts)
{
	uint64_t ms = r->first_ms;

	while (attempts-- > 1 && ms < r->max_ms)
		ms *= 2;
	return ms < r->max_ms ? ms : r->max_ms;
}

uint64_t
sched_backoff_ms(struct sched *s, const struct sched_retry *r,
    uint32_t attempts)
{
	uint64_t ms = plain_backoff(r, attempts), fifth = ms / JITTER_PARTS;

	return ms - fifth + dice(s) % (2 * fifth + 1);
}

uint64_t
sched_backoff_longest_ms(const struct sched_retry *r)
{
	return r->max_ms + r->max_ms / JITTER_PARTS;
}

/* How long after the first try the next is due, when so many have been made. */
static uint64_t
waited_ms(const struct sched_retry *r, uint32_t attempts)
{
	uint64_t t = 0, wait;
	uint32_t n = 0;

	/* It doubles a few times: from there on every wait is the longest. */
	while (n < attempts && (wait = plain_backoff(r, n + 1)) < r->max_ms) {
		t += wait;
		n++;
	}
	return t + (uint64_t)(attempts - n) * r->max_ms;
}

bool
sched_counts(const struct sched_retry *r, uint32_t attempts,
    uint64_t begun_ms, uint64_t wall_ms)
{
	uint64_t due = waited_ms(r, attempts);

	/* A clock that has been set back says nothing. */
	return wall_ms < begun_ms ||
	    wall_ms - begun_ms >= due - due / JITTER_PARTS;
}

bool
sched_expired(const struct sched_retry *r, uint32_t attempts,
    uint64_t arrived_ms, uint64_t expires_ms, uint64_t wall_ms)
{
	uint64_t life = expires_ms > arrived_ms ? expires_ms - arrived_ms : 0;

	if (wall_ms >= expires_ms)
		return waited_ms(r, attempts) >= life / 2;
	return attempts > 0 && waited_ms(r, attempts - 1) / 2 >= life;
}
