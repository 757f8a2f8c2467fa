#include "lib/prelude.h"

#include "lib/xalloc.h"
#include "queue/ctl_asked.h"

static void
timer_cb(void *arg)
{
	struct asked *a = arg;
	void (*go_on)(struct asked *) = a->go_on;

	a->go_on = NULL;
	go_on(a);
}

struct asked *
asked_new(struct queue *q, struct askings *all, uint64_t id)
{
	struct asked *a = xcalloc(1, sizeof(*a));

	a->q = q;
	a->id = id;
	ev_timer_init(&a->timer, timer_cb, a);
	LIST_INSERT_HEAD(all, a, link);
	return a;
}

void
asked_free(struct asked *a)
{
	ev_timer_cancel(&a->timer);
	if (a->clear != NULL)
		a->clear(a);
	filter_clear(&a->filter);
	LIST_REMOVE(a, link);
	free(a);
}

struct asked *
asked_find(const struct askings *all, uint64_t id)
{
	struct asked *a;

	LIST_FOREACH(a, all, link)
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
asked_read(struct asked *a, size_t bytes)
{
	a->unread -= bytes < a->unread ? bytes : a->unread;
	if (asked_room(a))
		wake(a);
}

void
asked_gone(struct asked *a)
{
	a->gone = true;
	wake(a);
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
