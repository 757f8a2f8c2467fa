/* keys/keyring, keys/request: which keys are taken and which bytes are signed. */
#include "lib/prelude.h"

#include "keys/keyring.h"
#include "keys/request.h"
#include "lib/log.h"
#include "lib/xalloc.h"
#include "tests/tap.h"
#include "tests/unit/tls_pairs.h"

enum { P256, P384, RSA_KEY, ED, TYPES };

static const char *const type_names[TYPES] = { "P-256", "P-384", "RSA",
    "ED25519" };
static EVP_PKEY *keys[TYPES];
static struct keyring *ring;
static bool at_cert;		/* keyring_new()'s */

/* --- loading ------------------------------------------------------------------------ */

/* What keyring_new() says about one file; "" when it is taken. */
static const char *
load_one(const char *pem, const char *chain)
{
	static char said[512];
	struct conf_key key = { .file = (char *)(uintptr_t)"k.pem",
	    .cert_file = (char *)(uintptr_t)"c.pem" };
	struct keys_conf conf = { .keys = { &key, 1 } };
	struct keyring *r;
	const char *why = "";
	size_t i;

	key.pem.n = strlen(pem);
	key.pem.v = calloc(1, key.pem.n + 1);
	memcpy(key.pem.v, pem, key.pem.n);
	key.chain_pem = (char *)(uintptr_t)chain;
	r = keyring_new(&conf, &why, &at_cert);
	for (i = 0; i < key.pem.n && key.pem.v[i] == 0; i++)
		;
	ok(i == key.pem.n, "the PEM is wiped");
	ok((r == NULL) == (*why != '\0'), "a ring or a reason");
	snprintf(said, sizeof(said), "%s", why);
	keyring_free(&r);
	free(key.pem.v);
	return said;
}

static void
test_loading(void)
{
	EVP_PKEY *small = pair_key("RSA1024"), *p521 = pair_key("P-521"),
	    *x = pair_key("X25519"), *k1 = pair_key("secp256k1");
	X509 *cert = pair_cert(keys[P256]), *other = pair_cert(keys[RSA_KEY]);
	char *plain = pair_pem(keys[P256], NULL, NULL);
	char *crypted = pair_pem(keys[P256], NULL, "secret words");
	char *chain = pair_pem(NULL, cert, NULL);
	char *wrong = pair_pem(NULL, other, NULL);
	char *p[] = { pair_pem(small, NULL, NULL), pair_pem(p521, NULL, NULL),
	    pair_pem(x, NULL, NULL), pair_pem(k1, NULL, NULL) };
	char *cut = strndup(plain, strlen(plain) / 2);
	struct {
		const char *name, *pem, *chain, *want;
	} rows[] = {
		{ "a key alone", plain, NULL, "" },
		{ "a key and its certificate", plain, chain, "" },
		{ "another's certificate", plain, wrong, "does not belong" },
		{ "no certificate", plain, "nonsense",
		    "certificate c.pem holds no certificate in PEM form" },
		{ "swapped", plain, plain, "certificate c.pem holds a private "
		    "key and no certificate" },
		{ "a certificate cut off", plain, "-----BEGIN CERTIFICATE-----"
		    "\nMII", "certificate c.pem is damaged" },
		{ "encrypted", crypted, NULL, "is encrypted" },
		{ "empty", "", NULL, "is empty" },
		{ "a certificate", chain, NULL, "holds a certificate" },
		{ "nonsense", "hello\n", NULL, "no private key in PEM" },
		{ "cut off", cut, NULL, "is damaged" },
		{ "RSA 1024", p[0], NULL, "wrong size" },
		{ "P-521", p[1], NULL, "of a type that is not used" },
		{ "X25519", p[2], NULL, "of a type that is not used" },
		{ "secp256k1", p[3], NULL, "of a type that is not used" },
	};
	size_t i;

	for (i = 0; i < nitems(rows); i++) {
		const char *said = load_one(rows[i].pem, rows[i].chain);

		ok(*rows[i].want == '\0' ? *said == '\0' :
		    strstr(said, rows[i].want) != NULL &&
		    strncmp(said, at_cert ? "certificate c.pem " : "key k.pem ",
		    10) == 0 && at_cert == (strncmp(rows[i].want, "cert", 4) ==
		    0), "%s: %s", rows[i].name, said);
	}
	for (i = 0; i < nitems(p); i++)
		free(p[i]);
	free(plain), free(crypted), free(chain), free(wrong), free(cut);
	X509_free(cert), X509_free(other);
	EVP_PKEY_free(small), EVP_PKEY_free(p521), EVP_PKEY_free(x);
	EVP_PKEY_free(k1);
}

