/* source/health: when a source is left alone, for how long, and what ends it. */
#include "lib/prelude.h"

#include "source/health.h"
#include "tests/tap.h"

int
main(void)
{
	static const uint64_t pauses[] = { 2000, 4000, 8000, 16000, 30000,
	    30000, 30000 };
	struct health h = { 0 };
	uint64_t now = 1000000;
	size_t i;

	ok(health_ask(&h, now) && health_ask(&h, now), "a new one is asked");
	ok(!health_good(&h), "and was not bad before");
	is_int(health_bad(&h, now, now + 5000), 0, "one failure is let pass");
	now += 5000;
	is_int(health_bad(&h, now - 4000, now), 0, "those beside it as well");
	ok(health_ask(&h, now), "it is still asked");
	for (i = 0; i < nitems(pauses); i++) {
		now += 5000;
		is_int(health_bad(&h, now - 4999, now), pauses[i],
		    "failure %zu", i + 2);
		is_int(health_bad(&h, now - 5001, now + 1), 0,
		    "not what was asked before the last");
		ok(!health_ask(&h, now + pauses[i] - 1), "left alone");
		now += pauses[i];
		ok(health_ask(&h, now), "then one tries it");
		ok(!health_ask(&h, now), "and no other");
	}
	health_untried(&h);
	ok(health_ask(&h, now), "its client went away: another one tries it");
	ok(health_good(&h), "it answers, and had not");
	ok(health_ask(&h, now) && health_ask(&h, now), "everybody asks");
	is_int(health_bad(&h, now, now + 1), 0, "all is forgotten");
	return tap_done();
}
