/*
 * One B-tree. Keys are a letter and a name: 'a' for accounts, 'm' for what the
 * installation itself must remember, 'u' for the last use of "account/label", 'c'
 * for whose a certificate's key is. Writers take turns on a mutex; readers may
 * meet a writer and lose a deadlock, and then try again.
 */
#include "lib/prelude.h"

#include <sys/random.h>
#include <sys/stat.h>
#include <db.h>
#include <pthread.h>

#include "auth/accounts.h"
#include "auth/census.h"
#include "lib/log.h"
#include "lib/xalloc.h"

#define FILE_NAME	"accounts.db"
#define SECRET_KEY	"msecret"
#define CACHE_BYTES	(16 * 1024 * 1024)
#define PAGE_BYTES	4096
#define LOG_BYTES	(1024 * 1024)	/* per log file */
#define TRIES		50		/* after deadlocks */
/* Log kept between checkpoints: what a start has to read again. */
#define CHECKPOINT_KB	512

struct accounts {
	DB_ENV	*env;
	DB	*db;
	char	*dir;
	pthread_mutex_t writing;
	pthread_mutex_t counting;
	struct census census;		/* under counting */
	uint8_t	 secret[VERIFIER_SECRET_LEN];
};

struct key {
	uint8_t	 v[1 + LOGIN_MAX + 1];
	uint32_t n;
};

static char complaint[PATH_MAX + 512];

/* --- words -------------------------------------------------------------------------- */

static void
on_db_error(const DB_ENV *env, const char *prefix, const char *msg)
{
	log_warnx("accounts: %s", msg);
}

static enum accounts_result
failed(struct accounts *a, const char *doing, int r)
{
	log_warnx("accounts: cannot %s %s/%s: %s", doing, a->dir, FILE_NAME,
	    db_strerror(r));
	return ACCOUNTS_ERROR;
}

static bool
key_with(struct key *k, char letter, const char *name, size_t max)
{
	size_t len = strlen(name);

	if (len > max)
		return false;
	k->v[0] = (uint8_t)letter;
	memcpy(k->v + 1, name, len);
	k->n = (uint32_t)(1 + len);
	return true;
}

static bool
key_of(struct key *k, const char *name)
{
	return key_with(k, 'a', name, ACCOUNT_MAX);
}

/* --- counting ------------------------------------------------------------------------ */

/* All that strangers may ask for: the account's verifier and its devices'. */
struct counts {
	uint32_t v[1 + DEVICES_MAX];
	size_t	 n;
};

static void
counts_of(const struct account *acc, struct counts *c)
{
	size_t i;

	c->n = 0;
	c->v[c->n++] = acc->verifier.iterations;
	for (i = 0; i < acc->ndevices; i++)
		c->v[c->n++] = acc->devices[i].verifier.iterations;
}

/* Either may be NULL. */
static void
count(struct accounts *a, const struct counts *now,
    const struct counts *before)
{
	size_t i;

	pthread_mutex_lock(&a->counting);
	for (i = 0; now != NULL && i < now->n; i++)
		census_add(&a->census, now->v[i]);
	for (i = 0; before != NULL && i < before->n; i++)
		census_take(&a->census, before->v[i]);
	pthread_mutex_unlock(&a->counting);
}

/* --- opening ---------------------------------------------------------------------------- */

static int
open_env(struct accounts *a)
{
	int r;

	/* Berkeley DB has but one word for all that goes wrong later. */
	if (access(a->dir, R_OK | W_OK | X_OK) == -1)
		return errno;
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
	return a->env->open(a->env, a->dir, DB_CREATE | DB_RECOVER |
	    DB_PRIVATE | DB_THREAD | DB_INIT_MPOOL | DB_INIT_LOCK |
	    DB_INIT_LOG | DB_INIT_TXN, S_IRUSR | S_IWUSR);
}

static int
open_db(struct accounts *a)
{
	int r = db_create(&a->db, a->env, 0);

	if (r != 0) {
		a->db = NULL;
		return r;
	}
	if ((r = a->db->set_flags(a->db, DB_CHKSUM)) != 0 ||
	    (r = a->db->set_pagesize(a->db, PAGE_BYTES)) != 0)
		return r;
	return a->db->open(a->db, NULL, FILE_NAME, NULL, DB_BTREE, DB_CREATE |
	    DB_THREAD | DB_AUTO_COMMIT, S_IRUSR | S_IWUSR);
}

