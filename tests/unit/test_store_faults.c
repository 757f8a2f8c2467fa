/*
 * queue's store on a disk that is damaged, full, or set up otherwise than
 * yesterday. A child accepts mail and ends as if killed; something happens to
 * its files; another child opens the store and counts what is there, byte for
 * byte. Whatever was acknowledged and not itself destroyed must be found.
 */
#include "lib/prelude.h"

#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <time.h>

#include "lib/ev.h"
#include "lib/log.h"
#include "lib/xalloc.h"
#include "queue/store.h"
#include "tests/tap.h"

#define MAIL_MAX	2000
#define MB		(1024 * 1024)

static char dir[] = "/tmp/postern-faults-XXXXXX";

/* What the children tell; shared with them. */
static struct told {
	size_t	 n;
	uint64_t ids[MAIL_MAX];
	size_t	 sizes[MAIL_MAX];
	bool	 opened;
	size_t	 found, spoilt, strange, aside;
	uint64_t used, next_id, due_disorder;
	size_t	 damage_lines;
	uint64_t open_ms;
	char	 errstr[256];
} *told;

/* --- in a child ------------------------------------------------------------------ */

static struct store *store;
static size_t waiting;

static void
sink(enum log_level level, const char *proc, const char *line)
{
	if (strstr(line, "damaged from=") != NULL ||
	    strstr(line, "no sound header") != NULL)
		told->damage_lines++;
	if (getenv("SHOW_LOG") != NULL)
		printf("# %s\n", line);
}

static bool
open_store(uint32_t segment_bytes)
{
	struct store_conf c = { .dir = dir, .segment_bytes = segment_bytes,
	    .cache_bytes = MB, .min_free_bytes = 0 };
	const char *errstr;
	uint64_t start;

	log_set_sink(sink);
	ev_init();
	start = ev_now_ms();
	store = store_open(&c, NULL, NULL, &errstr);
	told->open_ms = ev_now_ms() - start;
	told->opened = store != NULL;
	if (store == NULL)
		snprintf(told->errstr, sizeof(told->errstr), "%s", errstr);
	return store != NULL;
}

static uint8_t *
body_of(uint64_t id, size_t size)
{
	uint8_t *p = xmalloc(size + 1);
	size_t i;

	for (i = 0; i < size; i++)
		p[i] = (uint8_t)((id >> 3) + i * 31);
	return p;
}

static void
stored_cb(void *arg)
{
	waiting--;
}

static void
wait_all(void)
{
	while (waiting > 0)
		ev_loop_once(100);
}

static void
accept_one(size_t size, uint64_t due_ms)
{
	bool large = size > STORE_INLINE_MAX;
	struct store_msg m;
	int fd = -1;

	store_msg_init(&m);
	m.id = store_new_id(store);
	m.arrived_ms = ev_wall_ms();
	m.due_ms = m.arrived_ms + due_ms;
	m.expires_ms = m.arrived_ms + 1000000000;
	m.account = xstrdup("alice@example.org");
	m.cap = xstrdup("default");
	m.env.return_path = xstrdup("alice@example.org");
	envelope_add_rcpt(&m.env, "bob@example.net", NULL, 0);
	store_msg_fit(&m);
	m.charge[LIMIT_MESSAGES] = 1;
	m.size = size;
	m.body.v = body_of(m.id, size);
	m.body.n = size;
	if (large) {
		fd = store_spool_open(store);
		if (fd == -1 || write(fd, m.body.v, size) != (ssize_t)size)
			_exit(4);
		m.in_spool = true;
	}
	waiting++;
	store_accept(store, &m, fd, stored_cb, NULL);
	if (large)
		store_spool_close(store, fd);
	told->ids[told->n] = m.id;
	told->sizes[told->n++] = size;
	store_msg_clear(&m);
}

struct job {
	uint32_t segment_bytes;
	size_t	 n, size;
	bool	 one_by_one;	/* a batch each */
	bool	 close;		/* orderly, so that the index has it all */
};

static int
do_accept(const struct job *j)
{
	size_t i;

	if (!open_store(j->segment_bytes))
		return 1;
	for (i = 0; i < j->n; i++) {
		accept_one(j->size, (j->n - i) * 1000);
		if (j->one_by_one)
			wait_all();
	}
	wait_all();
	if (j->close)
		store_close(&store);
	return 0;
}

static size_t
position(uint64_t id)
{
	size_t i;

	for (i = 0; i < told->n; i++)
		if (told->ids[i] == id)
			return i;
	return told->n;
}

static void
body_cb(const uint8_t *p, size_t n, int fd, const char *errstr, void *arg)
{
	size_t i = *(size_t *)arg, size = told->sizes[i];
	uint8_t *want = body_of(told->ids[i], size), *got = xmalloc(size + 1);
	ssize_t len = -1;

	waiting--;
	if (fd != -1) {
		len = pread(fd, got, size + 1, 0);
		close(fd);
	} else if (errstr == NULL && n == size) {
		memcpy(got, p, n);
		len = (ssize_t)n;
	}
	told->spoilt += len != (ssize_t)size || memcmp(got, want, size) != 0;
	free(got);
	free(want);
	free(arg);
}

