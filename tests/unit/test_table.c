/* queue/table and queue/clock. */
#include "lib/prelude.h"

#include "lib/ev.h"
#include "lib/xalloc.h"
#include "queue/clock.h"
#include "queue/table.h"
#include "tests/tap.h"

#define MANY 5000

struct thing {
	struct table_node node;		/* first */
	uint32_t key;
	bool	 seen;
};

static void
test_table(void)
{
	struct thing *v = xcalloc(MANY, sizeof(*v));
	struct table t;
	struct table_node *n, *next;
	uint32_t i, found = 0, seen = 0;

	table_init(&t);
	ok(table_find(&t, "x", 1) == NULL && table_next(&t, NULL) == NULL,
	    "an empty table");
	for (i = 0; i < MANY; i++) {
		v[i].key = i;
		table_add(&t, &v[i].node, &v[i].key, sizeof(v[i].key));
	}
	for (i = 0; i < 2 * MANY; i++)
		found += table_find(&t, &i, sizeof(i)) ==
		    (i < MANY ? &v[i].node : NULL);
	is_int(found, 2 * MANY, "what is there is found, what is not is not");
	for (n = table_next(&t, NULL); n != NULL; n = next) {
		next = table_next(&t, n);
		seen += !((struct thing *)n)->seen;
		((struct thing *)n)->seen = true;
		if (((struct thing *)n)->key % 2 == 0)
			table_remove(&t, n);
	}
	is_int(seen, MANY, "a walk meets each once, though some go");
	is_int(t.n, MANY / 2, "half are left");
	for (i = found = 0; i < MANY; i++)
		found += (table_find(&t, &i, sizeof(i)) != NULL) ==
		    (i % 2 == 1);
	is_int(found, MANY, "the right half");
	table_clear(&t);
	is_int(t.n, 0, "cleared");
	ok(table_hash("abc", 3) == table_hash("abc", 3) &&
	    table_hash("abc", 3) != table_hash("abd", 3) &&
	    table_hash("", 0) != table_hash("\0", 1), "hashes tell apart");
	free(v);
}

static void
test_clock(void)
{
	const uint64_t wall = 1800000000000;

	ev_clock_fake(5000, wall);
	clock_start();
	is_int(clock_due_ms(), wall, "both begin with the wall clock");
	is_int(clock_steady_ms(), wall, "both");
	ev_clock_step(1000);
	ok(clock_due_ms() == wall + 1000 && clock_steady_ms() == wall + 1000,
	    "and go on with it");
	ev_clock_jump_wall(3600000);
	is_int(clock_due_ms(), wall + 3601000, "set forward: due follows");
	is_int(clock_steady_ms(), wall + 1000, "steady does not");
	ev_clock_jump_wall(-7200000);
	is_int(clock_due_ms(), wall + 3601000, "set back: due stays");
	ev_clock_step(500);
	is_int(clock_due_ms(), wall + 3601500, "and goes on from there");
	is_int(clock_steady_ms(), wall + 1500, "steady only counts");
}

int
main(void)
{
	test_table();
	test_clock();
	return tap_done();
}
