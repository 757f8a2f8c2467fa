/*
 * Two halves. Before it is ready a client goes through the states of opening,
 * one reply each. A delivery is then a row of steps, RSET when the last one
 * was broken off, MAIL, RCPT times n, DATA, the content, whose replies come in
 * that order whether they are pipelined (RFC 2920) or not: `asked` is how many
 * have been sent and `told` how many have been answered.
 */
#include "lib/prelude.h"

#include <sys/socket.h>
#include <arpa/inet.h>
#include <strings.h>

#include "lib/base64.h"
#include "lib/ev.h"
#include "lib/log.h"
#include "lib/smtp_data.h"
#include "lib/stats.h"
#include "lib/stream.h"
#include "lib/xalloc.h"
#include "relay/client.h"
#include "relay/sasl.h"

#define IN_MAX		16384	/* unread input; a reply line fits twice */
#define CHUNK		(32 * 1024)	/* content per turn */
#define UNSENT_MAX	(64 * 1024)	/* content waiting for the socket */
#define AUTH_LINE_MAX	12288	/* RFC 4954 4 */
#define WHY_MAX		700

enum state {
	ST_CONNECT,	/* for connect(), or TLS after it */
	ST_GREETING,	/* for 220 */
	ST_EHLO, ST_HELO,
	ST_STARTTLS,	/* for 220, then the handshake */
	ST_TLS,
	ST_AUTH,	/* for 334 or 235 */
	ST_READY,	/* for client_deliver() */
	ST_ENVELOPE,	/* for the replies to RSET, MAIL, RCPT, DATA */
	ST_CONTENT,	/* sending; an early reply ends it */
	ST_DOT,		/* for the reply to the end of the data */
	ST_QUIT,	/* for 221 or the end */
	ST_OVER		/* the owner is told from the loop */
};

static const char *const state_names[] = { "connecting", "the greeting",
    "EHLO", "HELO", "STARTTLS", "the TLS handshake", "AUTH", "idle",
    "the envelope", "sending the message", "the end of the message", "QUIT",
    "over" };

struct client {
	const struct client_conf *conf;
	const struct client_ops *ops;
	void	*arg;
	struct dns_target target;
	char	 remote[400];		/* "host[address]:port" */
	enum state state;
	struct stream *stream;
	struct smtp_reply reply;
	struct ev_timer limit, over, refused;
	struct sasl *sasl;
	/* announced by EHLO */
	bool	 esmtp, starttls, pipelining, eight_bit, utf8, size_known, dsn;
	uint64_t size_max;		/* 0: none said */
	char	 auth[256];

	struct delivery *d;
	size_t	 asked, told;		/* steps of the envelope */
	bool	 reset_first;		/* step 0 is RSET */
	bool	 mail_ok;
	bool	 quit_wanted, usable, tls_failed;
	uint32_t carried;
	struct smtp_data_out data;
	char	 why[WHY_MAX];
	const char *status;
	char	 tls_text[128];
};

static void	readable_cb(struct stream *, void *);
static void	drained_cb(struct stream *, void *);
static void	up_cb(struct stream *, void *);
static void	ended_cb(struct stream *, enum stream_end, const char *, void *);
static void	limit_cb(void *);
static void	over_cb(void *);
static void	refused_cb(void *);
static void	perform_next(struct client *);
static void	content_more(struct client *);
static void	unasked(struct client *);

static const struct stream_ops stream_ops = { readable_cb, drained_cb, up_cb,
    ended_cb };

/* --- life ------------------------------------------------------------------------- */

static void
enter(struct client *c, enum state st)
{
	const struct client_conf *k = c->conf;
	uint32_t sec = st == ST_CONNECT || st == ST_TLS ? k->connect_sec :
	    st == ST_CONTENT || st == ST_DOT ? k->data_sec : k->command_sec;

	log_debug("smtp", "%s: %s -> %s", c->remote, state_names[c->state],
	    state_names[st]);
	c->state = st;
	if (st == ST_READY || st == ST_OVER)
		ev_timer_cancel(&c->limit);
	else
		ev_timer_set(&c->limit, (uint64_t)sec * 1000);
}

/* The connection is of no more use; the first reason stays. */
static void give_up(struct client *, const char *, const char *, ...)
    PRINTFLIKE(3, 4);

