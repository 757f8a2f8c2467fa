/*
 * Seed after seed: a queue lives through a few weeks in a made-up world
 * (sim.h), dies a few times, and comes to its end when all is well again;
 * then every message that was acknowledged must be accounted for.
 *
 * Most seeds have the store's twin in memory, for their number; the others the
 * real store, its threads taking turns as the dice have it. That one is killed
 * at any call to the kernel, has calls fail, and loses its power.
 *
 *	test_sim [SECONDS [SEED [memory|disk]]]
 *
 * Begins with seed 1 and goes on with seeds of today, for so many seconds; of one
 * kind alone if that is said. With 0 seconds, a seed and a kind it is that one
 * seed, SHOW_LOG=1 shows the queue's log. test_sim day [HOURS]: a
 * day of traffic at the real store, next hops failing, and what memory does.
 */
#include "lib/prelude.h"

#include <sys/wait.h>
#include <malloc.h>
#include <signal.h>
#include <time.h>

#include "lib/ev.h"
#include "lib/log.h"
#include "queue/rooms.h"
#include "tests/fault/image.h"
#include "tests/fault/sim.h"
#include "tests/fault/turns.h"
#include "tests/fault/world.h"
#include "tests/tap.h"

#define SECONDS		SHORT_FORM(8)
#define FIXED		24	/* seeds that are the same each time */
#define DISK_EVERY	4	/* of these, one in so many at the real store */
#define HANG_SEC	300
#define DAY_HANG_SEC	5000
#define SEGMENT		(1024 * 1024)
#define DAY_STEP_MS	2000
#define DAY_LETTERS	2	/* a step, on average */
#define SLOPE_MAX	(64 * 1024)	/* bytes in the day's second half */

static struct calls_plan *plan;
static struct tape *tape;
static char *dir, *next_dir;

static struct {
	uint32_t seeds[2];
	uint64_t spent_us[2];
	uint64_t lives, kills, cuts, leaps, deaths, orders, letters, acked;
	uint64_t copies, twice, bounced, faults;
} sum;

static struct store *
open_disk(struct queue *q, const char **errstr)
{
	struct store_conf c = { .dir = dir, .segment_bytes = SEGMENT,
	    .cache_bytes = SEGMENT, .min_free_bytes = 1 };

	return store_open(&c, &queue_store_ops, q, errstr);
}

/* --- a seed in memory: all its lives in one process --------------------------------- */

static void
lives_in_memory(void)
{
	struct sim_life l = { .in_memory = true };
	uint32_t lives = 1 + (uint32_t)sim_dice(4);

	while (lives-- > 0) {
		l.steps = 20 + (uint32_t)sim_dice(120);
		l.stop = sim_dice(3) == 0;
		sim_live(&l);
		sim_died(!l.stop);
	}
	l.steps = 0;
	l.drain = true;
	sim_live(&l);
	sim_account();
}

/* --- a seed on disk: a process for each life ------------------------------------------- */

static const struct sim_life *its_life;

static void
live_on_disk(void)
{
	calls_watch(dir, plan, tape->n == SIZE_MAX ? NULL : tape);
	turns_begin(sim_dice(UINT64_MAX));
	sim_live(its_life);
}

static bool
in_child(void (*run)(void))
{
	int status;
	pid_t pid;

	fflush(stdout);
	if ((pid = fork()) == -1)
		fatal("fork");
	if (pid == 0) {
		alarm(HANG_SEC);
		run();
		_exit(0);
	}
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			fatal("waitpid");
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
		sim_wrong("the queue dies of signal %d", WTERMSIG(status));
	/* It may end itself when a call has failed, and then alone. */
	if (WIFEXITED(status) && WEXITSTATUS(status) != 0 &&
	    (plan->failed == 0 || WEXITSTATUS(status) != 1))
		sim_wrong("the queue ends with %d: %s", WEXITSTATUS(status),
		    sim->refusal);
	return !WIFSIGNALED(status) && WEXITSTATUS(status) == 0;
}

/* A kill at any call, a call that fails, or nothing. */
static void
some_plan(void)
{
	static const struct {
		enum call call;
		int error;
	} faults[] = {
		{ CALL_WRITE, EIO }, { CALL_SYNC, EIO }, { CALL_OPEN, EMFILE },
		{ CALL_WRITE, ENOSPC }, { CALL_READ, EIO },
		{ CALL_WRITE, CALL_SHORT }, { CALL_RENAME, ENOSPC },
	};
	size_t k = sim_dice(nitems(faults));

	memset(plan, 0, sizeof(*plan));
	switch (sim_dice(4)) {
	case 0:
	case 1:
		plan->call = CALL_ANY;
		plan->error = CALL_KILL - (int)sim_dice(3);
		plan->times = UINT64_MAX;
		plan->n = 1 + sim_dice(6000);
		break;
	case 2:
		plan->call = faults[k].call;
		plan->error = faults[k].error;
		plan->times = 1;
		plan->n = 1 + sim_dice(400);
		break;
	}
}

