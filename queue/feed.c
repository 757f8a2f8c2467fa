#include "lib/prelude.h"

#include "lib/xalloc.h"
#include "queue/clock.h"
#include "queue/feed.h"
#include "queue/life.h"
#include "queue/life_times.h"
#include "queue/route.h"

struct place {			/* in the order of due times */
	uint64_t due_ms, id;
};

struct feed {
	struct queue *q;
	struct ev_timer timer;
	struct ev_timer sweep_timer;
	bool	 asking;	/* the index is reading a page */
	bool	 of_sweep;	/* ... for the sweep */
	struct place front;	/* all up to here was let in */
	bool	 front_waits;	/* whose it is that comes next had his share */
	size_t	 waits_at;	/* units in memory by way of us then */
	bool	 front_over;	/* nothing more was due */
	struct place swept;
	bool	 sweeping;	/* not at its end yet */
	struct buf domain, hop;
	/* a walk over all ids up to the newest at its beginning */
	bool	 walking, listing;
	unsigned int read_due, read_list; /* live_read_begin()'s */
	uint64_t walk_after, walk_last;
};

static void	ask(struct feed *);
static void	walk_begin(struct feed *);
static void	walk_more(struct feed *);
static void	room_cb(void *);

/*
 * Now and then from the very front again: what was let go of meanwhile is due
 * at a time that lies behind us.
 */
static void
timer_cb(void *arg)
{
	struct feed *f = arg;

	ev_timer_set(&f->timer, FEED_EVERY_MS);
	f->front = (struct place){ 0 };
	f->front_waits = f->front_over = false;
	ask(f);
	walk_more(f);
}

static void
sweep_cb(void *arg)
{
	ask(arg);
}

struct feed *
feed_new(struct queue *q)
{
	struct feed *f = xcalloc(1, sizeof(*f));

	f->q = q;
	ev_timer_init(&f->timer, timer_cb, f);
	ev_timer_init(&f->sweep_timer, sweep_cb, f);
	buf_init(&f->domain, ROUTE_HOP_MAX);
	buf_init(&f->hop, ROUTE_HOP_MAX);
	live_on_room(q->live, room_cb, f);
	return f;
}

void
feed_free(struct feed **fp)
{
	struct feed *f = *fp;

	if (f == NULL)
		return;
	*fp = NULL;
	live_on_room(f->q->live, NULL, NULL);
	ev_timer_cancel(&f->timer);
	ev_timer_cancel(&f->sweep_timer);
	buf_clear(&f->domain);
	buf_clear(&f->hop);
	free(f);
}

void
feed_start(struct feed *f)
{
	ev_timer_set(&f->timer, FEED_EVERY_MS);
	ask(f);
	walk_begin(f);
}

/*
 * Mail that is put off as fast as it is fed, as all its next hops are blocked,
 * must not outrun the index: each change is in memory until that has it.
 */
static bool
has_room(const struct feed *f)
{
	return f->q->live->fed + FEED_PAGE <= FEED_LIVE_MAX &&
	    store_unsettled(f->q->store) <= FEED_UNSETTLED_MAX;
}

/* --- shares ---------------------------------------------------------------------- */

static const char *
hop_of(struct feed *f, const struct store_msg *m)
{
	size_t i;

	for (i = 0; i < m->env.nrcpts; i++)
		if (m->rcpts[i].state == RCPT_PENDING) {
			route_for(f->q->conf, m, i, &f->domain, &f->hop);
			return buf_str(&f->hop);
		}
	return "";
}

static void
bring_in(struct feed *f, const struct store_msg *m, const char *hop)
{
	life_resume(f->q, m);
	live_take_share(live_find(f->q->live, m->id), hop);
}

/* Lets it in, or not, as it has had its share. */
static bool
let_in(struct feed *f, const struct store_msg *m)
{
	struct live *l = f->q->live;
	size_t left = l->fed < FEED_LIVE_MAX ? FEED_LIVE_MAX - l->fed : 0;
	const char *hop;

	if (live_find(l, m->id) != NULL)
		return true;
	hop = hop_of(f, m);
	if (live_share(l, LIVE_BY_ACCOUNT, m->account) >= left ||
	    live_share(l, LIVE_BY_HOP, hop) >= 2 * left)
		return false;
	bring_in(f, m, hop);
	return true;
}

