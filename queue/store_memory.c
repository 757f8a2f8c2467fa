/*
 * The store's twin for tests: everything in memory, no threads, and the same
 * promises as to order. Answers come one turn of the loop later; what was
 * changed is "settled" right after it is done.
 */
#include "lib/prelude.h"

#include <sys/mman.h>
#include <sys/queue.h>
#include <fcntl.h>

#include "lib/crc32c.h"
#include "lib/ev.h"
#include "lib/log.h"
#include "lib/xalloc.h"
#include "queue/spool.h"
#include "queue/store_private.h"

struct kept {
	struct store_msg m;	/* with its body when that is not in fd */
	int	 fd;		/* the spool file, or -1 */
	uint32_t crc;		/* its */
	bool	 durable;	/* done() of its accept was called */
	uint64_t changes, done;	/* settled when both are the same */
};

struct used {
	char	*account;
	uint64_t minute_ms;
	uint64_t amount[LIMIT_KINDS];
};

/* A call whose answer is due. */
struct call {
	TAILQ_ENTRY(call) link;
	void	(*answer)(struct store *, struct call *);
	uint64_t id;		/* of the message, or where a list begins */
	uint64_t after_ms, until_ms;
	size_t	 max;
	void	*cb, *arg;
};

struct memory {
	struct store store;	/* first */
	const struct store_ops *ops;
	void	*arg;
	struct kept **v;	/* by id, rising */
	size_t	 n, size;
	struct used *used;
	size_t	 nused;
	uint64_t last_id, identity, room, spare, unsettled;
	bool	 leaving, full, misread;
	int	 accepted;	/* a spool file's, not closed yet; or -1 */
	TAILQ_HEAD(calls, call) calls;
	struct ev_timer timer;
};

static const struct store_backend backend;

static struct memory *
memory(struct store *s)
{
	return (struct memory *)s;
}

