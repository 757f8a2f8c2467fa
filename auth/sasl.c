/*
 * A login: its life, the messages of the client on their way to libsasl2, what
 * comes of them. A callback finds its login in sasl_current, set around each
 * call into the library.
 */
#include "lib/prelude.h"

#include <strings.h>

#include "auth/sasl_private.h"
#include "lib/xalloc.h"

#define CHALLENGE_MAX	8192	/* RFC 4954 4: 12288 as base64, at most */
#define QUESTION_MAX	CHALLENGE_MAX
#define HEARD_MAX	(4 * 12300)	/* LOGIN has three messages */
#define NOT_SAID	UINT32_MAX	/* instead of a length */

__thread struct sasl_login *sasl_current;

void
sasl_result_init(struct sasl_result *r)
{
	memset(r, 0, sizeof(*r));
	buf_init(&r->challenge, CHALLENGE_MAX);
	buf_init(&r->question, QUESTION_MAX);
}

void
sasl_result_clear(struct sasl_result *r)
{
	buf_wipe(&r->challenge);
	buf_wipe(&r->question);
	account_clear(&r->account);
}

static int
open_conn(struct sasl_login *l)
{
	sasl_security_properties_t props = {
		.security_flags = SASL_SEC_NOANONYMOUS |
		    (l->p.tls_bits == 0 ? SASL_SEC_NOPLAINTEXT : 0)
	};
	sasl_ssf_t ssf = l->p.tls_bits;

	if (sasl_server_new("smtp", l->p.hostname, NULL, NULL, NULL, NULL, 0,
	    &l->conn) != SASL_OK ||
	    sasl_setprop(l->conn, SASL_SSF_EXTERNAL, &ssf) != SASL_OK ||
	    sasl_setprop(l->conn, SASL_SEC_PROPS, &props) != SASL_OK)
		return -1;
	return 0;
}

struct sasl_login *
sasl_login_new(const struct sasl_login_params *p)
{
	struct sasl_login *l = xcalloc(1, sizeof(*l));

	l->p = *p;
	buf_init(&l->final, CHALLENGE_MAX);
	buf_init(&l->question, QUESTION_MAX);
	buf_init(&l->heard, HEARD_MAX);
	sasl_current = l;
	if (open_conn(l) == -1)
		sasl_login_free(&l);
	sasl_current = NULL;
	return l;
}

void
sasl_login_free(struct sasl_login **lp)
{
	struct sasl_login *l = *lp;

	if (l == NULL)
		return;
	*lp = NULL;
	if (l->conn != NULL)
		sasl_dispose(&l->conn);
	account_clear(&l->account);
	buf_clear(&l->final);
	buf_wipe(&l->question);
	buf_wipe(&l->heard);
	free(l);
}

/* Why not, as smtpd will say it; after a password was looked at: always one. */
static enum auth_no
reason(const struct sasl_login *l, int r)
{
	static const struct {
		int r;
		enum auth_no no;
	} rows[] = {
		{ SASL_BADAUTH, AUTH_NO_CREDENTIALS },
		{ SASL_NOUSER, AUTH_NO_CREDENTIALS },
		{ SASL_NOAUTHZ, AUTH_NO_CREDENTIALS },
		{ SASL_NOVERIFY, AUTH_NO_CREDENTIALS },
		{ SASL_BADBINDING, AUTH_NO_BINDING },
		{ SASL_TOOWEAK, AUTH_NO_WEAK },
		{ SASL_ENCRYPT, AUTH_NO_PLAINTEXT },
		{ SASL_NOMECH, AUTH_NO_MECHANISM },
		{ SASL_BADPROT, AUTH_NO_SYNTAX },
		{ SASL_BADPARAM, AUTH_NO_SYNTAX },
		{ SASL_BUFOVER, AUTH_NO_SYNTAX },
	};
	size_t i;

	if (l->trouble)
		return AUTH_NO_TEMPORARY;
	for (i = 0; i < nitems(rows); i++)
		if (rows[i].r == r && !(l->judged && r == SASL_NOMECH))
			return rows[i].no;
	return l->judged ? AUTH_NO_CREDENTIALS : AUTH_NO_TEMPORARY;
}

/* The library says yes: is it the account that was looked up? */
static bool
is_who(struct sasl_login *l)
{
	const void *who = NULL, *as = NULL;

	return l->known && sasl_getprop(l->conn, SASL_AUTHUSER, &who) ==
	    SASL_OK && sasl_getprop(l->conn, SASL_USERNAME, &as) == SASL_OK &&
	    who != NULL && as != NULL && strcmp(who, l->tried) == 0 &&
	    strcmp(as, l->tried) == 0;
}

