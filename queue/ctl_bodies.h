/*
 * ctl_bodies: a walk through the queue with the bodies of what it finds.
 */
#ifndef QUEUE_CTL_BODIES_H
#define QUEUE_CTL_BODIES_H

#include "queue/ctl_asked.h"

/*
 * one() is called for each message, with what store_body() says of it; it
 * calls ctl_bodies_on() when it is done with that. What has left the queue by
 * the time its body is read is passed over. bodies lives in the verb's own.
 */
struct bodies {
	struct store_msg **v;	/* owned: what the walk has found last */
	size_t	 n, next;
	unsigned int tries;	/* of this one's body */
	const char *errstr;
	uint64_t gone;		/* passed over */
	const char *into;	/* "backup": set before the walk, for the log */
	uint64_t unreadable;
	void	(*one)(struct asked *, const struct store_msg *,
		    const uint8_t *, size_t, int fd, uint32_t crc,
		    const char *errstr);
};

void	 ctl_bodies_walk(struct asked *, struct bodies *,
	    void (*done)(struct asked *));
void	 ctl_bodies_on(struct asked *);
void	 ctl_bodies_clear(struct bodies *);
/* Logs it, and counts it. */
void	 ctl_bodies_unreadable(struct bodies *, uint64_t id, const char *why);

#endif
