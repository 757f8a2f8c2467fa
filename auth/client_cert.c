#include "lib/prelude.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <pthread.h>

#include "auth/client_cert.h"
#include "lib/ipc_msgs.h"
#include "lib/xalloc.h"

#define LEVEL	2		/* of OpenSSL: no SHA-1, no RSA below 2048 bits */
#define DEPTH	4
#define KEY_BITS 112		/* what that level asks of keys */

struct client_ca {
	X509_STORE *store;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static X509_STORE *in_use;	/* under lock */

/* --- the CA -------------------------------------------------------------------- */

/* What is in the file, certificates and CRLs, in any order. */
static const char *
fill(X509_STORE *store, const STACK_OF(X509_INFO) *infos)
{
	const X509_INFO *info;
	int i, certs = 0, crls = 0;

	for (i = 0; i < sk_X509_INFO_num(infos); i++) {
		info = sk_X509_INFO_value(infos, i);
		if ((info->x509 != NULL &&
		    X509_STORE_add_cert(store, info->x509) != 1) ||
		    (info->crl != NULL &&
		    X509_STORE_add_crl(store, info->crl) != 1))
			return "has something in it that OpenSSL does not take";
		certs += info->x509 != NULL;
		crls += info->crl != NULL;
	}
	if (certs == 0)
		return "holds no certificate; it wants those of the CA in PEM";
	/* A CA between may be on the list, too. */
	if (crls > 0 && X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK |
	    X509_V_FLAG_CRL_CHECK_ALL) != 1)
		return "cannot be used: out of memory";
	return NULL;
}

struct client_ca *
client_ca_new(const char *pem, const char **why)
{
	struct client_ca *ca = xcalloc(1, sizeof(*ca));
	BIO *bio = BIO_new_mem_buf(pem, -1);
	STACK_OF(X509_INFO) *infos = bio == NULL ? NULL :
	    PEM_X509_INFO_read_bio(bio, NULL, NULL, NULL);

	ca->store = X509_STORE_new();
	*why = infos == NULL || ca->store == NULL ? "is no PEM" :
	    fill(ca->store, infos);
	sk_X509_INFO_pop_free(infos, X509_INFO_free);
	BIO_free(bio);
	ERR_clear_error();
	if (*why != NULL)
		client_ca_free(&ca);
	return ca;
}

void
client_ca_free(struct client_ca **cap)
{
	struct client_ca *ca = *cap;

	if (ca == NULL)
		return;
	*cap = NULL;
	X509_STORE_free(ca->store);
	free(ca);
}

void
client_ca_use(struct client_ca *ca)
{
	X509_STORE *before;

	pthread_mutex_lock(&lock);
	before = in_use;
	in_use = ca == NULL ? NULL : ca->store;
	pthread_mutex_unlock(&lock);
	X509_STORE_free(before);	/* a thread that works with it has its own */
	free(ca);
}

/* Counted: a reload may come meanwhile. */
static X509_STORE *
get_store(void)
{
	X509_STORE *store;

	pthread_mutex_lock(&lock);
	store = in_use;
	if (store != NULL && X509_STORE_up_ref(store) != 1)
		store = NULL;
	pthread_mutex_unlock(&lock);
	return store;
}

/* --- the client's ---------------------------------------------------------------- */

/* NULL: it is no row of certificates. */
static STACK_OF(X509) *
parse(const uint8_t *p, size_t len)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	const uint8_t *end = p + len;
	X509 *cert;

	while (chain != NULL && p < end) {
		cert = sk_X509_num(chain) == CLIENT_CERTS_MAX ? NULL :
		    d2i_X509(NULL, &p, end - p);
		if (cert == NULL || sk_X509_push(chain, cert) == 0) {
			X509_free(cert);
			sk_X509_pop_free(chain, X509_free);
			return NULL;
		}
	}
	if (chain != NULL && sk_X509_num(chain) > 0)
		return chain;
	sk_X509_free(chain);
	return NULL;
}

static const char *
verify(X509_STORE *store, STACK_OF(X509) *chain, uint64_t now_ms)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_VERIFY_PARAM *param;
	const char *why = "out of memory";

	if (ctx != NULL && X509_STORE_CTX_init(ctx, store,
	    sk_X509_value(chain, 0), chain) == 1) {
		param = X509_STORE_CTX_get0_param(ctx);
		X509_VERIFY_PARAM_set_time(param, (time_t)(now_ms / 1000));
		X509_VERIFY_PARAM_set_auth_level(param, LEVEL);
		X509_VERIFY_PARAM_set_depth(param, DEPTH);
		why = X509_STORE_CTX_set_purpose(ctx,
		    X509_PURPOSE_SSL_CLIENT) == 1 && X509_verify_cert(ctx) == 1
		    ? NULL : X509_verify_cert_error_string(
		    X509_STORE_CTX_get_error(ctx));
	}
	X509_STORE_CTX_free(ctx);
	return why;
}

