/*
 * SCRAM with all its hashes: the examples of the RFCs, further verifiers beside
 * the one that every account has, and what strangers see of them.
 */
#include "lib/prelude.h"

#include "auth/password.h"
#include "tests/tap.h"
#include "tests/unit/scram_client.h"

#define ALL	(1U << SCRAM_SHA_1 | 1U << SCRAM_SHA_512)

static const char *const mechanisms[] = { "SCRAM-SHA-1", "SCRAM-SHA-256",
    "SCRAM-SHA-512" };
static uint64_t id = 1;

/* --- examples ----------------------------------------------------------------------- */

/*
 * RFC 5802 5 and RFC 7677 3. For SHA-512 no RFC has one: this is what Python's
 * hashlib makes of the salt and nonces of RFC 7677.
 */
static void
test_examples(void)
{
	static const struct {
		const char *mechanism, *bare, *first, *proof, *signature;
	} rows[] = {
		{ "SCRAM-SHA-1", "n=user,r=fyko+d2lbbFgONRv9qkxdawL",
		    "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,"
		    "s=QSXCR+Q6sek8bf92,i=4096",
		    "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
		    "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=" },
		{ "SCRAM-SHA-256", "n=user,r=rOprNGfwEbeRWgbNEkqO",
		    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
		    "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
		    "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
		    "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=" },
		{ "SCRAM-SHA-512", "n=user,r=rOprNGfwEbeRWgbNEkqO",
		    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
		    "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
		    "gMGXRcevScNtxZ6/8lQYpGtnsNAc3mGcmNomv+xnoOMw"
		    "+3R2xNJdMNnzMlTN8PPC6wdp6dybEmDYXYTxwnYPJQ==",
		    "v=ZQnYEgWQMFmmsM8aQMF0nDDCy/AgCzkwk8CmMZYcMg"
		    "0vSVlKDanekLtifDSeVGT4+5ZxXnJq199RVG2rR7N7Zw==" },
	};
	struct rig_reply heard = { .type = M_AUTH_CHALLENGE };
	struct scram_client s;
	struct verifier v;
	char without[256], text[128];
	uint8_t proof[64], stored[64];
	size_t i;

	for (i = 0; i < nitems(rows); i++) {
		scram_init(&s, rows[i].mechanism);
		snprintf(s.bare, sizeof(s.bare), "%s", rows[i].bare);
		heard.len = strlen(rows[i].first);
		memcpy(heard.bytes, rows[i].first, heard.len);
		ok(scram_heard(&s, &heard), "%s", rows[i].mechanism);
		snprintf(without, sizeof(without), "c=biws,r=%s", s.nonce);
		scram_prove(&s, "pencil", without, proof);
		scram_encode(proof, s.len, text, sizeof(text));
		is_str(text, rows[i].proof, "the proof");
		scram_signature(&s, text, sizeof(text));
		is_str(text, rows[i].signature, "the server's signature");

		memset(&v, 0, sizeof(v));
		v.hash = (enum scram_hash)verifier_hash_of(rows[i].mechanism);
		v.iterations = s.iterations;
		v.salt_len = (uint8_t)s.salt_len;
		memcpy(v.salt, s.salt, s.salt_len);
		verifier_derive(&v, "pencil", 6);
		ok(memcmp(v.server_key, s.server_key, s.len) == 0,
		    "our ServerKey");
		HMAC(s.md, v.stored_key, (int)s.len,
		    (const uint8_t *)s.auth_message, strlen(s.auth_message),
		    stored, NULL);
		for (size_t j = 0; j < s.len; j++)
			proof[j] ^= stored[j];
		EVP_Digest(proof, s.len, stored, NULL, s.md, NULL);
		ok(memcmp(v.stored_key, stored, s.len) == 0, "our StoredKey");
		ok(verifier_check(&v, "pencil", 6) &&
		    !verifier_check(&v, "pencils", 7),
		    "the password, and no other");
	}
}

