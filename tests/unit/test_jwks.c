/* fetch/jwks: which keys count, and what they have signed. */
#include "lib/prelude.h"

#include "fetch/jwks.h"
#include "lib/xalloc.h"
#include "tests/tap.h"
#include "tests/unit/fetch_sign.h"
#include "tests/unit/fetch_vectors.h"

#define CLAIMS "{\"email\":\"alice@example.org\"}"

static EVP_PKEY *keys[JWT_ALGS], *others[JWT_ALGS];
static struct buf text, token;

/* --- sets ----------------------------------------------------------------------- */

#define EC_X "\"x\":\"XpPWlNaEHqhxn5_SueCd14_U4TTTj6TEKoiZ1W5dDRc\""

static const struct {
	const char *set;
	const char *why;
} sets[] = {
	{ "", "no JSON" },
	{ "{", "no JSON" },
	{ "null", "no JSON" },
	{ "[]", "no list" },
	{ "{}", "no list" },
	{ "{\"keys\":{}}", "no list" },
	{ "{\"keys\":null}", "no list" },
	{ "{\"keys\":[]}", "there is no key in it" },
	{ "{\"keys\":[],\"keys\":[]}", "equal names" },
	{ "{\"keys\":[7]}", "kty" },
	{ "{\"keys\":[null,[],\"x\"]}", "kty" },
	{ "{\"keys\":[{}]}", "kty" },
	{ "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"a\",\"k\":\"AAAA\"}]}",
	    "secret" },
	{ "{\"keys\":[{\"kty\":\"EC\",\"d\":\"AAAA\"}]}", "private" },
	{ "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}",
	    "less than 2048 bits" },
	{ "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\"}]}", "n or e" },
	{ "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"A+==\",\"e\":\"AQAB\"}]}",
	    "n or e" },
	{ "{\"keys\":[{\"kty\":\"RSA\",\"n\":7,\"e\":\"AQAB\"}]}", "n or e" },
	{ "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-521\"}]}", "crv" },
	{ "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"secp256k1\"}]}", "crv" },
	{ "{\"keys\":[{\"kty\":\"EC\"}]}", "crv" },
	{ "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\"," EC_X "}]}",
	    "no point" },
	{ "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\"," EC_X
	    ",\"y\":\"AAAA\"}]}", "no point" },
	/* on no curve, and on another one than it says */
	{ "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\"," EC_X ",\"y\":"
	    "\"q5UBJUJk8PsQyFTh2TLiGYJaDNDBzyGRJkDDUOtKEfM\"}]}", "no point" },
	{ "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-384\"," EC_X ",\"y\":"
	    "\"q5UBJUJk8PsQyFTh2TLiGYJaDNDBzyGRJkDDUOtKEfI\"}]}", "no point" },
	{ "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"AA\"}]}",
	    "not Ed25519" },
	{ "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed448\",\"x\":\"AA\"}]}",
	    "not Ed25519" },
	{ "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AA\"}]}",
	    "no Ed25519 key" },
};

static void
test_sets(void)
{
	char why[JWKS_WHY_MAX] = "";
	struct jwks *set;
	size_t i, n;

	for (i = 0; i < nitems(sets); i++) {
		set = jwks_parse(sets[i].set, strlen(sets[i].set), why);
		if (!ok(set == NULL && strstr(why, sets[i].why) != NULL,
		    "refused: %s", sets[i].set))
			printf("# %s\n", why);
		jwks_free(&set);
	}
	buf_reset(&text);
	buf_adds(&text, "{\"keys\":[{}");
	for (i = 0; i < JWKS_KEYS_MAX; i++)
		buf_adds(&text, ",{}");
	buf_adds(&text, "]}");
	ok(jwks_parse(buf_str(&text), text.len, why) == NULL &&
	    strstr(why, "more than 100") != NULL, "too many keys");
	text.max = 1 << 20;
	while (text.len <= JWKS_BYTES_MAX)
		buf_adds(&text, "                ");
	ok(jwks_parse(buf_str(&text), text.len, why) == NULL &&
	    strstr(why, "larger than") != NULL, "too large");
	set = jwks_parse(VECTOR_KEYS, strlen(VECTOR_KEYS), why);
	ok(set != NULL && jwks_count(set, &n) == 5 && n == 0 &&
	    *jwks_left_out(set) == '\0', "five good ones");
	jwks_free(&set);
}

