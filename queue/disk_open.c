/* Opening, recovery and the end of the store on disk. */
#include "lib/prelude.h"

#include <sys/random.h>
#include <sys/stat.h>
#include <fcntl.h>

#include "lib/dbdisk.h"
#include "lib/log.h"
#include "lib/owned.h"
#include "lib/xalloc.h"
#include "queue/aside.h"
#include "queue/ballast.h"
#include "queue/disk.h"
#include "queue/spool.h"

#define SEGMENT_LEAST	(1024 * 1024)
#define WORKERS		3	/* to sync spool files; as many read bodies */
#define LEAP		(16 * STORE_IDS_A_MS)	/* left out by a start */
#define REPLAY_AT_ONCE	20000	/* messages in memory while the journal is read */

/* --- recovery --------------------------------------------------------------------- */

struct recovery {
	struct disk *d;
	uint64_t messages, states, removals, strange;
	bool	 later;			/* some are by a later version */
};

static bool
ignore_cb(const struct index_entry *e, void *arg)
{
	return true;
}

static bool
known(struct disk *d, uint64_t id)
{
	struct entry *e = disk_entry(d, id);

	return e != NULL ? !e->removed : index_get(d->index, id, ignore_cb,
	    NULL);
}

static void
recover_msg(struct recovery *r, const struct record *rec,
    const struct journal_place *place, const struct store_msg *m)
{
	struct entry *e = disk_entry_make(r->d, rec->id);

	e->body = (struct index_body){ .place = *place,
	    .skip = (uint32_t)(RECORD_HEADER + rec->meta_len),
	    .len = (uint32_t)rec->body_len, .crc = rec->body_crc };
	e->removed = false;
	disk_entry_set(r->d, e, m);
	if ((rec->flags & REC_COPY) == 0)
		disk_use(r->d, m);
	r->messages++;
}

static void
recover_state(struct recovery *r, const struct record *rec,
    const struct store_msg *m)
{
	disk_entry_set(r->d, disk_entry_make(r->d, rec->id), m);
	r->states++;
}

static void
recover_del(struct recovery *r, uint64_t id)
{
	disk_entry_make(r->d, id)->removed = true;
	r->removals++;
}

/* The index may have some of them in an older state, or has had them. */
static void
all_indexed(struct disk *d)
{
	struct table_node *n = NULL;

	while ((n = table_next(&d->entries, n)) != NULL) {
		((struct entry *)n)->given = true;
		((struct entry *)n)->in_index = true;
	}
}

/* A start that is killed goes on from here, and a million take no more memory. */
static void
batch_cb(const struct journal_place *place, void *arg)
{
	struct recovery *r = arg;

	if (disk_entries(r->d) < REPLAY_AT_ONCE || r->later)
		return;
	all_indexed(r->d);
	disk_checkpoint_now(r->d, *place);
}

static void
recover_cb(const struct record *rec, const struct journal_place *place,
    void *arg)
{
	struct recovery *r = arg;
	char id[STORE_ID_LEN + 1];
	struct store_msg m;

	if (rec->id > r->d->last_id)
		r->d->last_id = rec->id;
	if (rec->type != REC_MSG && !known(r->d, rec->id)) {
		/* At home in a rebuild: the message itself is long gone. */
		r->strange++;
		return;
	}
	if (rec->type == REC_DEL) {
		recover_del(r, rec->id);
		return;
	}
	r->later |= record_meta_is_later(rec->meta, rec->meta_len);
	if (r->later)
		return;
	if (!record_get_meta(rec->meta, rec->meta_len, rec->id, &m)) {
		store_id_text(rec->id, id);
		log_warnx("%s is damaged and lost, journal segment=%016llx "
		    "offset=%llu", id, (unsigned long long)place->generation,
		    (unsigned long long)place->offset);
		return;
	}
	if (rec->type == REC_MSG)
		recover_msg(r, rec, place, &m);
	else
		recover_state(r, rec, &m);
	store_msg_clear(&m);
}

static bool
count_cb(const struct index_entry *e, void *arg)
{
	struct disk *d = arg;

	d->count++;
	disk_segment_add(d, &e->body, 1);
	if (e->id > d->last_id)
		d->last_id = e->id;
	return true;
}

static bool
wanted_cb(uint64_t id, void *arg)
{
	struct disk *d = arg;

	return index_get(d->index, id, ignore_cb, NULL);
}

static const struct journal_ops journal_ops = { disk_written,
    disk_room_segment };

static bool
is_there(const struct journal_found *f, uint64_t generation)
{
	size_t i;

	for (i = 0; i < f->n; i++)
		if (f->generations[i] == generation)
			return true;
	return false;
}

