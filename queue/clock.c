#include "lib/prelude.h"

#include "lib/ev.h"
#include "queue/clock.h"

static uint64_t start_wall_ms, start_now_ms;
static uint64_t ahead_ms;	/* what the wall clock has leapt forward since */

void
clock_start(void)
{
	start_wall_ms = ev_wall_ms();
	start_now_ms = ev_now_ms();
	ahead_ms = 0;
}

uint64_t
clock_steady_ms(void)
{
	return start_wall_ms + (ev_now_ms() - start_now_ms);
}

uint64_t
clock_due_ms(void)
{
	uint64_t wall = ev_wall_ms(), reckoned = clock_steady_ms() + ahead_ms;

	if (wall <= reckoned)
		return reckoned;
	ahead_ms += wall - reckoned;
	return wall;
}
