#include "lib/prelude.h"

#include "lib/log.h"
#include "lib/xalloc.h"
#include "queue/clock.h"
#include "queue/feed.h"
#include "queue/life.h"

enum walk {
	WALK_NONE,
	WALK_MISDATED,		/* what is due later than we ever say */
	WALK_FLUSH		/* everything */
};

struct feed {
	struct queue *q;
	struct ev_timer timer;
	bool	 asking;	/* the index is reading a page */
	bool	 more;		/* it had more than it gave */
	size_t	 asked;		/* of that page */
	/* a walk over all ids up to the newest at its beginning */
	enum walk walk;
	bool	 listing;
	uint64_t walk_after, walk_last, listed_after;
};

static void	ask(struct feed *);
static void	walk_begin(struct feed *, enum walk);
static void	walk_more(struct feed *);

static void
timer_cb(void *arg)
{
	struct feed *f = arg;

	ev_timer_set(&f->timer, FEED_EVERY_MS);
	ask(f);
	walk_more(f);
}

struct feed *
feed_new(struct queue *q)
{
	struct feed *f = xcalloc(1, sizeof(*f));

	f->q = q;
	ev_timer_init(&f->timer, timer_cb, f);
	return f;
}

void
feed_free(struct feed **fp)
{
	struct feed *f = *fp;

	if (f == NULL)
		return;
	*fp = NULL;
	ev_timer_cancel(&f->timer);
	free(f);
}

void
feed_start(struct feed *f)
{
	ev_timer_set(&f->timer, FEED_EVERY_MS);
	ask(f);
	walk_begin(f, WALK_MISDATED);
}

static bool
has_room(const struct feed *f)
{
	return f->q->live->n_indexed + FEED_PAGE <= FEED_LIVE_MAX;
}

/* --- what is due --------------------------------------------------------------- */

static void
due_cb(struct store_msg *const *msgs, size_t n, void *arg)
{
	struct feed *f = arg;
	size_t i;

	f->asking = false;
	f->more = n == f->asked;
	for (i = 0; i < n; i++)
		life_resume(f->q, msgs[i]);
	live_read_end(f->q->live);
	if (f->more && has_room(f))
		ask(f);
}

/*
 * The earliest come first, and those that we hold are still among them: ask
 * for that many more.
 */
static void
ask(struct feed *f)
{
	if (f->asking || f->q->stopping || !has_room(f))
		return;
	f->asking = true;
	f->asked = f->q->live->n_indexed + FEED_PAGE;
	live_read_begin(f->q->live);
	store_due(f->q->store, clock_due_ms() + LIFE_HORIZON_MS, f->asked,
	    due_cb, f);
}

void
feed_room(struct feed *f)
{
	if (f->more)
		ask(f);
	walk_more(f);
}

/* --- walks through the whole queue -------------------------------------------------- */

/*
 * At start: mail that was put off while the clock was a year ahead must not
 * wait that year. store_due() would not name it.
 */
static bool
concerns(const struct feed *f, const struct store_msg *m)
{
	if (m->hold != HOLD_NONE)
		return false;
	return f->walk == WALK_FLUSH || m->due_ms > clock_due_ms() +
	    sched_backoff_longest_ms(f->q->sched);
}

static void
visit(struct feed *f, const struct store_msg *m)
{
	struct live_msg *lm;

	if (!concerns(f, m))
		return;
	life_resume(f->q, m);
	lm = live_find(f->q->live, m->id);
	if (f->walk == WALK_FLUSH && lm->state == LIVE_RESTING)
		life_try(lm, false);
}

static void
walk_cb(struct store_msg *const *msgs, size_t n, void *arg)
{
	struct feed *f = arg;
	size_t i;
	/* A flush may have begun meanwhile: it starts from the front. */
	bool stale = f->walk_after != f->listed_after;

	f->listing = false;
	for (i = 0; !stale && i < n && msgs[i]->id <= f->walk_last; i++) {
		visit(f, msgs[i]);
		f->walk_after = msgs[i]->id;
	}
	if (!stale && i < FEED_PAGE)
		f->walk = WALK_NONE;
	live_read_end(f->q->live);
	walk_more(f);
}

static void
walk_more(struct feed *f)
{
	if (f->walk == WALK_NONE || f->listing || f->q->stopping ||
	    !has_room(f))
		return;
	f->listing = true;
	f->listed_after = f->walk_after;
	live_read_begin(f->q->live);
	store_list(f->q->store, f->walk_after, FEED_PAGE, walk_cb, f);
}

static void
walk_begin(struct feed *f, enum walk walk)
{
	f->walk = walk;
	f->walk_after = 0;
	f->walk_last = store_new_id(f->q->store);
	walk_more(f);
}

void
feed_flush(struct feed *f)
{
	sched_unblock(f->q->sched, NULL);
	walk_begin(f, WALK_FLUSH);
}
