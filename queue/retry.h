/*
 * retry: when what did not succeed is tried again, and when it has been tried
 * for long enough. Pure: clocks and dice are handed in.
 */
#ifndef QUEUE_RETRY_H
#define QUEUE_RETRY_H

#include <stdbool.h>
#include <stdint.h>

/* How long to wait between tries. */
struct retry {
	uint64_t first_ms, max_ms;
};

/* first * 2^(attempts - 1), at most max, give or take a fifth as dice say. */
uint64_t retry_wait_ms(const struct retry *, uint32_t attempts, uint64_t dice);
/* The longest that retry_wait_ms() can say. */
uint64_t retry_longest_ms(const struct retry *);
/*
 * Whether one more try counts: so many before it, by the schedule it is due by
 * now. One that somebody has ordered earlier makes none of the later waits
 * longer. begun_ms (wall): when the first was due.
 */
bool	 retry_counts(const struct retry *, uint32_t attempts,
	    uint64_t begun_ms, uint64_t wall_ms);
/*
 * After a try that did not count: how long until the one is due that will, by
 * the schedule, and no longer than after one that did. attempts: not 0.
 */
uint64_t retry_left_ms(const struct retry *, uint32_t attempts,
	    uint64_t begun_ms, uint64_t wall_ms, uint64_t dice);
/*
 * Whether a message has had its time: its expiry has passed, and it has been
 * tried as often as it would have been in half of that time. A clock set
 * forward by a year, or a machine switched off for a week, bounces nothing. Or
 * it has been tried for twice its time already: the clock was a year ahead when
 * it came.
 */
bool	 retry_expired(const struct retry *, uint32_t attempts,
	    uint64_t arrived_ms, uint64_t expires_ms, uint64_t wall_ms);

#endif
