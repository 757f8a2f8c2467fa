/*
 * One B-tree; a key is the letter and the name. Writers take turns on a mutex;
 * readers may meet a writer and lose a deadlock, and then try again.
 */
#include "lib/prelude.h"

#include <sys/stat.h>
#include <db.h>
#include <pthread.h>
#include <stdatomic.h>

#include "auth/records.h"
#include "auth/records_file.h"
#include "lib/dbdisk.h"
#include "lib/dbfiles.h"
#include "lib/log.h"
#include "lib/xalloc.h"

#define FILE_NAME	RECORDS_FILE_NAME
#define CACHE_BYTES	(16 * 1024 * 1024)
#define PAGE_BYTES	4096
#define LOG_BYTES	(1024 * 1024)	/* per log file */
#define TRIES		50		/* after deadlocks */
/* Log kept between checkpoints: what a start has to read again. */
#define CHECKPOINT_KB	512

struct records {
	DB_ENV	*env;
	DB	*db;
	char	*dir;
	int	 dir_fd;
	atomic_int error;	/* the last one */
	struct records_file file;
	atomic_bool lost;	/* it cannot be used any more */
	void	(*on_lost)(void);
	pthread_mutex_t writing;
};

struct key {
	uint8_t	 v[1 + RECORDS_NAME_MAX + 1];
	uint32_t n;
};

/* --- words -------------------------------------------------------------------------- */

static void
on_db_error(const DB_ENV *env, const char *prefix, const char *msg)
{
	log_warnx("accounts: %s", msg);
}

/* The next start recovers what this one has no use of any more. Once true. */
static bool
give_up(struct records *a)
{
	if (atomic_exchange(&a->lost, true))
		return false;
	if (a->on_lost != NULL)
		a->on_lost();
	return true;
}

/*
 * Behind an error of the disk Berkeley DB goes on, or answers nothing any more.
 * Neither is to be relied on: what is in its memory need not be what is in the
 * file.
 */
static enum accounts_result
failed(struct records *a, const char *doing, int r)
{
	if (r != ESTALE)	/* told when it was seen */
		log_warnx("accounts: cannot %s %s/%s: %s", doing, a->dir,
		    FILE_NAME, db_strerror(r));
	atomic_store(&a->error, r);
	if ((r == DB_RUNRECOVERY || r == EIO) && give_up(a))
		log_warnx("accounts: they cannot be used any more and are "
		    "opened anew");
	return ACCOUNTS_ERROR;
}

/*
 * 0, or ESTALE once the file was replaced: what was opened lets nobody in who is
 * not in the new one, and a change would be gone with it.
 */
static int
in_place(struct records *a)
{
	if (!atomic_load(&a->lost) && records_file_in_place(&a->file))
		return 0;
	if (give_up(a))
		log_warnx("accounts: %s was replaced, moved or removed while "
		    "it was in use; nobody logs in by it any more, and it is "
		    "opened anew. To put back a backup, stop Postern, put back "
		    "the whole directory, start Postern", a->file.path);
	return ESTALE;
}

void
records_on_lost(struct records *a, void (*cb)(void))
{
	a->on_lost = cb;
}

#define NO_FILE	(-1)		/* neither errno nor Berkeley DB's */

static const char *
describe(const char *dir, int r)
{
	static char complaint[PATH_MAX + 512];

	if (r == EACCES || r == EPERM || r == ENOENT || r == EROFS)
		snprintf(complaint, sizeof(complaint), "cannot open the "
		    "accounts in %s: %s; it must belong to auth's user", dir,
		    db_strerror(r));
	else if (r == NO_FILE)
		snprintf(complaint, sizeof(complaint), "the accounts in %s/%s "
		    "are gone, their log is there: nobody can log in; put back "
		    "the whole directory from a backup, or move it away and "
		    "add the accounts again", dir, FILE_NAME);
	else if (dbdisk_full() || r == ENOSPC || r == EDQUOT)
		snprintf(complaint, sizeof(complaint), "the disk is full and "
		    "the accounts in %s cannot be used; nothing is damaged: "
		    "make room, then start again", dir);
	else if (!dbdisk_is_damage(r))
		snprintf(complaint, sizeof(complaint), "cannot use the "
		    "accounts in %s now: %s; nothing is damaged", dir,
		    db_strerror(r));
	else
		snprintf(complaint, sizeof(complaint), "the accounts in %s/%s "
		    "are damaged (%s): nobody can log in; put back the whole "
		    "directory from a backup, or move it away and add the "
		    "accounts again", dir, FILE_NAME, db_strerror(r));
	return complaint;
}