/* --- what is signed -------------------------------------------------------------------- */

struct bytes {
	uint8_t	 v[512];
	size_t	 n;
};

static void
add(struct bytes *b, const void *p, size_t n)
{
	memcpy(b->v + b->n, p, n);
	b->n += n;
}

static void
fill(struct bytes *b, uint8_t c, size_t n)
{
	memset(b->v + b->n, c, n);
	b->n += n;
}

/* A CertificateVerify's content with that context and hash length. */
static struct bytes
tls13(const char *context, size_t hash)
{
	struct bytes b = { .n = 0 };

	fill(&b, 0x20, 64);
	add(&b, context, strlen(context) + 1);
	fill(&b, 0xab, hash);
	return b;
}

static struct bytes
tls12(uint8_t curve_type, uint16_t group, uint8_t said, size_t len)
{
	struct bytes b = { .n = 0 };
	uint8_t head[4] = { curve_type, (uint8_t)(group >> 8), (uint8_t)group,
	    said };

	fill(&b, 0x11, 32);
	fill(&b, 0x22, 32);
	add(&b, head, sizeof(head));
	fill(&b, 4, len);
	return b;
}

#define SERVER13 "TLS 1.3, server CertificateVerify"

/* The reason of a refusal, or "" for a signature that verifies. */
static const char *
try(uint32_t index, int as, const struct bytes *b)
{
	static char said[128];
	uint8_t sig[KEYRING_SIGNATURE_MAX];
	size_t len = 0;
	const char *why = keyring_sign(ring, index, (enum sign_as)as, b->v, b->n,
	    sig, &len);

	snprintf(said, sizeof(said), "%s", why == NULL ? "" : why);
	if (why == NULL && len == 0)
		snprintf(said, sizeof(said), "an empty signature");
	return said;
}

static void
test_schemes(void)
{
	/* Row: scheme; column: key; 3 with TLS 1.3 and 1.2, 2 with 1.2 alone. */
	static const int fits[SIGN_KINDS][TYPES] = {
		[SIGN_ECDSA_SHA256] = { 3, 2, 0, 0 },
		[SIGN_ECDSA_SHA384] = { 2, 3, 0, 0 },
		[SIGN_RSA_PSS_SHA256] = { 0, 0, 3, 0 },
		[SIGN_RSA_PSS_SHA384] = { 0, 0, 3, 0 },
		[SIGN_RSA_PSS_SHA512] = { 0, 0, 3, 0 },
		[SIGN_RSA_PKCS1_SHA256] = { 0, 0, 2, 0 },
		[SIGN_RSA_PKCS1_SHA384] = { 0, 0, 2, 0 },
		[SIGN_RSA_PKCS1_SHA512] = { 0, 0, 2, 0 },
		[SIGN_ED25519] = { 0, 0, 0, 3 },
	};
	struct bytes v13[2] = { tls13(SERVER13, 32), tls13(SERVER13, 48) };
	struct bytes v12[5] = { tls12(3, 23, 65, 65), tls12(3, 24, 97, 97),
	    tls12(3, 25, 133, 133), tls12(3, 29, 32, 32), tls12(3, 30, 56, 56) };
	int as, key;
	size_t i;

	for (as = 0; as < SIGN_KINDS; as++)
		for (key = 0; key < TYPES; key++) {
			for (i = 0; i < nitems(v13); i++)
				is_str(try((uint32_t)key, as, &v13[i]),
				    fits[as][key] & 1 ? "" :
				    "the scheme does not fit the key",
				    "TLS 1.3, scheme %d, %s", as,
				    type_names[key]);
			for (i = 0; i < nitems(v12); i++)
				is_str(try((uint32_t)key, as, &v12[i]),
				    fits[as][key] & 2 ? "" :
				    "the scheme does not fit the key",
				    "TLS 1.2, scheme %d, %s", as,
				    type_names[key]);
		}
}

