/*
 * Accounts are changed while calls fail. auth ends by itself, or says that it
 * cannot; the next start has all that was answered before and goes on; then the
 * power is cut. What was said to be done is there, whatever of the kernel's memory
 * is lost: a sync that failed is not mended by another that goes well.
 *
 *	test_changes [SEED]
 */
#include "lib/prelude.h"

#include <sys/select.h>
#include <sys/wait.h>

#include "auth/accounts.h"
#include "lib/log.h"
#include "tests/fault/image.h"
#include "tests/fault/world.h"
#include "tests/tap.h"

#define STEPS		6	/* of each process */
#define ALWAYS		UINT64_MAX

static const struct {
	enum call call;
	int	 error;
	uint64_t times;
	bool	 ends;		/* by itself, at once */
	const char *name;
} faults[] = {
	{ CALL_SYNC, EIO, 1, true, "a sync fails" },
	{ CALL_SYNC, ENOSPC, 1, true, "a sync meets a full disk" },
	{ CALL_WRITE, EIO, 1, false, "a write fails" },
	{ CALL_WRITE, EIO, ALWAYS, false, "all writes fail" },
	{ CALL_WRITE, ENOSPC, 1, false, "a write meets a full disk" },
	{ CALL_WRITE, ENOSPC, ALWAYS, false, "the disk stays full" },
	{ CALL_WRITE, CALL_SHORT, 1, false, "half of a write" },
};

/* Even ones add an account, odd ones change alice's password. */
struct step {
	size_t	 begun, done;		/* on the tape; NEVER */
	bool	 seen;
};

static struct shared {
	struct calls_plan plan;
	struct step steps[2 * STEPS];
	bool	 opened, lost;
	uint64_t opening;		/* such calls until it is open */
	uint8_t	 version;		/* of alice's password */
	char	 why[512];
} *shared;

static struct tape *tape;
static struct image *im;		/* as it was before the tape */
static char *live_dir, *disk_dir;
static uint64_t rng = 7;

static void
quiet(enum log_level level, const char *proc, const char *line)
{
	if (getenv("SHOW_LOG") != NULL)
		fprintf(stderr, "# %s\n", line);
}

/* Berkeley DB sleeps two seconds over what it cannot read. */
int
select(int n, fd_set *in, fd_set *out, fd_set *err, struct timeval *t)
{
	return 0;
}

/* --- in a child ------------------------------------------------------------------ */

static void
name_of(size_t i, char name[16])
{
	snprintf(name, 16, "user%zu", i);
}

static void
fill(struct account *a, const char *name, uint8_t version)
{
	memset(a, 0, sizeof(*a));
	snprintf(a->name, sizeof(a->name), "%s", name);
	snprintf(a->cap, sizeof(a->cap), "default");
	a->verifier.iterations = 4096;
	a->verifier.salt_len = 16;
	a->verifier.stored_key[0] = version;
}

static bool
take_step(struct accounts *db, size_t i)
{
	enum accounts_result r;
	struct account a;
	char name[16];

	name_of(i, name);
	fill(&a, i % 2 == 0 ? name : "alice", (uint8_t)i);
	shared->steps[i].begun = calls_now();
	r = i % 2 == 0 ? accounts_add(db, &a) : accounts_set_password(db, &a);
	if (r == ACCOUNTS_OK)
		shared->steps[i].done = calls_now();
	account_clear(&a);
	return r == ACCOUNTS_OK;
}

static void
lost_cb(void)
{
	shared->lost = true;
}

/* As auth does: with what cannot be used any more it ends. */
static void
change(size_t from)
{
	const char *why = "";
	struct accounts *db = accounts_open(live_dir, &why);
	size_t i;

	snprintf(shared->why, sizeof(shared->why), "%s", why);
	shared->opened = db != NULL;
	if (db == NULL)
		return;
	shared->opening = shared->plan.seen[shared->plan.call][AREA_ANY];
	records_on_lost(accounts_records(db), lost_cb);
	for (i = from; i < from + STEPS && !shared->lost; i++)
		(void)take_step(db, i);
	accounts_close(&db);
}

static void
look(const char *dir)
{
	const char *why = "";
	struct accounts *db = accounts_open(dir, &why);
	struct account a;
	char name[16];
	size_t i;

	snprintf(shared->why, sizeof(shared->why), "%s", why);
	shared->opened = db != NULL;
	if (db == NULL)
		return;
	for (i = 0; i < 2 * STEPS; i += 2) {
		name_of(i, name);
		shared->steps[i].seen = accounts_get(db, name, &a) ==
		    ACCOUNTS_OK;
		if (shared->steps[i].seen)
			account_clear(&a);
	}
	shared->version = 0xff;
	if (accounts_get(db, "alice", &a) == ACCOUNTS_OK) {
		shared->version = a.verifier.stored_key[0];
		account_clear(&a);
	}
	accounts_close(&db);
}

static void
make(void)
{
	const char *why = "";
	struct accounts *db = accounts_open(live_dir, &why);
	struct account a;

	fill(&a, "alice", 0);
	if (db == NULL || accounts_add(db, &a) != ACCOUNTS_OK)
		_exit(1);
	account_clear(&a);
	accounts_close(&db);
}

