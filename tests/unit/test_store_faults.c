/*
 * queue's store with a damaged index or spool file, on a full disk, stopped in
 * recovery, or set up otherwise than yesterday.
 */
#include "lib/prelude.h"

#include <sys/mount.h>
#include <sched.h>
#include <signal.h>
#include <time.h>

#include <db.h>

#include "lib/dbdisk.h"
#include "tests/unit/store_rig.h"

#define SPOOLED		(STORE_INLINE_MAX + 40000)	/* bytes */

/* The setting is no property of the files. */
static void
test_other_size(void)
{
	fresh();
	accept_mail(4 * MB, 150, 20000, false, false);
	all_there(MB, "smaller segments than yesterday: all mail is there");
	all_there(2 * MB, "larger ones again: still");
}

/* --- the index ---------------------------------------------------------------------------------- */

static void
spoil_pages(const char *name, size_t from, size_t n)
{
	char *path = xasprintf("%s/index/%s", dir, name);
	uint8_t junk[4096];
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat st;

	memset(junk, 0x99, sizeof(junk));
	if (fd == -1 || fstat(fd, &st) == -1)
		fatal("%s", path);
	for (; n > 0 && (off_t)((from + 1) * 4096) <= st.st_size; n--, from++)
		if (pwrite(fd, junk, 4096, (off_t)from * 4096) != 4096)
			fatal("%s", path);
	close(fd);
	free(path);
}

/*
 * One page deep in a database that opens well. What is not seen must not be
 * taken for gone: neither its segment nor its spool file.
 */
static void
test_spoilt_page(void)
{
	static const char *const names[] = { "messages.db", "due.db" };
	size_t i;

	for (i = 0; i < nitems(names); i++) {
		fresh();
		accept_mail(MB, 400, 200, false, true);
		accept_mail(MB, 3, STORE_INLINE_MAX, false, true);
		accept_mail(MB, 3, SPOOLED, false, true);
		spoil_pages(names[i], 3, 1);
		/* It may take a start to notice. */
		(void)judge(MB);
		(void)judge(MB);
		ok(judge(MB) == 0 && told->found == told->n &&
		    told->spoilt == 0 && told->due_disorder == 0,
		    "a spoilt page of %s costs no mail (found %zu of %zu, "
		    "spoilt %zu, due %llu)", names[i], told->found, told->n,
		    told->spoilt, (unsigned long long)told->due_disorder);
	}
}

static void
test_rebuild(void)
{
	char *path = xasprintf("%s/index", dir);

	fresh();
	accept_mail(MB, 300, 5000, false, true);
	accept_mail(MB, 3, STORE_INLINE_MAX, false, false);
	accept_mail(MB, 3, SPOOLED, false, false);
	nftw(path, remove_cb, 16, FTW_DEPTH | FTW_PHYS);
	free(path);
	all_there(MB, "an index that is gone is rebuilt, bodies and usage too");
	ok(told->due_disorder == 0, "all are due, in order");
}

/* All of a file, to be put back later. */
static uint8_t *
file_bytes(const char *path, size_t *n)
{
	uint8_t *p = xmalloc(MB);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = read(fd, p, MB);

	if (got <= 0)
		fatal("%s", path);
	close(fd);
	*n = (size_t)got;
	return p;
}

static void
file_put_back(const char *path, const uint8_t *p, size_t n)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	if (write(fd, p, n) != (ssize_t)n)
		fatal("%s", path);
	close(fd);
}

static size_t
count_aside(void)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	size_t n = 0;

	while ((e = readdir(d)) != NULL)
		n += strncmp(e->d_name, "index.", 6) == 0;
	closedir(d);
	return n;
}

/*
 * Databases in each other's place: what is sound in itself need not belong
 * there. tests/fault/test_files does it to a store that was killed, of which
 * Berkeley DB's recovery makes two empty ones.
 */
static void
test_swapped(void)
{
	static const char *const names[] = { "messages.db", "due.db",
	    "usage.db", "mark.db" };
	char *path[nitems(names)], *aside = xasprintf("%s/aside", dir);
	size_t i, k;

	for (i = 0; i < nitems(names); i++)
		path[i] = xasprintf("%s/index/%s", dir, names[i]);
	for (i = 0; i < nitems(names); i++)
		for (k = 0; k < i; k++) {
			fresh();
			accept_mail(MB, 40, 200, false, true);
			if (rename(path[i], aside) == -1 ||
			    rename(path[k], path[i]) == -1 ||
			    rename(aside, path[k]) == -1)
				fatal("%s", path[i]);
			all_there(MB, names[i]);
			is_int(count_aside(), 1, "that %s had been in the "
			    "place of %s was noticed", names[i], names[k]);
		}
	for (i = 0; i < nitems(names); i++)
		free(path[i]);
	free(aside);
}

