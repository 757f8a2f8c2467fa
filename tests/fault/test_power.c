/*
 * The power goes. A worker takes mail in and lets it go while everything that
 * the store does to its files is written on a tape; from the tape disks are
 * made as they may look after a cut at any place of it, and the store is opened
 * on each. One of these disks is where the next session begins, so recovery is
 * cut as well, and the recovery from that.
 *
 * In some sessions a sync fails: what it was to make durable is lost then, as
 * on Linux, though the next sync says that all is well.
 *
 *	test_power [SESSIONS [CUTS [SEED]]]
 */
#include "lib/prelude.h"

#include <fcntl.h>

#include "lib/log.h"
#include "lib/xalloc.h"
#include "tests/fault/image.h"
#include "tests/fault/world.h"
#include "tests/tap.h"

#define SESSIONS	SHORT_FORM(14)
#define CUTS		14
#define TURNS		700
#define LOST_SYNCS	8
#define ANEW		5	/* so many sessions go on from each other */

static struct tape *tape;
static struct calls_plan *plan;
static uint64_t rng;
static char *live_dir, *next_dir, *disk_dir;

static struct {
	uint32_t sessions, cuts, by_kind[CUT_KINDS], bad, in_recovery;
	uint32_t failed_syncs, rebuilt, damage, needless;
	uint64_t ops, letters;
} sum;

/* --- sessions --------------------------------------------------------------------- */

static void
fail_a_sync(bool failing)
{
	/* Most are the journal's, where a promise is at stake. */
	static const enum area areas[] = { AREA_JOURNAL, AREA_JOURNAL,
	    AREA_INDEX, AREA_ANY };

	memset(plan, 0, sizeof(*plan));
	if (!failing)
		return;
	plan->call = CALL_SYNC;
	plan->area = areas[dice(&rng, nitems(areas))];
	plan->n = 1 + dice(&rng, plan->area == AREA_INDEX ? 20 : 60);
	plan->times = 1;
	plan->error = EIO;
}

/* False when the worker ended in a way that it must not. */
static bool
run_session(bool failing)
{
	struct session s = { .dir = live_dir, .seed = dice(&rng, UINT32_MAX),
	    .turns = TURNS / 4 + (uint32_t)dice(&rng, TURNS),
	    .close = dice(&rng, 4) == 0, .heavy = sum.sessions % 3 == 1,
	    .plan = plan, .tape = tape };
	enum end end;

	fail_a_sync(failing);
	end = world_work(&s);
	if (plan->failed > 0) {
		sum.failed_syncs++;
		if (end != END_DIED && end != END_REFUSED) {
			printf("# a sync failed, and the worker %s\n",
			    end_name(end));
			return false;
		}
		/* The parent starts it again; the pages in memory look well. */
		fail_a_sync(false);
		s.seed++;
		s.after_loss = true;
		end = world_work(&s);
	}
	if (end != END_GOOD)
		printf("# the worker %s: %s\n", end_name(end), ledger->errstr);
	return end == END_GOOD;
}

/* --- cuts --------------------------------------------------------------------------- */

static int
by_place(const void *a, const void *b)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	return x < y ? -1 : x > y;
}

/* Half of them past the start, which writes more than the work behind it. */
static size_t
some_place(void)
{
	size_t from = ledger->started;

	if (from >= tape->n || dice(&rng, 2) == 0)
		from = 0;
	return from + 1 + dice(&rng, tape->n - from);
}

/*
 * The journal has no gaps, but for what a failed sync has lost. An index is built
 * anew where sectors of what was not synced are missing; of one that was open all
 * that it needs is synced.
 */
static bool
needless(size_t place, enum cut_kind kind)
{
	bool whole = kind == CUT_DROPS || kind == CUT_KEEPS;

	return !ledger->sync_lost && (ledger->damage > 0 ||
	    (whole && ledger->rebuilt > 0 && ledger->started <= place));
}

