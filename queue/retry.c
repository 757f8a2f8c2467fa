#include "lib/prelude.h"

#include "queue/retry.h"

#define JITTER_PARTS	5	/* give or take a fifth */

static uint64_t
plain_backoff(const struct retry *r, uint32_t attempts)
{
	uint64_t ms = r->first_ms;

	while (attempts-- > 1 && ms < r->max_ms)
		ms *= 2;
	return ms < r->max_ms ? ms : r->max_ms;
}

uint64_t
retry_wait_ms(const struct retry *r, uint32_t attempts, uint64_t dice)
{
	uint64_t ms = plain_backoff(r, attempts), fifth = ms / JITTER_PARTS;

	return ms - fifth + dice % (2 * fifth + 1);
}

uint64_t
retry_longest_ms(const struct retry *r)
{
	return r->max_ms + r->max_ms / JITTER_PARTS;
}

/* How long after the first try the next is due, when so many have been made. */
static uint64_t
waited_ms(const struct retry *r, uint32_t attempts)
{
	uint64_t t = 0, wait;
	uint32_t n = 0;

	/* It doubles a few times: from there on every wait is the longest. */
	while (n < attempts && (wait = plain_backoff(r, n + 1)) < r->max_ms) {
		t += wait;
		n++;
	}
	return t + (uint64_t)(attempts - n) * r->max_ms;
}

bool
retry_counts(const struct retry *r, uint32_t attempts,
    uint64_t begun_ms, uint64_t wall_ms)
{
	uint64_t due = waited_ms(r, attempts);

	/* A clock that has been set back says nothing. */
	return wall_ms < begun_ms ||
	    wall_ms - begun_ms >= due - due / JITTER_PARTS;
}

uint64_t
retry_left_ms(const struct retry *r, uint32_t attempts, uint64_t begun_ms,
    uint64_t wall_ms, uint64_t dice)
{
	uint64_t wait = retry_wait_ms(r, attempts, dice);
	uint64_t due = begun_ms + waited_ms(r, attempts) -
	    plain_backoff(r, attempts) + wait;
	uint64_t left = due > wall_ms ? due - wall_ms : 0;

	return left < wait ? left : wait;
}

bool
retry_expired(const struct retry *r, uint32_t attempts,
    uint64_t arrived_ms, uint64_t expires_ms, uint64_t wall_ms)
{
	uint64_t life = expires_ms > arrived_ms ? expires_ms - arrived_ms : 0;

	if (wall_ms >= expires_ms)
		return waited_ms(r, attempts) >= life / 2;
	return attempts > 0 && waited_ms(r, attempts - 1) / 2 >= life;
}
