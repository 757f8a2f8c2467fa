/* lib/ev: timers fire in order, at their time, and once. */
#include "lib/prelude.h"

#include "lib/ev.h"
#include "tests/tap.h"

#define TIMERS 500

static struct ev_timer timers[TIMERS], again;
static uint64_t last_ms;
static unsigned int fired;
static bool in_order = true;

static void
timer_cb(void *arg)
{
	if (ev_now_ms() < last_ms)
		in_order = false;
	last_ms = ev_now_ms();
	fired++;
}

static void
again_cb(void *arg)
{
	fired++;
	ev_timer_set(&again, 1000);
}

int
main(void)
{
	uint32_t seed = 12345;
	int i;

	ev_init();
	ev_clock_fake(1000000, 1700000000000);
	for (i = 0; i < TIMERS; i++) {
		seed = seed * 1664525 + 1013904223;
		ev_timer_init(&timers[i], timer_cb, NULL);
		ev_timer_set(&timers[i], seed >> 16);
	}
	for (i = 0; i < TIMERS; i += 5)
		ev_timer_cancel(&timers[i]);
	for (i = 1; i < TIMERS; i += 5)
		ev_timer_set(&timers[i], 70000);
	ev_clock_step(69999);
	is_int(fired, TIMERS * 3 / 5, "timers that were due fired");
	ok(in_order, "in order of time");
	ev_clock_step(1);
	is_int(fired, TIMERS * 4 / 5, "re-armed ones at their new time");
	is_int(ev_wall_ms(), 1700000070000, "the wall clock went along");
	ok(!ev_timer_armed(&timers[3]), "a fired timer is not armed");

	fired = 0;
	ev_timer_init(&again, again_cb, NULL);
	ev_timer_set(&again, 1000);
	ev_clock_step(10500);
	is_int(fired, 10, "a timer that re-arms itself fires each time");
	ev_clock_jump_wall(-3600000);
	ev_clock_step(500);
	is_int(fired, 11, "a jump of the wall clock moves no timer");
	return tap_done();
}
