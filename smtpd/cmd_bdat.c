/*
 * BDAT, RFC 3030 2: content in chunks of a said size, without dots and without
 * an end in it. The bytes behind a BDAT are a chunk even when it is refused:
 * they are read and thrown away before the reply, else they would be taken for
 * commands. After a refusal the message is over; further chunks get 503.
 */
#include "lib/prelude.h"

#include "lib/num.h"
#include "smtpd/message.h"
#include "smtpd/session_private.h"
#include "smtpd/verbs.h"

/* So much is read of a chunk from somebody who may not send at all. */
#define STRANGERS_CHUNK_MAX	(64 * 1024)

/* chunk-size [SP end-marker] */
static bool
parse(struct span arg, struct chunk *c)
{
	struct span size, last;

	smtp_cmd_split(arg.p, arg.n, &size, &last);
	c->last = span_is(last, "LAST");
	return num_parse(size.p, size.n, 0, UINT64_MAX, &c->size) == 0 &&
	    (c->last || last.p == size.p + size.n);
}

static enum reply
check(const struct session *s)
{
	const struct chunk *c = &s->chunk;
	uint64_t before = s->tx == NULL ? 0 : s->tx->wire.size;

	if (message_far_beyond(s, c->size) ||
	    message_far_beyond(s, before + c->size))
		return REPLY_TOO_MUCH;
	return message_check(s);
}

static void
chunk_end(struct session *s)
{
	struct transaction *tx = s->tx;
	char size[24];

	snprintf(size, sizeof(size), "%llu", (unsigned long long)s->chunk.size);
	if (s->chunk.refusal != REPLY_NONE) {
		session_set_state(s, SESSION_COMMAND);
		session_refuse(s, "BDAT", s->chunk.refusal, NULL, NULL);
	} else if (s->chunk.last) {
		smtp_data_in_last(&tx->wire, message_sink, tx);
		message_finish(s);
	} else if (message_is_bad(tx))
		message_refuse(s);
	else {
		session_set_state(s, SESSION_COMMAND);
		session_reply_arg(s, REPLY_CHUNK, size);
	}
}

/* Behind each piece. */
static void
go_on(struct session *s)
{
	if (s->chunk.refusal == REPLY_NONE && message_wants_spool(s))
		return;
	if (s->chunk.left == 0)
		chunk_end(s);
}

static bool
begin(struct session *s, struct span arg)
{
	struct chunk *c = &s->chunk;

	memset(c, 0, sizeof(*c));
	c->refusal = REPLY_NONE;
	if (!parse(arg, c)) {
		/* Nobody knows where the chunk ends. */
		session_refuse(s, "BDAT", REPLY_BAD_BDAT, NULL, NULL);
		session_end(s, "a BDAT without a size");
		return false;
	}
	c->left = c->size;
	return true;
}

void
cmd_bdat_refused(struct session *s, struct span arg, enum reply refusal)
{
	if (!begin(s, arg))
		return;
	if (s->chunk.size > STRANGERS_CHUNK_MAX) {
		session_refuse(s, "BDAT", refusal, NULL, NULL);
		session_end(s, "a large chunk before a login");
		return;
	}
	s->chunk.refusal = refusal;
	session_set_state(s, SESSION_CHUNK);
	go_on(s);
}

void
cmd_bdat(struct session *s, struct span arg)
{
	struct chunk *c = &s->chunk;

	if (!begin(s, arg))
		return;
	c->refusal = check(s);
	if (c->refusal == REPLY_TOO_MUCH) {
		session_reply(s, REPLY_TOO_MUCH);
		return;
	}
	if (c->refusal == REPLY_NONE && !s->tx->wire.chunks) {
		smtp_data_in_init_chunks(&s->tx->wire);
		message_begin(s);
	}
	session_set_state(s, SESSION_CHUNK);
	go_on(s);
}

bool
cmd_bdat_content(struct session *s)
{
	struct chunk *c = &s->chunk;
	const uint8_t *p;
	size_t n;

	p = stream_peek(s->stream, &n);
	if (n == 0 && c->left > 0)
		return false;
	if (n > c->left)
		n = (size_t)c->left;
	if (c->refusal == REPLY_NONE)
		smtp_data_in_feed(&s->tx->wire, p, n, message_sink, s->tx);
	stream_consume(s->stream, n);
	c->left -= n;
	s->since_ms = ev_now_ms();
	go_on(s);
	return true;
}
