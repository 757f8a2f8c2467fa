/*
 * proxied: a connection from a load balancer that we trust, before it has said
 * whose it is (lib/proxy.h). Not a byte beyond that header is read here, so
 * that what follows, a TLS handshake perhaps, is the session's whole.
 */
#ifndef SMTPD_PROXIED_H
#define SMTPD_PROXIED_H

#include <stdbool.h>

struct server;
struct sockaddr;

/* Takes fd, of a client from this address. */
typedef void	 proxied_admit(struct server *, int fd, unsigned int how,
	    const struct sockaddr *peer);

/* Takes fd; it is admitted under the address that is said, or closed. */
void	 proxied_new(struct server *, int fd, unsigned int how,
	    const struct sockaddr *balancer, proxied_admit *);
/* Closes all that still wait. */
void	 proxied_clear(struct server *);

#endif