static void
test_names(void)
{
	static const struct {
		const char *mechanism;
		int hash;
	} rows[] = {
		{ "SCRAM-SHA-1", SCRAM_SHA_1 },
		{ "SCRAM-SHA-256", SCRAM_SHA_256 },
		{ "scram-sha-512", SCRAM_SHA_512 },
		{ "SCRAM-SHA-1-PLUS", SCRAM_SHA_1 },
		{ "SCRAM-SHA-256-plus", SCRAM_SHA_256 },
		{ "SCRAM-SHA-512-PLUS", SCRAM_SHA_512 },
		{ "SCRAM-SHA-", -1 }, { "SCRAM-SHA-12", -1 },
		{ "SCRAM-SHA-384", -1 }, { "SCRAM-SHA-256-PLUSS", -1 },
		{ "SCRAM-SHA-256-", -1 }, { "PLAIN", -1 }, { "", -1 },
	};
	size_t i;

	for (i = 0; i < nitems(rows); i++)
		is_int(verifier_hash_of(rows[i].mechanism), rows[i].hash, "%s",
		    rows[i].mechanism);
}

/* --- logins --------------------------------------------------------------------------- */

static bool
log_in(const char *mechanism, const char *name, const char *password)
{
	struct scram_client s;

	scram_begin(&s, ++id, mechanism, "n,,", name);
	return scram_in(&s, id, scram_finish(&s, id, password, NULL, 0));
}

/* As posternctl account passwd would, with or without further hashes. */
static void
set_password(const char *name, const char *password, uint32_t hashes)
{
	struct account a;

	memset(&a, 0, sizeof(a));
	snprintf(a.name, sizeof(a.name), "%s", name);
	snprintf(a.cap, sizeof(a.cap), "default");
	password_set(rig_accounts, &a, password, strlen(password),
	    VERIFIER_ITERATIONS_MIN, hashes);
	if (accounts_set_password(rig_accounts, &a) != ACCOUNTS_OK &&
	    accounts_add(rig_accounts, &a) != ACCOUNTS_OK)
		abort();
	account_clear(&a);
}

static void
test_logins(void)
{
	struct account a;
	size_t i;

	set_password("carol", "pass of all", ALL);
	for (i = 0; i < nitems(mechanisms); i++) {
		ok(log_in(mechanisms[i], "carol", "pass of all"), "%s: in",
		    mechanisms[i]);
		ok(!log_in(mechanisms[i], "carol", "pass of al"),
		    "%s: not with another", mechanisms[i]);
		ok(!log_in(mechanisms[i], "nobody", "pass of all"),
		    "%s: nor as nobody", mechanisms[i]);
		is_int(log_in(mechanisms[i], "bob", RIG_PASSWORD),
		    strcmp(mechanisms[i], "SCRAM-SHA-256") == 0,
		    "with a verifier alone");
	}
	/* A new password leaves nothing of the old one. */
	set_password("carol", "pass of one", 0);
	is_int(accounts_get(rig_accounts, "carol", &a), ACCOUNTS_OK, "carol");
	is_int(password_missing(a.further, ALL), ALL, "nothing is left");
	account_clear(&a);
	for (i = 0; i < nitems(mechanisms); i++)
		ok(!log_in(mechanisms[i], "carol", "pass of all"),
		    "%s: the old one is void", mechanisms[i]);
}

