#include "lib/prelude.h"

#include "lib/log.h"
#include "lib/xalloc.h"
#include "queue/ctl_private.h"
#include "queue/dispatch.h"

#define PAGE		500
#define PACE_MS		50
/* Bulk verbs wait while memory holds so many changes for the index. */
#define UNSETTLED_MAX	30000
/* ... and, on a full disk, so often for a segment that can be used again. */
#define STALLED_MAX	120

struct ctl *
ctl_new(void)
{
	struct ctl *c = xcalloc(1, sizeof(*c));

	LIST_INIT(&c->askings);
	return c;
}

static void
asked_free(struct asked *a)
{
	ev_timer_cancel(&a->timer);
	if (a->clear != NULL)
		a->clear(a);
	filter_clear(&a->filter);
	LIST_REMOVE(a, link);
	free(a);
}

void
ctl_free(struct ctl **cp)
{
	struct ctl *c = *cp;

	if (c == NULL)
		return;
	*cp = NULL;
	while (!LIST_EMPTY(&c->askings))
		asked_free(LIST_FIRST(&c->askings));
	free(c);
}

/* --- an answer ------------------------------------------------------------------- */

bool
asked_room(const struct asked *a)
{
	return a->unread < CTL_WINDOW;
}

void
asked_wait(struct asked *a, void (*go_on)(struct asked *))
{
	a->go_on = go_on;
}

static void
timer_cb(void *arg)
{
	struct asked *a = arg;
	void (*go_on)(struct asked *) = a->go_on;

	a->go_on = NULL;
	go_on(a);
}

void
asked_later(struct asked *a, uint64_t ms, void (*go_on)(struct asked *))
{
	a->go_on = go_on;
	ev_timer_set(&a->timer, ms);
}

void
asked_send(struct asked *a)
{
	a->unread += child_ctl_send();
}

void
asked_text(struct asked *a, const void *p, size_t n)
{
	a->unread += child_ctl_text(a->id, p, n);
}

void
asked_end(struct asked *a, enum ctl_exit code, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	child_ctl_end(a->id, code, "%s", text);
	asked_free(a);
}

static struct asked *
asked_find(const struct ctl *c, uint64_t id)
{
	struct asked *a;

	LIST_FOREACH(a, &c->askings, link)
		if (a->id == id)
			break;
	return a;
}

/* What waits for the asker goes on; what waits for the clock does so anyway. */
static void
wake(struct asked *a)
{
	if (a->go_on != NULL && !ev_timer_armed(&a->timer))
		timer_cb(a);
}

void
ctl_read(struct queue *q, uint64_t id, size_t bytes)
{
	struct asked *a = asked_find(q->ctl, id);

	if (a == NULL)
		return;
	a->unread -= bytes < a->unread ? bytes : a->unread;
	if (asked_room(a))
		wake(a);
}

void
ctl_gone(struct queue *q, uint64_t id)
{
	struct asked *a = asked_find(q->ctl, id);

	if (a == NULL)
		return;
	a->gone = true;
	wake(a);
}

/* --- a walk through the queue ----------------------------------------------------- */

static void	walk(struct asked *);

/*
 * False: it is to come again. What is ordered is answered as done, so on a full
 * disk no more is ordered than can be written down.
 */
static bool
visit(struct asked *a, const struct store_msg *m)
{
	if (!filter_fits(&a->filter, a->q, m))
		return true;
	if (a->changes && !dispatch_may_change(a->q->dispatch, m,
	    a->leave)) {
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

/* --- the table -------------------------------------------------------------------------------- */

static const struct {
	const char *words[2];
	size_t	 min_args, max_args;
	const char *how;
	ctl_verb *run;
} verbs[] = {
	{ { "queue", "list" }, 0, CTL_ARGS_MAX, "queue list [FILTER...]",
	    ctl_list },
	{ { "queue", "show" }, 1, CTL_ARGS_MAX, "queue show ID... [--body]",
	    ctl_show },
	{ { "queue", "stats" }, 0, CTL_ARGS_MAX, "queue stats [FILTER...]",
	    ctl_stats },
	{ { "queue", "hold" }, 0, CTL_ARGS_MAX,
	    "queue hold ID...|FILTER...|--all", ctl_hold },
	{ { "queue", "release" }, 0, CTL_ARGS_MAX,
	    "queue release ID...|FILTER...|--all", ctl_release },
	{ { "queue", "retry" }, 0, CTL_ARGS_MAX,
	    "queue retry ID...|FILTER...|--all", ctl_retry },
	{ { "queue", "flush" }, 0, 0, "queue flush", ctl_flush },
	{ { "queue", "remove" }, 0, CTL_ARGS_MAX,
	    "queue remove ID...|FILTER...|--all", ctl_remove },
	{ { "queue", "redirect" }, 1, CTL_ARGS_MAX,
	    "queue redirect ROUTE|- ID...|FILTER...|--all", ctl_redirect },
	{ { "queue", "export" }, 0, CTL_ARGS_MAX,
	    "queue export DIR [ID...|FILTER...]", ctl_export },
	{ { "queue", "import" }, 1, CTL_ARGS_MAX, "queue import DIR",
	    ctl_import },
	{ { "queue", "backup" }, 0, CTL_ARGS_MAX, "queue backup DIR",
	    ctl_backup },
	{ { "queue", "restore" }, 0, CTL_ARGS_MAX, "queue restore FILE",
	    ctl_restore },
	{ { "cap", "list" }, 0, 0, "cap list", ctl_caps },
	{ { "usage", NULL }, 0, 1, "usage [ACCOUNT]", ctl_usage },
};

static struct asked *
asked_new(struct queue *q, uint64_t id)
{
	struct asked *a = xcalloc(1, sizeof(*a));

	a->q = q;
	a->id = id;
	ev_timer_init(&a->timer, timer_cb, a);
	LIST_INSERT_HEAD(&q->ctl->askings, a, link);
	return a;
}

void
ctl_request(struct queue *q, uint64_t id, size_t argc, const char *const *argv)
{
	size_t i, words, args;

	for (i = 0; i < nitems(verbs); i++) {
		words = verbs[i].words[1] == NULL ? 1 : 2;
		if (argc < words || strcmp(argv[0], verbs[i].words[0]) != 0 ||
		    (words == 2 && strcmp(argv[1], verbs[i].words[1]) != 0))
			continue;
		args = argc - words;
		if (args < verbs[i].min_args || args > verbs[i].max_args)
			child_ctl_end(id, CTL_USAGE, "usage: posternctl %s",
			    verbs[i].how);
		else
			verbs[i].run(asked_new(q, id), args, argv + words);
		return;
	}
	child_ctl_end(id, CTL_USAGE, "the queue knows no such verb");
}
