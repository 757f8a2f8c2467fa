#include "lib/prelude.h"

#include "lib/addr.h"
#include "lib/flood.h"
#include "lib/log.h"
#include "lib/stats.h"
#include "lib/xalloc.h"
#include "smtpd/lane.h"
#include "smtpd/session_private.h"

#define RECIPIENTS_MAX 4096	/* patterns: lib/conf.h's limit of a list */

static struct flood strangers = FLOOD("devices that are none", 60);

void
lane_begin(struct session *s, const char *listener)
{
	s->lane = true;
	session_set_state(s, SESSION_LANE_WAIT);
	if (!upstream_alive(&s->server->auth)) {
		session_reply(s, REPLY_NO_ANSWER);
		return;
	}
	ipc_begin(M_LANE, s->id);
	ipc_put_str(listener);
	ipc_put_str(s->peer);
	upstream_send(&s->server->auth);
}

/* The one sender, as auth has sealed it. */
static void
get_sender(struct login *login, bool rewrite)
{
	const struct ticket *t = &login->ticket;

	login->senders = xcalloc(1, sizeof(*login->senders));
	login->nsenders = 1;
	login->senders[0].pattern = xstrdup(t->sender);
	memcpy(login->senders[0].seal, t->sender_mac, sizeof(t->sender_mac));
	login->rewrite = rewrite ? xstrdup(t->sender) : NULL;
}

static void
get_recipients(struct ipc_in *in, struct login *login)
{
	uint32_t i, n = ipc_get_u32(in);

	if (n == 0 || n > RECIPIENTS_MAX)
		in->bad = true;
	if (in->bad)
		return;
	login->recipients = xcalloc(n, sizeof(*login->recipients));
	for (i = 0; i < n && !in->bad; i++)
		login->recipients[login->nrecipients++] =
		    xstrdup(ipc_get_str(in, ADDR_MAX));
}

int
lane_ok(struct session *s, struct ipc_in *in)
{
	struct login *login = xcalloc(1, sizeof(*login));

	ticket_get(in, &login->ticket);
	get_sender(login, ipc_get_bool(in));
	get_recipients(in, login);
	if (!ipc_in_end(in) || *login->ticket.sender == '\0') {
		session_login_free(&login);
		return -1;
	}
	s->login = login;
	stats_add(STAT_LOGINS, 1);
	log_info("%s device=%s account=\"%s\" peer=%s", session_name(s),
	    log_escs(login->ticket.lane), log_escs(login->ticket.account),
	    s->peer);
	session_set_state(s, SESSION_COMMAND);
	session_reply(s, REPLY_GREETING);
	return 0;
}

int
lane_no(struct session *s, struct ipc_in *in)
{
	bool temporary = ipc_get_bool(in);

	if (!ipc_in_end(in))
		return -1;
	if (flood_log(&strangers))
		log_info("%s device=unknown peer=%s", session_name(s), s->peer);
	session_reply(s, temporary ? REPLY_NO_ANSWER : REPLY_NOT_A_DEVICE);
	session_end(s, "not one of our devices");
	return 0;
}

void
lane_gone(struct session *s)
{
	session_reply(s, REPLY_NO_ANSWER);
}

bool
lane_permits(const struct login *login, const char *recipient)
{
	size_t i;

	for (i = 0; i < login->nrecipients; i++)
		if (addr_match(login->recipients[i], recipient))
			return true;
	return login->nrecipients == 0;
}
