/*
 * Mail that waits for days must not keep every segment that came after it. When
 * the journal is mostly dead, the messages still in its oldest segment are
 * appended anew; the checkpoint behind that frees the segment.
 *
 * The old place is given up only by the checkpoint that has put the new one
 * into the index. No checkpoint runs while copies are on their way, so that a
 * place never changes under the index's thread.
 */
#include "lib/prelude.h"

#include "lib/log.h"
#include "lib/xalloc.h"
#include "queue/disk.h"

#define SEGMENTS_FREE	8	/* as many are kept without looking at them */
#define DEAD_FACTOR	2	/* journal to live bytes, above which we move */
#define MOVE_AT_ONCE	256
#define LOOK_AT_ONCE	20000	/* entries of the index in one go */

struct found {
	uint64_t id;
	struct index_body body;
	uint8_t	*meta, *bytes;		/* owned */
	size_t	 meta_len;
};

struct search {
	struct task task;		/* first */
	struct disk *d;
	uint64_t generation, after;
	size_t	 looked, n;
	struct found v[MOVE_AT_ONCE];
};

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
		s->n++;
	}
	return s->n < MOVE_AT_ONCE && s->looked < LOOK_AT_ONCE;
}

static void
search_work(struct task *t)
{
	struct search *s = (struct search *)t;
	char id[STORE_ID_LEN + 1];
	struct found *f;
	size_t i;

	index_list(s->d->index, s->after, found_cb, s);
	/* What is damaged moves along; its checksum still tells. */
	for (i = 0; i < s->n; i++) {
		f = &s->v[i];
		if (f->body.len > 0 && journal_read(s->d->journal,
		    f->body.place, f->body.skip, f->bytes, f->body.len)
		    == -1) {
			store_id_text(f->id, id);
			log_warn("%s its body cannot be read from journal "
			    "segment=%016llx", id,
			    (unsigned long long)s->generation);
		}
	}
}

/* --- in the loop -------------------------------------------------------------------- */

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

static void
copy(struct disk *d, struct found *f)
{
	struct entry *e = disk_entry(d, f->id);
	struct copy *c;
	struct buf b;

	if (e == NULL) {
		e = disk_entry_make(d, f->id);
		if (!disk_entry_set_meta(d, e, f->meta, f->meta_len)) {
			disk_entry_free(d, e);
			return;
		}
		e->given = e->in_index = true;
	}
	if (e->removed || e->moved)
		return;
	e->body = f->body;
	c = xcalloc(1, sizeof(*c));
	c->j.task.done = copy_done;
	c->d = d;
	c->e = e;
	c->body = (struct index_body){ .len = f->body.len, .crc = f->body.crc,
	    .skip = (uint32_t)(RECORD_HEADER + e->meta_len) };
	c->j.at[0] = &c->body.place;
	buf_init(&b, RECORD_MAX);
	record_put(&b, &(struct record){ .type = REC_MSG, .flags = REC_COPY,
	    .id = e->id, .meta = e->meta, .meta_len = e->meta_len,
	    .body = f->bytes, .body_len = f->body.len,
	    .body_crc = f->body.crc });
	c->j.bytes = (uint8_t *)buf_steal(&b, &c->j.len);
	e->ops++;
	d->moving++;
	journal_add(d->journal, &c->j);
}

static void
search_done(struct task *t)
{
	struct search *s = (struct search *)t;
	struct disk *d = s->d;
	size_t i;

	d->searching = false;
	d->move_after = s->after;
	/* Not at the end yet: a checkpoint, then on from here. */
	if (s->n < MOVE_AT_ONCE && s->looked < LOOK_AT_ONCE)
		d->move_after = 0;
	for (i = 0; i < s->n; i++) {
		if (!d->closing)
			copy(d, &s->v[i]);
		free(s->v[i].meta);
		free(s->v[i].bytes);
	}
	free(s);
}

/*
 * On a full disk the segment that this frees is the only one there will be, and
 * what is copied must leave room for what is under way.
 */
static bool
is_due(const struct disk *d, uint64_t newest)
{
	uint64_t bytes = d->journal_conf.segment_bytes;
	uint64_t room = journal_room(d->journal);
	const struct segment_use *oldest = &d->segments[0];

	if (room != UINT64_MAX)
		return oldest->generation < newest &&
		    oldest->bytes <= room / 2;
	return (newest - oldest->generation + 1) * bytes >
	    DEAD_FACTOR * d->live_bytes + SEGMENTS_FREE * bytes;
}

void
disk_move(struct disk *d, uint64_t newest)
{
	uint64_t oldest;
	struct search *s;

	if (d->journal == NULL || d->nsegments == 0 || d->searching ||
	    d->moving > 0 || d->closing)
		return;
	oldest = d->segments[0].generation;
	if (d->segments[0].live == 0 || !is_due(d, newest))
		return;
	if (oldest != d->move_generation)
		d->move_after = 0;
	d->move_generation = oldest;
	s = xcalloc(1, sizeof(*s));
	s->task.work = search_work;
	s->task.done = search_done;
	s->d = d;
	s->generation = oldest;
	s->after = d->move_after;
	d->searching = true;
	task_crew_give(d->index_crew, &s->task);
}
