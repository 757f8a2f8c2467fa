/*
 * auth/client_cert: a table of certificates, each made on the spot with one thing
 * wrong, and logins by EXTERNAL with them.
 */
#include "lib/prelude.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "auth/client_cert.h"
#include "auth/pins.h"
#include "auth/watch.h"
#include "tests/tap.h"
#include "tests/unit/auth_rig.h"
#include "tests/unit/tls_pairs.h"

#define NOW	(RIG_WALL_MS / 1000)
#define DAY	86400
#define FOR_CLIENTS "clientAuth"

static EVP_PKEY *ca_key, *other_key, *leaf_key, *middle_key;
static X509 *ca, *other, *middle;

struct wish {
	const char *what;
	const char *san, *usage;	/* NULL: none */
	long	 from, until;		/* days from now */
	bool	 other_ca, self;
	const char *cn;			/* NULL: "client" */
	const char *why;		/* part of it; NULL: it is good */
};

static void
add_ext(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	if (ext == NULL || X509_add_ext(cert, ext, -1) != 1)
		abort();
	X509_EXTENSION_free(ext);
}

static X509 *
make(EVP_PKEY *key, const char *cn, long from, long until, X509 *issuer,
    EVP_PKEY *issuer_key)
{
	static long serial;
	X509 *cert = X509_new();
	time_t now = NOW;

	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial);
	X509_time_adj_ex(X509_getm_notBefore(cert), (int)from, 0, &now);
	X509_time_adj_ex(X509_getm_notAfter(cert), (int)until, 0, &now);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN",
	    MBSTRING_ASC, (const uint8_t *)cn, -1, -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(issuer == NULL ? cert :
	    issuer));
	X509_set_pubkey(cert, key);
	if (issuer_key == NULL)
		return cert;		/* to be signed by the caller */
	X509_sign(cert, issuer_key, EVP_sha256());
	return cert;
}