/* Members beside a good EC key's own. */
static const struct {
	const char *more, *why;
} members[] = {
	{ "", NULL },
	{ ",\"use\":\"sig\"", NULL },
	{ ",\"alg\":\"ES256\"", NULL },
	{ ",\"key_ops\":[\"sign\",\"verify\"]", NULL },
	{ ",\"x5c\":[\"AAAA\"],\"unknown\":{}", NULL },
	{ ",\"use\":\"enc\"", "(use)" },
	{ ",\"use\":7", "(use)" },
	{ ",\"key_ops\":[\"sign\"]", "(key_ops)" },
	{ ",\"key_ops\":[]", "(key_ops)" },
	{ ",\"key_ops\":\"verify\"", "(key_ops)" },
	{ ",\"alg\":\"ES384\"", "(alg)" },
	{ ",\"alg\":\"RS256\"", "(alg)" },
	{ ",\"alg\":\"HS256\"", "(alg)" },
	{ ",\"alg\":\"ECDH-ES\"", "(alg)" },
	{ ",\"alg\":null", "(alg)" },
	{ ",\"d\":\"AAAA\"", "private" },
};

static void
test_members(void)
{
	char why[JWKS_WHY_MAX];
	struct jwks *set;
	size_t i;

	for (i = 0; i < nitems(members); i++) {
		buf_reset(&text);
		buf_adds(&text, "{\"keys\":[");
		sign_jwk(&text, keys[JWT_ES256], "k", members[i].more);
		buf_adds(&text, "]}");
		set = jwks_parse(buf_str(&text), text.len, why);
		if (!ok((set != NULL) == (members[i].why == NULL) &&
		    (set != NULL || strstr(why, members[i].why) != NULL),
		    "a key with %s", *members[i].more == '\0' ? "no more" :
		    members[i].more + 1))
			printf("# %s\n", set == NULL ? why : "taken");
		jwks_free(&set);
	}
}

static struct jwks *
one(EVP_PKEY *key, const char *kid)
{
	char why[JWKS_WHY_MAX];
	struct jwks *set;

	buf_reset(&text);
	buf_adds(&text, "{\"keys\":[");
	sign_jwk(&text, key, kid, "");
	buf_adds(&text, "]}");
	set = jwks_parse(buf_str(&text), text.len, why);
	if (set == NULL)
		printf("# %s\n", why);
	return set;
}

static void
test_rsa_sizes(void)
{
	EVP_PKEY *small = EVP_RSA_gen(2040), *large = EVP_RSA_gen(2056);
	struct jwks *set;

	ok(one(small, "k") == NULL, "2040 bits are too few");
	ok((set = one(large, "k")) != NULL, "2056 bits are not");
	jwks_free(&set);
	EVP_PKEY_free(small);
	EVP_PKEY_free(large);
}

/* --- signatures -------------------------------------------------------------------- */

static enum jwks_answer
verify(const struct jwks *set, const char *t, struct verdict *v)
{
	enum jwks_answer r = JWKS_FORGED;
	struct jwt jwt;

	memset(v, 0, sizeof(*v));
	if (jwt_parse(t, strlen(t), &jwt, v) == -1)
		return JWKS_FORGED;
	r = jwks_verify(set, &jwt, v);
	jwt_clear(&jwt);
	return r;
}

static void
test_vectors(void)
{
	static const char *const vectors[] = { VECTOR_RS256, VECTOR_PS256,
	    VECTOR_ES256, VECTOR_ES384, VECTOR_EDDSA };
	char why[JWKS_WHY_MAX], *t;
	struct jwks *set = jwks_parse(VECTOR_KEYS, strlen(VECTOR_KEYS), why);
	struct verdict v;
	size_t i, at, bad = 0, n = 0;

	for (i = 0; i < nitems(vectors); i++) {
		is_int(verify(set, vectors[i], &v), JWKS_SIGNED,
		    "another implementation's %s", jwt_alg_name(
		    (enum jwt_alg)i));
		/* each character changed, one at a time, in every seventh */
		t = xstrdup(vectors[i]);
		for (at = 0; at < strlen(t); at += 7) {
			char was = t[at];

			t[at] = was == 'A' ? 'B' : 'A';
			n++;
			bad += verify(set, t, &v) != JWKS_SIGNED;
			t[at] = was;
		}
		free(t);
	}
	ok(n == bad && n > 300, "%zu changed ones are not taken", n);
	jwks_free(&set);
}

static const char *
header(const char *alg, const char *kid, const char *more)
{
	static char h[2048];

	snprintf(h, sizeof(h), "{\"alg\":\"%s\"%s%s%s%s}", alg,
	    kid == NULL ? "" : ",\"kid\":\"", kid == NULL ? "" : kid,
	    kid == NULL ? "" : "\"", more);
	return h;
}

