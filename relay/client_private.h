/*
 * client_private: one SMTP connection from the inside, shared by the files that
 * make it up, from the top down: client.c (its life, what it reads), client_open.c
 * (from the greeting to the login), client_mail.c (envelope and content),
 * client_terms.c (what the server takes), client_state.c (states, and what is
 * said in them).
 */
#ifndef RELAY_CLIENT_PRIVATE_H
#define RELAY_CLIENT_PRIVATE_H

#include "lib/ev.h"
#include "lib/smtp_data.h"
#include "lib/stream.h"
#include "relay/client.h"

#define CLIENT_WHY_MAX	700	/* of the sentence why it ended */
#define CLIENT_AUTH_MAX	1024	/* of the mechanisms that a server lists */

enum state {
	ST_CONNECT,	/* for connect(), or TLS after it */
	ST_GREETING,	/* for 220 */
	ST_EHLO, ST_HELO,
	ST_STARTTLS,	/* for 220, then the handshake */
	ST_TLS,
	ST_AUTH,	/* for 334 or 235 */
	ST_READY,	/* for client_deliver() */
	ST_ENVELOPE,	/* for the replies to RSET, MAIL, RCPT, DATA */
	ST_CONTENT,	/* sending; an early reply ends it */
	ST_DOT,		/* for the reply to the end of the data */
	ST_QUIT,	/* for 221 or the end */
	ST_OVER		/* the owner is told from the loop */
};

struct client {
	const struct client_conf *conf;
	const struct client_ops *ops;
	void	*arg;
	struct dns_target target;
	char	 remote[400];		/* "host[address]:port" */
	enum state state;
	struct stream *stream;
	struct ssl_st *tls;		/* the stream's, from the handshake on */
	struct smtp_reply reply;
	struct ev_timer limit, over, refused;
	struct sasl *sasl;
	/* announced by EHLO */
	bool	 esmtp, starttls, pipelining, eight_bit, utf8, size_known, dsn,
		 require_tls, chunking, deliver_by, priority;
	uint64_t min_by_sec;		/* 0: none said */
	uint64_t size_max;		/* 0: none said */
	char	 auth[CLIENT_AUTH_MAX];

	struct delivery *d;
	size_t	 asked, told;		/* steps of the envelope */
	bool	 reset_first;		/* step 0 is RSET */
	bool	 mail_ok;
	bool	 bdat;			/* instead of DATA */
	bool	 quit_wanted, usable, tls_failed, unfit;
	uint32_t carried;
	struct smtp_data_out data;
	char	 why[CLIENT_WHY_MAX];
	char	 status[12];
	char	 tls_text[128];
};

/* --- client_state.c ------------------------------------------------------------ */

/* The one setter of the state; its time limit begins anew. */
void	 client_enter(struct client *, enum state);
const char *client_state_name(const struct client *);
/*
 * The connection is of no more use; the first reason stays. A status 5.x.x
 * fails what is being delivered, 4.x.x puts it off.
 */
void	 client_give_up(struct client *, const char *status, const char *, ...)
	    __attribute__((format(printf, 3, 4)));
/* A command line, CRLF added; gives up when it would be more than one. */
void	 client_say(struct client *, const char *, ...)
	    __attribute__((format(printf, 2, 3)));
/* Open and logged in, or done with a delivery: tells the owner. */
void	 client_now_ready(struct client *);
/* A reply to nothing. */
void	 client_unasked(struct client *);

/* --- client_open.c ------------------------------------------------------------- */

/* connect() or the TLS handshake has succeeded. */
void	 client_open_up(struct client *);
/* Replies, by the state they come in. */
void	 client_open_greeting(struct client *);
void	 client_open_ehlo(struct client *);
void	 client_open_starttls(struct client *);
void	 client_open_auth(struct client *);

/* --- client_terms.c -------------------------------------------------------------- */

/*
 * RFC 2852 4.1.4.2: who wants to hear of delay has a next hop that knows nothing
 * of by-times tell of it in its own time.
 */
uint8_t	 client_terms_notify(const struct client *, uint8_t notify);
/* " BY=..." and " MT-PRIORITY=...", for those who know them. */
void	 client_terms_wishes(struct client *, char *out, size_t size);
/* The server need not be asked: the delivery's recipients have had their word. */
bool	 client_terms_refused(struct client *);

/* --- client_mail.c --------------------------------------------------------------- */

/* Replies, by the state they come in. */
void	 client_mail_envelope(struct client *);
void	 client_mail_dot(struct client *);
void	 client_mail_early(struct client *);
/* Whether this server has said CHUNKING and not known BDAT. */
bool	 client_mail_no_bdat(const struct client *);
/* Forgets which those were; for tests. */
void	 client_mail_forget(void);
/* The socket has room again: more content. */
void	 client_mail_drained(struct client *);
/* A delivery that was refused without asking the server ends. */
void	 client_mail_refused_cb(void *);

#endif