static X509 *
make_ca(EVP_PKEY *key, const char *cn, X509 *issuer, EVP_PKEY *issuer_key)
{
	X509 *cert = make(key, cn, -10, 100, issuer, NULL);

	add_ext(cert, cert, NID_basic_constraints, "critical,CA:TRUE");
	add_ext(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign");
	X509_sign(cert, issuer_key, EVP_sha256());
	return cert;
}

static X509 *
make_leaf(const struct wish *w)
{
	X509 *issuer = w->self ? NULL : w->other_ca ? other : ca;
	X509 *cert = make(leaf_key, w->cn == NULL ? "client" : w->cn, w->from,
	    w->until, issuer, NULL);

	if (w->san != NULL)
		add_ext(cert, cert, NID_subject_alt_name, w->san);
	if (w->usage != NULL)
		add_ext(cert, cert, NID_ext_key_usage, w->usage);
	X509_sign(cert, w->self ? leaf_key : w->other_ca ? other_key : ca_key,
	    EVP_sha256());
	return cert;
}

static size_t
der(X509 *cert, uint8_t *out)
{
	uint8_t *p = out;

	return (size_t)i2d_X509(cert, &p);
}

static void
use_lists(X509 *cert, X509_CRL *crl, X509_CRL *another)
{
	BIO *bio = BIO_new(BIO_s_mem());
	struct client_ca *loaded;
	const char *why;
	char *text;

	PEM_write_bio_X509(bio, cert);
	if (crl != NULL)
		PEM_write_bio_X509_CRL(bio, crl);
	if (another != NULL)
		PEM_write_bio_X509_CRL(bio, another);
	BIO_write(bio, "", 1);
	BIO_get_mem_data(bio, &text);
	loaded = client_ca_new(text, &why);
	ok(loaded != NULL, "the CA");
	client_ca_use(loaded);
	BIO_free(bio);
}

static void
use_ca(X509 *cert, X509_CRL *crl)
{
	use_lists(cert, crl, NULL);
}

static void
expect(const uint8_t *chain, size_t n, const char *why, const char *what)
{
	char name[ACCOUNT_MAX + 1] = "?", said[CLIENT_CERT_WHY_MAX];
	bool good = client_cert_name(chain, n, RIG_WALL_MS, name, said);

	if (why == NULL)
		ok(good && strcmp(name, "bob@example.org") == 0, "%s: %s %s",
		    what, name, said);
	else
		ok(!good && *name == '\0' && strstr(said, why) != NULL,
		    "%s: %s", what, said);
}

static const struct wish wishes[] = {
	{ "good", "email:bob@example.org", FOR_CLIENTS, -1, 1, 0, 0, NULL,
	    NULL },
	{ "no usage named", "email:bob@example.org", NULL, -1, 1, 0, 0, NULL,
	    NULL },
	{ "other names beside", "email:bob@example.org,DNS:laptop,"
	    "URI:mailto:eve@example.org", FOR_CLIENTS, -1, 1, 0, 0, NULL, NULL },
	{ "expired", "email:bob@example.org", FOR_CLIENTS, -9, -1, 0, 0, NULL,
	    "expired" },
	{ "not yet", "email:bob@example.org", FOR_CLIENTS, 1, 9, 0, 0, NULL,
	    "not yet valid" },
	{ "another CA", "email:bob@example.org", FOR_CLIENTS, -1, 1, 1, 0, NULL,
	    "issuer" },
	{ "self-signed", "email:bob@example.org", FOR_CLIENTS, -1, 1, 0, 1,
	    NULL, "self-signed" },
	{ "for servers", "email:bob@example.org", "serverAuth", -1, 1, 0, 0,
	    NULL, "purpose" },
	{ "for mail alone", "email:bob@example.org", "emailProtection", -1, 1,
	    0, 0, NULL, "purpose" },
	{ "no address", "DNS:bob.example.org", FOR_CLIENTS, -1, 1, 0, 0, NULL,
	    "no address" },
	{ "no names", NULL, FOR_CLIENTS, -1, 1, 0, 0, NULL, "no address" },
	{ "a name in the subject", NULL, FOR_CLIENTS, -1, 1, 0, 0,
	    "bob@example.org", "no address" },
	{ "two addresses", "email:bob@example.org,email:eve@example.org",
	    FOR_CLIENTS, -1, 1, 0, 0, NULL, "more than one" },
	{ "a blank", "email:bob@example.org ", FOR_CLIENTS, -1, 1, 0, 0, NULL,
	    NULL },		/* OpenSSL's configuration strips it */
};

static void
test_table(void)
{
	uint8_t chain[8192];
	X509 *cert;
	size_t i;

	for (i = 0; i < nitems(wishes); i++) {
		cert = make_leaf(&wishes[i]);
		expect(chain, der(cert, chain), wishes[i].why, wishes[i].what);
		X509_free(cert);
	}
}

/* A name that ends early for whoever reads up to a NUL. */
static void
test_hidden(void)
{
	static const char *const names[] = { "bob@example.org\0.evil.example",
	    "bob@example.org\n", "bob@ex\xc3\xa4mple.org" };
	static const int lens[] = { 29, 16, 16 };
	GENERAL_NAMES *sans;
	GENERAL_NAME *name;
	uint8_t chain[8192];
	X509 *cert;
	size_t i;

	for (i = 0; i < nitems(names); i++) {
		cert = make(leaf_key, "client", -1, 1, ca, NULL);
		sans = sk_GENERAL_NAME_new_null();
		name = GENERAL_NAME_new();
		name->type = GEN_EMAIL;
		name->d.rfc822Name = ASN1_IA5STRING_new();
		ASN1_STRING_set(name->d.rfc822Name, names[i], lens[i]);
		sk_GENERAL_NAME_push(sans, name);
		X509_add1_ext_i2d(cert, NID_subject_alt_name, sans, 0, 0);
		X509_sign(cert, ca_key, EVP_sha256());
		expect(chain, der(cert, chain), "no address", "a hidden end");
		GENERAL_NAMES_free(sans);
		X509_free(cert);
	}
}

static void
test_chains(void)
{
	struct wish w = wishes[0];
	uint8_t chain[65536];
	X509 *cert = make(leaf_key, "client", -1, 1, middle, NULL), *good;
	size_t n, m;
	int i;

	add_ext(cert, cert, NID_subject_alt_name, "email:bob@example.org");
	X509_sign(cert, middle_key, EVP_sha256());
	n = der(cert, chain);
	expect(chain, n, "issuer", "what is between is missing");
	m = der(middle, chain + n);
	expect(chain, n + m, NULL, "and there");
	expect(chain, n + m - 1, "cannot be read", "cut off");
	chain[n + m] = 0;
	expect(chain, n + m + 1, "cannot be read", "something behind");
	expect(chain, 0, "cannot be read", "nothing");
	expect((const uint8_t *)"nonsense", 8, "cannot be read", "nonsense");
	for (i = 0, n = 0; i <= CLIENT_CERTS_MAX; i++)
		n += der(middle, chain + n);
	expect(chain, n, "cannot be read", "too many");

	/* A client's certificate makes nobody else a client. */
	good = make_leaf(&w);
	X509_free(cert);
	cert = make(other_key, "another", -1, 1, good, NULL);
	add_ext(cert, cert, NID_subject_alt_name, "email:bob@example.org");
	X509_sign(cert, leaf_key, EVP_sha256());
	n = der(cert, chain);
	n += der(good, chain + n);
	expect(chain, n, "CA", "issued by a client");
	X509_free(good);
	X509_free(cert);
}

static X509_CRL *
make_crl(X509 *issuer, EVP_PKEY *key, X509 *revoked)
{
	X509_CRL *crl = X509_CRL_new();
	X509_REVOKED *r = X509_REVOKED_new();
	ASN1_TIME *t = ASN1_TIME_set(NULL, NOW - DAY);

	X509_CRL_set_version(crl, 1);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer));
	X509_CRL_set1_lastUpdate(crl, t);
	X509_REVOKED_set_serialNumber(r, X509_get_serialNumber(revoked));
	X509_REVOKED_set_revocationDate(r, t);
	ASN1_TIME_set(t, NOW + DAY);
	X509_CRL_set1_nextUpdate(crl, t);
	X509_CRL_add0_revoked(crl, r);
	X509_CRL_sign(crl, key, EVP_sha256());
	ASN1_TIME_free(t);
	return crl;
}