#define REFUSED(b, name) do {						\
	struct bytes refused_b = (b);					\
	is_str(try(P256, SIGN_ECDSA_SHA256, &refused_b),		\
	    "not part of a TLS handshake", "refused: %s", name);	\
} while (0)

static void
test_forged(void)
{
	static const struct {
		const char *context;
		size_t hash;
	} contexts[] = {
		{ "TLS 1.3, client CertificateVerify", 32 },
		{ "TLS 1.3, server CertificateVerifY", 32 },
		{ "TLS 1.3, server CertificateVerif", 33 },
		{ "TLS 1.4, server CertificateVerify", 32 },
		{ "TLS 1.3,server CertificateVerify", 33 },
		{ "TLS 1.3, server CertificateVerify ", 31 },
		{ "QUIC 1.0, server CertificateVerify", 31 },
		{ "DTLS 1.3, server CertificateVerify", 31 },
		{ "Exported Authenticator", 43 },
		{ "", 65 },
		{ SERVER13, 0 }, { SERVER13, 1 }, { SERVER13, 16 },
		{ SERVER13, 20 }, { SERVER13, 28 }, { SERVER13, 31 },
		{ SERVER13, 33 }, { SERVER13, 47 }, { SERVER13, 49 },
		{ SERVER13, 64 }, { SERVER13, 128 },
	};
	static const struct {
		uint8_t type;
		uint16_t group;
		uint8_t said;
		size_t len;
		const char *name;
	} exchanges[] = {
		{ 1, 23, 65, 65, "explicit prime" },
		{ 2, 23, 65, 65, "explicit char2" },
		{ 0, 29, 32, 32, "curve type 0" },
		{ 4, 29, 32, 32, "curve type 4" },
		{ 3, 0, 32, 32, "group 0" },
		{ 3, 1, 43, 43, "sect163k1" },
		{ 3, 19, 49, 49, "secp192r1" },
		{ 3, 22, 65, 65, "secp256k1" },
		{ 3, 26, 65, 65, "brainpoolP256r1" },
		{ 3, 256, 255, 255, "ffdhe2048" },
		{ 3, 0x1d00, 32, 32, "group bytes swapped" },
		{ 3, 65535, 32, 32, "group 65535" },
		{ 3, 29, 32, 31, "x25519 cut" },
		{ 3, 29, 32, 33, "x25519 and a byte" },
		{ 3, 29, 31, 31, "x25519 short" },
		{ 3, 29, 33, 33, "x25519 long" },
		{ 3, 29, 65, 65, "x25519 with a point" },
		{ 3, 29, 0, 0, "x25519 empty" },
		{ 3, 23, 33, 33, "P-256 compressed" },
		{ 3, 23, 65, 64, "P-256 cut" },
		{ 3, 23, 65, 66, "P-256 and a byte" },
		{ 3, 23, 32, 32, "P-256 like x25519" },
		{ 3, 23, 97, 97, "P-256 like P-384" },
		{ 3, 24, 97, 96, "P-384 cut" },
		{ 3, 24, 97, 98, "P-384 and a byte" },
		{ 3, 24, 65, 65, "P-384 like P-256" },
		{ 3, 25, 132, 132, "P-521 short" },
		{ 3, 25, 133, 134, "P-521 and a byte" },
		{ 3, 30, 57, 57, "x448 long" },
		{ 3, 30, 56, 55, "x448 cut" },
		{ 3, 30, 255, 56, "x448 with another length" },
		{ 3, 29, 32, 300, "x25519 and much behind" },
	};
	struct bytes b, good = tls13(SERVER13, 32);
	size_t i;

	for (i = 0; i < nitems(contexts); i++)
		REFUSED(tls13(contexts[i].context, contexts[i].hash),
		    contexts[i].context);
	for (i = 0; i < nitems(exchanges); i++)
		REFUSED(tls12(exchanges[i].type, exchanges[i].group,
		    exchanges[i].said, exchanges[i].len), exchanges[i].name);
	for (i = 0; i < 64 + sizeof(SERVER13); i++) {
		b = good;
		b.v[i] ^= 1;
		if (request_kind_of(b.v, b.n) != REQUEST_NONE)
			break;
	}
	ok(i == 64 + sizeof(SERVER13), "each byte before the hash matters");
	for (i = 0; i < good.n; i++) {
		b = good;
		b.n = i;
		if (request_kind_of(b.v, b.n) != REQUEST_NONE)
			break;
	}
	ok(i == good.n, "TLS 1.3: every cut is refused");
	for (i = 0, good = tls12(3, 29, 32, 32); i < good.n; i++)
		if (request_kind_of(good.v, i) != REQUEST_NONE)
			break;
	ok(i == good.n, "TLS 1.2: every cut is refused");
	good = tls12(3, 23, 65, 65);
	good.v[68] = 3;
	REFUSED(good, "P-256 with a point that is not uncompressed");
}