/* The same disk once more, with the store's own words. */
static void
show_log(const struct image *im, enum cut_kind kind, uint64_t seed)
{
	world_empty(disk_dir);
	image_write(im, kind, &seed, disk_dir);
	setenv("SHOW_LOG", "1", 1);
	(void)world_judge(disk_dir);
	unsetenv("SHOW_LOG");
}

static bool
judge_cut(const struct image *im, size_t place, enum cut_kind kind)
{
	uint64_t seed = rng;
	struct verdict v;
	enum end end;

	world_empty(disk_dir);
	image_write(im, kind, &rng, disk_dir);
	end = world_judge(disk_dir);
	v = world_verdict(place);
	sum.cuts++;
	sum.by_kind[kind]++;
	sum.in_recovery += ledger->started > place;
	sum.rebuilt += ledger->rebuilt;
	sum.damage += ledger->damage;
	sum.needless += needless(place, kind);
	if (end == END_GOOD && verdict_good(&v) && !needless(place, kind))
		return true;
	printf("# session %u: a cut at %zu of %zu that %s (dice %llu): %s %s, "
	    "index rebuilt %u, damage %u\n", sum.sessions, place, tape->n,
	    cut_name(kind), (unsigned long long)seed, end_name(end),
	    ledger->errstr, ledger->rebuilt, ledger->damage);
	verdict_show(&v);
	show_log(im, kind, seed);
	return false;
}

/*
 * The cuts of one tape, in order. From one of them, of which another disk is
 * made, the next session starts.
 */
static uint32_t
cut_power(struct image *im, uint32_t ncuts)
{
	size_t *places = xcalloc(ncuts, sizeof(*places)), from = 0;
	uint32_t i, bad = 0, chosen = (uint32_t)dice(&rng, ncuts);

	for (i = 0; i < ncuts; i++)
		places[i] = some_place();
	qsort(places, ncuts, sizeof(*places), by_place);
	for (i = 0; i < ncuts; i++) {
		image_play(im, tape, places[i]);
		bad += !judge_cut(im, places[i], dice(&rng, CUT_KINDS));
		if (i == chosen) {
			from = places[i];
			world_empty(next_dir);
			image_write(im, dice(&rng, CUT_KINDS), &rng, next_dir);
		}
	}
	world_rebase(from);
	free(places);
	return bad;
}

/* A file in it says so: it is moved aside, and a new one is made. */
static void
damage_index(void)
{
	char *path = xasprintf("%s/index/damaged", live_dir);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd == -1)
		fatal("%s", path);
	close(fd);
	free(path);
}

static bool
session_and_cuts(uint32_t ncuts)
{
	struct image *im;
	char *dir;
	bool good;

	if (sum.sessions % ANEW == 0)
		world_fresh(live_dir);
	/* The last of these sessions: it costs the index its usage. */
	else if (sum.sessions % ANEW == ANEW - 1)
		damage_index();
	im = image_load(live_dir);
	tape->n = tape->used = 0;
	good = run_session(sum.sessions % 4 == 2);
	sum.sessions++;
	sum.ops += tape->n;
	sum.letters += ledger->n;
	if (good)
		sum.bad += cut_power(im, ncuts);
	image_free(&im);
	dir = live_dir;
	live_dir = next_dir;
	next_dir = dir;
	return good;
}

/*
 * A sync of the index or the journal fails, the start behind it goes on from what the kernel's
 * memory has, and the power is cut when all is closed: what the sync was about is
 * on the disk by then.
 */