static bool
is_external(const struct sasl_login *l)
{
	return strcasecmp(l->p.mechanism, "EXTERNAL") == 0;
}

/* The log of a login by certificate names all three: key, account, wish. */
static void
explain_external(const struct sasl_login *l, struct sasl_result *result)
{
	size_t n;

	if (l->known && *l->why == '\0')
		snprintf(result->why, sizeof(result->why), "the certificate is "
		    "this account's");
	n = strlen(result->why);
	if (*l->asked != '\0' && strcmp(l->asked, l->tried) != 0)
		snprintf(result->why + n, sizeof(result->why) - n, "; the client "
		    "asked to be %s", l->asked);
}

static void
answer(struct sasl_login *l, int r, const char *out, unsigned int len,
    struct sasl_result *result)
{
	account_clear(&result->account);
	result->device = NULL;
	buf_reset(&result->challenge);
	snprintf(result->tried, sizeof(result->tried), "%s", l->tried);
	result->wrong = l->wrong;
	result->lacks = l->lacks;
	result->barred = l->barred;
	snprintf(result->label, sizeof(result->label), "%s", l->label);
	result->refused = l->refused;
	result->harmless = l->harmless;
	snprintf(result->why, sizeof(result->why), "%s", l->why);
	result->answer = SASL_ANSWER_NO;
	if (l->asks) {
		l->asks = false;
		result->answer = SASL_ANSWER_ASK;
		result->ask = l->ask;
		buf_add(&result->question, l->question.data, l->question.len);
		buf_wipe(&l->question);
		return;
	}
	/*
	 * The one door, whatever the mechanism. SCRAM's last word, the
	 * challenge behind the client's second message, would tell that the
	 * password was right: it counts as a wrong one. A token or a
	 * certificate is no guess.
	 */
	if (l->known && l->account.suspended && (r == SASL_OK ||
	    (r == SASL_CONTINUE && l->said > 1 && !l->refused))) {
		result->harmless = strncasecmp(l->p.mechanism, "SCRAM-", 6)
		    != 0;
		result->barred = "suspended";
		result->no = AUTH_NO_CREDENTIALS;
		return;
	}
	if (r == SASL_CONTINUE) {
		if (out != NULL && buf_add(&result->challenge, out, len) == -1)
			result->no = AUTH_NO_TEMPORARY;
		else
			result->answer = SASL_ANSWER_CHALLENGE;
		return;
	}
	if (r == SASL_OK && is_who(l)) {
		result->answer = SASL_ANSWER_OK;
		result->account = l->account;
		result->device = l->device;	/* its memory moves along */
		memset(&l->account, 0, sizeof(l->account));
		l->device = NULL;
		return;
	}
	result->no = r == SASL_OK ? AUTH_NO_CREDENTIALS : reason(l, r);
	if (is_external(l))
		explain_external(l, result);
}

/* RFC 4422 app. A: who it is was found out before; the client may ask for it. */
static int
external(struct sasl_login *l)
{
	char name[ACCOUNT_MAX + 1];

	const char *bad = "", *hint = "";

	l->harmless = true;	/* no secret was guessed at */
	if (sasl_pinned(l, name))
		bad = l->p.external_unfit;
	else if (*l->p.external == '\0') {
		bad = l->p.external_why;
		hint = "; posternctl account cert add NAME FILE lets it in";
	}
	else
		sasl_canonical(l->p.external, strlen(l->p.external), name);
	if (l->trouble)
		return SASL_UNAVAIL;
	if (*bad != '\0') {
		snprintf(l->why, sizeof(l->why), "%s, of the certificate "
		    "with the key %.16s%s", bad, l->p.external_pin, hint);
		return SASL_BADAUTH;
	}
	sasl_look_up(l, name);
	/* A device comes with its password, from its networks, or not at all. */
	if (l->device != NULL)
		l->known = false;
	if (!l->known && !l->trouble)
		snprintf(l->why, sizeof(l->why), "there is no such account "
		    "here");
	return l->trouble ? SASL_UNAVAIL : !l->known ? SASL_NOUSER :
	    sasl_setprop(l->conn, SASL_AUTH_EXTERNAL, name);
}

