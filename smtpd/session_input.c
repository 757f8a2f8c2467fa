/*
 * Lines from the client. Only CRLF ends one; what is refused for its bytes or
 * its length is answered once and skipped to its end, so that the same bytes
 * get the same replies however they arrive.
 */
#include "lib/prelude.h"

#include <strings.h>

#include "smtpd/session_private.h"
#include "smtpd/verbs.h"

/* What a refused endless line may still bring before we hang up. */
#define SKIP_MAX	(64 * 1024)

/*
 * A line was refused for its bytes or its length. What is left of it goes the
 * same way, whether it has arrived or not, so that timing changes nothing. A
 * chunk may stand behind a BDAT, and nobody knows where it ends.
 */
static void
refuse_line(struct session *s, enum smtp_line what, bool is_bdat)
{
	enum reply r = what == SMTP_LINE_BAD ? REPLY_BAD_BYTES :
	    s->state == SESSION_AUTH_LINE ? REPLY_LONG_AUTH : REPLY_LONG_LINE;

	if (s->state == SESSION_AUTH_LINE)
		cmd_auth_abort(s);
	s->skipping = true;
	s->skipped = 0;
	session_refuse(s, "?", r, NULL, NULL);
	if (s->state == SESSION_COMMAND && is_bdat)
		session_end(s, "a BDAT that cannot be read");
}

/* Throws away up to the CRLF. False: there is no more to look at. */
static bool
skip(struct session *s)
{
	const uint8_t *p, *end;
	size_t n, gone;

	p = stream_peek(s->stream, &n);
	if (n == 0)
		return false;
	end = memmem(p, n, "\r\n", 2);
	/* A CR at the end may be half of it. */
	gone = end != NULL ? (size_t)(end - p) + 2 :
	    p[n - 1] == '\r' ? n - 1 : n;
	s->skipping = end == NULL;
	s->skipped += (uint32_t)gone;
	stream_consume(s->stream, gone);
	if (s->skipped > SKIP_MAX)
		session_reply(s, REPLY_TOO_MANY_ERRORS);
	return gone > 0;
}

/* A TLS ClientHello where SMTP in the clear should begin: RFC 8446 5.1. */
static bool
looks_like_tls(const struct session *s, const uint8_t *p, size_t n)
{
	return !s->tls && n >= 2 && p[0] == 0x16 && p[1] == 0x03;
}

/* The line is copied out first: the input must be empty for STARTTLS. */
static void
run_line(struct session *s, const uint8_t *p, size_t len, size_t used)
{
	struct buf line;

	buf_init(&line, SMTP_AUTH_MAX);
	buf_add(&line, p, len);
	stream_consume(s->stream, used);
	if (s->state == SESSION_AUTH_LINE)
		cmd_auth_line(s, buf_str(&line), len);
	else
		verbs_take(s, buf_str(&line), len);
	buf_wipe(&line);
}

static size_t
line_max(const struct session *s, const uint8_t *p, size_t n)
{
	if (s->state == SESSION_AUTH_LINE)
		return SMTP_AUTH_MAX;	/* RFC 4954 4.1, with AUTH's own line */
	return n >= 5 && strncasecmp((const char *)p, "AUTH ", 5) == 0 ?
	    SMTP_AUTH_MAX : SMTP_COMMAND_LONG;
}

bool
session_take_line(struct session *s)
{
	size_t n, len, used;
	const uint8_t *p;
	enum smtp_line what;

	if (s->skipping)
		return skip(s);
	p = stream_peek(s->stream, &n);
	if (n == 0)
		return false;
	if (looks_like_tls(s, p, n)) {
		session_end(s, "a TLS handshake where STARTTLS was due");
		return true;
	}
	what = smtp_line_next(p, n, line_max(s, p, n), &len, &used);
	if (what == SMTP_LINE_MORE)
		return false;
	s->since_ms = ev_now_ms();
	if (what == SMTP_LINE_OK)
		run_line(s, p, len, used);
	else
		refuse_line(s, what, n >= 4 &&
		    strncasecmp((const char *)p, "BDAT", 4) == 0);
	return true;
}
