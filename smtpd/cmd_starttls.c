/* STARTTLS, RFC 3207. */
#include "lib/prelude.h"

#include "smtpd/session_private.h"
#include "smtpd/tls.h"
#include "smtpd/verbs.h"

static enum reply
check(const struct session *s)
{
	if (s->no_tls)
		return REPLY_NO_TLS;
	if (s->tls)
		return REPLY_TLS_TWICE;
	return s->server->tls == NULL ? REPLY_TLS_TROUBLE : REPLY_NONE;
}

/*
 * What came in the clear behind STARTTLS was never protected and must not be
 * taken for something said under TLS (RFC 3207 4.2, CVE-2011-0411). No honest
 * client sends it: the session ends.
 */
static bool
plaintext_behind(struct session *s)
{
	size_t n;

	stream_peek(s->stream, &n);
	return n > 0;
}

void
cmd_starttls(struct session *s, struct span arg)
{
	enum reply refusal = check(s);
	struct ssl_st *ssl;

	if (refusal != REPLY_NONE) {
		session_refuse(s, "STARTTLS", refusal, NULL, NULL);
		return;
	}
	if (plaintext_behind(s)) {
		session_end(s, "plaintext behind STARTTLS");
		return;
	}
	ssl = tls_accept(s->server->tls, s->certificates);
	if (ssl == NULL) {
		session_refuse(s, "STARTTLS", REPLY_TLS_TROUBLE, NULL, NULL);
		return;
	}
	session_reply(s, REPLY_STARTTLS);
	session_set_state(s, SESSION_HANDSHAKE);
	stream_start_tls(s->stream, ssl, true);
}
