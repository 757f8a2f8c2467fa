#include "lib/prelude.h"

#include <sys/socket.h>
#include <netdb.h>
#include <openssl/ssl.h>

#include "lib/base64.h"
#include "lib/buf.h"
#include "lib/ev.h"
#include "lib/log.h"
#include "lib/net.h"
#include "lib/smtp_reply.h"
#include "lib/stream.h"
#include "lib/xalloc.h"
#include "tests/bench/ids.h"
#include "tests/bench/load_session.h"

#define IN_MAX		(64 * 1024)
#define LINGER_MS	2000
#define LATE_US		100000	/* so much is caught up with */

/* What is waited for: the reply to the command of that name, or as said. */
enum state {
	ST_CONNECT,		/* the connection */
	ST_TLS,			/* the handshake */
	ST_GREETING,
	ST_EHLO,
	ST_STARTTLS,
	ST_AUTH,
	ST_IDLE,		/* nothing, or the next message's time */
	ST_MAIL,
	ST_RCPT,
	ST_DATA,
	ST_CONTENT,		/* the reply to the end of the data */
	ST_QUIT
};

static const struct {
	const char *name;
	int	 code;		/* hoped for */
} states[] = {
	[ST_CONNECT] = { "connect", 0 },
	[ST_TLS] = { "TLS", 0 },
	[ST_GREETING] = { "greeting", 220 },
	[ST_EHLO] = { "EHLO", 250 },
	[ST_STARTTLS] = { "STARTTLS", 220 },
	[ST_AUTH] = { "AUTH", 235 },
	[ST_IDLE] = { "idle", 0 },
	[ST_MAIL] = { "MAIL", 250 },
	[ST_RCPT] = { "RCPT", 250 },
	[ST_DATA] = { "DATA", 354 },
	[ST_CONTENT] = { "content", 250 },
	[ST_QUIT] = { "QUIT", 221 },
};

struct session {
	struct load *load;
	struct stream *stream;
	enum state state;
	struct smtp_reply reply;
	uint64_t began_us, mail_us, waits_us;
	uint64_t todo;		/* messages of this session, yet to begin */
	uint32_t message;	/* number of the present one */
	uint32_t rcpt;		/* whose reply is waited for */
	struct ev_timer due;	/* the message's time */
};

static void	begin_message(struct session *);

static void
enter(struct session *s, enum state state)
{
	s->state = state;
	s->waits_us = tally_now_us();
}

void
load_list_add(struct load_list *list, uint32_t number)
{
	if (list->n == list->size) {
		list->size = list->size == 0 ? 64 : list->size * 2;
		list->v = xreallocarray(list->v, list->size, sizeof(*list->v));
	}
	list->v[list->n++] = number;
}

static void
session_free(struct session *s, bool was_broken)
{
	struct load *l = s->load;

	ev_timer_cancel(&s->due);
	stream_free_drained(&s->stream, LINGER_MS, NULL, NULL);
	smtp_reply_clear(&s->reply);
	free(s);
	l->over(was_broken);
}

static void
broken(struct session *s, int code, const char *why)
{
	struct load *l = s->load;

	l->broken++;
	l->codes[code >= 0 && (size_t)code < nitems(l->codes) ? code : 0]++;
	if (s->state >= ST_MAIL && s->state <= ST_CONTENT) {
		l->refused++;
		if (l->conf.rate > 0)
			load_list_add(s->state == ST_CONTENT && code == 0 ?
			    &l->unsaid : &l->again, s->message);
	}
	l->todo += s->todo;
	if (l->first_error[0] == '\0')
		snprintf(l->first_error, sizeof(l->first_error), "%s: %s",
		    states[s->state].name, log_escs(why));
	session_free(s, true);
}

/* --- what is said ------------------------------------------------------------------- */

static void
say(struct session *s, const char *text)
{
	stream_write(s->stream, text, strlen(text));
}

static void
perform_ehlo(struct session *s)
{
	say(s, "EHLO load.bench.example\r\n");
	enter(s, ST_EHLO);
}