static void
give_up(struct client *c, const char *status, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	if (c->state == ST_OVER)
		return;
	n = (size_t)snprintf(c->why, sizeof(c->why), "%s: ", c->remote);
	va_start(ap, fmt);
	vsnprintf(c->why + n, sizeof(c->why) - n, fmt, ap);
	va_end(ap);
	c->status = status;
	enter(c, ST_OVER);
	ev_timer_set(&c->over, 0);
}

static int
connect_socket(struct client *c)
{
	struct sockaddr_storage from;
	struct sockaddr_in *v4 = (struct sockaddr_in *)&from;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&from;
	int family = c->target.addr.ss_family, fd;
	bool bound = true;

	fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	memset(&from, 0, sizeof(from));
	from.ss_family = (sa_family_t)family;
	if (*c->conf->source_address != '\0' && inet_pton(family,
	    c->conf->source_address, family == AF_INET ?
	    (void *)&v4->sin_addr : (void *)&v6->sin6_addr) == 1)
		bound = bind(fd, (struct sockaddr *)&from,
		    c->target.addr_len) == 0;
	if (bound && (connect(fd, (struct sockaddr *)&c->target.addr,
	    c->target.addr_len) == 0 || errno == EINPROGRESS))
		return fd;
	close(fd);
	return -1;
}

struct client *
client_new(const struct client_conf *conf, const struct dns_target *target,
    const struct client_ops *ops, void *arg)
{
	struct client *c = xcalloc(1, sizeof(*c));
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)
	    &target->addr;
	int fd;

	c->conf = conf;
	c->ops = ops;
	c->arg = arg;
	c->target = *target;
	c->status = "4.4.1";
	/* The port stands at the same place in both families. */
	snprintf(c->remote, sizeof(c->remote), "%s[%s]:%u", target->host,
	    target->text, ntohs(v4->sin_port));
	snprintf(c->tls_text, sizeof(c->tls_text), "none");
	smtp_reply_init(&c->reply);
	ev_timer_init(&c->limit, limit_cb, c);
	ev_timer_init(&c->over, over_cb, c);
	ev_timer_init(&c->refused, refused_cb, c);
	stats_add(STAT_CONNECTIONS_NOW, 1);
	enter(c, ST_CONNECT);
	fd = connect_socket(c);
	if (fd == -1)
		give_up(c, "4.4.1", "cannot connect: %s",
		    strerrordesc_np(errno));
	else
		c->stream = stream_new(fd, true, IN_MAX, &stream_ops, c);
	return c;
}

void
client_free(struct client **cp)
{
	struct client *c = *cp;

	if (c == NULL)
		return;
	*cp = NULL;
	stats_add(STAT_CONNECTIONS_NOW, -1);
	ev_timer_cancel(&c->limit);
	ev_timer_cancel(&c->over);
	ev_timer_cancel(&c->refused);
	stream_free(&c->stream);
	sasl_free(&c->sasl);
	smtp_reply_clear(&c->reply);
	if (c->d != NULL)
		delivery_end(&c->d, c->remote, c->tls_text, true);
	free(c);
}

/*
 * Settles what the delivery still wants. If nothing of it was answered on a
 * connection that had been idle, the server had closed it meanwhile: give the
 * delivery back.
 */
static void
over_cb(void *arg)
{
	struct client *c = arg;
	struct delivery *unsent = NULL;

	stream_free(&c->stream);
	if (c->d != NULL && c->carried > 1 && c->asked > 0 && c->told == 0 &&
	    !c->d->again && c->d->at == 0) {
		unsent = c->d;
		unsent->again = true;
		c->d = NULL;
	} else if (c->d != NULL) {
		delivery_rest(c->d, false, OUTCOME_DEFERRED, c->status, c->why,
		    c->target.host);
		delivery_end(&c->d, c->target.host, c->tls_text, true);
	}
	c->ops->over(c, unsent, c->usable, c->arg);
}

static void
limit_cb(void *arg)
{
	struct client *c = arg;

	give_up(c, "4.4.2", "no answer in time at %s", state_names[c->state]);
}

static void
ended_cb(struct stream *s, enum stream_end end, const char *why, void *arg)
{
	struct client *c = arg;

	if (end == STREAM_TLS_FAILED) {
		c->tls_failed = c->state == ST_TLS || c->state == ST_CONNECT;
		give_up(c, "4.7.5", "TLS failed: %s", log_escs(why));
	} else if (c->state == ST_CONNECT)
		give_up(c, "4.4.1", "cannot connect: %s", why);
	else if (c->state == ST_TLS) {
		c->tls_failed = true;
		give_up(c, "4.7.5", "the connection ended in the TLS "
		    "handshake");
	} else
		give_up(c, "4.4.2", "the connection ended at %s: %s",
		    state_names[c->state], why);
}

