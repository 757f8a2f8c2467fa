/*
 * life_times: when a message is due, warned of and given up, by the times of
 * its route, the wishes of its sender and the clock. Nothing is changed here.
 */
#ifndef QUEUE_LIFE_TIMES_H
#define QUEUE_LIFE_TIMES_H

#include "queue/live.h"

/* Mail due no later than this stays in memory, or is fetched by feed. */
#define LIFE_HORIZON_MS 60000

/* Those of the route by which it goes, else the queue's. */
struct retry life_retry(const struct queue *, const struct store_msg *);
/* When its first try was due (wall). */
uint64_t life_begun_ms(const struct store_msg *);
/*
 * How long its sender wants it kept from now on (FUTURERELEASE, RFC 4865); 0
 * too once it was tried.
 */
uint64_t life_kept_ms(const struct store_msg *);
/* When a new message is due: now, or at the hour of FUTURERELEASE. */
uint64_t life_first_due_ms(const struct store_msg *);
/* When a new message is given up. */
uint64_t life_expiry_ms(const struct queue *, const struct store_msg *);
/* How far off this one's due time may be: beyond it a clock was wrong. */
uint64_t life_longest_wait_ms(const struct queue *, const struct store_msg *);
/* When to warn of delay (wall), 0 for never or never again. */
uint64_t life_warning_at(const struct live_msg *);
/* Whether it is time to warn of delay: once, and not by a clock that leaps. */
bool	 life_warning_due(const struct live_msg *);
/*
 * RFC 2852 4.1.3: its sender wants it back when its time is over, and it is.
 * An hour that a sender has set is one on the wall clock, whoever sets that.
 */
bool	 life_by_over(const struct live_msg *);
/* RFC 2852 4.1.3: ... wants to hear of it, and has not. */
bool	 life_by_late(const struct live_msg *);

#endif
