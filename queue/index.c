/*
 * Four databases in one environment, all keys big-endian so that their order
 * is the order of numbers:
 *	messages	id -> due, hold, body's place, meta
 *	due		due | id -> nothing; without messages on hold
 *	usage		minute | account -> used, one u64 per kind
 *	mark		"mark" -> generation, offset, last id; how many
 *			messages there are, the sum of their ids, how many
 *			entries usage has (not in marks of older versions)
 */
#include "lib/prelude.h"

#include <sys/stat.h>
#include <db.h>
#include <fcntl.h>
#include <stdatomic.h>

#include "lib/log.h"
#include "lib/ticket.h"
#include "lib/xalloc.h"
#include "queue/index.h"

#define PAGE_BYTES	4096
#define LOG_BYTES	(8 * 1024 * 1024)
#define HEAD		49		/* bytes before the meta in a value */
#define MARK_KEY	"mark"
#define MARK_BYTES	48
#define OLD_MARK_BYTES	24		/* ends behind the last id */
#define DAMAGED_NAME	"damaged"	/* a file: build it anew */

/*
 * What is in it, told by the mark. Each database may be sound and yet not the
 * one that belongs here: put there from a backup, or in another's place, of
 * which Berkeley DB's recovery makes two empty ones and finds all well.
 */
struct contents {
	uint64_t messages, ids;		/* how many; the sum of their ids */
	uint64_t uses;
};

enum { DB_MESSAGES, DB_DUE, DB_USAGE, DB_MARK, DB_COUNT };

static const char *const names[DB_COUNT] = {
	"messages.db", "due.db", "usage.db", "mark.db",
};

/*
 * Due times are changed at the commit, in the order of their keys: those of a
 * crowd are all over a database that is larger than the cache, and so each of
 * its pages is fetched once.
 */
struct due_change {
	uint8_t	 key[16];
	size_t	 turn;			/* of equal keys the later comes later */
	bool	 put;
};

struct index {
	DB_ENV	*env;
	DB	*db[DB_COUNT];
	DB_TXN	*txn;
	struct due_change *due;		/* owned, of this transaction */
	size_t	 ndue, due_size;
	struct journal_place mark;
	uint64_t last_id;
	struct contents has;
	bool	 has_told;		/* by the mark, not by an older one */
	int	 error;			/* the last one while opening */
	int	 dir_fd;
};

/*
 * A full disk makes Berkeley DB panic, and then it says the same as of damage.
 * So its writes are ours too, to know one from the other. It does not go on
 * after a write that was cut short either.
 */
static bool disk_full;

/* Damage, or nothing that a new index would be better off with? */
static bool
is_damage(int error)
{
	return !disk_full && error != ENOSPC && error != EDQUOT &&
	    error != EACCES && error != EPERM && error != EROFS &&
	    error != ENOMEM && error != EMFILE && error != ENFILE &&
	    error != ENOTSUP;
}

/*
 * Berkeley DB syncs files, never the directory in which it has made them. A
 * power cut could leave a mark without the messages it speaks of, so a name is
 * made durable before the first sync behind it is believed.
 */
static int dir_fd = -1;
static _Atomic bool names_changed;

/*
 * Some damage shows only when a page is changed, such as a log that is shorter
 * than the pages know. The next start would find nothing wrong and end here
 * again, so it is told. Not of what may pass by itself.
 */
static void
note_damage(int r)
{
	int fd;

	if (r == EIO || r == DB_RUNRECOVERY || !is_damage(r))
		return;
	fd = openat(dir_fd, DAMAGED_NAME, O_WRONLY | O_CREAT | O_CLOEXEC,
	    0600);
	if (fd == -1)
		log_warn("cannot note that the index is damaged");
	else
		close(fd);
}

/* Ends the process: see index.h. */
static void
must(int r, const char *what)
{
	if (r == 0)
		return;
	note_damage(r);
	errno = r > 0 ? r : EIO;
	log_warnx("index: %s: %s", what, db_strerror(r));
	journal_die("the index cannot be used");
}

/* Nothing but files and directories: it would wait for a FIFO's other end. */
static int
open_plain(const char *path, int flags, int mode)
{
	int fd = open(path, flags | O_NONBLOCK, mode);
	struct stat st;

	if (fd == -1 || (fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) ||
	    S_ISDIR(st.st_mode))))
		return fd;
	close(fd);
	errno = EINVAL;
	return -1;
}