const char *
records_why(const struct records *a)
{
	return describe(a->dir, atomic_load(&a->error));
}

void
records_damaged(struct records *a)
{
	atomic_store(&a->error, EINVAL);
}

static bool
key_of(struct key *k, char letter, const char *name)
{
	size_t len = strlen(name);

	if (len > RECORDS_NAME_MAX)
		return false;
	k->v[0] = (uint8_t)letter;
	memcpy(k->v + 1, name, len);
	k->n = (uint32_t)(1 + len);
	return true;
}

/* --- opening ---------------------------------------------------------------------------- */

static int
open_env(struct records *a)
{
	int r;

	/* Berkeley DB has but one word for all that goes wrong later. */
	if (access(a->dir, R_OK | W_OK | X_OK) == -1 ||
	    (a->dir_fd = dbfiles_begin(a->dir, "the accounts")) == -1)
		return errno;
	if ((r = records_file_begin(&a->file, a->dir, a->dir_fd)) != 0)
		return r;
	r = db_env_create(&a->env, 0);
	if (r != 0) {
		a->env = NULL;
		return r;
	}
	a->env->set_errcall(a->env, on_db_error);
	if ((r = a->env->set_cachesize(a->env, 0, CACHE_BYTES, 1)) != 0 ||
	    (r = a->env->set_lg_max(a->env, LOG_BYTES)) != 0 ||
	    (r = a->env->set_lk_detect(a->env, DB_LOCK_DEFAULT)) != 0 ||
	    (r = a->env->log_set_config(a->env, DB_LOG_AUTO_REMOVE, 1)) != 0)
		return r;
	r = a->env->open(a->env, a->dir, DB_CREATE | DB_RECOVER |
	    DB_PRIVATE | DB_THREAD | DB_INIT_MPOOL | DB_INIT_LOCK |
	    DB_INIT_LOG | DB_INIT_TXN, S_IRUSR | S_IWUSR);
	/* Else it would be made anew, and all accounts be gone without a word. */
	return r == 0 && records_file_is_lost(&a->file) ? NO_FILE : r;
}

static int
open_db(struct records *a)
{
	int fd, r = db_create(&a->db, a->env, 0);
	uint32_t flags;

	if (r != 0) {
		a->db = NULL;
		return r;
	}
	if ((r = a->db->set_flags(a->db, DB_CHKSUM)) != 0 ||
	    (r = a->db->set_pagesize(a->db, PAGE_BYTES)) != 0)
		return r;
	r = a->db->open(a->db, NULL, FILE_NAME, NULL, DB_BTREE, DB_CREATE |
	    DB_THREAD | DB_AUTO_COMMIT, S_IRUSR | S_IWUSR);
	if (r == 0)
		r = a->db->get_flags(a->db, &flags);
	/* A name twice: a new password would leave the old one there as well. */
	if (r == 0 && (flags & (DB_DUP | DB_DUPSORT)) != 0)
		r = EINVAL;
	if (r == 0)
		r = a->db->fd(a->db, &fd);
	return r == 0 ? records_file_opened(&a->file, fd) : r;
}

/* What a start has made, or mended, is on the disk. */
static int
settle(struct records *a)
{
	int fd, r = a->env->txn_checkpoint(a->env, 0, 0, 0);

	if (r == 0)
		r = a->db->fd(a->db, &fd);
	return r == 0 ? records_file_made(&a->file, a->dir_fd, fd) : r;
}

