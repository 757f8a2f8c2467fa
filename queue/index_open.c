/*
 * Recovering, opening and reading through the index: what is read later is what
 * was sound at the start.
 */
#include "lib/prelude.h"

#include <fcntl.h>

#include "lib/dbdisk.h"
#include "lib/dbfiles.h"
#include "lib/log.h"
#include "lib/ticket.h"
#include "lib/xalloc.h"
#include "queue/index_private.h"

#define PAGE_BYTES	4096
#define READ_BYTES	(64 * PAGE_BYTES)
#define OLD_MARK_BYTES	24		/* ends behind the last id */

static const char *const names[DB_COUNT] = {
	"messages.db", "due.db", "usage.db", "mark.db",
};

/*
 * In trouble it says much, and again at each of the starts that follow: the
 * first words tell what is wrong. The index's thread or the start is here
 * alone.
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

static const char *
open_env(struct index *x, const char *dir, uint32_t cache_bytes)
{
	x->dir_fd = dbfiles_begin(dir, "the index");
	if (x->dir_fd == -1) {
		x->error = errno;
		return "the index's directory cannot be opened";
	}
	if ((x->error = db_env_create(&x->env, 0)) != 0)
		return "Berkeley DB cannot make an environment";
	x->env->set_errcall(x->env, err_cb);
	x->env->set_cachesize(x->env, 0, cache_bytes, 1);
	x->env->set_lg_max(x->env, INDEX_LOG_BYTES);
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
	uint8_t value[INDEX_MARK_BYTES];
	DBT k = index_dbt(INDEX_MARK_KEY, strlen(INDEX_MARK_KEY));
	DBT v = index_dbt(value, 0);
	int r;

	v.ulen = sizeof(value);
	v.flags = DB_DBT_USERMEM;
	r = x->db[DB_MARK]->get(x->db[DB_MARK], NULL, &k, &v, 0);
	x->has_told = r == DB_NOTFOUND || v.size == INDEX_MARK_BYTES;
	if (r == DB_NOTFOUND)
		return NULL;
	x->error = r;
	if (r != 0 || (v.size != INDEX_MARK_BYTES && v.size != OLD_MARK_BYTES))
		return "the index has no sound mark";
	x->mark.generation = index_get_be(value);
	x->mark.offset = index_get_be(value + 8);
	x->last_id = index_get_be(value + 16);
	if (x->has_told)
		x->has = (struct index_contents){ index_get_be(value + 24),
		    index_get_be(value + 32), index_get_be(value + 40) };
	return NULL;
}

/* As Berkeley DB has it: a page begins with the place of its newest change. */
static bool
is_past(const uint8_t *page, const DB_LOG_STAT *end)
{
	u_int32_t lsn[2];

	memcpy(lsn, page, sizeof(lsn));
	return lsn[0] > end->st_cur_file || (lsn[0] == end->st_cur_file &&
	    lsn[1] >= end->st_cur_offset);
}

/*
 * Its number is behind that. Zeros have none: recovery of a file that was cut
 * short leaves them between the pages that it makes anew, a checksum takes them
 * for sound, and a search that comes by goes round and round in them.
 */
static bool
is_missing(const uint8_t *page, uint32_t number)
{
	uint32_t own;

	memcpy(&own, page + 8, sizeof(own));
	return own != number;
}

/* In the first one. */
static uint32_t
last_page(const uint8_t *first)
{
	uint32_t last;

	memcpy(&last, first + 32, sizeof(last));
	return last;
}

/* What is wrong with pages from this one on, or NULL. */
static const char *
check_pages(const uint8_t *p, size_t n, uint32_t number, uint32_t *last,
    const DB_LOG_STAT *end)
{
	for (; n >= PAGE_BYTES; n -= PAGE_BYTES, p += PAGE_BYTES, number++) {
		if (number == 0)
			*last = last_page(p);
		if (is_past(p, end))
			return "its log ends before its newest changes";
		if (number <= *last && is_missing(p, number))
			return "a page is missing";
	}
	return NULL;
}