/* What the index holds, and whether the journal has its bodies. */
static void
count(struct disk *d, struct journal_found *found)
{
	size_t i;

	free(d->segments);
	d->segments = NULL;
	d->nsegments = 0;
	d->live_bytes = 0;
	index_list(d->index, 0, count_cb, d);
	for (i = 0; i < d->nsegments; i++)
		if (!is_there(found, d->segments[i].generation)) {
			log_warnx("journal segment=%016llx is missing: %llu "
			    "messages that were in it cannot be read; was the "
			    "file removed?",
			    (unsigned long long)d->segments[i].generation,
			    (unsigned long long)d->segments[i].live);
			found->damaged++;
		}
}

/*
 * Everything into the index, and a new segment behind what was found, from one
 * that nothing needs any more if the disk has no room. damaged: parts of the
 * journal could not be read.
 */
static const char *
recover(struct disk *d, bool *damaged)
{
	struct recovery r = { .d = d };
	struct journal_found found;
	struct journal_place mark, end;
	const char *errstr = NULL;
	uint64_t next;

	index_mark(d->index, &mark, &d->last_id);
	if (journal_replay(&d->journal_conf, mark, batch_cb, recover_cb, &r,
	    &found, &errstr) == -1 || r.later) {
		free(found.generations);
		return r.later ? RECORD_LATER : errstr;
	}
	/* Some may have been handed out of which no record tells. */
	d->last_id += LEAP;
	next = found.n == 0 ? 1 : found.generations[found.n - 1] + 1;
	if (next < mark.generation)
		next = mark.generation;
	/* The mark names what is there: else somebody has taken it away. */
	end = found.end.generation != 0 ? found.end :
	    (struct journal_place){ next, 0 };
	all_indexed(d);
	disk_checkpoint_now(d, end);
	count(d, &found);
	d->journal = journal_open(&d->journal_conf, &journal_ops, d, next,
	    found.end.offset, disk_needed_from(d, end.generation), &errstr);
	free(found.generations);
	if (d->journal == NULL)
		return errstr;
	*damaged = found.damaged > 0;
	log_info("store=%s open messages=%llu replayed=%llu accepted=%llu "
	    "changed=%llu removed=%llu ignored=%llu damaged=%llu", d->dir,
	    (unsigned long long)d->count, (unsigned long long)found.records,
	    (unsigned long long)r.messages, (unsigned long long)r.states,
	    (unsigned long long)r.removals, (unsigned long long)r.strange,
	    (unsigned long long)found.damaged);
	return NULL;
}

/* --- opening ----------------------------------------------------------------------------- */

/* What was made or renamed in it has its name for good. */
static const char *
sync_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool synced = fd != -1 && fsync(fd) == 0;

	if (!synced)
		log_warn("cannot sync %s", path);
	if (fd != -1)
		close(fd);
	return synced ? NULL : "the queue's directory cannot be synced";
}

static const char *
make_dir(const char *path)
{
	if (mkdir(path, 0700) == -1 && errno != EEXIST) {
		log_warn("cannot make %s", path);
		return "the queue's directory cannot be written; is it owned "
		    "by the queue's user?";
	}
	return NULL;
}

/* What is wrong with the index is moved out of the way, and a new one made. */
static const char *
renew_index(struct disk *d, uint32_t cache_bytes, const char *why)
{
	unsigned long long now = ev_wall_ms();
	char *aside = xasprintf("%s/" ASIDE_PREFIX "%llu", d->dir, now);
	const char *errstr;
	bool damaged;

	log_warnx("index=%s: %s; it is moved to %s and rebuilt from the "
	    "journal", d->index_dir, why, aside);
	if (rename(d->index_dir, aside) == -1)
		log_warn("cannot move it");
	free(aside);
	aside_trim(d->dir, now);
	/* Should it come back after a power cut it would be out of date. */
	if ((errstr = make_dir(d->index_dir)) != NULL ||
	    (errstr = sync_dir(d->dir)) != NULL)
		return errstr;
	d->index = index_open(d->index_dir, cache_bytes, &damaged, &errstr);
	return d->index == NULL ? errstr : NULL;
}

static const char *
open_index(struct disk *d, uint32_t cache_bytes)
{
	struct journal_place mark;
	const char *errstr;
	uint64_t last_id;
	bool damaged;

	d->index = index_open(d->index_dir, cache_bytes, &damaged, &errstr);
	if (d->index == NULL)
		return damaged ? renew_index(d, cache_bytes, errstr) : errstr;
	index_mark(d->index, &mark, &last_id);
	if (!journal_is_past(&d->journal_conf, mark))
		return NULL;
	index_close(&d->index);
	return renew_index(d, cache_bytes, "it ends in a segment that the "
	    "journal does not have any more, so it is of an older day, or "
	    "segments were removed");
}