struct records *
records_open(const char *dir, const char **why)
{
	struct records *a = xcalloc(1, sizeof(*a));
	int r;

	a->dir = xstrdup(dir);
	records_file_init(&a->file, dir);
	a->dir_fd = -1;
	pthread_mutex_init(&a->writing, NULL);
	*why = records_file_check(&a->file, dir);
	if (*why != NULL) {
		records_close(&a);
		return NULL;
	}
	if ((r = open_env(a)) == 0 && (r = open_db(a)) == 0 &&
	    (r = settle(a)) == 0)
		return a;
	*why = describe(dir, r);
	records_close(&a);
	return NULL;
}

void
records_close(struct records **ap)
{
	struct records *a = *ap;
	int r;

	if (a == NULL)
		return;
	*ap = NULL;
	if (a->db != NULL && (r = a->db->close(a->db, 0)) != 0)
		failed(a, "close", r);
	if (a->env != NULL && (r = a->env->close(a->env, 0)) != 0)
		failed(a, "close", r);
	if (a->dir_fd != -1)
		close(a->dir_fd);
	pthread_mutex_destroy(&a->writing);
	records_file_clear(&a->file);
	free(a->dir);
	free(a);
}

/* --- reading -------------------------------------------------------------------------------- */

/* The bytes are the database's, and now the caller's. */
static enum accounts_result
found(struct records *a, int r, const DBT *val, struct record *out)
{
	if (r == DB_NOTFOUND)
		return ACCOUNTS_NONE;
	if (r != 0)
		return failed(a, "read", r);
	*out = (struct record){ val->data, val->size };
	return ACCOUNTS_OK;
}

enum accounts_result
records_get(struct records *a, char letter, const char *name,
    struct record *out)
{
	DBT key = { 0 }, val = { .flags = DB_DBT_MALLOC };
	int tries = 0, r = in_place(a);
	struct key k;

	if (!key_of(&k, letter, name))
		return ACCOUNTS_NONE;
	key.data = k.v;
	key.size = k.n;
	if (r != 0)
		return failed(a, "read", r);
	do
		r = a->db->get(a->db, NULL, &key, &val, 0);
	while (r == DB_LOCK_DEADLOCK && ++tries < TRIES);
	return found(a, r, &val, out);
}

void
records_free(struct record *rec)
{
	xfree_secret(rec->p, rec->n);
	*rec = (struct record){ NULL, 0 };
}

/* The first record at or after k. */
static int
seek(struct records *a, struct key *k, DBT *key, DBT *val)
{
	DBC *cursor;
	int tries = 0, end, r = in_place(a);

	if (r != 0)
		return r;
	do {
		*key = (DBT){ .data = k->v, .size = k->n, .ulen = sizeof(k->v),
		    .flags = DB_DBT_USERMEM };
		*val = (DBT){ .flags = DB_DBT_MALLOC };
		r = a->db->cursor(a->db, NULL, &cursor, 0);
		if (r != 0)
			return r;
		r = cursor->get(cursor, key, val, DB_SET_RANGE);
		end = cursor->close(cursor);
		if (r == 0 && end != 0)
			free(val->data);
		r = r != 0 ? r : end;
	} while (r == DB_LOCK_DEADLOCK && ++tries < TRIES);
	return r;
}

enum accounts_result
records_next(struct records *a, char letter, const char *after,
    char name[RECORDS_NAME_MAX + 1], struct record *out)
{
	enum accounts_result r;
	DBT key, val;
	struct key k;

	if (!key_of(&k, letter, after))
		return ACCOUNTS_NONE;
	if (*after != '\0')
		k.v[k.n++] = '\0';	/* the least key behind it */
	r = found(a, seek(a, &k, &key, &val), &val, out);
	if (r != ACCOUNTS_OK)
		return r;
	if (key.size < 2 || k.v[0] != letter ||
	    key.size > 1 + RECORDS_NAME_MAX) {
		records_free(out);
		return ACCOUNTS_NONE;
	}
	memcpy(name, k.v + 1, key.size - 1);
	name[key.size - 1] = '\0';
	return ACCOUNTS_OK;
}

