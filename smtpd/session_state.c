/*
 * What a session is at, what it says and how it ends: for whatever acts on one.
 * Nothing in here takes input or frees it.
 */
#include "lib/prelude.h"

#include "lib/flood.h"
#include "lib/log.h"
#include "lib/stats.h"
#include "lib/xalloc.h"
#include "smtpd/session_private.h"
#include "smtpd/tls.h"

/* What those cause who are not logged in: enough to see what they are up to. */
static struct flood handshakes = FLOOD("TLS handshakes that failed", 60);
static struct flood strangers = FLOOD("sessions that ended without a login",
    300);
static struct flood refusals = FLOOD("refusals before a login", 300);

static const char *const state_names[SESSION_STATES] = { "HANDSHAKE",
    "LANE_WAIT", "COMMAND", "AUTH_WAIT", "AUTH_LINE", "TX_WAIT", "CONTENT",
    "CHUNK", "SPOOL_WAIT", "SUBMIT_WAIT", "OVER" };

const char *
session_name(const struct session *s)
{
	return log_session(s->id);
}

void
session_set_state(struct session *s, enum session_state state)
{
	if (log_debugs("session"))
		log_debug("session", "%s %s -> %s", session_name(s),
		    state_names[s->state], state_names[state]);
	s->state = state;
	s->since_ms = ev_now_ms();
}

/* --- what ends early ------------------------------------------------------ */

void
session_drop_tx(struct session *s)
{
	bool submitted;

	if (s->tx == NULL)
		return;
	/* Its spool file is closed by the time that queue hears of its end. */
	submitted = s->tx->submitted;
	transaction_free(&s->tx);
	if (!submitted) {
		ipc_begin(M_TX_END, s->id);
		upstream_send(&s->server->queue);
	}
}

void
session_forget(struct session *s)
{
	session_drop_tx(s);
	free(s->client_name);
	s->client_name = NULL;
	s->ehlo = s->helo = false;
}

void
session_login_free(struct login **loginp)
{
	struct login *login = *loginp;
	size_t i;

	if (login == NULL)
		return;
	*loginp = NULL;
	for (i = 0; i < login->nsenders; i++)
		free(login->senders[i].pattern);
	free(login->senders);
	free(login->rewrite);
	for (i = 0; i < login->nrecipients; i++)
		free(login->recipients[i]);
	free(login->recipients);
	xfree_secret(login, sizeof(*login));
}

void
session_let_go(struct session *s)
{
	session_drop_tx(s);
	if (s->state != SESSION_AUTH_WAIT && s->state != SESSION_AUTH_LINE)
		return;
	ipc_begin(M_AUTH_CANCEL, s->id);
	upstream_send(&s->server->auth);
}

static bool
log_end(const struct session *s)
{
	return s->login != NULL || flood_log(s->state == SESSION_HANDSHAKE ?
	    &handshakes : &strangers);
}

void
session_end(struct session *s, const char *why)
{
	struct ssl_st *ssl = stream_ssl(s->stream);

	if (s->state == SESSION_OVER)
		return;
	if (log_end(s))
		log_info("%s end peer=%s account=\"%s\" tls=%s messages=%u "
		    "errors=%u seconds=%llu why=\"%s\"", session_name(s),
		    s->peer, s->login == NULL ? "" :
		    log_escs(s->login->ticket.account),
		    s->tls && ssl != NULL ? tls_version(ssl) : "none",
		    s->accepted, s->errors, (unsigned long long)
		    (ev_now_ms() - s->born_ms) / 1000, why);
	session_let_go(s);
	session_set_state(s, SESSION_OVER);
}

/* --- output ----------------------------------------------------------------------------- */

void
session_count_error(struct session *s)
{
	stats_add(STAT_REFUSED, 1);
	s->errors++;
	if (s->errors >= s->server->conf->max_errors)
		session_reply(s, REPLY_TOO_MANY_ERRORS);
}

void
session_reply_arg(struct session *s, enum reply r, const char *arg)
{
	struct buf space;
	const char *line;

	if (s->state == SESSION_OVER)
		return;
	buf_init(&space, REPLY_MAX);
	line = reply_line(r, s->server->conf->hostname, arg, &space);
	/* In the middle of a handshake a client could not make sense of it. */
	if (s->state != SESSION_HANDSHAKE)
		stream_write(s->stream, line, strlen(line));
	buf_clear(&space);
	if (reply_is_end(r))
		session_end(s, reply_why(r));
	else if (reply_is_error(r))
		session_count_error(s);
}

void
session_reply(struct session *s, enum reply r)
{
	session_reply_arg(s, r, NULL);
}

void
session_refuse(struct session *s, const char *verb, enum reply r,
    const char *arg, const char *about)
{
	if (s->login != NULL || flood_log(&refusals))
		log_info("%s refused peer=%s verb=%s code=%d%s account=\"%s\" "
		    "about=\"%s\"", session_name(s), s->peer, verb,
		    reply_code(r), r == REPLY_NEED_TLS ? " why=\"no TLS\"" :
		    r == REPLY_NEED_AUTH ? " why=\"no login\"" : "",
		    s->login == NULL ? "" :
		    log_escs(s->login->ticket.account), log_escs(about));
	session_reply_arg(s, r, arg);
}

void
session_write(struct session *s, const struct buf *b)
{
	if (s->state != SESSION_OVER)
		stream_write(s->stream, b->data, b->len);
}

void
session_tls_is_up(struct session *s)
{
	s->tls = true;
	session_forget(s);
	session_set_state(s, SESSION_COMMAND);
	if (s->tls_first)
		session_reply(s, REPLY_GREETING);
}
