/*
 * listener: accepts on one socket that the parent opened, within the limits of
 * sessions in all and per address. A client over a limit is told so where the
 * protocol allows. Out of descriptors it rests a while and says so once.
 */
#ifndef SMTPD_LISTENER_H
#define SMTPD_LISTENER_H

#include <stdbool.h>

struct listener;
struct server;

/* Takes fd (listening). Nothing is accepted before listener_start(). */
struct listener *listener_new(struct server *, const char *name, int fd,
	    bool tls_first);
void	 listener_free(struct listener **);
void	 listener_start(struct listener *);
const char *listener_name(const struct listener *);
void	 listener_set_tls_first(struct listener *, bool tls_first);

#endif