static void
test_crl(void)
{
	X509 *lost = make_leaf(&wishes[0]), *fine = make_leaf(&wishes[0]);
	X509_CRL *crl = make_crl(ca, ca_key, lost);
	uint8_t chain[8192];

	use_ca(ca, crl);
	expect(chain, der(lost, chain), "revoked", "a lost laptop's");
	expect(chain, der(fine, chain), NULL, "another");
	use_ca(ca, NULL);
	expect(chain, der(lost, chain), NULL, "without the list");
	X509_CRL_free(crl);
	X509_free(lost);
	X509_free(fine);
}

/* Whoever has stolen the key of a CA between. */
static void
test_crl_between(void)
{
	X509 *cert = make(leaf_key, "client", -1, 1, middle, NULL);
	X509_CRL *lists[] = { make_crl(middle, middle_key, ca),
	    make_crl(ca, ca_key, cert), make_crl(ca, ca_key, middle) };
	uint8_t chain[8192];
	size_t n, i;

	add_ext(cert, cert, NID_subject_alt_name, "email:bob@example.org");
	X509_sign(cert, middle_key, EVP_sha256());
	n = der(cert, chain);
	n += der(middle, chain + n);
	use_ca(ca, lists[0]);
	expect(chain, n, "CRL", "no list for the CA between");
	use_lists(ca, lists[0], lists[1]);
	expect(chain, n, NULL, "it is on none");
	use_lists(ca, lists[0], lists[2]);
	expect(chain, n, "revoked", "it is revoked");
	use_ca(ca, NULL);
	for (i = 0; i < nitems(lists); i++)
		X509_CRL_free(lists[i]);
	X509_free(cert);
}

