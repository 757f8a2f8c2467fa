#include "lib/prelude.h"

#include <fcntl.h>

#include "lib/crc32c.h"
#include "lib/fail.h"
#include "lib/log.h"
#include "lib/seldom.h"
#include "lib/xalloc.h"
#include "queue/disk.h"
#include "queue/spool.h"

#define META_BYTES	512		/* more than that of most messages */

/* --- entries --------------------------------------------------------------------- */

struct entry *
disk_entry(const struct disk *d, uint64_t id)
{
	return (struct entry *)table_find(&d->entries, &id, sizeof(id));
}

struct entry *
disk_entry_make(struct disk *d, uint64_t id)
{
	struct entry *e = disk_entry(d, id);

	if (e != NULL)
		return e;
	e = xcalloc(1, sizeof(*e));
	e->id = id;
	table_add(&d->entries, &e->node, &e->id, sizeof(e->id));
	return e;
}

void
disk_entry_set(struct disk *d, struct entry *e, const struct store_msg *m)
{
	struct buf meta;

	buf_init(&meta, RECORD_META_MAX);
	record_put_meta(&meta, m);
	d->meta_bytes -= e->meta_len;
	free(e->meta);
	e->meta = (uint8_t *)buf_steal(&meta, &e->meta_len);
	d->meta_bytes += e->meta_len;
	e->due_ms = m->due_ms;
	e->size = m->size;
	e->hold = m->hold;
	e->in_spool = m->in_spool;
	e->version++;
}

void
disk_entry_free(struct disk *d, struct entry *e)
{
	table_remove(&d->entries, &e->node);
	d->meta_bytes -= e->meta_len;
	free(e->meta);
	free(e);
}

bool
disk_entry_set_meta(struct disk *d, struct entry *e, const uint8_t *meta,
    size_t len)
{
	struct store_msg m;

	if (!record_get_meta(meta, len, e->id, &m))
		return false;
	disk_entry_set(d, e, &m);
	store_msg_clear(&m);
	return true;
}

uint64_t
disk_entries(const struct disk *d)
{
	uint64_t n = d->meta_bytes / META_BYTES;

	return n > d->entries.n ? n : d->entries.n;
}

void
disk_segment_add(struct disk *d, const struct index_body *body, int n)
{
	uint64_t generation = body->place.generation;
	uint64_t bytes = (uint64_t)body->skip + body->len;
	size_t i = d->nsegments;

	if (generation == 0)
		return;
	d->live_bytes += n > 0 ? bytes : -bytes;
	while (i > 0 && d->segments[i - 1].generation > generation)
		i--;
	if (i == 0 || d->segments[i - 1].generation != generation) {
		d->segments = xreallocarray(d->segments, d->nsegments + 1,
		    sizeof(*d->segments));
		memmove(d->segments + i + 1, d->segments + i,
		    (d->nsegments - i) * sizeof(*d->segments));
		d->segments[i] = (struct segment_use){ generation, 0, 0 };
		d->nsegments++;
		i++;
	}
	d->segments[i - 1].live += (uint64_t)(int64_t)n;
	d->segments[i - 1].bytes += n > 0 ? bytes : -bytes;
}

/* --- usage since the last checkpoint ---------------------------------------------------- */

static void
use(struct disk *d, const struct store_msg *m, const char *whose)
{
	size_t n = strlen(whose), key_len = sizeof(uint64_t) + n;
	struct use *u, *old;
	int i;

	u = xcalloc(1, sizeof(*u) + n + 1);
	u->minute_ms = m->arrived_ms - m->arrived_ms % 60000;
	memcpy(u->account, whose, n);
	old = (struct use *)table_find(&d->uses, &u->minute_ms, key_len);
	if (old == NULL)
		table_add(&d->uses, &u->node, &u->minute_ms, key_len);
	else {
		free(u);
		u = old;
	}
	for (i = 0; i < LIMIT_KINDS; i++)
		u->used[i] += m->charge[i];
}

void
disk_use(struct disk *d, const struct store_msg *m)
{
	char login[LOGIN_MAX + 1];

	if (*m->account != '\0')
		use(d, m, m->account);
	if (store_msg_login(m, login) != NULL)
		use(d, m, login);
}

/* --- what goes to the journal ------------------------------------------------------------- */

/* A transition on its way: one message, and the bounces that it causes. */
struct op {
	struct journal_op j;		/* first */
	struct disk *d;
	enum record_type type;
	struct entry *e;
	store_done *done;
	void	*arg;
	struct op_bounces *bounces;	/* owned; NULL: none */
};

