/*
 * reserve: of a full disk's room, what is kept for what is under way. What is
 * delivered and cannot be written down goes twice, so nothing begins whose end
 * might have no room, and nothing else takes that. With room on the disk all of
 * it fits.
 *
 * Held is a state of its message for each job at a relay, one for what was
 * delivered and is to be written soon, and what reports take until they are
 * written. It is let go of in the turn that writes it: store_room() counts it
 * from then on.
 */
#ifndef QUEUE_RESERVE_H
#define QUEUE_RESERVE_H

#include "queue/queue.h"

/* *held, which somebody holds, is so many bytes from now on. */
void	 reserve_hold(struct queue *, uint64_t *held, uint64_t bytes);
/*
 * Whether so many more may be held: then the half of the room does for all that
 * is. Who asks for little hears no sooner than who asks for RESERVE_LEAST that
 * there is none.
 */
#define RESERVE_LEAST	(256 * 1024)
bool	 reserve_fits(const struct queue *, uint64_t bytes);
/* Whether so many can be written down beside what is held. */
bool	 reserve_may_write(const struct queue *, uint64_t bytes);

#endif
