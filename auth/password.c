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
password_missing(const struct account *acc, uint32_t hashes)
{
	int hash;

	for (hash = SCRAM_SHA_256 + 1; hash < SCRAM_HASHES; hash++)
		if (acc->further[hash - 1].iterations != 0)
			hashes &= ~BIT(hash);
	return hashes;
}

/* One count for all: with two of them a name could be told from a decoy. */
static void
make(const struct accounts *accounts, struct account *acc, enum scram_hash hash,
    const void *password, size_t len, uint32_t iterations)
{
	struct verifier *v = account_verifier_at(acc, hash);

	accounts_decoy(accounts, acc->name, hash, iterations, v);
	verifier_derive(v, password, len);
}

void
password_set(const struct accounts *accounts, struct account *acc,
    const void *password, size_t len, uint32_t iterations, uint32_t hashes)
{
	int hash;

	memset(acc->further, 0, sizeof(acc->further));
	for (hash = SCRAM_SHA_256; hash < SCRAM_HASHES; hash++)
		if (hash == SCRAM_SHA_256 || (hashes & BIT(hash)) != 0)
			make(accounts, acc, (enum scram_hash)hash, password,
			    len, iterations);
}

void
password_complete(struct accounts *accounts, struct account *acc,
    const void *password, size_t len, uint32_t hashes)
{
	uint32_t missing = password_missing(acc, hashes);
	int hash;

	if (missing == 0)
		return;
	for (hash = SCRAM_SHA_256 + 1; hash < SCRAM_HASHES; hash++)
		if ((missing & BIT(hash)) != 0)
			make(accounts, acc, (enum scram_hash)hash, password,
			    len, acc->verifier.iterations);
	if (accounts_set_further(accounts, acc) == ACCOUNTS_OK)
		log_info("account=\"%s\" done=verifiers; it can log in by all "
		    "SCRAM mechanisms now", acc->name);
}