static int
load_secret(struct accounts *a)
{
	DBT key = { .data = (void *)(uintptr_t)SECRET_KEY,
	    .size = sizeof(SECRET_KEY) - 1 };
	DBT val = { .data = a->secret, .ulen = sizeof(a->secret),
	    .flags = DB_DBT_USERMEM };
	int r = a->db->get(a->db, NULL, &key, &val, 0);

	if (r == 0)
		return val.size == sizeof(a->secret) ? 0 : EINVAL;
	if (r != DB_NOTFOUND)
		return r;
	if (getrandom(a->secret, sizeof(a->secret), 0) !=
	    sizeof(a->secret))
		return errno;
	val.size = sizeof(a->secret);
	return a->db->put(a->db, NULL, &key, &val, DB_AUTO_COMMIT);
}

static void
describe(const char *dir, int r)
{
	if (r == EACCES || r == EPERM || r == ENOENT || r == EROFS)
		snprintf(complaint, sizeof(complaint), "cannot open the "
		    "accounts in %s: %s; it must belong to auth's user", dir,
		    db_strerror(r));
	else if (r == ENOSPC || r == EDQUOT)
		snprintf(complaint, sizeof(complaint), "cannot open the "
		    "accounts in %s: %s; make room", dir, db_strerror(r));
	else
		snprintf(complaint, sizeof(complaint), "the accounts in %s/%s "
		    "are damaged (%s): nobody can log in; put back the whole "
		    "directory from a backup, or move it away and add the "
		    "accounts again", dir, FILE_NAME, db_strerror(r));
}

static void
count_all(struct accounts *a)
{
	struct account acc = { .name = "" };
	char last[ACCOUNT_MAX + 1] = "";
	enum accounts_result r;
	struct counts counts;

	while ((r = accounts_next(a, last, &acc)) == ACCOUNTS_OK ||
	    r == ACCOUNTS_DAMAGED) {
		snprintf(last, sizeof(last), "%s", acc.name);
		if (r == ACCOUNTS_OK) {
			counts_of(&acc, &counts);
			count(a, &counts, NULL);
		}
		account_clear(&acc);
	}
}

struct accounts *
accounts_open(const char *dir, const char **why)
{
	struct accounts *a = xcalloc(1, sizeof(*a));
	int r;

	a->dir = xstrdup(dir);
	pthread_mutex_init(&a->writing, NULL);
	pthread_mutex_init(&a->counting, NULL);
	if ((r = open_env(a)) == 0 && (r = open_db(a)) == 0 &&
	    (r = load_secret(a)) == 0 &&
	    (r = a->env->txn_checkpoint(a->env, 0, 0, 0)) == 0) {
		count_all(a);
		return a;
	}
	describe(dir, r);
	*why = complaint;
	accounts_close(&a);
	return NULL;
}

void
accounts_close(struct accounts **ap)
{
	struct accounts *a = *ap;
	int r;

	if (a == NULL)
		return;
	*ap = NULL;
	if (a->db != NULL && (r = a->db->close(a->db, 0)) != 0)
		failed(a, "close", r);
	if (a->env != NULL && (r = a->env->close(a->env, 0)) != 0)
		failed(a, "close", r);
	pthread_mutex_destroy(&a->writing);
	pthread_mutex_destroy(&a->counting);
	census_clear(&a->census);
	free(a->dir);
	xfree_secret(a, sizeof(*a));
}

/* --- reading -------------------------------------------------------------------------------- */

/* From a record as the database gave it (freed here) to an account. */
static enum accounts_result
decoded(DBT *val, const uint8_t *name, size_t name_len, struct account *out)
{
	int r;

	memset(out, 0, sizeof(*out));
	r = account_decode(out, val->data, val->size);
	xfree_secret(val->data, val->size);
	if (name_len > ACCOUNT_MAX)
		r = -1;
	if (r == 0) {
		memcpy(out->name, name, name_len);
		return ACCOUNTS_OK;
	}
	account_clear(out);
	log_warnx("account=\"%s\" damaged, refused; remove it and add it again",
	    log_esc((const char *)name, name_len));
	return ACCOUNTS_DAMAGED;
}

