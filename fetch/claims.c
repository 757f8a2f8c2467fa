#include "lib/prelude.h"

#include <math.h>
#include <strings.h>

#include "fetch/claims.h"
#include "lib/conf.h"
#include "lib/log.h"

#define SECONDS_MAX	1e12	/* far beyond any date, exact in a double */

static int
no(struct verdict *v, const char *why)
{
	return verdict_no(v, TOKEN_NO_INVALID, "%s", why);
}

static int
judge_issuer(const struct fetch_conf *conf, enum claims_from from,
    const json_t *claims, struct verdict *v)
{
	const json_t *iss = json_object_get(claims, "iss");

	if (iss == NULL && from == CLAIMS_INTROSPECTED)
		return 0;
	if (!json_is_string(iss))
		return no(v, "it does not say who made it (iss)");
	if (*conf->issuer != '\0' &&
	    strcmp(json_string_value(iss), conf->issuer) != 0)
		return verdict_no(v, TOKEN_NO_INVALID, "another provider made "
		    "it: iss='%.120s'", log_escs(json_string_value(iss)));
	return 0;
}

static bool
is_ours(const struct fetch_conf *conf, const json_t *aud)
{
	const char *s = json_string_value(aud);
	size_t i;

	for (i = 0; s != NULL && i < conf->audience.n; i++)
		if (strcmp(conf->audience.v[i], s) == 0)
			return true;
	return false;
}

/* RFC 7519 4.1.3: one name or a list, and we must be among them. */
static int
judge_audience(const struct fetch_conf *conf, const json_t *claims,
    struct verdict *v)
{
	const json_t *aud = json_object_get(claims, "aud"), *first = aud;
	size_t i;

	if (conf->audience.n == 0 || is_ours(conf, aud))
		return 0;
	for (i = 0; i < json_array_size(aud); i++)
		if (is_ours(conf, json_array_get(aud, i)))
			return 0;
	if (json_is_array(aud))
		first = json_array_get(aud, 0);
	if (!json_is_string(first))
		return no(v, "it does not say whom it is for (aud)");
	return verdict_no(v, TOKEN_NO_INVALID, "it is for another service: "
	    "aud='%.120s'%s", log_escs(json_string_value(first)),
	    json_array_size(aud) > 1 ? " and others" : "");
}

static bool
scope_has(const char *list, const char *scope)
{
	size_t len = strlen(scope), n;

	for (; *list != '\0'; list += n + (list[n] == ' ')) {
		n = strcspn(list, " ");
		if (n == len && memcmp(list, scope, n) == 0)
			return true;
	}
	return false;
}

/* "scope" (RFC 8693 4.2), or "scp", which some providers write instead. */
static bool
grants(const json_t *scopes, const char *scope)
{
	const char *s = json_string_value(scopes);
	size_t i;

	if (s != NULL && scope_has(s, scope))
		return true;
	for (i = 0; i < json_array_size(scopes); i++) {
		s = json_string_value(json_array_get(scopes, i));
		if (s != NULL && strcmp(s, scope) == 0)
			return true;
	}
	return false;
}

static int
judge_scope(const struct fetch_conf *conf, const json_t *claims,
    struct verdict *v)
{
	if (*conf->scope == '\0' ||
	    grants(json_object_get(claims, "scope"), conf->scope) ||
	    grants(json_object_get(claims, "scp"), conf->scope))
		return 0;
	return verdict_no(v, TOKEN_NO_INVALID, "it does not grant the scope "
	    "'%.100s'", conf->scope);
}

/*
 * Of what a provider signs with the same keys only access tokens are for us. An
 * ID token tells a program who has logged in to it (OpenID Connect Core 2), a
 * logout token that he left, a refresh token goes to the provider alone; the
 * audience of the first is the program, which an admin may well have named.
 * Keycloak says in "typ" what it is, and until version 24 wrote a nonce into
 * access tokens ("Bearer"), too.
 */
static int
judge_kind(const json_t *claims, struct verdict *v)
{
	static const char *const types[] = { "ID", "Refresh", "Offline",
	    "Logout" };
	static const char *const marks[] = { "nonce", "at_hash", "c_hash",
	    "events" };
	const char *typ = json_string_value(json_object_get(claims, "typ"));
	size_t i;

	for (i = 0; typ != NULL && i < nitems(types); i++)
		if (strcasecmp(typ, types[i]) == 0)
			return verdict_no(v, TOKEN_NO_INVALID, "it is no "
			    "access token but of another kind (typ): '%s'",
			    types[i]);
	if (typ != NULL && strcasecmp(typ, "Bearer") == 0)
		return 0;
	for (i = 0; i < nitems(marks); i++)
		if (json_object_get(claims, marks[i]) != NULL)
			return verdict_no(v, TOKEN_NO_INVALID, "it is an ID or "
			    "logout token (it has '%s'); the program should "
			    "send the access token", marks[i]);
	return 0;
}