/* The first message with an id of at least this. */
static size_t
position(const struct memory *s, uint64_t id)
{
	size_t lo = 0, hi = s->n, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (s->v[mid]->m.id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct kept *
find(const struct memory *s, uint64_t id)
{
	size_t i = position(s, id);

	return i < s->n && s->v[i]->m.id == id ? s->v[i] : NULL;
}

/* --- answers, one turn later ------------------------------------------------------ */

static void
timer_cb(void *arg)
{
	struct memory *s = arg;
	struct call *c, *last = TAILQ_LAST(&s->calls, calls);

	do {
		c = TAILQ_FIRST(&s->calls);
		TAILQ_REMOVE(&s->calls, c, link);
		c->answer(&s->store, c);
		free(c);
	} while (c != last);
	if (!TAILQ_EMPTY(&s->calls))
		ev_timer_set(&s->timer, 0);
}

static struct call *
later(struct memory *s, void (*answer)(struct store *, struct call *),
    uint64_t id, void *cb, void *arg)
{
	struct call *c = xcalloc(1, sizeof(*c));

	c->answer = answer;
	c->id = id;
	c->cb = cb;
	c->arg = arg;
	if (TAILQ_EMPTY(&s->calls))
		ev_timer_set(&s->timer, 0);
	TAILQ_INSERT_TAIL(&s->calls, c, link);
	return c;
}

static void
answer_done(struct store *st, struct call *c)
{
	struct memory *s = memory(st);
	struct kept *k = find(s, c->id);

	if (k != NULL)
		k->durable = true;
	if (c->cb != NULL)
		((store_done *)c->cb)(c->arg);
	k = find(s, c->id);
	if (k == NULL || ++k->done < k->changes)
		return;
	if (s->ops != NULL && s->ops->settled != NULL)
		s->ops->settled(&c->id, 1, s->arg);
}

/* --- transitions ---------------------------------------------------------------------- */

static struct kept *
insert(struct memory *s, const struct store_msg *m)
{
	struct kept *k = xcalloc(1, sizeof(*k));
	size_t i = position(s, m->id);

	if (find(s, m->id) != NULL)
		fatalx("a message is accepted that is stored");
	if (s->n == s->size) {
		s->size = s->size == 0 ? 64 : s->size * 2;
		s->v = xreallocarray(s->v, s->size, sizeof(*s->v));
	}
	memmove(s->v + i + 1, s->v + i, (s->n - i) * sizeof(*s->v));
	s->v[i] = k;
	s->n++;
	store_msg_copy(&k->m, m);
	k->m.body.v = xmemdup(m->body.v, m->body.n);
	k->m.body.n = m->body.n;
	k->fd = -1;
	k->changes = 1;
	return k;
}

static void
use(struct memory *s, const struct store_msg *m, const char *whose)
{
	uint64_t minute = m->arrived_ms - m->arrived_ms % 60000;
	struct used *u;
	int i;

	if ((s->nused & (s->nused - 1)) == 0)	/* twice as many from here */
		s->used = xreallocarray(s->used, s->nused == 0 ? 1 :
		    s->nused * 2, sizeof(*s->used));
	u = &s->used[s->nused++];
	u->account = xstrdup(whose);
	u->minute_ms = minute;
	for (i = 0; i < LIMIT_KINDS; i++)
		u->amount[i] = m->charge[i];
}

static void
kept_free(struct kept *k)
{
	store_msg_clear(&k->m);
	if (k->fd != -1)
		close(k->fd);
	free(k);
}

static void
forget(struct memory *s, size_t i)
{
	kept_free(s->v[i]);
	s->n--;
	memmove(s->v + i, s->v + i + 1, (s->n - i) * sizeof(*s->v));
}

static uint32_t
file_crc(int fd)
{
	uint8_t p[4096];
	uint32_t crc = 0;
	off_t at = 0;
	ssize_t n;

	while ((n = pread(fd, p, sizeof(p), at)) > 0) {
		crc = crc32c(crc, p, (size_t)n);
		at += n;
	}
	if (n == -1)
		fatal("cannot read a spool file");
	return crc;
}

static void
keep_file(struct memory *s, struct kept *k, int spool_fd)
{
	s->accepted = spool_fd;
	k->fd = fcntl(spool_fd, F_DUPFD_CLOEXEC, 0);
	if (k->fd == -1)
		fatal("cannot keep a spool file");
	k->crc = file_crc(k->fd);
}

static void
answer_full(struct store *st, struct call *c)
{
	forget(memory(st), position(memory(st), c->id));
	((store_done *)c->cb)(c->arg);
}

static void
mem_accept(struct store *st, const struct store_msg *m, int spool_fd,
    store_done *done, store_done *full, void *arg)
{
	struct memory *s = memory(st);
	struct kept *k = insert(s, m);
	char login[LOGIN_MAX + 1];

	store_ids_beyond(st, m->id);
	if (spool_fd != -1)
		keep_file(s, k, spool_fd);
	if (spool_fd != -1 && s->full) {
		later(s, answer_full, m->id, (void *)full, arg);
		return;
	}
	if (*m->account != '\0')
		use(s, m, m->account);
	if (store_msg_login(m, login) != NULL)
		use(s, m, login);
	later(s, answer_done, m->id, (void *)done, arg);
}

static void
accept_bounces(struct memory *s, const struct store_bounces *b)
{
	size_t i;

	for (i = 0; b != NULL && i < b->n; i++) {
		insert(s, b->v[i]);
		later(s, answer_done, b->v[i]->id, NULL, NULL);
	}
}

static void
mem_update(struct store *st, const struct store_msg *m,
    const struct store_bounces *bounces, store_done *done, void *arg)
{
	struct memory *s = memory(st);
	struct kept *k = find(s, m->id);
	struct conf_bytes body;

	if (k == NULL)
		fatalx("update of a message that is not stored");
	if (k->fd != -1 && !k->durable)
		fatalx("update of a large message that is not durable");
	body = k->m.body;
	k->m.body = (struct conf_bytes){ 0 };
	store_msg_clear(&k->m);
	store_msg_copy(&k->m, m);
	k->m.body = body;
	k->changes++;
	accept_bounces(s, bounces);
	later(s, answer_done, m->id, (void *)done, arg);
}

static void
mem_remove(struct store *st, const struct store_msg *m,
    const struct store_bounces *bounces, store_done *done, void *arg)
{
	struct memory *s = memory(st);
	size_t i = position(s, m->id);

	if (i == s->n || s->v[i]->m.id != m->id)
		fatalx("removal of a message that is not stored");
	if (s->v[i]->fd != -1 && !s->v[i]->durable)
		fatalx("removal of a large message that is not durable");
	forget(s, i);
	accept_bounces(s, bounces);
	later(s, answer_done, m->id, (void *)done, arg);
}

static void
answer_sync(struct store *st, struct call *c)
{
	((store_done *)c->cb)(c->arg);
}

static void
mem_sync(struct store *st, store_done *done, void *arg)
{
	later(memory(st), answer_sync, 0, (void *)done, arg);
}

/* --- reading ------------------------------------------------------------------------------ */

static int
earlier(const void *a, const void *b)
{
	const struct store_msg *x = *(struct store_msg *const *)a;
	const struct store_msg *y = *(struct store_msg *const *)b;

	if (x->due_ms != y->due_ms)
		return x->due_ms < y->due_ms ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static void
answer_due(struct store *st, struct call *c)
{
	struct memory *s = memory(st);
	struct store_msg **v = xcalloc(s->n, sizeof(*v));
	size_t i, n = 0;

	for (i = 0; i < s->n; i++)
		if (s->v[i]->m.hold == HOLD_NONE &&
		    s->v[i]->m.due_ms <= c->until_ms &&
		    (s->v[i]->m.due_ms > c->after_ms ||
		    (s->v[i]->m.due_ms == c->after_ms &&
		    s->v[i]->m.id > c->id)) &&
		    s->v[i]->done == s->v[i]->changes)
			v[n++] = &s->v[i]->m;
	qsort(v, n, sizeof(*v), earlier);
	((store_msgs *)c->cb)(v, store_page(v, n, c->max), c->arg);
	free(v);
}

static void
mem_due(struct store *st, uint64_t after_ms, uint64_t after_id,
    uint64_t until_ms, size_t max, store_msgs *cb, void *arg)
{
	struct call *c = later(memory(st), answer_due, after_id, (void *)cb,
	    arg);

	c->after_ms = after_ms;
	c->until_ms = until_ms;
	c->max = max;
}

static void
answer_list(struct store *st, struct call *c)
{
	struct memory *s = memory(st);
	size_t i = position(s, c->id), n = 0;
	struct store_msg **v = xcalloc(c->max, sizeof(*v));

	for (; i < s->n && n < c->max; i++)
		v[n++] = &s->v[i]->m;
	((store_msgs *)c->cb)(v, store_page(v, n, c->max), c->arg);
	free(v);
}

static void
mem_list(struct store *st, uint64_t after_id, size_t max, store_msgs *cb,
    void *arg)
{
	later(memory(st), answer_list, after_id + 1, (void *)cb, arg)->max =
	    max;
}

static void
answer_load(struct store *st, struct call *c)
{
	struct kept *k = find(memory(st), c->id);
	struct store_msg *m = k == NULL ? NULL : &k->m;

	((store_msgs *)c->cb)(&m, k != NULL, c->arg);
}

static void
mem_load(struct store *st, uint64_t id, store_msgs *cb, void *arg)
{
	later(memory(st), answer_load, id, (void *)cb, arg);
}

static void
answer_body(struct store *st, struct call *c)
{
	struct kept *k = find(memory(st), c->id);
	store_body_cb *cb = (store_body_cb *)c->cb;
	char path[64];
	int fd;

	if (k == NULL) {
		cb(NULL, 0, -1, 0, "there is no such message", c->arg);
		return;
	}
	if (k->fd == -1) {
		cb(k->m.body.v, k->m.body.n, -1, 0, NULL, c->arg);
		return;
	}
	/* A descriptor of its own, with its own offset. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", k->fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	cb(NULL, 0, fd, memory(st)->misread ? ~k->crc : k->crc,
	    fd == -1 ? "cannot open the spool file" : NULL, c->arg);
}

static void
mem_body(struct store *st, uint64_t id, store_body_cb *cb, void *arg)
{
	later(memory(st), answer_body, id, (void *)cb, arg);
}

static void
mem_usage(struct store *st, uint32_t back_sec, store_usage_cb *cb, void *arg)
{
	struct memory *s = memory(st);
	uint64_t now = ev_wall_ms(), back = back_sec * 1000ULL;
	size_t i;

	for (i = 0; i < s->nused; i++)
		if (s->used[i].minute_ms + back >= now)
			cb(s->used[i].account, s->used[i].minute_ms,
			    s->used[i].amount, arg);
}

/* --- the rest ------------------------------------------------------------------------------- */

static uint64_t
mem_new_id(struct store *st)
{
	struct memory *s = memory(st);
	uint64_t id = ev_wall_ms() * STORE_IDS_A_MS;

	s->last_id = id > s->last_id ? id : s->last_id + 1;
	return s->last_id;
}

static void
mem_ids_beyond(struct store *st, uint64_t id)
{
	struct memory *s = memory(st);

	if (id > s->last_id)
		s->last_id = id;
}

static uint64_t
mem_room(const struct store *st)
{
	return ((const struct memory *)st)->room;
}

void
store_memory_set_room(struct store *st, uint64_t bytes)
{
	memory(st)->room = bytes;
}

void
store_memory_set_full(struct store *st, bool full)
{
	memory(st)->full = full;
}

void
store_memory_set_misread(struct store *st, bool misread)
{
	memory(st)->misread = misread;
}

void
store_memory_set_unsettled(struct store *st, uint64_t n)
{
	memory(st)->unsettled = n;
}

void
store_memory_set_leaving(struct store *st, bool leaving)
{
	memory(st)->leaving = leaving;
}

void
store_memory_set_spare(struct store *st, uint64_t bytes)
{
	memory(st)->spare = bytes;
}

static bool
mem_has_room(struct store *st)
{
	return memory(st)->spare > 0;
}

static uint64_t
mem_spare(const struct store *st)
{
	return ((const struct memory *)st)->spare;
}

static uint64_t
mem_count(const struct store *st)
{
	return ((const struct memory *)st)->n;
}

static uint64_t
mem_unsettled(const struct store *st)
{
	return ((const struct memory *)st)->unsettled;
}

static uint64_t
mem_identity(const struct store *st)
{
	return ((const struct memory *)st)->identity;
}

static bool
mem_removed(const struct store *st, const struct store_msg *m)
{
	return false;
}

static bool
mem_leaving(const struct store *st, uint64_t id)
{
	return ((const struct memory *)st)->leaving;
}

/* Opened anew: the descriptor it is born with is no writer for a lease. */
static int
mem_spool_open(struct store *st)
{
	int born = memfd_create("postern-spool", MFD_CLOEXEC), fd = -1;
	char path[64];

	if (born == -1)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", born);
	fd = open(path, O_RDWR | O_CLOEXEC);
	close(born);
	return fd;
}

static int
mem_spool_lend(struct store *st, int fd, int *writer)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return spool_lend(path, fd, writer);
}

static int
mem_spool_held(struct store *st, int fd)
{
	/* On disk a thread may have closed it. */
	if (fd == memory(st)->accepted)
		fatalx("a spool file that was accepted is asked about");
	return spool_held(fd);
}

static void
mem_spool_empty(struct store *st, int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (truncate(path, 0) == -1)
		fatal("cannot empty a spool file");
}

static void
mem_spool_close(struct store *st, int fd)
{
	if (fd == memory(st)->accepted)
		memory(st)->accepted = -1;
	close(fd);
}

static void
drop_calls(struct memory *s)
{
	struct call *c;

	ev_timer_cancel(&s->timer);
	while ((c = TAILQ_FIRST(&s->calls)) != NULL) {
		TAILQ_REMOVE(&s->calls, c, link);
		free(c);
	}
}

static void
mem_close(struct store *st)
{
	struct memory *s = memory(st);
	size_t i;

	drop_calls(s);
	for (i = 0; i < s->n; i++)
		kept_free(s->v[i]);
	for (i = 0; i < s->nused; i++)
		free(s->used[i].account);
	free(s->used);
	free(s->v);
	free(s);
}

static const struct store_backend backend = {
	mem_close, mem_new_id, mem_ids_beyond, mem_has_room, mem_room,
	mem_spare, mem_count,
	mem_unsettled, mem_identity, mem_removed, mem_leaving,
	mem_accept, mem_update, mem_remove, mem_sync,
	mem_spool_open, mem_spool_lend, mem_spool_held, mem_spool_empty,
	mem_spool_close,
	mem_due, mem_list, mem_load,
	mem_body, mem_usage,
};

static uint64_t opened;

struct store *
store_open_memory(const struct store_ops *ops, void *arg)
{
	struct memory *s = xcalloc(1, sizeof(*s));

	s->store.backend = &backend;
	s->ops = ops;
	s->arg = arg;
	s->identity = ++opened;
	s->room = s->spare = UINT64_MAX;
	s->accepted = -1;
	TAILQ_INIT(&s->calls);
	ev_timer_init(&s->timer, timer_cb, s);
	return &s->store;
}

void
store_memory_reopen(struct store *st, const struct store_ops *ops, void *arg)
{
	struct memory *s = memory(st);
	size_t i;

	drop_calls(s);
	s->ops = ops;
	s->arg = arg;
	for (i = 0; i < s->n; i++) {
		s->v[i]->durable = true;
		s->v[i]->done = s->v[i]->changes;
	}
}