static void
test_files(void)
{
	static const char *const bad[] = { "", "nonsense",
	    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" };
	char name[ACCOUNT_MAX + 1], why[CLIENT_CERT_WHY_MAX];
	uint8_t chain[8192];
	const char *said;
	X509 *cert = make_leaf(&wishes[0]);
	size_t i;

	for (i = 0; i < nitems(bad); i++)
		ok(client_ca_new(bad[i], &said) == NULL && said != NULL,
		    "no CA: %s", said);
	client_ca_use(NULL);
	ok(!client_cert_name(chain, der(cert, chain), RIG_WALL_MS, name, why),
	    "nobody is believed: %s", why);
	use_ca(ca, NULL);
	X509_free(cert);
}

/* --- logins --------------------------------------------------------------------- */

static enum accounts_result
put_device(struct account *a, void *arg)
{
	return account_add_device(a, arg) ? ACCOUNTS_OK : ACCOUNTS_REFUSED;
}

/* One whose time is over, named in a certificate that the CA has made. */
static void
test_device(void)
{
	const struct wish phone = { "a device", "email:bob@example.org/phone",
	    FOR_CLIENTS, -1, 1, 0, 0, NULL, NULL };
	struct device d = { .label = "phone", .expires_ms = 1 };
	X509 *cert = make_leaf(&phone);
	uint8_t chain[8192];

	verifier_make(&d.verifier, RIG_PASSWORD, strlen(RIG_PASSWORD),
	    VERIFIER_ITERATIONS_MIN);
	is_int(accounts_change(rig_accounts, "bob@example.org", put_device,
	    &d), ACCOUNTS_OK, "bob has a device");
	rig_certs = chain;
	rig_certs_len = der(cert, chain);
	is_int(rig_begin(900, "EXTERNAL", "", 0)->no, AUTH_NO_CREDENTIALS,
	    "which no certificate stands for");
	X509_free(cert);
}

/* What passwords were guessed does not lock out who shows a certificate. */
static void
test_locked_name(void)
{
	struct auth_conf conf = { .lock_after = 1, .lock_sec = 900 };
	X509 *cert = make_leaf(&wishes[0]);
	uint8_t chain[8192];

	watch_conf(&conf);
	rig_certs = chain;
	rig_certs_len = der(cert, chain);
	rig_peer = "198.51.100.1";
	(void)rig_begin(901, "PLAIN", "\0bob@example.org\0wrong horse", 28);
	rig_peer = "203.0.113.1";
	is_int(rig_begin(902, "PLAIN", "\0bob@example.org\0correct horse",
	    30)->no, AUTH_NO_LOCKED, "bob's password is locked out");
	ok(rig_begin(903, "EXTERNAL", "", 0)->type == M_AUTH_OK,
	    "his certificate is not");
	rig_peer = "203.0.114.1";
	ok(rig_begin(904, "EXTERNAL", NULL, 0)->type == M_AUTH_CHALLENGE &&
	    rig_step(904, "", 0)->type == M_AUTH_OK,
	    "nor without an initial response");
	rig_peer = "198.51.100.1";
	is_int(rig_begin(905, "PLAIN", "\0carol@example.org\0correct horse",
	    32)->no, AUTH_NO_LOCKED, "the network that guessed is locked");
	ok(rig_begin(906, "EXTERNAL", "", 0)->type == M_AUTH_OK,
	    "for passwords: a certificate gets in from there, too");
	rig_peer = "192.0.2.7";
	conf.lock_after = 0;
	watch_conf(&conf);
	watch_unlock("bob@example.org");
	X509_free(cert);
}

static void
test_logins(void)
{
	static const struct {
		const char *what;
		size_t wish;
		const char *authzid;
		size_t n;
		int no;			/* -1: in */
	} rows[] = {
		{ "no authzid", 0, "", 0, -1 },
		{ "his own", 0, "bob@example.org", 15, -1 },
		{ "his own, in capitals", 0, "Bob@Example.ORG", 15, -1 },
		{ "another's", 0, "eve@example.org", 15, AUTH_NO_CREDENTIALS },
		{ "with a NUL", 0, "bob@example.org\0", 16, AUTH_NO_SYNTAX },
		{ "expired", 3, "", 0, AUTH_NO_CREDENTIALS },
		{ "another CA", 5, "", 0, AUTH_NO_CREDENTIALS },
		{ "another CA, named", 5, "bob@example.org", 15,
		    AUTH_NO_CREDENTIALS },
	};
	const struct wish nobody = { "nobody", "email:nobody@example.org",
	    FOR_CLIENTS, -1, 1, 0, 0, NULL, NULL };
	const struct rig_reply *r;
	uint8_t chain[8192];
	uint64_t id = 1;
	X509 *cert;
	size_t i;

	rig_certs = chain;
	for (i = 0; i < nitems(rows); i++) {
		cert = make_leaf(&wishes[rows[i].wish]);
		rig_certs_len = der(cert, chain);
		r = rig_begin(++id, "EXTERNAL", rows[i].authzid, rows[i].n);
		if (rows[i].no == -1)
			ok(r->type == M_AUTH_OK && strcmp(r->ticket.account,
			    "bob@example.org") == 0, "%s: in", rows[i].what);
		else
			ok(r->type == M_AUTH_NO && r->no == rows[i].no,
			    "%s: %d (type %u)", rows[i].what, r->no, r->type);
		X509_free(cert);
	}
	cert = make_leaf(&wishes[0]);
	rig_certs_len = der(cert, chain);
	ok(rig_begin(++id, "EXTERNAL", NULL, 0)->type == M_AUTH_CHALLENGE &&
	    rig_step(id, "", 0)->type == M_AUTH_OK, "without an initial one");
	X509_free(cert);
	cert = make_leaf(&nobody);
	rig_certs_len = der(cert, chain);
	ok(rig_begin(++id, "EXTERNAL", "", 0)->no == AUTH_NO_CREDENTIALS,
	    "whoever has no account");
	X509_free(cert);
	rig_certs_len = 0;
	ok(rig_begin(++id, "EXTERNAL", "bob@example.org", 15)->no ==
	    AUTH_NO_CREDENTIALS, "nor without a certificate");
	rig_certs = (const uint8_t *)"nonsense";
	rig_certs_len = 8;
	ok(rig_begin(++id, "EXTERNAL", "", 0)->no == AUTH_NO_CREDENTIALS,
	    "nor with nonsense");
}

/* What an admin has pinned needs no CA, and goes before what it says. */
static void
test_pins(void)
{
	static const struct {
		size_t wish;
		int no;
	} rows[] = {
		{ 0, -1 }, { 3, AUTH_NO_CREDENTIALS }, { 4, AUTH_NO_CREDENTIALS },
		{ 5, -1 }, { 6, -1 }, { 7, AUTH_NO_CREDENTIALS }, { 10, -1 },
	};
	char pin[CLIENT_CERT_PIN_LEN + 1], again[CLIENT_CERT_PIN_LEN + 1],
	    why[CLIENT_CERT_WHY_MAX], name[ACCOUNT_MAX + 1] = "carol";
	const struct rig_reply *r;
	uint8_t chain[8192];
	uint64_t id = 1000;
	X509 *cert;
	size_t i, n;

	rig_add("carol", NULL);
	cert = make_leaf(&wishes[6]);
	n = der(cert, chain);
	ok(client_cert_pin(chain, n, RIG_WALL_MS, pin, why) && strlen(pin) ==
	    CLIENT_CERT_PIN_LEN, "a pin: %s", pin);
	X509_free(cert);
	cert = make_leaf(&wishes[5]);
	ok(client_cert_pin(chain, der(cert, chain), RIG_WALL_MS, again, why) &&
	    strcmp(pin, again) == 0, "it is the key's, whoever has signed");
	X509_free(cert);
	ok(!client_cert_pin(chain, 5, RIG_WALL_MS, again, why) &&
	    *again == '\0', "nonsense has none: %s", why);

	is_int(pins_find(rig_records(), pin, name), ACCOUNTS_NONE, "nobody's");
	snprintf(name, sizeof(name), "nobody");
	is_int(accounts_add_pin(rig_accounts, pin, name), ACCOUNTS_NONE,
	    "no such account");
	snprintf(name, sizeof(name), "carol");
	is_int(accounts_add_pin(rig_accounts, pin, name), ACCOUNTS_OK,
	    "carol's");
	snprintf(name, sizeof(name), "bob@example.org");
	ok(accounts_add_pin(rig_accounts, pin, name) == ACCOUNTS_EXISTS &&
	    strcmp(name, "carol") == 0, "not bob's as well");
	rig_certs = chain;
	for (i = 0; i < nitems(rows); i++) {
		cert = make_leaf(&wishes[rows[i].wish]);
		rig_certs_len = der(cert, chain);
		r = rig_begin(++id, "EXTERNAL", "", 0);
		if (rows[i].no == -1)
			ok(r->type == M_AUTH_OK && strcmp(r->ticket.account,
			    "carol") == 0, "%s, pinned: in",
			    wishes[rows[i].wish].what);
		else
			ok(r->type == M_AUTH_NO && r->no == rows[i].no,
			    "%s, pinned: no", wishes[rows[i].wish].what);
		X509_free(cert);
	}
	is_int(pins_drop(rig_records(), pin, "bob@example.org"),
	    ACCOUNTS_NONE, "bob has none to lose");
	*again = '\0';
	ok(pins_next(rig_records(), again, name) == ACCOUNTS_OK &&
	    strcmp(again, pin) == 0 && strcmp(name, "carol") == 0, "listed");
	is_int(pins_next(rig_records(), again, name), ACCOUNTS_NONE,
	    "the only one");
	is_int(accounts_remove(rig_accounts, "carol"), ACCOUNTS_OK, "removed");
	is_int(pins_find(rig_records(), pin, name), ACCOUNTS_NONE,
	    "and her pins with her");
}

int
main(void)
{
	ca_key = pair_key("P-256");
	other_key = pair_key("P-256");
	leaf_key = pair_key("P-256");
	middle_key = pair_key("P-256");
	ca = make_ca(ca_key, "our CA", NULL, ca_key);
	other = make_ca(other_key, "their CA", NULL, other_key);
	middle = make_ca(middle_key, "between", ca, ca_key);
	use_ca(ca, NULL);
	test_table();
	test_hidden();
	test_chains();
	test_crl();
	test_crl_between();
	test_files();
	rig_start(1);
	rig_offer("EXTERNAL");
	ok(sasl_login_has("EXTERNAL"), "libsasl2 has it");
	rig_add("bob@example.org", NULL);
	test_locked_name();
	test_logins();
	test_device();
	test_pins();
	rig_stop();
	client_ca_use(NULL);
	X509_free(ca);
	X509_free(other);
	X509_free(middle);
	EVP_PKEY_free(ca_key);
	EVP_PKEY_free(other_key);
	EVP_PKEY_free(leaf_key);
	EVP_PKEY_free(middle_key);
	return tap_done();
}
