/*
 * kill -9 at every call to the kernel. A worker takes mail in, changes it and
 * lets it go, and is killed at its n-th call: instead of it, right past it, or
 * when half of a write is done. What the kernel has taken stays.
 *
 * First n is 1, 2, 3 ... up to the end of a session that begins with a store in
 * use. Then sessions go on from each other: one is killed anywhere, the start
 * behind it is killed as well, and mostly the start behind that; only then a
 * judge looks. A start that is not killed has to find everything that was ever
 * acknowledged, byte for byte, and nothing twice.
 *
 *	test_kills [POINTS [SEED]]	half of them of each kind
 */
#include "lib/prelude.h"

#include "tests/fault/world.h"
#include "tests/tap.h"

#define POINTS		SHORT_FORM(300)
#define TURNS		120
#define SEED		11
#define ANEW		8	/* so many chains go on from each other */
#define MORE		1000	/* points, until each transition was met */

static struct calls_plan *plan;
static char *dir;
static uint64_t rng;
/* Of the session that is killed everywhere, and of its start alone. */
static uint64_t calls_of_session[AREAS], calls_of_start[AREAS];

/* Tenths of all points: a start has thousands of calls about the index. */
static const uint32_t share[AREAS] = { [AREA_ANY] = 1, [AREA_JOURNAL] = 4,
    [AREA_INDEX] = 2, [AREA_SPOOL] = 3 };

/* What a call that was killed at belongs to, by where it is made. */
static struct tally {
	uint32_t points, starting, bad;
	uint32_t met[CALLS][AREAS];
} all;

/* At the n-th call about this area. */
static void
set_kill(enum area area, uint64_t n, int how)
{
	memset(plan, 0, sizeof(*plan));
	plan->call = CALL_ANY;
	plan->area = area;
	plan->n = n;
	plan->times = UINT64_MAX;	/* by whichever thread is next */
	plan->error = CALL_KILL - how % 3;
}

/* How it ended; *killed is set when the plan came true. */
static enum end
work(uint64_t seed, uint32_t turns, enum area area, uint64_t n, int how,
    bool *killed)
{
	struct session s = { .dir = dir, .seed = seed, .turns = turns,
	    .close = true, .plan = plan };
	enum end end;

	/* Places are 0 without a tape: all that was promised is old now. */
	world_rebase(0);
	set_kill(area, n, how);
	end = world_work(&s);
	*killed = end == END_KILLED;
	if (*killed) {
		all.points++;
		all.starting += ledger->started == NEVER;
		all.met[plan->met][plan->met_area]++;
	}
	return end;
}

static bool
told_off(const char *what, uint64_t n, int how, enum end end)
{
	all.bad++;
	printf("# %s, killed %s call %llu (%s of %s): it %s %s\n", what,
	    how % 3 == 0 ? "instead of" : how % 3 == 1 ? "past" :
	    "in the middle of", (unsigned long long)n, call_name(plan->met),
	    area_name(plan->met_area), end_name(end), ledger->errstr);
	return false;
}

static bool
judge(uint64_t n, int how)
{
	enum end end = world_judge(dir);
	struct verdict v = world_verdict(0);

	if (end == END_GOOD && verdict_good(&v))
		return true;
	verdict_show(&v);
	return told_off("the judge", n, how, end);
}

/* --- every call in turn ------------------------------------------------------------ */

/* A store with mail in its journal, its index and its spool. */
static bool
prepare(void)
{
	struct session s = { .dir = dir, .seed = SEED, .turns = TURNS };

	world_fresh(dir);
	return world_work(&s) == END_GOOD;
}

static void
count_calls(uint32_t turns, uint64_t calls[AREAS])
{
	bool killed;
	int a;

	if (!prepare() || work(SEED + 1, turns, AREA_ANY, 0, 0, &killed) !=
	    END_GOOD)
		all.bad++;
	/* A start may have none about the spool. */
	for (a = 0; a < AREAS; a++)
		calls[a] = plan->seen[CALL_ANY][a] + 1;
}

static void
kill_at_one(enum area area, uint64_t n, uint64_t seed, int how)
{
	bool killed;
	enum end end;

	if (!prepare()) {
		told_off("the store before", n, how, END_DIED);
		return;
	}
	end = work(seed, TURNS, area, n, how, &killed);
	/* Threads: a run may make fewer calls than were counted. */
	if (!killed && end != END_GOOD)
		told_off("a session", n, how, end);
	judge(n, how);
}