/* NUL has its place in PLAIN alone; libsasl2's LOGIN would stop to read there. */
static int
check(struct sasl_login *l, const uint8_t *in, size_t len)
{
	int r = SASL_OK;

	if (strcasecmp(l->p.mechanism, "PLAIN") == 0)
		return SASL_OK;
	if (len > 0 && memchr(in, '\0', len) != NULL)
		return SASL_BADPROT;
	if (strncasecmp(l->p.mechanism, "SCRAM-", 6) == 0)
		r = sasl_scram_check(l, in, len);
	if (len > 0)
		l->said++;
	return r;
}

/* Of a mechanism with a password in it, which others may have to judge. */
static void
keep_heard(struct sasl_login *l, const uint8_t *in, size_t len)
{
	uint32_t n = in == NULL ? NOT_SAID : (uint32_t)len;

	if (!l->p.sources || (strcasecmp(l->p.mechanism, "PLAIN") != 0 &&
	    strcasecmp(l->p.mechanism, "LOGIN") != 0))
		return;
	/* What does not fit is no login, and will not be asked about. */
	if (buf_add(&l->heard, &n, sizeof(n)) == -1 ||
	    (in != NULL && buf_add(&l->heard, in, len) == -1))
		l->p.sources = false;
}

static void
keep_asked(struct sasl_login *l, const uint8_t *in, size_t len)
{
	if (in != NULL && is_external(l))
		snprintf(l->asked, sizeof(l->asked), "%.*s", len < INT_MAX ?
		    (int)len : 0, (const char *)in);
}

void
sasl_login_start(struct sasl_login *l, const uint8_t *in, size_t len,
    uint64_t now_ms, struct sasl_result *result)
{
	const char *out = NULL;
	unsigned int out_len = 0;
	int r;

	sasl_current = l;
	l->now_ms = now_ms;
	keep_heard(l, in, len);
	r = check(l, in, len);
	keep_asked(l, in, len);
	if (r == SASL_OK && is_external(l))
		r = external(l);
	if (r == SASL_OK)
		r = sasl_server_start(l->conn, l->p.mechanism,
		    (const char *)in, (unsigned int)len, &out, &out_len);
	sasl_current = NULL;
	answer(l, r, out, out_len, result);
}

void
sasl_login_step(struct sasl_login *l, const uint8_t *in, size_t len,
    uint64_t now_ms, struct sasl_result *result)
{
	const char *out = NULL;
	unsigned int out_len = 0;
	int r;

	sasl_current = l;
	l->now_ms = now_ms;
	keep_heard(l, in == NULL ? (const uint8_t *)"" : in, len);
	r = check(l, in, len);
	keep_asked(l, in, len);
	if (r == SASL_OK)
		r = sasl_server_step(l->conn, in == NULL ? "" :
		    (const char *)in, (unsigned int)len, &out, &out_len);
	sasl_current = NULL;
	answer(l, r, out, out_len, result);
}

/*
 * libsasl2 has refused the password, as it had to have an answer. It hears all
 * once more, and our callback knows this time.
 */
static int
say_again(struct sasl_login *l, const char **out, unsigned int *out_len)
{
	const uint8_t *at = l->heard.data, *end = at + l->heard.len;
	bool first = true;
	int r = SASL_FAIL;
	uint32_t n;

	sasl_dispose(&l->conn);
	if (open_conn(l) == -1)
		return SASL_FAIL;
	for (; at < end && (first || r == SASL_CONTINUE); first = false) {
		memcpy(&n, at, sizeof(n));
		at += sizeof(n);
		r = !first ? sasl_server_step(l->conn, (const char *)at, n,
		    out, out_len) : sasl_server_start(l->conn, l->p.mechanism,
		    n == NOT_SAID ? NULL : (const char *)at, n == NOT_SAID ?
		    0 : n, out, out_len);
		at += n == NOT_SAID ? 0 : n;
	}
	return r;
}

/* What the library waits for is the client's next word; this stands for it. */
void
sasl_login_answered(struct sasl_login *l, struct sasl_verdict *v,
    uint64_t now_ms, struct sasl_result *result)
{
	const char *out = NULL;
	unsigned int out_len = 0;
	int r;

	sasl_current = l;
	l->now_ms = now_ms;
	l->verdict = v;
	r = l->ask == SASL_ASK_SOURCE ? say_again(l, &out, &out_len) :
	    sasl_server_step(l->conn, "", 0, &out, &out_len);
	l->verdict = NULL;
	sasl_current = NULL;
	answer(l, r, out, out_len, result);
}