/* --- writing ---------------------------------------------------------------------------------- */

void
records_lock(struct records *a)
{
	pthread_mutex_lock(&a->writing);
}

void
records_unlock(struct records *a)
{
	pthread_mutex_unlock(&a->writing);
}

/* What one transaction does; 0 or an error of the database's. */
typedef int work(struct records *, DB_TXN *, void *arg);

static enum accounts_result
transact(struct records *a, work *does, void *arg)
{
	int late, tries = 0, r = in_place(a);
	DB_TXN *txn;

	if (r != 0)
		return failed(a, "write", r);
	do {
		r = a->env->txn_begin(a->env, NULL, &txn, 0);
		if (r != 0)
			break;
		r = does(a, txn, arg);
		if (r == 0)
			r = txn->commit(txn, 0);
		else
			txn->abort(txn);
	} while (r == DB_LOCK_DEADLOCK && ++tries < TRIES);
	/* What was done is in the log: a checkpoint that fails undoes nothing. */
	if (r == 0 && (late = a->env->txn_checkpoint(a->env, CHECKPOINT_KB, 0,
	    0)) != 0)
		(void)failed(a, "tidy the log of", late);
	if (r == DB_KEYEXIST)
		return ACCOUNTS_EXISTS;
	if (r == DB_NOTFOUND)
		return ACCOUNTS_NONE;
	return r == 0 ? ACCOUNTS_OK : failed(a, "write", r);
}

struct change {
	struct key k;
	const struct record *rec; /* NULL: it goes */
	bool	 fresh;
};

static int
put(struct records *a, DB_TXN *txn, struct key *k, const struct record *rec,
    uint32_t flags)
{
	DBT key = { .data = k->v, .size = k->n };
	DBT val = { .data = rec->p, .size = (uint32_t)rec->n };

	return a->db->put(a->db, txn, &key, &val, flags);
}

static int
change(struct records *a, DB_TXN *txn, void *arg)
{
	struct change *c = arg;
	DBT key = { .data = c->k.v, .size = c->k.n };

	return c->rec == NULL ? a->db->del(a->db, txn, &key, 0) :
	    put(a, txn, &c->k, c->rec, c->fresh ? DB_NOOVERWRITE : 0);
}

enum accounts_result
records_put(struct records *a, char letter, const char *name,
    const struct record *rec, bool fresh)
{
	struct change c = { .rec = rec, .fresh = fresh };

	return !key_of(&c.k, letter, name) ? ACCOUNTS_ERROR :
	    transact(a, change, &c);
}

enum accounts_result
records_del(struct records *a, char letter, const char *name)
{
	struct change c = { .rec = NULL };

	return !key_of(&c.k, letter, name) ? ACCOUNTS_NONE :
	    transact(a, change, &c);
}

struct changes {
	char	 letter;
	size_t	 n;
	struct record (*each)(size_t, char [RECORDS_NAME_MAX + 1], void *);
	void	*arg;
};

static int
change_all(struct records *a, DB_TXN *txn, void *arg)
{
	struct changes *c = arg;
	char name[RECORDS_NAME_MAX + 1];
	struct record rec;
	struct key k;
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < c->n; i++) {
		rec = c->each(i, name, c->arg);
		if (key_of(&k, c->letter, name))
			r = put(a, txn, &k, &rec, 0);
	}
	return r;
}

enum accounts_result
records_put_all(struct records *a, char letter, size_t n,
    struct record (*each)(size_t, char [RECORDS_NAME_MAX + 1], void *),
    void *arg)
{
	struct changes c = { letter, n, each, arg };

	return transact(a, change_all, &c);
}