static int
noted_open(const char *path, int flags, ...)
{
	int mode = 0;
	va_list ap;

	if ((flags & O_CREAT) != 0) {
		va_start(ap, flags);
		mode = va_arg(ap, int);
		va_end(ap);
		names_changed = true;
	}
	return open_plain(path, flags, mode);
}

static int
noted_rename(const char *from, const char *to)
{
	names_changed = true;
	return rename(from, to);
}

static int
strict_fsync(int fd)
{
	if (fsync(fd) == -1 ||
	    (atomic_exchange(&names_changed, false) && fsync(dir_fd) == -1))
		journal_die("cannot sync the index");
	return 0;
}

/*
 * In trouble it says much, and again at each of the starts that follow: the
 * first words tell what is wrong. The index's thread or the start is here alone.
 */
#define WORDS_MAX 6
static int words;

static void
err_cb(const DB_ENV *env, const char *prefix, const char *text)
{
	if (++words <= WORDS_MAX)
		log_warnx("index: %s", text);
	else if (words == WORDS_MAX + 1)
		log_warnx("index: Berkeley DB goes on in this way; no more of "
		    "it is told");
}

/* --- keys ------------------------------------------------------------------------- */

static void
put_be(uint8_t *p, uint64_t v)
{
	int i;

	for (i = 7; i >= 0; i--, v >>= 8)
		p[i] = (uint8_t)v;
}

static uint64_t
get_be(const uint8_t *p)
{
	uint64_t v = 0;
	int i;

	for (i = 0; i < 8; i++)
		v = v << 8 | p[i];
	return v;
}

static DBT
dbt(const void *p, size_t n)
{
	DBT t;

	memset(&t, 0, sizeof(t));
	t.data = (void *)(uintptr_t)p;
	t.size = (u_int32_t)n;
	return t;
}

/* --- values of messages ---------------------------------------------------------------- */

static void
put_head(uint8_t h[HEAD], const struct index_entry *e)
{
	put_be(h, e->due_ms);
	h[8] = e->hold;
	put_be(h + 9, e->body.place.generation);
	put_be(h + 17, e->body.place.offset);
	put_be(h + 25, e->body.skip);
	put_be(h + 33, (uint64_t)e->body.len << 32 | e->body.crc);
	put_be(h + 41, e->meta_len);
}

static bool
get_entry(uint64_t id, const uint8_t *p, size_t n, struct index_entry *e)
{
	if (n < HEAD || get_be(p + 41) != n - HEAD || p[8] > HOLD_TRIPWIRE)
		return false;
	e->id = id;
	e->due_ms = get_be(p);
	e->hold = p[8];
	e->body.place.generation = get_be(p + 9);
	e->body.place.offset = get_be(p + 17);
	e->body.skip = (uint32_t)get_be(p + 25);
	e->body.len = (uint32_t)(get_be(p + 33) >> 32);
	e->body.crc = (uint32_t)get_be(p + 33);
	e->meta = p + HEAD;
	e->meta_len = n - HEAD;
	return true;
}

/* The stored value, allocated; NULL when there is none. */
static uint8_t *
fetch(struct index *x, uint64_t id, struct index_entry *e)
{
	uint8_t key[8];
	DBT k = dbt(key, sizeof(key)), v = dbt(NULL, 0);
	int r;

	put_be(key, id);
	v.flags = DB_DBT_MALLOC;
	r = x->db[DB_MESSAGES]->get(x->db[DB_MESSAGES], x->txn, &k, &v, 0);
	if (r == DB_NOTFOUND)
		return NULL;
	must(r, "get message");
	must(get_entry(id, v.data, v.size, e) ? 0 : EINVAL, "get message");
	return v.data;
}

/* --- opening ----------------------------------------------------------------------- */

static ssize_t
judged(ssize_t put, size_t n)
{
	if (put != -1 && (size_t)put < n)
		errno = ENOSPC;
	else if (put != -1 || (errno != ENOSPC && errno != EDQUOT))
		return put;
	disk_full = true;
	return -1;
}

static ssize_t
judged_write(int fd, const void *p, size_t n)
{
	return judged(write(fd, p, n), n);
}

