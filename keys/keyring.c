#include "lib/prelude.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "keys/keyring.h"
#include "keys/request.h"
#include "lib/date.h"
#include "lib/log.h"
#include "lib/xalloc.h"

/* OpenSSL puts private numbers here: a few KB per RSA key. */
#define SECURE_HEAP	(1024 * 1024)
#define SECURE_HEAP_MIN	16
#define RSA_BITS_MIN	2048	/* what clients of today accept */
#define RSA_BITS_MAX	8192
#define EXPIRES_SOON_MS	(14ull * 24 * 3600 * 1000)

enum key_type { KEY_NONE, KEY_P256, KEY_P384, KEY_RSA, KEY_ED25519 };

struct one_key {
	EVP_PKEY *pkey;
	enum key_type type;
	char	*file, *cert_file;
	X509	*cert;		/* that belongs to it, or NULL */
	bool	 in_order;	/* each is followed by who has issued it */
};

struct keyring {
	struct one_key *keys;
	size_t	 n;
};

static char complaint[512];

void
keyring_start(void)
{
	if (CRYPTO_secure_malloc_init(SECURE_HEAP, SECURE_HEAP_MIN) != 1)
		log_warnx("keys=unlocked why=\"no locked memory to be had; "
		    "raise RLIMIT_MEMLOCK\"");
}

/* --- loading ---------------------------------------------------------------------- */

/* Nobody is here to be asked for a passphrase. */
static int
passphrase_cb(char *buf, int size, int rwflag, void *asked)
{
	*(bool *)asked = true;
	return -1;
}

static bool
mentions(const struct conf_bytes *pem, const char *words)
{
	return memmem(pem->v, pem->n, words, strlen(words)) != NULL;
}

static EVP_PKEY *
read_key(const struct conf_bytes *pem, const char **why)
{
	bool asked = false;
	EVP_PKEY *pkey = NULL;
	BIO *bio = NULL;

	if (pem->n > 0 && pem->n < INT_MAX)
		bio = BIO_new_mem_buf(pem->v, (int)pem->n);
	if (bio != NULL)
		pkey = PEM_read_bio_PrivateKey(bio, NULL, passphrase_cb, &asked);
	BIO_free(bio);
	ERR_clear_error();
	if (pkey == NULL)
		*why = asked ? "is encrypted; store it without a passphrase "
		    "(openssl pkey -in KEY -out PLAIN), readable by root alone" :
		    pem->n == 0 ? "is empty" :
		    mentions(pem, "PRIVATE KEY-----") ? "is damaged: the "
		    "private key in it cannot be read" :
		    mentions(pem, "BEGIN CERTIFICATE-----") ? "holds a "
		    "certificate and no private key; give the file with "
		    "BEGIN PRIVATE KEY" :
		    "holds no private key in PEM form (BEGIN PRIVATE KEY)";
	return pkey;
}

static enum key_type
type_of(const EVP_PKEY *pkey, const char **why)
{
	char group[32] = "";

	if (EVP_PKEY_is_a(pkey, "ED25519"))
		return KEY_ED25519;
	if (EVP_PKEY_is_a(pkey, "RSA")) {
		if (EVP_PKEY_get_bits(pkey) >= RSA_BITS_MIN &&
		    EVP_PKEY_get_bits(pkey) <= RSA_BITS_MAX)
			return KEY_RSA;
		*why = "is an RSA key of the wrong size; 2048 to 8192 bits "
		    "are taken";
		return KEY_NONE;
	}
	if (EVP_PKEY_is_a(pkey, "EC") &&
	    EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL) == 1) {
		if (strcmp(group, "prime256v1") == 0)
			return KEY_P256;
		if (strcmp(group, "secp384r1") == 0)
			return KEY_P384;
	}
	*why = "is of a type that is not used here; RSA, ECDSA with P-256 or "
	    "P-384, and Ed25519 are";
	return KEY_NONE;
}

/* RFC 5246 7.4.2 demands it, RFC 8446 4.4.2 lets clients forgive. */
static bool
chain_in_order(BIO *bio, X509 *leaf)
{
	X509 *one = leaf, *next;
	bool good = true;

	X509_up_ref(one);
	while (good && (next = PEM_read_bio_X509(bio, NULL, NULL, NULL)) !=
	    NULL) {
		good = X509_check_issued(next, one) == X509_V_OK;
		X509_free(one);
		one = next;
	}
	X509_free(one);
	return good;
}

/* smtpd reads it, too, and may be first to say so. */
static const char *
unreadable(const char *chain_pem)
{
	if (strstr(chain_pem, "BEGIN CERTIFICATE-----") != NULL)
		return "is damaged: the first certificate in it cannot be "
		    "read; put the whole file there again";
	return strstr(chain_pem, "PRIVATE KEY-----") != NULL ?
	    "holds a private key and no certificate; give the file with "
	    "BEGIN CERTIFICATE" : "holds no certificate in PEM form (BEGIN "
	    "CERTIFICATE); the server's own should be the first in it";
}

