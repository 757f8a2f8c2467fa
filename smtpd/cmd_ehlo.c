/* EHLO and HELO, RFC 5321 4.1.1.1. */
#include "lib/prelude.h"

#include "lib/xalloc.h"
#include "smtpd/extensions.h"
#include "smtpd/session_private.h"
#include "smtpd/verbs.h"

#define CLIENT_NAME_MAX 255	/* RFC 5321 4.5.3.1.2 */

/*
 * Clients name themselves by whatever their owner called the machine, and
 * RFC 5321 4.1.4 forbids to refuse mail for it: one printable word will do.
 */
static bool
good_name(struct span arg)
{
	size_t i;

	if (arg.n == 0 || arg.n > CLIENT_NAME_MAX)
		return false;
	for (i = 0; i < arg.n; i++)
		if ((uint8_t)arg.p[i] <= ' ' || arg.p[i] == 0x7f)
			return false;
	return true;
}

static bool
check(struct session *s, const char *verb, const char *syntax, struct span arg)
{
	if (good_name(arg))
		return true;
	session_refuse(s, verb, REPLY_NEED_ARGUMENT, syntax, NULL);
	return false;
}

/* A second EHLO is also a RSET, RFC 5321 4.1.4. */
static void
introduce(struct session *s, struct span arg)
{
	session_forget(s);
	s->client_name = xstrndup(arg.p, arg.n);
}

/* What is offered is what works in the present state, no more. */
static void
offer(struct session *s)
{
	struct buf out;

	buf_init(&out, REPLY_MAX);
	buf_addf(&out, "250-%s\r\n", s->server->conf->hostname);
	extensions_put(s, &out);
	session_write(s, &out);
	buf_clear(&out);
}

void
cmd_ehlo(struct session *s, struct span arg)
{
	if (!check(s, "EHLO", "EHLO your.host.name", arg))
		return;
	introduce(s, arg);
	s->ehlo = true;
	offer(s);
}

void
cmd_helo(struct session *s, struct span arg)
{
	if (!check(s, "HELO", "HELO your.host.name", arg))
		return;
	introduce(s, arg);
	s->helo = true;
	session_reply(s, REPLY_HELO);
}
