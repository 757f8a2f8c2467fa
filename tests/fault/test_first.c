/*
 * The very first start of auth, which makes the accounts' database. It is killed
 * at each of its calls to the kernel, each call fails once, and the power goes at
 * any place. Whatever is left, the next start opens it, and an account that was
 * said to be added is there.
 *
 *	test_first [SEED]
 */
#include "lib/prelude.h"

#include <sys/select.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "auth/accounts.h"
#include "lib/log.h"
#include "tests/fault/image.h"
#include "tests/fault/world.h"
#include "tests/tap.h"

static const struct {
	enum call call;
	int	 error;
	const char *name;
} faults[] = {
	{ CALL_ANY, CALL_KILL, "killed before a call" },
	{ CALL_ANY, CALL_KILL_PAST, "killed past a call" },
	{ CALL_WRITE, CALL_KILL_HALF, "killed past half of a write" },
	{ CALL_OPEN, ENOSPC, "a full disk at open()" },
	{ CALL_WRITE, ENOSPC, "a full disk at write()" },
	{ CALL_SYNC, ENOSPC, "a full disk at fsync()" },
	{ CALL_RENAME, ENOSPC, "a full disk at rename()" },
	{ CALL_WRITE, EIO, "an error at write()" },
	{ CALL_SYNC, EIO, "an error at fsync()" },
	{ CALL_UNLINK, EIO, "an error at unlink()" },
};

static struct shared {
	struct calls_plan plan;
	bool	 opened, added, found;
	size_t	 added_at;		/* on the tape */
	char	 why[512];
} *shared;

static struct tape *tape;
static char *live_dir, *disk_dir;
static uint64_t rng = 7;

static void
quiet(enum log_level level, const char *proc, const char *line)
{
}

/* Berkeley DB sleeps two seconds over what it cannot read. */
int
select(int n, fd_set *in, fd_set *out, fd_set *err, struct timeval *t)
{
	return 0;
}

/* --- starts ------------------------------------------------------------------ */

static enum accounts_result
add(struct accounts *db, const char *name)
{
	struct account a;
	enum accounts_result r;

	memset(&a, 0, sizeof(a));
	snprintf(a.name, sizeof(a.name), "%s", name);
	snprintf(a.cap, sizeof(a.cap), "default");
	a.verifier.iterations = 4096;
	a.verifier.salt_len = 16;
	r = accounts_add(db, &a);
	account_clear(&a);
	return r;
}

static void
start(const char *dir, const char *name)
{
	struct account a;
	const char *why = "";
	struct accounts *db = accounts_open(dir, &why);

	snprintf(shared->why, sizeof(shared->why), "%s", why);
	shared->opened = db != NULL;
	if (db == NULL)
		return;
	if (accounts_get(db, "alice", &a) == ACCOUNTS_OK) {
		shared->found = true;
		account_clear(&a);
	}
	shared->added = add(db, name) == ACCOUNTS_OK;
	shared->added_at = calls_now();
	/* Half a page of a database in use is refused as damaged. */
	if (shared->plan.error == CALL_KILL_HALF)
		calls_watch(NULL, NULL, NULL);
	accounts_close(&db);
}

/* As a process of its own; the plan's fault is met in it, or none. */
static void
run(const char *dir, const char *name, bool faulty, struct tape *to)
{
	int status;
	pid_t pid;

	shared->opened = shared->added = shared->found = false;
	shared->plan.failed = 0;
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		log_set_sink(quiet);
		calls_watch(dir, faulty ? &shared->plan : NULL, to);
		start(dir, name);
		calls_watch(NULL, NULL, NULL);
		_exit(0);
	}
	if (pid == -1 || waitpid(pid, &status, 0) == -1)
		abort();
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL) {
		shared->opened = false;
		snprintf(shared->why, sizeof(shared->why), "signal %d",
		    WTERMSIG(status));
	}
}

static void
set_plan(size_t fault, uint64_t n)
{
	memset(&shared->plan, 0, sizeof(shared->plan));
	shared->plan.call = faults[fault].call;
	shared->plan.error = faults[fault].error;
	shared->plan.n = n;
	shared->plan.times = 1;
}

/* Past all faults. had: alice was said to be added. */
static bool
opens(const char *dir, const char *name, bool had)
{
	run(dir, name, false, NULL);
	if (shared->opened && shared->added && (shared->found || !had))
		return true;
	printf("# %s: %s\n", !shared->opened ? "does not open" :
	    !shared->added ? "none can be added" : "alice is lost",
	    shared->why);
	return false;
}

/* --- tests ------------------------------------------------------------------- */

/* The start behind it is killed as well, somewhere. */
static void
test_fault(size_t fault)
{
	uint32_t bad = 0, met = 0;
	bool had;
	uint64_t n;

	for (n = 1;; n += EACH) {
		world_empty(live_dir);
		set_plan(fault, n);
		run(live_dir, "alice", true, NULL);
		if (shared->plan.failed == 0)
			break;
		met++;
		had = shared->added;
		if (met % 2 == 0) {
			set_plan(dice(&rng, 2), 1 + dice(&rng, 60));
			run(live_dir, "bob", true, NULL);
		}
		if (!opens(live_dir, "carol", had)) {
			printf("# %s, number %llu\n", faults[fault].name,
			    (unsigned long long)n);
			bad++;
		}
	}
	ok(met > 0 && bad == 0, "%s: each of %u first starts is begun anew",
	    faults[fault].name, met);
}

static void
test_power(void)
{
	uint32_t bad = 0, cuts = 0;
	struct image *im;
	size_t at, added;
	int kind;

	world_empty(live_dir);
	im = image_load(live_dir);
	run(live_dir, "alice", false, tape);
	added = shared->added_at;
	ok(shared->added && tape->n > 20, "a tape of %zu changes", tape->n);
	for (at = 1; at <= tape->n; at += EACH) {
		image_play(im, tape, at);
		for (kind = 0; kind < CUT_KINDS; kind++, cuts++) {
			/* As above. */
			if (at > added && (kind == CUT_STOPS ||
			    kind == CUT_TEARS_512))
				continue;
			world_empty(disk_dir);
			image_write(im, kind, &rng, disk_dir);
			if (opens(disk_dir, "bob", at >= added))
				continue;
			printf("# a cut at %zu of %zu that %s\n", at, tape->n,
			    cut_name(kind));
			bad++;
		}
	}
	image_free(&im);
	is_int(bad, 0, "power cuts, %u of them", cuts);
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
	test_power();
	world_remove(live_dir);
	world_remove(disk_dir);
	return tap_done();
}
