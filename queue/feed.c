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
	/* flush: a walk over all ids up to the newest at its start */
	bool	 flushing, listing;
	uint64_t flush_after, flush_last;
};

static void	ask(struct feed *);
static void	flush_more(struct feed *);

static void
timer_cb(void *arg)
{
	struct feed *f = arg;

	ev_timer_set(&f->timer, FEED_EVERY_MS);
	ask(f);
	flush_more(f);
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
	store_due(f->q->store, clock_wall_ms() + LIFE_HORIZON_MS, f->asked,
	    due_cb, f);
}

void
feed_room(struct feed *f)
{
	if (f->more)
		ask(f);
	if (f->flushing)
		flush_more(f);
}

/* --- flush ------------------------------------------------------------------------- */

static void
flush_one(struct feed *f, const struct store_msg *m)
{
	struct live_msg *lm = live_find(f->q->live, m->id);

	if (m->hold != HOLD_NONE)
		return;
	if (lm == NULL) {
		life_resume(f->q, m);
		lm = live_find(f->q->live, m->id);
	}
	if (lm->state == LIVE_RESTING)
		life_try(lm, false);
}

static void
flush_cb(struct store_msg *const *msgs, size_t n, void *arg)
{
	struct feed *f = arg;
	size_t i;

	f->listing = false;
	for (i = 0; i < n && msgs[i]->id <= f->flush_last; i++) {
		flush_one(f, msgs[i]);
		f->flush_after = msgs[i]->id;
	}
	if (i < FEED_PAGE) {
		f->flushing = false;
		log_info("flush=done");
	}
	live_read_end(f->q->live);
	flush_more(f);
}

static void
flush_more(struct feed *f)
{
	if (!f->flushing || f->listing || f->q->stopping || !has_room(f))
		return;
	f->listing = true;
	live_read_begin(f->q->live);
	store_list(f->q->store, f->flush_after, FEED_PAGE, flush_cb, f);
}

void
feed_flush(struct feed *f)
{
	sched_unblock(f->q->sched, NULL);
	f->flushing = true;
	f->flush_after = 0;
	f->flush_last = store_new_id(f->q->store);
	flush_more(f);
}
