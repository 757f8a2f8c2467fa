/*
 * The wall clock leaps while the store works, and back before the next start:
 * ids go on growing, nothing is lost, all mail is due in some order, and usage
 * is neither forgotten nor counted twice.
 */
#include "lib/prelude.h"

#include "tests/fault/world.h"
#include "tests/tap.h"

#define HOUR_MS	(3600 * 1000LL)
#define YEAR_MS	(365 * 24 * HOUR_MS)

static const struct {
	const char *what;
	int64_t	 ms;
} leaps[] = {
	{ "an hour ahead", HOUR_MS }, { "an hour back", -HOUR_MS },
	{ "a second back", -1000 }, { "a year ahead", YEAR_MS },
	{ "a year back", -YEAR_MS }, { "past 2038", 20 * YEAR_MS },
	{ "back to 1990", -36 * YEAR_MS },
};

int
main(void)
{
	struct session s = { .turns = 400 };
	struct verdict v;
	char *dir;
	size_t i;
	int round;
	enum end end;

	world_init();
	dir = world_dir();
	s.dir = dir;
	for (i = 0; i < nitems(leaps); i++) {
		world_fresh(dir);
		end = END_GOOD;
		/* Before it, with it, and after it. */
		for (round = 0; round < 3 && end == END_GOOD; round++) {
			s.seed = i * 10 + (uint64_t)round;
			s.leap_ms = round == 1 ? leaps[i].ms : 0;
			s.close = round != 2;
			world_rebase(0);
			end = world_work(&s);
		}
		if (end == END_GOOD)
			end = world_judge(dir);
		v = world_verdict(0);
		if (!ok(end == END_GOOD && verdict_good(&v), "%s: nothing is "
		    "lost, ids grow, usage is exact", leaps[i].what))
			verdict_show(&v);
	}
	world_remove(dir);
	return tap_done();
}
