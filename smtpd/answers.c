#include "lib/prelude.h"

#include "smtpd/answers.h"
#include "smtpd/lane.h"
#include "smtpd/message.h"
#include "smtpd/session_private.h"
#include "smtpd/verbs.h"

#define ANY SESSION_STATES

/* Which answer a session may get from whom, by what it waits for. */
static const struct answer {
	enum role role;
	enum msg type;
	enum session_state waits;	/* ANY: it is no answer */
	int	(*take)(struct session *, struct ipc_in *);
} answers[] = {
	{ ROLE_QUEUE, M_TX_OK, SESSION_TX_WAIT, cmd_mail_ok },
	{ ROLE_QUEUE, M_SUBMITTED, SESSION_SUBMIT_WAIT, message_submitted },
	{ ROLE_QUEUE, M_TX_SPOOL_HERE, SESSION_SPOOL_WAIT, message_spool },
	{ ROLE_QUEUE, M_TX_NO, SESSION_TX_WAIT, cmd_mail_no },
	{ ROLE_QUEUE, M_TX_NO, SESSION_SPOOL_WAIT, message_spool_no },
	{ ROLE_QUEUE, M_TX_NO, SESSION_SUBMIT_WAIT, message_submit_no },
	{ ROLE_QUEUE, M_TX_OVER, ANY, message_over },
	{ ROLE_AUTH, M_AUTH_CHALLENGE, SESSION_AUTH_WAIT, cmd_auth_challenge },
	{ ROLE_AUTH, M_AUTH_OK, SESSION_AUTH_WAIT, cmd_auth_ok },
	{ ROLE_AUTH, M_AUTH_NO, SESSION_AUTH_WAIT, cmd_auth_no },
	{ ROLE_AUTH, M_LANE_OK, SESSION_LANE_WAIT, lane_ok },
	{ ROLE_AUTH, M_LANE_NO, SESSION_LANE_WAIT, lane_no },
};

static bool
known(enum role role, enum msg type)
{
	size_t i;

	for (i = 0; i < nitems(answers); i++)
		if (answers[i].role == role && answers[i].type == type)
			return true;
	return false;
}

static const struct answer *
find(enum role role, enum msg type, enum session_state waits)
{
	size_t i;

	for (i = 0; i < nitems(answers); i++)
		if (answers[i].role == role && answers[i].type == type &&
		    (answers[i].waits == waits || answers[i].waits == ANY))
			return &answers[i];
	return NULL;
}

/* An answer for a client that has left meanwhile is no fault of the peer. */
static int
take(struct upstream *u, struct ipc_in *in)
{
	struct session *s = server_find(u->server, in->id);
	const struct answer *a;

	if (s == NULL)
		return known(u->role, in->type) ? 0 : -1;
	a = find(u->role, in->type, s->state);
	if (a == NULL || a->take(s, in) == -1)
		return -1;
	session_turn(s);
	return 0;
}

/* --- a peer that is gone ------------------------------------------------------------ */

static void
tell_auth_gone(struct session *s, void *arg)
{
	if (s->state == SESSION_AUTH_LINE)
		s->auth_lost = true;
	if (s->state == SESSION_AUTH_WAIT)
		cmd_auth_gone(s);
	else if (s->state == SESSION_LANE_WAIT)
		lane_gone(s);
	else
		return;
	session_turn(s);
}

static void
tell_queue_gone(struct session *s, void *arg)
{
	switch (s->state) {
	case SESSION_TX_WAIT:
		cmd_mail_gone(s);
		break;
	case SESSION_COMMAND:
		/* Between two chunks nobody waits for anything. */
		message_gone(s);
		return;
	case SESSION_CONTENT:
	case SESSION_CHUNK:
	case SESSION_SPOOL_WAIT:
	case SESSION_SUBMIT_WAIT:
		message_gone(s);
		break;
	default:
		return;
	}
	session_turn(s);
}

static void
gone(struct upstream *u)
{
	server_each(u->server, u->role == ROLE_AUTH ? tell_auth_gone :
	    tell_queue_gone, NULL);
}

const struct upstream_ops answers_ops = { take, gone };
