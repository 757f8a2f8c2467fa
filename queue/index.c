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

#include "lib/dbdisk.h"
#include "lib/dbfiles.h"
#include "lib/fail.h"
#include "lib/log.h"
#include "lib/ticket.h"
#include "lib/xalloc.h"
#include "queue/index_private.h"

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

/*
 * Ends the process: see index.h. Some damage shows only when a page is changed,
 * such as a log that is shorter than the pages know. The next start would find
 * nothing wrong and end here again, so it is told. Not of what may pass by
 * itself.
 */
static void
must(int r, const char *what)
{
	if (r == 0)
		return;
	if (r != EIO && r != DB_RUNRECOVERY && dbdisk_is_damage(r))
		dbfiles_note(INDEX_DAMAGED_NAME);
	errno = r > 0 ? r : EIO;
	log_warnx("index: %s: %s", what, db_strerror(r));
	fail_stop("the index cannot be used");
}

DBT
index_dbt(const void *p, size_t n)
{
	DBT t;

	memset(&t, 0, sizeof(t));
	t.data = (void *)(uintptr_t)p;
	t.size = (u_int32_t)n;
	return t;
}

/* The stored value, allocated; NULL when there is none. */
static uint8_t *
fetch(struct index *x, uint64_t id, struct index_entry *e)
{
	uint8_t key[8];
	DBT k = index_dbt(key, sizeof(key)), v = index_dbt(NULL, 0);
	int r;

	index_put_be(key, id);
	v.flags = DB_DBT_MALLOC;
	r = x->db[DB_MESSAGES]->get(x->db[DB_MESSAGES], x->txn, &k, &v, 0);
	if (r == DB_NOTFOUND)
		return NULL;
	must(r, "get message");
	must(index_get_entry(id, v.data, v.size, e) ? 0 : EINVAL,
	    "get message");
	return v.data;
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
	index_put_be(key, e->due_ms);
	index_put_be(key + 8, e->id);
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
		DBT k = index_dbt(x->due[i].key, sizeof(x->due[i].key));
		DBT v = index_dbt("", 0);

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
	DBT k = index_dbt(key, sizeof(key)), v;
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
	index_put_be(key, e.id);
	value = xmalloc(INDEX_HEAD + e.meta_len);
	index_put_head(value, &e);
	memcpy(value + INDEX_HEAD, e.meta, e.meta_len);
	v = index_dbt(value, INDEX_HEAD + e.meta_len);
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
	DBT k = index_dbt(key, sizeof(key));

	if (stored == NULL)
		return false;
	*body = old.body;
	change_due(x, &old, false);
	free(stored);
	index_put_be(key, id);
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

	index_put_be(key, minute_ms);
	memcpy(key + 8, account, n);
	return 8 + n;
}

void
index_use(struct index *x, uint64_t minute_ms, const char *account,
    const uint64_t used[LIMIT_KINDS])
{
	uint8_t key[8 + LOGIN_MAX], value[8 * LIMIT_KINDS] = { 0 };
	DBT k = index_dbt(key, usage_key(key, minute_ms, account));
	DBT v = index_dbt(value, 0);
	DB *db = x->db[DB_USAGE];
	int i, r;

	v.flags = DB_DBT_USERMEM;
	v.ulen = sizeof(value);
	r = db->get(db, x->txn, &k, &v, 0);
	must(r == DB_NOTFOUND ? 0 : r, "get usage");
	x->has.uses += r == DB_NOTFOUND;
	for (i = 0; i < LIMIT_KINDS; i++)
		index_put_be(value + 8 * i, index_get_be(value + 8 * i) +
		    used[i]);
	v = index_dbt(value, sizeof(value));
	must(db->put(db, x->txn, &k, &v, 0), "put usage");
}

