#include "lib/prelude.h"

#include "auth/password.h"
#include "lib/conf.h"
#include "lib/log.h"

#define BIT(hash)	(1U << (hash))

uint32_t
password_hashes(const struct conf_strs *mechanisms)
{
	uint32_t hashes = 0;
	size_t i;
	int hash;

	for (i = 0; i < mechanisms->n; i++) {
		hash = verifier_hash_of(mechanisms->v[i]);
		if (hash > SCRAM_SHA_256)
			hashes |= BIT(hash);
	}
	return hashes;
}

uint32_t
password_missing(const struct verifier further[SCRAM_HASHES - 1],
    uint32_t hashes)
{
	int hash;

	for (hash = SCRAM_SHA_256 + 1; hash < SCRAM_HASHES; hash++)
		if (further[hash - 1].iterations != 0)
			hashes &= ~BIT(hash);
	return hashes;
}

/*
 * Of one login's name. One count for all: with two of them a name could be told
 * from a decoy.
 */
struct secret {
	const char *login;
	const void *password;
	size_t	 len;
	uint32_t iterations;
};

static void
make(const struct accounts *accounts, const struct secret *s,
    enum scram_hash hash, struct verifier *v)
{
	accounts_decoy(accounts, s->login, hash, s->iterations, v);
	verifier_derive(v, s->password, s->len);
}

static void
make_further(const struct accounts *accounts, const struct secret *s,
    uint32_t hashes, struct verifier further[SCRAM_HASHES - 1])
{
	int hash;

	for (hash = SCRAM_SHA_256 + 1; hash < SCRAM_HASHES; hash++)
		if ((hashes & BIT(hash)) != 0)
			make(accounts, s, (enum scram_hash)hash,
			    &further[hash - 1]);
}

void
password_set(const struct accounts *accounts, struct account *acc,
    const void *password, size_t len, uint32_t iterations, uint32_t hashes)
{
	const struct secret s = { acc->name, password, len, iterations };

	memset(acc->further, 0, sizeof(acc->further));
	make(accounts, &s, SCRAM_SHA_256, &acc->verifier);
	make_further(accounts, &s, hashes, acc->further);
}

/* Two uses of one secret: neither hash is ever the other's. */
uint64_t
password_mark(const struct accounts *accounts, const char *password)
{
	char in[8 + DEVICE_PASSWORD_LEN];
	uint64_t mark;
	size_t n = strnlen(password, DEVICE_PASSWORD_LEN);

	memcpy(in, "device: ", 8);
	memcpy(in + 8, password, n);
	mark = accounts_hash(accounts, in, 8 + n);
	explicit_bzero(in, sizeof(in));
	return mark;
}

void
password_set_device(const struct accounts *accounts, const char *account,
    struct device *d, const char *password, uint32_t iterations,
    uint32_t hashes)
{
	char login[LOGIN_MAX + 1];
	const struct secret s = { device_login(account, d->label, login),
	    password, strlen(password), iterations };

	d->mark = password_mark(accounts, password);
	make(accounts, &s, SCRAM_SHA_256, &d->verifier);
	make_further(accounts, &s, hashes, d->further);
}

static enum accounts_result
put_further(struct account *acc, void *arg)
{
	const struct device *with = arg;
	struct device *d = account_device(acc, with->label);

	if (d == NULL || d->mark != with->mark)
		return ACCOUNTS_NONE;
	memcpy(d->further, with->further, sizeof(d->further));
	return ACCOUNTS_OK;
}

void
password_complete(struct accounts *accounts, struct account *acc,
    struct device *d, const void *password, size_t len, uint32_t hashes)
{
	struct verifier *further = d == NULL ? acc->further : d->further;
	uint32_t missing = password_missing(further, hashes);
	char login[LOGIN_MAX + 1];
	struct secret s = { acc->name, password, len,
	    acc->verifier.iterations };
	enum accounts_result r;

	if (missing == 0)
		return;
	if (d != NULL) {
		s.login = device_login(acc->name, d->label, login);
		s.iterations = d->verifier.iterations;
	}
	make_further(accounts, &s, missing, further);
	r = d == NULL ? accounts_set_further(accounts, acc) :
	    accounts_change(accounts, acc->name, put_further, d);
	if (r == ACCOUNTS_OK)
		log_info("account=\"%s\" done=verifiers; it can log in by all "
		    "SCRAM mechanisms now", s.login);
}