/*
 * RFC 7800: a token that only the holder of a key may use, or of a TLS
 * certificate (RFC 8705); whoever brings it as a bearer has stolen it.
 */
static int
judge_holder(const json_t *claims, struct verdict *v)
{
	return json_object_get(claims, "cnf") == NULL ? 0 : no(v, "it is bound "
	    "to a key (cnf); a bearer token is wanted");
}

/* RFC 7519 2: NumericDate. 0; 1: not there; -1: no date. */
static int
date(const json_t *claims, const char *name, double *sec)
{
	const json_t *j = json_object_get(claims, name);

	if (j == NULL)
		return 1;
	*sec = json_number_value(j);
	return json_is_number(j) && isfinite(*sec) && *sec >= 0 &&
	    *sec <= SECONDS_MAX ? 0 : -1;
}

static int
judge_times(enum claims_from from, const json_t *claims, double now,
    struct verdict *v)
{
	double exp, nbf, iat;
	int has_exp = date(claims, "exp", &exp);
	int has_nbf = date(claims, "nbf", &nbf);
	int has_iat = date(claims, "iat", &iat);

	if (has_exp == -1 || has_nbf == -1 || has_iat == -1)
		return no(v, "its exp, nbf or iat is no date");
	if (has_exp == 1 && from == CLAIMS_SIGNED)
		return no(v, "it has no end (exp)");
	if (has_nbf == 0 && nbf > now + CLAIMS_SKEW_SEC)
		return verdict_no(v, TOKEN_NO_INVALID, "it begins in %.0f s "
		    "(nbf); is this machine's clock right?", nbf - now);
	if (has_iat == 0 && iat > now + CLAIMS_SKEW_SEC)
		return verdict_no(v, TOKEN_NO_INVALID, "it was made %.0f s in "
		    "the future (iat); is this machine's clock right?",
		    iat - now);
	if (has_exp == 0 && exp <= now - CLAIMS_SKEW_SEC)
		return verdict_no(v, TOKEN_NO_EXPIRED, "it ended %.0f s ago "
		    "(exp)", now - exp);
	return 0;
}

/* Control bytes have no place in a name. */
static bool
is_name(const char *s, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if ((unsigned char)s[i] < ' ' || s[i] == 0x7f)
			return false;
	return len > 0 && len <= ACCOUNT_MAX;
}

static int
judge_account(const struct fetch_conf *conf, const json_t *claims,
    struct verdict *v)
{
	const json_t *j = json_object_get(claims, conf->account_claim);

	if (!json_is_string(j))
		return verdict_no(v, TOKEN_NO_INVALID, "it has no claim '%.60s'"
		    " that would name an account", conf->account_claim);
	if (!is_name(json_string_value(j), json_string_length(j)))
		return verdict_no(v, TOKEN_NO_INVALID, "its claim '%.60s' is "
		    "no name of an account", conf->account_claim);
	/* Anybody may enter an address that is another's. */
	if (strcmp(conf->account_claim, "email") == 0 &&
	    !json_is_true(json_object_get(claims, "email_verified")))
		return no(v, "its email is not verified (email_verified is not "
		    "true)");
	snprintf(v->name, sizeof(v->name), "%s", json_string_value(j));
	return 0;
}

/*
 * The time comes last: "expired" means that it was good until then. Nobody comes
 * here with a token that the provider has not made, so nobody who guesses: a
 * program that is set up wrongly must not lock its owner out.
 */
bool
claims_judge(const struct fetch_conf *conf, enum claims_from from,
    const json_t *claims, uint64_t now_ms, struct verdict *v)
{
	memset(v, 0, sizeof(*v));
	v->good = judge_issuer(conf, from, claims, v) == 0 &&
	    judge_audience(conf, claims, v) == 0 &&
	    judge_kind(claims, v) == 0 &&
	    judge_holder(claims, v) == 0 &&
	    judge_scope(conf, claims, v) == 0 &&
	    judge_account(conf, claims, v) == 0 &&
	    judge_times(from, claims, (double)now_ms / 1000, v) == 0;
	if (!v->good && v->no == TOKEN_NO_INVALID)
		v->no = TOKEN_NO_UNFIT;
	return v->good;
}

uint64_t
claims_end_ms(const json_t *claims)
{
	double exp;

	return date(claims, "exp", &exp) == 0 ? (uint64_t)(exp * 1000) :
	    UINT64_MAX;
}
