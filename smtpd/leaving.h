/*
 * leaving: connections whose session is over while their last words leave. They
 * hold a descriptor and memory of ours, so they count like sessions until they
 * are closed: who ends one session after the other and never reads gets no more
 * of them than any other.
 */
#ifndef SMTPD_LEAVING_H
#define SMTPD_LEAVING_H

#include "smtpd/crowd.h"
#include "smtpd/server.h"

struct stream;

/* Takes the stream over; key is left (crowd_leave()) once it is closed. */
void	 leaving_add(struct server *, struct stream **, struct crowd_key);
/* They close by themselves; nobody counts them any more. */
void	 leaving_forget(struct server *);

#endif
