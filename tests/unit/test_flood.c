/* lib/flood: a minute's lines, and one line for the rest. */
#include "lib/prelude.h"

#include "lib/flood.h"
#include "lib/log.h"
#include "tests/tap.h"

static char line[512];
static int lines;

static void
sink(enum log_level level, const char *proc, const char *text)
{
	snprintf(line, sizeof(line), "%s", text);
	lines++;
}

static uint32_t
pour(struct flood *f, uint32_t n)
{
	uint32_t said = 0;

	while (n-- > 0)
		said += flood_log(f);
	return said;
}

int
main(void)
{
	static struct flood f = FLOOD("doors slammed", 3), other =
	    FLOOD("windows broken", 1);

	log_init("test", -1);
	log_set_sink(sink);
	ev_init();
	ev_clock_fake(1000, 1795442700000ULL);

	is_int(pour(&f, 3), 3, "as many as a minute may have");
	ev_clock_step(FLOOD_WINDOW_MS);
	is_int(lines, 0, "were they all, nothing is said of them");
	ok(!ev_timer_armed(&f.timer), "and no timer waits");

	is_int(pour(&f, 1), 1, "a minute begins with its first line");
	ev_clock_step(FLOOD_WINDOW_MS - 1);
	is_int(pour(&f, 1236), 2, "its last moment belongs to it");
	is_int(pour(&other, 2), 1, "kinds are counted apart");
	ev_clock_step(1);
	is_int(lines, 1, "one line for the rest");
	is_str(line, "more=1234 seconds=60 what=\"doors slammed\"", "and what");
	is_int(pour(&f, 5), 3, "the next minute has lines of its own");
	ev_clock_step(FLOOD_WINDOW_MS);
	is_int(lines, 3, "a summary for each kind");
	is_str(line, "more=2 seconds=60 what=\"doors slammed\"", "and minute");
	ev_clock_step(10 * FLOOD_WINDOW_MS);
	is_int(lines, 3, "then it is quiet");
	return tap_done();
}
