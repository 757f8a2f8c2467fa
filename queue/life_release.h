/*
 * life_release: the beginning of a round, unless it is too early.
 *
 * Mail that its sender asked to hold (FUTURERELEASE, RFC 4865) was charged when
 * it was accepted. What a month of days has charged may be due in one moment,
 * so it is let go at the pace of its account's cap: of what was held no more
 * leaves within a window than the account may send within it, beside what it
 * sends now. Who has no more than its cap's worth on hold never waits for this.
 *
 * It is counted in memory alone: a restart of the queue begins anew, and so
 * does a message that was let go and then forgotten in a crowd before a first
 * attempt; both err by little.
 */
#ifndef QUEUE_LIFE_RELEASE_H
#define QUEUE_LIFE_RELEASE_H

#include "queue/live.h"

/* It is due: a round begins, or it was held and its cap makes it wait. */
void	 life_release(struct live_msg *);

#endif
