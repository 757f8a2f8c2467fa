/*
 * Mail that waits for days must not keep every segment that came after it. When
 * the journal is mostly dead, or room is wanted, the messages still in its
 * oldest segment are appended anew; the checkpoint behind that frees the segment.
 *
 * The old place is given up only by the checkpoint that has put the new one
 * into the index. No checkpoint runs while copies are on their way, so that a
 * place never changes under the index's thread.
 *
 * Nor is it given up for bytes that could not be read, or not as they were
 * accepted: such a message stays, its segment with it, and both are looked at
 * again. Only what reads wrong each time, for minutes, moves along as it is:
 * its checksum still tells, and one bad block does not keep all of the journal.
 */
#include "lib/prelude.h"

#include "lib/crc32c.h"
#include "lib/log.h"
#include "lib/xalloc.h"
#include "queue/disk.h"

#define SEGMENTS_FREE	8	/* as many are kept without looking at them */
#define SEGMENTS_WANTED	1	/* ... and with new mail refused for want of room */
#define DEAD_FACTOR	2	/* journal to live bytes, above which we move */
#define MOVE_AT_ONCE	256	/* and half a segment's worth at most */
#define LOOK_AT_ONCE	20000	/* entries of the index in one go */
#define AGAIN_MS	(30 * 1000)	/* until a segment is looked at again */
#define DAMAGED_MS	(10 * 60 * 1000) /* what reads wrong for so long ... */
#define DAMAGED_TIMES	3		/* ... and so often is damaged for good */

struct found {
	uint64_t id;
	struct index_body body;
	uint8_t	*meta, *bytes;		/* owned */
	size_t	 meta_len;
	int	 error;			/* errno; EBADMSG: its checksum is wrong */
};

struct search {
	struct task task;		/* first */
	struct disk *d;
	uint64_t generation, after;
	size_t	 looked, n;
	uint64_t bytes;			/* that the copies take */
	bool	 more;			/* it has ended before the index did */
	struct found v[MOVE_AT_ONCE];
};

/* A message whose body could not be read from the oldest segment. */
struct unread {
	struct table_node node;		/* first */
	uint64_t id, since_ms;
	uint32_t times;			/* that it read wrong */
};

/* What the journal takes for it, with the meta that it has now. */
static uint64_t
copy_cost(const struct found *f, size_t meta_len)
{
	return journal_cost(RECORD_HEADER + meta_len + f->body.len);
}

/* --- in the index's thread -------------------------------------------------------- */

static bool
found_cb(const struct index_entry *e, void *arg)
{
	struct search *s = arg;
	struct found *f = &s->v[s->n];

	s->after = e->id;
	s->looked++;
	if (e->body.place.generation == s->generation) {
		f->id = e->id;
		f->body = e->body;
		f->meta = xmemdup(e->meta, e->meta_len);
		f->meta_len = e->meta_len;
		f->bytes = xcalloc(1, e->body.len);
		s->bytes += copy_cost(f, e->meta_len);
		s->n++;
	}
	s->more = s->n == MOVE_AT_ONCE || s->looked == LOOK_AT_ONCE ||
	    s->bytes >= s->d->journal_conf.segment_bytes / 2;
	return !s->more;
}

/* 0, or errno as in struct found. */
static int
read_body(const struct disk *d, const struct found *f)
{
	const struct index_body *b = &f->body;

	if (b->len == 0)
		return 0;
	if (journal_read(d->journal, b->place, b->skip, f->bytes, b->len) ==
	    -1)
		return errno;
	if (crc32c(0, f->bytes, b->len) == b->crc)
		return 0;
	/* The memory may be at fault, and the disk may not. */
	journal_read_anew(d->journal, b->place, b->skip, b->len);
	return EBADMSG;
}

static void
search_work(struct task *t)
{
	struct search *s = (struct search *)t;
	size_t i;

	index_list(s->d->index, s->after, found_cb, s);
	for (i = 0; i < s->n; i++)
		s->v[i].error = read_body(s->d, &s->v[i]);
}

/* --- what cannot be read, in the loop --------------------------------------------- */