/* RFC 4954 4: with an initial response; RFC 4616: NUL user NUL password. */
static void
perform_auth(struct session *s)
{
	const struct load_conf *c = &s->load->conf;
	struct buf plain, line;

	buf_init(&plain, 512);
	buf_init(&line, 1024);
	buf_addc(&plain, '\0');
	buf_adds(&plain, c->user);
	buf_addc(&plain, '\0');
	buf_adds(&plain, c->password);
	buf_adds(&line, "AUTH PLAIN ");
	if (base64_encode(plain.data, plain.len, &line) == -1)
		fatalx("user and password are too long");
	buf_adds(&line, "\r\n");
	say(s, buf_str(&line));
	buf_clear(&plain);
	buf_clear(&line);
	enter(s, ST_AUTH);
}

static void
say_mail(struct session *s)
{
	char line[512];

	snprintf(line, sizeof(line), "MAIL FROM:<%s>\r\n", s->load->conf.from);
	say(s, line);
}

static void
say_rcpt(struct session *s, uint32_t number)
{
	char line[512];

	snprintf(line, sizeof(line), "RCPT TO:<r%u@%s>\r\n", number,
	    s->load->conf.domain);
	say(s, line);
}

static void
perform_mail(struct session *s)
{
	uint32_t i;

	s->mail_us = tally_now_us();
	say_mail(s);
	if (s->load->conf.pipelining) {
		for (i = 0; i < s->load->conf.rcpts; i++)
			say_rcpt(s, i);
		say(s, "DATA\r\n");
	}
	enter(s, ST_MAIL);
}

static void
perform_rcpt(struct session *s, uint32_t number)
{
	s->rcpt = number;
	if (!s->load->conf.pipelining)
		say_rcpt(s, number);
	enter(s, ST_RCPT);
}

static void
perform_data(struct session *s)
{
	if (!s->load->conf.pipelining)
		say(s, "DATA\r\n");
	enter(s, ST_DATA);
}

static void
perform_content(struct session *s)
{
	const struct load_conf *c = &s->load->conf;
	struct id id = { c->run, s->message, c->rcpts };
	size_t bytes = c->large > 0 && s->message % 100 == 0 ? c->large :
	    c->bytes;
	char head[1024], field[IDS_TEXT_LEN];
	int n;

	n = snprintf(head, sizeof(head),
	    "Date: Mon, 02 Mar 2026 09:00:00 +0000\r\n"
	    "From: <%s>\r\nTo: <r0@%s>\r\n"
	    "Message-ID: <%u.%u@load.bench.example>\r\n%s"
	    "Subject: one of many\r\n\r\n", c->from, c->domain, c->run,
	    s->message, id_print(&id, field));
	stream_write(s->stream, head, (size_t)n);
	if (bytes > (size_t)n)
		stream_write(s->stream, s->load->text, bytes - (size_t)n);
	say(s, "\r\n.\r\n");
	enter(s, ST_CONTENT);
}

static void
perform_quit(struct session *s)
{
	say(s, "QUIT\r\n");
	enter(s, ST_QUIT);
}

/* --- what comes next ------------------------------------------------------------------ */

static void
begin_tls(struct session *s)
{
	SSL *ssl = SSL_new(s->load->conf.ctx);

	if (ssl == NULL)
		fatalx("OpenSSL is out of memory");
	enter(s, ST_TLS);
	stream_start_tls(s->stream, ssl, false);
}

static void
logged_in(struct session *s)
{
	struct load *l = s->load;

	tally_add(&l->ready, tally_now_us() - s->began_us);
	if (l->conf.idle) {
		enter(s, ST_IDLE);
		l->idle();
	} else {
		begin_message(s);
	}
}

static void
due_cb(void *arg)
{
	struct session *s = arg;
	struct load *l = s->load;

	if (l->again.n > 0) {
		s->message = l->again.v[--l->again.n];
	} else if (l->ending) {
		perform_quit(s);
		return;
	} else {
		s->message = l->begun++;
	}
	s->todo--;
	perform_mail(s);
}

static void
begin_message(struct session *s)
{
	struct load *l = s->load;
	uint64_t now;

	if (s->todo == 0) {
		perform_quit(s);
		return;
	}
	if (l->conf.rate > 0) {
		now = tally_now_us();
		if (l->next_us < now - LATE_US)
			l->next_us = now - LATE_US;
		l->next_us += 1000000 / l->conf.rate;
		if (l->next_us > now && !l->ending) {
			enter(s, ST_IDLE);
			ev_timer_set(&s->due, (l->next_us - now + 999) / 1000);
			return;
		}
	}
	due_cb(s);
}

