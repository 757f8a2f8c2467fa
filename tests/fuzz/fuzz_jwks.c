/* A provider's key set: what is taken verifies tokens without harm. */
#include "lib/prelude.h"

#include "fetch/jwks.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/fetch_vectors.h"

/* Keys that mutate cost a check on the curve each. */
const unsigned long fuzz_replay_runs = 5000;

static const char *const tokens[] = {
	VECTOR_RS256, VECTOR_PS256, VECTOR_ES256, VECTOR_ES384, VECTOR_EDDSA
};

static void
try(const struct jwks *set, const char *token, bool has_kid)
{
	struct verdict v = { 0 };
	struct jwt jwt;

	MUST(jwt_parse(token, strlen(token), &jwt, &v) == 0);
	jwt.has_kid = has_kid;
	if (jwks_verify(set, &jwt, &v) != JWKS_SIGNED)
		MUST(v.no == TOKEN_NO_INVALID && *v.why != '\0');
	jwt_clear(&jwt);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	char why[JWKS_WHY_MAX] = "";
	struct jwks *set = jwks_parse((const char *)p, n, why);
	size_t i, left_out;

	MUST((set == NULL) == (*why != '\0'));
	if (set == NULL)
		return 0;
	MUST(jwks_count(set, &left_out) > 0);
	MUST(jwks_count(set, &left_out) + left_out <= JWKS_KEYS_MAX);
	MUST((left_out > 0) == (*jwks_left_out(set) != '\0'));
	for (i = 0; i < nitems(tokens); i++) {
		try(set, tokens[i], true);
		try(set, tokens[i], false);
	}
	jwks_free(&set);
	MUST(set == NULL);
	return 0;
}