static ssize_t
judged_pwrite(int fd, const void *p, size_t n, off_t offset)
{
	return judged(pwrite(fd, p, n, offset), n);
}

static const char *
open_env(struct index *x, const char *dir, uint32_t cache_bytes)
{
	x->dir_fd = dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd == -1) {
		x->error = errno;
		return "the index's directory cannot be opened";
	}
	names_changed = true;
	db_env_set_func_open(noted_open);
	db_env_set_func_rename(noted_rename);
	db_env_set_func_fsync(strict_fsync);
	db_env_set_func_write(judged_write);
	db_env_set_func_pwrite(judged_pwrite);
	if ((x->error = db_env_create(&x->env, 0)) != 0)
		return "Berkeley DB cannot make an environment";
	x->env->set_errcall(x->env, err_cb);
	x->env->set_cachesize(x->env, 0, cache_bytes, 1);
	x->env->set_lg_max(x->env, LOG_BYTES);
	x->env->log_set_config(x->env, DB_LOG_AUTO_REMOVE, 1);
	x->error = x->env->open(x->env, dir, DB_CREATE | DB_PRIVATE |
	    DB_RECOVER | DB_INIT_TXN | DB_INIT_LOG | DB_INIT_MPOOL |
	    DB_THREAD, 0600);
	if (x->error != 0)
		return "Berkeley DB cannot open or recover its environment";
	return NULL;
}

static const char *
open_db(struct index *x, int i)
{
	DB *db;

	if ((x->error = db_create(&db, x->env, 0)) != 0)
		return "Berkeley DB cannot make a handle";
	x->db[i] = db;
	db->set_pagesize(db, PAGE_BYTES);
	db->set_flags(db, DB_CHKSUM);
	x->error = db->open(db, NULL, names[i], NULL, DB_BTREE, DB_CREATE |
	    DB_AUTO_COMMIT | DB_THREAD, 0600);
	if (x->error != 0)
		return "Berkeley DB cannot open a database";
	return NULL;
}

static const char *
read_mark(struct index *x)
{
	uint8_t value[MARK_BYTES];
	DBT k = dbt(MARK_KEY, strlen(MARK_KEY)), v = dbt(value, 0);
	int r;

	v.ulen = sizeof(value);
	v.flags = DB_DBT_USERMEM;
	r = x->db[DB_MARK]->get(x->db[DB_MARK], NULL, &k, &v, 0);
	x->has_told = r == DB_NOTFOUND || v.size == MARK_BYTES;
	if (r == DB_NOTFOUND)
		return NULL;
	x->error = r;
	if (r != 0 || (v.size != MARK_BYTES && v.size != OLD_MARK_BYTES))
		return "the index has no sound mark";
	x->mark.generation = get_be(value);
	x->mark.offset = get_be(value + 8);
	x->last_id = get_be(value + 16);
	if (x->has_told)
		x->has = (struct contents){ get_be(value + 24),
		    get_be(value + 32), get_be(value + 40) };
	return NULL;
}

struct tally {
	uint64_t n, sum;	/* of what is due */
	struct contents has;
	bool	 later;		/* some are by a later version of Postern */
};

static bool
tally_one(struct tally *t, int i, const DBT *k, const DBT *v)
{
	struct index_entry e;

	if (i == DB_USAGE)
		t->has.uses++;
	else if (i == DB_DUE && k->size == 16) {
		t->n--;
		t->sum -= get_be(k->data) ^ get_be((uint8_t *)k->data + 8);
	} else if (i == DB_DUE || (i == DB_MESSAGES && (k->size != 8 ||
	    !get_entry(get_be(k->data), v->data, v->size, &e))))
		return false;
	else if (i == DB_MESSAGES) {
		t->has.messages++;
		t->has.ids += e.id;
		t->later |= record_meta_is_later(e.meta, e.meta_len);
		t->n += e.hold == HOLD_NONE;
		t->sum += e.hold == HOLD_NONE ? e.due_ms ^ e.id : 0;
	}
	return true;
}