/* What the power leaves of it becomes the disk of the next life. */
static void
cut_power(struct image *im)
{
	char *swap = dir;

	image_play(im, tape, tape->n);
	world_empty(next_dir);
	image_write(im, (enum cut_kind)sim_dice(CUT_KINDS), &sim->rng,
	    next_dir);
	dir = next_dir;
	next_dir = swap;
	sum.cuts++;
}

static void
one_life_on_disk(const struct sim_life *l)
{
	bool cut = sim_dice(3) == 0, good;
	struct image *im = NULL;

	tape->n = cut ? 0 : SIZE_MAX;
	tape->used = 0;
	if (cut)
		im = image_load(dir);
	its_life = l;
	good = in_child(live_on_disk);
	sim->refusal[0] = '\0';
	sum.faults += plan->failed > 0;
	if (cut) {
		cut_power(im);
		image_free(&im);
	}
	sim_died(!good || !l->stop);
}

static void
lives_on_disk(void)
{
	struct sim_life l = { .open_store = open_disk };
	uint32_t lives = 1 + (uint32_t)sim_dice(4);

	world_empty(dir);
	while (lives-- > 0 && sim->problem[0] == '\0') {
		l.steps = 20 + (uint32_t)sim_dice(120);
		l.stop = sim_dice(3) == 0;
		some_plan();
		one_life_on_disk(&l);
	}
	memset(plan, 0, sizeof(*plan));
	tape->n = SIZE_MAX;
	l.steps = 0;
	l.drain = l.stop = true;
	its_life = &l;
	if (sim->problem[0] == '\0' && !in_child(live_on_disk))
		sim_wrong("the last life ends early: %s", sim->refusal);
	sim_account();
}

/* --- seeds ------------------------------------------------------------------------------- */

static void
add_up(bool disk)
{
	sum.seeds[disk]++;
	sum.lives += sim->lives;
	sum.kills += sim->kills;
	sum.leaps += sim->leaps;
	sum.deaths += sim->relay_deaths;
	sum.orders += sim->orders;
	sum.letters += sim->n;
	sum.acked += sim->acked;
	sum.copies += sim->copies;
	sum.twice += sim->twice;
	sum.bounced += sim->bounced;
}

static uint64_t
now_us(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_MONOTONIC, &ts) == -1)
		fatal("clock_gettime");
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static bool
run_seed(uint64_t seed, bool disk)
{
	uint64_t began = now_us();

	sim_begin(seed);
	if (disk)
		lives_on_disk();
	else if (!in_child(lives_in_memory))
		sim_wrong("the process ends early");
	add_up(disk);
	sum.spent_us[disk] += now_us() - began;
	if (sim->problem[0] == '\0')
		return true;
	printf("# seed %llu: %s; again: test_sim 0 %llu %s\n",
	    (unsigned long long)seed, sim->problem, (unsigned long long)seed,
	    disk ? "disk" : "memory");
	return false;
}

enum kinds { BOTH, MEMORY, DISK };

static enum kinds
kind_named(const char *s)
{
	return strcmp(s, "disk") == 0 ? DISK : MEMORY;
}

/* Of both each gets as much time, though they are not as fast. */
static bool
on_disk_next(enum kinds kinds)
{
	return kinds == DISK || (kinds == BOTH &&
	    sum.spent_us[1] < sum.spent_us[0]);
}

static uint32_t
run_for(uint32_t seconds, uint64_t today, enum kinds kinds)
{
	uint64_t end = now_us() + seconds * 1000000ULL;
	uint32_t bad = 0, i;

	for (i = 1; bad < 3 && i <= FIXED; i++)
		bad += !run_seed(i, i % DISK_EVERY == 0);
	for (; bad < 3 && now_us() < end; i++)
		bad += !run_seed(today + i, on_disk_next(kinds));
	return bad;
}

