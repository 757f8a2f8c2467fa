/* fetch/jwt: what a token may look like. RFC 8725's attacks. */
#include "lib/prelude.h"

#include "lib/xalloc.h"
#include "tests/tap.h"
#include "tests/unit/fetch_sign.h"
#include "tests/unit/fetch_vectors.h"

#define CLAIMS "{\"iss\":\"x\"}"

/* Header and claims in the clear; the signature is "sig". */
static const struct {
	const char *header, *claims;
	const char *why;		/* words of the refusal; NULL: taken */
} parts[] = {
	{ "{\"alg\":\"ES256\"}", CLAIMS, NULL },
	{ " { \"typ\":\"JWT\", \"alg\":\"RS256\" } ", " {} ", NULL },
	{ "{\"alg\":\"PS256\",\"typ\":\"at+jwt\"}", CLAIMS, NULL },
	{ "{\"alg\":\"ES384\",\"typ\":\"application/AT+JWT\"}", CLAIMS, NULL },
	{ "{\"alg\":\"EdDSA\",\"typ\":\"jwt\"}", CLAIMS, NULL },
	{ "{\"alg\":\"ES256\",\"kid\":\"\"}", CLAIMS, NULL },
	{ "{\"alg\":\"ES256\",\"kid\":\"../../etc/passwd\"}", CLAIMS, NULL },
	{ "{\"alg\":\"ES256\",\"kid\":\"' OR 1=1; --\"}", CLAIMS, NULL },
	/* keys that a token brings itself are passed over */
	{ "{\"alg\":\"ES256\",\"jku\":\"https://evil.example/k\"}", CLAIMS,
	    NULL },
	/* no signature at all, or a shared secret (RFC 8725 2.1) */
	{ "{\"alg\":\"none\"}", CLAIMS, "signed by 'none'" },
	{ "{\"alg\":\"None\"}", CLAIMS, "only RS256" },
	{ "{\"alg\":\"nOnE\"}", CLAIMS, "only RS256" },
	{ "{\"alg\":\"\"}", CLAIMS, "only RS256" },
	{ "{\"alg\":\"HS256\"}", CLAIMS, "signed by 'HS256'" },
	{ "{\"alg\":\"HS384\"}", CLAIMS, "only RS256" },
	{ "{\"alg\":\"HS512\"}", CLAIMS, "only RS256" },
	{ "{\"alg\":\"RS1\"}", CLAIMS, "only RS256" },
	{ "{\"alg\":\"RS512\"}", CLAIMS, "only RS256" },
	{ "{\"alg\":\"ES256K\"}", CLAIMS, "only RS256" },
	{ "{\"alg\":\"rs256\"}", CLAIMS, "only RS256" },
	{ "{\"alg\":\"RSA-OAEP\",\"enc\":\"A128GCM\"}", CLAIMS, "only RS256" },
	{ "{\"alg\":\"a\\nroot login=ok\"}", CLAIMS, "\\x0aroot" },
	{ "{\"alg\":null}", CLAIMS, "names no algorithm" },
	{ "{\"alg\":[\"ES256\"]}", CLAIMS, "names no algorithm" },
	{ "{}", CLAIMS, "names no algorithm" },
	/* extensions that are not known (RFC 7515 4.1.11) */
	{ "{\"alg\":\"ES256\",\"crit\":[\"b64\"],\"b64\":false}", CLAIMS,
	    "extension" },
	{ "{\"alg\":\"ES256\",\"crit\":[]}", CLAIMS, "extension" },
	{ "{\"alg\":\"ES256\",\"b64\":true}", CLAIMS, "extension" },
	/* other tokens of the same provider (RFC 8725 2.8, 3.11) */
	{ "{\"alg\":\"ES256\",\"typ\":\"logout+jwt\"}", CLAIMS, "logout+jwt" },
	{ "{\"alg\":\"ES256\",\"typ\":\"dpop+jwt\"}", CLAIMS, "another type" },
	{ "{\"alg\":\"ES256\",\"typ\":\"secevent+jwt\"}", CLAIMS,
	    "another type" },
	{ "{\"alg\":\"ES256\",\"typ\":7}", CLAIMS, "another type" },
	{ "{\"alg\":\"ES256\",\"typ\":\"\"}", CLAIMS, "another type" },
	{ "{\"alg\":\"ES256\",\"kid\":7}", CLAIMS, "kid" },
	{ "{\"alg\":\"ES256\",\"kid\":null}", CLAIMS, "kid" },
	/* what two readers read differently */
	{ "{\"alg\":\"none\",\"alg\":\"ES256\"}", CLAIMS, "header" },
	{ "{\"alg\":\"ES256\",\"a\\u006cg\":\"none\"}", CLAIMS, "header" },
	{ "{\"alg\":\"ES256\"}", "{\"aud\":\"a\",\"aud\":\"b\"}", "claims" },
	{ "{\"alg\":\"ES256\"}", "{\"sub\":\"a\\u0000b\"}", "claims" },
	{ "{\"alg\":\"ES256\"}", "{\"sub\":\"\xff\"}", "claims" },
	{ "{\"alg\":\"ES256\"}", "{\"exp\":1e999}", "claims" },
	{ "{\"alg\":\"ES256\"}", "{} {}", "claims" },
	{ "{\"alg\":\"ES256\"} x", CLAIMS, "header" },
	{ "{'alg':'ES256'}", CLAIMS, "header" },
	{ "[\"ES256\"]", CLAIMS, "header" },
	{ "\"ES256\"", CLAIMS, "header" },
	{ "", CLAIMS, "header" },
	{ "{\"alg\":\"ES256\"}", "", "claims" },
	{ "{\"alg\":\"ES256\"}", "[]", "claims" },
	{ "{\"alg\":\"ES256\"}", "null", "claims" },
};

