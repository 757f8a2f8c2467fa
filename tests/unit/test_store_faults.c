/*
 * queue's store with a damaged index or spool file, on a full disk, stopped in
 * recovery, or set up otherwise than yesterday.
 */
#include "lib/prelude.h"

#include <sys/mount.h>
#include <sys/resource.h>
#include <sched.h>
#include <signal.h>
#include <time.h>

#include <db.h>

#include "lib/dbdisk.h"
#include "queue/ballast.h"
#include "queue/spool.h"
#include "queue/stock.h"
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

/*
 * A write that fails behind its first part, as Berkeley DB would try once more:
 * from the same place.
 */
static void
test_write_again(void)
{
	char *path = xasprintf("%s/log", dir);
	static const uint8_t block[8192];
	struct rlimit was, low;
	int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);

	getrlimit(RLIMIT_FSIZE, &was);
	low = was;
	low.rlim_cur = 5000;
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &low);
	ok(lseek(fd, 1000, SEEK_SET) == 1000 &&
	    dbdisk_write(fd, block, 8192) == -1 &&
	    lseek(fd, 0, SEEK_CUR) == 1000, "a write that failed in its middle "
	    "begins anew where it began");
	setrlimit(RLIMIT_FSIZE, &was);
	ok(dbdisk_write(fd, block, 8192) == 8192 &&
	    lseek(fd, 0, SEEK_CUR) == 9192, "and ends where it should");
	close(fd);
	unlink(path);
	free(path);
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

static bool
is_aside(const char *what)
{
	char *path = xasprintf("%s/index.damaged-%s", dir, what);
	bool there = access(path, F_OK) == 0;

	free(path);
	return there;
}

static void
put_aside(const char *what)
{
	char *path = xasprintf("%s/index.damaged-%s", dir, what);
	char *file = xasprintf("%s/messages.db", path);
	int fd;

	if (mkdir(path, 0700) == -1 ||
	    (fd = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)) == -1)
		fatal("%s", file);
	close(fd);
	free(file);
	free(path);
}

/* A disk that spoils one each day is not filled with them. */
static void
test_aside(void)
{
	static const char *const names[] = { "10", "9", "100", "mine", "7x" };
	size_t i;

	fresh();
	accept_mail(MB, 400, 200, false, true);
	for (i = 0; i < nitems(names); i++)
		put_aside(names[i]);
	(void)make_circle();
	all_there(MB, "an index is built anew beside those of older days");
	ok(!is_aside("9") && !is_aside("10") && is_aside("100") &&
	    is_aside("mine") && is_aside("7x") && count_aside() == 4,
	    "the newest two are kept, and what has another name");

	fresh();
	accept_mail(MB, 400, 200, false, true);
	put_aside("99999999999998");
	put_aside("99999999999999");
	(void)make_circle();
	all_there(MB, "one whose clock was set back");
	ok(!is_aside("99999999999998") && is_aside("99999999999999") &&
	    count_aside() == 2, "is kept, too");
}

/* Zeros need no checksum. */
static bool
make_hole(const char *name, uint32_t number)
{
	char *path = xasprintf("%s/index/%s", dir, name);
	static const uint8_t zeros[PAGE];
	int fd = open(path, O_RDWR | O_CLOEXEC);
	uint32_t last = 0;
	bool made;

	made = pread(fd, &last, sizeof(last), 32) == sizeof(last) &&
	    number < last &&
	    pwrite(fd, zeros, PAGE, (off_t)number * PAGE) == PAGE;
	close(fd);
	free(path);
	return made;
}

/*
 * As recovery leaves one of a file that was cut short. It would fill this one,
 * so its log is to end behind it. By page 2, the leftmost, the first search
 * comes, and went from page 0 to page 0 for ever.
 */