static void
test_arbitrary(void)
{
	static const char *const texts[] = {
		"", "x", "hello", "-----BEGIN CERTIFICATE-----",
		"GET / HTTP/1.1 Host: a",
		"dkim-signature: v=1; a=ecdsa-sha256; d=example.org; b=",
		"eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhZG1pbiJ9",
	};
	struct bytes b = tls13(SERVER13, 32);
	size_t i;

	for (i = 0; i < nitems(texts); i++) {
		struct bytes t = { .n = 0 };

		add(&t, texts[i], strlen(texts[i]));
		REFUSED(t, texts[i]);
	}
	for (i = 0; i < 8; i++) {	/* a bare digest, as a naive signer takes */
		struct bytes t = { .n = 0 };

		fill(&t, (uint8_t)(i * 37), 16 << (i / 2));
		REFUSED(t, "a run of one byte");
	}
	is_str(try(TYPES, SIGN_ECDSA_SHA256, &b), "no such certificate",
	    "one past the last key");
	is_str(try(UINT32_MAX, SIGN_ECDSA_SHA256, &b), "no such certificate",
	    "the largest index");
	is_str(try(P256, SIGN_KINDS, &b), "no such signature scheme",
	    "one past the last scheme");
	is_str(try(P256, 255, &b), "no such signature scheme", "scheme 255");
}

/* What comes out is a signature of exactly these bytes under that key. */
static void
test_verifies(void)
{
	struct bytes b = tls13(SERVER13, 32);
	uint8_t sig[KEYRING_SIGNATURE_MAX];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t len;

	ok(keyring_sign(ring, P256, SIGN_ECDSA_SHA256, b.v, b.n, sig, &len) ==
	    NULL && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL,
	    keys[P256]) == 1 && EVP_DigestVerify(ctx, sig, len, b.v, b.n) == 1,
	    "the signature verifies");
	EVP_MD_CTX_free(ctx);
}

/* --- certificates --------------------------------------------------------------------- */

static char said[1024];

static void
keep(const char *line)
{
	snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s\n",
	    line);
}