static void
try(const char *token, size_t len, const char *why, const char *name)
{
	char *exact = xmemdup(token, len);
	struct verdict v = { 0 };
	struct jwt jwt;
	int r = jwt_parse(exact, len, &jwt, &v);

	if (!ok(r == (why == NULL ? 0 : -1) && (r == 0 ||
	    (v.no == TOKEN_NO_INVALID && strstr(v.why, why) != NULL)), "%s",
	    name))
		printf("# %s\n", v.why);
	if (r == 0)
		jwt_clear(&jwt);
	free(exact);
}

static void
test_parts(void)
{
	struct buf token;
	size_t i;

	buf_init(&token, SIGN_TEXT_MAX);
	for (i = 0; i < nitems(parts); i++) {
		buf_reset(&token);
		b64url(&token, parts[i].header, strlen(parts[i].header));
		buf_addc(&token, '.');
		b64url(&token, parts[i].claims, strlen(parts[i].claims));
		buf_adds(&token, ".c2ln");
		try(buf_str(&token), token.len, parts[i].why, parts[i].header);
	}
	buf_clear(&token);
}

#define HEAD	"eyJhbGciOiJFUzI1NiJ9"		/* {"alg":"ES256"} */

static const struct {
	const char *token, *why;
} forms[] = {
	{ HEAD ".e30.c2ln", NULL },
	{ "", "no JWT" },
	{ "opaque", "no JWT; others need introspection" },
	{ HEAD ".e30", "no JWT" },
	{ HEAD ".e30.", "signature is missing" },
	{ HEAD "..c2ln", "claims" },
	{ ".e30.c2ln", "header" },
	{ "..", "header" },
	{ HEAD ".e30.c2ln.c2ln", "encrypted" },
	{ HEAD ".a.b.c.d", "encrypted" },
	{ HEAD ".e30.c2lu=", "signature" },
	{ HEAD ".e30.c2ln==", "signature" },
	{ HEAD "=.e30.c2ln", "header" },
	{ HEAD ".e30=.c2ln", "claims" },
	{ HEAD ".e30.c2l+", "signature" },
	{ HEAD ".e30.c2l/", "signature" },
	{ HEAD ".e31.c2ln", "claims" },		/* stray bits */
	{ " " HEAD ".e30.c2ln", "header" },
	{ HEAD ".e30.c2ln\n", "signature" },
	{ "Bearer " HEAD ".e30.c2ln", "header" },
};

static void
test_forms(void)
{
	char *token;
	size_t i, len;

	for (i = 0; i < nitems(forms); i++)
		try(forms[i].token, strlen(forms[i].token), forms[i].why,
		    *forms[i].token == '\0' ? "nothing" : "a form");
	/* large ones: a signature, a kid, nesting, the whole */
	token = xcalloc(1, TOKEN_MAX + 2);
	len = (size_t)snprintf(token, TOKEN_MAX, HEAD ".e30.");
	memset(token + len, 'A', TOKEN_MAX + 1 - len);
	try(token, TOKEN_MAX + 1, "longer than", "one byte too many");
	try(token, len + 1400, "signature", "a signature that is none");
	try(token, TOKEN_MAX - 1, "signature", "a huge signature");
	free(token);
}

static void
test_sizes(void)
{
	struct buf token, header;
	int i;

	buf_init(&token, SIGN_TEXT_MAX);
	buf_init(&header, SIGN_TEXT_MAX);
	buf_addf(&header, "{\"alg\":\"ES256\",\"kid\":\"%0256d\"}", 0);
	b64url(&token, header.data, header.len);
	buf_adds(&token, ".e30.c2ln");
	try(buf_str(&token), token.len, "kid", "a kid of 256 bytes");
	buf_reset(&token);
	buf_reset(&header);
	for (i = 0; i < 5000; i++)
		buf_addc(&header, '[');
	buf_adds(&token, HEAD ".");
	b64url(&token, header.data, header.len);
	buf_adds(&token, ".c2ln");
	try(buf_str(&token), token.len, "claims", "5,000 lists in each other");
	buf_clear(&token);
	buf_clear(&header);
}

static void
test_fields(void)
{
	struct verdict v = { 0 };
	struct jwt jwt;

	is_int(jwt_parse(VECTOR_ES384, strlen(VECTOR_ES384), &jwt, &v), 0,
	    "a token of another implementation");
	ok(jwt.alg == JWT_ES384 && jwt.has_kid, "its algorithm");
	is_str(jwt.kid, "es384", "its key's name");
	is_int(jwt.signature.len, 96, "its signature");
	is_str(json_string_value(json_object_get(jwt.claims, "email")),
	    "alice@example.org", "its claims");
	ok(jwt.signed_text[jwt.signed_len] == '.', "what was signed");
	jwt_clear(&jwt);
}

int
main(void)
{
	test_parts();
	test_forms();
	test_sizes();
	test_fields();
	return tap_done();
}