enum accounts_result
accounts_get(struct accounts *a, const char *name, struct account *out)
{
	DBT key = { 0 }, val = { .flags = DB_DBT_MALLOC };
	struct key k;
	int r, tries = 0;

	if (!key_of(&k, name))
		return ACCOUNTS_NONE;
	key.data = k.v;
	key.size = k.n;
	do
		r = a->db->get(a->db, NULL, &key, &val, 0);
	while (r == DB_LOCK_DEADLOCK && ++tries < TRIES);
	if (r == DB_NOTFOUND)
		return ACCOUNTS_NONE;
	if (r != 0)
		return failed(a, "read", r);
	return decoded(&val, k.v + 1, k.n - 1, out);
}

/* The first record at or after k. */
static int
seek(struct accounts *a, struct key *k, DBT *key, DBT *val)
{
	DBC *cursor;
	int r, tries = 0, end;

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
accounts_next(struct accounts *a, const char *after, struct account *out)
{
	DBT key, val;
	struct key k;
	int r;

	if (!key_of(&k, after))
		return ACCOUNTS_NONE;
	if (*after != '\0')
		k.v[k.n++] = '\0';	/* the least key behind it */
	r = seek(a, &k, &key, &val);
	if (r == DB_NOTFOUND)
		return ACCOUNTS_NONE;
	if (r != 0)
		return failed(a, "read", r);
	if (key.size < 2 || k.v[0] != 'a' || key.size > 1 + ACCOUNT_MAX) {
		free(val.data);
		return ACCOUNTS_NONE;
	}
	r = (int)decoded(&val, k.v + 1, key.size - 1, out);
	if (r == ACCOUNTS_DAMAGED) {	/* say whose, so that one can go on */
		memcpy(out->name, k.v + 1, key.size - 1);
		out->name[key.size - 1] = '\0';
	}
	return (enum accounts_result)r;
}

void
accounts_fake(struct accounts *a, const char *name, uint32_t iterations,
    struct verifier *v)
{
	uint32_t count;

	pthread_mutex_lock(&a->counting);
	count = census_draw(&a->census, verifier_draw(a->secret, name));
	pthread_mutex_unlock(&a->counting);
	verifier_fake(v, a->secret, name, SCRAM_SHA_256,
	    count != 0 ? count : iterations);
}

void
accounts_decoy(const struct accounts *a, const char *name,
    enum scram_hash hash, uint32_t iterations, struct verifier *v)
{
	verifier_fake(v, a->secret, name, hash, iterations);
}

uint64_t
accounts_hash(const struct accounts *a, const void *p, size_t n)
{
	return verifier_hash(a->secret, p, n);
}

/* --- writing ---------------------------------------------------------------------------------- */

/* put when val is given, else del; in a transaction of its own. */
static int
change(struct accounts *a, struct key *k, DBT *val, uint32_t flags)
{
	DBT key = { .data = k->v, .size = k->n };
	DB_TXN *txn;
	int r, tries = 0;

	do {
		r = a->env->txn_begin(a->env, NULL, &txn, 0);
		if (r != 0)
			return r;
		r = val != NULL ? a->db->put(a->db, txn, &key, val, flags) :
		    a->db->del(a->db, txn, &key, 0);
		if (r == 0)
			r = txn->commit(txn, 0);
		else
			txn->abort(txn);
	} while (r == DB_LOCK_DEADLOCK && ++tries < TRIES);
	if (r == 0)
		r = a->env->txn_checkpoint(a->env, CHECKPOINT_KB, 0, 0);
	return r;
}

static enum accounts_result
store(struct accounts *a, const struct account *acc, uint32_t flags)
{
	struct buf b;
	struct key k;
	DBT val = { 0 };
	int r;

	if (!key_of(&k, acc->name))
		return ACCOUNTS_ERROR;
	buf_init(&b, ACCOUNT_RECORD_MAX);
	account_encode(acc, &b);
	val.data = b.data;
	val.size = (uint32_t)b.len;
	r = change(a, &k, &val, flags);
	buf_wipe(&b);
	if (r == DB_KEYEXIST)
		return ACCOUNTS_EXISTS;
	return r == 0 ? ACCOUNTS_OK : failed(a, "write", r);
}

enum accounts_result
accounts_add(struct accounts *a, const struct account *acc)
{
	enum accounts_result r;
	struct counts now;

	pthread_mutex_lock(&a->writing);
	r = store(a, acc, DB_NOOVERWRITE);
	if (r == ACCOUNTS_OK) {
		counts_of(acc, &now);
		count(a, &now, NULL);
	}
	pthread_mutex_unlock(&a->writing);
	return r;
}

enum accounts_result
accounts_change(struct accounts *a, const char *name,
    accounts_changer *changer, void *arg)
{
	struct counts now, before;
	enum accounts_result r;
	struct account acc;

	pthread_mutex_lock(&a->writing);
	r = accounts_get(a, name, &acc);
	if (r == ACCOUNTS_OK) {
		counts_of(&acc, &before);
		r = changer(&acc, arg);
		if (r == ACCOUNTS_OK)
			r = store(a, &acc, 0);
		if (r == ACCOUNTS_OK) {
			counts_of(&acc, &now);
			count(a, &now, &before);
		}
		account_clear(&acc);
	}
	pthread_mutex_unlock(&a->writing);
	return r;
}

static enum accounts_result
put_password(struct account *acc, void *arg)
{
	const struct account *with = arg;

	acc->verifier = with->verifier;
	memcpy(acc->further, with->further, sizeof(acc->further));
	acc->changed_ms = with->changed_ms;
	return ACCOUNTS_OK;
}

enum accounts_result
accounts_set_password(struct accounts *a, const struct account *with)
{
	return accounts_change(a, with->name, put_password,
	    (void *)(uintptr_t)with);
}

static enum accounts_result
put_further(struct account *acc, void *arg)
{
	const struct account *with = arg;

	if (memcmp(acc->verifier.stored_key, with->verifier.stored_key,
	    VERIFIER_KEY_LEN) != 0)
		return ACCOUNTS_NONE;
	memcpy(acc->further, with->further, sizeof(acc->further));
	return ACCOUNTS_OK;
}

enum accounts_result
accounts_set_further(struct accounts *a, const struct account *with)
{
	return accounts_change(a, with->name, put_further,
	    (void *)(uintptr_t)with);
}

/* When its devices were used. */
static void
drop_uses(struct accounts *a, const struct account *acc)
{
	char login[LOGIN_MAX + 1];
	struct key k;
	size_t i;
	int r;

	for (i = 0; i < acc->ndevices; i++) {
		device_login(acc->name, acc->devices[i].label, login);
		if (!key_with(&k, 'u', login, LOGIN_MAX))
			continue;
		r = change(a, &k, NULL, 0);
		if (r != 0 && r != DB_NOTFOUND)
			(void)failed(a, "write", r);
	}
}

/* --- pins --------------------------------------------------------------------------------- */

static enum accounts_result
pin_of(struct accounts *a, struct key *k, char name[ACCOUNT_MAX + 1])
{
	DBT key = { .data = k->v, .size = k->n };
	DBT val = { .data = name, .ulen = ACCOUNT_MAX,
	    .flags = DB_DBT_USERMEM };
	int r, tries = 0;

	do
		r = a->db->get(a->db, NULL, &key, &val, 0);
	while (r == DB_LOCK_DEADLOCK && ++tries < TRIES);
	name[r == 0 ? val.size : 0] = '\0';
	if (r == DB_NOTFOUND)
		return ACCOUNTS_NONE;
	return r == 0 ? ACCOUNTS_OK : failed(a, "read", r);
}

enum accounts_result
accounts_pin(struct accounts *a, const char *pin, char name[ACCOUNT_MAX + 1])
{
	struct key k;

	*name = '\0';
	return !key_with(&k, 'c', pin, CLIENT_CERT_PIN_LEN) ? ACCOUNTS_NONE :
	    pin_of(a, &k, name);
}

enum accounts_result
accounts_add_pin(struct accounts *a, const char *pin,
    char name[ACCOUNT_MAX + 1])
{
	DBT val = { .data = name, .size = (uint32_t)strlen(name) };
	enum accounts_result r;
	struct account acc;
	struct key k;
	int err;

	if (!key_with(&k, 'c', pin, CLIENT_CERT_PIN_LEN))
		return ACCOUNTS_ERROR;
	pthread_mutex_lock(&a->writing);
	r = accounts_get(a, name, &acc);
	if (r == ACCOUNTS_OK) {
		account_clear(&acc);
		err = change(a, &k, &val, DB_NOOVERWRITE);
		if (err == DB_KEYEXIST)
			r = pin_of(a, &k, name) == ACCOUNTS_OK ?
			    ACCOUNTS_EXISTS : ACCOUNTS_ERROR;
		else if (err != 0)
			r = failed(a, "write", err);
	}
	pthread_mutex_unlock(&a->writing);
	return r;
}

/* Under writing. */
static enum accounts_result
drop_pin(struct accounts *a, const char *pin, const char *name)
{
	char whose[ACCOUNT_MAX + 1];
	enum accounts_result r;
	struct key k;
	int err;

	if (!key_with(&k, 'c', pin, CLIENT_CERT_PIN_LEN))
		return ACCOUNTS_NONE;
	r = pin_of(a, &k, whose);
	if (r != ACCOUNTS_OK)
		return r;
	if (strcmp(whose, name) != 0)
		return ACCOUNTS_NONE;
	err = change(a, &k, NULL, 0);
	return err == 0 ? ACCOUNTS_OK : failed(a, "write", err);
}

enum accounts_result
accounts_drop_pin(struct accounts *a, const char *pin, const char *name)
{
	enum accounts_result r;

	pthread_mutex_lock(&a->writing);
	r = drop_pin(a, pin, name);
	pthread_mutex_unlock(&a->writing);
	return r;
}

enum accounts_result
accounts_next_pin(struct accounts *a, char pin[CLIENT_CERT_PIN_LEN + 1],
    char name[ACCOUNT_MAX + 1])
{
	DBT key, val;
	struct key k;
	int r;

	if (!key_with(&k, 'c', pin, CLIENT_CERT_PIN_LEN))
		return ACCOUNTS_NONE;
	if (*pin != '\0')
		k.v[k.n++] = '\0';	/* the least key behind it */
	r = seek(a, &k, &key, &val);
	if (r == DB_NOTFOUND)
		return ACCOUNTS_NONE;
	if (r != 0)
		return failed(a, "read", r);
	if (k.v[0] != 'c' || key.size != 1 + CLIENT_CERT_PIN_LEN ||
	    val.size > ACCOUNT_MAX) {
		free(val.data);
		return ACCOUNTS_NONE;
	}
	memcpy(pin, k.v + 1, CLIENT_CERT_PIN_LEN);
	pin[CLIENT_CERT_PIN_LEN] = '\0';
	memcpy(name, val.data, val.size);
	name[val.size] = '\0';
	free(val.data);
	return ACCOUNTS_OK;
}

/* Before the account itself: a new one of its name must find none of them. */
static enum accounts_result
drop_pins(struct accounts *a, const char *name)
{
	char pin[CLIENT_CERT_PIN_LEN + 1] = "", whose[ACCOUNT_MAX + 1];
	enum accounts_result r;

	while ((r = accounts_next_pin(a, pin, whose)) == ACCOUNTS_OK)
		if (strcmp(whose, name) == 0 &&
		    drop_pin(a, pin, name) != ACCOUNTS_OK)
			return ACCOUNTS_ERROR;
	return r == ACCOUNTS_NONE ? ACCOUNTS_OK : r;
}

enum accounts_result
accounts_remove(struct accounts *a, const char *name)
{
	enum accounts_result was;
	struct counts before;
	struct account acc;
	struct key k;
	int r;

	if (!key_of(&k, name))
		return ACCOUNTS_NONE;
	pthread_mutex_lock(&a->writing);
	was = accounts_get(a, name, &acc);
	if (drop_pins(a, name) != ACCOUNTS_OK) {
		if (was == ACCOUNTS_OK)
			account_clear(&acc);
		pthread_mutex_unlock(&a->writing);
		return ACCOUNTS_ERROR;
	}
	r = change(a, &k, NULL, 0);
	if (was == ACCOUNTS_OK) {
		counts_of(&acc, &before);
		if (r == 0)
			count(a, NULL, &before);
		drop_uses(a, &acc);
		account_clear(&acc);
	}
	pthread_mutex_unlock(&a->writing);
	if (r == DB_NOTFOUND)
		return ACCOUNTS_NONE;
	return r == 0 ? ACCOUNTS_OK : failed(a, "write", r);
}

/* --- last uses ---------------------------------------------------------------------------- */

#define USE_MAX	(8 + NET_TEXT_LEN)

static int
put_use(struct accounts *a, DB_TXN *txn, const struct accounts_use *use)
{
	uint8_t out[USE_MAX];
	DBT key = { 0 }, val = { .data = out };
	struct key k;
	int i;

	if (!key_with(&k, 'u', use->login, LOGIN_MAX))
		return 0;
	for (i = 0; i < 8; i++)
		out[i] = (uint8_t)(use->ms >> (8 * (7 - i)));
	val.size = (uint32_t)(8 + strnlen(use->peer, NET_TEXT_LEN - 1));
	memcpy(out + 8, use->peer, val.size - 8);
	key.data = k.v;
	key.size = k.n;
	return a->db->put(a->db, txn, &key, &val, 0);
}

enum accounts_result
accounts_put_uses(struct accounts *a, const struct accounts_use *uses, size_t n)
{
	int r, tries = 0;
	DB_TXN *txn;
	size_t i;

	pthread_mutex_lock(&a->writing);
	do {
		r = a->env->txn_begin(a->env, NULL, &txn, 0);
		if (r != 0)
			break;
		for (i = 0; r == 0 && i < n; i++)
			r = put_use(a, txn, &uses[i]);
		if (r == 0)
			r = txn->commit(txn, 0);
		else
			txn->abort(txn);
	} while (r == DB_LOCK_DEADLOCK && ++tries < TRIES);
	if (r == 0)
		r = a->env->txn_checkpoint(a->env, CHECKPOINT_KB, 0, 0);
	pthread_mutex_unlock(&a->writing);
	return r == 0 ? ACCOUNTS_OK : failed(a, "write", r);
}

enum accounts_result
accounts_get_use(struct accounts *a, const char *login,
    struct accounts_use *out)
{
	uint8_t in[USE_MAX];
	DBT key = { 0 }, val = { .data = in, .ulen = sizeof(in),
	    .flags = DB_DBT_USERMEM };
	int i, r, tries = 0;
	struct key k;

	memset(out, 0, sizeof(*out));
	if (!key_with(&k, 'u', login, LOGIN_MAX))
		return ACCOUNTS_NONE;
	key.data = k.v;
	key.size = k.n;
	do
		r = a->db->get(a->db, NULL, &key, &val, 0);
	while (r == DB_LOCK_DEADLOCK && ++tries < TRIES);
	if (r == DB_NOTFOUND || r == DB_BUFFER_SMALL ||
	    (r == 0 && val.size < 8))
		return ACCOUNTS_NONE;
	if (r != 0)
		return failed(a, "read", r);
	snprintf(out->login, sizeof(out->login), "%s", login);
	for (i = 0; i < 8; i++)
		out->ms = out->ms << 8 | in[i];
	snprintf(out->peer, sizeof(out->peer), "%.*s", (int)val.size - 8,
	    (const char *)in + 8);
	return ACCOUNTS_OK;
}

enum accounts_result
accounts_drop_use(struct accounts *a, const char *login)
{
	struct key k;
	int r;

	if (!key_with(&k, 'u', login, LOGIN_MAX))
		return ACCOUNTS_NONE;
	pthread_mutex_lock(&a->writing);
	r = change(a, &k, NULL, 0);
	pthread_mutex_unlock(&a->writing);
	if (r == DB_NOTFOUND)
		return ACCOUNTS_NONE;
	return r == 0 ? ACCOUNTS_OK : failed(a, "write", r);
}
