/*
 * Timers live in a binary heap of ours rather than in libevent, because a test
 * must be able to step the clock; libevent is told only the nearest one.
 */
#include "lib/prelude.h"

#include <sys/eventfd.h>
#include <event2/event.h>
#include <time.h>

#include "lib/ev.h"
#include "lib/log.h"
#include "lib/xalloc.h"

static struct event_base *base;
static struct event *tick;	/* wakes the loop for the nearest timer */
static bool stopping;

static struct ev_timer **heap;	/* heap[1..heap_len] */
static size_t heap_len, heap_size;
static uint64_t timer_order;

static bool fake;
static uint64_t fake_now_ms, fake_wall_ms;

static void	run_due(void);

static void
tick_cb(evutil_socket_t fd, short what, void *arg)
{
	/* Nothing: being awake is the point, run_due() does the work. */
}

void
ev_init(void)
{
	struct event_config *cfg;

	if (base != NULL)
		return;
	cfg = event_config_new();
	if (cfg == NULL ||
	    event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK |
	    EVENT_BASE_FLAG_NO_CACHE_TIME) == -1)
		fatalx("cannot configure the event loop");
	base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	if (base == NULL)
		fatalx("cannot make an event loop");
	tick = evtimer_new(base, tick_cb, NULL);
	if (tick == NULL)
		fatalx("cannot make an event loop");
}

struct event_base *
ev_base(void)
{
	return base;
}

void
ev_loop_once(uint64_t wait_ms)
{
	struct timeval tv;
	uint64_t now = ev_now_ms();

	if (heap_len > 0 && !fake) {
		uint64_t due = heap[1]->at_ms > now ? heap[1]->at_ms - now : 0;

		if (due < wait_ms)
			wait_ms = due;
	}
	tv.tv_sec = (time_t)(wait_ms / 1000);
	tv.tv_usec = (suseconds_t)(wait_ms % 1000) * 1000;
	if (wait_ms > 0 && event_add(tick, &tv) == -1)
		fatalx("cannot arm the event loop's timer");
	log_leave();
	if (event_base_loop(base, EVLOOP_ONCE |
	    (wait_ms == 0 ? EVLOOP_NONBLOCK : 0)) == -1)
		fatalx("the event loop failed");
	run_due();
}

void
ev_loop(void)
{
	stopping = false;
	while (!stopping)
		ev_loop_once(60000);
}

void
ev_stop(void)
{
	stopping = true;
}

/* --- the clock --------------------------------------------------------------- */

