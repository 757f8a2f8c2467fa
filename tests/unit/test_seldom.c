/* lib/seldom: once a minute, and how often it was left out. */
#include "lib/prelude.h"

#include "lib/ev.h"
#include "lib/seldom.h"
#include "tests/tap.h"

int
main(void)
{
	static struct seldom s;
	int i, said = 0;

	ev_init();
	ev_clock_fake(5, 1800000000000ULL);
	ok(seldom_due(&s), "the first time it is said");
	is_str(seldom_more(&s), "", "and nothing was left out");
	for (i = 0; i < 10000; i++) {
		ev_clock_step(1);
		errno = ENOSPC;
		said += seldom_due(&s);
	}
	is_int(said, 0, "ten thousand more times within a minute: silence");
	is_int(errno, ENOSPC, "errno is left alone");
	ev_clock_step(SELDOM_EVERY_MS);
	ok(seldom_due(&s), "a minute later it is said again");
	is_str(seldom_more(&s), " (10000 more times since the last word of it)",
	    "with how often it was not");
	ok(!seldom_due(&s), "and then not");
	ev_clock_step(SELDOM_EVERY_MS);
	ok(seldom_due(&s), "nor for a minute");
	is_str(seldom_more(&s), " (1 more times since the last word of it)",
	    "once");
	return tap_done();
}
