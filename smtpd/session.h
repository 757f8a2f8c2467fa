/*
 * session: one client's connection, from the socket to the last reply. It owns
 * its stream, what EHLO and AUTH established, and at most one mail transaction
 * (smtpd/transaction.h), which has a life of its own. It ends itself; others
 * can only ask it to.
 */
#ifndef SMTPD_SESSION_H
#define SMTPD_SESSION_H

#include <stdbool.h>

#include "smtpd/server.h"

struct sockaddr;
struct session;

/* What a listener wants of its sessions. */
enum session_how {
	SESSION_TLS_FIRST = 1,	/* the TLS handshake comes before the greeting
				   (RFC 8314 3.3) */
	SESSION_CERTIFICATES = 2 /* clients are asked for theirs */
};

/*
 * Takes over a connected socket and greets. how is of session_how. peer is the
 * other end's address; its place in the crowd, already entered, goes to the
 * session.
 */
struct session *session_new(struct server *, int fd, unsigned int how,
	    const struct sockaddr *peer);
/*
 * The same for a device that cannot log in and came to this listener
 * (smtpd/lane.h); without TLS if that is not even to be offered.
 */
struct session *session_new_lane(struct server *, int fd, bool no_tls,
	    const char *listener, const struct sockaddr *peer);

/*
 * The worker stops: 421 to a session that is between two messages, now or as
 * soon as it is. force does not wait for a message under way.
 */
void	 session_stop(struct session *, bool force);

#endif