static void
test_each(void)
{
	struct jwks *set;
	struct verdict v;
	int a, b;

	for (a = 0; a < JWT_ALGS; a++) {
		const char *alg = jwt_alg_name((enum jwt_alg)a);

		set = one(keys[a], "k");
		sign_token(&token, header(alg, "k", ""), CLAIMS, keys[a],
		    (enum jwt_alg)a);
		is_int(verify(set, buf_str(&token), &v), JWKS_SIGNED,
		    "%s with its kid", alg);
		sign_token(&token, header(alg, NULL, ""), CLAIMS, keys[a],
		    (enum jwt_alg)a);
		is_int(verify(set, buf_str(&token), &v), JWKS_SIGNED,
		    "%s without one", alg);
		sign_token(&token, header(alg, "other", ""), CLAIMS, keys[a],
		    (enum jwt_alg)a);
		ok(verify(set, buf_str(&token), &v) == JWKS_UNKNOWN &&
		    strstr(v.why, "kid='other'") != NULL,
		    "%s with another kid", alg);
		sign_token(&token, header(alg, "k", ""), CLAIMS, others[a],
		    (enum jwt_alg)a);
		ok(verify(set, buf_str(&token), &v) == JWKS_FORGED &&
		    strstr(v.why, "signature") != NULL,
		    "%s by somebody else's key", alg);
		/* signed by the right key, while the header says another alg */
		for (b = 0; b < JWT_ALGS; b++) {
			if (b == a)
				continue;
			sign_token(&token, header(jwt_alg_name(
			    (enum jwt_alg)b), "k", ""), CLAIMS, keys[a],
			    (enum jwt_alg)a);
			ok(verify(set, buf_str(&token), &v) != JWKS_SIGNED,
			    "%s that says %s", alg, jwt_alg_name(
			    (enum jwt_alg)b));
		}
		jwks_free(&set);
	}
}

/* The public key, as anybody has it, taken for the secret of an HMAC. */
static void
test_hmac(void)
{
	struct jwks *set = one(keys[JWT_RS256], "k");
	const char *h = header("HS256", "k", "");
	unsigned char mac[32];
	struct verdict v;

	buf_reset(&token);
	b64url(&token, h, strlen(h));
	buf_addc(&token, '.');
	b64url(&token, CLAIMS, strlen(CLAIMS));
	HMAC(EVP_sha256(), text.data, (int)text.len, token.data, token.len,
	    mac, NULL);
	buf_addc(&token, '.');
	b64url(&token, mac, sizeof(mac));
	ok(verify(set, buf_str(&token), &v) == JWKS_FORGED &&
	    strstr(v.why, "HS256") != NULL, "a public key as a secret");
	jwks_free(&set);
}

/* A token that brings its own key, in each of the four ways. */
static void
test_embedded(void)
{
	struct jwks *set = one(keys[JWT_ES256], "k");
	struct buf jwk;
	struct verdict v;
	char more[1024];

	buf_init(&jwk, 1000);
	sign_jwk(&jwk, others[JWT_ES256], "k", "");
	snprintf(more, sizeof(more), ",\"jwk\":%s,\"jku\":\"https://x/y\","
	    "\"x5u\":\"https://x/y\",\"x5c\":[\"AAAA\"]", buf_str(&jwk));
	sign_token(&token, header("ES256", "k", more), CLAIMS,
	    others[JWT_ES256], JWT_ES256);
	is_int(verify(set, buf_str(&token), &v), JWKS_FORGED,
	    "a token's own key does not count");
	sign_token(&token, header("ES256", "k", more), CLAIMS,
	    keys[JWT_ES256], JWT_ES256);
	is_int(verify(set, buf_str(&token), &v), JWKS_SIGNED,
	    "nor is it looked at");
	buf_clear(&jwk);
	jwks_free(&set);
}

static void
with_signature(const struct jwks *set, const char *alg, const void *sig,
    size_t len, const char *name)
{
	const char *h = header(alg, "k", "");
	struct verdict v;

	buf_reset(&token);
	b64url(&token, h, strlen(h));
	buf_addc(&token, '.');
	b64url(&token, CLAIMS, strlen(CLAIMS));
	buf_addc(&token, '.');
	b64url(&token, sig, len);
	is_int(verify(set, buf_str(&token), &v), JWKS_FORGED, "%s: %s", alg,
	    name);
}

/* "Psychic" and other signatures that a careless verifier takes. */
static void
test_odd_signatures(void)
{
	static const unsigned char zeros[1024];
	unsigned char ones[96];
	struct jwks *set = one(keys[JWT_ES256], "k");
	struct verdict v;
	int a;

	memset(ones, 0xff, sizeof(ones));
	sign_token(&token, header("ES256", "k", ""), CLAIMS, keys[JWT_ES256],
	    JWT_ES256);
	buf_adds(&token, "AA");
	is_int(verify(set, buf_str(&token), &v), JWKS_FORGED,
	    "a good one and a byte more");
	with_signature(set, "ES256", zeros, 64, "r = s = 0");
	with_signature(set, "ES256", ones, 64, "r and s above the order");
	with_signature(set, "ES256", zeros, 63, "a byte short");
	with_signature(set, "ES256", zeros, 65, "a byte long");
	with_signature(set, "ES256", zeros, 96, "as long as ES384's");
	with_signature(set, "ES256", "\x30\x06\x02\x01\x00\x02\x01\x00", 8,
	    "in DER");
	jwks_free(&set);
	for (a = 0; a < JWT_ALGS; a++) {
		set = one(keys[a], "k");
		with_signature(set, jwt_alg_name((enum jwt_alg)a), zeros, 1,
		    "one byte");
		with_signature(set, jwt_alg_name((enum jwt_alg)a), zeros, 256,
		    "256 zeros");
		with_signature(set, jwt_alg_name((enum jwt_alg)a), zeros, 1024,
		    "1024 zeros");
		jwks_free(&set);
	}
}