static bool
lose_sync(enum area area, uint64_t n, uint32_t *rebuilt)
{
	struct session s = { .dir = live_dir, .seed = n, .turns = TURNS / 2,
	    .plan = plan, .tape = tape };
	uint64_t none = 0;
	struct verdict v;
	struct image *im;
	uint32_t anew = 0;
	enum end end;
	bool good;

	world_fresh(live_dir);
	im = image_load(live_dir);
	tape->n = tape->used = 0;
	*plan = (struct calls_plan){ .call = CALL_SYNC, .area = area,
	    .n = n, .times = 1, .error = EIO };
	end = world_work(&s);
	if (plan->failed == 0) {	/* there were fewer */
		image_free(&im);
		return end == END_GOOD;
	}
	sum.failed_syncs++;
	fail_a_sync(false);
	s.close = true;
	s.after_loss = true;
	if ((end == END_DIED || end == END_REFUSED) &&
	    (end = world_work(&s)) == END_GOOD) {
		image_play(im, tape, tape->n);
		world_empty(disk_dir);
		image_write(im, CUT_DROPS, &none, disk_dir);
		end = world_judge(disk_dir);
		anew = ledger->rebuilt;
	}
	*rebuilt += anew;
	v = world_verdict(tape->n);
	good = end == END_GOOD && verdict_good(&v);
	if (!good || anew > 0) {
		printf("# sync %llu of %s: the worker or the judge %s, index "
		    "rebuilt %u\n", (unsigned long long)n, area_name(area),
		    end_name(end), anew);
		verdict_show(&v);
		show_log(im, CUT_DROPS, 0);
	}
	image_free(&im);
	return good;
}

static void
test_lost_syncs(uint32_t n)
{
	uint32_t bad = 0, rebuilt = 0, i;

	for (i = 1; i <= n; i++) {
		bad += !lose_sync(AREA_INDEX, i, &rebuilt);
		bad += !lose_sync(AREA_JOURNAL, i * 3, &rebuilt);
	}
	is_int(bad, 0, "of %u syncs that failed none has cost anything",
	    sum.failed_syncs);
	ok(sum.failed_syncs >= LOST_SYNCS, "as many as there should be");
	is_int(rebuilt, 0, "and the index is the one that it was");
}

static void
show_sum(void)
{
	int k;

	printf("# %u sessions, %llu operations on tape, %llu letters\n",
	    sum.sessions, (unsigned long long)sum.ops,
	    (unsigned long long)sum.letters);
	printf("# %u cuts", sum.cuts);
	for (k = 0; k < CUT_KINDS; k++)
		printf(", %u %s", sum.by_kind[k], cut_name(k));
	printf("\n# %u of them before the store was open; %u syncs failed; the index was "
	    "rebuilt %u times; damage was told of %u times\n",
	    sum.in_recovery, sum.failed_syncs, sum.rebuilt, sum.damage);
}

static uint32_t
argument(int argc, char **argv, int i, uint32_t otherwise)
{
	return argc > i ? (uint32_t)strtoul(argv[i], NULL, 10) : otherwise;
}

int
main(int argc, char **argv)
{
	uint32_t sessions = argument(argc, argv, 1, SESSIONS);
	uint32_t ncuts = argument(argc, argv, 2, CUTS);
	bool good = true;

	rng = argument(argc, argv, 3, 1);
	tape = shared_memory(sizeof(*tape));
	plan = shared_memory(sizeof(*plan));
	world_init();
	live_dir = world_dir();
	next_dir = world_dir();
	disk_dir = world_dir();
	test_lost_syncs(sessions > SESSIONS ? LOST_SYNCS * 5 : LOST_SYNCS);
	while (good && sum.bad == 0 && sum.sessions < sessions)
		good = session_and_cuts(ncuts);
	show_sum();
	ok(good, "%u sessions came to their end", sum.sessions);
	is_int(sum.bad, 0, "after %u power cuts all that was acknowledged is "
	    "there, and nothing that was gone is back", sum.cuts);
	ok(sessions < 8 || (sum.failed_syncs > 0 && sum.in_recovery > 0),
	    "syncs failed, and recovery was cut, too");
	world_remove(live_dir);
	world_remove(next_dir);
	world_remove(disk_dir);
	return tap_done();
}
