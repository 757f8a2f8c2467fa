/* The way from the journal into the index; see disk.h for its invariants. */
#include "lib/prelude.h"

#include "lib/xalloc.h"
#include "queue/disk.h"

#define EVERY_MS	5000
#define SEGMENTS	4		/* or when so many have been begun */
#define ENTRIES		20000		/* or memory holds so many messages */
#define LOOK_MS		1000
#define FORGET_EVERY_MS	(3600 * 1000ULL)
#define USAGE_KEPT_MS	(32 * 86400 * 1000ULL)

struct item {
	struct entry *entry;		/* stays while in_checkpoint */
	uint64_t version;
	bool	 removed;
	struct index_entry put;		/* meta is owned */
	struct index_body was;		/* of a removed one */
	bool	 was_there;
};

struct checkpoint {
	struct journal_op barrier;	/* first */
	struct disk *d;
	struct journal_place mark;
	struct item *items;
	size_t	 n;
	struct table uses;
	uint64_t last_id, forget_before_ms;
};

/* --- taking it: in the loop ----------------------------------------------------- */

static void
add_item(struct checkpoint *c, struct entry *e)
{
	struct item *i = &c->items[c->n++];

	e->in_checkpoint = true;
	i->entry = e;
	i->version = e->version;
	i->removed = e->removed;
	if (e->removed)
		return;
	i->put = (struct index_entry){ .id = e->id, .due_ms = e->due_ms,
	    .hold = e->hold, .meta = xmemdup(e->meta, e->meta_len),
	    .meta_len = e->meta_len };
}

/* Not what is still being synced, and not what the index never knew. */
static bool
belongs(const struct entry *e)
{
	return e->given && (!e->removed || e->in_index);
}

static struct checkpoint *
take(struct disk *d)
{
	struct checkpoint *c = xcalloc(1, sizeof(*c));
	struct table_node *n = NULL;
	/* By elapsed time: a clock that is set a year ahead frees no cap. */
	uint64_t now = d->opened_wall_ms + (ev_now_ms() - d->opened_ms);

	c->d = d;
	c->items = xcalloc(d->entries.n, sizeof(*c->items));
	while ((n = table_next(&d->entries, n)) != NULL)
		if (belongs((struct entry *)n))
			add_item(c, (struct entry *)n);
	c->uses = d->uses;
	table_init(&d->uses);
	c->last_id = d->last_id;
	if (ev_now_ms() - d->last_forget_ms >= FORGET_EVERY_MS &&
	    now > USAGE_KEPT_MS) {
		d->last_forget_ms = ev_now_ms();
		c->forget_before_ms = now - USAGE_KEPT_MS;
	}
	d->dirty = d->hurry = false;
	return c;
}

/* --- writing it: in the index's thread --------------------------------------------- */

static int
by_id(const void *a, const void *b)
{
	const struct item *i = a, *j = b;

	return (i->entry->id > j->entry->id) - (i->entry->id < j->entry->id);
}

/* In the order of ids, which is that of the index: each page is fetched once. */
static void
work(struct task *t)
{
	struct checkpoint *c = (struct checkpoint *)t;
	struct index *x = c->d->index;
	struct table_node *n, *next;
	size_t i;

	if (c->n > 1)
		qsort(c->items, c->n, sizeof(*c->items), by_id);
	index_begin(x);
	for (i = 0; i < c->n; i++) {
		struct item *it = &c->items[i];

		if (it->removed)
			it->was_there = index_del(x, it->entry->id, &it->was);
		else {
			/* Behind the barrier the journal has set the place. */
			it->put.body = it->entry->body;
			index_put(x, &it->put);
		}
	}
	for (n = table_next(&c->uses, NULL); n != NULL; n = next) {
		struct use *u = (struct use *)n;

		next = table_next(&c->uses, n);
		index_use(x, u->minute_ms, u->account, u->used);
		free(u);
	}
	if (c->forget_before_ms > 0)
		index_forget_use(x, c->forget_before_ms);
	index_commit(x, c->mark, c->last_id);
}

