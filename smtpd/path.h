/* path: how MAIL and RCPT read a path (RFC 5321 4.1.2), and what they say to one. */
#ifndef SMTPD_PATH_H
#define SMTPD_PATH_H

#include "lib/smtp_cmd.h"
#include "smtpd/reply.h"

struct session;

/* How addresses are read: RFC 6531's only where SMTPUTF8 is offered. */
int	 path_addr_flags(const struct session *);
/* What is answered to a path that is none. */
enum reply path_reply(enum smtp_path_error, enum reply bad_address);

#endif
