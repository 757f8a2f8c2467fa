/* RCPT, RFC 5321 4.1.1.3. Whether an address exists is the next hop's to say. */
#include "lib/prelude.h"

#include "lib/log.h"
#include "lib/xalloc.h"
#include "smtpd/extensions.h"
#include "smtpd/lane.h"
#include "smtpd/params.h"
#include "smtpd/path.h"
#include "smtpd/session_private.h"
#include "smtpd/verbs.h"

/* RFC 5321 4.5.3.1.10: 452, so that the client sends the rest separately. */
static bool
has_room(const struct session *s, const char *addr, const struct rcpt_params *rp)
{
	const struct envelope *e = &s->tx->env;

	return e->nrcpts < s->server->conf->max_recipients &&
	    e->nrcpts < ENVELOPE_RCPT_MAX && e->nrcpts < s->tx->rcpts_left &&
	    e->bytes + ENVELOPE_RCPT_COST + strlen(addr) + rp->orcpt.n <=
	    ENVELOPE_BYTES_MAX;
}

/* Refuses by what was said; true when there is nothing to object to. */
static bool
check(struct session *s, struct span arg, struct smtp_path *path,
    struct rcpt_params *rp)
{
	enum smtp_path_error e;
	struct span about = { "", 0 };
	enum reply r;

	if (s->tx == NULL) {
		session_refuse(s, "RCPT", REPLY_MAIL_FIRST, NULL, NULL);
		return false;
	}
	if (s->tx->wire.chunks) {
		session_refuse(s, "RCPT", REPLY_BDAT_BEGUN, NULL, NULL);
		return false;
	}
	e = smtp_path_parse(arg, "TO:", false, s->server->conf->hostname,
	    path_addr_flags(s), path);
	if (e != SMTP_PATH_OK) {
		session_refuse(s, "RCPT", path_reply(e, REPLY_BAD_RCPT),
		    e == SMTP_PATH_SYNTAX ? "RCPT TO:<address>" : path->why,
		    path->why);
		return false;
	}
	r = params_rcpt(path, extensions_of(s), s->tx->env.utf8, rp,
	    &about);
	if (r == REPLY_NONE && !s->tx->env.utf8 && addr_is_8bit(path->addr,
	    strlen(path->addr)))
		r = REPLY_NEED_UTF8;
	if (r != REPLY_NONE)
		session_refuse(s, "RCPT", r, log_esc(about.p, about.n),
		    path->addr);
	return r == REPLY_NONE;
}

void
cmd_rcpt(struct session *s, struct span arg)
{
	struct smtp_path path;
	struct rcpt_params rp;
	char *orcpt = NULL;

	if (!check(s, arg, &path, &rp))
		return;
	if (!lane_permits(s->login, path.addr)) {
		session_refuse(s, "RCPT", REPLY_NOT_YOUR_RCPT,
		    log_escs(path.addr), path.addr);
		return;
	}
	if (!has_room(s, path.addr, &rp)) {
		session_refuse(s, "RCPT", REPLY_TOO_MANY_RCPTS, NULL,
		    path.addr);
		return;
	}
	if (rp.orcpt.n > 0)
		orcpt = xstrndup(rp.orcpt.p, rp.orcpt.n);
	envelope_add_rcpt(&s->tx->env, path.addr, orcpt, rp.notify);
	free(orcpt);
	session_reply(s, REPLY_RCPT_OK);
}
