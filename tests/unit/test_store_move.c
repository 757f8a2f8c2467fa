/*
 * queue's store while it moves mail out of an old segment, and the disk does
 * not read it, or has no room.
 */
#include "lib/prelude.h"

#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sched.h>

#include "queue/readers.h"
#include "queue/segment.h"
#include "queue/stock.h"
#include "tests/unit/store_rig.h"

#define KEPT		5	/* messages that wait, in the first segment */
#define KEPT_BYTES	5000	/* of the first; each is a byte longer */
#define MINUTE_MS	60000

/* --- reads that fail, in libc's place for the store too --------------------------- */

static const char first_segment[] = "/0000000000000001.seg";

static struct {
	int	 error;		/* 0: a bit comes back wrong */
	int	 times;		/* as many fail; -1: all */
	size_t	 which;		/* the kept message it is about; KEPT: all */
	int	 failed;
} fault;

static bool
is_file(int fd, const char *end)
{
	char link[64], path[256];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	return (size_t)n >= strlen(end) && strcmp(path + n - strlen(end),
	    end) == 0;
}

/* A body of the kept messages', by its length. */
static bool
is_meant(size_t n)
{
	return fault.which == KEPT ? n >= KEPT_BYTES && n < KEPT_BYTES + KEPT :
	    n == KEPT_BYTES + fault.which;
}

ssize_t
pread(int fd, void *p, size_t n, off_t at)
{
	ssize_t got = syscall(SYS_pread64, fd, p, n, at);

	if (fault.times == 0 || !is_meant(n) || !is_file(fd, first_segment))
		return got;
	fault.times -= fault.times > 0;
	fault.failed++;
	if (fault.error == 0) {
		((uint8_t *)p)[1000] ^= 1;
		return got;
	}
	memset(p, 0, n);
	errno = fault.error;
	return -1;
}

static bool no_identity;

ssize_t
read(int fd, void *p, size_t n)
{
	if (no_identity && is_file(fd, "/identity")) {
		errno = EIO;
		return -1;
	}
	return syscall(SYS_read, fd, p, n);
}

/* --- a store whose first segment is old ------------------------------------------- */

static struct {
	int	 kept, damaged;	/* lines that say so */
	_Atomic int later, full;
} lines;

static void
line_cb(enum log_level level, const char *proc, const char *line)
{
	lines.kept += strstr(line, "the segment is kept") != NULL;
	lines.damaged += strstr(line, "its body is damaged:") != NULL;
	lines.later += strstr(line, "no further segment for now") != NULL;
	lines.full += strstr(line, "please make room") != NULL;
	if (getenv("SHOW_LOG") != NULL)
		printf("# %s\n", line);
}

static bool
first_is_there(void)
{
	char *path = xasprintf("%s/journal%s", dir, first_segment);
	bool there = access(path, F_OK) == 0;

	free(path);
	return there;
}

static void
gone(uint64_t id)
{
	struct store_msg m;

	store_msg_init(&m);
	m.id = id;
	waiting++;
	store_remove(store, &m, NULL, stored_cb, NULL);
	wait_all();
}

static void
come_and_go(size_t size)
{
	accept_one(size, 1000000000);
	wait_all();
	gone(told->ids[--told->n]);
}

/* So much time by the clock, and a moment for the threads. */
static void
step(uint64_t ms)
{
	int i;

	ev_clock_step(ms);
	for (i = 0; i < 10; i++)
		ev_loop_once(2);
}

/* Mail comes and goes meanwhile; ends when the first segment is used again. */
static void
pass(uint64_t ms, uint64_t in_steps)
{
	uint64_t at;

	for (at = 0; at < ms && first_is_there(); at += in_steps) {
		come_and_go(100);
		step(in_steps);
	}
}

static size_t
spoilt(void)
{
	size_t i, *at;

	told->spoilt = 0;
	for (i = 0; i < KEPT; i++) {
		at = xmalloc(sizeof(*at));
		*at = i;
		waiting++;
		store_body(store, told->ids[i], body_cb, at);
	}
	wait_all();
	return told->spoilt;
}

/* Kept mail in the index, and so much behind it that it is to be moved. */
static void
begin(void)
{
	int i;

	fresh();
	memset(&fault, 0, sizeof(fault));
	memset(&lines, 0, sizeof(lines));
	ev_init();
	ev_clock_fake(1000000, ev_wall_ms());
	if (!open_store(MB))
		fatalx("%s", told->errstr);
	log_set_sink(line_cb);
	for (i = 0; i < KEPT; i++)
		accept_one(KEPT_BYTES + (size_t)i, 1000000000);
	wait_all();
	for (i = 0; i < 45; i++)
		come_and_go(200000);
}

