/*
 * listener: accepts on one socket that the parent opened, within the limits of
 * sessions in all and per address. A client over a limit is told so where the
 * protocol allows. Out of descriptors it rests a while and says so once.
 */
#ifndef SMTPD_LISTENER_H
#define SMTPD_LISTENER_H

#include <stdbool.h>

struct conf_listener;
struct listener;
struct server;
struct sockaddr;

/* Takes fd (listening). Nothing is accepted before listener_start(). */
struct listener *listener_new(struct server *, const struct conf_listener *,
	    int fd);
void	 listener_free(struct listener **);
void	 listener_start(struct listener *);
const char *listener_name(const struct listener *);
/* What a new configuration says of it; for clients that come from now on. */
void	 listener_configure(struct listener *, const struct conf_listener *);
/* Takes fd: a client, to whom the limits apply; by way of a proxy or not. */
void	 listener_admit(struct server *, int fd, unsigned int how,
	    const struct sockaddr *peer);

#endif