struct op_bounces {
	struct journal_part parts[STORE_BOUNCES_MAX];
	struct entry *v[STORE_BOUNCES_MAX];
	size_t	 n;
};

/* The file of a message that is gone. */
struct unspool {
	struct task task;		/* first */
	struct table_node node;
	struct disk *d;
	uint64_t id;
};

static void
unspool_work(struct task *t)
{
	struct unspool *u = (struct unspool *)t;

	spool_remove(u->d->spool_dir, u->id);
}

static void
unspool_done(struct task *t)
{
	struct unspool *u = (struct unspool *)t;

	table_remove(&u->d->unspools, &u->node);
	free(u);
}

static void
unspool(struct disk *d, uint64_t id)
{
	struct unspool *u;

	if (d->closing) {
		spool_remove(d->spool_dir, id);
		return;
	}
	u = xcalloc(1, sizeof(*u));
	u->task.work = unspool_work;
	u->task.done = unspool_done;
	u->d = d;
	u->id = id;
	table_add(&d->unspools, &u->node, &u->id, sizeof(u->id));
	task_crew_give(d->workers, &u->task);
}

static void
msg_durable(struct disk *d, struct entry *e)
{
	e->ops--;
	disk_segment_add(d, &e->body, 1);
}

static void
del_durable(struct disk *d, struct entry *e)
{
	e->ops--;
	if (e->in_spool)
		unspool(d, e->id);
	if (e->in_index || e->in_checkpoint)
		return;
	disk_segment_add(d, &e->body, -1);
	disk_entry_free(d, e);
}

static void
op_done(struct task *t)
{
	struct op *op = (struct op *)t;
	struct disk *d = op->d;
	size_t i;

	for (i = 0; op->bounces != NULL && i < op->bounces->n; i++)
		msg_durable(d, op->bounces->v[i]);
	if (op->type == REC_MSG)
		msg_durable(d, op->e);
	else if (op->type == REC_DEL)
		del_durable(d, op->e);
	else
		op->e->ops--;
	if (op->done != NULL && !d->closing)
		op->done(op->arg);
	free(op->bounces);
	free(op);
}

static void
put_msg(struct buf *b, struct entry *e, const struct store_msg *m)
{
	struct record r = { .type = REC_MSG, .id = e->id, .meta = e->meta,
	    .meta_len = e->meta_len, .body = m->in_spool ? NULL : m->body.v,
	    .body_len = m->in_spool ? 0 : m->body.n };

	if (!m->in_spool)
		e->body.crc = crc32c(0, r.body, r.body_len);
	r.body_crc = e->body.crc;
	e->body.skip = (uint32_t)(RECORD_HEADER + r.meta_len);
	e->body.len = (uint32_t)r.body_len;
	record_put(b, &r);
}

static struct op *
op_new(struct disk *d, enum record_type type, struct entry *e,
    store_done *done, void *arg)
{
	struct op *op = xcalloc(1, sizeof(*op));

	op->j.task.done = op_done;
	op->d = d;
	op->type = type;
	op->e = e;
	op->done = done;
	op->arg = arg;
	e->ops++;
	return op;
}

static void
op_bounce(struct op *op, struct buf *b, const struct store_msg *bounce)
{
	struct entry *e = disk_entry_make(op->d, bounce->id);
	size_t i = op->bounces->n++;

	disk_entry_set(op->d, e, bounce);
	e->ops++;
	e->given = true;
	op->bounces->v[i] = e;
	op->bounces->parts[i] = (struct journal_part){ b->len,
	    &e->body.place };
	put_msg(b, e, bounce);
	op->d->count++;
}

static void
op_bounces(struct op *op, struct buf *b, const struct store_bounces *bounces)
{
	size_t i;

	if (bounces == NULL || bounces->n == 0)
		return;
	op->bounces = xcalloc(1, sizeof(*op->bounces));
	for (i = 0; i < bounces->n; i++)
		op_bounce(op, b, bounces->v[i]);
	op->j.more = op->bounces->parts;
	op->j.nmore = op->bounces->n;
}

static void
op_give(struct op *op, struct buf *b)
{
	op->e->given = true;
	op->d->dirty = true;
	op->j.bytes = (uint8_t *)buf_steal(b, &op->j.len);
	journal_add(op->d->journal, &op->j);
}