/* --- what is due --------------------------------------------------------------------- */

static void
front_page(struct feed *f, struct store_msg *const *msgs, size_t n)
{
	size_t i;

	for (i = 0; i < n && !f->front_waits; i++) {
		if (let_in(f, msgs[i]))
			f->front = (struct place){ msgs[i]->due_ms,
			    msgs[i]->id };
		else {
			f->front_waits = true;
			f->waits_at = f->q->live->fed;
		}
	}
	f->front_over = n == 0;
	if (f->front_waits && !f->sweeping) {
		f->sweeping = true;
		f->swept = f->front;
	}
}

/* How much was let in. */
static size_t
sweep_page(struct feed *f, struct store_msg *const *msgs, size_t n)
{
	size_t i, before = f->q->live->fed;

	for (i = 0; i < n; i++) {
		let_in(f, msgs[i]);
		f->swept = (struct place){ msgs[i]->due_ms, msgs[i]->id };
	}
	f->sweeping = n > 0;
	return f->q->live->fed - before;
}

static void
due_cb(struct store_msg *const *msgs, size_t n, void *arg)
{
	struct feed *f = arg;
	bool idle = false;

	f->asking = false;
	if (f->of_sweep)
		idle = sweep_page(f, msgs, n) == 0;
	else
		front_page(f, msgs, n);
	live_read_end(f->q->live, f->read_due);
	if (idle)
		ev_timer_set(&f->sweep_timer, FEED_SWEEP_MS);
	else
		ask(f);
}

static void
ask(struct feed *f)
{
	struct place from;

	if (f->asking || f->q->stopping || !has_room(f))
		return;
	f->of_sweep = f->front_waits || f->front_over;
	if (f->of_sweep && (!f->sweeping || ev_timer_armed(&f->sweep_timer)))
		return;
	from = f->of_sweep ? f->swept : f->front;
	f->asking = true;
	f->read_due = live_read_begin(f->q->live);
	store_due(f->q->store, from.due_ms, from.id, clock_due_ms() +
	    LIFE_HORIZON_MS, FEED_PAGE, due_cb, f);
}

/* A message has left memory. */
static void
room_cb(void *arg)
{
	struct feed *f = arg;

	/* With the room the shares have grown. */
	if (f->front_waits && f->q->live->fed + FEED_PAGE / 2 <=
	    f->waits_at)
		f->front_waits = false;
	ask(f);
	walk_more(f);
}

/* --- a walk through the whole queue, at start --------------------------------------- */

/*
 * Mail that was put off while the clock was a year ahead must not wait that
 * year, and store_due() would not name it.
 */
static bool
misdated(const struct feed *f, const struct store_msg *m)
{
	return m->hold == HOLD_NONE && m->due_ms > clock_due_ms() +
	    life_longest_wait_ms(f->q, m);
}

static void
walk_cb(struct store_msg *const *msgs, size_t n, void *arg)
{
	struct feed *f = arg;
	size_t i;

	f->listing = false;
	for (i = 0; i < n && msgs[i]->id <= f->walk_last; i++) {
		if (misdated(f, msgs[i]) &&
		    live_find(f->q->live, msgs[i]->id) == NULL)
			bring_in(f, msgs[i], hop_of(f, msgs[i]));
		f->walk_after = msgs[i]->id;
	}
	if (n == 0 || i < n)
		f->walking = false;
	live_read_end(f->q->live, f->read_list);
	walk_more(f);
}

static void
walk_more(struct feed *f)
{
	if (!f->walking || f->listing || f->q->stopping || !has_room(f))
		return;
	f->listing = true;
	f->read_list = live_read_begin(f->q->live);
	store_list(f->q->store, f->walk_after, FEED_PAGE, walk_cb, f);
}

static void
walk_begin(struct feed *f)
{
	f->walking = true;
	f->walk_last = store_new_id(f->q->store);
	walk_more(f);
}
