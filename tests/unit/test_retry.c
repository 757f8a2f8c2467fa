/* queue/retry: how long to wait, and when to give up. */
#include "lib/prelude.h"

#include "queue/retry.h"
#include "tests/tap.h"

static const struct retry retry = { 300000, 14400000 };

/* The same in each run. */
static uint64_t
dice(void)
{
	static uint64_t x = 42;

	x = x * 6364136223846793005 + 1442695040888963407;
	return x >> 16;
}

static void
test_backoff(void)
{
	static const struct {
		uint32_t attempts;
		uint64_t sec;
	} cases[] = { { 0, 300 }, { 1, 300 }, { 2, 600 }, { 3, 1200 },
	    { 4, 2400 }, { 5, 4800 }, { 6, 9600 }, { 7, 14400 }, { 8, 14400 },
	    { 1000, 14400 }, { UINT32_MAX, 14400 } };
	uint64_t ms, least, most;
	size_t i, k;
	bool fits, differ;

	for (i = 0; i < nitems(cases); i++) {
		fits = true;
		least = UINT64_MAX;
		most = 0;
		for (k = 0; k < 200; k++) {
			ms = retry_wait_ms(&retry, cases[i].attempts,
			    dice());
			fits &= ms >= cases[i].sec * 800 &&
			    ms <= cases[i].sec * 1200;
			least = ms < least ? ms : least;
			most = ms > most ? ms : most;
		}
		differ = most - least > cases[i].sec * 200;
		ok(fits && differ, "after %u attempts about %llu seconds",
		    cases[i].attempts, (unsigned long long)cases[i].sec);
	}
}

static void
test_expiry(void)
{
	const uint64_t t0 = 1800000000000, day = 86400000, five = t0 + 5 * day;

	ok(!retry_expired(&retry, 40, t0, five, five - 1), "not before its time");
	ok(retry_expired(&retry, 30, t0, five, five), "in its time");
	ok(!retry_expired(&retry, 3, t0, five, t0 + 365 * day),
	    "not when the clock leapt a year");
	ok(!retry_expired(&retry, 0, t0, five, five), "not untried");
	ok(retry_expired(&retry, 1, t0, t0 + 1000, t0 + 1000), "a short life");
	ok(retry_expired(&retry, 1, t0, t0 - 1000, t0), "none at all");
	/* Whoever adds them up one by one does not get to an end here. */
	ok(retry_expired(&retry, UINT32_MAX, 1, UINT64_MAX / 4096, UINT64_MAX),
	    "tried for ever, in one step");
	ok(!retry_expired(&retry, UINT32_MAX, 1, UINT64_MAX / 2, t0),
	    "a time that never comes");
	ok(!retry_expired(&retry, 60, t0, five, t0 - 360 * day) &&
	    retry_expired(&retry, 70, t0, five, t0 - 360 * day),
	    "it came when the clock was a year ahead");
}

/* Tries before their time are extras. */
static void
test_counts(void)
{
	const uint64_t t0 = 1800000000000, min = 60000;

	ok(retry_counts(&retry, 0, t0, t0), "the first");
	ok(!retry_counts(&retry, 1, t0, t0 + 3 * min) &&
	    retry_counts(&retry, 1, t0, t0 + 4 * min), "5 min, less a fifth");
	ok(!retry_counts(&retry, 3, t0, t0 + 27 * min) &&
	    retry_counts(&retry, 3, t0, t0 + 28 * min), "35 min, less a fifth");
	ok(retry_counts(&retry, 3, t0, t0 - 1), "the clock was set back");
	ok(!retry_counts(&retry, UINT32_MAX, t0, t0 * 2), "all there are");
}

/* After one before its time: what is left of the schedule, not a whole wait. */
static void
test_left(void)
{
	static const struct {
		uint32_t attempts;
		uint64_t at_sec, least_sec, most_sec;
	} cases[] = { { 1, 10, 230, 350 }, { 1, 230, 10, 130 },
	    { 2, 400, 380, 620 }, { 3, 1000, 860, 1340 },
	    { UINT32_MAX, 1000, 11520, 17280 } };	/* no longer than a wait */
	const uint64_t t0 = 1800000000000;
	uint64_t ms, wall;
	size_t i, k;
	bool fits;

	for (i = 0; i < nitems(cases); i++) {
		wall = t0 + cases[i].at_sec * 1000;
		fits = !retry_counts(&retry, cases[i].attempts, t0, wall);
		for (k = 0; k < 200; k++) {
			ms = retry_left_ms(&retry, cases[i].attempts, t0,
			    wall, dice());
			fits &= ms >= cases[i].least_sec * 1000 &&
			    ms <= cases[i].most_sec * 1000 &&
			    retry_counts(&retry, cases[i].attempts, t0,
			    wall + ms) == (cases[i].attempts < 9);
		}
		ok(fits, "%u attempts, %llu seconds after the first",
		    cases[i].attempts, (unsigned long long)cases[i].at_sec);
	}
}

int
main(void)
{
	test_backoff();
	test_expiry();
	test_counts();
	test_left();
	return tap_done();
}
