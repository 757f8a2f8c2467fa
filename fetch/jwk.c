/* One key (RFC 7517 4, RFC 7518 6, RFC 8037 2) and its signatures. */
#include "lib/prelude.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include "fetch/jwks_private.h"
#include "lib/base64.h"

#define RSA_BITS_MIN	2048	/* RFC 7518 3.3 */
#define RSA_BITS_MAX	8192	/* one signature costs half a millisecond */
#define RSA_E_BITS_MAX	32
#define COORDINATE_MAX	48	/* P-384 */
#define ED25519_LEN	32

/* --- reading a key -------------------------------------------------------------------- */

/* A member in base64url; -1: not there or none. */
static int
bytes(const json_t *j, const char *name, struct buf *out)
{
	const json_t *s = json_object_get(j, name);

	return json_is_string(s) && base64url_decode(json_string_value(s),
	    json_string_length(s), out) == 0 && out->len > 0 ? 0 : -1;
}

/* Takes what was built; NULL when OpenSSL does not like it. */
static EVP_PKEY *
from_params(const char *type, OSSL_PARAM_BLD *bld)
{
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *pkey = NULL;

	if (params == NULL || ctx == NULL ||
	    EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
		pkey = NULL;
	OSSL_PARAM_free(params);
	EVP_PKEY_CTX_free(ctx);
	return pkey;
}

static EVP_PKEY *
make_rsa(const BIGNUM *n, const BIGNUM *e)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY *pkey = NULL;

	if (bld != NULL && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N,
	    n) == 1 && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E,
	    e) == 1)
		pkey = from_params("RSA", bld);
	OSSL_PARAM_BLD_free(bld);
	return pkey;
}

static const char *
check_rsa(const BIGNUM *n, const BIGNUM *e)
{
	if (n == NULL || e == NULL)
		return "its n or e is missing, or not base64url";
	if (BN_num_bits(n) < RSA_BITS_MIN)
		return "it is an RSA key of less than 2048 bits";
	if (BN_num_bits(n) > RSA_BITS_MAX)
		return "it is an RSA key of more than 8192 bits";
	if (!BN_is_odd(n) || !BN_is_odd(e) || BN_is_one(e) ||
	    BN_num_bits(e) > RSA_E_BITS_MAX)
		return "it is an RSA key with a bad n or e";
	return NULL;
}

static BIGNUM *
number(const json_t *j, const char *name)
{
	struct buf b;
	BIGNUM *n = NULL;

	/* One byte more than may be, so that what is too large is told. */
	buf_init(&b, RSA_BITS_MAX / 8 + 1);
	if (bytes(j, name, &b) == 0)
		n = BN_bin2bn(b.data, (int)b.len, NULL);
	buf_clear(&b);
	return n;
}

static const char *
read_rsa(const json_t *j, struct jwk *key)
{
	BIGNUM *n = number(j, "n"), *e = number(j, "e");
	const char *why = check_rsa(n, e);

	if (why == NULL && (key->pkey = make_rsa(n, e)) == NULL)
		why = "it is no RSA key";
	key->algs = 1u << JWT_RS256 | 1u << JWT_PS256;
	BN_free(n);
	BN_free(e);
	return why;
}

static const struct curve {
	const char *crv, *group;
	size_t	 len;			/* of a coordinate, in bytes */
	enum jwt_alg alg;
} curves[] = {
	{ "P-256", "prime256v1", 32, JWT_ES256 },
	{ "P-384", "secp384r1", 48, JWT_ES384 },
};

/* OpenSSL sees to it that the point is on the curve. */
static EVP_PKEY *
make_ec(const struct curve *c, const struct buf *point)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY *pkey = NULL;

	if (bld != NULL && OSSL_PARAM_BLD_push_utf8_string(bld,
	    OSSL_PKEY_PARAM_GROUP_NAME, c->group, 0) == 1 &&
	    OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY,
	    point->data, point->len) == 1)
		pkey = from_params("EC", bld);
	OSSL_PARAM_BLD_free(bld);
	return pkey;
}

