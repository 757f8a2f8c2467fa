#include "lib/prelude.h"

#include <openssl/ssl.h>

#include "lib/buf.h"
#include "lib/log.h"
#include "lib/num.h"
#include "lib/smtp_cmd.h"
#include "lib/smtp_data.h"
#include "lib/smtp_line.h"
#include "lib/stream.h"
#include "lib/xalloc.h"
#include "tests/bench/sink_session.h"
#include "tests/bench/tally.h"

#define IN_MAX		(128 * 1024)
#define LINGER_MS	2000
#define HEAD_MAX	4096	/* where the id's field is looked for */
#define RCPTS_MAX	10000

struct session {
	struct sink *sink;
	struct stream *stream;
	bool	 in_data;
	bool	 refused;	/* this message */
	struct smtp_data_in data;
	struct buf head;	/* the message's first bytes */
	uint32_t *rcpts;	/* the numbers of its recipients */
	size_t	 nrcpts, rcpts_size;
	bool	 over;		/* to be freed */
};

static void
say(struct session *s, const char *text)
{
	stream_write(s->stream, text, strlen(text));
}

static void
forget_mail(struct session *s)
{
	s->nrcpts = 0;
	buf_reset(&s->head);
}

static void
session_free(struct session *s)
{
	stream_free_drained(&s->stream, LINGER_MS, NULL, NULL);
	buf_clear(&s->head);
	free(s->rcpts);
	free(s);
}

/* --- commands --------------------------------------------------------------------- */

static void
ehlo(struct session *s, struct span arg)
{
	bool offer = s->sink->tls != NULL && stream_ssl(s->stream) == NULL;

	say(s, "250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n");
	say(s, offer ? "250-STARTTLS\r\n250 SIZE\r\n" : "250 SIZE\r\n");
}

static void
starttls(struct session *s, struct span arg)
{
	SSL *ssl = s->sink->tls == NULL ? NULL : SSL_new(s->sink->tls);
	size_t unread;

	stream_peek(s->stream, &unread);
	if (ssl == NULL || unread > 0 || stream_ssl(s->stream) != NULL) {
		SSL_free(ssl);
		say(s, "503 5.5.1 not now\r\n");
		return;
	}
	say(s, "220 go\r\n");
	stream_start_tls(s->stream, ssl, true);
}

static void
mail(struct session *s, struct span arg)
{
	forget_mail(s);
	s->refused = s->sink->mood == SINK_REFUSES;
	say(s, s->refused ? "451 4.3.0 not now\r\n" : "250 2.1.0 ok\r\n");
}

/* "TO:<r12@...": 12; 0 when the local part has no number. */
static uint32_t
rcpt_number(struct span arg)
{
	const char *p = memchr(arg.p, '<', arg.n), *at;
	uint64_t number;

	if (p == NULL || (at = memchr(arg.p, '@', arg.n)) == NULL || at < p + 2 ||
	    num_parse(p + 2, (size_t)(at - p - 2), 0, UINT32_MAX, &number) == -1)
		return 0;
	return (uint32_t)number;
}

static void
rcpt(struct session *s, struct span arg)
{
	if (s->refused) {
		say(s, "503 5.5.1 no sender\r\n");
		return;
	}
	if (s->nrcpts == RCPTS_MAX) {
		say(s, "452 4.5.3 too many\r\n");
		return;
	}
	if (s->nrcpts == s->rcpts_size) {
		s->rcpts_size = s->rcpts_size == 0 ? 4 : s->rcpts_size * 2;
		s->rcpts = xreallocarray(s->rcpts, s->rcpts_size,
		    sizeof(*s->rcpts));
	}
	s->rcpts[s->nrcpts++] = rcpt_number(arg);
	say(s, "250 2.1.5 ok\r\n");
}

static void
data(struct session *s, struct span arg)
{
	if (s->nrcpts == 0) {
		say(s, "503 5.5.1 no recipients\r\n");
		return;
	}
	say(s, "354 go\r\n");
	smtp_data_in_init(&s->data);
	s->in_data = true;
}

