#include "lib/prelude.h"

#include <strings.h>

#include "auth/oauth.h"

#define KVSEP	'\001'

/* What is left to be read. */
struct rest {
	const char *at, *end;
};

static bool
is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
skip(struct rest *r, char c)
{
	if (r->at == r->end || *r->at != c)
		return false;
	r->at++;
	return true;
}

/* Up to a separator, which must come and is skipped. */
static const char *
field(struct rest *r, char sep, size_t *len)
{
	const char *from = r->at, *to = memchr(from, sep,
	    (size_t)(r->end - from));

	if (to == NULL)
		return NULL;
	*len = (size_t)(to - from);
	r->at = to + 1;
	return from;
}

/* RFC 5801 4: in a name "=2C" is a comma, "=3D" an equals sign. */
static int
saslname(const char *in, size_t len, char out[ACCOUNT_MAX + 1])
{
	size_t i, n = 0;

	for (i = 0; i < len; i++) {
		char c = in[i];

		if (c == '=') {
			if (len - i < 3 || (memcmp(in + i, "=2C", 3) != 0 &&
			    memcmp(in + i, "=3D", 3) != 0))
				return -1;
			c = in[i + 2] == 'C' ? ',' : '=';
			i += 2;
		}
		if (n == ACCOUNT_MAX || c == '\0')
			return -1;
		out[n++] = c;
	}
	out[n] = '\0';
	return n == 0 ? -1 : 0;
}

/* "n,a=NAME," or "n,,"; no channel is bound to (RFC 7628 3.1). */
static int
gs2_header(struct rest *r, struct oauth_message *m)
{
	const char *name;
	size_t len;

	if ((!skip(r, 'n') && !skip(r, 'y')) || !skip(r, ',') ||
	    (name = field(r, ',', &len)) == NULL)
		return -1;
	if (len == 0)
		return 0;
	return len > 2 && memcmp(name, "a=", 2) == 0 ?
	    saslname(name + 2, len - 2, m->name) : -1;
}

/* RFC 6750 2.1: b64token. */
static bool
is_token(const char *t, size_t len)
{
	size_t i;

	while (len > 0 && t[len - 1] == '=')
		len--;
	for (i = 0; i < len; i++)
		if (!is_alpha(t[i]) && !(t[i] >= '0' && t[i] <= '9') &&
		    (t[i] == '\0' || strchr("-._~+/", t[i]) == NULL))
			return false;
	return len > 0;
}

static int
bearer(const char *value, size_t len, struct oauth_message *m)
{
	if (m->token != NULL)
		return -1;		/* a second one */
	m->token = value;
	if (len == 0)
		return 0;
	if (len < 7 || strncasecmp(value, "Bearer ", 7) != 0)
		return -1;
	for (value += 7, len -= 7; len > 0 && *value == ' '; len--)
		value++;
	m->token = value;
	m->token_len = len;
	return len <= TOKEN_MAX && is_token(value, len) ? 0 : -1;
}

/* "auth" is the one that we read; host, port and what may come are not. */
static int
pairs(struct rest *r, struct oauth_message *m)
{
	const char *key, *eq;
	size_t len, n, i;

	while (!skip(r, KVSEP)) {
		if ((key = field(r, KVSEP, &len)) == NULL ||
		    (eq = memchr(key, '=', len)) == NULL || eq == key)
			return -1;
		n = (size_t)(eq - key);
		for (i = 0; i < n; i++)
			if (!is_alpha(key[i]))
				return -1;
		if (n == 4 && memcmp(key, "auth", 4) == 0 &&
		    bearer(eq + 1, len - 5, m) == -1)
			return -1;
	}
	return r->at == r->end && m->token != NULL ? 0 : -1;
}

int
oauth_parse(enum oauth_form form, const char *in, size_t len,
    struct oauth_message *m)
{
	struct rest r = { in, in + len };
	const char *user;

	memset(m, 0, sizeof(*m));
	if (form == OAUTH_BEARER)
		return gs2_header(&r, m) == 0 && skip(&r, KVSEP) ?
		    pairs(&r, m) : -1;
	if ((user = field(&r, KVSEP, &len)) == NULL || len <= 5 ||
	    len - 5 > ACCOUNT_MAX || memcmp(user, "user=", 5) != 0 ||
	    memchr(user, '\0', len) != NULL)
		return -1;
	memcpy(m->name, user + 5, len - 5);
	return pairs(&r, m);
}

void
oauth_refusal(enum oauth_form form, const char *issuer, const char *scope,
    char text[OAUTH_REFUSAL_MAX])
{
	size_t len = strlen(issuer);
	int n;

	n = snprintf(text, OAUTH_REFUSAL_MAX, form == OAUTH_BEARER ?
	    "{\"status\":\"invalid_token\"" :
	    "{\"status\":\"401\",\"schemes\":\"bearer\"");
	if (*scope != '\0')
		n += snprintf(text + n, OAUTH_REFUSAL_MAX - (size_t)n,
		    ",\"scope\":\"%.*s\"", OAUTH_SCOPE_MAX, scope);
	if (*issuer != '\0' && form == OAUTH_BEARER)
		n += snprintf(text + n, OAUTH_REFUSAL_MAX - (size_t)n,
		    ",\"openid-configuration\":\"%.*s%s.well-known/"
		    "openid-configuration\"", OAUTH_ISSUER_MAX, issuer,
		    issuer[len - 1] == '/' ? "" : "/");
	snprintf(text + n, OAUTH_REFUSAL_MAX - (size_t)n, "}");
}