/* RFC 7518 6.2.1: x and y have the full length of the curve's numbers. */
static const char *
read_ec(const json_t *j, struct jwk *key)
{
	const char *crv = json_string_value(json_object_get(j, "crv"));
	struct buf point;
	size_t i;

	for (i = 0; crv != NULL && i < nitems(curves); i++)
		if (strcmp(curves[i].crv, crv) == 0)
			break;
	if (crv == NULL || i == nitems(curves))
		return "its curve (crv) is neither P-256 nor P-384";
	buf_init(&point, 1 + 2 * COORDINATE_MAX);
	buf_addc(&point, 4);		/* uncompressed: SEC 1, 2.3.3 */
	if (bytes(j, "x", &point) == 0 && point.len == 1 + curves[i].len &&
	    bytes(j, "y", &point) == 0 && point.len == 1 + 2 * curves[i].len)
		key->pkey = make_ec(&curves[i], &point);
	buf_clear(&point);
	key->algs = 1u << curves[i].alg;
	return key->pkey == NULL ? "its x and y are no point of its curve" :
	    NULL;
}

static const char *
read_okp(const json_t *j, struct jwk *key)
{
	const char *crv = json_string_value(json_object_get(j, "crv"));
	struct buf x;

	if (crv == NULL || strcmp(crv, "Ed25519") != 0)
		return "its curve (crv) is not Ed25519";
	buf_init(&x, ED25519_LEN);
	if (bytes(j, "x", &x) == 0 && x.len == ED25519_LEN)
		key->pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL,
		    x.data, x.len);
	buf_clear(&x);
	key->algs = 1u << JWT_EDDSA;
	return key->pkey == NULL ? "its x is no Ed25519 key" : NULL;
}

static const struct {
	const char *kty;
	const char *(*read)(const json_t *, struct jwk *);
} types[] = {
	{ "RSA", read_rsa },
	{ "EC", read_ec },
	{ "OKP", read_okp },
};

static bool
lists(const json_t *ops, const char *op)
{
	size_t i;

	for (i = 0; i < json_array_size(ops); i++) {
		const char *s = json_string_value(json_array_get(ops, i));

		if (s != NULL && strcmp(s, op) == 0)
			return true;
	}
	return false;
}

/* RFC 7517 4.2, 4.3: what the key is for, and what it may not show. */
static const char *
check_use(const json_t *j)
{
	const json_t *use = json_object_get(j, "use");
	const json_t *ops = json_object_get(j, "key_ops");

	if (json_object_get(j, "d") != NULL || json_object_get(j, "k") != NULL)
		return "it is a secret or private key; whoever reads the set "
		    "could sign with it";
	if (use != NULL && (!json_is_string(use) ||
	    strcmp(json_string_value(use), "sig") != 0))
		return "it is not for signatures (use)";
	if (ops != NULL && !lists(ops, "verify"))
		return "it is not for signatures (key_ops)";
	return NULL;
}

/* RFC 7517 4.4: a key may be for one algorithm alone. */
static const char *
restrict_alg(const json_t *j, struct jwk *key)
{
	const json_t *alg = json_object_get(j, "alg");
	int n;

	if (alg == NULL)
		return NULL;
	n = json_is_string(alg) ? jwt_alg(json_string_value(alg)) : -1;
	key->algs &= n == -1 ? 0 : 1u << n;
	return key->algs == 0 ? "its algorithm (alg) is not RS256, PS256, "
	    "ES256, ES384 or EdDSA, or does not fit its type" : NULL;
}

static const char *
read_kid(const json_t *j, struct jwk *key)
{
	const json_t *kid = json_object_get(j, "kid");

	if (kid == NULL)
		return NULL;
	if (!json_is_string(kid) || json_string_length(kid) > JWT_KID_MAX)
		return "its name (kid) is no string, or too long";
	key->has_kid = true;
	snprintf(key->kid, sizeof(key->kid), "%s", json_string_value(kid));
	return NULL;
}