void
index_forget_use(struct index *x, uint64_t before_ms)
{
	DBT k = index_dbt(NULL, 0), v = index_dbt(NULL, 0);
	DBC *c;
	int r;

	must(x->db[DB_USAGE]->cursor(x->db[DB_USAGE], x->txn, &c, 0),
	    "usage cursor");
	while ((r = c->get(c, &k, &v, DB_NEXT)) == 0 && k.size >= 8 &&
	    index_get_be(k.data) < before_ms) {
		must(c->del(c, 0), "delete usage");
		x->has.uses--;
	}
	must(r == DB_NOTFOUND ? 0 : r, "walk usage");
	must(c->close(c), "usage cursor");
}

void
index_commit(struct index *x, struct journal_place mark, uint64_t last_id)
{
	uint8_t value[INDEX_MARK_BYTES];
	DBT k = index_dbt(INDEX_MARK_KEY, strlen(INDEX_MARK_KEY));
	DBT v = index_dbt(value, sizeof(value));

	index_put_be(value + 24, x->has.messages);
	index_put_be(value + 32, x->has.ids);
	index_put_be(value + 40, x->has.uses);
	index_put_be(value, mark.generation);
	index_put_be(value + 8, mark.offset);
	index_put_be(value + 16, last_id);
	make_due_changes(x);
	must(x->db[DB_MARK]->put(x->db[DB_MARK], x->txn, &k, &v, 0),
	    "put mark");
	must(x->txn->commit(x->txn, 0), "commit");
	x->txn = NULL;
	x->mark = mark;
	x->last_id = last_id;
	/* Shortens the next recovery and lets old log files go. */
	must(x->env->txn_checkpoint(x->env, INDEX_LOG_BYTES / 1024, 1,
	    0), "checkpoint");
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
	DBT k = index_dbt(key, sizeof(key)), v = index_dbt(NULL, 0);
	struct index_entry e;
	uint8_t *stored;
	DBC *c = cursor(x->db[DB_DUE]);
	bool more = true;
	int r;

	index_put_be(key, after_ms);
	/* Ids are far from the end of 64 bits. */
	index_put_be(key + 8, after_id + 1);
	for (r = c->get(c, &k, &v, DB_SET_RANGE); r == 0 && more &&
	    k.size == 16 && index_get_be(k.data) <= until_ms;
	    r = c->get(c, &k, &v, DB_NEXT)) {
		stored = fetch(x, index_get_be((uint8_t *)k.data + 8), &e);
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
	DBT k = index_dbt(key, sizeof(key)), v = index_dbt(NULL, 0);
	struct index_entry e;
	DBC *c = cursor(x->db[DB_MESSAGES]);
	int r;

	index_put_be(key, after_id + 1);
	for (r = c->get(c, &k, &v, DB_SET_RANGE); r == 0;
	    r = c->get(c, &k, &v, DB_NEXT)) {
		must(k.size == 8 && index_get_entry(index_get_be(k.data),
		    v.data, v.size, &e) ? 0 : EINVAL, "get message");
		if (!cb(&e, arg))
			break;
	}
	walked(c, r);
}

void
index_usage(struct index *x, uint64_t since_ms, store_usage_cb *cb, void *arg)
{
	uint8_t key[8];
	DBT k = index_dbt(key, sizeof(key)), v = index_dbt(NULL, 0);
	uint64_t used[LIMIT_KINDS];
	char account[LOGIN_MAX + 1];
	DBC *c = cursor(x->db[DB_USAGE]);
	int i, r;

	index_put_be(key, since_ms - since_ms % 60000);
	for (r = c->get(c, &k, &v, DB_SET_RANGE); r == 0;
	    r = c->get(c, &k, &v, DB_NEXT)) {
		if (k.size < 8 || k.size > 8 + LOGIN_MAX ||
		    v.size != sizeof(used))
			continue;
		snprintf(account, sizeof(account), "%.*s", (int)(k.size - 8),
		    (const char *)k.data + 8);
		for (i = 0; i < LIMIT_KINDS; i++)
			used[i] = index_get_be((uint8_t *)v.data + 8 * i);
		cb(account, index_get_be(k.data), used, arg);
	}
	walked(c, r);
}
