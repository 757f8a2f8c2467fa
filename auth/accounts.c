/*
 * Accounts as records under 'a', and the installation's secret under 'm'. What
 * goes with an account (pins, last uses) goes when it is removed.
 */
#include "lib/prelude.h"

#include <sys/random.h>
#include <pthread.h>

#include "auth/accounts.h"
#include "auth/census.h"
#include "auth/pins.h"
#include "auth/uses.h"
#include "auth/withheld.h"
#include "lib/log.h"
#include "lib/xalloc.h"

#define LETTER	'a'

struct accounts {
	struct records *records;
	pthread_mutex_t counting;
	struct census census;		/* under counting */
	struct withheld *withheld;
	uint8_t	 secret[VERIFIER_SECRET_LEN];
};

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

static bool
load_secret(struct accounts *a)
{
	const struct record made = { a->secret, sizeof(a->secret) };
	struct record rec;
	enum accounts_result r = records_get(a->records, 'm', "secret", &rec);

	if (r == ACCOUNTS_OK) {
		if (rec.n == sizeof(a->secret))
			memcpy(a->secret, rec.p, sizeof(a->secret));
		else {
			records_damaged(a->records);
			r = ACCOUNTS_DAMAGED;
		}
		records_free(&rec);
	} else if (r == ACCOUNTS_NONE) {
		if (getrandom(a->secret, sizeof(a->secret), 0) !=
		    sizeof(a->secret))
			fatal("getrandom");
		r = records_put(a->records, 'm', "secret", &made, true);
	}
	return r == ACCOUNTS_OK;
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
	struct records *records = records_open(dir, why);
	struct accounts *a;

	if (records == NULL)
		return NULL;
	a = xcalloc(1, sizeof(*a));
	a->records = records;
	a->withheld = withheld_new();
	pthread_mutex_init(&a->counting, NULL);
	if (load_secret(a)) {
		count_all(a);
		return a;
	}
	*why = records_why(records);
	accounts_close(&a);
	return NULL;
}

void
accounts_close(struct accounts **ap)
{
	struct accounts *a = *ap;

	if (a == NULL)
		return;
	*ap = NULL;
	records_close(&a->records);
	pthread_mutex_destroy(&a->counting);
	census_clear(&a->census);
	withheld_free(&a->withheld);
	xfree_secret(a, sizeof(*a));
}

struct records *
accounts_records(struct accounts *a)
{
	return a->records;
}

/* --- reading -------------------------------------------------------------------------------- */

/* From a record (freed here) to an account. */
static enum accounts_result
decoded(struct accounts *a, struct record *rec, const char *name,
    struct account *out)
{
	int r;

	memset(out, 0, sizeof(*out));
	r = account_decode(out, rec->p, rec->n);
	records_free(rec);
	if (r == 0) {
		snprintf(out->name, sizeof(out->name), "%s", name);
		out->suspended |= withheld_has(a->withheld, name);
		return ACCOUNTS_OK;
	}
	account_clear(out);
	log_warnx("account=\"%s\" damaged, refused; remove it and add it again",
	    log_escs(name));
	return ACCOUNTS_DAMAGED;
}

enum accounts_result
accounts_get(struct accounts *a, const char *name, struct account *out)
{
	enum accounts_result r;
	struct record rec;

	if (strlen(name) > ACCOUNT_MAX)
		return ACCOUNTS_NONE;
	r = records_get(a->records, LETTER, name, &rec);
	return r == ACCOUNTS_OK ? decoded(a, &rec, name, out) : r;
}