/* --- sending a line ------------------------------------------------------------------- */

static void say(struct client *, const char *, ...) PRINTFLIKE(2, 3);

static void
say(struct client *c, const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line) - 2, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(line) - 2 ||
	    strpbrk(line, "\r\n") != NULL) {
		give_up(c, "5.6.0", "an address cannot be put on a line");
		return;
	}
	memcpy(line + n, "\r\n", 2);
	stream_write(c->stream, line, (size_t)n + 2);
}

/* --- opening: perform_x sends, resp_x judges -------------------------------------------- */

static void
perform_ehlo(struct client *c)
{
	c->esmtp = true;
	c->starttls = c->pipelining = c->eight_bit = c->utf8 = c->dsn = false;
	c->size_max = 0;
	c->auth[0] = '\0';
	say(c, "EHLO %s", c->conf->hostname);
	enter(c, ST_EHLO);
}

static void
start_tls(struct client *c)
{
	struct ssl_st *ssl = tlspolicy_ssl(c->conf->ssl_ctx, &c->conf->tls,
	    c->target.host);

	enter(c, ST_TLS);
	stream_start_tls(c->stream, ssl, false);
}

static void
up_cb(struct stream *s, void *arg)
{
	struct client *c = arg;

	if (c->state == ST_CONNECT && c->conf->tls.implicit) {
		start_tls(c);
		return;
	}
	if (c->state == ST_CONNECT) {
		enter(c, ST_GREETING);
		return;
	}
	snprintf(c->tls_text, sizeof(c->tls_text), "%s",
	    tlspolicy_outcome(stream_ssl(c->stream)));
	if (c->conf->tls.implicit)
		enter(c, ST_GREETING);
	else
		perform_ehlo(c);	/* RFC 3207 4.2: begin anew */
}

static void
resp_greeting(struct client *c)
{
	if (c->reply.code == 220)
		perform_ehlo(c);
	else	/* 554 as well: another server of the domain may take it */
		give_up(c, "4.3.2", "greeted with %s", reply_diag(&c->reply));
}

static bool
keyword(const char *line, size_t n, const char *word, const char **rest,
    size_t *rest_len)
{
	size_t len = strlen(word);

	if (n < len || strncasecmp(line, word, len) != 0 ||
	    (n > len && line[len] != ' ' && line[len] != '='))
		return false;
	*rest = line + len + (n > len);
	*rest_len = n - len - (n > len);
	return true;
}

static void
read_ehlo(struct client *c)
{
	const char *line, *rest;
	size_t at = 0, n, len;

	while ((line = smtp_reply_next_line(&c->reply, &at, &n)) != NULL) {
		if (keyword(line, n, "STARTTLS", &rest, &len))
			c->starttls = true;
		else if (keyword(line, n, "PIPELINING", &rest, &len))
			c->pipelining = true;
		else if (keyword(line, n, "8BITMIME", &rest, &len))
			c->eight_bit = true;
		else if (keyword(line, n, "SMTPUTF8", &rest, &len))
			c->utf8 = true;
		else if (keyword(line, n, "DSN", &rest, &len))
			c->dsn = true;
		else if (keyword(line, n, "SIZE", &rest, &len)) {
			c->size_known = true;
			c->size_max = len < 20 ? strtoull(rest, NULL, 10) : 0;
		} else if (keyword(line, n, "AUTH", &rest, &len))
			snprintf(c->auth, sizeof(c->auth), "%.*s", (int)len,
			    rest);
	}
}