/* --- what cannot be read ------------------------------------------------------------ */

static void
test_once(void)
{
	static const struct {
		const char *what;
		int	 error;
	} cases[] = {
		{ "a read that fails", EIO },
		{ "one that comes back wrong", 0 },
		{ "no memory to be had", ENOMEM },
	};
	size_t i;

	for (i = 0; i < nitems(cases); i++) {
		begin();
		fault.which = KEPT;
		fault.error = cases[i].error;
		fault.times = 1;
		pass(20000, 1000);
		ok(fault.failed == 1 && first_is_there(), "%s, once: the "
		    "segment is kept", cases[i].what);
		is_int(lines.kept, 1, "which is said");
		pass(MINUTE_MS, 1000);
		ok(!first_is_there(), "soon it is read and moved");
		is_int(spoilt(), 0, "and all bodies are good");
		store_close(&store);
	}
}

/* No word about the bytes, however long it lasts. */
static void
test_lack(void)
{
	static const int errors[] = { ENOMEM, EMFILE, EACCES, EPERM, EROFS,
	    ELOOP, ENOTDIR };
	size_t i;

	for (i = 0; i < nitems(errors); i++) {
		begin();
		fault.which = KEPT;
		fault.error = errors[i];
		fault.times = -1;
		pass(20 * MINUTE_MS, MINUTE_MS);
		ok(first_is_there() && lines.kept == 1 && lines.damaged == 0,
		    "%s, twice as long: nothing is given up, and one line "
		    "says so", strerrorname_np(errors[i]));
		ok(fault.failed >= 7 * KEPT && fault.failed <= 40 * KEPT,
		    "it is tried again, at a pace (%d reads)", fault.failed);
		fault.times = 0;
		pass(MINUTE_MS, 1000);
		ok(!first_is_there() && spoilt() == 0, "all move behind it");
		store_close(&store);
	}
}

/* One bad block: the others move, and after a while it keeps no segment. */
static void
test_damaged(void)
{
	static const int errors[] = { EIO, 0, EUCLEAN, ESTALE };
	size_t i;

	for (i = 0; i < nitems(errors); i++) {
		begin();
		fault.which = 2;
		fault.error = errors[i];
		fault.times = -1;
		pass(9 * MINUTE_MS, 10000);
		ok(first_is_there() && lines.kept == 1 && lines.damaged == 0,
		    "a body that reads wrong (errno %d) for nine minutes keeps "
		    "its segment", errors[i]);
		ok(fault.failed >= 5 && fault.failed <= 20,
		    "and is tried at a pace (%d reads)", fault.failed);
		pass(3 * MINUTE_MS, 10000);
		ok(!first_is_there() && lines.damaged == 1, "after ten it is "
		    "damaged, which is said, and the segment used again");
		fault.times = 0;
		is_int(spoilt(), 1, "the four others are good; it is not sent");
		store_close(&store);
	}
}

/* The number that restoring knows a store by is not made anew. */
static void
test_identity(void)
{
	uint64_t id;

	begin();
	id = store_identity(store);
	store_close(&store);
	no_identity = true;
	ok(open_store(MB) && store_identity(store) == 0,
	    "a number that cannot be read is none");
	store_close(&store);
	no_identity = false;
	ok(open_store(MB) && store_identity(store) == id,
	    "and the same again when it can");
	store_close(&store);
}

/* --- little room ---------------------------------------------------------------------- */

static bool
small_disk(const char *size)
{
	if (geteuid() == 0 && unshare(CLONE_NEWNS) == 0 &&
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount("move", dir, "tmpfs", 0, size) == 0)
		return true;
	printf("ok %d # skip cannot mount a small disk\n", ++tap_count);
	return false;
}

static uint64_t
bytes_free(void)
{
	struct statvfs v;

	if (statvfs(dir, &v) == -1)
		fatal("statvfs");
	return (uint64_t)v.f_bavail * v.f_frsize;
}

/* A file of another's takes all but so much of the disk. */
static void
fill_disk(uint64_t but)
{
	char *path = xasprintf("%s/of-another", dir);
	static uint8_t block[4096];
	int fd = open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);

	while (bytes_free() > but && write(fd, block, sizeof(block)) > 0)
		;
	close(fd);
	free(path);
}

static size_t
segments(const char *in)
{
	char *path = xasprintf("%s/%s", dir, in);
	uint64_t *v;
	size_t n;

	if (segment_list(path, &v, &n) == -1)
		fatal("%s", path);
	free(v);
	free(path);
	return n;
}

/*
 * Segments are dead but for one message: all, or those before others full of
 * mail that waits. Where there is room for new mail that is no reason to do
 * anything; but there is none, and it comes from there.
 */