static uint64_t
read_clock(clockid_t id)
{
	struct timespec ts;

	if (clock_gettime(id, &ts) == -1)
		fatal("clock_gettime");
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t
ev_now_ms(void)
{
	return fake ? fake_now_ms : read_clock(CLOCK_MONOTONIC);
}

uint64_t
ev_wall_ms(void)
{
	return fake ? fake_wall_ms : read_clock(CLOCK_REALTIME);
}

void
ev_clock_fake(uint64_t now_ms, uint64_t wall_ms)
{
	fake = true;
	fake_now_ms = now_ms;
	fake_wall_ms = wall_ms;
}

/* Moves from timer to timer, so that each sees the time it asked for. */
void
ev_clock_step(uint64_t ms)
{
	uint64_t end = fake_now_ms + ms;

	while (heap_len > 0 && heap[1]->at_ms <= end) {
		if (heap[1]->at_ms > fake_now_ms) {
			fake_wall_ms += heap[1]->at_ms - fake_now_ms;
			fake_now_ms = heap[1]->at_ms;
		}
		run_due();
	}
	fake_wall_ms += end - fake_now_ms;
	fake_now_ms = end;
}

void
ev_clock_jump_wall(int64_t ms)
{
	fake_wall_ms = (uint64_t)((int64_t)fake_wall_ms + ms);
}

/* --- timers -------------------------------------------------------------------- */

static bool
before(const struct ev_timer *a, const struct ev_timer *b)
{
	return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void
place(struct ev_timer *t, size_t slot)
{
	heap[slot] = t;
	t->slot = slot;
}

static void
sift_up(struct ev_timer *t, size_t slot)
{
	while (slot > 1 && before(t, heap[slot / 2])) {
		place(heap[slot / 2], slot);
		slot /= 2;
	}
	place(t, slot);
}

static void
sift_down(struct ev_timer *t, size_t slot)
{
	size_t child;

	while ((child = slot * 2) <= heap_len) {
		if (child < heap_len && before(heap[child + 1], heap[child]))
			child++;
		if (!before(heap[child], t))
			break;
		place(heap[child], slot);
		slot = child;
	}
	place(t, slot);
}

void
ev_timer_init(struct ev_timer *t, void (*cb)(void *), void *arg)
{
	*t = (struct ev_timer){ .cb = cb, .arg = arg };
}

void
ev_timer_set(struct ev_timer *t, uint64_t in_ms)
{
	ev_timer_cancel(t);
	if (heap_len + 2 > heap_size) {
		heap_size = heap_size == 0 ? 64 : heap_size * 2;
		heap = xreallocarray(heap, heap_size, sizeof(*heap));
	}
	t->at_ms = ev_now_ms() + in_ms;
	t->order = timer_order++;
	sift_up(t, ++heap_len);
}

void
ev_timer_cancel(struct ev_timer *t)
{
	struct ev_timer *last;
	size_t slot = t->slot;

	if (slot == 0)
		return;
	t->slot = 0;
	last = heap[heap_len--];
	if (last == t)
		return;
	if (slot > 1 && before(last, heap[slot / 2]))
		sift_up(last, slot);
	else
		sift_down(last, slot);
}

bool
ev_timer_armed(const struct ev_timer *t)
{
	return t->slot != 0;
}

/*
 * Fires what is due now. A timer set from a callback waits for the next turn
 * even at 0 ms, so that timers can never keep descriptors from being served.
 */
static void
run_due(void)
{
	uint64_t now = ev_now_ms(), limit = timer_order;

	while (heap_len > 0 && heap[1]->at_ms <= now &&
	    heap[1]->order < limit) {
		struct ev_timer *t = heap[1];

		ev_timer_cancel(t);
		t->cb(t->arg);
	}
}

/* --- descriptors ------------------------------------------------------------------ */

static void
fd_cb(evutil_socket_t fd, short what, void *arg)
{
	struct ev_fd *e = arg;

	e->cb(e->arg, what & EV_WRITE ? EV_OUT : EV_IN);
}

void
ev_fd_init(struct ev_fd *e, int fd, void (*cb)(void *, int), void *arg)
{
	*e = (struct ev_fd){ .cb = cb, .arg = arg, .fd = fd };
}

static struct event *
set_watch(struct ev_fd *e, struct event *ev, short kind, bool on)
{
	if (ev == NULL && on) {
		ev = event_new(base, e->fd, kind | EV_PERSIST, fd_cb, e);
		if (ev == NULL)
			fatalx("cannot watch descriptor %d", e->fd);
	}
	if (ev != NULL && (on ? event_add(ev, NULL) : event_del(ev)) == -1)
		fatalx("cannot watch descriptor %d", e->fd);
	return ev;
}

void
ev_fd_want(struct ev_fd *e, int what)
{
	int change = e->want ^ what;

	e->want = what;
	if (change & EV_IN)
		e->in = set_watch(e, e->in, EV_READ, what & EV_IN);
	if (change & EV_OUT)
		e->out = set_watch(e, e->out, EV_WRITE, what & EV_OUT);
}

void
ev_fd_clear(struct ev_fd *e)
{
	if (e->in != NULL)
		event_free(e->in);
	if (e->out != NULL)
		event_free(e->out);
	*e = (struct ev_fd){ .fd = -1 };
}

/* --- signals and threads ------------------------------------------------------------ */

struct signal_watch {
	void	(*cb)(int, void *);
	void	*arg;
};

static void
signal_cb(evutil_socket_t signo, short what, void *arg)
{
	struct signal_watch *w = arg;

	w->cb((int)signo, w->arg);
}

void
ev_signal(int signo, void (*cb)(int, void *), void *arg)
{
	struct signal_watch *w = xcalloc(1, sizeof(*w));
	struct event *ev;

	w->cb = cb;
	w->arg = arg;
	ev = evsignal_new(base, signo, signal_cb, w);
	if (ev == NULL || event_add(ev, NULL) == -1)
		fatalx("cannot watch signal %d", signo);
}

static void
wake_cb(void *arg, int what)
{
	struct ev_wake *w = arg;
	uint64_t n;

	/* What is not read now makes the loop come again. */
	if (read(w->efd.fd, &n, sizeof(n)) == -1 && errno != EAGAIN &&
	    errno != EINTR)
		fatal("eventfd read");
	w->cb(w->arg);
}

void
ev_wake_init(struct ev_wake *w, void (*cb)(void *), void *arg)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd == -1)
		fatal("eventfd");
	w->cb = cb;
	w->arg = arg;
	ev_fd_init(&w->efd, fd, wake_cb, w);
	ev_fd_want(&w->efd, EV_IN);
}

void
ev_wake_up(struct ev_wake *w)
{
	uint64_t one = 1;
	ssize_t n;

	do
		n = write(w->efd.fd, &one, sizeof(one));
	while (n == -1 && errno == EINTR);
	/* EAGAIN means that the counter is full: the loop is being woken. */
	if (n == -1 && errno != EAGAIN)
		fatal("eventfd write");
}

void
ev_wake_clear(struct ev_wake *w)
{
	int fd = w->efd.fd;

	ev_fd_clear(&w->efd);
	if (fd > 0)
		close(fd);
}
