#include "lib/prelude.h"

#include "smtpd/extensions.h"
#include "smtpd/path.h"
#include "smtpd/session_private.h"

int
path_addr_flags(const struct session *s)
{
	return s->server->extensions & EXT_SMTPUTF8 ? ADDR_UTF8 : 0;
}

enum reply
path_reply(enum smtp_path_error e, enum reply bad_address)
{
	switch (e) {
	case SMTP_PATH_OK:
		return REPLY_NONE;
	case SMTP_PATH_SYNTAX:
		return REPLY_BAD_PATH;
	case SMTP_PATH_ADDRESS:
		return bad_address;
	case SMTP_PATH_PARAMS:
		return REPLY_BAD_PARAMS;
	}
	return REPLY_BAD_PATH;
}