/* Several times, in another manner, where there are more points than calls. */
static void
kill_at_each(enum area area, uint32_t points)
{
	uint64_t n, step = calls_of_session[area] / points + 1;
	uint32_t round, i = 0;

	for (round = 0; i < points && all.bad < 3; round++)
		for (n = 1 + round % step; n <= calls_of_session[area] &&
		    i < points && all.bad < 3; n += step, i++)
			kill_at_one(area, n, SEED + 1 + round / 3,
			    (int)(n + round));
}

/* --- kills during the start, and during the next ------------------------------------- */

static enum area
some_area(void)
{
	uint64_t n = dice(&rng, 10);
	int a = 0;

	while (n >= share[a])
		n -= share[a++];
	return a;
}

static void
chain(void)
{
	enum area area = some_area(), first_area = area;
	uint64_t n = 1 + dice(&rng, calls_of_session[area]), first = n;
	int k, how = (int)dice(&rng, 3), starts = 1 + (int)dice(&rng, 3);
	bool killed;
	enum end end = END_KILLED;

	for (k = 0; k <= starts; k++) {
		end = work(dice(&rng, UINT32_MAX), TURNS, area, n, how,
		    &killed);
		if (!killed && end != END_GOOD) {
			told_off("a start", n, how, end);
			return;
		}
		area = some_area();
		n = 1 + dice(&rng, calls_of_start[area]);
		how = (int)dice(&rng, 3);
	}
	if (!judge(n, how))
		printf("# the chain began at call %llu of %s, with %d "
		    "starts\n", (unsigned long long)first,
		    area_name(first_area), starts);
}

static void
kill_starts(uint32_t points)
{
	uint32_t until = all.points + points, chains;

	for (chains = 0; all.points < until && all.bad < 3; chains++) {
		if (chains % ANEW == 0)
			world_fresh(dir);
		chain();
	}
}

/* --- what was met ------------------------------------------------------------------------ */

static const struct transition {
	const char *name;
	enum area area;
	enum call calls[6];
} transitions[] = {
	{ "accept, update, remove: the batch's write", AREA_JOURNAL,
	    { CALL_WRITE } },
	{ "accept, update, remove: its sync", AREA_JOURNAL, { CALL_SYNC } },
	{ "segment begun or used again", AREA_JOURNAL, { CALL_OPEN,
	    CALL_RENAME, CALL_TRUNCATE, CALL_UNLINK } },
	{ "replay", AREA_JOURNAL, { CALL_READ } },
	{ "accept of a large body: file, sync, name", AREA_SPOOL,
	    { CALL_OPEN, CALL_WRITE, CALL_SYNC, CALL_RENAME } },
	{ "removal of a large body", AREA_SPOOL, { CALL_UNLINK,
	    CALL_TRUNCATE } },
	{ "checkpoint, and recovery of the index", AREA_INDEX, { CALL_OPEN,
	    CALL_READ, CALL_WRITE, CALL_SYNC, CALL_RENAME, CALL_TRUNCATE } },
};

static uint32_t
times_met(const struct transition *t)
{
	uint32_t n = 0;
	size_t k;

	for (k = 0; k < nitems(t->calls) && t->calls[k] != CALL_NONE; k++)
		n += all.met[t->calls[k]][t->area];
	return n;
}

static bool
each_met(void)
{
	size_t i;

	for (i = 0; i < nitems(transitions); i++)
		if (times_met(&transitions[i]) == 0)
			return false;
	return true;
}

static void
show_transitions(void)
{
	uint32_t n, rest = all.points;
	size_t i;

	for (i = 0; i < nitems(transitions); i++) {
		n = times_met(&transitions[i]);
		printf("# killed %u times at %s\n", n, transitions[i].name);
		rest -= n;
	}
	printf("# killed %u times at other calls; %u of all in a start\n",
	    rest, all.starting);
}

int
main(int argc, char **argv)
{
	uint32_t points = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) :
	    POINTS;
	int a;

	rng = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	plan = shared_memory(sizeof(*plan));
	world_init();
	dir = world_dir();
	count_calls(TURNS, calls_of_session);
	count_calls(0, calls_of_start);
	for (a = 0; a < AREAS; a++)
		kill_at_each(a, points * share[a] / 20);
	is_int(all.bad, 0, "killed %u times at the %llu calls of a session, "
	    "all that was acknowledged is there", all.points,
	    (unsigned long long)calls_of_session[AREA_ANY]);
	kill_starts(points / 2);
	/* Rare transitions are met by chance: a few times in 300 points. */
	while (!each_met() && all.bad == 0 && all.points < points + MORE)
		kill_starts(ANEW);
	is_int(all.bad, 0, "so it is when the starts behind are killed, too");
	show_transitions();
	ok(each_met(), "each transition was met");
	ok(all.starting > 0, "starts were met");
	world_remove(dir);
	printf("# class: crash, stop, reload inputs: %u\n", all.points);
	return tap_done();
}