static void
test_look(void)
{
	X509 *cert = pair_cert(keys[P256]);
	uint64_t now = (uint64_t)time(NULL) * 1000, day = 86400000;
	const struct {
		const char *name, *hostname, *want;
		uint64_t wall_ms;
	} cases[] = {
		{ "an hour is left", "relay.example.org",
		    "certificate c.pem expires on ", now },
		{ "long over", "relay.example.org", "expired on ",
		    now + 20 * day },
		{ "not begun", "relay.example.org", "is not valid before ",
		    now - day },
		{ "another name", "mail.example.net",
		    "does not name mail.example.net", now },
		{ "a part of the name", "example.org",
		    "does not name example.org", now },
		{ "three weeks are left", "relay.example.org", "",
		    now - 21 * day },
	};
	struct conf_key key = { .file = (char *)(uintptr_t)"k.pem",
	    .cert_file = (char *)(uintptr_t)"c.pem" };
	struct keys_conf conf = { .keys = { &key, 1 } };
	const char *why = NULL, *file;
	uint64_t from_ms, until_ms;
	struct keyring *r;
	size_t i;

	for (i = 0; i < nitems(cases); i++) {
		/* The last case looks from within a longer life. */
		if (*cases[i].want == '\0') {
			X509_gmtime_adj(X509_getm_notBefore(cert),
			    -30 * 86400);
			X509_sign(cert, keys[P256], EVP_sha256());
		}
		key.pem.v = (uint8_t *)pair_pem(keys[P256], NULL, NULL);
		key.pem.n = strlen((char *)key.pem.v);
		key.chain_pem = pair_pem(NULL, cert, NULL);
		r = keyring_new(&conf, &why, &at_cert);
		said[0] = '\0';
		keyring_look(r, cases[i].hostname, cases[i].wall_ms, keep);
		ok(*cases[i].want == '\0' ? *said == '\0' :
		    strstr(said, cases[i].want) != NULL, "%s: %.*s",
		    cases[i].name, (int)strcspn(said, "\n"), said);
		ok(keyring_cert(r, 0, &file, &from_ms, &until_ms) &&
		    strcmp(file, "c.pem") == 0 && from_ms <= now &&
		    until_ms > now && until_ms <= now + day &&
		    !keyring_cert(r, 1, &file, &from_ms, &until_ms),
		    "how long it is valid");
		keyring_free(&r);
		free(key.pem.v);
		free(key.chain_pem);
	}
	X509_free(cert);
}

/* Certificates of that order, by index, behind a key's own. */
static struct keyring *
ring_of(EVP_PKEY *key, X509 *const *chain, size_t n)
{
	struct conf_key k = { .file = (char *)(uintptr_t)"k.pem",
	    .cert_file = (char *)(uintptr_t)"c.pem" };
	struct keys_conf conf = { .keys = { &k, 1 } };
	char *pem = calloc(1, 1), *one, *more;
	const char *why = NULL;
	struct keyring *r;
	size_t i;

	for (i = 0; i < n; i++) {
		one = pair_pem(NULL, chain[i], NULL);
		more = xasprintf("%s%s", pem, one);
		free(one);
		free(pem);
		pem = more;
	}
	k.pem.v = (uint8_t *)pair_pem(key, NULL, NULL);
	k.pem.n = strlen((char *)k.pem.v);
	k.chain_pem = pem;
	r = keyring_new(&conf, &why, &at_cert);
	free(k.pem.v);
	free(pem);
	return r;
}

static X509 *
issued(const char *name, EVP_PKEY *key, const char *by, EVP_PKEY *by_key)
{
	X509 *cert = pair_cert(key);
	X509_NAME *n = X509_get_subject_name(cert);

	X509_NAME_add_entry_by_txt(n, "O", MBSTRING_ASC,
	    (const unsigned char *)name, -1, -1, 0);
	n = X509_NAME_new();
	X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_ASC,
	    (const unsigned char *)"relay.example.org", -1, -1, 0);
	X509_NAME_add_entry_by_txt(n, "O", MBSTRING_ASC,
	    (const unsigned char *)by, -1, -1, 0);
	X509_set_issuer_name(cert, n);
	X509_NAME_free(n);
	if (X509_sign(cert, by_key, EVP_sha256()) == 0)
		abort();
	return cert;
}

