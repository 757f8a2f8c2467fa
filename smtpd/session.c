/*
 * The life of a session and its clock. Timers are lazy: each wait notes since
 * when it lasts, and only when the timer rings is it found out whether it is
 * due, so that a busy session costs no heap operations.
 */
#include "lib/prelude.h"

#include <sys/socket.h>

#include "lib/log.h"
#include "lib/net.h"
#include "lib/stats.h"
#include "lib/xalloc.h"
#include "smtpd/lane.h"
#include "smtpd/leaving.h"
#include "smtpd/session_private.h"
#include "smtpd/tls.h"
#include "smtpd/verbs.h"

/*
 * Unread input kept by the stream: a whole AUTH line (RFC 4954 4.1) or a TLS
 * record fit in it, and pipelined commands beyond it wait in the kernel.
 */
#define INPUT_MAX	(16 * 1024)
/* auth and queue answer in milliseconds, a flush on a tired disk in seconds. */
#define ANSWER_SEC	120
/*
 * Replies unsent above this, and no further command is looked at until they
 * have left: a client that does not read costs no more than this.
 */
#define OUTPUT_MARK	(16 * 1024)

static void	on_readable(struct stream *, void *);
static void	on_drained(struct stream *, void *);
static void	on_up(struct stream *, void *);
static void	on_ended(struct stream *, enum stream_end, const char *, void *);
static void	timer_cb(void *);

static const struct stream_ops stream_ops = {
	.readable = on_readable, .drained = on_drained, .up = on_up,
	.ended = on_ended
};

enum clock { CLOCK_COMMAND_WAIT, CLOCK_DATA_WAIT, CLOCK_ANSWER };

/* Of those that wait for more than a command. */
static const enum clock clocks[SESSION_STATES] = {
	[SESSION_LANE_WAIT] = CLOCK_ANSWER,
	[SESSION_AUTH_WAIT] = CLOCK_ANSWER,
	[SESSION_TX_WAIT] = CLOCK_ANSWER,
	[SESSION_CONTENT] = CLOCK_DATA_WAIT,
	[SESSION_CHUNK] = CLOCK_DATA_WAIT,
	[SESSION_SPOOL_WAIT] = CLOCK_ANSWER,
	[SESSION_SUBMIT_WAIT] = CLOCK_ANSWER,
};

/* --- birth and death -------------------------------------------------------------- */

static struct session *
born(struct server *srv, int fd, const struct sockaddr *peer)
{
	struct session *s = xcalloc(1, sizeof(*s));

	s->server = srv;
	s->id = server_next_id(srv);
	s->crowd_key = crowd_key_of(peer);
	net_text(peer, s->peer);
	s->born_ms = ev_now_ms();
	ev_timer_init(&s->timer, timer_cb, s);
	LIST_INSERT_HEAD(&srv->by_id[s->id % SERVER_BUCKETS], s, by_id);
	srv->sessions++;
	stats_add(STAT_SESSIONS, 1);
	stats_add(STAT_SESSIONS_NOW, 1);
	s->stream = stream_new(fd, false, INPUT_MAX, &stream_ops, s);
	stream_answer_after_eof(s->stream);
	return s;
}

struct session *
session_new(struct server *srv, int fd, unsigned int how,
    const struct sockaddr *peer)
{
	struct session *s = born(srv, fd, peer);
	struct ssl_st *ssl;

	s->tls_first = (how & SESSION_TLS_FIRST) != 0;
	s->certificates = (how & SESSION_CERTIFICATES) != 0;
	if (s->tls_first) {
		session_set_state(s, SESSION_HANDSHAKE);
		ssl = tls_accept(srv->tls, s->certificates);
		if (ssl != NULL)
			stream_start_tls(s->stream, ssl, true);
		else
			session_end(s, "no memory for TLS");
	} else {
		session_set_state(s, SESSION_COMMAND);
		session_reply(s, REPLY_GREETING);
	}
	session_turn(s);
	return s;
}

struct session *
session_new_lane(struct server *srv, int fd, bool no_tls, const char *listener,
    const struct sockaddr *peer)
{
	struct session *s = born(srv, fd, peer);

	s->no_tls = no_tls;
	lane_begin(s, listener);
	session_turn(s);
	return s;
}

void
session_free(struct session *s)
{
	struct server *srv = s->server;

	session_let_go(s);
	ev_timer_cancel(&s->timer);
	leaving_add(srv, &s->stream, s->crowd_key);
	LIST_REMOVE(s, by_id);
	srv->sessions--;
	stats_add(STAT_SESSIONS_NOW, -1);
	session_login_free(&s->login);
	free(s->client_name);
	free(s);
	if (srv->sessions == 0 && srv->empty != NULL)
		srv->empty(srv);
}

