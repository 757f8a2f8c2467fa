#include "lib/prelude.h"

#include "queue/ctl_walk.h"
#include "queue/live.h"
#include "queue/reserve.h"

#define PAGE		500
#define PACE_MS		50
/* Bulk verbs wait while memory holds so many changes for the index. */
#define UNSETTLED_MAX	30000
/* ... and, on a full disk, so often for a segment that can be used again. */
#define STALLED_MAX	120

static void	walk(struct asked *);

bool
ctl_may(struct asked *a, const char *why)
{
	const char *nowhere = why == NULL ? filter_nowhere(&a->filter, a->q) :
	    NULL;

	if (why != NULL)
		asked_end(a, CTL_USAGE, "%s", why);
	else if (nowhere != NULL)
		asked_end(a, CTL_NOT_FOUND, "%s", nowhere);
	return why == NULL && nowhere == NULL;
}

/* What goes takes no more than a word, however many recipients it has. */
static uint64_t
change_bytes(const struct asked *a, const struct store_msg *m)
{
	return a->removes ? STORE_LEAST_BYTES : a->leave + store_msg_bytes(m);
}

/* What the store has named may have left since, or wait for that at a next hop. */
static bool
is_there(const struct asked *a, uint64_t id)
{
	const struct live_msg *lm = live_find(a->q->live, id);

	return lm == NULL || (lm->state != LIVE_GONE &&
	    (!lm->removing || a->all_there));
}

/* In a thread's hands for a moment: to be stored, or its body to be read. */
static bool
in_passing(const struct asked *a, uint64_t id)
{
	const struct live_msg *lm = live_find(a->q->live, id);

	return lm != NULL && (lm->state == LIVE_STORING ||
	    lm->state == LIVE_SETTLING);
}

/*
 * False: it is to come again. What is ordered is answered as done, so on a full
 * disk no more is ordered than can be written down.
 */
static bool
visit(struct asked *a, const struct store_msg *m)
{
	if (!is_there(a, m->id)) {
		a->missing += a->filter.nids > 0;
		return true;
	}
	if (!filter_fits(&a->filter, a->q, m))
		return true;
	if (a->changes && in_passing(a, m->id))
		return false;
	if (a->changes && a->writes(a, m) &&
	    !reserve_may_write(a->q, change_bytes(a, m))) {
		a->disk_full = a->enough = a->stalled++ == STALLED_MAX;
		return false;
	}
	a->stalled = 0;
	a->seen++;
	a->enough = a->seen == a->filter.limit;
	a->visit(a, m);
	return true;
}

static void
page_over(struct asked *a, unsigned int read, bool stalls)
{
	live_read_end(a->q->live, read);
	if (stalls)
		asked_later(a, PACE_MS, walk);
	else
		walk(a);
}

static void
page_cb(struct store_msg *const *msgs, size_t n, void *arg)
{
	struct asked *a = arg;
	unsigned int read = a->read;
	bool stalls = false;
	uint64_t id;
	size_t i;

	a->reading = false;
	for (i = 0; i < n && !a->enough && msgs[i]->id <= a->upto; i++) {
		id = msgs[i]->id;	/* it may be gone behind the visit */
		stalls = !visit(a, msgs[i]);
		if (stalls)
			break;
		a->after = id;
	}
	if (n == 0 || (i < n && !stalls))
		a->enough = true;
	page_over(a, read, stalls);
}

static void
load_cb(struct store_msg *const *msgs, size_t n, void *arg)
{
	struct asked *a = arg;
	unsigned int read = a->read;
	bool stalls;

	a->reading = false;
	stalls = n > 0 && !visit(a, msgs[0]);
	if (n == 0)
		a->missing++;
	if (stalls)
		a->next_id--;
	if (a->next_id == a->filter.nids)
		a->enough = true;
	page_over(a, read, stalls);
}

static void
walk(struct asked *a)
{
	if (a->reading || a->busy)
		return;
	if (a->enough || a->gone) {
		a->done(a);
		return;
	}
	if (!asked_room(a)) {
		asked_wait(a, walk);
		return;
	}
	if (store_unsettled(a->q->store) > UNSETTLED_MAX && a->changes) {
		if (store_room(a->q->store) != UINT64_MAX &&
		    a->stalled++ == STALLED_MAX)
			a->disk_full = a->enough = true;
		asked_later(a, PACE_MS, walk);
		return;
	}
	a->reading = true;
	a->read = live_read_begin(a->q->live);
	if (a->filter.nids > 0)
		store_load(a->q->store, a->filter.ids[a->next_id++], load_cb,
		    a);
	else
		store_list(a->q->store, a->after, PAGE, page_cb, a);
}

void
ctl_walk_on(struct asked *a)
{
	a->busy = false;
	walk(a);
}

void
ctl_walk(struct asked *a, void (*visit_one)(struct asked *,
    const struct store_msg *), void (*done)(struct asked *))
{
	a->visit = visit_one;
	a->done = done;
	a->upto = a->filter.upto != 0 ? a->filter.upto :
	    store_new_id(a->q->store);
	walk(a);
}

void
ctl_missing(struct asked *a)
{
	char n[NUM_TEXT_LEN];

	if (a->missing == 1)
		asked_end(a, CTL_NOT_FOUND, "there is no such message; it may "
		    "have been delivered");
	else
		asked_end(a, CTL_NOT_FOUND, "%s not in the queue; they may "
		    "have been delivered", num_print_count(a->missing,
		    "message", n));
}