/*
 * A file with a number, made once. Only restoring asks for it, and without it
 * takes every backup for another store's, so that it cannot be written is worth
 * no end; a failed sync is, as everywhere. One that cannot be read is left as it
 * is, for a start that can.
 */
static const char *
read_identity(struct disk *d)
{
	char *path = xasprintf("%s/identity", d->dir), text[17] = "";
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
	ssize_t got = fd == -1 ? -1 : read(fd, text, 16);
	unsigned long long id;
	bool synced = true;

	if (got == 16 && sscanf(text, "%16llx", &id) == 1)
		d->identity = id;
	else if (got != -1 && getrandom(&id, sizeof(id), 0) == sizeof(id)) {
		snprintf(text, sizeof(text), "%016llx", id);
		if (pwrite(fd, text, 16, 0) == 16) {
			synced = fsync(fd) == 0;
			d->identity = id;
		}
	}
	if (d->identity == 0 || !synced)
		log_warn("cannot %s %s", got == -1 ? "read" : "write", path);
	if (fd != -1)
		close(fd);
	free(path);
	return synced ? NULL : "the queue's file \"identity\" cannot be synced";
}

static struct disk *
disk_new(const struct store_conf *conf, const struct store_ops *ops, void *arg)
{
	struct disk *d = xcalloc(1, sizeof(*d));

	d->store.backend = &disk_backend;
	d->ops = ops;
	d->arg = arg;
	d->dir = xstrdup(conf->dir);
	d->journal_dir = xasprintf("%s/journal", conf->dir);
	d->index_dir = xasprintf("%s/index", conf->dir);
	d->spool_dir_fd = -1;
	d->spool_dir = xasprintf("%s/spool", conf->dir);
	d->journal_conf.dir = d->journal_dir;
	d->journal_conf.segment_bytes = conf->segment_bytes < SEGMENT_LEAST ?
	    SEGMENT_LEAST : conf->segment_bytes;
	d->min_free_bytes = conf->min_free_bytes;
	disk_room_init(d);
	d->room = true;
	d->opened_ms = ev_now_ms();
	d->opened_wall_ms = ev_wall_ms();
	table_init(&d->entries);
	table_init(&d->uses);
	table_init(&d->spools);
	table_init(&d->unspools);
	table_init(&d->unread);
	return d;
}

static void
disk_free(struct disk *d)
{
	struct table_node *n;

	dbdisk_on_full(NULL, NULL);
	while ((n = table_next(&d->entries, NULL)) != NULL)
		disk_entry_free(d, (struct entry *)n);
	table_clear(&d->entries);
	while ((n = table_next(&d->uses, NULL)) != NULL) {
		table_remove(&d->uses, n);
		free(n);
	}
	table_clear(&d->uses);
	table_clear(&d->spools);
	table_clear(&d->unspools);
	disk_move_forget(d);
	free(d->segments);
	free(d->dir);
	free(d->journal_dir);
	free(d->index_dir);
	free(d->spool_dir);
	if (d->spool_dir_fd != -1)
		close(d->spool_dir_fd);
	free(d);
}

/* What an admin put beside them, and a disk's lost+found, is not ours. */
static const char *
owned_check_ours(const char *dir)
{
	static const char *const names[] = { "identity", "ballast" };
	const char *why = NULL;
	char *path;
	size_t i;

	for (i = 0; i < nitems(names) && why == NULL; i++) {
		path = xasprintf("%s/%s", dir, names[i]);
		why = owned_check(path);
		free(path);
	}
	return why;
}

/*
 * A file that nobody names may belong to a record that was lost. That is noted,
 * as the next start finds nothing wrong any more.
 */
static const char *
sweep(struct disk *d, bool damaged)
{
	char *note = xasprintf("%s/keep-spool", d->dir);
	const char *why = NULL;
	int fd;

	if (damaged) {
		fd = open(note, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW |
		    O_NONBLOCK, 0600);
		if (fd == -1)
			log_warn("cannot make %s", note);
		else
			close(fd);
		why = sync_dir(d->dir);
	}
	if (damaged || access(note, F_OK) == 0)
		log_warnx("spool=%s the journal was damaged, so files that no "
		    "message names are kept; look at them, remove those that "
		    "nobody needs, then %s", d->spool_dir, note);
	else
		spool_sweep(d->spool_dir, wanted_cb, d);
	free(note);
	return why;
}