static const char *
read_through(struct index *x, struct tally *t, int i)
{
	DBT k = dbt(NULL, 0), v = dbt(NULL, 0);
	bool sound = true;
	DBC *c;

	x->error = x->db[i]->cursor(x->db[i], NULL, &c, 0);
	if (x->error != 0)
		return "Berkeley DB cannot make a cursor";
	while (sound && (x->error = c->get(c, &k, &v, DB_NEXT)) == 0)
		sound = tally_one(t, i, &k, &v);
	c->close(c);
	if (!sound)
		return "an entry is damaged";
	if (x->error != DB_NOTFOUND)
		return "a page cannot be read";
	x->error = 0;
	return NULL;
}

static bool
same_contents(const struct contents *a, const struct contents *b)
{
	return a->messages == b->messages && a->ids == b->ids &&
	    a->uses == b->uses;
}

/* All of it: what is read later is what was sound at the start. */
static const char *
read_all(struct index *x)
{
	struct tally t = { 0 };
	const char *why = NULL;
	int i;

	for (i = 0; why == NULL && i < DB_COUNT; i++)
		why = read_through(x, &t, i);
	if (why == NULL && (t.n != 0 || t.sum != 0))
		why = "what is due is not what the messages say";
	if (why == NULL && x->has_told && !same_contents(&x->has, &t.has))
		why = "it does not hold what it held when it was written last";
	x->has = t.has;
	if (why == NULL && t.later) {
		x->error = ENOTSUP;
		why = RECORD_LATER;
	}
	return why;
}

struct index *
index_open(const char *dir, uint32_t cache_bytes, bool *damaged,
    const char **errstr)
{
	struct index *x = xcalloc(1, sizeof(*x));
	const char *why;
	int i;

	disk_full = false;
	words = 0;
	why = open_env(x, dir, cache_bytes);
	if (why == NULL && faccessat(dir_fd, DAMAGED_NAME, F_OK, 0) == 0) {
		x->error = EINVAL;
		why = "it could not be changed any more";
	}
	for (i = 0; why == NULL && i < DB_COUNT; i++)
		why = open_db(x, i);
	if (why == NULL)
		why = read_mark(x);
	if (why == NULL)
		why = read_all(x);
	*damaged = why != NULL && is_damage(x->error);
	if (why != NULL && disk_full)
		why = "the disk is full and the queue's index cannot be "
		    "opened; nothing is lost, please make room";
	if (why != NULL)
		index_close(&x);
	*errstr = why;
	return x;
}

void
index_close(struct index **xp)
{
	struct index *x = *xp;
	int i;

	if (x == NULL)
		return;
	*xp = NULL;
	for (i = 0; i < DB_COUNT; i++)
		if (x->db[i] != NULL)
			x->db[i]->close(x->db[i], 0);
	if (x->env != NULL)
		x->env->close(x->env, 0);
	if (x->dir_fd != -1)
		close(x->dir_fd);
	free(x);
}

void
index_mark(const struct index *x, struct journal_place *mark,
    uint64_t *last_id)
{
	*mark = x->mark;
	*last_id = x->last_id;
}

/* --- changes ------------------------------------------------------------------------------ */

void
index_begin(struct index *x)
{
	must(x->env->txn_begin(x->env, NULL, &x->txn, 0), "begin");
}

static void
due_key(uint8_t key[16], const struct index_entry *e)
{
	put_be(key, e->due_ms);
	put_be(key + 8, e->id);
}

static void
change_due(struct index *x, const struct index_entry *e, bool put)
{
	struct due_change *c;

	if (e->hold != HOLD_NONE)
		return;
	if (x->ndue == x->due_size) {
		x->due_size = x->due_size == 0 ? 64 : x->due_size * 2;
		x->due = xreallocarray(x->due, x->due_size, sizeof(*x->due));
	}
	c = &x->due[x->ndue];
	due_key(c->key, e);
	c->turn = x->ndue++;
	c->put = put;
}

static int
by_key(const void *a, const void *b)
{
	const struct due_change *c = a, *d = b;
	int r = memcmp(c->key, d->key, sizeof(c->key));

	return r != 0 ? r : (c->turn > d->turn) - (c->turn < d->turn);
}

