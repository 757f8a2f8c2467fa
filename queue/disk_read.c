/* Reading: from the entries in memory and, in its thread, from the index. */
#include "lib/prelude.h"

#include "lib/crc32c.h"
#include "lib/log.h"
#include "lib/xalloc.h"
#include "queue/disk.h"
#include "queue/spool.h"

/*
 * A page is read in turns: the index's thread reads on, the main thread then
 * knows what of that is stale and, for a list, what the index does not know
 * yet. Within a turn both speak of the same time, as settled() of a checkpoint
 * is called behind whatever that thread read before it.
 */
struct page {
	struct task task;		/* first */
	struct disk *d;
	uint64_t id, due_ms, until_ms;	/* read behind these, and up to that */
	size_t	 max;			/* wanted in all */
	size_t	 want, read;		/* in this turn, from the index */
	size_t	 units;			/* of what is in v, to be max at most */
	bool	 full;			/* the turn has ended for them */
	struct store_msg **v;		/* owned, as its elements */
	size_t	 n, size;
	size_t	 settled;		/* of n: from earlier turns */
	store_msgs *cb;
	void	*arg;
};

/* --- pages of messages ---------------------------------------------------------- */

static void
page_add(struct page *p, uint64_t id, const uint8_t *meta, size_t len)
{
	struct store_msg *m = xmalloc(sizeof(*m));

	if (!record_get_meta(meta, len, id, m)) {
		log_warnx("message %016llx cannot be read from the index",
		    (unsigned long long)id);
		free(m);
		return;
	}
	if (p->n == p->size) {
		p->size = p->size == 0 ? 16 : p->size * 2;
		p->v = xreallocarray(p->v, p->size, sizeof(*p->v));
	}
	p->v[p->n++] = m;
	p->units += store_msg_units(m);
}

static bool
page_cb(const struct index_entry *e, void *arg)
{
	struct page *p = arg;

	page_add(p, e->id, e->meta, e->meta_len);
	p->id = e->id;
	p->due_ms = e->due_ms;
	p->full = p->units >= p->max;
	return ++p->read < p->want && !p->full;
}

static void
msg_free(struct store_msg *m)
{
	store_msg_clear(m);
	free(m);
}

/* What has an entry is not, or not any more, as the index says. */
static void
drop_stale(struct page *p)
{
	size_t i, n = p->settled;

	for (i = n; i < p->n; i++)
		if (disk_entry(p->d, p->v[i]->id) == NULL)
			p->v[n++] = p->v[i];
		else {
			p->units -= store_msg_units(p->v[i]);
			msg_free(p->v[i]);
		}
	p->n = n;
}

static void
page_end(struct page *p)
{
	size_t i;

	if (!p->d->closing)
		p->cb(p->v, store_page(p->v, p->n, p->max), p->arg);
	for (i = 0; i < p->n; i++)
		msg_free(p->v[i]);
	free(p->v);
	free(p);
}

static struct page *
page_new(struct store *s, void (*work)(struct task *),
    void (*done)(struct task *), store_msgs *cb, void *arg)
{
	struct page *p = xcalloc(1, sizeof(*p));

	p->task.work = work;
	p->task.done = done;
	p->d = (struct disk *)s;
	p->cb = cb;
	p->arg = arg;
	return p;
}

static void
turn(struct page *p)
{
	p->settled = p->n;
	p->want = p->max - p->n;
	p->read = 0;
	p->full = false;
	task_crew_give(p->d->index_crew, &p->task);
}

/* Whether the index may have more behind what this turn has read. */
static bool
more(const struct page *p)
{
	return p->read == p->want || p->full;
}

/* The end, or another turn in place of what was stale. */
static void
turn_over(struct page *p)
{
	if (more(p) && p->units < p->max && !p->d->closing)
		turn(p);
	else
		page_end(p);
}

/* --- due ------------------------------------------------------------------------- */

static void
due_work(struct task *t)
{
	struct page *p = (struct page *)t;

	index_due(p->d->index, p->due_ms, p->id, p->until_ms, page_cb, p);
}

static void
due_done(struct task *t)
{
	drop_stale((struct page *)t);
	turn_over((struct page *)t);
}

void
disk_due(struct store *s, uint64_t after_ms, uint64_t after_id,
    uint64_t until_ms, size_t max, store_msgs *cb, void *arg)
{
	struct page *p = page_new(s, due_work, due_done, cb, arg);

	p->due_ms = after_ms;
	p->id = after_id;
	p->until_ms = until_ms;
	p->max = max;
	turn(p);
}

/* --- list -------------------------------------------------------------------------- */

/* A list adds to each turn the entries among its ids. */
struct list {
	struct page page;		/* first */
	uint64_t from;			/* the turn is about ids behind this */
};

static void
list_work(struct task *t)
{
	struct list *l = (struct list *)t;

	l->from = l->page.id;
	index_list(l->page.d->index, l->from, page_cb, &l->page);
}

static int
by_id(const void *a, const void *b)
{
	uint64_t x = (*(struct store_msg *const *)a)->id;
	uint64_t y = (*(struct store_msg *const *)b)->id;

	return x < y ? -1 : x > y;
}

static int
by_entry_id(const void *a, const void *b)
{
	uint64_t x = (*(struct entry *const *)a)->id;
	uint64_t y = (*(struct entry *const *)b)->id;

	return x < y ? -1 : x > y;
}