void
disk_written(struct task_list *list, void *arg)
{
	struct disk *d = arg;
	struct journal_op *first = (struct journal_op *)STAILQ_FIRST(list);

	/* A barrier comes alone; the checkpoint behind it, if any, can go on. */
	if (first->barrier && first->task.work != NULL)
		task_crew_give(d->index_crew, &first->task);
	else
		task_home_post(d->home, list);
}

/* --- large bodies ---------------------------------------------------------------------------- */

struct spool_file {			/* open for smtpd */
	struct table_node node;		/* first */
	int	 fd;
	uint64_t n;
	bool	 lent;
	bool	 accepted;		/* name and descriptor are the accept's */
};

int
disk_spool_open(struct store *s)
{
	struct disk *d = (struct disk *)s;
	struct spool_file *f;
	int fd = spool_create(d->spool_dir, d->next_spool);

	if (fd == -1)
		return -1;
	f = xcalloc(1, sizeof(*f));
	f->fd = fd;
	f->n = d->next_spool++;
	table_add(&d->spools, &f->node, &f->fd, sizeof(f->fd));
	return fd;
}

static struct spool_file *
spool_file(const struct disk *d, int fd)
{
	return (struct spool_file *)table_find(&d->spools, &fd, sizeof(fd));
}

int
disk_spool_lend(struct store *s, int fd, int *writer)
{
	struct disk *d = (struct disk *)s;
	struct spool_file *f = spool_file(d, fd);

	if (spool_lend_new(d->spool_dir, f->n, fd, writer) == -1)
		return -1;
	f->lent = true;
	return 0;
}

int
disk_spool_held(struct store *s, int fd)
{
	return spool_held(fd);
}

void
disk_spool_empty(struct store *s, int fd)
{
	struct disk *d = (struct disk *)s;

	spool_empty(d->spool_dir, spool_file(d, fd)->n);
}

void
disk_spool_close(struct store *s, int fd)
{
	struct disk *d = (struct disk *)s;
	struct spool_file *f = spool_file(d, fd);

	if (!f->accepted)
		spool_abandon(d->spool_dir, f->n);
	table_remove(&d->spools, &f->node);
	if (!f->accepted)
		close(f->fd);
	free(f);
}

/* Syncs the file before its record is given to the journal. */
struct keep {
	struct task task;		/* first */
	struct disk *d;
	struct store_msg m;
	int	 fd;
	uint64_t n;
	bool	 lent;
	uint32_t crc;
	int	 full;			/* errno, it could not be kept */
	store_done *done, *on_full;
	void	*arg;
};

/* Nothing was written about it yet, so that it can be had back. */
static void
keep_fails(struct keep *k, const char *what, bool harmless)
{
	if (!harmless && errno != ENOSPC && errno != EDQUOT)
		fail_stop(what);
	k->full = errno;
	spool_abandon(k->d->spool_dir, k->n);
}

/*
 * File, name, directory: in this order (RFC 5321 6.1 by way of POSIX). What a
 * sync of the directory finds may be of another's name; it is no answer.
 */
static void
keep_work(struct task *t)
{
	struct keep *k = (struct keep *)t;
	struct disk *d = k->d;

	if (k->lent && spool_held(k->fd) != 0 &&
	    spool_copy(d->spool_dir, k->n, &k->fd, k->m.size) == -1)
		keep_fails(k, "cannot copy a spool file", errno == EMFILE ||
		    errno == ENFILE || errno == ENODATA);
	else if (spool_keep(d->spool_dir, k->n, k->fd, k->m.id, k->m.size,
	    &k->crc) == -1)
		keep_fails(k, "cannot sync a spool file", false);
	else if (fsync(d->spool_dir_fd) == -1)
		fail_stop("cannot sync the spool");
	close(k->fd);
}

static void
accept_record(struct disk *d, const struct store_msg *m, store_done *done,
    void *arg)
{
	struct entry *e = disk_entry(d, m->id);
	struct op *op = op_new(d, REC_MSG, e, done, arg);
	struct buf b;

	buf_init(&b, RECORD_MAX);
	put_msg(&b, e, m);
	op->j.at = &e->body.place;
	disk_use(d, m);
	op_give(op, &b);
}

static void
keep_full(struct keep *k)
{
	struct entry *e = disk_entry(k->d, k->m.id);
	static struct seldom told;

	errno = k->full;
	if (e == NULL || e->given)
		fail_stop("no room to keep a large message, which was changed "
		    "meanwhile");
	if (seldom_due(&told))
		log_warn("cannot keep a large message, which is refused%s",
		    seldom_more(&told));
	k->d->count--;
	disk_entry_free(k->d, e);
	k->on_full(k->arg);
}