static void
fine(struct session *s, struct span arg)
{
	forget_mail(s);
	say(s, "250 2.0.0 ok\r\n");
}

static void
quit(struct session *s, struct span arg)
{
	say(s, "221 2.0.0 bye\r\n");
	s->over = true;
}

static const struct {
	const char *verb;
	void	(*run)(struct session *, struct span arg);
} verbs[] = {
	{ "MAIL", mail }, { "RCPT", rcpt }, { "DATA", data }, { "EHLO", ehlo },
	{ "HELO", fine }, { "RSET", fine }, { "NOOP", fine },
	{ "STARTTLS", starttls }, { "QUIT", quit },
};

static void
command(struct session *s, const char *line, size_t len)
{
	struct span verb, arg;
	size_t i;

	smtp_cmd_split(line, len, &verb, &arg);
	for (i = 0; i < nitems(verbs); i++)
		if (span_is(verb, verbs[i].verb)) {
			verbs[i].run(s, arg);
			return;
		}
	say(s, "500 5.5.1 what?\r\n");
}

/* --- content ------------------------------------------------------------------------ */

static int
content(const uint8_t *p, size_t n, void *arg)
{
	struct session *s = arg;
	size_t room = HEAD_MAX - s->head.len;

	return buf_add(&s->head, p, n < room ? n : room);
}

static void
count(struct session *s)
{
	struct sink *sink = s->sink;
	struct id id;
	size_t i;

	sink->deliveries++;
	sink->recipients += s->nrcpts;
	sink->bytes += s->data.size;
	sink->last_us = tally_now_us();
	if (id_find(s->head.data, s->head.len, &id) == -1) {
		sink->without_id++;
		return;
	}
	for (i = 0; i < s->nrcpts; i++)
		ids_add(&sink->ids, &id, s->rcpts[i]);
}

static size_t
feed(struct session *s, const uint8_t *p, size_t n)
{
	size_t used = smtp_data_in_feed(&s->data, p, n, content, s);

	if (s->data.ended) {
		s->in_data = false;
		if (s->sink->mood == SINK_CLOSES) {
			s->over = true;
		} else if (s->data.flaws == 0) {
			count(s);
			say(s, "250 2.0.0 taken\r\n");
		} else {
			say(s, "554 5.6.0 bad line ends\r\n");
		}
		forget_mail(s);
	}
	return used;
}

/* --- the stream's side --------------------------------------------------------------- */

/* Bytes eaten, 0: more must come first. */
static size_t
take(struct session *s, const uint8_t *p, size_t n)
{
	char line[SMTP_COMMAND_LONG];
	size_t len, used;

	if (s->in_data)
		return feed(s, p, n);
	switch (smtp_line_next(p, n, sizeof(line), &len, &used)) {
	case SMTP_LINE_OK:
		/* STARTTLS looks at what is behind its line. */
		memcpy(line, p, len);
		stream_consume(s->stream, used);
		command(s, line, len);
		return 0;
	case SMTP_LINE_MORE:
		break;
	default:
		s->over = true;
	}
	return 0;
}

static void
readable_cb(struct stream *st, void *arg)
{
	struct session *s = arg;
	const uint8_t *p;
	size_t n, used, before;

	for (;;) {
		p = stream_peek(st, &n);
		before = n;
		if (n == 0 || s->over)
			break;
		used = take(s, p, n);
		if (used > 0)
			stream_consume(st, used);
		stream_peek(st, &n);
		if (n == before)
			break;
	}
	if (s->over)
		session_free(s);
}

static void
ended_cb(struct stream *st, enum stream_end how, const char *why, void *arg)
{
	session_free(arg);
}

static const struct stream_ops ops = {
	.readable = readable_cb, .ended = ended_cb
};

void
sink_session_new(struct sink *sink, int fd)
{
	struct session *s = xcalloc(1, sizeof(*s));

	s->sink = sink;
	sink->sessions++;
	buf_init(&s->head, HEAD_MAX);
	s->stream = stream_new(fd, false, IN_MAX, &ops, s);
	say(s, "220 sink ESMTP\r\n");
}
