/*
 * devices: the "device" sections, for what can neither log in nor, perhaps, do
 * TLS. A listener with tls = may or none is theirs alone. Each is known by
 * single addresses; whoever can take one of these sends as that device, within
 * its cap, under its one sender and to its recipients: so each is warned about.
 */
#ifndef POSTERND_DEVICES_H
#define POSTERND_DEVICES_H

#include "lib/buf.h"
#include "posternd/config.h"

/* Behind the listeners, which it completes nothing of. */
void	 devices_verify(const struct config *, struct buf *problems,
	    struct buf *warnings);
/* The lanes in the slices of auth and queue, the addresses in smtpd's. */
void	 devices_fill(struct config *);
void	 devices_free(struct config *);

#endif
