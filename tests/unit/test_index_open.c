/*
 * What Berkeley DB cannot open for want of a descriptor: a start says so, and a
 * checkpoint of an index that is open waits. Berkeley DB alone would be done for.
 */
#include "lib/prelude.h"

#include <sys/resource.h>
#include <ftw.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "lib/log.h"
#include "lib/xalloc.h"
#include "queue/index.h"
#include "tests/tap.h"

#define MB		(1024 * 1024)
#define META		16000	/* bytes of a message's; less than the cache */
#define MESSAGES	64	/* of a commit */
#define COMMITS		20	/* of 8 MB of log, thrice */

static char dir[] = "/tmp/test-index-files-XXXXXX";
static atomic_bool given_back;

static void
limit_descriptors(rlim_t n)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = n;
	if (setrlimit(RLIMIT_NOFILE, &limit) == -1)
		fatal("setrlimit");
}

/* No more than there are. */
static void
take_descriptors(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	limit_descriptors((rlim_t)fd);
}

static void *
give_back(void *arg)
{
	const struct timespec while_ = { .tv_nsec = 500000000 };

	nanosleep(&while_, NULL);
	atomic_store(&given_back, true);
	limit_descriptors(1024);
	return NULL;
}

static void
commit(struct index *x, uint64_t n)
{
	uint8_t *meta = xcalloc(1, META);
	struct index_entry e = { .meta = meta, .meta_len = META };
	struct journal_place mark = { .generation = n + 1 };

	index_begin(x);
	for (e.id = 1; e.id <= MESSAGES; e.id++) {
		e.due_ms = n;
		index_put(x, &e);
	}
	index_commit(x, mark, MESSAGES);
	free(meta);
}

static void
test_checkpoint(struct index *x)
{
	pthread_t thread;
	bool waited = false;
	uint64_t n;

	take_descriptors();
	pthread_create(&thread, NULL, give_back, NULL);
	for (n = 0; n < COMMITS || !waited; n++) {
		commit(x, n);
		waited = atomic_load(&given_back);
	}
	pthread_join(thread, NULL);
	ok(true, "checkpoints go on once there is a descriptor");
}

static void
test_start(void)
{
	struct index *x;
	const char *errstr;
	bool damaged;

	take_descriptors();
	x = index_open(dir, MB, &damaged, &errstr);
	limit_descriptors(1024);
	ok(x == NULL && !damaged && errstr != NULL,
	    "a start without a descriptor says so: %s", errstr);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
	return remove(path);
}

int
main(void)
{
	struct index *x;
	const char *errstr;
	bool damaged;

	log_init("test", -1);
	if (mkdtemp(dir) == NULL)
		fatal("mkdtemp");
	x = index_open(dir, MB, &damaged, &errstr);
	ok(x != NULL, "open");
	test_checkpoint(x);
	index_close(&x);
	test_start();
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return tap_done();
}
