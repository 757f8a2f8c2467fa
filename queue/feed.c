#include "lib/prelude.h"

#include "lib/log.h"
#include "lib/xalloc.h"
#include "queue/clock.h"
#include "queue/feed.h"
#include "queue/life.h"

struct feed {
	struct queue *q;
	struct ev_timer timer;
	bool	 asking;	/* the index is reading a page */
	bool	 more;		/* it had more than it gave */
	size_t	 asked;		/* of that page */
	/* a walk over all ids up to the newest at its beginning */
	bool	 walking, listing;
	uint64_t walk_after, walk_last;
};

static void	ask(struct feed *);
static void	walk_begin(struct feed *);
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
	walk_begin(f);
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

/* --- a walk through the whole queue, at start --------------------------------------- */

/*
 * Mail that was put off while the clock was a year ahead must not wait that
 * year, and store_due() would not name it.
 */
static bool
misdated(const struct feed *f, const struct store_msg *m)
{
	return m->hold == HOLD_NONE && m->due_ms > clock_due_ms() +
	    sched_backoff_longest_ms(f->q->sched);
}

static void
walk_cb(struct store_msg *const *msgs, size_t n, void *arg)
{
	struct feed *f = arg;
	size_t i;

	f->listing = false;
	for (i = 0; i < n && msgs[i]->id <= f->walk_last; i++) {
		if (misdated(f, msgs[i]))
			life_resume(f->q, msgs[i]);
		f->walk_after = msgs[i]->id;
	}
	if (i < FEED_PAGE)
		f->walking = false;
	live_read_end(f->q->live);
	walk_more(f);
}

static void
walk_more(struct feed *f)
{
	if (!f->walking || f->listing || f->q->stopping || !has_room(f))
		return;
	f->listing = true;
	live_read_begin(f->q->live);
	store_list(f->q->store, f->walk_after, FEED_PAGE, walk_cb, f);
}

static void
walk_begin(struct feed *f)
{
	f->walking = true;
	f->walk_last = store_new_id(f->q->store);
	walk_more(f);
}