/* RFC 7518 3.5: no other salt. */
static void
test_pss_salt(void)
{
	struct jwks *set = one(keys[JWT_PS256], "k");
	const char *h = header("PS256", "k", "");
	struct verdict v;

	buf_reset(&token);
	b64url(&token, h, strlen(h));
	buf_addc(&token, '.');
	b64url(&token, CLAIMS, strlen(CLAIMS));
	add_signature(&token, keys[JWT_PS256], JWT_PS256, 0);
	is_int(verify(set, buf_str(&token), &v), JWKS_FORGED,
	    "PS256 without salt");
	jwks_free(&set);
}

static void
test_choice(void)
{
	char why[JWKS_WHY_MAX];
	struct jwks *set;
	struct verdict v;

	buf_reset(&text);
	buf_adds(&text, "{\"keys\":[");
	sign_jwk(&text, keys[JWT_ES256], "a", "");
	buf_addc(&text, ',');
	sign_jwk(&text, others[JWT_ES256], "b", "");
	buf_addc(&text, ',');
	sign_jwk(&text, keys[JWT_EDDSA], "a", "");
	buf_addc(&text, ',');
	sign_jwk(&text, keys[JWT_ES384], "c", "");
	buf_addc(&text, ',');
	sign_jwk(&text, others[JWT_ES384], "c", "");
	buf_adds(&text, ",{\"kty\":\"oct\",\"kid\":\"d\",\"k\":\"AA\"}]}");
	set = jwks_parse(buf_str(&text), text.len, why);
	sign_token(&token, header("ES256", "b", ""), CLAIMS,
	    others[JWT_ES256], JWT_ES256);
	is_int(verify(set, buf_str(&token), &v), JWKS_SIGNED, "the named one");
	sign_token(&token, header("ES256", "a", ""), CLAIMS,
	    others[JWT_ES256], JWT_ES256);
	is_int(verify(set, buf_str(&token), &v), JWKS_FORGED,
	    "and no other one");
	sign_token(&token, header("EdDSA", "a", ""), CLAIMS, keys[JWT_EDDSA],
	    JWT_EDDSA);
	is_int(verify(set, buf_str(&token), &v), JWKS_SIGNED,
	    "equal names of different kinds");
	sign_token(&token, header("ES256", NULL, ""), CLAIMS, keys[JWT_ES256],
	    JWT_ES256);
	ok(verify(set, buf_str(&token), &v) == JWKS_FORGED &&
	    strstr(v.why, "names no key") != NULL, "no name, and two keys");
	sign_token(&token, header("ES384", "c", ""), CLAIMS, keys[JWT_ES384],
	    JWT_ES384);
	ok(verify(set, buf_str(&token), &v) == JWKS_FORGED &&
	    strstr(v.why, "more than one key") != NULL,
	    "two keys of one name and kind");
	sign_token(&token, header("RS256", NULL, ""), CLAIMS, keys[JWT_RS256],
	    JWT_RS256);
	is_int(verify(set, buf_str(&token), &v), JWKS_UNKNOWN,
	    "no key of that kind");
	sign_token(&token, header("ES256", "d", ""), CLAIMS, keys[JWT_ES256],
	    JWT_ES256);
	is_int(verify(set, buf_str(&token), &v), JWKS_UNKNOWN,
	    "one that was left out");
	jwks_free(&set);
}

int
main(void)
{
	int a;

	buf_init(&text, SIGN_TEXT_MAX);
	buf_init(&token, SIGN_TEXT_MAX);
	for (a = 0; a < JWT_ALGS; a++) {
		keys[a] = sign_key((enum jwt_alg)a);
		others[a] = sign_key((enum jwt_alg)a);
	}
	test_sets();
	test_members();
	test_rsa_sizes();
	test_vectors();
	test_each();
	test_hmac();
	test_embedded();
	test_odd_signatures();
	test_pss_salt();
	test_choice();
	for (a = 0; a < JWT_ALGS; a++) {
		EVP_PKEY_free(keys[a]);
		EVP_PKEY_free(others[a]);
	}
	buf_clear(&text);
	buf_clear(&token);
	return tap_done();
}
