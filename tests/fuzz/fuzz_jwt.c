/*
 * A client's token, to the end: taken apart, its signature tried with one key
 * of each kind, its claims judged. Input that begins with "{" is header and
 * claims in two lines, put together here, so that mutations reach behind
 * base64url.
 */
#include "lib/prelude.h"

#include "fetch/claims.h"
#include "fetch/jwks.h"
#include "lib/base64.h"
#include "lib/conf.h"
#include "lib/xalloc.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/fetch_vectors.h"

#define NOW_MS	1700000100000ULL

static struct fetch_conf conf;
static struct jwks *keys;

static void
init(void)
{
	static char *audience[1];
	char why[JWKS_WHY_MAX];

	audience[0] = xstrdup("smtp");
	conf.issuer = xstrdup("https://id.example.org");
	conf.audience = (struct conf_strs){ audience, 1 };
	conf.account_claim = xstrdup("email");
	conf.scope = xstrdup("smtp");
	keys = jwks_parse(VECTOR_KEYS, strlen(VECTOR_KEYS), why);
}

static void
add_part(struct buf *token, const uint8_t *p, size_t n)
{
	struct buf b;
	size_t i;

	buf_init(&b, TOKEN_MAX * 2);
	base64_encode(p, n, &b);
	for (i = 0; i < b.len && b.data[i] != '='; i++)
		buf_addc(token, b.data[i] == '+' ? '-' : b.data[i] == '/' ?
		    '_' : b.data[i]);
	buf_addc(token, '.');
	buf_clear(&b);
}

static void
assemble(const uint8_t *p, size_t n, struct buf *token)
{
	const uint8_t *line = memchr(p, '\n', n);
	size_t len = line == NULL ? n : (size_t)(line - p);

	add_part(token, p, len);
	if (line != NULL)
		add_part(token, line + 1, n - len - 1);
	buf_adds(token, strrchr(VECTOR_ES256, '.') + 1);
}

static void
judge(const json_t *claims)
{
	struct verdict v;
	int from;

	for (from = CLAIMS_SIGNED; from <= CLAIMS_INTROSPECTED; from++) {
		bool good = claims_judge(&conf, (enum claims_from)from, claims,
		    NOW_MS, &v);

		MUST(good == v.good);
		MUST((*v.name != '\0') == good && (*v.why == '\0') == good);
		MUST(strlen(v.name) <= ACCOUNT_MAX);
		MUST(!good || claims_end_ms(claims) > NOW_MS -
		    CLAIMS_SKEW_SEC * 1000);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct verdict v = { 0 };
	struct buf token;
	struct jwt jwt;

	if (keys == NULL)
		init();
	buf_init(&token, 4 * TOKEN_MAX);
	if (n > 0 && *p == '{')
		assemble(p, n, &token);
	else
		buf_add(&token, p, n);
	if (jwt_parse(buf_str(&token), token.len, &jwt, &v) == 0) {
		MUST(jwt.alg >= 0 && jwt.alg < JWT_ALGS);
		MUST(json_is_object(jwt.claims));
		MUST(jwt.has_kid || *jwt.kid == '\0');
		MUST(jwks_verify(keys, &jwt, &v) == JWKS_SIGNED ||
		    (!v.good && *v.why != '\0'));
		judge(jwt.claims);
		jwt_clear(&jwt);
	} else
		MUST(!v.good && *v.why != '\0');
	buf_clear(&token);
	return 0;
}