/* A pair that does not match would fail every handshake, and say so nowhere. */
static const char *
check_chain(struct one_key *key, const char *chain_pem, bool *unread)
{
	const char *why = NULL;
	BIO *bio;

	*unread = false;
	if (chain_pem == NULL || *chain_pem == '\0')
		return NULL;
	bio = BIO_new_mem_buf(chain_pem, -1);
	if (bio != NULL)
		key->cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	key->in_order = key->cert == NULL || chain_in_order(bio, key->cert);
	BIO_free(bio);
	*unread = key->cert == NULL;
	if (*unread)
		why = unreadable(chain_pem);
	else if (X509_check_private_key(key->cert, key->pkey) != 1)
		why = "does not belong to the certificate; the server's own "
		    "certificate must be the first in its file";
	ERR_clear_error();
	return why;
}

static const char *
load(struct one_key *key, const struct conf_key *conf, bool *cert)
{
	const char *why = NULL;

	*cert = false;
	key->file = xstrdup(conf->file);
	key->cert_file = xstrdup(conf->cert_file);
	key->pkey = read_key(&conf->pem, &why);
	if (key->pkey != NULL)
		key->type = type_of(key->pkey, &why);
	if (why == NULL)
		why = check_chain(key, conf->chain_pem, cert);
	if (conf->pem.n > 0)
		explicit_bzero(conf->pem.v, conf->pem.n);
	return why;
}

struct keyring *
keyring_new(const struct keys_conf *conf, const char **why, bool *cert)
{
	struct keyring *ring = xcalloc(1, sizeof(*ring));
	const char *bad = NULL;
	bool of_cert;
	size_t i;

	ring->n = conf->keys.n;
	ring->keys = xcalloc(ring->n == 0 ? 1 : ring->n, sizeof(*ring->keys));
	for (i = 0; i < ring->n; i++) {
		const struct conf_key *k = CONF_AT(conf->keys, struct conf_key, i);
		const char *now = load(&ring->keys[i], k, &of_cert);

		if (now == NULL || bad != NULL)
			continue;
		bad = now;
		*cert = of_cert;
		snprintf(complaint, sizeof(complaint), "%s %s %s", of_cert ?
		    "certificate" : "key", of_cert ? k->cert_file : k->file,
		    bad);
	}
	if (bad != NULL) {
		*why = complaint;
		keyring_free(&ring);
	}
	return ring;
}

void
keyring_free(struct keyring **ringp)
{
	struct keyring *ring = *ringp;
	size_t i;

	if (ring == NULL)
		return;
	*ringp = NULL;
	for (i = 0; i < ring->n; i++) {
		EVP_PKEY_free(ring->keys[i].pkey);
		X509_free(ring->keys[i].cert);
		free(ring->keys[i].file);
		free(ring->keys[i].cert_file);
	}
	free(ring->keys);
	free(ring);
}

/* --- certificates --------------------------------------------------------------------- */

/* In 1970's milliseconds; 0 when it cannot be read. */
static uint64_t
wall_ms_of(const ASN1_TIME *t)
{
	struct tm tm;
	time_t sec;

	if (ASN1_TIME_to_tm(t, &tm) != 1)
		return 0;
	sec = timegm(&tm);
	return sec < 0 ? 0 : (uint64_t)sec * 1000;
}

static void PRINTFLIKE(2, 3)
tell(void (*say)(const char *), const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	say(text);
}

static void
look_at(const struct one_key *key, const char *hostname, uint64_t wall_ms,
    void (*say)(const char *))
{
	uint64_t begin = wall_ms_of(X509_get0_notBefore(key->cert));
	uint64_t end = wall_ms_of(X509_get0_notAfter(key->cert));
	char when[DATE_LEN];

	if (begin > wall_ms)
		tell(say, "the certificate %s is not valid before %s; is "
		    "this machine's clock right?", key->cert_file,
		    date_rfc5322(begin, when));
	else if (end <= wall_ms)
		tell(say, "the certificate %s expired on %s: mail programs "
		    "refuse it; renew it, then posternctl reload", key->cert_file,
		    date_rfc5322(end, when));
	else if (end - wall_ms < EXPIRES_SOON_MS)
		tell(say, "the certificate %s expires on %s; renew it, "
		    "then posternctl reload", key->cert_file,
		    date_rfc5322(end, when));
	if (X509_check_host(key->cert, hostname, 0, 0, NULL) != 1)
		tell(say, "the certificate %s does not name %s; mail "
		    "programs that are set up with this name refuse it",
		    key->cert_file, hostname);
	if (!key->in_order)
		tell(say, "the certificates in %s are not in order, or some "
		    "do not belong there: the server's own should be followed "
		    "by who has issued it, and so on; some mail programs "
		    "refuse them as they are", key->cert_file);
}

void
keyring_look(const struct keyring *ring, const char *hostname,
    uint64_t wall_ms, void (*say)(const char *))
{
	size_t i;

	for (i = 0; i < ring->n; i++)
		if (ring->keys[i].cert != NULL)
			look_at(&ring->keys[i], hostname, wall_ms, say);
}