static void
test_hole(void)
{
	static const struct {
		const char *name;
		uint32_t page;
	} rows[] = {
		{ "messages.db", 1 }, { "messages.db", 2 },
		{ "messages.db", 20 }, { "due.db", 1 }, { "due.db", 2 },
	};
	struct job none = { 0 };
	size_t i;

	for (i = 0; i < nitems(rows); i++) {
		fresh();
		accept_mail(MB, 400, 200, false, true);
		if (child(do_recover, &none) != 0)
			fatalx("the index cannot be recovered");
		ok(make_hole(rows[i].name, rows[i].page),
		    "page %u of %s is zeros", rows[i].page, rows[i].name);
		all_there(MB, "an index with a hole is built anew");
		is_int(count_aside(), 1, "and moved aside, as well");
	}
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

/* Where it cannot be had, an admin is told what to do. */
static void
test_spool_closed(void)
{
	char *spool = xasprintf("%s/spool", dir), *path;
	const char *errstr;

	fresh();
	is_int(mkdir(spool, 0755), 0, "spool");
	path = xasprintf("%s/%016llx", spool, 7ULL);
	is_int(spool_open(spool, 7, 1, 0, &errstr), -1, "%s", errstr);
	ok(strstr(errstr, "is missing: remove it") != NULL, "which is told");
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	if (geteuid() == 0 && chmod(dir, 0711) == 0 && seteuid(61004) == 0) {
		is_int(spool_open(spool, 7, 1, 0, &errstr), -1, "%s", errstr);
		ok(strstr(errstr, "chown it to the queue's user") != NULL,
		    "one of somebody else's, too");
		ok(seteuid(0) == 0, "root again");
	}
	free(path);
	free(spool);
}

/* It ends short of what it should have, or is read so. */
static int
do_cut_short(const struct job *j)
{
	struct store_msg m;
	int fd;

	if (!open_store(j->segment_bytes))
		return 2;
	fill_msg(&m, SPOOLED, 0);
	fd = store_spool_open(store);
	if (write(fd, m.body.v, SPOOLED - 1) != SPOOLED - 1)
		return 3;
	waiting++;
	store_accept(store, &m, fd, stored_cb, stored_cb, NULL);
	store_spool_close(store, fd);
	wait_all();
	return 0;
}

static void
test_cut_short(void)
{
	struct job j = { .segment_bytes = MB };
	int status;

	fresh();
	status = child(do_cut_short, &j);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 1,
	    "one that is not as long as was said is not acknowledged");
	all_there(MB, "nor there");
}

/* --- no room ------------------------------------------------------------------------------------------ */

/* False: the test is left out. */
static bool
small_disk(const char *size)
{
	if (geteuid() == 0 && unshare(CLONE_NEWNS) == 0 &&
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount("faults", dir, "tmpfs", 0, size) == 0)
		return true;
	printf("ok %d # skip cannot mount a small disk\n", ++tap_count);
	return false;
}

static void
no_small_disk(void)
{
	if (umount(dir) == -1)
		printf("# cannot unmount %s\n", dir);
}

/* Fills the disk to the last byte; the descriptor that can write on. */
static int
fill_with(const char *name)
{
	char *path = xasprintf("%s/%s", dir, name);
	static uint8_t block[4096];
	int fd = open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);

	while (write(fd, block, sizeof(block)) > 0)
		;
	free(path);
	return fd;
}

/* With a file of another's; or removes it. */
static void
fill_disk(bool full)
{
	char *path = xasprintf("%s/ballast-of-another", dir);

	if (!full)
		unlink(path);
	else
		close(fill_with("ballast-of-another"));
	free(path);
}

/* Whether all that was given is durable soon. */
static bool
durable_soon(int looks)
{
	while (waiting > 0 && looks-- > 0)
		ev_loop_once(100);
	return waiting == 0;
}

/*
 * More is given to the journal than it has room for, though nobody should do
 * that. Ends with the megabytes of ballast that are left.
 */