static void
make_due_changes(struct index *x)
{
	DB *db = x->db[DB_DUE];
	size_t i;
	int r;

	if (x->ndue > 1)
		qsort(x->due, x->ndue, sizeof(*x->due), by_key);
	for (i = 0; i < x->ndue; i++) {
		DBT k = dbt(x->due[i].key, sizeof(x->due[i].key));
		DBT v = dbt("", 0);

		if (x->due[i].put) {
			must(db->put(db, x->txn, &k, &v, 0), "put due");
			continue;
		}
		r = db->del(db, x->txn, &k, 0);
		must(r == DB_NOTFOUND ? 0 : r, "delete due");
	}
	free(x->due);
	x->due = NULL;
	x->ndue = x->due_size = 0;
}

/* The change of a message that stays due at the same time is none. */
static bool
same_due(const struct index_entry *a, const struct index_entry *b)
{
	return a->due_ms == b->due_ms &&
	    (a->hold == HOLD_NONE) == (b->hold == HOLD_NONE);
}

void
index_put(struct index *x, const struct index_entry *entry)
{
	struct index_entry e = *entry, old;
	uint8_t key[8], *value, *stored = fetch(x, e.id, &old);
	DBT k = dbt(key, sizeof(key)), v;
	bool same = stored != NULL && same_due(&old, &e);

	if (stored != NULL) {
		if (!same)
			change_due(x, &old, false);
		if (e.body.place.generation == 0)
			e.body = old.body;
		free(stored);
	} else {
		x->has.messages++;
		x->has.ids += e.id;
	}
	put_be(key, e.id);
	value = xmalloc(HEAD + e.meta_len);
	put_head(value, &e);
	memcpy(value + HEAD, e.meta, e.meta_len);
	v = dbt(value, HEAD + e.meta_len);
	must(x->db[DB_MESSAGES]->put(x->db[DB_MESSAGES], x->txn, &k, &v, 0),
	    "put message");
	free(value);
	if (!same)
		change_due(x, &e, true);
}

bool
index_del(struct index *x, uint64_t id, struct index_body *body)
{
	struct index_entry old;
	uint8_t key[8], *stored = fetch(x, id, &old);
	DBT k = dbt(key, sizeof(key));

	if (stored == NULL)
		return false;
	*body = old.body;
	change_due(x, &old, false);
	free(stored);
	put_be(key, id);
	must(x->db[DB_MESSAGES]->del(x->db[DB_MESSAGES], x->txn, &k, 0),
	    "delete message");
	x->has.messages--;
	x->has.ids -= id;
	return true;
}

static size_t
usage_key(uint8_t key[8 + LOGIN_MAX], uint64_t minute_ms,
    const char *account)
{
	size_t n = strnlen(account, LOGIN_MAX);

	put_be(key, minute_ms);
	memcpy(key + 8, account, n);
	return 8 + n;
}

void
index_use(struct index *x, uint64_t minute_ms, const char *account,
    const uint64_t used[LIMIT_KINDS])
{
	uint8_t key[8 + LOGIN_MAX], value[8 * LIMIT_KINDS] = { 0 };
	DBT k = dbt(key, usage_key(key, minute_ms, account));
	DBT v = dbt(value, 0);
	DB *db = x->db[DB_USAGE];
	int i, r;

	v.flags = DB_DBT_USERMEM;
	v.ulen = sizeof(value);
	r = db->get(db, x->txn, &k, &v, 0);
	must(r == DB_NOTFOUND ? 0 : r, "get usage");
	x->has.uses += r == DB_NOTFOUND;
	for (i = 0; i < LIMIT_KINDS; i++)
		put_be(value + 8 * i, get_be(value + 8 * i) + used[i]);
	v = dbt(value, sizeof(value));
	must(db->put(db, x->txn, &k, &v, 0), "put usage");
}

void
index_forget_use(struct index *x, uint64_t before_ms)
{
	DBT k = dbt(NULL, 0), v = dbt(NULL, 0);
	DBC *c;
	int r;

	must(x->db[DB_USAGE]->cursor(x->db[DB_USAGE], x->txn, &c, 0),
	    "usage cursor");
	while ((r = c->get(c, &k, &v, DB_NEXT)) == 0 && k.size >= 8 &&
	    get_be(k.data) < before_ms) {
		must(c->del(c, 0), "delete usage");
		x->has.uses--;
	}
	must(r == DB_NOTFOUND ? 0 : r, "walk usage");
	must(c->close(c), "usage cursor");
}