const char *
jwk_read(const json_t *j, struct jwk *key)
{
	const char *kty = json_string_value(json_object_get(j, "kty"));
	const char *why;
	size_t i;

	memset(key, 0, sizeof(*key));
	for (i = 0; kty != NULL && i < nitems(types); i++)
		if (strcmp(types[i].kty, kty) == 0)
			break;
	if ((why = check_use(j)) != NULL)
		return why;
	if (kty == NULL || i == nitems(types))
		return "its type (kty) is not RSA, EC or OKP";
	if ((why = read_kid(j, key)) == NULL &&
	    (why = types[i].read(j, key)) == NULL)
		why = restrict_alg(j, key);
	if (why != NULL)
		jwk_clear(key);
	ERR_clear_error();
	return why;
}

void
jwk_clear(struct jwk *key)
{
	EVP_PKEY_free(key->pkey);
	memset(key, 0, sizeof(*key));
}

bool
jwk_does(const struct jwk *key, enum jwt_alg alg)
{
	return (key->algs & 1u << alg) != 0;
}

/* --- signatures ------------------------------------------------------------------------- */

/* RFC 7518 3.4: r and s side by side, each of full length; OpenSSL wants DER. */
static unsigned char *
to_der(const struct buf *raw, size_t len, size_t *der_len)
{
	ECDSA_SIG *sig = ECDSA_SIG_new();
	unsigned char *der = NULL;
	BIGNUM *r = NULL, *s = NULL;
	int n = -1;

	if (raw->len == 2 * len && sig != NULL) {
		r = BN_bin2bn(raw->data, (int)len, NULL);
		s = BN_bin2bn(raw->data + len, (int)len, NULL);
		if (r != NULL && s != NULL && ECDSA_SIG_set0(sig, r, s) == 1) {
			r = s = NULL;
			n = i2d_ECDSA_SIG(sig, &der);
		}
	}
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(sig);
	*der_len = n > 0 ? (size_t)n : 0;
	return n > 0 ? der : NULL;
}

static bool
verify(EVP_PKEY *pkey, const EVP_MD *md, bool pss, const struct jwt *jwt,
    const unsigned char *sig, size_t len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx;
	bool good;

	good = ctx != NULL &&
	    EVP_DigestVerifyInit(ctx, &pctx, md, NULL, pkey) == 1;
	/* RFC 7518 3.5: the salt is as long as the hash. */
	if (good && pss)
		good = EVP_PKEY_CTX_set_rsa_padding(pctx,
		    RSA_PKCS1_PSS_PADDING) == 1 &&
		    EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx,
		    RSA_PSS_SALTLEN_DIGEST) == 1;
	good = good && EVP_DigestVerify(ctx, sig, len,
	    (const unsigned char *)jwt->signed_text, jwt->signed_len) == 1;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return good;
}

static bool
verify_ec(const struct jwk *key, const EVP_MD *md, size_t len,
    const struct jwt *jwt)
{
	size_t der_len;
	unsigned char *der = to_der(&jwt->signature, len, &der_len);
	bool good = der != NULL && verify(key->pkey, md, false, jwt, der,
	    der_len);

	OPENSSL_free(der);
	return good;
}

bool
jwk_signed(const struct jwk *key, const struct jwt *jwt)
{
	const struct buf *sig = &jwt->signature;

	switch (jwt->alg) {
	case JWT_ES256:
		return verify_ec(key, EVP_sha256(), 32, jwt);
	case JWT_ES384:
		return verify_ec(key, EVP_sha384(), 48, jwt);
	case JWT_EDDSA:
		return verify(key->pkey, NULL, false, jwt, sig->data,
		    sig->len);
	default:
		return verify(key->pkey, EVP_sha256(), jwt->alg == JWT_PS256,
		    jwt, sig->data, sig->len);
	}
}
