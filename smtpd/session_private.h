/*
 * session_private: what the verbs, the transaction and the channels see of a
 * session. For smtpd/ only.
 *
 * A turn begins when bytes, an answer or a timer arrive. session_turn() takes
 * one command or piece of content after the other until it must wait; nothing
 * in it frees the session but its own last line. So a verb may call
 * session_end() anywhere and simply return.
 */
#ifndef SMTPD_SESSION_PRIVATE_H
#define SMTPD_SESSION_PRIVATE_H

#include <netinet/in.h>

#include "lib/ev.h"
#include "lib/smtp_cmd.h"
#include "lib/smtp_line.h"
#include "lib/stream.h"
#include "lib/ticket.h"
#include "smtpd/crowd.h"
#include "smtpd/reply.h"
#include "smtpd/session.h"
#include "smtpd/transaction.h"

enum session_state {
	/* A TLS handshake is under way; the stream will say up or ended. */
	SESSION_HANDSHAKE,
	/* Before the greeting: auth was asked which device this is. */
	SESSION_LANE_WAIT,
	/* The client may send a command; the command timer runs. */
	SESSION_COMMAND,
	/* auth was asked; input waits until M_AUTH_* comes. */
	SESSION_AUTH_WAIT,
	/* A challenge was sent; the next line is the response or "*". */
	SESSION_AUTH_LINE,
	/* MAIL: queue was asked what may be sent; input waits. */
	SESSION_TX_WAIT,
	/* 354 was said; content arrives; the data timer runs. */
	SESSION_CONTENT,
	/* The bytes of a BDAT arrive; the data timer runs. */
	SESSION_CHUNK,
	/* Content outgrew memory; queue was asked for a spool file. */
	SESSION_SPOOL_WAIT,
	/* queue is making the message durable; input waits. */
	SESSION_SUBMIT_WAIT,
	/* The last reply is written; the turn's end frees the session. */
	SESSION_OVER,
	SESSION_STATES
};

#define SASL_NAME_MAX	20	/* RFC 4422 3.1 */

/* What a successful AUTH brought, or a device's address. */
struct login {
	struct ticket ticket;
	struct login_sender {
		char	*pattern;	/* owned, lib/addr.h */
		uint8_t	 seal[TICKET_MAC_LEN];
	} *senders;
	size_t	 nsenders;
	char	*rewrite;	/* owned: the sender that takes the place of
				   those that are not the account's; or NULL */
	char	**recipients;	/* owned: patterns of the only ones; or none */
	size_t	 nrecipients;
};

/* The BDAT that is under way, or was. */
struct chunk {
	uint64_t size, left;
	bool	 last;
	enum reply refusal;	/* REPLY_NONE, or what to say behind it */
};

struct session {
	LIST_ENTRY(session) by_id;
	struct server *server;
	struct stream *stream;
	uint64_t id;
	enum session_state state;
	bool	 tls;		/* every byte now comes through TLS */
	bool	 tls_first;
	bool	 certificates;	/* the client is asked for them */
	bool	 lane;		/* a device that does not log in: no AUTH */
	bool	 no_tls;	/* STARTTLS is not offered to it */
	bool	 ehlo, helo;	/* said since the session or TLS began */
	bool	 skipping;	/* until CRLF: the line was refused already */
	bool	 auth_lost;	/* auth went away in the middle of an exchange */
	bool	 stop;		/* end with 421 when no message is under way */
	const char *eof_why;	/* the client has closed its side; else NULL */
	uint32_t errors;	/* refused commands */
	uint32_t transactions;	/* begun */
	uint32_t accepted;
	uint32_t skipped;	/* bytes, while skipping */
	char	 mechanism[SASL_NAME_MAX + 1]; /* of the last AUTH, for the log */
	char	*client_name;	/* owned: what EHLO or HELO said, or NULL */
	struct login *login;	/* owned; NULL before AUTH succeeded */
	struct transaction *tx;	/* owned; NULL between transactions */
	struct chunk chunk;
	uint64_t born_ms, since_ms; /* since: the present wait began */
	uint64_t due_ms;	/* when waiting ends; the timer may ring early */
	struct ev_timer timer;
	struct crowd_key crowd_key;
	char	 peer[INET6_ADDRSTRLEN];
};

/* "1f40-2c": the process and a count, for log lines; rotating buffers. */
const char *session_name(const struct session *);

/* The one setter; traces both names. */
void	 session_set_state(struct session *, enum session_state);
/* Goes on until there is nothing to do or the session is freed. */
void	 session_turn(struct session *);
/* Takes a line, or part of one to be skipped. False: none is there. */
bool	 session_take_line(struct session *);
/* Says no more and logs why; the turn's end closes and frees. */
void	 session_end(struct session *, const char *why);
/* Whoever works for it may stop. */
void	 session_let_go(struct session *);
/* Frees without a word; only outside of turns. */
void	 session_free(struct session *);

/* Writes the reply; counts it if it refuses, ends the session if it is 421. */
void	 session_reply(struct session *, enum reply);
void	 session_reply_arg(struct session *, enum reply, const char *arg);
/* The reply and a log line that says which verb was refused, and about what. */
void	 session_refuse(struct session *, const char *verb, enum reply,
	    const char *arg, const char *about);
/* Whole lines that are in no table. */
void	 session_write(struct session *, const struct buf *);
/* A refusal was written by other means. */
void	 session_count_error(struct session *);

/* Wipes and frees. */
void	 session_login_free(struct login **);
/* Ends the transaction, if there is one, and tells queue if it must know. */
void	 session_drop_tx(struct session *);
/* RFC 3207 4.2, RFC 5321 4.1.4: what the client said so far is void. */
void	 session_forget(struct session *);
/* The stream went under TLS. */
void	 session_tls_is_up(struct session *);

#endif