static void
test_refused(int dead, int live)
{
	struct store_conf c = { .dir = dir, .segment_bytes = MB,
	    .cache_bytes = MB, .min_free_bytes = 9 * MB };
	const char *errstr;
	size_t before;
	int i;

	if (!small_disk("size=40m"))
		return;
	told->n = 0;
	store = store_open(&c, NULL, NULL, &errstr);
	if (store == NULL)
		fatalx("%s", errstr);
	accept_one(KEPT_BYTES, 1000000000);
	wait_all();
	for (i = 0; i < 5 * dead; i++)
		come_and_go(180000);
	for (i = 0; i < 5 * live; i++)
		accept_one(180000, 1000000000);
	wait_all();
	for (i = 0; i < 40; i++)
		step(1000);
	before = segments("journal");
	ok(store_has_room(store) && before >= (size_t)(dead + live),
	    "one message keeps %d segments of %zu", dead, before);
	fill_disk(live > 0 ? 8 * MB : 3 * MB);
	for (i = 0; i < 5 && store_has_room(store); i++)
		step(1000);
	ok(!store_has_room(store) && store_room(store) == UINT64_MAX,
	    "until there is no room for new mail");
	for (i = 0; i < 200 && !store_has_room(store); i++)
		step(1000);
	ok(store_has_room(store) && store_count(store) == told->n,
	    "then it is moved, and there is");
	store_close(&store);
	if (umount(dir) == -1)
		printf("# cannot unmount %s\n", dir);
}

static void
accept_wide(struct store_msg *m)
{
	char addr[64];
	int i;

	store_msg_init(m);
	m->id = store_new_id(store);
	m->arrived_ms = ev_wall_ms();
	m->due_ms = m->expires_ms = m->arrived_ms + 1000000000;
	m->account = xstrdup("alice@example.org");
	m->cap = xstrdup("default");
	m->env.return_path = xstrdup("alice@example.org");
	for (i = 0; i < 1000; i++) {
		snprintf(addr, sizeof(addr), "bob%d@example.net", i);
		envelope_add_rcpt(&m->env, addr, NULL, 0);
	}
	store_msg_fit(m);
	m->size = m->body.n = 1;
	m->body.v = (uint8_t *)xstrdup("x");
	waiting++;
	store_accept(store, m, -1, stored_cb, NULL, NULL);
	wait_all();
}

/* Much is heard of each of its recipients. */
static void
grow(struct store_msg *m)
{
	char diag[480];
	size_t i;

	memset(diag, 'x', sizeof(diag) - 1);
	diag[sizeof(diag) - 1] = '\0';
	for (i = 0; i < m->env.nrcpts; i++)
		m->rcpts[i].diag = xstrdup(diag);
	waiting++;
	store_update(store, m, NULL, stored_cb, NULL);
	wait_all();
	store_msg_clear(m);
}

/*
 * What a message was when it was accepted fits well into half of what is left of
 * the segment; what it is now does not fit into all of it.
 */
static int
do_grown(const struct job *j)
{
	uint64_t before;
	struct store_msg m;
	int i;

	ev_init();
	ev_clock_fake(1000000, ev_wall_ms());
	if (!open_store(j->segment_bytes))
		return 1;
	log_set_sink(line_cb);
	accept_wide(&m);
	step(6000);
	grow(&m);
	step(6000);
	for (i = 0; i < 40 && store_room(store) == UINT64_MAX; i++) {
		fill_disk(0);
		come_and_go(100000);
		step(0);
	}
	while (store_room(store) > 400000 && store_room(store) != UINT64_MAX)
		come_and_go(5000);
	before = store_room(store);
	for (i = 0; i < 40; i++)
		step(1000);
	return before > 400000 || store_room(store) != before;
}

static void
test_grown(void)
{
	struct job j = { .segment_bytes = MB };

	if (!small_disk("size=24m"))
		return;
	memset(told, 0, sizeof(*told));
	ok(child(do_grown, &j) == 0, "on a full disk what has grown since it "
	    "was accepted is not moved into room that it has not");
	if (umount(dir) == -1)
		printf("# cannot unmount %s\n", dir);
}

static bool
no_room_cb(bool last, void *arg)
{
	return false;
}

static int
open_file(const char *name, off_t size)
{
	char *path = xasprintf("%s/%s", dir, name);
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	if (fd == -1 || ftruncate(fd, size) == -1)
		fatal("%s", path);
	free(path);
	return fd;
}

static void
put_file(const char *name, off_t size)
{
	close(open_file(name, size));
}

