/*
 * What OpenSSL asks of us during a handshake: is this the certificate's key
 * (import, match), what is it like (get_params), and a signature over the whole
 * content (digest_sign). Nothing is exported: with an export function OpenSSL
 * would carry the public half to its own provider and try to sign there.
 */
#include "lib/prelude.h"

#include <openssl/async.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <strings.h>

#include "lib/ipc_msgs.h"
#include "lib/xalloc.h"
#include "smtpd/keyprov.h"
#include "smtpd/signer.h"

/*
 * Handshakes that wait for keys at once; more stand in line (lib/stream). Each
 * has a stack of 32 KB, which is kept for the next.
 */
#define JOBS_MAX	16

/* Our own parameters of EVP_PKEY_fromdata(). */
#define PARAM_INDEX	"postern-index"
#define PARAM_PUBLIC	"postern-public"

struct key {
	EVP_PKEY *public;	/* in OpenSSL's own provider */
	uint32_t index;
};

struct signing {
	const struct key *key;
	char	 digest[16];
	bool	 pss;
};

static OSSL_LIB_CTX *libctx;
static OSSL_PROVIDER *theirs, *ours;
static bool jobs;

/* --- keys: their public half ----------------------------------------------------- */

static void *
key_new(void *provctx)
{
	return xcalloc(1, sizeof(struct key));
}

static void
key_free(void *arg)
{
	struct key *key = arg;

	if (key == NULL)
		return;
	EVP_PKEY_free(key->public);
	free(key);
}

static int
key_has(const void *arg, int selection)
{
	return ((const struct key *)arg)->public != NULL;
}

static int
key_match(const void *a, const void *b, int selection)
{
	const struct key *ka = a, *kb = b;

	return EVP_PKEY_eq(ka->public, kb->public) == 1;
}

/*
 * From keyprov_key(): index and public half. From OpenSSL, which brings the
 * certificate's key here to compare: the usual parameters.
 */
static int
import(struct key *key, const char *type, const OSSL_PARAM params[])
{
	const OSSL_PARAM *index = OSSL_PARAM_locate_const(params, PARAM_INDEX);
	const OSSL_PARAM *public = OSSL_PARAM_locate_const(params, PARAM_PUBLIC);
	const void *p;
	size_t len;
	EVP_PKEY_CTX *ctx;
	int r;

	if (index != NULL && public != NULL) {
		if (!OSSL_PARAM_get_uint32(index, &key->index) ||
		    !OSSL_PARAM_get_octet_ptr(public, &p, &len))
			return 0;
		key->public = (EVP_PKEY *)(uintptr_t)p;
		return EVP_PKEY_up_ref(key->public);
	}
	ctx = EVP_PKEY_CTX_new_from_name(libctx, type, "provider=default");
	r = ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1 &&
	    EVP_PKEY_fromdata(ctx, &key->public, EVP_PKEY_PUBLIC_KEY,
	    (OSSL_PARAM *)(uintptr_t)params) == 1;
	EVP_PKEY_CTX_free(ctx);
	return r;
}

static int
import_ec(void *key, int selection, const OSSL_PARAM params[])
{
	return import(key, "EC", params);
}

static int
import_rsa(void *key, int selection, const OSSL_PARAM params[])
{
	return import(key, "RSA", params);
}

static int
import_ed25519(void *key, int selection, const OSSL_PARAM params[])
{
	return import(key, "ED25519", params);
}

static const OSSL_PARAM *
import_types(int selection)
{
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0),
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
		OSSL_PARAM_uint32(PARAM_INDEX, NULL),
		OSSL_PARAM_octet_ptr(PARAM_PUBLIC, NULL, 0),
		OSSL_PARAM_END
	};

	return types;
}

static int
key_get_params(void *arg, OSSL_PARAM params[])
{
	return EVP_PKEY_get_params(((struct key *)arg)->public, params);
}

static const OSSL_PARAM *
key_gettable_params(void *provctx)
{
	static const OSSL_PARAM names[] = {
		OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
		OSSL_PARAM_END
	};

	return names;
}

static const char *
ec_operation(int operation)
{
	return operation == OSSL_OP_SIGNATURE ? "ECDSA" : NULL;
}

/* --- signatures --------------------------------------------------------------------- */

static void *
signing_new(void *provctx, const char *propq)
{
	return xcalloc(1, sizeof(struct signing));
}