static int
do_overfill(const struct job *j)
{
	char *path = xasprintf("%s/ballast", dir);
	struct stat st = { .st_size = 0 };
	int n = 0;

	if (!open_store(j->segment_bytes))
		return 99;
	for (n = 0; n < 100 && (stat(path, &st) == -1 || st.st_size < 5 * MB);
	    n++)
		ev_loop_once(100);
	fill_disk(true);
	do
		accept_one(20000, 0);
	while (durable_soon(30) && told->n < MAIL_MAX);
	stock_set_look_ms(20);
	if (told->n == MAIL_MAX || waiting == 0 || !durable_soon(10 * HANG_SEC))
		return 98;
	if (stat(path, &st) == -1)
		return 97;
	free(path);
	return (int)(st.st_size / MB);
}

/* What waits for room does not wait for good; a start has room still. */
static void
test_overfull(void)
{
	struct job j = { .segment_bytes = MB };
	int status;

	if (!small_disk("size=40m"))
		return;
	told->n = 0;
	status = child(do_overfill, &j);
	ok(WIFEXITED(status) && WEXITSTATUS(status) < 3,
	    "what waits gets of what is kept for a start");
	fill_disk(false);
	all_there(MB, "and what was told to be durable is there");
	no_small_disk();
}

/* Messages of a tenth of a segment; whether all are durable. */
static bool
accept_tenths(int n)
{
	while (n-- > 0)
		accept_one(100000, 0);
	return durable_soon(100);
}

static bool
has_room_soon(void)
{
	int i;

	for (i = 0; i < 50 && !store_has_room(store); i++)
		ev_loop_once(100);
	return store_has_room(store);
}

/* No descriptor to be had for the third segment. 0, or what went wrong. */
static int
do_starve(const struct job *j)
{
	char *next = xasprintf("%s/journal/" STOCK_NEXT_NAME, dir);
	struct stat st = { .st_size = 0 };
	struct rlimit was, low;
	int i;

	if (!open_store(j->segment_bytes))
		return 99;
	stock_set_look_ms(20);
	for (i = 0; i < 100 && (stat(next, &st) == -1 || st.st_size < MB); i++)
		ev_loop_once(20);
	free(next);
	getrlimit(RLIMIT_NOFILE, &was);
	low = was;
	low.rlim_cur = 3;
	setrlimit(RLIMIT_NOFILE, &low);
	if (!accept_tenths(12))
		return 1;
	for (i = 0; i < 20; i++)
		ev_loop_once(20);
	if (store_room(store) != UINT64_MAX || !store_has_room(store))
		return 2;
	for (i = 0; i < 9 && store_has_room(store); i++)
		if (!accept_tenths(1))
			return 3;
	if (store_has_room(store) || store_room(store) > MB / 4)
		return 4;
	setrlimit(RLIMIT_NOFILE, &was);
	if (!has_room_soon() || !accept_tenths(10))
		return 5;
	return 0;
}

static void
test_starved(void)
{
	const struct job j = { .segment_bytes = MB };
	int status;

	fresh();
	told->n = 0;
	status = child(do_starve, &j);
	is_int(status, 0, "for want of a descriptor the disk is full only when "
	    "the segment nearly is, and not any more when there is one");
	all_there(MB, "all mail is there");
}

static void
throw_ballast(void)
{
	char *path = xasprintf("%s/ballast", dir);

	unlink(path);
	free(path);
}

/* Bytes, of what was never acknowledged; or -1: there is no such file. */
static off_t
size_of(const char *name)
{
	char *path = xasprintf("%s/spool/%s", dir, name);
	struct stat st;
	int r = stat(path, &st);

	free(path);
	return r == -1 ? -1 : st.st_size;
}