/* --- what it means: in the loop ------------------------------------------------------- */

/*
 * In order of segments: the first one that is needed, by a body or because the
 * mark is in it, keeps all later ones.
 */
uint64_t
disk_needed_from(struct disk *d, uint64_t mark)
{
	size_t i = 0;

	while (i < d->nsegments && d->segments[i].live == 0 &&
	    d->segments[i].generation < mark)
		i++;
	d->nsegments -= i;
	if (i > 0)
		memmove(d->segments, d->segments + i,
		    d->nsegments * sizeof(*d->segments));
	if (d->nsegments > 0 && d->segments[0].generation < mark)
		mark = d->segments[0].generation;
	return mark;
}

/* True when the caller of the store may forget the message. */
static bool
finish_item(struct disk *d, struct item *it)
{
	struct entry *e = it->entry;

	e->in_checkpoint = false;
	if (it->removed) {
		if (it->was_there)
			disk_segment_add(d, &it->was, -1);
		if (e->moved)
			disk_segment_add(d, &e->body, -1);
		e->in_index = false;
		if (e->ops == 0)
			disk_entry_free(d, e);
		return false;
	}
	e->in_index = true;
	if (e->moved) {
		disk_segment_add(d, &e->old_body, -1);
		e->moved = false;
	}
	if (e->version != it->version || e->ops > 0)
		return false;
	return true;
}

static void
done(struct task *t)
{
	struct checkpoint *c = (struct checkpoint *)t;
	struct disk *d = c->d;
	uint64_t *ids = xcalloc(c->n, sizeof(*ids));
	size_t i, n = 0;

	for (i = 0; i < c->n; i++) {
		free((void *)(uintptr_t)c->items[i].put.meta);
		if (!finish_item(d, &c->items[i]))
			continue;
		ids[n++] = c->items[i].entry->id;
		disk_entry_free(d, c->items[i].entry);
	}
	if (d->journal != NULL)
		journal_release(d->journal,
		    disk_needed_from(d, c->mark.generation));
	d->checkpointing = false;
	disk_move(d, c->mark.generation);
	if (n > 0 && d->ops != NULL && d->ops->settled != NULL && !d->closing)
		d->ops->settled(ids, n, d->arg);
	free(ids);
	table_clear(&c->uses);
	free(c->items);
	free(c);
}

/* --- when --------------------------------------------------------------------------------- */

void
disk_checkpoint(struct disk *d)
{
	struct checkpoint *c;

	if (d->checkpointing || d->searching || d->moving > 0)
		return;
	d->checkpointing = true;
	d->last_checkpoint_ms = ev_now_ms();
	d->checkpoint_generation = d->nsegments == 0 ? 0 :
	    d->segments[d->nsegments - 1].generation;
	c = take(d);
	c->barrier.barrier = true;
	c->barrier.at = &c->mark;
	c->barrier.task.work = work;
	c->barrier.task.done = done;
	journal_add(d->journal, &c->barrier);
}

void
disk_checkpoint_now(struct disk *d, struct journal_place mark)
{
	struct checkpoint *c = take(d);

	c->mark = mark;
	work(&c->barrier.task);
	done(&c->barrier.task);
}

void
disk_look(void *arg)
{
	struct disk *d = arg;
	uint64_t newest = d->nsegments == 0 ? 0 :
	    d->segments[d->nsegments - 1].generation;

	disk_room_look(d);
	/* On a full disk each segment that can be used again is wanted soon. */
	if (d->dirty && (d->hurry || journal_room(d->journal) != UINT64_MAX ||
	    ev_now_ms() - d->last_checkpoint_ms >= EVERY_MS ||
	    newest >= d->checkpoint_generation + SEGMENTS ||
	    disk_entries(d) >= ENTRIES))
		disk_checkpoint(d);
	/* Room is wanted, and what gives it comes behind a checkpoint alone. */
	else if (!d->room && disk_move_wanted(d))
		disk_checkpoint(d);
	ev_timer_set(&d->timer, LOOK_MS);
}