/* PLAIN shows the password: what is missing is made of it. */
static void
test_completion(void)
{
	struct scram_client before, after;
	struct account a;

	set_password("dave", "pass of dave", 0);
	scram_begin(&before, ++id, "SCRAM-SHA-512", "n,,", "dave");
	ok(scram_finish(&before, id, "pass of dave", NULL, 0)->no ==
	    AUTH_NO_CREDENTIALS, "not by SHA-512");
	ok(rig_begin(++id, "PLAIN", "\0dave\0pass of davy", 18)->type ==
	    M_AUTH_NO && !log_in("SCRAM-SHA-512", "dave", "pass of davy"),
	    "nor after a wrong password");
	ok(rig_begin(++id, "PLAIN", "\0dave\0pass of dave", 18)->type ==
	    M_AUTH_OK, "in by PLAIN");
	ok(log_in("SCRAM-SHA-512", "dave", "pass of dave") &&
	    log_in("SCRAM-SHA-1", "dave", "pass of dave"),
	    "and then by the others");
	scram_begin(&after, ++id, "SCRAM-SHA-512", "n,,", "dave");
	rig_cancel(id);
	ok(before.salt_len == after.salt_len && memcmp(before.salt, after.salt,
	    after.salt_len) == 0 && before.iterations == after.iterations,
	    "a stranger has seen no change");

	/* A password that changes meanwhile keeps what is its own. */
	is_int(accounts_get(rig_accounts, "dave", &a), ACCOUNTS_OK, "dave");
	set_password("dave", "pass of later", 0);
	memset(a.further, 0, sizeof(a.further));
	password_complete(rig_accounts, &a, NULL, "pass of dave", 12, ALL);
	account_clear(&a);
	is_int(accounts_get(rig_accounts, "dave", &a), ACCOUNTS_OK, "dave");
	is_int(password_missing(a.further, ALL), ALL, "none of the password before");
	account_clear(&a);
}

/* --- who is there? ------------------------------------------------------------------------- */

static void
test_enumeration(void)
{
	static const char *const names[] = { "erin", "bob", "nobody",
	    "nobody@example.org" };
	struct scram_client now, later;
	struct rig_reply r;
	size_t i, j;

	set_password("erin", "pass of erin", ALL);
	for (i = 0; i < nitems(names); i++)
		for (j = 0; j < nitems(mechanisms); j++) {
			scram_begin(&now, ++id, mechanisms[j], "n,,", names[i]);
			r = *scram_finish(&now, id, "wrong one", NULL, 0);
			ok(r.type == M_AUTH_NO && r.no == AUTH_NO_CREDENTIALS,
			    "%s by %s: no", names[i], mechanisms[j]);
			is_int(now.salt_len, VERIFIER_SALT_LEN, "its salt");
			is_int(now.iterations, VERIFIER_ITERATIONS_MIN,
			    "its count");
			scram_begin(&later, ++id, mechanisms[j], "n,,",
			    names[i]);
			rig_cancel(id);
			ok(memcmp(now.salt, later.salt, now.salt_len) == 0,
			    "they stay");
		}
	/* An account that appears, and one whose password changes. */
	for (i = 0; i < nitems(mechanisms); i++) {
		scram_begin(&now, ++id, mechanisms[i], "n,,", "frank");
		rig_cancel(id);
		set_password("frank", i == 1 ? "pass of frank" : "of frank's",
		    ALL);
		scram_begin(&later, ++id, mechanisms[i], "n,,", "frank");
		rig_cancel(id);
		ok(memcmp(now.salt, later.salt, now.salt_len) == 0 &&
		    now.iterations == later.iterations,
		    "%s: nothing tells of it", mechanisms[i]);
	}
	scram_begin(&now, ++id, "SCRAM-SHA-1", "n,,", "nobody");
	rig_cancel(id);
	scram_begin(&later, ++id, "SCRAM-SHA-512", "n,,", "nobody");
	rig_cancel(id);
	ok(memcmp(now.salt, later.salt, now.salt_len) != 0,
	    "each hash has a salt of its own");
}

int
main(void)
{
	test_examples();
	test_names();
	rig_start(2);
	rig_offer("SCRAM-SHA-1");
	rig_offer("SCRAM-SHA-512");
	rig_add("bob", NULL);
	test_logins();
	test_completion();
	test_enumeration();
	rig_stop();
	return tap_done();
}