/* A worker has outlived the last queue, and writes on. */
static int
do_outlived(const struct job *j)
{
	int fd = fill_with("spool/new-7"), mine;
	struct stat st;

	if (!open_store(j->segment_bytes))
		return 2;
	if (size_of("old-7") != 0)
		return 3;
	mine = store_spool_open(store);
	if (write(mine, "x", 1) != 1 || write(fd, "x", 1) != 1)
		return 4;
	while (size_of("old-7") > 0)
		ev_loop_once(100);
	close(fd);
	while (size_of("old-7") != -1)
		ev_loop_once(100);
	if (fstat(mine, &st) == -1 || st.st_size != 1)
		return 5;
	store_spool_close(store, mine);
	store_close(&store);
	return 0;
}

/* What fills it was never accepted. */
static void
test_full_of_new(void)
{
	struct job j = { .segment_bytes = MB };

	fresh();
	if (!small_disk("size=32m"))
		return;
	accept_mail(MB, 100, 5000, false, false);
	throw_ballast();
	close(fill_with("spool/new-7"));
	all_there(MB, "a disk full of what was never accepted: it opens");
	is_int(size_of("new-7"), -1, "and that is gone");
	throw_ballast();
	is_int(child(do_outlived, &j), 0, "one that a worker holds is emptied, "
	    "again and again, and removed when it lets go");
	all_there(MB, "all mail is there");
	no_small_disk();
}

static bool refused;

static void
full_cb(void *arg)
{
	refused = true;
	waiting--;
}

/* One that has to be copied, as it is still held, with a full disk. */
static int
do_no_copy(const struct job *j)
{
	struct store_msg m;
	struct stat st;
	int fd, writer;

	if (!open_store(j->segment_bytes))
		return 2;
	fill_msg(&m, SPOOLED, 0);
	fd = store_spool_open(store);
	if (store_spool_lend(store, fd, &writer) == -1 ||
	    write(writer, m.body.v, SPOOLED) != SPOOLED)
		return 3;
	fill_disk(true);
	waiting++;
	store_accept(store, &m, fd, stored_cb, full_cb, NULL);
	store_spool_close(store, fd);
	if (j->close) {
		store_close(&store);
		return 0;
	}
	wait_all();
	if (!refused || store_count(store) != 0 ||
	    fstat(writer, &st) == -1 || st.st_size != 0)
		return 4;
	fill_disk(false);
	accept_one(20000, 0);
	accept_one(SPOOLED, 0);
	wait_all();
	return 0;
}

/* Nothing was acknowledged, so that is an answer. */
static void
test_no_copy(void)
{
	struct job j = { .segment_bytes = MB };

	fresh();
	if (!small_disk("size=32m"))
		return;
	is_int(child(do_no_copy, &j), 0, "a large message for which there is "
	    "no room is refused, and the store goes on");
	ok(size_of("new-0") == -1 && size_of("new-0.copy") == -1,
	    "its files are gone");
	all_there(MB, "what came behind it is there");
	j.close = true;
	is_int(child(do_no_copy, &j), 0, "and so it is when the store ends "
	    "meanwhile");
	ok(size_of("new-0") == -1 && size_of("new-0.copy") == -1,
	    "no files here either");
	fill_disk(false);
	all_there(MB, "it is not there");
	no_small_disk();
}

/* What a copy wants otherwise: a descriptor, and all that was said to be there. */
static int
do_short_copy(const struct job *j)
{
	struct rlimit was, low;
	struct store_msg m;
	int fd, writer;

	if (!open_store(j->segment_bytes))
		return 2;
	fill_msg(&m, SPOOLED, 0);
	fd = store_spool_open(store);
	if (store_spool_lend(store, fd, &writer) == -1 ||
	    write(writer, m.body.v, j->size) != (ssize_t)j->size)
		return 3;
	getrlimit(RLIMIT_NOFILE, &was);
	low = was;
	low.rlim_cur = 3;
	if (j->size == SPOOLED)
		setrlimit(RLIMIT_NOFILE, &low);
	waiting++;
	store_accept(store, &m, fd, stored_cb, full_cb, NULL);
	store_spool_close(store, fd);
	wait_all();
	setrlimit(RLIMIT_NOFILE, &was);
	if (!refused || store_count(store) != 0)
		return 4;
	accept_one(SPOOLED, 0);
	wait_all();
	return 0;
}