static void
keep_done(struct task *t)
{
	struct keep *k = (struct keep *)t;

	if (!k->d->closing && k->full != 0)
		keep_full(k);
	else if (!k->d->closing) {
		disk_entry(k->d, k->m.id)->body.crc = k->crc;
		accept_record(k->d, &k->m, k->done, k->arg);
	}
	store_msg_clear(&k->m);
	free(k);
}

static void
accept_spooled(struct disk *d, const struct store_msg *m, int spool_fd,
    store_done *done, store_done *full, void *arg)
{
	struct spool_file *f = spool_file(d, spool_fd);
	struct keep *k = xcalloc(1, sizeof(*k));

	k->task.work = keep_work;
	k->task.done = keep_done;
	k->d = d;
	store_msg_copy(&k->m, m);
	k->fd = spool_fd;
	k->n = f->n;
	k->lent = f->lent;
	f->accepted = true;
	k->done = done;
	k->on_full = full;
	k->arg = arg;
	task_crew_give(d->workers, &k->task);
}

/* --- transitions --------------------------------------------------------------------------------- */

void
disk_accept(struct store *s, const struct store_msg *m, int spool_fd,
    store_done *done, store_done *full, void *arg)
{
	struct disk *d = (struct disk *)s;

	disk_entry_set(d, disk_entry_make(d, m->id), m);
	d->count++;
	store_ids_beyond(s, m->id);
	if (spool_fd != -1)
		accept_spooled(d, m, spool_fd, done, full, arg);
	else
		accept_record(d, m, done, arg);
}

/*
 * The entry of a message that is in the index or has one; never a new one. What
 * is written about a message before the message is would be lost with it, or
 * bring it back.
 */
static struct entry *
entry_of(struct disk *d, const struct store_msg *m)
{
	struct entry *e = disk_entry(d, m->id);

	if (e != NULL && !e->given && !e->in_index)
		fatalx("a message is to be changed whose record is not "
		    "written yet");
	if (e != NULL)
		return e;
	e = disk_entry_make(d, m->id);
	e->in_index = true;
	return e;
}

void
disk_update(struct store *s, const struct store_msg *m,
    const struct store_bounces *bounces, store_done *done, void *arg)
{
	struct disk *d = (struct disk *)s;
	struct entry *e = entry_of(d, m);
	struct op *op = op_new(d, REC_STATE, e, done, arg);
	struct buf b;

	disk_entry_set(d, e, m);
	buf_init(&b, (1 + STORE_BOUNCES_MAX) * RECORD_MAX);
	record_put(&b, &(struct record){ .type = REC_STATE, .id = m->id,
	    .meta = e->meta, .meta_len = e->meta_len });
	op_bounces(op, &b, bounces);
	op_give(op, &b);
}

void
disk_remove(struct store *s, const struct store_msg *m,
    const struct store_bounces *bounces, store_done *done, void *arg)
{
	struct disk *d = (struct disk *)s;
	struct entry *e = entry_of(d, m);
	struct op *op = op_new(d, REC_DEL, e, done, arg);
	struct buf b;

	e->removed = true;
	e->likeness = store_msg_likeness(m);
	e->in_spool = m->in_spool;
	e->version++;
	d->count--;
	buf_init(&b, (1 + STORE_BOUNCES_MAX) * RECORD_MAX);
	record_put(&b, &(struct record){ .type = REC_DEL, .id = m->id });
	op_bounces(op, &b, bounces);
	op_give(op, &b);
}

/* A barrier: nothing is written for it. */
struct sync {
	struct journal_op j;		/* first */
	struct disk *d;
	struct journal_place at;	/* of no use to us */
	store_done *done;
	void	*arg;
};

static void
sync_done(struct task *t)
{
	struct sync *s = (struct sync *)t;

	if (!s->d->closing)
		s->done(s->arg);
	free(s);
}

void
disk_sync(struct store *st, store_done *done, void *arg)
{
	struct sync *s = xcalloc(1, sizeof(*s));

	s->j.task.done = sync_done;
	s->j.barrier = true;
	s->j.at = &s->at;
	s->d = (struct disk *)st;
	s->done = done;
	s->arg = arg;
	journal_add(s->d->journal, &s->j);
}