bool
keyring_cert(const struct keyring *ring, size_t i, const char **file,
    uint64_t *from_ms, uint64_t *until_ms)
{
	const struct one_key *key;

	if (i >= ring->n || ring->keys[i].cert == NULL)
		return false;
	key = &ring->keys[i];
	*file = key->cert_file;
	*from_ms = wall_ms_of(X509_get0_notBefore(key->cert));
	*until_ms = wall_ms_of(X509_get0_notAfter(key->cert));
	return true;
}

static bool
valid_at(const struct one_key *key, uint64_t wall_ms)
{
	return key->cert == NULL || (wall_ms_of(X509_get0_notBefore(key->cert))
	    <= wall_ms && wall_ms_of(X509_get0_notAfter(key->cert)) > wall_ms);
}

static const struct one_key *
invalid(const struct keyring *ring, uint64_t wall_ms)
{
	size_t i;

	for (i = 0; i < ring->n; i++)
		if (!valid_at(&ring->keys[i], wall_ms))
			return &ring->keys[i];
	return NULL;
}

const char *
keyring_worse(const struct keyring *ring, const struct keyring *next,
    uint64_t wall_ms)
{
	const struct one_key *bad = invalid(next, wall_ms);
	char when[DATE_LEN];
	uint64_t begin;

	if (bad == NULL || invalid(ring, wall_ms) != NULL)
		return NULL;
	begin = wall_ms_of(X509_get0_notBefore(bad->cert));
	snprintf(complaint, sizeof(complaint), "the certificate %s %s %s, and "
	    "the one in use is valid; put a valid one there, then reload",
	    bad->cert_file, begin > wall_ms ? "is not valid before" :
	    "expired on", date_rfc5322(begin > wall_ms ? begin :
	    wall_ms_of(X509_get0_notAfter(bad->cert)), when));
	return complaint;
}

/* --- signing ------------------------------------------------------------------------- */

enum { ON_P256 = 1, ON_P384 = 2, ON_RSA = 4, ON_ED25519 = 8 };

/* RFC 8446 4.2.3 ties a curve to each ECDSA scheme, TLS 1.2 does not. */
static const struct scheme {
	const char *digest;
	unsigned int tls13, tls12;	/* the keys it goes with */
	bool pss;
} schemes[SIGN_KINDS] = {
	[SIGN_ECDSA_SHA256] = { "SHA256", ON_P256, ON_P256 | ON_P384, false },
	[SIGN_ECDSA_SHA384] = { "SHA384", ON_P384, ON_P256 | ON_P384, false },
	[SIGN_RSA_PSS_SHA256] = { "SHA256", ON_RSA, ON_RSA, true },
	[SIGN_RSA_PSS_SHA384] = { "SHA384", ON_RSA, ON_RSA, true },
	[SIGN_RSA_PSS_SHA512] = { "SHA512", ON_RSA, ON_RSA, true },
	[SIGN_RSA_PKCS1_SHA256] = { "SHA256", 0, ON_RSA, false },
	[SIGN_RSA_PKCS1_SHA384] = { "SHA384", 0, ON_RSA, false },
	[SIGN_RSA_PKCS1_SHA512] = { "SHA512", 0, ON_RSA, false },
	[SIGN_ED25519] = { NULL, ON_ED25519, ON_ED25519, false },
};

static unsigned int
bit_of(enum key_type t)
{
	return t == KEY_P256 ? ON_P256 : t == KEY_P384 ? ON_P384 :
	    t == KEY_RSA ? ON_RSA : t == KEY_ED25519 ? ON_ED25519 : 0;
}

static bool
sign(const struct one_key *key, const struct scheme *s, const uint8_t *tbs,
    size_t n, uint8_t *sig, size_t *sig_len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx;
	bool made;

	*sig_len = KEYRING_SIGNATURE_MAX;
	made = ctx != NULL && EVP_DigestSignInit_ex(ctx, &pctx, s->digest, NULL,
	    NULL, key->pkey, NULL) == 1;
	if (made && s->pss)
		made = EVP_PKEY_CTX_set_rsa_padding(pctx,
		    RSA_PKCS1_PSS_PADDING) == 1 &&
		    EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx,
		    RSA_PSS_SALTLEN_DIGEST) == 1;
	made = made && EVP_DigestSign(ctx, sig, sig_len, tbs, n) == 1;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return made;
}

const char *
keyring_sign(const struct keyring *ring, uint32_t index, enum sign_as as,
    const uint8_t *tbs, size_t n, uint8_t sig[KEYRING_SIGNATURE_MAX],
    size_t *sig_len)
{
	enum request_kind kind = request_kind_of(tbs, n);
	unsigned int fitting;

	if (ring == NULL || index >= ring->n)
		return "no such certificate";
	if (as >= SIGN_KINDS)
		return "no such signature scheme";
	if (kind == REQUEST_NONE)
		return "not part of a TLS handshake";
	fitting = kind == REQUEST_TLS13_VERIFY ? schemes[as].tls13 :
	    schemes[as].tls12;
	if ((fitting & bit_of(ring->keys[index].type)) == 0)
		return "the scheme does not fit the key";
	if (!sign(&ring->keys[index], &schemes[as], tbs, n, sig, sig_len))
		return "signing failed";
	return NULL;
}
