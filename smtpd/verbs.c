#include "lib/prelude.h"

#include "smtpd/session_private.h"
#include "smtpd/verbs.h"

enum verb_flag {
	BEFORE_TLS = 1,		/* RFC 3207 4: does something without TLS */
	BEFORE_AUTH = 2,	/* RFC 4954 6: does something without AUTH */
	NO_ARGUMENT = 4,
	HAS_CHUNK = 8		/* RFC 3030 2: bytes follow, refused or not */
};

static const struct verb {
	const char *name;
	unsigned int flags;
	void	(*run)(struct session *, struct span);
} verbs[] = {
	{ "MAIL", 0, cmd_mail },
	{ "RCPT", 0, cmd_rcpt },
	{ "DATA", NO_ARGUMENT, cmd_data },
	{ "BDAT", HAS_CHUNK, cmd_bdat },
	{ "EHLO", BEFORE_TLS | BEFORE_AUTH, cmd_ehlo },
	{ "HELO", BEFORE_TLS | BEFORE_AUTH, cmd_helo },
	{ "STARTTLS", BEFORE_TLS | BEFORE_AUTH | NO_ARGUMENT, cmd_starttls },
	{ "AUTH", BEFORE_AUTH, cmd_auth },
	{ "RSET", BEFORE_TLS | BEFORE_AUTH | NO_ARGUMENT, cmd_rset },
	{ "NOOP", BEFORE_TLS | BEFORE_AUTH, cmd_noop },
	{ "VRFY", BEFORE_AUTH, cmd_vrfy },
	{ "HELP", BEFORE_TLS | BEFORE_AUTH, cmd_help },
	{ "QUIT", BEFORE_TLS | BEFORE_AUTH | NO_ARGUMENT, cmd_quit },
};

/* What a web browser says that was led here (CVE-2021-44224 and its kin). */
static const char *const http_verbs[] = {
	"GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT", "DELETE", "PATCH",
	"TRACE", "PRI"
};

static const struct verb *
find(struct span name)
{
	size_t i;

	for (i = 0; i < nitems(verbs); i++)
		if (span_is(name, verbs[i].name))
			return &verbs[i];
	return NULL;
}

static bool
is_http(struct span name, struct span arg)
{
	size_t i;

	for (i = 0; i < nitems(http_verbs); i++)
		if (span_is(name, http_verbs[i]) && arg.n > 0)
			return true;
	return false;
}

static enum reply
gate(const struct session *s, const struct verb *v, struct span arg)
{
	if (!s->tls && !s->lane && (v->flags & BEFORE_TLS) == 0)
		return REPLY_NEED_TLS;
	if (s->login == NULL && (v->flags & BEFORE_AUTH) == 0)
		return REPLY_NEED_AUTH;
	if (arg.n > 0 && (v->flags & NO_ARGUMENT))
		return REPLY_NO_ARGUMENT;
	return REPLY_NONE;
}

void
verbs_take(struct session *s, const char *line, size_t n)
{
	struct span name, arg;
	const struct verb *v;
	enum reply refusal;

	smtp_cmd_split(line, n, &name, &arg);
	v = find(name);
	if (v == NULL) {
		/* Nothing of the line is logged: it may be a lost password. */
		session_refuse(s, "?", is_http(name, arg) ? REPLY_HTTP :
		    REPLY_UNKNOWN, NULL, NULL);
		return;
	}
	refusal = gate(s, v, arg);
	if (refusal == REPLY_NONE)
		v->run(s, arg);
	else if (v->flags & HAS_CHUNK)
		cmd_bdat_refused(s, arg, refusal);
	else
		session_refuse(s, v->name, refusal, v->name, NULL);
}