static void
perform_auth(struct client *c)
{
	const char *err;
	const uint8_t *initial;
	struct buf line;
	size_t len;

	if (!c->conf->tls.secrets_ok) {
		give_up(c, "4.7.0", "a password is not sent without verified "
		    "TLS");
		return;
	}
	c->sasl = sasl_begin(c->target.host, c->conf->user, c->conf->password,
	    c->auth, &err);
	if (c->sasl == NULL) {
		give_up(c, "4.7.0", "cannot log in: %s", err);
		return;
	}
	buf_init(&line, AUTH_LINE_MAX);
	initial = sasl_initial(c->sasl, &len);
	buf_addf(&line, "AUTH %s", sasl_mechanism(c->sasl));
	if (initial != NULL && (buf_addc(&line, ' ') == -1 || (len == 0 ?
	    buf_addc(&line, '=') : base64_encode(initial, len, &line)) == -1))
		give_up(c, "4.7.0", "the login does not fit a line");
	buf_adds(&line, "\r\n");
	stream_write(c->stream, line.data, line.len);
	buf_wipe(&line);
	if (c->state != ST_OVER)
		enter(c, ST_AUTH);
}

static void
now_ready(struct client *c)
{
	c->usable = true;
	sasl_free(&c->sasl);
	enter(c, ST_READY);
	if (c->quit_wanted)
		client_quit(c);
	else
		c->ops->ready(c, c->arg);
}

static void
resp_ehlo(struct client *c)
{
	const struct tlspolicy *p = &c->conf->tls;
	bool in_tls = stream_ssl(c->stream) != NULL;

	/* RFC 5321 3.2: an old server; nothing that needs ESMTP is given up. */
	if (c->reply.code / 100 == 5 && c->state == ST_EHLO && !in_tls &&
	    !p->required && *c->conf->user == '\0') {
		c->esmtp = false;
		say(c, "HELO %s", c->conf->hostname);
		enter(c, ST_HELO);
		return;
	}
	if (c->reply.code != 250) {
		give_up(c, "4.3.2", "EHLO was answered with %s",
		    reply_diag(&c->reply));
		return;
	}
	if (c->esmtp)
		read_ehlo(c);
	if (!in_tls && p->starttls && c->starttls) {
		say(c, "STARTTLS");
		enter(c, ST_STARTTLS);
	} else if (!in_tls && p->required)
		give_up(c, "4.7.4", "TLS is required, but the server does not "
		    "offer STARTTLS");
	else if (*c->conf->user != '\0')
		perform_auth(c);
	else
		now_ready(c);
}

static void
resp_starttls(struct client *c)
{
	size_t extra;

	if (c->reply.code != 220) {
		if (c->conf->tls.required)
			give_up(c, "4.7.4", "STARTTLS was answered with %s",
			    reply_diag(&c->reply));
		else
			now_ready(c);
		return;
	}
	/* Whoever is in the path may have put words into the server's mouth. */
	stream_peek(c->stream, &extra);
	if (extra > 0) {
		c->tls_failed = true;
		give_up(c, "4.7.5", "the server went on in the clear behind "
		    "its answer to STARTTLS");
		return;
	}
	start_tls(c);
}

static void
auth_answer(struct client *c)
{
	struct buf challenge, answer, line;
	const char *text = buf_str(&c->reply.text);

	buf_init(&challenge, AUTH_LINE_MAX);
	buf_init(&answer, AUTH_LINE_MAX);
	buf_init(&line, AUTH_LINE_MAX);
	if (base64_decode(text, strlen(text), &challenge) == -1 ||
	    sasl_step_on(c->sasl, challenge.data, challenge.len,
	    &answer) == -1 || base64_encode(answer.data, answer.len,
	    &line) == -1 || buf_adds(&line, "\r\n") == -1)
		give_up(c, "4.7.0", "the server's side of the login makes no "
		    "sense (%s)", sasl_mechanism(c->sasl));
	else
		stream_write(c->stream, line.data, line.len);
	buf_wipe(&challenge);
	buf_wipe(&answer);
	buf_wipe(&line);
}

/* A wrong password is ours to mend, not the message's fate: deferred. */
static void
resp_auth(struct client *c)
{
	if (c->reply.code == 334)
		auth_answer(c);
	else if (c->reply.code != 235)
		give_up(c, "4.7.8", "login as %s failed: %s",
		    log_escs(c->conf->user), reply_diag(&c->reply));
	else if (!sasl_complete(c->sasl))
		give_up(c, "4.7.0", "the server let us in without proving "
		    "that it knows the password");
	else
		now_ready(c);
}

/* --- the envelope ----------------------------------------------------------------------- */

enum step { STEP_RSET, STEP_MAIL, STEP_RCPT, STEP_DATA, STEP_NONE };