static void
test_order(void)
{
	X509 *leaf = issued("leaf", keys[P256], "between", keys[P384]);
	X509 *between = issued("between", keys[P384], "root", keys[RSA_KEY]);
	X509 *root = issued("root", keys[RSA_KEY], "root", keys[RSA_KEY]);
	X509 *other = issued("other", keys[RSA_KEY], "other", keys[RSA_KEY]);
	const struct {
		const char *name;
		X509 *chain[4];
		bool in_order;
	} rows[] = {
		{ "alone", { leaf }, true },
		{ "with its issuer", { leaf, between }, true },
		{ "and the root", { leaf, between, root }, true },
		{ "the root in front", { leaf, root, between }, false },
		{ "one is missing", { leaf, root }, false },
		{ "one is doubled", { leaf, between, between }, false },
		{ "one does not belong there", { leaf, between, other },
		    false },
		{ "and behind it all is well", { leaf, between, root, root },
		    true },
	};
	struct keyring *r;
	size_t i, n;

	for (i = 0; i < nitems(rows); i++) {
		for (n = 0; n < 4 && rows[i].chain[n] != NULL; n++)
			;
		r = ring_of(keys[P256], rows[i].chain, n);
		said[0] = '\0';
		if (r != NULL)
			keyring_look(r, "relay.example.org",
			    (uint64_t)time(NULL) * 1000, keep);
		ok(r != NULL && (strstr(said, "certificates in c.pem are not "
		    "in order") == NULL) == rows[i].in_order, "order: %s",
		    rows[i].name);
		keyring_free(&r);
	}
	ok(ring_of(keys[P256], &between, 1) == NULL,
	    "another's in front is refused");
	X509_free(leaf);
	X509_free(between);
	X509_free(root);
	X509_free(other);
}

/* What a reload may put in the place of what. */
static void
test_worse(void)
{
	uint64_t now = (uint64_t)time(NULL) * 1000, day = 86400000;
	X509 *certs[3];		/* valid, over, not begun */
	struct keyring *rings[3];
	const char *why;
	int i, k;

	for (i = 0; i < 3; i++) {
		certs[i] = pair_cert(keys[P256]);
		X509_time_adj_ex(X509_getm_notBefore(certs[i]), i == 1 ? -9 :
		    i == 2 ? 3 : -1, 0, NULL);
		X509_time_adj_ex(X509_getm_notAfter(certs[i]), i == 1 ? -3 :
		    9, 0, NULL);
		X509_sign(certs[i], keys[P256], EVP_sha256());
		rings[i] = ring_of(keys[P256], &certs[i], 1);
	}
	for (i = 0; i < 3; i++)
		for (k = 0; k < 3; k++) {
			why = keyring_worse(rings[i], rings[k], now);
			ok(i == 0 && k != 0 ? why != NULL && strstr(why, k == 1
			    ? "c.pem expired on" : "c.pem is not valid before")
			    != NULL : why == NULL, "%d for %d: %s", k, i,
			    why == NULL ? "taken" : why);
		}
	ok(keyring_worse(rings[0], rings[2], now + 4 * day) == NULL,
	    "its day has come");
	ok(keyring_worse(rings[0], rings[1], now + 10 * day) == NULL,
	    "the one in use is no better");
	for (i = 0; i < 3; i++) {
		keyring_free(&rings[i]);
		X509_free(certs[i]);
	}
}

int
main(void)
{
	struct conf_key conf_keys[TYPES];
	struct keys_conf conf = { .keys = { conf_keys, TYPES } };
	const char *why = NULL;
	int i;

	keyring_start();
	for (i = 0; i < TYPES; i++) {
		keys[i] = pair_key(type_names[i]);
		conf_keys[i] = (struct conf_key){ 0 };
		conf_keys[i].file = (char *)(uintptr_t)type_names[i];
		conf_keys[i].cert_file = conf_keys[i].file;
		conf_keys[i].pem.v = (uint8_t *)pair_pem(keys[i], NULL, NULL);
		conf_keys[i].pem.n = strlen((char *)conf_keys[i].pem.v);
	}
	ring = keyring_new(&conf, &why, &at_cert);
	ok(ring != NULL, "a ring of all types: %s", why == NULL ? "" : why);
	test_loading();
	test_schemes();
	test_forged();
	test_arbitrary();
	test_verifies();
	test_look();
	test_order();
	test_worse();
	keyring_free(&ring);
	for (i = 0; i < TYPES; i++) {
		EVP_PKEY_free(keys[i]);
		free(conf_keys[i].pem.v);
	}
	return tap_done();
}
