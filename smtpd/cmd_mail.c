/*
 * MAIL, RFC 5321 4.1.1.2: whose message it is, how big, and whether queue
 * would take it. An account sends as itself or as the addresses that auth
 * named, and who chose so has others replaced; anybody may send with the null
 * return path, as bounces and notifications must (RFC 5321 4.5.5).
 */
#include "lib/prelude.h"

#include "lib/log.h"
#include "lib/xalloc.h"
#include "smtpd/extensions.h"
#include "smtpd/params.h"
#include "smtpd/path.h"
#include "smtpd/session_private.h"
#include "smtpd/tx_no.h"
#include "smtpd/verbs.h"

/* --- the sender ----------------------------------------------------------------------- */

/* The first of the account's patterns that covers the address, or NULL. */
static const struct login_sender *
covering(const struct login *login, const char *addr)
{
	size_t i;

	for (i = 0; i < login->nsenders; i++)
		if (addr_covers(login->senders[i].pattern, login->ticket.plus,
		    addr))
			return &login->senders[i];
	return NULL;
}

bool
cmd_mail_permits(const char *addr, const void *arg)
{
	const struct login *login = arg;

	if (*login->ticket.lane != '\0')	/* a device has one sender */
		return covering(login, addr) != NULL;
	return *addr == '\0' || addr_covers(login->ticket.account,
	    login->ticket.plus, addr) || covering(login, addr) != NULL;
}

/* Notes in the ticket which pattern allows it: queue looks for itself. */
static void
note_sender(struct login *login, const char *addr)
{
	const struct login_sender *from = covering(login, addr);
	struct ticket *t = &login->ticket;

	*t->sender = '\0';
	if (from == NULL)
		return;
	snprintf(t->sender, sizeof(t->sender), "%s", from->pattern);
	memcpy(t->sender_mac, from->seal, sizeof(t->sender_mac));
}

/* --- the verb -------------------------------------------------------------------------- */

/*
 * RFC 4865: what is asked for as an hour on the clock, 0 for none or one that
 * has passed. Beyond the limit it stands there as it is.
 */
static uint64_t
release_ms(const struct mail_params *mp)
{
	uint64_t now = ev_wall_ms();

	if (mp->hold_for_sec > 0)
		return now + mp->hold_for_sec * 1000;
	return mp->hold_until_ms > now ? mp->hold_until_ms : 0;
}

/* RFC 2852 4: the time counts from MAIL; 0 for none. */
static uint64_t
by_ms(const struct mail_params *mp)
{
	return mp->by == BY_NONE ? 0 : (uint64_t)((int64_t)ev_wall_ms() +
	    mp->by_sec * 1000);
}

static bool
too_late(const struct mail_params *mp)
{
	return release_ms(mp) > ev_wall_ms() + ENVELOPE_HOLD_MAX_SEC * 1000ULL;
}

static void
begin(struct session *s, const char *return_path, const struct mail_params *mp)
{
	s->tx = transaction_new(return_path);
	/* RFC 8689 5 */
	s->tx->env.ret = mp->require_tls ? RET_HDRS : mp->ret;
	s->tx->env.utf8 = mp->utf8;
	s->tx->env.require_tls = mp->require_tls;
	s->tx->env.hold_until_ms = release_ms(mp);
	s->tx->env.by = (uint8_t)mp->by;
	s->tx->env.by_trace = mp->by_trace;
	s->tx->env.by_ms = by_ms(mp);
	/* RFC 2852 4.1.3: who sends it on with none left has said so. */
	s->tx->env.by_told = mp->by == BY_NOTIFY && mp->by_sec <= 0;
	s->tx->env.priority = mp->priority;
	s->tx->ranked = mp->ranked;
	s->tx->announced = mp->size;
	if (mp->envid.n > 0)
		s->tx->env.envid = xstrndup(mp->envid.p, mp->envid.n);
	s->transactions++;
	note_sender(s->login, return_path);
	ipc_begin(M_TX_BEGIN, s->id);
	ticket_put(&s->login->ticket);
	ipc_put_str(return_path);
	ipc_put_u64(mp->size);
	upstream_send(&s->server->queue);
	session_set_state(s, SESSION_TX_WAIT);
}

static enum reply
check_times(const struct session *s, const struct mail_params *mp)
{
	if (too_late(mp))
		return REPLY_LONG_HOLD;
	if (mp->by == BY_RETURN && mp->by_sec < s->server->conf->min_by_sec)
		return REPLY_SHORT_BY;	/* RFC 2852 3: 55z */
	/* RFC 4865 5.2.2: it could never arrive in time. */
	if (mp->by != BY_NONE && release_ms(mp) > by_ms(mp))
		return REPLY_BY_IN_HOLD;
	return REPLY_NONE;
}