static void
show_sum(uint64_t today)
{
	printf("# seeds: 1 to %d, then from %llu: %u in memory, %u on disk\n",
	    FIXED, (unsigned long long)today, sum.seeds[0], sum.seeds[1]);
	printf("# %llu lives, %llu ended by a kill, %llu power cuts, %llu "
	    "failing calls, %llu deaths of relays, %llu leaps of the clock, "
	    "%llu orders of admins\n", (unsigned long long)sum.lives,
	    (unsigned long long)sum.kills, (unsigned long long)sum.cuts,
	    (unsigned long long)sum.faults, (unsigned long long)sum.deaths,
	    (unsigned long long)sum.leaps, (unsigned long long)sum.orders);
	printf("# %llu messages, %llu acknowledged, %llu copies delivered, "
	    "%llu of them duplicates, each explained by a death; %llu "
	    "recipients bounced\n", (unsigned long long)sum.letters,
	    (unsigned long long)sum.acked, (unsigned long long)sum.copies,
	    (unsigned long long)sum.twice, (unsigned long long)sum.bounced);
	printf("# class: crash, stop, reload inputs: %llu\n",
	    (unsigned long long)(sum.kills + sum.cuts + sum.deaths));
}

static uint64_t
hash_of(uint64_t seed, bool disk)
{
	run_seed(seed, disk);
	return sim->hash;
}

static void
test_same_again(void)
{
	uint64_t mem = hash_of(7, false), disk = hash_of(7, true);

	ok(mem == hash_of(7, false), "a seed in memory is the same again");
	ok(disk == hash_of(7, true), "a seed on disk is the same again");
}

/* --- a day ----------------------------------------------------------------------------------- */

#define LOOKS		16

static uint32_t day_hours;
static struct memory {
	uint32_t n;
	size_t	 used[LOOKS];		/* each time that the queue was empty */
} *memory;

/* Nothing is queued: what the heap holds is what stays. */
static void
look(void)
{
	struct mallinfo2 m;

	malloc_trim(0);
	m = mallinfo2();
	if (memory->n < LOOKS)
		memory->used[memory->n++] = m.uordblks + m.hblkhd;
}

static void
run_day(void)
{
	uint32_t steps = day_hours * 3600 * 1000 / DAY_STEP_MS;
	struct sim_life l = { .open_store = open_disk, .calm = true,
	    .step_ms = DAY_STEP_MS, .letters_per_step = DAY_LETTERS,
	    .steps = steps, .drain = true, .stop = true, .look = look,
	    .look_every = steps / LOOKS };

	alarm(DAY_HANG_SEC);
	calls_watch(dir, NULL, NULL);
	turns_begin(sim_dice(UINT64_MAX));
	sim_live(&l);
}

static void
show_memory(void)
{
	uint32_t i;

	printf("# KB in use, each time that the queue was empty:");
	for (i = 0; i < memory->n; i++)
		printf(" %zu", memory->used[i] / 1024);
	printf("\n");
}

static void
test_day(uint32_t hours)
{
	day_hours = hours;
	memory = shared_memory(sizeof(*memory));
	world_empty(dir);
	sim_begin(2026);
	if (!in_child(run_day))
		sim_wrong("the process ends early");
	sim_account();
	is_str(sim->problem, "", "%u hours: %zu messages, %u copies "
	    "delivered, %u recipients bounced, all accounted for", hours,
	    sim->n, sim->copies, sim->bounced);
	show_memory();
	if (hours < 24)		/* caches and the caps' slots still fill */
		return;
	ok(memory->n == LOOKS && memory->used[LOOKS - 1] <
	    memory->used[LOOKS / 2] + SLOPE_MAX, "memory does not grow");
}

int
main(int argc, char **argv)
{
	uint32_t seconds = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) :
	    SECONDS;
	uint64_t today = (uint64_t)time(NULL) * 1000;
	enum kinds kinds = argc > 3 ? kind_named(argv[3]) : BOTH;

	sim = shared_memory(sizeof(*sim));
	plan = shared_memory(sizeof(*plan));
	tape = shared_memory(sizeof(*tape));
	dir = world_dir();
	next_dir = world_dir();
	if (argc > 3 && seconds == 0)
		ok(run_seed(strtoull(argv[2], NULL, 10), kinds == DISK),
		    "seed %s", argv[2]);
	else if (argc > 1 && strcmp(argv[1], "day") == 0)
		test_day(argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) :
		    24);
	else {
		today = argc > 2 ? strtoull(argv[2], NULL, 10) : today;
		is_int(run_for(seconds, today, kinds), 0, "whatever happened, what "
		    "was acknowledged is accounted for");
		show_sum(today);
		test_same_again();
	}
	world_remove(dir);
	world_remove(next_dir);
	return tap_done();
}