/* Parses no more of them than the page can hold: there may be very many. */
static void
add_entries(struct page *p, uint64_t from, uint64_t to)
{
	struct entry **v = xcalloc(p->d->entries.n + 1, sizeof(*v)), *e;
	struct table_node *node = NULL;
	size_t i, n = 0, before = p->units;

	while ((node = table_next(&p->d->entries, node)) != NULL) {
		e = (struct entry *)node;
		if (e->id > from && e->id <= to && !e->removed &&
		    e->meta != NULL)
			v[n++] = e;
	}
	if (n > 0)
		qsort(v, n, sizeof(*v), by_entry_id);
	for (i = 0; i < n && p->units - before < p->max; i++)
		page_add(p, v[i]->id, v[i]->meta, v[i]->meta_len);
	free(v);
}

static void
list_done(struct task *t)
{
	struct list *l = (struct list *)t;
	struct page *p = &l->page;

	drop_stale(p);
	add_entries(p, l->from, more(p) ? p->id : UINT64_MAX);
	if (p->n > p->settled)
		qsort(p->v + p->settled, p->n - p->settled, sizeof(*p->v),
		    by_id);
	turn_over(p);
}

void
disk_list(struct store *s, uint64_t after_id, size_t max, store_msgs *cb,
    void *arg)
{
	struct list *l = xcalloc(1, sizeof(*l));

	l->page = (struct page){ .task = { .work = list_work,
	    .done = list_done }, .d = (struct disk *)s, .id = after_id,
	    .max = max, .cb = cb, .arg = arg };
	turn(&l->page);
}

/* --- load ------------------------------------------------------------------------------ */

static void
load_work(struct task *t)
{
	struct page *p = (struct page *)t;

	p->want = 1;
	index_get(p->d->index, p->id, page_cb, p);
}

static void
load_done(struct task *t)
{
	struct page *p = (struct page *)t;
	struct entry *e = disk_entry(p->d, p->id);

	drop_stale(p);
	if (e != NULL && !e->removed)
		page_add(p, e->id, e->meta, e->meta_len);
	page_end(p);
}

void
disk_load(struct store *s, uint64_t id, store_msgs *cb, void *arg)
{
	struct page *p = page_new(s, load_work, load_done, cb, arg);

	p->id = id;
	p->max = 1;
	task_crew_give(p->d->index_crew, &p->task);
}

/* --- bodies ------------------------------------------------------------------------------- */

struct reading {
	struct task task;		/* first */
	struct disk *d;
	uint64_t id, size;
	struct index_body body;
	bool	 in_spool;
	uint8_t	*p;
	int	 fd;
	const char *errstr;
	store_body_cb *cb;
	void	*arg;
};

static void
read_journal(struct reading *r)
{
	r->p = xmalloc(r->body.len);
	if (journal_read(r->d->journal, r->body.place, r->body.skip, r->p,
	    r->body.len) == -1)
		r->errstr = "its part of the journal cannot be read";
	else if (crc32c(0, r->p, r->body.len) != r->body.crc)
		r->errstr = "its body is damaged in the journal"
		    STORE_DAMAGED_DO;
}

static void
read_work(struct task *t)
{
	struct reading *r = (struct reading *)t;

	if (r->errstr != NULL)
		return;
	if (r->in_spool)
		r->fd = spool_open(r->d->spool_dir, r->id, r->size,
		    r->body.crc, &r->errstr);
	else
		read_journal(r);
	if (r->fd != -1)
		r->errstr = NULL;
}

static void
read_done(struct task *t)
{
	struct reading *r = (struct reading *)t;

	if (r->d->closing) {
		if (r->fd != -1)
			close(r->fd);
	} else if (r->errstr != NULL)
		r->cb(NULL, 0, -1, 0, r->errstr, r->arg);
	else
		r->cb(r->p, r->p == NULL ? 0 : r->body.len, r->fd,
		    r->body.crc, NULL, r->arg);
	free(r->p);
	free(r);
}

static bool
found_cb(const struct index_entry *e, void *arg)
{
	struct reading *r = arg;
	struct store_msg m;

	r->errstr = "the index's entry for it is damaged";
	if (!record_get_meta(e->meta, e->meta_len, e->id, &m))
		return true;
	r->errstr = NULL;
	r->body = e->body;
	r->in_spool = m.in_spool;
	r->size = m.size;
	store_msg_clear(&m);
	return true;
}

static void
find_work(struct task *t)
{
	struct reading *r = (struct reading *)t;

	r->errstr = "there is no such message";
	index_get(r->d->index, r->id, found_cb, r);
}

/* Found; a worker reads, for a large body would hold up the index. */
static void
find_done(struct task *t)
{
	struct reading *r = (struct reading *)t;

	t->work = read_work;
	t->done = read_done;
	if (r->d->closing)
		read_done(t);
	else
		task_crew_give(r->d->reading_crew, t);
}

void
disk_body(struct store *s, uint64_t id, store_body_cb *cb, void *arg)
{
	struct disk *d = (struct disk *)s;
	struct entry *e = disk_entry(d, id);
	struct reading *r = xcalloc(1, sizeof(*r));

	r->task.work = find_work;
	r->task.done = find_done;
	r->d = d;
	r->id = id;
	r->fd = -1;
	r->cb = cb;
	r->arg = arg;
	if (e == NULL || (e->body.skip == 0 && !e->removed)) {
		task_crew_give(d->index_crew, &r->task);
		return;
	}
	/* Durable and never moved: the place can be read here. */
	r->body = e->body;
	r->in_spool = e->in_spool;
	r->size = e->size;
	if (e->removed)
		r->errstr = "there is no such message";
	r->task.work = read_work;
	r->task.done = read_done;
	task_crew_give(d->reading_crew, &r->task);
}

/* --- usage, at start ----------------------------------------------------------------------- */

void
disk_usage(struct store *s, uint32_t back_sec, store_usage_cb *cb, void *arg)
{
	struct disk *d = (struct disk *)s;
	uint64_t now = ev_wall_ms(), back = back_sec * 1000ULL;

	index_usage(d->index, now > back ? now - back : 0, cb, arg);
}