/* An address of printable ASCII: what hides a NUL is not read up to it. */
static bool
take(const ASN1_IA5STRING *s, char name[ACCOUNT_MAX + 1])
{
	const uint8_t *p = ASN1_STRING_get0_data(s);
	int i, n = ASN1_STRING_length(s);

	if (n < 1 || n > ACCOUNT_MAX)
		return false;
	for (i = 0; i < n; i++)
		if (p[i] <= ' ' || p[i] > '~')
			return false;
	memcpy(name, p, (size_t)n);
	name[n] = '\0';
	return true;
}

static const char *
find_name(X509 *cert, char name[ACCOUNT_MAX + 1])
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name,
	    NULL, NULL);
	const GENERAL_NAME *one;
	const char *why = NULL;
	int i, found = 0;

	for (i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		one = sk_GENERAL_NAME_value(names, i);
		if (one->type != GEN_EMAIL)
			continue;
		if (++found > 1)
			why = "the certificate names more than one address";
		else if (!take(one->d.rfc822Name, name))
			why = "the certificate names something that is no "
			    "address";
	}
	GENERAL_NAMES_free(names);
	return found == 0 ? "the certificate names no address "
	    "(subjectAltName, email)" : why;
}

bool
client_cert_name(const uint8_t *p, size_t len, uint64_t now_ms,
    char name[ACCOUNT_MAX + 1], char why[CLIENT_CERT_WHY_MAX])
{
	X509_STORE *store = get_store();
	STACK_OF(X509) *chain = parse(p, len);
	const char *bad = store == NULL ? "there is no client-ca-file" :
	    chain == NULL ? "the certificate cannot be read" :
	    verify(store, chain, now_ms);

	if (bad == NULL)
		bad = find_name(sk_X509_value(chain, 0), name);
	snprintf(why, CLIENT_CERT_WHY_MAX, "%s", bad == NULL ? "" : bad);
	if (bad != NULL)
		*name = '\0';
	sk_X509_pop_free(chain, X509_free);
	X509_STORE_free(store);
	ERR_clear_error();
	return bad == NULL;
}

/* --- pins ------------------------------------------------------------------------- */

/* Of the key alone: a renewed certificate of the same key is as good. */
static bool
hash_key(const X509 *cert, char pin[CLIENT_CERT_PIN_LEN + 1])
{
	uint8_t *der = NULL, hash[EVP_MAX_MD_SIZE];
	int i, n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
	bool made = n > 0 && EVP_Digest(der, (size_t)n, hash, NULL,
	    EVP_sha256(), NULL) == 1;

	OPENSSL_free(der);
	for (i = 0; made && i < CLIENT_CERT_PIN_LEN / 2; i++)
		snprintf(pin + 2 * i, 3, "%02x", hash[i]);
	return made;
}

/* NULL: it can be used by a TLS client now. */
static const char *
unfit(X509 *cert, uint64_t now_ms)
{
	time_t now = (time_t)(now_ms / 1000);
	const EVP_PKEY *key = X509_get0_pubkey(cert);

	if (X509_cmp_time(X509_get0_notBefore(cert), &now) >= 0)
		return "the certificate is not yet valid";
	if (X509_cmp_time(X509_get0_notAfter(cert), &now) <= 0)
		return "the certificate has expired";
	if (X509_check_purpose(cert, X509_PURPOSE_SSL_CLIENT, 0) != 1)
		return "the certificate is not for TLS clients";
	if (key == NULL || EVP_PKEY_get_security_bits(key) < KEY_BITS)
		return "the certificate's key is too weak";
	return NULL;
}

bool
client_cert_pin(const uint8_t *p, size_t len, uint64_t now_ms,
    char pin[CLIENT_CERT_PIN_LEN + 1], char why[CLIENT_CERT_WHY_MAX])
{
	STACK_OF(X509) *chain = parse(p, len);
	const char *bad = "the certificate cannot be read";

	*pin = '\0';
	if (chain != NULL && hash_key(sk_X509_value(chain, 0), pin))
		bad = unfit(sk_X509_value(chain, 0), now_ms);
	snprintf(why, CLIENT_CERT_WHY_MAX, "%s", bad == NULL ? "" : bad);
	sk_X509_pop_free(chain, X509_free);
	ERR_clear_error();
	return bad == NULL;
}
