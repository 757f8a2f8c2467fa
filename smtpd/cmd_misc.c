/* The verbs that change little, RFC 5321 4.1.1.5 to 4.1.1.10. */
#include "lib/prelude.h"

#include "smtpd/session_private.h"
#include "smtpd/verbs.h"

void
cmd_rset(struct session *s, struct span arg)
{
	session_drop_tx(s);
	session_reply(s, REPLY_OK);
}

void
cmd_noop(struct session *s, struct span arg)
{
	session_reply(s, REPLY_OK);
}

/* Who exists here is nobody's business: RFC 5321 3.5.3, 7.3. */
void
cmd_vrfy(struct session *s, struct span arg)
{
	if (arg.n == 0)
		session_refuse(s, "VRFY", REPLY_NEED_ARGUMENT, "VRFY address",
		    NULL);
	else
		session_reply(s, REPLY_VRFY);
}

void
cmd_help(struct session *s, struct span arg)
{
	session_reply(s, REPLY_HELP);
}

void
cmd_quit(struct session *s, struct span arg)
{
	session_reply(s, REPLY_BYE);
	session_end(s, "QUIT");
}
