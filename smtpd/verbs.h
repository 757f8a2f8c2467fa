/*
 * verbs: the table of commands and the gate before them: what is open before
 * TLS and before AUTH. Behind the gate each verb has its own file.
 */
#ifndef SMTPD_VERBS_H
#define SMTPD_VERBS_H

#include <stdbool.h>

#include "lib/smtp_cmd.h"
#include "smtpd/reply.h"

struct session;
struct ipc_in;

/* Takes one command line, without its CRLF. */
void	 verbs_take(struct session *, const char *line, size_t n);

/* arg is what follows the verb; borrowed for the call. */
void	 cmd_ehlo(struct session *, struct span arg);
void	 cmd_helo(struct session *, struct span arg);
void	 cmd_starttls(struct session *, struct span arg);
void	 cmd_auth(struct session *, struct span arg);
void	 cmd_mail(struct session *, struct span arg);
void	 cmd_rcpt(struct session *, struct span arg);
void	 cmd_data(struct session *, struct span arg);
void	 cmd_bdat(struct session *, struct span arg);
void	 cmd_rset(struct session *, struct span arg);
void	 cmd_noop(struct session *, struct span arg);
void	 cmd_vrfy(struct session *, struct span arg);
void	 cmd_help(struct session *, struct span arg);
void	 cmd_quit(struct session *, struct span arg);

/* Whether a struct login may name this address as a sender; "" it may. */
bool	 cmd_mail_permits(const char *addr, const void *login);

/* A line of the client in SESSION_AUTH_LINE. */
void	 cmd_auth_line(struct session *, const char *line, size_t n);
/* Such a line was refused: the exchange is over. */
void	 cmd_auth_abort(struct session *);
/* BDAT where it may not come; its chunk is read all the same. */
void	 cmd_bdat_refused(struct session *, struct span arg, enum reply);
/* What has arrived in SESSION_CONTENT; false when there was nothing. */
bool	 cmd_data_content(struct session *);
/* And in SESSION_CHUNK, where it may be that nothing is left to come. */
bool	 cmd_bdat_content(struct session *);

/* Answers from auth and queue. 0, or -1 when the message is malformed. */
int	 cmd_auth_challenge(struct session *, struct ipc_in *);
int	 cmd_auth_ok(struct session *, struct ipc_in *);
int	 cmd_auth_no(struct session *, struct ipc_in *);
int	 cmd_mail_ok(struct session *, struct ipc_in *);
int	 cmd_mail_no(struct session *, struct ipc_in *);

/* The process that was asked is gone: say so to the one who waits. */
void	 cmd_auth_gone(struct session *);
void	 cmd_mail_gone(struct session *);

#endif
