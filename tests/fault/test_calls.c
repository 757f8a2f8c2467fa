/*
 * Every call to the kernel fails once. A worker takes mail in and lets it go;
 * the n-th call of a kind fails, for n = 1, 2, 3 ... until the run meets no
 * such call any more. However the worker takes it (it goes on, it refuses to
 * open, it ends itself), it must not crash, hang or fill the log; and once the
 * fault is gone a new start must find all that was ever acknowledged, byte for
 * byte.
 *
 *	test_calls [RUNS]	at most so many of each kind; 0: all
 */
#include "lib/prelude.h"

#include "lib/xalloc.h"
#include "tests/fault/image.h"
#include "tests/fault/world.h"
#include "tests/tap.h"

#define RUNS		SHORT_FORM(3)
#define FIRST		SHORT_FORM(4)	/* each of these, too */
#define TURNS		120
#define SEED		5
#define LINES_MAX	40	/* of one run's log */
#define STARTS		3	/* while the fault stays */

struct fault {
	enum call call;
	int	 error;
	bool	 stays;
	enum area area;
};

/* Calls about files are tried in the journal, the index and the spool each. */
static const struct fault faults[] = {
	{ CALL_OPEN, EMFILE, false, AREA_ANY },
	{ CALL_OPEN, EIO, false, AREA_ANY },
	{ CALL_OPEN, ENOSPC, true, AREA_ANY },
	{ CALL_OPEN, EMFILE, true, AREA_ANY },
	{ CALL_READ, EIO, false, AREA_ANY },
	{ CALL_READ, CALL_SHORT, false, AREA_ANY },
	{ CALL_READ, EINTR, false, AREA_ANY },
	{ CALL_WRITE, EIO, false, AREA_ANY },
	{ CALL_WRITE, ENOSPC, false, AREA_ANY },
	{ CALL_WRITE, EINTR, false, AREA_ANY },
	{ CALL_WRITE, CALL_SHORT, false, AREA_ANY },
	{ CALL_WRITE, EROFS, true, AREA_ANY },
	{ CALL_WRITE, EDQUOT, true, AREA_ANY },
	{ CALL_SYNC, EIO, false, AREA_ANY },
	{ CALL_SYNC, ENOSPC, false, AREA_ANY },
	{ CALL_SYNC, EIO, true, AREA_ANY },
	{ CALL_RENAME, EIO, false, AREA_ANY },
	{ CALL_RENAME, ENOSPC, false, AREA_ANY },
	{ CALL_UNLINK, EIO, false, AREA_ANY },
	{ CALL_UNLINK, EROFS, true, AREA_ANY },
	{ CALL_MKDIR, ENOSPC, false, AREA_ANY },
	{ CALL_MKDIR, EROFS, true, AREA_ANY },
	{ CALL_TRUNCATE, EIO, false, AREA_ANY },
	{ CALL_STAT, EIO, false, AREA_ANY },
	{ CALL_OPENDIR, EMFILE, false, AREA_ANY },
	{ CALL_OPENDIR, ENOMEM, false, AREA_ANY },
	{ CALL_READDIR, EIO, false, AREA_ANY },
	{ CALL_DUP, EMFILE, false, AREA_ANY },
	{ CALL_CLOSE, EIO, false, AREA_ANY },
	{ CALL_CLOSE, EINTR, false, AREA_ANY },
	{ CALL_STATVFS, EIO, true, AREA_ANY },
	{ CALL_THREAD, EAGAIN, false, AREA_ANY },
	{ CALL_MALLOC, ENOMEM, false, AREA_ANY },
	{ CALL_MALLOC, ENOMEM, true, AREA_ANY },
};

static struct calls_plan *plan;
static char *dir;
static uint32_t lines_most;
static struct image *image;	/* each run begins with */
static struct ledger *promised;
static uint64_t counted[CALLS][AREAS];	/* in one that nothing disturbs */

static struct sums {
	uint32_t runs, ends[ENDS], bad, sites;
} all;

/* --- one run --------------------------------------------------------------------- */

static void
set_fault(const struct fault *f, uint64_t n)
{
	memset(plan, 0, sizeof(*plan));
	plan->call = f->call;
	plan->error = f->error;
	plan->area = f->area;
	/* What waits for room, or a descriptor, must at last find some. */
	plan->times = !f->stays ? 1 : f->area == AREA_JOURNAL &&
	    (f->error == EDQUOT || f->call == CALL_OPEN) ? 3 :
	    f->area == AREA_INDEX && f->error == EMFILE ? 30 : UINT64_MAX;
	plan->n = n;
}

static enum end
work(uint32_t seed)
{
	struct session s = { .dir = dir, .seed = seed, .turns = TURNS,
	    .close = true, .plan = plan };

	/* Places are 0 without a tape: all that was promised is old now. */
	world_rebase(0);
	return world_work(&s);
}