/* Refuses by what was said; true when there is nothing to object to. */
static bool
check(struct session *s, struct span arg, struct smtp_path *path,
    struct mail_params *mp)
{
	enum smtp_path_error e;
	struct span about;
	enum reply r;
	char text[SMTP_COMMAND_LONG];

	if (s->tx != NULL) {
		session_refuse(s, "MAIL", REPLY_NESTED_MAIL, NULL, NULL);
		return false;
	}
	e = smtp_path_parse(arg, "FROM:", true, NULL, path_addr_flags(s),
	    path);
	if (e != SMTP_PATH_OK) {
		session_refuse(s, "MAIL", path_reply(e, REPLY_BAD_SENDER),
		    e == SMTP_PATH_SYNTAX ? "MAIL FROM:<address>" : path->why,
		    path->why);
		return false;
	}
	r = params_mail(path, extensions_of(s), mp, &about);
	if (r != REPLY_NONE) {
		snprintf(text, sizeof(text), "%s", log_esc(about.p, about.n));
		session_refuse(s, "MAIL", r, text, text);
		return false;
	}
	if ((r = check_times(s, mp)) != REPLY_NONE) {
		snprintf(text, sizeof(text), "%u", s->server->conf->min_by_sec);
		session_refuse(s, "MAIL", r, text, path->addr);
		return false;
	}
	if (!mp->utf8 && addr_is_8bit(path->addr, strlen(path->addr))) {
		session_refuse(s, "MAIL", REPLY_NEED_UTF8, NULL, path->addr);
		return false;
	}
	return true;
}

static enum reply
check_policy(const struct session *s, const struct smtp_path *path,
    const struct mail_params *mp)
{
	if (mp->size > s->server->conf->max_message_bytes)
		return REPLY_TOO_BIG;	/* RFC 1870 6.1 (1) */
	if (!cmd_mail_permits(path->addr, s->login) &&
	    s->login->rewrite == NULL)
		return REPLY_NOT_YOUR_SENDER;
	if (!upstream_alive(&s->server->queue))
		return REPLY_TROUBLE;
	return REPLY_NONE;
}

/* The return path, or what the account has in the place of others'. */
static const char *
sender_of(const struct session *s, const struct smtp_path *path)
{
	if (cmd_mail_permits(path->addr, s->login))
		return path->addr;
	log_info("%s sender=<%s> rewritten now=<%s>", session_name(s),
	    log_escs(path->addr), log_escs(s->login->rewrite));
	return s->login->rewrite;
}

void
cmd_mail(struct session *s, struct span arg)
{
	struct mail_params mp;
	struct smtp_path path;
	char text[ADDR_MAX + 32];
	enum reply r;

	if (!check(s, arg, &path, &mp))
		return;
	r = check_policy(s, &path, &mp);
	if (r == REPLY_NONE) {
		begin(s, sender_of(s, &path), &mp);
		return;
	}
	if (r == REPLY_TOO_BIG)
		snprintf(text, sizeof(text), "%llu", (unsigned long long)
		    s->server->conf->max_message_bytes);
	else
		snprintf(text, sizeof(text), "%s", log_escs(path.addr));
	session_refuse(s, "MAIL", r, text, path.addr);
}

/* --- queue's answers --------------------------------------------------------------------- */

int
cmd_mail_ok(struct session *s, struct ipc_in *in)
{
	char text[8];
	int8_t most;

	s->tx->rcpts_left = ipc_get_u32(in);
	most = (int8_t)ipc_get_u8(in);
	if (!ipc_in_end(in))
		return -1;
	session_set_state(s, SESSION_COMMAND);
	if (s->tx->env.priority <= most) {
		session_reply(s, REPLY_SENDER_OK);
		return 0;
	}
	/* RFC 6710 4.1: none is raised whom nobody has allowed that. */
	s->tx->env.priority = most;
	snprintf(text, sizeof(text), "%d", most);
	session_reply_arg(s, REPLY_PRIORITY, text);
	return 0;
}

int
cmd_mail_no(struct session *s, struct ipc_in *in)
{
	char *line = tx_no_line(in);

	if (line == NULL)
		return -1;
	session_set_state(s, SESSION_COMMAND);
	transaction_free(&s->tx);
	tx_no_say(s, "MAIL", line);
	free(line);
	return 0;
}

void
cmd_mail_gone(struct session *s)
{
	session_set_state(s, SESSION_COMMAND);
	transaction_free(&s->tx);
	session_reply(s, REPLY_TROUBLE);
}