static void
greeted(struct session *s)
{
	const struct load_conf *c = &s->load->conf;

	if (c->tls == LOAD_STARTTLS && stream_ssl(s->stream) == NULL) {
		say(s, "STARTTLS\r\n");
		enter(s, ST_STARTTLS);
	} else if (c->user != NULL) {
		perform_auth(s);
	} else {
		logged_in(s);
	}
}

static void
replied(struct session *s)
{
	struct load *l = s->load;

	if (tally_now_us() - s->waits_us > STALL_US)
		l->stalls++;
	switch (s->state) {
	case ST_GREETING:
		perform_ehlo(s);
		return;
	case ST_EHLO:
		greeted(s);
		return;
	case ST_STARTTLS:
		begin_tls(s);
		return;
	case ST_AUTH:
		logged_in(s);
		return;
	case ST_MAIL:
		perform_rcpt(s, 0);
		return;
	case ST_RCPT:
		if (s->rcpt + 1 < l->conf.rcpts)
			perform_rcpt(s, s->rcpt + 1);
		else
			perform_data(s);
		return;
	case ST_DATA:
		perform_content(s);
		return;
	case ST_CONTENT:
		l->accepted++;
		tally_add(&l->message, tally_now_us() - s->mail_us);
		begin_message(s);
		return;
	case ST_QUIT:
		tally_add(&l->session, tally_now_us() - s->began_us);
		session_free(s, false);
		return;
	default:
		broken(s, 0, "a reply to nothing");
	}
}

/* --- the stream's side ------------------------------------------------------------------ */

/* One reply of those unread. False: no whole one is there, or it is over. */
static bool
take(struct session *s)
{
	const uint8_t *p;
	size_t n, used;
	enum smtp_reply_got got;
	char why[256];

	p = stream_peek(s->stream, &n);
	if (n == 0)
		return false;
	got = smtp_reply_feed(&s->reply, p, n, &used);
	stream_consume(s->stream, used);
	if (got == SMTP_REPLY_MORE)
		return false;
	if (got == SMTP_REPLY_BAD || s->reply.code != states[s->state].code) {
		snprintf(why, sizeof(why), "%d %.200s", s->reply.code,
		    got == SMTP_REPLY_BAD ? s->reply.why :
		    buf_str(&s->reply.text));
		broken(s, s->reply.code, why);
		return false;
	}
	smtp_reply_reset(&s->reply);
	return true;
}

static void
readable_cb(struct stream *st, void *arg)
{
	struct session *s = arg;
	bool last = false;

	while (!last && take(s)) {
		last = s->state == ST_QUIT;
		replied(s);
	}
}

static void
up_cb(struct stream *st, void *arg)
{
	struct session *s = arg;
	enum load_tls tls = s->load->conf.tls;

	if (s->state == ST_CONNECT && tls == LOAD_IMPLICIT)
		begin_tls(s);
	else if (s->state == ST_CONNECT || tls == LOAD_IMPLICIT)
		enter(s, ST_GREETING);
	else
		perform_ehlo(s);	/* RFC 3207 4.2: begin anew */
}

static void
ended_cb(struct stream *st, enum stream_end how, const char *why, void *arg)
{
	broken(arg, 0, why);
}

static const struct stream_ops ops = {
	.readable = readable_cb, .up = up_cb, .ended = ended_cb
};

void
load_session_new(struct load *l)
{
	struct session *s = xcalloc(1, sizeof(*s));
	const struct addrinfo *to = l->conf.to;
	int fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0);

	if (fd == -1)
		fatal("socket");
	net_no_delay(fd);
	if (connect(fd, to->ai_addr, to->ai_addrlen) == -1 &&
	    errno != EINPROGRESS)
		fatal("connect");
	l->sessions++;
	s->load = l;
	s->todo = l->todo < l->conf.per_session ? l->todo : l->conf.per_session;
	l->todo -= s->todo;
	s->began_us = tally_now_us();
	smtp_reply_init(&s->reply);
	ev_timer_init(&s->due, due_cb, s);
	s->stream = stream_new(fd, true, IN_MAX, &ops, s);
	enter(s, ST_CONNECT);
}