/* --- in the parent --------------------------------------------------------------- */

enum what { MAKE, FIRST, SECOND, LOOK };

/* Its exit code, or -1. */
static int
run(enum what what, bool faulty)
{
	int status;
	pid_t pid;

	fflush(stdout);
	shared->opened = shared->lost = false;
	pid = fork();
	if (pid == 0) {
		log_set_sink(quiet);
		if (what == FIRST || what == SECOND)
			calls_watch(live_dir, faulty ? &shared->plan : NULL,
			    tape);
		if (what == MAKE)
			make();
		else if (what == LOOK)
			look(disk_dir);
		else
			change(what == FIRST ? 0 : STEPS);
		calls_watch(NULL, NULL, NULL);
		_exit(0);
	}
	if (pid == -1 || waitpid(pid, &status, 0) == -1)
		abort();
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* What was done before the cut is there, what was not begun is not. */
static bool
kept(size_t cut)
{
	const struct step *s;
	size_t i, low = 0, high = 0;
	bool good = true;

	for (i = 0; i < 2 * STEPS; i++) {
		s = &shared->steps[i];
		if (i % 2 == 0)
			good &= s->seen ? s->begun <= cut : s->done > cut;
		else {
			low = s->done <= cut ? i : low;
			high = s->begun <= cut ? i : high;
		}
	}
	return good && shared->version >= low && shared->version <= high;
}

static bool
cut(size_t at, enum cut_kind kind)
{
	world_empty(disk_dir);
	image_write(im, kind, &rng, disk_dir);
	if (run(LOOK, false) == 0 && shared->opened && kept(at))
		return true;
	printf("# a cut at %zu of %zu that %s: %s\n", at, tape->n,
	    cut_name(kind), shared->opened ? "something is lost" :
	    shared->why);
	return false;
}

/* It goes on though it cannot, or need not be able to, change anything. */
static bool
is_stuck(size_t fault)
{
	return shared->opened && !shared->lost &&
	    shared->steps[STEPS - 1].done == NEVER &&
	    shared->steps[STEPS - 2].done == NEVER &&
	    (faults[fault].times == 1 || faults[fault].error == EIO);
}

/* With n 0 none fails. */
static int
run_first(size_t fault, uint64_t n)
{
	size_t i;

	world_empty(live_dir);
	if (run(MAKE, false) != 0)
		abort();
	if (im != NULL)
		image_free(&im);
	im = image_load(live_dir);
	for (i = 0; i < 2 * STEPS; i++)
		shared->steps[i] = (struct step){ NEVER, NEVER, false };
	tape->n = tape->used = 0;
	shared->plan = (struct calls_plan){ .call = faults[fault].call,
	    .error = faults[fault].error, .n = n,
	    .times = faults[fault].times };
	return run(FIRST, true);
}

/* Both processes, and two cuts. */
static bool
fail_at(size_t fault, uint64_t n)
{
	static const enum cut_kind kinds[] = { CUT_DROPS, CUT_KEEPS,
	    CUT_TEARS_4096 };
	int code = run_first(fault, n);
	bool good;
	size_t at;

	if (faults[fault].ends ? code != 1 : code != 0 || is_stuck(fault)) {
		printf("# the first ended with %d\n", code);
		return false;
	}
	code = run(SECOND, false);
	if (code != 0 || !shared->opened || shared->lost ||
	    shared->steps[2 * STEPS - 1].done == NEVER) {
		printf("# the second ended with %d: %s\n", code, shared->why);
		return false;
	}
	at = 1 + dice(&rng, tape->n);
	image_play(im, tape, at);
	good = cut(at, kinds[dice(&rng, nitems(kinds))]);
	image_play(im, tape, tape->n);
	good &= cut(tape->n, CUT_DROPS);
	return good;
}

/* Recovery writes a log of zeros, page by page: some of these are enough. */
static void
test_fault(size_t fault)
{
	uint32_t bad = 0, places = 0;
	uint64_t n, all, opening;

	(void)run_first(fault, 0);
	all = shared->plan.seen[faults[fault].call][AREA_ANY];
	opening = shared->opening;
	for (n = 1; n <= all; n += n < opening ? (opening - n + 3) / 4 : EACH,
	    places++)
		if (!fail_at(fault, n)) {
			printf("# number %llu\n", (unsigned long long)n);
			bad++;
		}
	ok(all > opening + STEPS && bad == 0, "%s, at %u places: nothing that "
	    "was said to be done is lost", faults[fault].name, places);
}

int
main(int argc, char **argv)
{
	size_t i;

	if (argc > 1)
		rng = strtoull(argv[1], NULL, 10);
	shared = shared_memory(sizeof(*shared));
	tape = shared_memory(sizeof(*tape));
	live_dir = world_dir();
	disk_dir = world_dir();
	for (i = 0; i < nitems(faults); i++)
		test_fault(i);
	image_free(&im);
	world_remove(live_dir);
	world_remove(disk_dir);
	return tap_done();
}