/* --- starts --------------------------------------------------------------------------------------- */

/* Killed at a random point of recovery. */
static int
do_crash(const struct job *j)
{
	struct timespec ts = { 0, (long)j->n };
	pid_t self = getpid(), pid = fork();

	if (pid == 0) {
		nanosleep(&ts, NULL);
		kill(self, SIGKILL);
		_exit(0);
	}
	open_store(j->segment_bytes);
	pause();
	return 0;
}

/* Recovered, so that its log ends in a checkpoint, with nothing to be redone. */
static int
do_recover(const struct job *j)
{
	char *path = xasprintf("%s/index", dir);
	DB_ENV *env;
	int r = db_env_create(&env, 0);

	if (r == 0)
		r = env->open(env, path, DB_CREATE | DB_PRIVATE | DB_RECOVER |
		    DB_INIT_TXN | DB_INIT_LOG | DB_INIT_MPOOL, 0600);
	if (r == 0)
		r = env->close(env, 0);
	free(path);
	return r;
}

/*
 * Its end is lost: a sync has failed, and one start later the power. Recovery has
 * no reason to look at the pages that are ahead.
 */
static void
test_log_cut_short(void)
{
	char *path = xasprintf("%s/index/log.0000000001", dir);
	struct job none = { 0 };
	uint8_t *log;
	size_t n;

	fresh();
	accept_mail(MB, 20, 200, false, true);
	if (child(do_recover, &none) != 0)
		fatalx("the index cannot be recovered");
	log = file_bytes(path, &n);
	accept_mail(MB, 1, 200, false, true);
	file_put_back(path, log, n);
	all_there(MB, "an index whose log ends too early is built anew by the "
	    "very start that finds it");
	is_int(count_aside(), 1, "and moved aside");
	free(log);
	free(path);
}

#define PAGE		4096

/* As Berkeley DB has it: LSN, number, the pages before and behind, checksum. */
static void
seal_page(uint8_t p[PAGE])
{
	uint32_t sum = 0;
	size_t i;

	memset(p + 28, 0, sizeof(sum));
	for (i = 0; i < PAGE; i++)
		sum = sum * 33 + p[i];
	memcpy(p + 28, &sum, sizeof(sum));
}

/* A page of messages.db names the one before it as the next. */
static bool
make_circle(void)
{
	char *path = xasprintf("%s/index/messages.db", dir);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	uint32_t before = 0;
	uint8_t p[PAGE];
	off_t at = 0;

	while (before == 0 && pread(fd, p, PAGE, at += PAGE) == PAGE)
		memcpy(&before, p + 12, sizeof(before));
	memcpy(p + 16, &before, sizeof(before));
	seal_page(p);
	if (before == 0 || pwrite(fd, p, PAGE, at) != PAGE)
		before = 0;
	close(fd);
	free(path);
	return before != 0;
}

static void
test_circle(void)
{
	fresh();
	accept_mail(MB, 400, 200, false, true);
	ok(make_circle(), "a page has one before it");
	all_there(MB, "an index whose pages go in a circle is built anew");
	is_int(count_aside(), 1, "and moved aside, too");
}

static void
test_crash_in_recovery(void)
{
	struct job j = { .segment_bytes = MB };
	size_t i;

	fresh();
	accept_mail(MB, 300, 5000, false, false);
	accept_mail(MB, 3, STORE_INLINE_MAX, false, false);
	accept_mail(MB, 3, SPOOLED, false, false);
	for (i = 0; i < 40; i++) {
		j.n = i * 1500000;
		(void)child(do_crash, &j);
	}
	all_there(MB, "killed at forty points of recovery: all mail is there, "
	    "charged once");
	all_there(MB, "and once more");
}

static int
do_set_back(const struct job *j)
{
	log_set_sink(sink);
	ev_init();
	ev_clock_fake(1000, 1000000000000);	/* 2001 */
	return do_judge(j);
}

static void
test_clock_set_back(void)
{
	struct job j = { .segment_bytes = MB, .close = true };
	uint64_t newest;

	fresh();
	accept_mail(MB, 10, 1000, false, false);
	newest = told->ids[told->n - 1];
	ok(child(do_set_back, &j) == 0 && told->next_id > newest,
	    "ids grow though the clock went back to 2001");
	newest = told->next_id;
	ok(child(do_set_back, &j) == 0 && told->next_id > newest,
	    "and again, with nothing in between");
}

