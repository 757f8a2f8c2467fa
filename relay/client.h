/*
 * client: one SMTP connection to a next hop, RFC 5321 from the other side.
 * It greets, starts TLS and logs in as its route demands, then carries one
 * delivery after another. Each recipient gets its result as the replies come;
 * what the connection's end leaves open is settled here too.
 */
#ifndef RELAY_CLIENT_H
#define RELAY_CLIENT_H

#include <stdbool.h>

#include "relay/delivery.h"
#include "relay/dns.h"
#include "relay/tlspolicy.h"

struct client;

struct client_conf {		/* borrowed while the client lives */
	const char *hostname;	/* for EHLO */
	const char *source_address;
	uint32_t connect_sec, command_sec, data_sec;
	const char *user, *password; /* "" for no AUTH */
	struct tlspolicy tls;
	struct ssl_ctx_st *ssl_ctx;
};

struct client_ops {
	/* Ready for client_deliver(): logged in, or done with the last one. */
	void	(*ready)(struct client *, void *arg);
	/*
	 * The connection is over; free the client. A delivery that it gives back
	 * unharmed (nothing was answered for it) is in *unsent, to be tried on
	 * another connection. usable: it had been ready before.
	 */
	void	(*over)(struct client *, struct delivery *unsent, bool usable,
		    void *arg);
};

/* Connects; callbacks come from the loop only. */
struct client *client_new(const struct client_conf *,
	    const struct dns_target *, const struct client_ops *, void *arg);
/* Closes at once; a delivery in progress is abandoned without results. */
void	 client_free(struct client **);

/* Takes the delivery over. The client must be ready. */
void	 client_deliver(struct client *, struct delivery *);
/* Says QUIT when idle, now or after the delivery in progress. */
void	 client_quit(struct client *);
bool	 client_busy(const struct client *);
/*
 * The server has all of a message and has not said what it does with it: what is
 * broken off now may arrive twice (RFC 1047).
 */
bool	 client_in_doubt(const struct client *);
uint32_t client_carried(const struct client *);	/* deliveries so far */

/* After over: why it ended, "host[address]:port: ..."; TLS trouble or not. */
const char *client_why(const struct client *);
const char *client_status(const struct client *);	/* "4.4.2" */
bool	 client_tls_failed(const struct client *);
/* The server does not do what the policy demands of it, today or tomorrow. */
bool	 client_unfit(const struct client *);

#endif