static void
test_short_copy(void)
{
	static const struct {
		size_t	 bytes;
		const char *what;
	} rows[] = {
		{ SPOOLED, "no descriptor for a copy" },
		{ SPOOLED - 1, "less to copy than was said" },
	};
	struct job j = { .segment_bytes = MB };
	size_t i;

	for (i = 0; i < nitems(rows); i++) {
		fresh();
		told->n = 0;
		j.size = rows[i].bytes;
		is_int(child(do_short_copy, &j), 0, "%s: it is refused, and the "
		    "store goes on", rows[i].what);
		ok(size_of("new-0") == -1 && size_of("new-0.copy") == -1,
		    "its files are gone");
		all_there(MB, "what came behind it is there");
	}
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

/* As a copy leaves it that looks for zeros. */
static void
test_ballast(void)
{
	char *path = xasprintf("%s/ballast", dir);
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	struct stat st;

	ok(ftruncate(fd, 4 * MB) == 0 && ballast_thrown(dir, 4 * MB) == 4 * MB &&
	    !ballast_give(dir, MB, 0), "a hole is no ballast");
	ok(ballast_wanted(dir, 4 * MB, 0), "so it is wanted");
	ballast_take(dir, 4 * MB);
	ok(fstat(fd, &st) == 0 && (st.st_nlink == 0 ||
	    st.st_blocks >= 4 * MB / 512), "and made good");
	close(fd);
	unlink(path);
	free(path);
}

static void
test_full(void)
{
	if (!small_disk("size=12m"))
		return;
	accept_mail(MB, 100, 5000, false, false);
	fill_disk(true);
	(void)judge(MB);
	(void)judge(MB);
	is_int(count_aside(), 0, "a full disk is no reason to give up an index");
	fill_disk(false);
	all_there(MB, "with room again all mail is there, charged once");
	test_dbdisk();
	no_small_disk();
	test_overfull();
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

/* A change of a large message (a removal: close) whose record is not written. */
static int
do_too_early(const struct job *j)
{
	struct store_msg m;
	int fd;

	if (!open_store(j->segment_bytes))
		return 2;
	fill_msg(&m, SPOOLED, 0);
	fd = store_spool_open(store);
	if (fd == -1 || write(fd, m.body.v, SPOOLED) != SPOOLED)
		return 3;
	waiting += 2;
	store_accept(store, &m, fd, stored_cb, full_cb, NULL);
	store_spool_close(store, fd);
	if (j->close)
		store_remove(store, &m, NULL, stored_cb, NULL);
	else
		store_update(store, &m, NULL, stored_cb, NULL);
	wait_all();
	return 0;
}

/* It would bring the message back, or lose its body: the process ends first. */
static void
test_too_early(void)
{
	struct job j = { .segment_bytes = MB };
	int status;

	for (j.close = false;; j.close = true) {
		fresh();
		status = child(do_too_early, &j);
		ok(WIFEXITED(status) && WEXITSTATUS(status) == 1, "%s before "
		    "its record is written ends the process",
		    j.close ? "a removal" : "a change");
		all_there(MB, "nothing is there");
		if (j.close)
			break;
	}
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
	test_write_again();
	test_log_cut_short();
	test_circle();
	test_aside();
	test_hole();
	test_crash_in_recovery();
	test_clock_set_back();
	test_spool();
	test_spool_closed();
	test_cut_short();
	test_start_time();
	test_too_early();
	fresh();
	test_ballast();
	test_full_of_new();
	test_no_copy();
	test_short_copy();
	fresh();
	test_full();
	test_starved();
	return rig_end();
}
