/*
 * DATA, RFC 5321 4.1.1.4: the content's way through dot transparency
 * (lib/smtp_data). A content that is refused is still read to its end, so that
 * client and server stay in step.
 */
#include "lib/prelude.h"

#include "smtpd/message.h"
#include "smtpd/session_private.h"
#include "smtpd/verbs.h"

/* RFC 3030 2: what BDAT has begun, BDAT ends. */
static enum reply
check(const struct session *s)
{
	return s->tx != NULL && s->tx->wire.chunks ? REPLY_BDAT_BEGUN :
	    message_check(s);
}

void
cmd_data(struct session *s, struct span arg)
{
	enum reply refusal = check(s);

	if (refusal != REPLY_NONE) {
		session_refuse(s, "DATA", refusal, NULL, NULL);
		return;
	}
	smtp_data_in_init(&s->tx->wire);
	message_begin(s);
	session_set_state(s, SESSION_CONTENT);
	session_reply(s, REPLY_DATA);
}

bool
cmd_data_content(struct session *s)
{
	struct transaction *tx = s->tx;
	const uint8_t *p;
	size_t n;

	p = stream_peek(s->stream, &n);
	if (n == 0)
		return false;
	n = smtp_data_in_feed(&tx->wire, p, n, message_sink, tx);
	stream_consume(s->stream, n);
	s->since_ms = ev_now_ms();
	if (tx->wire.ended)
		message_finish(s);
	else if (message_far_beyond(s, tx->wire.size))
		session_reply(s, REPLY_TOO_MUCH);
	else
		message_wants_spool(s);
	return true;
}
