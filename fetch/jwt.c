#include "lib/prelude.h"

#include <strings.h>

#include "fetch/jwt.h"
#include "lib/base64.h"
#include "lib/log.h"

#define SIGNATURE_MAX	1024	/* RSA of 8192 bits */

static const char *const alg_names[JWT_ALGS] = {
	"RS256", "PS256", "ES256", "ES384", "EdDSA"
};

/* RFC 8725 3.11: a logout or DPoP token of the same provider is none of ours. */
static const char *const types[] = {
	"JWT", "at+jwt", "application/at+jwt"
};

const char *
jwt_alg_name(enum jwt_alg alg)
{
	return alg_names[alg];
}

int
jwt_alg(const char *name)
{
	int i;

	for (i = 0; i < JWT_ALGS; i++)
		if (strcmp(alg_names[i], name) == 0)
			return i;
	return -1;
}

/* A part as a JSON object without members of equal names (RFC 8725 2.8). */
static json_t *
object(const char *part, size_t len)
{
	struct buf text;
	json_t *j = NULL;

	buf_init(&text, TOKEN_MAX);
	if (base64url_decode(part, len, &text) == 0)
		j = json_loadb(buf_str(&text), text.len,
		    JSON_REJECT_DUPLICATES, NULL);
	buf_wipe(&text);
	if (!json_is_object(j)) {
		json_decref(j);
		return NULL;
	}
	return j;
}

static bool
is_type(const char *typ)
{
	size_t i;

	for (i = 0; i < nitems(types); i++)
		if (strcasecmp(types[i], typ) == 0)
			return true;
	return false;
}

static int
read_kid(const json_t *header, struct jwt *jwt, struct verdict *v)
{
	const json_t *kid = json_object_get(header, "kid");

	if (kid == NULL)
		return 0;
	if (!json_is_string(kid) || json_string_length(kid) > JWT_KID_MAX)
		return verdict_no(v, TOKEN_NO_INVALID, "the name of its key "
		    "(kid) is no string, or too long");
	jwt->has_kid = true;
	snprintf(jwt->kid, sizeof(jwt->kid), "%s", json_string_value(kid));
	return 0;
}

/*
 * jwk, jku, x5c and x5u would have the token bring its own key, or have us
 * fetch one from where a stranger says: they are passed over.
 */
static int
read_header(const json_t *header, struct jwt *jwt, struct verdict *v)
{
	const char *alg = json_string_value(json_object_get(header, "alg"));
	const json_t *typ = json_object_get(header, "typ");
	int n;

	if (alg == NULL)
		return verdict_no(v, TOKEN_NO_INVALID, "its header names no "
		    "algorithm (alg)");
	if ((n = jwt_alg(alg)) == -1)
		return verdict_no(v, TOKEN_NO_INVALID, "it is signed by '%.40s'"
		    " (alg); only RS256, PS256, ES256, ES384 and EdDSA count",
		    log_escs(alg));
	jwt->alg = (enum jwt_alg)n;
	/* RFC 7515 4.1.11: who does not understand it must refuse it. */
	if (json_object_get(header, "crit") != NULL ||
	    json_object_get(header, "b64") != NULL)
		return verdict_no(v, TOKEN_NO_INVALID, "its header asks for an "
		    "extension (crit), and none is known here");
	if (typ != NULL && (!json_is_string(typ) ||
	    !is_type(json_string_value(typ))))
		return verdict_no(v, TOKEN_NO_INVALID, "it is no access token "
		    "but of another type (typ): '%.60s'",
		    log_escs(json_string_value(typ)));
	return read_kid(header, jwt, v);
}

static int
read_parts(const char *token, const char *dot, const char *dot2,
    const char *end, struct jwt *jwt, struct verdict *v)
{
	json_t *header = object(token, (size_t)(dot - token));
	int r;

	if (header == NULL)
		return verdict_no(v, TOKEN_NO_INVALID, "it is no JWT: its "
		    "header is not base64url of a JSON object");
	r = read_header(header, jwt, v);
	json_decref(header);
	if (r == -1)
		return -1;
	jwt->claims = object(dot + 1, (size_t)(dot2 - dot - 1));
	if (jwt->claims == NULL)
		return verdict_no(v, TOKEN_NO_INVALID, "it is no JWT: its "
		    "claims are not base64url of a JSON object");
	jwt->signed_text = token;
	jwt->signed_len = (size_t)(dot2 - token);
	if (base64url_decode(dot2 + 1, (size_t)(end - dot2 - 1),
	    &jwt->signature) == -1 || jwt->signature.len == 0)
		return verdict_no(v, TOKEN_NO_INVALID, "it is no JWT: its "
		    "signature is missing, or not base64url");
	return 0;
}

int
jwt_parse(const char *token, size_t len, struct jwt *jwt, struct verdict *v)
{
	const char *end = token + len, *dot, *dot2 = NULL;
	int r;

	memset(jwt, 0, sizeof(*jwt));
	buf_init(&jwt->signature, SIGNATURE_MAX);
	if (len > TOKEN_MAX)
		return verdict_no(v, TOKEN_NO_INVALID, "it is longer than %d "
		    "bytes", TOKEN_MAX);
	dot = memchr(token, '.', len);
	if (dot != NULL)
		dot2 = memchr(dot + 1, '.', (size_t)(end - dot - 1));
	if (dot2 == NULL)
		return verdict_no(v, TOKEN_NO_INVALID, "it is no JWT; others "
		    "need introspection");
	if (memchr(dot2 + 1, '.', (size_t)(end - dot2 - 1)) != NULL)
		return verdict_no(v, TOKEN_NO_INVALID, "it is no signed JWT; "
		    "is it encrypted?");
	r = read_parts(token, dot, dot2, end, jwt, v);
	if (r == -1)
		jwt_clear(jwt);
	return r;
}

void
jwt_clear(struct jwt *jwt)
{
	json_decref(jwt->claims);
	buf_clear(&jwt->signature);
	memset(jwt, 0, sizeof(*jwt));
}