static const char *
open_all(struct disk *d, const struct store_conf *conf)
{
	bool damaged = false;
	const char *why;

	if ((why = make_dir(d->journal_dir)) != NULL ||
	    (why = make_dir(d->index_dir)) != NULL ||
	    (why = make_dir(d->spool_dir)) != NULL ||
	    (why = owned_check_ours(d->dir)) != NULL ||
	    (why = owned_check_all(d->journal_dir)) != NULL ||
	    (why = owned_check_all(d->index_dir)) != NULL)
		return why;
	d->spool_dir_fd = open(d->spool_dir, O_RDONLY | O_DIRECTORY |
	    O_CLOEXEC);
	if (d->spool_dir_fd == -1) {
		log_warn("cannot open %s", d->spool_dir);
		return "the queue's directory for large bodies cannot be "
		    "opened; is it owned by the queue's user?";
	}
	d->old_spools = spool_sweep_new(d->spool_dir, &d->next_spool);
	ballast_throw(d->dir, d->ballast_bytes);
	dbdisk_on_full(disk_room_index, d);
	if ((why = read_identity(d)) != NULL ||
	    (why = sync_dir(d->dir)) != NULL ||
	    (why = open_index(d, conf->cache_bytes)) != NULL ||
	    (why = recover(d, &damaged)) != NULL)
		return why;
	return sweep(d, damaged);
}

struct store *
store_open(const struct store_conf *conf, const struct store_ops *ops,
    void *arg, const char **errstr)
{
	struct disk *d = disk_new(conf, ops, arg);

	d->home = task_home_new();
	*errstr = open_all(d, conf);
	if (*errstr != NULL) {
		index_close(&d->index);
		task_home_free(&d->home);
		disk_free(d);
		return NULL;
	}
	d->index_crew = task_crew_new(d->home, 1);
	d->workers = task_crew_new(d->home, WORKERS);
	d->reading_crew = task_crew_new(d->home, WORKERS);
	ev_timer_init(&d->timer, disk_look, d);
	disk_look(d);
	return &d->store;
}

/* --- the end ------------------------------------------------------------------------------- */

/* The journal first: its barrier still goes through the index's thread. */
static void
disk_close(struct store *s)
{
	struct disk *d = (struct disk *)s;

	d->closing = true;
	ev_timer_cancel(&d->timer);
	task_crew_end(&d->workers);
	task_crew_end(&d->reading_crew);
	if (!d->checkpointing)
		disk_checkpoint(d);
	journal_end(d->journal);
	task_crew_end(&d->index_crew);
	task_home_drain(d->home);
	journal_free(&d->journal);
	index_close(&d->index);
	task_home_free(&d->home);
	disk_free(d);
}

static uint64_t
disk_new_id(struct store *s)
{
	struct disk *d = (struct disk *)s;
	uint64_t id = ev_wall_ms() * STORE_IDS_A_MS;

	d->last_id = id > d->last_id ? id : d->last_id + 1;
	return d->last_id;
}

static void
disk_ids_beyond(struct store *s, uint64_t id)
{
	struct disk *d = (struct disk *)s;

	if (id > d->last_id)
		d->last_id = id;
}

static uint64_t
disk_room(const struct store *s)
{
	return journal_room(((const struct disk *)s)->journal);
}

static bool
disk_has_room(struct store *s)
{
	return ((struct disk *)s)->room && disk_room(s) == UINT64_MAX;
}

static uint64_t
disk_count(const struct store *s)
{
	return ((const struct disk *)s)->count;
}

static uint64_t
disk_unsettled(const struct store *s)
{
	return disk_entries((const struct disk *)s);
}

static uint64_t
disk_identity(const struct store *s)
{
	return ((const struct disk *)s)->identity;
}

static bool
disk_removed(const struct store *s, const struct store_msg *m)
{
	const struct entry *e = disk_entry((const struct disk *)s, m->id);

	return e != NULL && e->removed && (e->likeness == 0 ||
	    e->likeness == store_msg_likeness(m));
}

static bool
disk_leaving(const struct store *s, uint64_t id)
{
	const struct disk *d = (const struct disk *)s;
	const struct entry *e = disk_entry(d, id);

	return (e != NULL && e->removed) ||
	    table_find(&d->unspools, &id, sizeof(id)) != NULL;
}

const struct store_backend disk_backend = {
	disk_close, disk_new_id, disk_ids_beyond, disk_has_room, disk_room,
	disk_spare, disk_count, disk_unsettled, disk_identity,
	disk_removed, disk_leaving,
	disk_accept, disk_update, disk_remove, disk_sync,
	disk_spool_open, disk_spool_lend, disk_spool_held, disk_spool_empty,
	disk_spool_close,
	disk_due, disk_list, disk_load, disk_body, disk_usage,
};