/*
 * A word of the disk's about these bytes, in whatever way its file system puts
 * it. That there is no descriptor or no memory to be had says nothing about
 * them, and passes; nor does it that the file may not be opened, which whoever
 * brought that about can undo.
 */
static bool
is_wrong(int error)
{
	static const int others[] = { EMFILE, ENFILE, ENOMEM, EINTR, EAGAIN,
	    EACCES, EPERM, EROFS, ELOOP, ENOTDIR };
	size_t i;

	for (i = 0; i < nitems(others); i++)
		if (error == others[i])
			return false;
	return true;
}

static const char *
reason(int error)
{
	return error == EBADMSG ? "its checksum is wrong" :
	    strerrordesc_np(error);
}

void
disk_move_forget(struct disk *d)
{
	struct table_node *n;

	while ((n = table_next(&d->unread, NULL)) != NULL) {
		table_remove(&d->unread, n);
		free(n);
	}
	table_clear(&d->unread);
}

/* One line for a segment, however much of it and however often. */
static struct unread *
unread_of(struct disk *d, const struct found *f)
{
	struct table_node *n = table_find(&d->unread, &f->id, sizeof(f->id));
	char id[STORE_ID_LEN + 1];
	struct unread *u;

	if (n != NULL)
		return (struct unread *)n;
	store_id_text(f->id, id);
	if (d->unread.n == 0)
		log_warnx("%s its body cannot be read from journal "
		    "segment=%016llx: %s; the segment is kept until it can",
		    id, (unsigned long long)d->move_generation,
		    reason(f->error));
	u = xcalloc(1, sizeof(*u));
	u->id = f->id;
	table_add(&d->unread, &u->node, &u->id, sizeof(u->id));
	return u;
}

/* What could not be read: whether that is for good. */
static bool
is_damaged(struct disk *d, const struct found *f)
{
	struct unread *u = unread_of(d, f);
	char id[STORE_ID_LEN + 1];

	if (!is_wrong(f->error))
		return false;
	if (u->times++ == 0)
		u->since_ms = ev_now_ms();
	if (u->times < DAMAGED_TIMES ||
	    ev_now_ms() - u->since_ms < DAMAGED_MS)
		return false;
	store_id_text(f->id, id);
	log_warnx("%s its body is damaged: %s, and nothing else in %d minutes; "
	    "journal segment=%016llx is not kept for it any longer. Please see "
	    "to the disk; remove the message, and restore it from a backup that "
	    "has it", id,
	    reason(f->error), DAMAGED_MS / 60000,
	    (unsigned long long)d->move_generation);
	return true;
}

/* --- copies, in the loop ------------------------------------------------------------ */

struct copy {
	struct journal_op j;		/* first */
	struct disk *d;
	struct entry *e;
	struct index_body body;		/* the new one */
};

static void
copy_done(struct task *t)
{
	struct copy *c = (struct copy *)t;
	struct disk *d = c->d;
	struct entry *e = c->e;

	d->moving--;
	e->ops--;
	e->moved = true;
	e->old_body = e->body;
	e->body = c->body;
	e->version++;
	d->dirty = d->hurry = true;
	disk_segment_add(d, &e->body, 1);
	free(c);
}

/*
 * What copies may take. On a full disk deliveries count on half of what the
 * segment had when they began (dispatch), so all copies together take no more
 * than the other half of it.
 */
static uint64_t
may_take(const struct disk *d)
{
	uint64_t room = journal_room(d->journal);

	if (room == UINT64_MAX)
		return room;
	return room > d->move_taken ? (room - d->move_taken) / 2 : 0;
}

static void
copy(struct disk *d, struct entry *e, const struct found *f)
{
	struct copy *c = xcalloc(1, sizeof(*c));
	struct buf b;

	e->body = f->body;
	c->j.task.done = copy_done;
	c->d = d;
	c->e = e;
	c->body = (struct index_body){ .len = f->body.len, .crc = f->body.crc,
	    .skip = (uint32_t)(RECORD_HEADER + e->meta_len) };
	c->j.at = &c->body.place;
	buf_init(&b, RECORD_MAX);
	record_put(&b, &(struct record){ .type = REC_MSG, .flags = REC_COPY,
	    .id = e->id, .meta = e->meta, .meta_len = e->meta_len,
	    .body = f->bytes, .body_len = f->body.len,
	    .body_crc = f->body.crc });
	c->j.bytes = (uint8_t *)buf_steal(&b, &c->j.len);
	e->ops++;
	d->moving++;
	if (journal_room(d->journal) != UINT64_MAX)
		d->move_taken += journal_cost(c->j.len);
	journal_add(d->journal, &c->j);
}