/* --- spool files ------------------------------------------------------------------------------------- */

static void
test_spool(void)
{
	char *path;
	int fd;

	fresh();
	accept_mail(MB, 5, SPOOLED, false, true);
	path = xasprintf("%s/spool/%016llx", dir,
	    (unsigned long long)told->ids[1]);
	fd = open(path, O_RDWR | O_CLOEXEC);
	flip(fd, SPOOLED - 1000);
	close(fd);
	free(path);
	path = xasprintf("%s/spool/%016llx", dir,
	    (unsigned long long)told->ids[2]);
	unlink(path);
	free(path);
	path = xasprintf("%s/spool/%016llx", dir, 0x1234ULL);
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	ok(judge(MB) == 0 && told->found == 5 && told->spoilt == 2,
	    "a spoilt and a missing file: these two are refused");
	ok(access(path, F_OK) == -1, "a file of nobody is removed");
	free(path);
}

/* --- no room ------------------------------------------------------------------------------------------ */

static bool
small_disk(void)
{
	return geteuid() == 0 && unshare(CLONE_NEWNS) == 0 &&
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount("faults", dir, "tmpfs", 0, "size=12m") == 0;
}

/* Fills the disk to the last byte with a file of that name; or removes it. */
static void
fill_disk(bool full)
{
	char *path = xasprintf("%s/ballast-of-another", dir);
	static uint8_t block[4096];
	int fd;

	if (!full)
		unlink(path);
	else {
		fd = open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC,
		    0600);
		while (write(fd, block, sizeof(block)) > 0)
			;
		close(fd);
	}
	free(path);
}

static bool
give_cb(void *arg)
{
	fill_disk(false);
	return true;
}

/* What tells a full disk from a damaged database, on one. */
static void
test_dbdisk(void)
{
	char *path = xasprintf("%s/database", dir);
	static const uint8_t block[8192];
	int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);

	dbdisk_begin();
	fill_disk(true);
	ok(dbdisk_pwrite(fd, block, 8192, 0) == -1 && errno == ENOSPC &&
	    dbdisk_full(), "full");
	fill_disk(false);
	ok(dbdisk_pwrite(fd, block, 4096, 65536) == 4096 && dbdisk_full(),
	    "what failed is not undone by what went well elsewhere");
	ok(dbdisk_pwrite(fd, block, 8192, 0) == 8192 &&
	    dbdisk_is_damage(EINVAL), "but when it goes well: damage is damage");
	fill_disk(true);
	dbdisk_on_full(give_cb, NULL);
	ok(dbdisk_pwrite(fd, block, 8192, 131072) == 8192 && !dbdisk_full(),
	    "who has room to give is asked first");
	ok(lseek(fd, 262144, SEEK_SET) != -1 &&
	    dbdisk_write(fd, block, 8192) == 8192, "as for write()");
	dbdisk_on_full(NULL, NULL);
	close(fd);
	unlink(path);
	free(path);
}

static void
test_full(void)
{
	if (!small_disk()) {
		printf("ok %d # skip cannot mount a small disk\n",
		    ++tap_count);
		return;
	}
	accept_mail(MB, 100, 5000, false, false);
	fill_disk(true);
	(void)judge(MB);
	(void)judge(MB);
	is_int(count_aside(), 0, "a full disk is no reason to give up an index");
	fill_disk(false);
	all_there(MB, "with room again all mail is there, charged once");
	test_dbdisk();
	if (umount(dir) == -1)
		printf("# cannot unmount %s\n", dir);
}

/* --- the time a start takes, for the figure -------------------------------------------------------------- */

static void
test_start_time(void)
{
	fresh();
	accept_mail(32 * MB, MAIL_MAX, 1000, false, false);
	(void)judge(32 * MB);
	printf("# %d messages replayed in %llu ms\n", MAIL_MAX,
	    (unsigned long long)told->open_ms);
	(void)judge(32 * MB);
	printf("# %d messages from the index in %llu ms\n", MAIL_MAX,
	    (unsigned long long)told->open_ms);
}

int
main(void)
{
	if (!rig_begin())
		return 1;
	test_other_size();
	test_rebuild();
	test_spoilt_page();
	test_swapped();
	test_log_cut_short();
	test_circle();
	test_crash_in_recovery();
	test_clock_set_back();
	test_spool();
	test_start_time();
	fresh();
	test_full();
	return rig_end();
}