static int
set_padding(struct signing *s, const OSSL_PARAM *p)
{
	const char *name;
	int mode;

	if (p->data_type == OSSL_PARAM_UTF8_STRING) {
		if (!OSSL_PARAM_get_utf8_string_ptr(p, &name))
			return 0;
		mode = strcmp(name, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0 ?
		    RSA_PKCS1_PSS_PADDING :
		    strcmp(name, OSSL_PKEY_RSA_PAD_MODE_PKCSV15) == 0 ?
		    RSA_PKCS1_PADDING : -1;
	} else if (!OSSL_PARAM_get_int(p, &mode))
		return 0;
	s->pss = mode == RSA_PKCS1_PSS_PADDING;
	return s->pss || mode == RSA_PKCS1_PADDING;
}

/* RFC 8446 4.2.3: the salt is as long as the digest; keys makes no other. */
static int
salt_fits(const OSSL_PARAM *p)
{
	const char *name;
	int len;

	if (p->data_type == OSSL_PARAM_UTF8_STRING)
		return OSSL_PARAM_get_utf8_string_ptr(p, &name) &&
		    strcmp(name, OSSL_PKEY_RSA_PSS_SALT_LEN_DIGEST) == 0;
	return OSSL_PARAM_get_int(p, &len) && len == RSA_PSS_SALTLEN_DIGEST;
}

static int
signing_set_params(void *arg, const OSSL_PARAM params[])
{
	const OSSL_PARAM *p;

	if (params == NULL)
		return 1;
	p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE);
	if (p != NULL && !set_padding(arg, p))
		return 0;
	p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PSS_SALTLEN);
	return p == NULL || salt_fits(p);
}

static const OSSL_PARAM *
signing_settable(void *arg, void *provctx)
{
	static const OSSL_PARAM names[] = {
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL,
		    0),
		OSSL_PARAM_END
	};

	return names;
}

static int
signing_init(void *arg, const char *digest, void *key, const OSSL_PARAM params[])
{
	struct signing *s = arg;

	s->key = key;
	snprintf(s->digest, sizeof(s->digest), "%s",
	    digest == NULL ? "" : digest);
	return signing_set_params(s, params);
}

/* The scheme by key, digest and padding; -1 when keys makes no such. */
static int
scheme(const struct signing *s)
{
	static const struct {
		const char *type, *digest;
		bool pss;
		enum sign_as as;
	} rows[] = {
		{ "EC", "SHA256", false, SIGN_ECDSA_SHA256 },
		{ "EC", "SHA384", false, SIGN_ECDSA_SHA384 },
		{ "RSA", "SHA256", true, SIGN_RSA_PSS_SHA256 },
		{ "RSA", "SHA384", true, SIGN_RSA_PSS_SHA384 },
		{ "RSA", "SHA512", true, SIGN_RSA_PSS_SHA512 },
		{ "RSA", "SHA256", false, SIGN_RSA_PKCS1_SHA256 },
		{ "RSA", "SHA384", false, SIGN_RSA_PKCS1_SHA384 },
		{ "RSA", "SHA512", false, SIGN_RSA_PKCS1_SHA512 },
		{ "ED25519", "", false, SIGN_ED25519 },
	};
	char plain[sizeof(s->digest)];
	size_t i, n = 0;

	for (i = 0; s->digest[i] != '\0'; i++)	/* "SHA2-256" is "SHA256" */
		if (s->digest[i] != '-' &&
		    !(s->digest[i] == '2' && s->digest[i + 1] == '-'))
			plain[n++] = s->digest[i];
	plain[n] = '\0';
	for (i = 0; i < nitems(rows); i++)
		if (EVP_PKEY_is_a(s->key->public, rows[i].type) &&
		    strcasecmp(plain, rows[i].digest) == 0 &&
		    rows[i].pss == s->pss)
			return (int)rows[i].as;
	return -1;
}

static int
signing_sign(void *arg, uint8_t *sig, size_t *sig_len, size_t sig_size,
    const uint8_t *tbs, size_t tbs_len)
{
	struct signing *s = arg;
	int as = scheme(s);

	if (as == -1)
		return signer_no("a scheme that keys does not know");
	if (sig == NULL) {
		*sig_len = (size_t)EVP_PKEY_get_size(s->key->public);
		return 1;
	}
	return signer_sign(s->key->index, (enum sign_as)as, tbs, tbs_len, sig, sig_len,
	    sig_size);
}

/* --- the provider ------------------------------------------------------------------------ */

#define FN(id, f) { OSSL_FUNC_##id, (void (*)(void))(f) }
#define KEYMGMT(import_fn)						\
	FN(KEYMGMT_NEW, key_new), FN(KEYMGMT_FREE, key_free),		\
	FN(KEYMGMT_HAS, key_has), FN(KEYMGMT_MATCH, key_match),		\
	FN(KEYMGMT_IMPORT, import_fn),					\
	FN(KEYMGMT_IMPORT_TYPES, import_types),				\
	FN(KEYMGMT_GET_PARAMS, key_get_params),				\
	FN(KEYMGMT_GETTABLE_PARAMS, key_gettable_params)