/* The i-th step; *rcpt is set for STEP_RCPT. */
static enum step
step_at(const struct client *c, size_t i, size_t *rcpt)
{
	if (c->reset_first && i-- == 0)
		return STEP_RSET;
	if (i == 0)
		return STEP_MAIL;
	*rcpt = i - 1;
	return i <= c->d->nrcpts ? STEP_RCPT :
	    i == c->d->nrcpts + 1 ? STEP_DATA : STEP_NONE;
}

static void
perform_mail(struct client *c)
{
	static const char *const rets[] = { "", " RET=FULL", " RET=HDRS" };
	const struct delivery *d = c->d;
	char size[40] = "", envid[128] = "";

	if (c->size_known)
		snprintf(size, sizeof(size), " SIZE=%llu",
		    (unsigned long long)d->size);
	if (c->dsn && *d->envid != '\0')
		snprintf(envid, sizeof(envid), " ENVID=%s", d->envid);
	say(c, "MAIL FROM:<%s>%s%s%s%s%s", d->return_path, size,
	    d->flags & DELIVER_8BIT ? " BODY=8BITMIME" : "",
	    d->flags & DELIVER_UTF8 ? " SMTPUTF8" : "",
	    c->dsn && d->ret < nitems(rets) ? rets[d->ret] : "", envid);
}

static void
perform_rcpt(struct client *c, const struct delivery_rcpt *r)
{
	static const char *const words[] = { "NEVER", "SUCCESS", "FAILURE",
	    "DELAY" };
	char notify[64] = "";
	size_t i, n = 0;

	for (i = 0; c->dsn && i < nitems(words); i++)
		if (r->notify & (1 << i))
			n += (size_t)snprintf(notify + n, sizeof(notify) - n,
			    "%s%s", n == 0 ? " NOTIFY=" : ",", words[i]);
	say(c, "RCPT TO:<%s>%s%s%s", r->addr, notify,
	    c->dsn && *r->orcpt != '\0' ? " ORCPT=" : "",
	    c->dsn ? r->orcpt : "");
}

static void
perform_step(struct client *c)
{
	size_t rcpt = 0;

	switch (step_at(c, c->asked++, &rcpt)) {
	case STEP_RSET:
		say(c, "RSET");
		break;
	case STEP_MAIL:
		perform_mail(c);
		break;
	case STEP_RCPT:
		perform_rcpt(c, &c->d->rcpts[rcpt]);
		break;
	case STEP_DATA:
		say(c, "DATA");
		break;
	case STEP_NONE:
		break;
	}
}

/* The transaction is over before its end: say RSET before the next. */
static void
break_off(struct client *c)
{
	c->reset_first = true;
	delivery_rest(c->d, false, OUTCOME_DEFERRED, "4.3.0",
	    "the next hop gave no answer for this recipient", c->target.host);
	delivery_end(&c->d, c->target.host, c->tls_text, true);
	now_ready(c);
}

/*
 * Sends what may be sent now: everything when pipelining, else one step. DATA
 * is not asked when the replies so far leave nobody to receive it.
 */
static void
perform_next(struct client *c)
{
	size_t rcpt = 0, ahead = c->pipelining ? SIZE_MAX : 1;

	while (c->state == ST_ENVELOPE && c->asked - c->told < ahead) {
		enum step step = step_at(c, c->asked, &rcpt);

		if (step == STEP_NONE)
			return;
		if (c->told == c->asked && ((step == STEP_RCPT &&
		    !c->mail_ok) || (step == STEP_DATA &&
		    !delivery_any_accepted(c->d)))) {
			break_off(c);
			return;
		}
		perform_step(c);
	}
}

static void
resp_mail(struct client *c)
{
	c->mail_ok = reply_outcome(&c->reply) == OUTCOME_DELIVERED;
	if (!c->mail_ok)
		delivery_rest(c->d, false, reply_outcome(&c->reply),
		    reply_status(&c->reply), reply_diag(&c->reply),
		    c->target.host);
}

static void
resp_rcpt(struct client *c, size_t i)
{
	enum outcome o = reply_outcome(&c->reply);

	/* RFC 5321 4.5.3.1.10: old servers say 552 when they mean 452. */
	if (c->reply.code == 552 && c->reply.status[0] == '\0')
		o = OUTCOME_DEFERRED;
	if (o == OUTCOME_DELIVERED)
		c->d->rcpts[i].accepted = true;
	else
		delivery_rcpt(c->d, i, o, reply_status(&c->reply),
		    reply_diag(&c->reply), c->target.host);
}