static const char *
secure_file(struct index *x, const char *name, const DB_LOG_STAT *end)
{
	int fd = openat(x->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	uint8_t *pages = xmalloc(READ_BYTES);
	const char *why = NULL;
	uint32_t last = 0;
	ssize_t n = -1;
	off_t at = 0;

	while (fd != -1 && why == NULL &&
	    (n = pread(fd, pages, READ_BYTES, at)) > 0) {
		why = check_pages(pages, (size_t)n, (uint32_t)(at / PAGE_BYTES),
		    &last, end);
		at += n;
	}
	x->error = why != NULL ? EINVAL : n == -1 ? errno : 0;
	if (n == -1)
		why = "a page cannot be read";
	if (x->error == 0)
		dbfiles_sync(fd);
	if (fd != -1)
		close(fd);
	free(pages);
	return why;
}

/*
 * The end of its log may be lost: a sync of it has failed, the start behind that
 * had it from the kernel's memory and went on, then the power was cut. Berkeley DB
 * finds this when such a page is changed, and ends the process; so it is looked
 * for here.
 *
 * And a file that its recovery has made once more, after a first start that was
 * cut short, it does not sync, though its log says that all is done.
 */
static const char *
secure_files(struct index *x)
{
	const char *why = NULL;
	DB_LOG_STAT *end;
	int i;

	if ((x->error = x->env->log_stat(x->env, &end, 0)) != 0)
		return "Berkeley DB cannot tell where its log ends";
	for (i = 0; why == NULL && i < DB_COUNT; i++)
		why = secure_file(x, names[i], end);
	free(end);
	return why;
}

struct tally {
	uint64_t n, sum;	/* of what is due */
	struct index_contents has;
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
		t->sum -= index_get_be(k->data) ^
		    index_get_be((uint8_t *)k->data + 8);
	} else if (i == DB_DUE || (i == DB_MESSAGES && (k->size != 8 ||
	    !index_get_entry(index_get_be(k->data), v->data, v->size, &e))))
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

/* Keys ascend: pages that name each other as the next have no end. */
struct last_key {
	uint8_t	 v[8 + LOGIN_MAX];
	size_t	 n;
};

static bool
ascends(struct last_key *last, const DBT *k)
{
	size_t n = k->size < last->n ? k->size : last->n;
	int r = memcmp(last->v, k->data, n);

	if (r > 0 || (r == 0 && k->size <= last->n) ||
	    k->size > sizeof(last->v))
		return false;
	memcpy(last->v, k->data, k->size);
	last->n = k->size;
	return true;
}

static const char *
read_through(struct index *x, struct tally *t, int i)
{
	DBT k = index_dbt(NULL, 0), v = index_dbt(NULL, 0);
	struct last_key last = { .n = 0 };
	bool sound = true;
	DBC *c;

	x->error = x->db[i]->cursor(x->db[i], NULL, &c, 0);
	if (x->error != 0)
		return "Berkeley DB cannot make a cursor";
	while (sound && (x->error = c->get(c, &k, &v, DB_NEXT)) == 0)
		sound = ascends(&last, &k) && tally_one(t, i, &k, &v);
	c->close(c);
	if (!sound)
		return "an entry is damaged";
	if (x->error != DB_NOTFOUND)
		return "a page cannot be read";
	x->error = 0;
	return NULL;
}

static bool
same_contents(const struct index_contents *a, const struct index_contents *b)
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

static void
close_all(struct index **xp, uint32_t flags)
{
	struct index *x = *xp;
	int i;

	if (x == NULL)
		return;
	*xp = NULL;
	for (i = 0; i < DB_COUNT; i++)
		if (x->db[i] != NULL)
			x->db[i]->close(x->db[i], flags);
	if (x->env != NULL)
		x->env->close(x->env, 0);
	if (x->dir_fd != -1)
		close(x->dir_fd);
	free(x);
}

struct index *
index_open(const char *dir, uint32_t cache_bytes, bool *damaged,
    const char **errstr)
{
	struct index *x = xcalloc(1, sizeof(*x));
	const char *why;
	int i;

	words = 0;
	why = open_env(x, dir, cache_bytes);
	if (why == NULL && dbfiles_noted(INDEX_DAMAGED_NAME)) {
		x->error = EINVAL;
		why = "it could not be changed any more";
	}
	for (i = 0; why == NULL && i < DB_COUNT; i++)
		why = open_db(x, i);
	if (why == NULL)
		why = secure_files(x);
	if (why == NULL)
		why = read_mark(x);
	if (why == NULL)
		why = read_all(x);
	*damaged = why != NULL && dbdisk_is_damage(x->error);
	if (why != NULL && dbdisk_full())
		why = "the disk is full and the queue's index cannot be "
		    "opened; nothing is lost, please make room";
	/* To sync is to wait, for ever, for a page that an error left locked. */
	if (why != NULL)
		close_all(&x, DB_NOSYNC);
	else
		dbfiles_begun();
	*errstr = why;
	return x;
}

void
index_close(struct index **xp)
{
	close_all(xp, 0);
}

void
index_mark(const struct index *x, struct journal_place *mark,
    uint64_t *last_id)
{
	*mark = x->mark;
	*last_id = x->last_id;
}
