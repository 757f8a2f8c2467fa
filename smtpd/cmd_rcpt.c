/* RCPT, RFC 5321 4.1.1.3. Whether an address exists is the next hop's to say. */
#include "lib/prelude.h"

#include "lib/log.h"
#include "smtpd/session_private.h"
#include "smtpd/verbs.h"

/* Nothing that we announce gives RCPT a parameter. */
static bool
check_params(struct session *s, const struct smtp_path *path)
{
	const char *name;

	if (path->nparams == 0)
		return true;
	name = log_esc(path->params[0].key.p, path->params[0].key.n);
	session_refuse(s, "RCPT", REPLY_UNKNOWN_PARAM, name, path->addr);
	return false;
}

/* RFC 5321 4.5.3.1.10: 452, so that the client sends the rest separately. */
static enum reply
check_count(const struct session *s)
{
	size_t n = s->tx->env.nrcpts;

	return n >= s->server->conf->max_recipients ||
	    n >= ENVELOPE_RCPT_MAX || n >= s->tx->rcpts_left ?
	    REPLY_TOO_MANY_RCPTS : REPLY_NONE;
}

void
cmd_rcpt(struct session *s, struct span arg)
{
	struct smtp_path path;
	enum smtp_path_error e;

	if (s->tx == NULL) {
		session_refuse(s, "RCPT", REPLY_MAIL_FIRST, NULL, NULL);
		return;
	}
	e = smtp_path_parse(arg, "TO:", false, s->server->conf->hostname, 0,
	    &path);
	if (e != SMTP_PATH_OK) {
		session_refuse(s, "RCPT", verbs_path_reply(e, REPLY_BAD_RCPT),
		    e == SMTP_PATH_SYNTAX ? "RCPT TO:<address>" : path.why,
		    path.why);
		return;
	}
	if (!check_params(s, &path))
		return;
	if (check_count(s) != REPLY_NONE) {
		session_refuse(s, "RCPT", REPLY_TOO_MANY_RCPTS, NULL,
		    path.addr);
		return;
	}
	envelope_add_rcpt(&s->tx->env, path.addr, NULL, 0);
	session_reply(s, REPLY_RCPT_OK);
}