enum accounts_result
accounts_next(struct accounts *a, const char *after, struct account *out)
{
	char name[RECORDS_NAME_MAX + 1];
	enum accounts_result r;
	struct record rec;

	r = records_next(a->records, LETTER, after, name, &rec);
	if (r == ACCOUNTS_OK && strlen(name) > ACCOUNT_MAX) {
		records_free(&rec);
		r = ACCOUNTS_NONE;
	}
	if (r != ACCOUNTS_OK)
		return r;
	r = decoded(a, &rec, name, out);
	if (r == ACCOUNTS_DAMAGED)	/* say whose, so that one can go on */
		memcpy(out->name, name, strlen(name) + 1);
	return r;
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

static enum accounts_result
store(struct accounts *a, const struct account *acc, bool fresh)
{
	enum accounts_result r;
	struct record rec;
	struct buf b;

	if (strlen(acc->name) > ACCOUNT_MAX)
		return ACCOUNTS_ERROR;
	buf_init(&b, ACCOUNT_RECORD_MAX);
	account_encode(acc, &b);
	rec = (struct record){ b.data, b.len };
	r = records_put(a->records, LETTER, acc->name, &rec, fresh);
	buf_wipe(&b);
	return r;
}

enum accounts_result
accounts_add(struct accounts *a, const struct account *acc)
{
	enum accounts_result r;
	struct counts now;

	records_lock(a->records);
	r = store(a, acc, true);
	if (r == ACCOUNTS_OK) {
		counts_of(acc, &now);
		count(a, &now, NULL);
	}
	records_unlock(a->records);
	return r;
}

enum accounts_result
accounts_change(struct accounts *a, const char *name,
    accounts_changer *changer, void *arg)
{
	struct counts now, before;
	enum accounts_result r;
	struct account acc;

	records_lock(a->records);
	r = accounts_get(a, name, &acc);
	if (r == ACCOUNTS_OK) {
		counts_of(&acc, &before);
		r = changer(&acc, arg);
		if (r == ACCOUNTS_OK)
			r = store(a, &acc, false);
		if (r == ACCOUNTS_OK) {
			counts_of(&acc, &now);
			count(a, &now, &before);
			withheld_drop(a->withheld, name);
		}
		account_clear(&acc);
	}
	records_unlock(a->records);
	return r;
}

enum accounts_result
accounts_withhold(struct accounts *a, const char *name)
{
	enum accounts_result r;
	struct account acc;

	records_lock(a->records);
	r = accounts_get(a, name, &acc);
	if (r == ACCOUNTS_OK) {
		withheld_add(a->withheld, name);
		account_clear(&acc);
	}
	records_unlock(a->records);
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

enum accounts_result
accounts_add_pin(struct accounts *a, const char *pin,
    char name[ACCOUNT_MAX + 1])
{
	enum accounts_result r;
	struct account acc;

	records_lock(a->records);
	r = accounts_get(a, name, &acc);
	if (r == ACCOUNTS_OK) {
		account_clear(&acc);
		r = pins_add(a->records, pin, name);
	}
	records_unlock(a->records);
	return r;
}

/* When its devices were used. */
static void
drop_uses(struct accounts *a, const struct account *acc)
{
	char login[LOGIN_MAX + 1];
	size_t i;

	for (i = 0; i < acc->ndevices; i++)
		(void)uses_drop(a->records, device_login(acc->name,
		    acc->devices[i].label, login));
}

/* Its pins first: a new account of its name must find none of them. */
static enum accounts_result
drop(struct accounts *a, const char *name)
{
	enum accounts_result r = pins_drop_all(a->records, name);

	return r == ACCOUNTS_OK ? records_del(a->records, LETTER, name) : r;
}

enum accounts_result
accounts_remove(struct accounts *a, const char *name)
{
	enum accounts_result was, r;
	struct counts before;
	struct account acc;

	if (strlen(name) > ACCOUNT_MAX)
		return ACCOUNTS_NONE;
	records_lock(a->records);
	was = accounts_get(a, name, &acc);
	r = drop(a, name);
	if (was == ACCOUNTS_OK) {
		counts_of(&acc, &before);
		if (r == ACCOUNTS_OK)
			count(a, NULL, &before);
	}
	if (r == ACCOUNTS_OK)
		withheld_drop(a->withheld, name);
	records_unlock(a->records);
	if (was == ACCOUNTS_OK) {
		drop_uses(a, &acc);
		account_clear(&acc);
	}
	return r;
}