void
session_stop(struct session *s, bool force)
{
	s->stop = true;
	if (force)
		session_reply(s, REPLY_STOPPING);
	session_turn(s);
}

/* --- clock ----------------------------------------------------------------- */

static uint64_t
earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* RFC 5321 4.5.3.2.7: five minutes for a command; the rest are ours. */
static uint64_t
due_ms(const struct session *s)
{
	const struct smtpd_conf *conf = s->server->conf;
	uint64_t due = s->born_ms + 1000ULL * conf->session_sec;

	switch (clocks[s->state]) {
	case CLOCK_ANSWER:
		return s->since_ms + 1000ULL * ANSWER_SEC;
	case CLOCK_DATA_WAIT:
		due = earlier(due, s->since_ms + 1000ULL * conf->data_sec);
		/* Else it is a chunk that belongs to nothing. */
		if (s->tx != NULL && s->tx->content_ms != 0)
			due = earlier(due, s->tx->content_ms +
			    1000ULL * conf->message_sec);
		break;
	case CLOCK_COMMAND_WAIT:
		due = earlier(due, s->since_ms + 1000ULL * conf->command_sec);
		break;
	}
	if (s->login == NULL)
		due = earlier(due, s->born_ms + 1000ULL * conf->greeting_sec);
	return due;
}

/* The timer may ring early, never late. */
static void
arm(struct session *s)
{
	uint64_t now = ev_now_ms();

	s->due_ms = due_ms(s);
	if (!ev_timer_armed(&s->timer) || s->timer.at_ms > s->due_ms)
		ev_timer_set(&s->timer, s->due_ms > now ? s->due_ms - now : 0);
}

static void
timer_cb(void *arg)
{
	struct session *s = arg;

	if (ev_now_ms() >= s->due_ms) {
		if (clocks[s->state] == CLOCK_ANSWER)
			session_reply(s, REPLY_NO_ANSWER);
		else
			session_reply(s, REPLY_TIMEOUT);
	}
	session_turn(s);
}

/* --- turns -------------------------------------------------------------------------------- */

static bool
between_messages(const struct session *s)
{
	return s->tx == NULL && (s->state == SESSION_HANDSHAKE ||
	    s->state == SESSION_COMMAND || s->state == SESSION_AUTH_LINE);
}

/* One command or piece of content. False: nothing can be done now. */
static bool
step(struct session *s)
{
	if (s->stop && between_messages(s)) {
		session_reply(s, REPLY_STOPPING);
		return true;
	}
	switch (s->state) {
	case SESSION_COMMAND:
	case SESSION_AUTH_LINE:
		return session_take_line(s);
	case SESSION_CONTENT:
		return cmd_data_content(s);
	case SESSION_CHUNK:
		return cmd_bdat_content(s);
	default:
		return false;
	}
}

static bool
choked(const struct session *s)
{
	return stream_unsent(s->stream) > OUTPUT_MARK;
}

/*
 * A client that has closed its side gets the replies to all that it has said
 * (it may have closed only the one): queue's word on its message most of all.
 * Nothing more is waited for from it, and auth need not work for it.
 */
static void
leave_after_eof(struct session *s)
{
	bool owed = clocks[s->state] == CLOCK_ANSWER &&
	    s->state != SESSION_AUTH_WAIT && s->state != SESSION_LANE_WAIT;

	if (s->eof_why != NULL && !choked(s) && !owed)
		session_end(s, s->eof_why);
}

/* The stream bounds what one turn can find, and so how long it lasts. */
void
session_turn(struct session *s)
{
	while (s->state != SESSION_OVER && !choked(s) && step(s))
		;
	leave_after_eof(s);
	if (s->state == SESSION_OVER)
		session_free(s);
	else
		arm(s);
}

/* --- the stream's callbacks ---------------------------------------------------------------- */

static void
on_readable(struct stream *stream, void *arg)
{
	session_turn(arg);
}

/* Commands may have been left unread for the replies before them. */
static void
on_drained(struct stream *stream, void *arg)
{
	struct session *s = arg;
	size_t unread;

	stream_peek(stream, &unread);
	if (unread > 0 || s->eof_why != NULL)
		session_turn(s);
}

static void
on_up(struct stream *stream, void *arg)
{
	struct session *s = arg;

	session_tls_is_up(s);
	session_turn(s);
}

static void
on_ended(struct stream *stream, enum stream_end end, const char *why,
    void *arg)
{
	struct session *s = arg;

	if (end == STREAM_EOF && s->state != SESSION_HANDSHAKE)
		s->eof_why = why;
	else
		session_end(s, why);
	session_turn(s);
}