static void
resp_data(struct client *c)
{
	if (c->reply.code == 354) {
		enter(c, ST_CONTENT);
		smtp_data_out_init(&c->data);
		content_more(c);
		return;
	}
	delivery_rest(c->d, true, c->reply.code / 100 == 5 ? OUTCOME_FAILED :
	    OUTCOME_DEFERRED, c->reply.code / 100 == 5 ?
	    reply_status(&c->reply) : "4.0.0", reply_diag(&c->reply),
	    c->target.host);
	break_off(c);
}

static void
resp_envelope(struct client *c)
{
	size_t rcpt = 0;

	if (c->told == c->asked) {
		unasked(c);
		return;
	}
	switch (step_at(c, c->told++, &rcpt)) {
	case STEP_RSET:
		if (c->reply.code / 100 != 2)
			give_up(c, "4.3.0", "RSET was answered with %s",
			    reply_diag(&c->reply));
		break;
	case STEP_MAIL:
		resp_mail(c);
		break;
	case STEP_RCPT:
		resp_rcpt(c, rcpt);
		break;
	case STEP_DATA:
		resp_data(c);
		return;
	case STEP_NONE:
		break;
	}
	perform_next(c);
}

/* --- the content -------------------------------------------------------------------------- */

/* The next piece of the body, borrowed; NULL with errno when it cannot be had. */
static const uint8_t *
body_piece(struct delivery *d, size_t *n)
{
	static uint8_t piece[CHUNK];
	ssize_t got;

	*n = d->size - d->at < CHUNK ? (size_t)(d->size - d->at) : CHUNK;
	if (d->fd == -1)
		return d->body + d->at;
	got = pread(d->fd, piece, *n, (off_t)d->at);
	if (got <= 0)
		return NULL;
	*n = (size_t)got;
	return piece;
}

/*
 * Nobody is to receive it: the server should have refused DATA (RFC 2920 3.1).
 * A broken message must not be ended either: only the connection's end tells
 * the server that it never was one.
 */
static bool
content_piece(struct client *c, struct buf *out)
{
	const uint8_t *p;
	size_t n;

	p = body_piece(c->d, &n);
	if (p == NULL) {
		give_up(c, "4.3.0", "the message cannot be read from the spool");
		return false;
	}
	if (smtp_data_out_feed(&c->data, p, n, out) == -1) {
		delivery_rest(c->d, false, OUTCOME_FAILED, "5.6.0",
		    "the message has a bare CR, LF or NUL and is not sent",
		    c->target.host);
		give_up(c, "5.6.0", "the message is malformed");
		return false;
	}
	c->d->at += n;
	return true;
}

static void
content_more(struct client *c)
{
	struct buf out;
	bool nobody = !delivery_any_accepted(c->d);

	buf_init(&out, 2 * CHUNK + 16);
	while (c->state == ST_CONTENT && !nobody && c->d->at < c->d->size) {
		if (stream_unsent(c->stream) > UNSENT_MAX)
			break;
		buf_reset(&out);
		if (content_piece(c, &out))
			stream_write(c->stream, out.data, out.len);
	}
	if (c->state == ST_CONTENT && (nobody || c->d->at == c->d->size)) {
		buf_reset(&out);
		if (smtp_data_out_end(&c->data, &out) == -1)
			give_up(c, "5.6.0", "the message does not end in CRLF");
		else {
			stream_write(c->stream, out.data, out.len);
			enter(c, ST_DOT);
		}
	}
	buf_clear(&out);
}

static void
drained_cb(struct stream *s, void *arg)
{
	struct client *c = arg;

	if (c->state == ST_CONTENT) {
		enter(c, ST_CONTENT);	/* progress: the limit begins anew */
		content_more(c);
	}
}

static void
resp_dot(struct client *c)
{
	delivery_rest(c->d, true, reply_outcome(&c->reply),
	    reply_status(&c->reply), reply_diag(&c->reply), c->target.host);
	c->reset_first = reply_outcome(&c->reply) != OUTCOME_DELIVERED;
	delivery_end(&c->d, c->target.host, c->tls_text, true);
	now_ready(c);
}

/* --- replies ------------------------------------------------------------------------------- */

static void
early(struct client *c)
{
	give_up(c, "4.4.2", "an answer came before the message was sent: %s",
	    reply_diag(&c->reply));
}

