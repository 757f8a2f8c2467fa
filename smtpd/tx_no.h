/* tx_no: queue's refusal, M_TX_NO, read and turned into a reply line. */
#ifndef SMTPD_TX_NO_H
#define SMTPD_TX_NO_H

struct ipc_in;
struct session;

/*
 * The line with its CRLF, for the caller to free; NULL when the message is
 * malformed or is no refusal that an SMTP client may see.
 */
char	*tx_no_line(struct ipc_in *);
/* Says it for a verb, logs it and counts it; 421 ends the session. */
void	 tx_no_say(struct session *, const char *verb, const char *line);

#endif