/* False: there is no room for it, nor for those behind it. */
static bool
move(struct disk *d, const struct found *f)
{
	struct entry *e = disk_entry(d, f->id);

	if (e != NULL && (e->removed || e->moved))
		return true;
	if (copy_cost(f, e == NULL ? f->meta_len : e->meta_len) > may_take(d))
		return false;
	if (f->error != 0 && !is_damaged(d, f))
		return true;
	if (e == NULL) {
		e = disk_entry_make(d, f->id);
		if (!disk_entry_set_meta(d, e, f->meta, f->meta_len)) {
			disk_entry_free(d, e);
			return true;
		}
		e->given = e->in_index = true;
	}
	copy(d, e, f);
	return true;
}

static void
search_done(struct task *t)
{
	struct search *s = (struct search *)t;
	struct disk *d = s->d;
	bool more = s->more;
	size_t i;

	for (i = 0; i < s->n && !d->closing; i++)
		if (!move(d, &s->v[i])) {
			more = false;
			break;
		}
	d->searching = false;
	/* Not at the end yet: a checkpoint, then on from here. */
	d->move_after = more ? s->after : 0;
	if (!more)
		d->move_again_ms = ev_now_ms() + AGAIN_MS;
	for (i = 0; i < s->n; i++) {
		free(s->v[i].meta);
		free(s->v[i].bytes);
	}
	free(s);
}

/* --- when ----------------------------------------------------------------------------- */

/*
 * On a full disk the segment that this frees is the only one there will be, and
 * what is copied must leave room for what is under way. Where new mail is
 * refused nothing else may fill the journal up to where moving would begin by
 * itself, so it begins wherever it gains half a segment.
 */
static bool
is_due(const struct disk *d)
{
	uint64_t bytes = d->journal_conf.segment_bytes;
	const struct segment_use *oldest = &d->segments[0];

	if (d->nsegments == 0 || oldest->live == 0 ||
	    oldest->generation >= d->move_newest)
		return false;
	if (journal_room(d->journal) != UINT64_MAX)
		return oldest->bytes <= may_take(d);
	if (!d->room && oldest->bytes <= bytes / 2)
		return true;
	return (d->move_newest - oldest->generation + 1) * bytes >
	    DEAD_FACTOR * d->live_bytes +
	    (d->room ? SEGMENTS_FREE : SEGMENTS_WANTED) * bytes;
}

/* Not twice in a moment over what could not be read, or had no room. */
static bool
has_rested(const struct disk *d)
{
	return d->segments[0].generation != d->move_generation ||
	    ev_now_ms() >= d->move_again_ms;
}

bool
disk_move_wanted(const struct disk *d)
{
	/* At first only a checkpoint knows what the newest segment is. */
	return d->move_newest == 0 || (is_due(d) && has_rested(d));
}

static void
search(struct disk *d)
{
	struct search *s = xcalloc(1, sizeof(*s));

	s->task.work = search_work;
	s->task.done = search_done;
	s->d = d;
	s->generation = d->move_generation;
	s->after = d->move_after;
	d->searching = true;
	task_crew_give(d->index_crew, &s->task);
}

void
disk_move(struct disk *d, uint64_t newest)
{
	if (d->journal == NULL || d->closing)
		return;
	if (newest != d->move_newest)
		d->move_taken = 0;
	d->move_newest = newest;
	if (d->searching || d->moving > 0 || !is_due(d) || !has_rested(d))
		return;
	if (d->segments[0].generation != d->move_generation) {
		d->move_generation = d->segments[0].generation;
		d->move_after = 0;
		disk_move_forget(d);
	}
	search(d);
}