static void
unasked(struct client *c)
{
	give_up(c, "4.4.2", "said unasked: %s", reply_diag(&c->reply));
}

static void
resp_quit(struct client *c)
{
	give_up(c, "4.4.2", "closed after QUIT");
}

static void	(*const resp[])(struct client *) = {
	[ST_CONNECT] = unasked,
	[ST_GREETING] = resp_greeting,
	[ST_EHLO] = resp_ehlo,
	[ST_HELO] = resp_ehlo,
	[ST_STARTTLS] = resp_starttls,
	[ST_TLS] = unasked,
	[ST_AUTH] = resp_auth,
	[ST_READY] = unasked,
	[ST_ENVELOPE] = resp_envelope,
	[ST_CONTENT] = early,
	[ST_DOT] = resp_dot,
	[ST_QUIT] = resp_quit,
};

static void
take_reply(struct client *c)
{
	log_debug("smtp", "%s: %s", c->remote,
	    c->state == ST_AUTH ? "***" : reply_diag(&c->reply));
	/* RFC 5321 3.8: 421 may come at any time and closes. */
	if (c->reply.code == 421 && c->state != ST_DOT)
		give_up(c, c->reply.status[0] != '\0' ? "4.3.2" : "4.4.2",
		    "%s", reply_diag(&c->reply));
	else
		resp[c->state](c);
}

static void
readable_cb(struct stream *s, void *arg)
{
	struct client *c = arg;
	const uint8_t *p;
	size_t n, used;

	while (c->state != ST_OVER && c->state != ST_TLS) {
		enum smtp_reply_got got;

		p = stream_peek(c->stream, &n);
		got = smtp_reply_feed(&c->reply, p, n, &used);
		stream_consume(c->stream, used);
		if (got == SMTP_REPLY_MORE)
			return;
		if (got == SMTP_REPLY_BAD)
			give_up(c, "4.5.0", "protocol error: %s",
			    c->reply.why);
		else
			take_reply(c);
		smtp_reply_reset(&c->reply);
	}
}

/* --- deliveries -------------------------------------------------------------------------------- */

/* What the next hop cannot take as it is (RFC 6152 3, RFC 6531 3.4). */
static bool
refused_unasked(struct client *c)
{
	const char *status = NULL, *why = NULL;

	if ((c->d->flags & DELIVER_UTF8) && !c->utf8) {
		status = "5.6.7";
		why = "the next hop does not take internationalized mail "
		    "(SMTPUTF8)";
	} else if ((c->d->flags & DELIVER_8BIT) && !c->eight_bit) {
		status = "5.6.3";
		why = "the next hop does not take 8-bit mail (8BITMIME), and "
		    "messages are not converted";
	} else if (c->size_max != 0 && c->d->size > c->size_max) {
		status = "5.3.4";
		why = "the message is larger than the next hop takes (SIZE)";
	}
	if (why != NULL)
		delivery_rest(c->d, false, OUTCOME_FAILED, status, why,
		    c->target.host);
	return why != NULL;
}

static void
refused_cb(void *arg)
{
	struct client *c = arg;

	if (c->state == ST_OVER)	/* meanwhile: over_cb() ends it */
		return;
	delivery_end(&c->d, c->target.host, c->tls_text, true);
	now_ready(c);
}

void
client_deliver(struct client *c, struct delivery *d)
{
	c->d = d;
	d->at = 0;
	c->carried++;
	c->asked = c->told = 0;
	c->mail_ok = false;
	enter(c, ST_ENVELOPE);
	if (refused_unasked(c)) {
		/* From the loop, so that a pool of refusals does not recurse. */
		ev_timer_set(&c->refused, 0);
		return;
	}
	perform_next(c);
}

void
client_quit(struct client *c)
{
	c->quit_wanted = true;
	if (c->state == ST_READY) {
		say(c, "QUIT");
		enter(c, ST_QUIT);
	} else if (c->d == NULL && c->state != ST_QUIT)
		give_up(c, "4.3.2", "closed before it was used");
}

bool
client_busy(const struct client *c)
{
	return c->d != NULL;
}

uint32_t
client_carried(const struct client *c)
{
	return c->carried;
}

const char *
client_why(const struct client *c)
{
	return c->why;
}

const char *
client_status(const struct client *c)
{
	return c->status;
}

bool
client_tls_failed(const struct client *c)
{
	return c->tls_failed;
}