static uint64_t last_id;
static size_t page;

static void
list_cb(struct store_msg *const *v, size_t n, void *arg)
{
	size_t i, *at;

	waiting--;
	page = n;
	for (i = 0; i < n; i++) {
		last_id = v[i]->id;
		at = xmalloc(sizeof(*at));
		*at = position(v[i]->id);
		if (*at == told->n) {
			told->strange++;
			free(at);
			continue;
		}
		told->found++;
		waiting++;
		store_body(store, v[i]->id, body_cb, at);
	}
}

static void
due_cb(struct store_msg *const *v, size_t n, void *arg)
{
	size_t i;

	waiting--;
	for (i = 1; i < n; i++)
		told->due_disorder += v[i]->due_ms < v[i - 1]->due_ms;
	told->due_disorder += n != told->found;
}

static void
usage_cb(const char *account, uint64_t minute, const uint64_t used[], void *arg)
{
	told->used += used[LIMIT_MESSAGES];
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

static int
do_judge(const struct job *j)
{
	if (!open_store(j->segment_bytes))
		return 1;
	store_usage(store, 86400, usage_cb, NULL);
	do {
		waiting++;
		store_list(store, last_id, 100, list_cb, NULL);
		wait_all();
	} while (page == 100);
	waiting++;
	store_due(store, UINT64_MAX, MAIL_MAX * 2, due_cb, NULL);
	wait_all();
	told->next_id = store_new_id(store);
	if (j->close)
		store_close(&store);
	return 0;
}

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

/* --- in the parent --------------------------------------------------------------- */

static int
child(int (*run)(const struct job *), const struct job *j)
{
	int status;
	pid_t pid;

	fflush(stdout);
	if ((pid = fork()) == -1)
		fatal("fork");
	if (pid == 0) {
		status = run(j);
		fflush(stdout);
		_exit(status);
	}
	waitpid(pid, &status, 0);
	return status;
}

static int
remove_cb(const char *path, const struct stat *st, int kind, struct FTW *f)
{
	return f->level == 0 ? 0 : remove(path);
}

static void
fresh(void)
{
	nftw(dir, remove_cb, 16, FTW_DEPTH | FTW_PHYS);
	memset(told, 0, sizeof(*told));
}

static void
accept_mail(uint32_t segment_bytes, size_t n, size_t size, bool one_by_one,
    bool closed)
{
	struct job j = { segment_bytes, n, size, one_by_one, closed };

	if (child(do_accept, &j) != 0)
		ok(false, "mail was accepted");
}

/* Opens and reads all; the status of the child. */
static int
judge(uint32_t segment_bytes)
{
	struct job j = { .segment_bytes = segment_bytes };

	told->opened = false;
	told->found = told->spoilt = told->strange = told->aside = 0;
	told->used = told->due_disorder = told->damage_lines = 0;
	last_id = page = 0;
	return child(do_judge, &j);
}

static void
all_there(uint32_t segment_bytes, const char *what)
{
	int status = judge(segment_bytes);

	if (!ok(status == 0 && told->found == told->n && told->spoilt == 0 &&
	    told->strange == 0 && told->used == told->n, "%s", what))
		printf("# status %x opened %d found %zu of %zu, spoilt %zu, "
		    "strange %zu, used %llu\n", (unsigned int)status,
		    told->opened, told->found, told->n, told->spoilt,
		    told->strange, (unsigned long long)told->used);
}

/* The n-th segment in order of age, opened; -1 when there are not so many. */
static int
open_segment(size_t n)
{
	char *path = xasprintf("%s/journal", dir), *file;
	struct dirent **v;
	int i, fd = -1, count = scandir(path, &v, NULL, alphasort);

	for (i = 0; i < count; i++) {
		if (strstr(v[i]->d_name, ".seg") != NULL && n-- == 0) {
			file = xasprintf("%s/%s", path, v[i]->d_name);
			fd = open(file, O_RDWR | O_CLOEXEC);
			free(file);
		}
		free(v[i]);
	}
	if (count >= 0)
		free(v);
	free(path);
	return fd;
}

/* Where the n-th batch begins. */
static off_t
batch_at(int fd, size_t n)
{
	uint8_t magic[4];
	off_t at;

	for (at = 4096; pread(fd, magic, 4, at) == 4; at += 4096)
		if (memcmp(magic, "BTCH", 4) == 0 && n-- == 0)
			return at;
	return -1;
}

static void
flip(int fd, off_t at)
{
	uint8_t byte;

	if (pread(fd, &byte, 1, at) != 1)
		fatal("pread");
	byte ^= 0x10;
	if (pwrite(fd, &byte, 1, at) != 1)
		fatal("pwrite");
}

/* --- the end of the journal -------------------------------------------------------- */

/*
 * The last batch at every 512 bytes of what a power cut may leave of it: the
 * mail before it is there, and nothing that is not whole.
 */
static void
test_torn(void)
{
	uint8_t old[5 * 4096], torn[sizeof(old)];
	off_t at;
	size_t cut, bad = 0, tried = 0;
	int fd;

	fresh();
	accept_mail(MB, 8, 16000, true, false);
	fd = open_segment(0);
	at = batch_at(fd, 7);
	if (!ok(at > 0 && pread(fd, old, sizeof(old), at) == sizeof(old),
	    "the last batch is found"))
		return;
	close(fd);
	for (cut = 0; cut < 16384; cut += 512, tried++) {
		fresh();
		accept_mail(MB, 8, 16000, true, false);
		fd = open_segment(0);
		at = batch_at(fd, 7);
		memset(torn, 0, sizeof(torn));
		if (pread(fd, torn, cut, at) != (ssize_t)cut ||
		    pwrite(fd, torn, sizeof(torn), at) != sizeof(torn))
			fatal("tearing");
		close(fd);
		if (judge(MB) != 0 || told->found != 7 || told->spoilt > 0 ||
		    told->used != 7 || told->damage_lines > 0) {
			printf("# cut at %zu: found %zu spoilt %zu lines %zu\n",
			    cut, told->found, told->spoilt, told->damage_lines);
			bad++;
		}
	}
	is_int(bad, 0, "%zu torn ends, none is taken for mail", tried);
}

/* --- flipped bits ---------------------------------------------------------------------- */

/* Of eight batches the third is hit; the others must not know. */
static void
test_flips(void)
{
	static const struct {
		const char *what;
		off_t	 at;		/* in the batch */
	} cases[] = {
		{ "its magic", 0 }, { "its checksum", 4 },
		{ "its generation", 8 }, { "its offset", 16 },
		{ "its length", 24 }, { "its count", 28 },
		{ "a record's type", 32 }, { "a record's length", 36 },
		{ "a record's meta", 70 }, { "a body", 2000 },
	};
	size_t i;
	int fd;

	for (i = 0; i < nitems(cases); i++) {
		fresh();
		accept_mail(MB, 8, 3000, true, false);
		fd = open_segment(0);
		flip(fd, batch_at(fd, 2) + cases[i].at);
		close(fd);
		ok(judge(MB) == 0 && told->found == 7 && told->spoilt == 0 &&
		    told->strange == 0 && told->damage_lines == 1,
		    "a bit of %s: reported, the seven others are there",
		    cases[i].what);
	}
	/* Where the index knows the record the body's own checksum tells. */
	fresh();
	accept_mail(MB, 8, 3000, true, true);
	fd = open_segment(0);
	flip(fd, batch_at(fd, 2) + 2000);
	close(fd);
	ok(judge(MB) == 0 && told->found == 8 && told->spoilt == 1,
	    "a bit of a body behind the mark: only this body is refused");
}

/* --- whole segments ------------------------------------------------------------------------- */

static void
test_segments(void)
{
	int fd;

	fresh();
	accept_mail(MB, 20, 20000, false, false);
	fd = open_segment(0);
	if (ftruncate(fd, 0) == -1)
		fatal("ftruncate");
	close(fd);
	ok(judge(MB) == 0 && told->found == 0 && told->strange == 0,
	    "a segment of no bytes is passed over");
	fresh();
	accept_mail(MB, 20, 20000, true, false);
	fd = open_segment(0);
	if (ftruncate(fd, batch_at(fd, 10)) == -1)
		fatal("ftruncate");
	close(fd);
	ok(judge(MB) == 0 && told->found == 10 && told->spoilt == 0,
	    "one cut in half: the first half is there");
	fresh();
	accept_mail(MB, 20, 20000, true, false);
	fd = open_segment(0);
	flip(fd, 7);
	close(fd);
	ok(judge(MB) == 0 && told->strange == 0 && told->damage_lines >= 1,
	    "another format than ours is reported, not guessed at");
}

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
		accept_mail(MB, 3, 80000, false, true);
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
	accept_mail(MB, 3, 80000, false, false);
	nftw(path, remove_cb, 16, FTW_DEPTH | FTW_PHYS);
	free(path);
	all_there(MB, "an index that is gone is rebuilt, bodies and usage too");
	ok(told->due_disorder == 0, "all are due, in order");
}

/* --- starts --------------------------------------------------------------------------------------- */

static void
test_crash_in_recovery(void)
{
	struct job j = { .segment_bytes = MB };
	size_t i;

	fresh();
	accept_mail(MB, 300, 5000, false, false);
	accept_mail(MB, 3, 80000, false, false);
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
	accept_mail(MB, 5, 100000, false, true);
	path = xasprintf("%s/spool/%016llx", dir,
	    (unsigned long long)told->ids[1]);
	fd = open(path, O_RDWR | O_CLOEXEC);
	flip(fd, 99000);
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
	told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (told == MAP_FAILED || mkdtemp(dir) == NULL)
		return 1;
	test_torn();
	test_flips();
	test_segments();
	test_other_size();
	test_rebuild();
	test_spoilt_page();
	test_crash_in_recovery();
	test_clock_set_back();
	test_spool();
	test_start_time();
	fresh();
	test_full();
	fresh();
	rmdir(dir);
	return tap_done();
}