void
index_commit(struct index *x, struct journal_place mark, uint64_t last_id)
{
	uint8_t value[MARK_BYTES];
	DBT k = dbt(MARK_KEY, strlen(MARK_KEY)), v = dbt(value,
	    sizeof(value));

	put_be(value + 24, x->has.messages);
	put_be(value + 32, x->has.ids);
	put_be(value + 40, x->has.uses);
	put_be(value, mark.generation);
	put_be(value + 8, mark.offset);
	put_be(value + 16, last_id);
	make_due_changes(x);
	must(x->db[DB_MARK]->put(x->db[DB_MARK], x->txn, &k, &v, 0),
	    "put mark");
	must(x->txn->commit(x->txn, 0), "commit");
	x->txn = NULL;
	x->mark = mark;
	x->last_id = last_id;
	/* Shortens the next recovery and lets old log files go. */
	must(x->env->txn_checkpoint(x->env, LOG_BYTES / 1024, 1, 0),
	    "checkpoint");
}

/* --- reading ------------------------------------------------------------------------------- */

bool
index_get(struct index *x, uint64_t id, index_cb *cb, void *arg)
{
	struct index_entry e;
	uint8_t *stored = fetch(x, id, &e);

	if (stored == NULL)
		return false;
	cb(&e, arg);
	free(stored);
	return true;
}

static DBC *
cursor(DB *db)
{
	DBC *c;

	must(db->cursor(db, NULL, &c, 0), "cursor");
	return c;
}

/* After a walk that nothing but the end of the database has ended. */
static void
walked(DBC *c, int r)
{
	must(r == DB_NOTFOUND ? 0 : r, "walk");
	must(c->close(c), "cursor");
}

void
index_due(struct index *x, uint64_t after_ms, uint64_t after_id,
    uint64_t until_ms, index_cb *cb, void *arg)
{
	uint8_t key[16];
	DBT k = dbt(key, sizeof(key)), v = dbt(NULL, 0);
	struct index_entry e;
	uint8_t *stored;
	DBC *c = cursor(x->db[DB_DUE]);
	bool more = true;
	int r;

	put_be(key, after_ms);
	put_be(key + 8, after_id + 1);	/* ids are far from the end of 64 bits */
	for (r = c->get(c, &k, &v, DB_SET_RANGE); r == 0 && more &&
	    k.size == 16 && get_be(k.data) <= until_ms;
	    r = c->get(c, &k, &v, DB_NEXT)) {
		stored = fetch(x, get_be((uint8_t *)k.data + 8), &e);
		if (stored != NULL)
			more = cb(&e, arg);
		free(stored);
	}
	walked(c, r);
}

void
index_list(struct index *x, uint64_t after_id, index_cb *cb, void *arg)
{
	uint8_t key[8];
	DBT k = dbt(key, sizeof(key)), v = dbt(NULL, 0);
	struct index_entry e;
	DBC *c = cursor(x->db[DB_MESSAGES]);
	int r;

	put_be(key, after_id + 1);
	for (r = c->get(c, &k, &v, DB_SET_RANGE); r == 0;
	    r = c->get(c, &k, &v, DB_NEXT)) {
		must(k.size == 8 && get_entry(get_be(k.data), v.data, v.size,
		    &e) ? 0 : EINVAL, "get message");
		if (!cb(&e, arg))
			break;
	}
	walked(c, r);
}

void
index_usage(struct index *x, uint64_t since_ms, store_usage_cb *cb, void *arg)
{
	uint8_t key[8];
	DBT k = dbt(key, sizeof(key)), v = dbt(NULL, 0);
	uint64_t used[LIMIT_KINDS];
	char account[LOGIN_MAX + 1];
	DBC *c = cursor(x->db[DB_USAGE]);
	int i, r;

	put_be(key, since_ms - since_ms % 60000);
	for (r = c->get(c, &k, &v, DB_SET_RANGE); r == 0;
	    r = c->get(c, &k, &v, DB_NEXT)) {
		if (k.size < 8 || k.size > 8 + LOGIN_MAX ||
		    v.size != sizeof(used))
			continue;
		snprintf(account, sizeof(account), "%.*s", (int)(k.size - 8),
		    (const char *)k.data + 8);
		for (i = 0; i < LIMIT_KINDS; i++)
			used[i] = get_be((uint8_t *)v.data + 8 * i);
		cb(account, get_be(k.data), used, arg);
	}
	walked(c, r);
}
