/*
 * fetch_sign: a provider's other half, made with OpenSSL: private keys, the
 * public ones as JWK, and tokens signed in any way, honest or not.
 */
#ifndef TESTS_UNIT_FETCH_SIGN_H
#define TESTS_UNIT_FETCH_SIGN_H

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>

#include "fetch/jwt.h"
#include "lib/base64.h"
#include "lib/buf.h"

#define SIGN_TEXT_MAX	(64 * 1024)

__attribute__((unused)) static void
b64url(struct buf *out, const void *p, size_t n)
{
	struct buf b;
	size_t i;

	buf_init(&b, SIGN_TEXT_MAX);
	base64_encode(p, n, &b);
	for (i = 0; i < b.len && b.data[i] != '='; i++)
		buf_addc(out, b.data[i] == '+' ? '-' : b.data[i] == '/' ? '_' :
		    b.data[i]);
	buf_clear(&b);
}

__attribute__((unused)) static EVP_PKEY *
sign_key(enum jwt_alg alg)
{
	switch (alg) {
	case JWT_ES256:
		return EVP_EC_gen("P-256");
	case JWT_ES384:
		return EVP_EC_gen("P-384");
	case JWT_EDDSA:
		return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	default:
		return EVP_RSA_gen(2048);
	}
}

static void
add_number(struct buf *out, EVP_PKEY *key, const char *param,
    const char *member, int len)
{
	unsigned char bytes[1024];
	BIGNUM *n = NULL;

	EVP_PKEY_get_bn_param(key, param, &n);
	len = len > 0 ? BN_bn2binpad(n, bytes, len) : BN_bn2bin(n, bytes);
	BN_free(n);
	buf_addf(out, ",\"%s\":\"", member);
	b64url(out, bytes, (size_t)len);
	buf_addc(out, '"');
}

/* One key of a set; more is further members, ",\"use\":\"sig\"", or "". */
__attribute__((unused)) static void
sign_jwk(struct buf *out, EVP_PKEY *key, const char *kid, const char *more)
{
	unsigned char raw[32];
	size_t len = sizeof(raw);
	int n = (EVP_PKEY_get_bits(key) + 7) / 8;

	buf_addf(out, "{\"kid\":\"%s\"%s", kid, more);
	if (EVP_PKEY_is_a(key, "RSA")) {
		buf_adds(out, ",\"kty\":\"RSA\"");
		add_number(out, key, OSSL_PKEY_PARAM_RSA_N, "n", 0);
		add_number(out, key, OSSL_PKEY_PARAM_RSA_E, "e", 0);
	} else if (EVP_PKEY_is_a(key, "EC")) {
		buf_addf(out, ",\"kty\":\"EC\",\"crv\":\"P-%d\"", n * 8);
		add_number(out, key, OSSL_PKEY_PARAM_EC_PUB_X, "x", n);
		add_number(out, key, OSSL_PKEY_PARAM_EC_PUB_Y, "y", n);
	} else {
		EVP_PKEY_get_raw_public_key(key, raw, &len);
		buf_adds(out, ",\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"");
		b64url(out, raw, len);
		buf_addc(out, '"');
	}
	buf_addc(out, '}');
}

/* DER to r and s side by side. */
static void
add_ecdsa(struct buf *out, const unsigned char *der, size_t len, int half)
{
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)len);
	unsigned char raw[2 * 66];

	BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, half);
	BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + half, half);
	ECDSA_SIG_free(sig);
	b64url(out, raw, 2 * (size_t)half);
}

/* Signs as alg wants, whatever the header says. salt: of PSS. */
static void
add_signature(struct buf *token, EVP_PKEY *key, enum jwt_alg alg, int salt)
{
	const EVP_MD *md = alg == JWT_ES384 ? EVP_sha384() : EVP_sha256();
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx;
	unsigned char sig[1024];
	size_t len = sizeof(sig);

	EVP_DigestSignInit(ctx, &pctx, alg == JWT_EDDSA ? NULL : md, NULL,
	    key);
	if (alg == JWT_PS256) {
		EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING);
		EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, salt);
	}
	EVP_DigestSign(ctx, sig, &len, token->data, token->len);
	EVP_MD_CTX_free(ctx);
	buf_addc(token, '.');
	if (alg == JWT_ES256 || alg == JWT_ES384)
		add_ecdsa(token, sig, len, alg == JWT_ES256 ? 32 : 48);
	else
		b64url(token, sig, len);
}

__attribute__((unused)) static void
sign_token(struct buf *token, const char *header, const char *claims,
    EVP_PKEY *key, enum jwt_alg alg)
{
	buf_reset(token);
	b64url(token, header, strlen(header));
	buf_addc(token, '.');
	b64url(token, claims, strlen(claims));
	add_signature(token, key, alg, RSA_PSS_SALTLEN_DIGEST);
}

#endif