/* A store with mail in its journal, its index and its spool. */
static bool
make_store(void)
{
	struct session s = { .dir = dir, .seed = SEED, .turns = TURNS,
	    .close = false };

	world_fresh(dir);
	if (world_work(&s) != END_GOOD)
		return false;
	image = image_load(dir);
	promised = xmemdup(ledger, sizeof(*ledger));
	set_fault(&(struct fault){ 0 }, 0);
	if (work(SEED + 1) != END_GOOD)
		return false;
	memcpy(counted, plan->seen, sizeof(counted));
	return true;
}

/* ... as it was made. */
static void
prepare(void)
{
	uint64_t none = 0;

	world_empty(dir);
	image_write(image, CUT_KEEPS, &none, dir);
	*ledger = *promised;
}

static bool
told_off(const struct fault *f, uint64_t n, enum end end, const char *what)
{
	printf("# %s of %s %d%s, call %llu: the worker %s; %s %s\n",
	    call_name(f->call), area_name(f->area), f->error, f->stays ? " staying" : "",
	    (unsigned long long)n, end_name(end), what, ledger->errstr);
	return false;
}

static bool
polite(const struct fault *f, uint64_t n, enum end end)
{
	if (ledger->lines > lines_most)
		lines_most = ledger->lines;
	if (end == END_CRASHED || end == END_HUNG)
		return told_off(f, n, end, "");
	if (end == END_REFUSED && ledger->errstr[0] == '\0')
		return told_off(f, n, end, "and does not say why");
	if (ledger->lines > LINES_MAX)
		return told_off(f, n, end, "and fills the log");
	return true;
}

/* *met: there was such a call. */
static bool
run(const struct fault *f, uint64_t n, struct sums *s, bool *met)
{
	struct verdict v;
	enum end end;
	int starts;

	prepare();
	set_fault(f, n);
	end = work(SEED + 1);
	*met = plan->failed > 0;
	s->runs++;
	s->ends[end]++;
	if (!polite(f, n, end))
		return false;
	/* Its parent starts it again and again, with the fault still there. */
	for (starts = 0; f->stays && *met && starts < STARTS; starts++) {
		set_fault(f, 1);
		end = work(SEED + 2);
		s->ends[end]++;
		if (!polite(f, n, end))
			return false;
	}
	end = world_judge(dir);
	v = world_verdict(0);
	if (end == END_GOOD && verdict_good(&v))
		return true;
	verdict_show(&v);
	return told_off(f, n, end, "(the judge)");
}

/* --- all of them ------------------------------------------------------------------------ */

static void
fail_each(const struct fault *f, uint64_t most)
{
	uint64_t n, calls = counted[f->call][f->area], step = 1, last = 0;
	struct sums s = { 0 };
	bool met = true;

	/* What a directory holds is asked seldom and believed at once. */
	if (most > 0 && calls > most && f->call != CALL_READDIR)
		step = calls / most;
	/* The first ones are those of opening: each of them. */
	for (n = 1; met && s.bad < 3; n += n < FIRST ? 1 : step) {
		s.bad += !run(f, n, &s, &met);
		last = n;
	}
	all.runs += s.runs;
	all.bad += s.bad;
	ok(s.bad == 0, "%s%s%s: %s%s: %u runs up to call %llu; %u went on, "
	    "%u refused, %u ended", call_name(f->call), f->area == AREA_ANY ?
	    "" : " of ", f->area == AREA_ANY ? "" : area_name(f->area),
	    f->error == CALL_SHORT ?
	    "cut short" : strerrorname_np(f->error), f->stays ? ", staying" :
	    "", s.runs, (unsigned long long)last, s.ends[END_GOOD],
	    s.ends[END_REFUSED], s.ends[END_DIED]);
}

static void
fail_in_each_area(struct fault f, uint64_t most)
{
	if (f.call > CALL_SYNC) {
		fail_each(&f, most);
		return;
	}
	for (f.area = AREA_ANY + 1; f.area < AREAS; f.area++)
		fail_each(&f, most);
}

/* A file system that knows of O_DIRECT and wants other blocks than ours. */
static void
test_no_direct(void)
{
	enum end end, judged;
	struct verdict v;
	uint64_t writes;

	prepare();
	memset(plan, 0, sizeof(*plan));
	plan->no_direct = true;
	end = work(SEED + 1);
	writes = plan->seen[CALL_WRITE][AREA_JOURNAL];
	judged = world_judge(dir);
	v = world_verdict(0);
	ok(end == END_GOOD && judged == END_GOOD && verdict_good(&v) &&
	    plan->failed > 0 && plan->failed < writes / 2, "writes past the "
	    "page cache are refused (%llu times): %llu went through it",
	    (unsigned long long)plan->failed, (unsigned long long)writes);
}

int
main(int argc, char **argv)
{
	uint64_t most = argc > 1 ? strtoull(argv[1], NULL, 10) : RUNS;
	size_t i;

	plan = shared_memory(sizeof(*plan));
	world_init();
	dir = world_dir();
	ok(make_store(), "a store with mail in it");
	for (i = 0; i < nitems(faults); i++)
		fail_in_each_area(faults[i], most);
	test_no_direct();
	image_free(&image);
	free(promised);
	world_remove(dir);
	printf("# %u runs; the longest log of one has %u lines\n", all.runs,
	    lines_most);
	return tap_done();
}