/* A segment that is half made is no reason to take the disk's last bytes. */
static void
test_half_made(void)
{
	struct readers *r = readers_new(dir);
	struct stock *s;

	if (!small_disk("size=12m"))
		return;
	put_file(STOCK_NEXT_NAME, 4096);
	fill_disk(MB + STOCK_LEAVE_BYTES / 2);
	s = stock_new(dir, MB, r, 0, no_room_cb, NULL);
	stock_last_call(s);
	is_int(stock_next(s), -1, "a segment that a start has half made is not "
	    "filled when that takes the last of the disk");
	stock_end(s);
	stock_free(&s);
	readers_free(&r);
	if (umount(dir) == -1)
		printf("# cannot unmount %s\n", dir);
}

/* Of no descriptors to be had any more, or of all again. */
static void
starve(bool on)
{
	static struct rlimit was;
	struct rlimit low;

	if (!on) {
		setrlimit(RLIMIT_NOFILE, &was);
		return;
	}
	getrlimit(RLIMIT_NOFILE, &was);
	low = was;
	low.rlim_cur = 3;
	setrlimit(RLIMIT_NOFILE, &low);
}

/* The first, and no descriptor for the one behind it. */
static void
begin_segment(struct stock *s, uint64_t generation)
{
	char *from = xasprintf("%s/" STOCK_NEXT_NAME, dir);
	char *to = segment_path(dir, generation);
	int fd = stock_next(s);

	if (rename(from, to) == -1)
		fatal("%s", to);
	close(fd);
	stock_release(s, generation);
	starve(true);
	stock_begun(s, generation);
	free(from);
	free(to);
}

static bool
is_told(_Atomic int *line)
{
	int i;

	for (i = 0; i < 5000 && *line == 0; i++)
		usleep(2000);
	return *line == 1;
}

/* The log's last word is why there is none now, not why there was none. */
static void
test_starved_and_full(void)
{
	struct readers *r = readers_new(dir);
	static uint8_t block[4096];
	struct stock *s;
	int fd;

	if (!small_disk("size=12m"))
		return;
	memset(&lines, 0, sizeof(lines));
	log_set_sink(line_cb);
	stock_set_look_ms(20);
	fd = open_file("of-another", 0);
	s = stock_new(dir, MB, r, 0, no_room_cb, NULL);
	begin_segment(s, 1);
	ok(is_told(&lines.later), "no descriptor for the next segment");
	while (write(fd, block, sizeof(block)) > 0)
		;
	ok(is_told(&lines.full), "then no room for it: that is said, too");
	starve(false);
	close(fd);
	stock_end(s);
	stock_free(&s);
	readers_free(&r);
	stock_set_look_ms(STOCK_LOOK_MS);
	if (umount(dir) == -1)
		printf("# cannot unmount %s\n", dir);
}

static size_t
wait_for_segments(size_t n)
{
	int i;

	for (i = 0; i < 5000 && segments(".") != n; i++)
		usleep(2000);
	return segments(".");
}

/* Of the generations 1 to n, in a directory of their own. */
static void
put_segments(int n)
{
	char name[32];

	fresh();
	for (; n > 0; n--) {
		snprintf(name, sizeof(name), "%016x.seg", (unsigned int)n);
		put_file(name, MB);
	}
}

static void
test_spare(void)
{
	struct readers *r = readers_new(dir);
	struct stock *s;

	put_segments(5);
	s = stock_new(dir, MB, r, 5, no_room_cb, NULL);
	is_int(wait_for_segments(STOCK_SPARE + 1), STOCK_SPARE + 1, "one is "
	    "made the next, one removed, two are kept to be used again");
	stock_keep_spare(s, false);
	is_int(wait_for_segments(1), 1, "until room is wanted");
	stock_end(s);
	stock_free(&s);
	readers_free(&r);
}

/* However often it is tried to open the one that it was made of. */
static void
test_starved(void)
{
	struct readers *r = readers_new(dir);
	struct stock *s;

	put_segments(2);
	memset(&lines, 0, sizeof(lines));
	log_set_sink(line_cb);
	stock_set_look_ms(20);
	s = stock_new(dir, MB, r, 0, no_room_cb, NULL);
	begin_segment(s, 3);
	ok(is_told(&lines.later), "no descriptor for the next segment");
	usleep(200000);
	starve(false);
	(void)stock_next(s);
	is_int(segments("."), 2, "one old segment becomes the next, and the "
	    "other is kept");
	stock_end(s);
	stock_free(&s);
	readers_free(&r);
	stock_set_look_ms(STOCK_LOOK_MS);
}

int
main(void)
{
	if (!rig_begin())
		return 1;
	test_once();
	test_lack();
	test_damaged();
	test_identity();
	test_spare();
	test_starved();
	fresh();
	test_refused(7, 0);
	test_refused(2, 5);
	test_grown();
	test_half_made();
	test_starved_and_full();
	return rig_end();
}
