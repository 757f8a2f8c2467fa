/*
 * A key serves one family of algorithms, given by its type; the token may only
 * choose within it, so a public key is never taken for a secret nor one kind
 * of signature for another (RFC 8725 3.1, 3.2).
 */
#include "lib/prelude.h"

#include "fetch/jwks.h"
#include "fetch/jwks_private.h"
#include "lib/log.h"
#include "lib/xalloc.h"

struct jwks {
	struct jwk *keys;
	size_t	 n, left_out;
	char	 why[JWKS_WHY_MAX - 32];	/* of the first that was left out */
};

/* --- reading a set --------------------------------------------------------------- */

static void
read_keys(const json_t *list, struct jwks *set)
{
	const char *why;
	const json_t *j;
	size_t i;

	set->keys = xcalloc(json_array_size(list), sizeof(*set->keys));
	for (i = 0; i < json_array_size(list); i++) {
		j = json_array_get(list, i);
		why = jwk_read(j, &set->keys[set->n]);
		if (why == NULL) {
			set->n++;
			continue;
		}
		if (set->left_out++ == 0)
			snprintf(set->why, sizeof(set->why), "key %zu "
			    "(kid='%.60s'): %s", i + 1,
			    log_escs(json_string_value(json_object_get(j,
			    "kid"))), why);
	}
}

struct jwks *
jwks_parse(const char *text, size_t len, char why[JWKS_WHY_MAX])
{
	struct jwks *set;
	json_t *whole, *list;

	whole = len > JWKS_BYTES_MAX ? NULL :
	    json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	list = json_object_get(whole, "keys");
	if (!json_is_array(list) || json_array_size(list) > JWKS_KEYS_MAX) {
		snprintf(why, JWKS_WHY_MAX, "it is no key set: %s",
		    len > JWKS_BYTES_MAX ? "larger than 128 KB" :
		    whole == NULL ? "no JSON, or with members of equal names" :
		    !json_is_array(list) ? "there is no list 'keys' in it" :
		    "more than 100 keys");
		json_decref(whole);
		return NULL;
	}
	set = xcalloc(1, sizeof(*set));
	read_keys(list, set);
	json_decref(whole);
	if (set->n == 0) {
		snprintf(why, JWKS_WHY_MAX, "%s%s", set->left_out > 0 ?
		    "no key in it can be used; " : "there is no key in it",
		    set->why);
		jwks_free(&set);
	}
	return set;
}

void
jwks_free(struct jwks **set)
{
	size_t i;

	if (*set == NULL)
		return;
	for (i = 0; i < (*set)->n; i++)
		jwk_clear(&(*set)->keys[i]);
	free((*set)->keys);
	free(*set);
	*set = NULL;
}

size_t
jwks_count(const struct jwks *set, size_t *left_out)
{
	*left_out = set->left_out;
	return set->n;
}

const char *
jwks_left_out(const struct jwks *set)
{
	return set->why;
}

/* --- choosing a key ----------------------------------------------------------------- */

static bool
fits(const struct jwk *key, const struct jwt *jwt)
{
	return jwk_does(key, jwt->alg) && (!jwt->has_kid ||
	    (key->has_kid && strcmp(key->kid, jwt->kid) == 0));
}

static bool
has_kid(const struct jwks *set, const char *kid)
{
	size_t i;

	for (i = 0; i < set->n; i++)
		if (set->keys[i].has_kid &&
		    strcmp(set->keys[i].kid, kid) == 0)
			return true;
	return false;
}

/* No key fits, or more than one (OIDC Core 10.1 wants a kid then). */
static enum jwks_answer
no_key(const struct jwks *set, const struct jwt *jwt, size_t n,
    struct verdict *v)
{
	if (jwt->has_kid && n == 0 && !has_kid(set, jwt->kid)) {
		verdict_no(v, TOKEN_NO_INVALID, "the provider has no key of "
		    "that name (kid='%.100s')", log_escs(jwt->kid));
		return JWKS_UNKNOWN;
	}
	if (jwt->has_kid)
		verdict_no(v, TOKEN_NO_INVALID, n == 0 ? "the key kid='%.100s'"
		    " does not sign by %s (alg)" : "the provider has more "
		    "than one key kid='%.100s' for %s",
		    log_escs(jwt->kid), jwt_alg_name(jwt->alg));
	else
		verdict_no(v, TOKEN_NO_INVALID, n == 0 ? "the provider has no "
		    "key for %s (alg)" : "it names no key (kid), and the "
		    "provider has more than one for %s",
		    jwt_alg_name(jwt->alg));
	return jwt->has_kid || n > 0 ? JWKS_FORGED : JWKS_UNKNOWN;
}

enum jwks_answer
jwks_verify(const struct jwks *set, const struct jwt *jwt, struct verdict *v)
{
	const struct jwk *key = NULL;
	size_t i, n = 0;

	for (i = 0; i < set->n; i++)
		if (fits(&set->keys[i], jwt)) {
			key = &set->keys[i];
			n++;
		}
	if (n != 1)
		return no_key(set, jwt, n, v);
	if (jwk_signed(key, jwt))
		return JWKS_SIGNED;
	verdict_no(v, TOKEN_NO_INVALID, "its signature is not the provider's "
	    "(%s, kid='%.100s')", jwt_alg_name(jwt->alg), log_escs(jwt->kid));
	return JWKS_FORGED;
}