static const OSSL_DISPATCH ec_functions[] = {
	KEYMGMT(import_ec),
	FN(KEYMGMT_QUERY_OPERATION_NAME, ec_operation),
	{ 0, NULL }
};
static const OSSL_DISPATCH rsa_functions[] = { KEYMGMT(import_rsa), { 0, NULL } };
static const OSSL_DISPATCH ed25519_functions[] = {
	KEYMGMT(import_ed25519), { 0, NULL }
};
static const OSSL_DISPATCH sign_functions[] = {
	FN(SIGNATURE_NEWCTX, signing_new),
	FN(SIGNATURE_FREECTX, free),
	FN(SIGNATURE_DIGEST_SIGN_INIT, signing_init),
	FN(SIGNATURE_DIGEST_SIGN, signing_sign),
	FN(SIGNATURE_SET_CTX_PARAMS, signing_set_params),
	FN(SIGNATURE_SETTABLE_CTX_PARAMS, signing_settable),
	{ 0, NULL }
};

static const OSSL_ALGORITHM keymgmts[] = {
	{ "EC:id-ecPublicKey:1.2.840.10045.2.1", "provider=postern",
	    ec_functions, NULL },
	{ "RSA:rsaEncryption:1.2.840.113549.1.1.1", "provider=postern",
	    rsa_functions, NULL },
	{ "ED25519:1.3.101.112", "provider=postern", ed25519_functions, NULL },
	{ NULL, NULL, NULL, NULL }
};
static const OSSL_ALGORITHM signatures[] = {
	{ "ECDSA", "provider=postern", sign_functions, NULL },
	{ "RSA:rsaEncryption:1.2.840.113549.1.1.1", "provider=postern",
	    sign_functions, NULL },
	{ "ED25519:1.3.101.112", "provider=postern", sign_functions, NULL },
	{ NULL, NULL, NULL, NULL }
};

static const OSSL_ALGORITHM *
query(void *provctx, int operation, int *no_cache)
{
	*no_cache = 0;
	return operation == OSSL_OP_KEYMGMT ? keymgmts :
	    operation == OSSL_OP_SIGNATURE ? signatures : NULL;
}

static int
provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
    const OSSL_DISPATCH **out, void **provctx)
{
	static const OSSL_DISPATCH functions[] = {
		FN(PROVIDER_QUERY_OPERATION, query), { 0, NULL }
	};
	static char context;	/* OpenSSL wants one that is not NULL */

	*out = functions;
	*provctx = &context;
	return 1;
}

/* OpenSSL does not let go of built-in providers by itself. */
static void
unload(void)
{
	OSSL_PROVIDER_unload(ours);
	OSSL_PROVIDER_unload(theirs);
}

int
keyprov_init(OSSL_LIB_CTX *ctx)
{
	libctx = ctx;
	/* The first provider that knows a name wins: OpenSSL's, for all others. */
	theirs = OSSL_PROVIDER_load(ctx, "default");
	if (theirs == NULL ||
	    OSSL_PROVIDER_add_builtin(ctx, "postern", provider_init) != 1)
		return -1;
	ours = OSSL_PROVIDER_load(ctx, "postern");
	jobs = ASYNC_is_capable() && ASYNC_init_thread(JOBS_MAX, JOBS_MAX) == 1;
	return ours == NULL || atexit(unload) != 0 ? -1 : 0;
}

bool
keyprov_jobs(void)
{
	return jobs;
}

EVP_PKEY *
keyprov_key(uint32_t cert_index, X509 *cert)
{
	static const char *const types[] = { "EC", "RSA", "ED25519" };
	EVP_PKEY *public = X509_get0_pubkey(cert), *key = NULL;
	void *p = public;
	OSSL_PARAM params[] = {
		OSSL_PARAM_uint32(PARAM_INDEX, &cert_index),
		OSSL_PARAM_octet_ptr(PARAM_PUBLIC, &p, 0),
		OSSL_PARAM_END
	};
	EVP_PKEY_CTX *ctx = NULL;
	size_t i;

	for (i = 0; public != NULL && i < nitems(types) && ctx == NULL; i++)
		if (EVP_PKEY_is_a(public, types[i]))
			ctx = EVP_PKEY_CTX_new_from_name(libctx, types[i],
			    "provider=postern");
	if (ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1 &&
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(ctx);
	return key;
}
