/*
 * queue's store on disk against crashes and damage. A child works with the
 * store and tells through a pipe what it was promised; it is killed; another
 * child opens the store again and is asked for all of that.
 */
#include "lib/prelude.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>

#include "lib/ev.h"
#include "lib/log.h"
#include "lib/xalloc.h"
#include "queue/record.h"
#include "queue/segment.h"
#include "queue/store.h"
#include "tests/tap.h"

#define IDS_MAX	200000

#if defined(POSTERN_SANITIZED)
#define KILLS	7
#else
#define KILLS	20
#endif

static char dir[] = "/tmp/postern-recovery-XXXXXX";
static struct store *store;
static uint64_t dice;
static uint64_t workers;	/* so far: each lives later than the one before */

static uint32_t
roll(uint32_t n)
{
	dice = dice * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(dice >> 33) % n;
}

static void
open_store(void)
{
	struct store_conf c = { .dir = dir, .segment_bytes = 1 << 20,
	    .cache_bytes = 1 << 20, .min_free_bytes = 0 };
	const char *errstr;

	ev_init();
	store = store_open(&c, NULL, NULL, &errstr);
	if (store == NULL)
		fatalx("store_open: %s", errstr);
}

/* --- a history, written by the worker and read by the judge ------------------------ */

enum { ACCEPTING = 'a', ACCEPTED = 'A', REMOVING = 'r', REMOVED = 'R' };

struct event {
	uint64_t id;
	uint64_t size;		/* of the body; its bytes follow from the id */
	uint64_t what;
};

static int history_fd;

static void
tell(int what, uint64_t id, uint64_t size)
{
	struct event e = { id, size, (uint64_t)what };

	if (write(history_fd, &e, sizeof(e)) != sizeof(e))
		_exit(3);
}

static uint8_t *
body_of(uint64_t id, size_t size)
{
	uint8_t *p = xmalloc(size + 1);
	size_t i;

	for (i = 0; i < size; i++)
		p[i] = (uint8_t)(id + i * 7);
	return p;
}

/* --- the worker ------------------------------------------------------------------------ */

struct work {
	struct store_msg m;
	bool	 stored;
};

static struct work *works[64];

static void
fill(struct store_msg *m, size_t size)
{
	store_msg_init(m);
	m->id = store_new_id(store);
	m->arrived_ms = m->due_ms = ev_wall_ms();
	m->expires_ms = m->arrived_ms + 1000000000;
	m->account = xstrdup("alice@example.org");
	m->cap = xstrdup("default");
	m->env.return_path = xstrdup("alice@example.org");
	envelope_add_rcpt(&m->env, "bob@example.net", NULL, 0);
	store_msg_fit(m);
	m->size = size;
	m->charge[LIMIT_MESSAGES] = 1;
	m->body.v = body_of(m->id, size);
	m->body.n = size;
	tell(ACCEPTING, m->id, size);
}

static void
accepted_cb(void *arg)
{
	struct work *w = arg;

	w->stored = true;
	tell(ACCEPTED, w->m.id, w->m.size);
}

static void
accept_one(struct work *w, bool large)
{
	int fd = -1;

	fill(&w->m, large ? 70000 + roll(100000) : roll(20000));
	if (large) {
		fd = store_spool_open(store);
		if (write(fd, w->m.body.v, w->m.size) != (ssize_t)w->m.size)
			_exit(4);
		w->m.in_spool = true;
	}
	store_accept(store, &w->m, fd, accepted_cb, NULL, w);
	if (fd != -1)
		store_spool_close(store, fd);
}

struct removal {
	uint64_t id, bounce, bounce_size;
};

static void
removed_cb(void *arg)
{
	struct removal *r = arg;

	tell(REMOVED, r->id, 0);
	if (r->bounce != 0)
		tell(ACCEPTED, r->bounce, r->bounce_size);
	free(r);
}

static void
remove_one(struct work *w)
{
	struct removal *r = xcalloc(1, sizeof(*r));
	struct store_msg b;

	r->id = w->m.id;
	tell(REMOVING, r->id, 0);
	if (roll(4) != 0)
		store_remove(store, &w->m, NULL, removed_cb, r);
	else {
		fill(&b, roll(3000));
		r->bounce = b.id;
		r->bounce_size = b.size;
		store_remove(store, &w->m, &(struct store_bounces){ { &b }, 1 },
		    removed_cb, r);
		store_msg_clear(&b);
	}
	store_msg_clear(&w->m);
}

static void
step(size_t i)
{
	struct work *w = works[i];

	if (w == NULL) {
		works[i] = xcalloc(1, sizeof(*w));
		accept_one(works[i], roll(20) == 0);
	} else if (w->stored && roll(3) == 0) {
		w->m.attempts++;
		w->m.due_ms += 1000;
		store_update(store, &w->m, NULL, NULL, NULL);
	} else if (w->stored) {
		/* Some stay for good, and so do their segments. */
		if (roll(12) != 0)
			remove_one(w);
		free(w);
		works[i] = NULL;
	}
}

static void
work_for(uint64_t turns)
{
	open_store();
	/* Time runs fast, so that kills meet checkpoints and moved mail. */
	ev_clock_fake(ev_now_ms(), ev_wall_ms() + workers * 100000000ULL);
	for (; turns > 0; turns--) {
		step(roll(nitems(works)));
		if (turns % 40 == 0)
			ev_clock_step(1000);
		if (roll(4) == 0)
			ev_loop_once(roll(3));
	}
}

/* --- the judge ------------------------------------------------------------------------------ */

static struct event *events;
static size_t nevents;

struct fate {
	uint64_t id, size;
	bool	 accepted, removing, removed, seen;
};

static struct fate *fates;
static size_t nfates;

static struct fate *
fate_of(uint64_t id)
{
	size_t lo = 0, hi = nfates, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (fates[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < nfates && fates[lo].id == id ? &fates[lo] : NULL;
}

/* Ids grow within a process and from one to the next, so fates are sorted. */
static void
read_history(void)
{
	struct fate *f;
	size_t i;

	fates = xcalloc(nevents, sizeof(*fates));
	for (i = 0; i < nevents; i++) {
		struct event *e = &events[i];

		if (e->what == ACCEPTING) {
			if (nfates > 0 && e->id <= fates[nfates - 1].id)
				_exit(5);
			fates[nfates].id = e->id;
			fates[nfates++].size = e->size;
			continue;
		}
		f = fate_of(e->id);
		f->accepted |= e->what == ACCEPTED;
		f->removing |= e->what == REMOVING;
		f->removed |= e->what == REMOVED;
	}
}

static size_t lost, risen, unreadable, strange, spoilt, reading;
static bool listed;
static uint64_t last_listed;

static void
judge_body_cb(const uint8_t *p, size_t n, int fd, uint32_t crc,
    const char *errstr, void *arg)
{
	struct fate *f = arg;
	uint8_t *want = body_of(f->id, f->size), *got = xmalloc(f->size + 1);
	ssize_t len = -1;

	reading--;
	if (fd != -1) {
		len = pread(fd, got, f->size + 1, 0);
		close(fd);
	} else if (n == f->size) {
		memcpy(got, p, n);
		len = (ssize_t)n;
	}
	/* Of one that rose again the spool file may be gone for good. */
	if (errstr != NULL)
		unreadable += !f->removed;
	else if (len != (ssize_t)f->size || memcmp(got, want, f->size) != 0)
		spoilt++;
	free(got);
	free(want);
}

static void	judge_page(void);

static void
judge_list_cb(struct store_msg *const *v, size_t n, void *arg)
{
	struct fate *f;
	size_t i;

	for (i = 0; i < n; i++) {
		last_listed = v[i]->id;
		f = fate_of(v[i]->id);
		if (f == NULL) {
			strange++;
			continue;
		}
		f->seen = true;
		reading++;
		store_body(store, f->id, judge_body_cb, f);
	}
	if (n == 100)
		judge_page();
	else
		listed = true;
}

static void
judge_page(void)
{
	store_list(store, last_listed, 100, judge_list_cb, NULL);
}

static int
judge(size_t may_undo)
{
	size_t i;
	bool bad;

	read_history();
	open_store();
	judge_page();
	while (!listed || reading > 0)
		ev_loop_once(100);
	for (i = 0; i < nfates; i++) {
		struct fate *f = &fates[i];

		if (f->accepted && !f->removing && !f->seen)
			lost++;
		if (f->removed && f->seen)
			risen++;
	}
	/* The index may know already what was torn in the journal. */
	bad = lost + risen + unreadable > may_undo || strange + spoilt > 0;
	if (bad)
		printf("# lost %zu risen %zu unreadable %zu strange %zu spoilt "
		    "%zu\n", lost, risen, unreadable, strange, spoilt);
	fflush(stdout);
	store_close(&store);
	return bad;
}

/* --- children --------------------------------------------------------------------------------- */

/* What a child's log says is kept beside the store; it says little. */
static void
to_file(enum log_level level, const char *proc, const char *line)
{
	char *path = xasprintf("%s/log", dir);
	FILE *f = fopen(path, "a");

	if (f != NULL) {
		fprintf(f, "%s\n", line);
		fclose(f);
	}
	free(path);
}

static void
start_child(void)
{
	log_set_sink(to_file);
}

/*
 * Works for so many turns, or until it has told so many events and is killed
 * while it goes on; its history is kept.
 */
static void
worker(uint64_t turns, size_t kill_after)
{
	size_t told = 0;
	int fd[2];
	pid_t pid;
	ssize_t n;

	workers++;
	if (pipe(fd) == -1 || (pid = fork()) == -1)
		fatal("fork");
	if (pid == 0) {
		close(fd[0]);
		history_fd = fd[1];
		start_child();
		work_for(turns);
		kill(getpid(), SIGKILL);
	}
	close(fd[1]);
	fcntl(fd[0], F_SETPIPE_SZ, 1 << 20);
	for (;;) {
		events = xreallocarray(events, nevents + 1, sizeof(*events));
		n = read(fd[0], &events[nevents], sizeof(*events));
		if (n != sizeof(*events) || nevents == IDS_MAX)
			break;
		nevents++;
		if (++told == kill_after)
			kill(pid, SIGKILL);
	}
	close(fd[0]);
	waitpid(pid, NULL, 0);
}

/* Another process's verdict: 0 is good. */
static int
verdict(size_t may_undo)
{
	int status;
	pid_t pid = fork();

	if (pid == -1)
		fatal("fork");
	if (pid == 0) {
		start_child();
		_exit(judge(may_undo));
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 100;
}

/* --- damage ------------------------------------------------------------------------------------- */

static int
remove_cb(const char *path, const struct stat *st, int kind, struct FTW *f)
{
	return remove(path);
}

static void
wipe(const char *what)
{
	char *path = xasprintf("%s/%s", dir, what);

	nftw(path, remove_cb, 16, FTW_DEPTH | FTW_PHYS);
	free(path);
}

static void
fresh(void)
{
	wipe("journal");
	wipe("index");
	wipe("spool");
	wipe("keep-spool");
	free(events);
	events = NULL;
	nevents = 0;
}

/* The newest segment file, opened. */
static int
newest_segment(void)
{
	char *path = xasprintf("%s/journal", dir), best[300] = "";
	DIR *d = opendir(path);
	struct dirent *e;
	int fd;

	while ((e = readdir(d)) != NULL)
		if (strstr(e->d_name, ".seg") != NULL &&
		    strcmp(e->d_name, best) > 0)
			snprintf(best, sizeof(best), "%s", e->d_name);
	closedir(d);
	free(path);
	path = xasprintf("%s/journal/%s", dir, best);
	fd = open(path, O_RDWR);
	free(path);
	return fd;
}

/* Where its last batch begins, how long it is and how many records it has. */
static off_t
last_batch(int fd, uint32_t *len, uint32_t *records)
{
	uint8_t head[SEGMENT_BATCH_HEADER];
	off_t at, last = 0;

	for (at = SEGMENT_BEGIN; pread(fd, head, sizeof(head), at) ==
	    sizeof(head); at += SEGMENT_BLOCK) {
		if (memcmp(head, "BTCH", 4) != 0)
			continue;
		last = at;
		*len = get_u32le(head + 24);
		*records = get_u32le(head + 28);
	}
	return last;
}

/*
 * A store whose worker was killed, its newest segment and the last batch in it.
 * A worker may be killed before it has written one there.
 */
static int
torn_store(uint64_t turns, off_t *at, uint32_t *len, uint32_t *records)
{
	int fd, tries;

	for (tries = 0;; tries++) {
		fresh();
		worker(turns, 0);
		fd = newest_segment();
		*at = last_batch(fd, len, records);
		if (*at > 0 || tries == 10)
			return fd;
		close(fd);
	}
}

/*
 * Of the last batch only a part has reached the disk. Each of its records may
 * be undone, and nothing else.
 */
static void
test_torn_end(void)
{
	uint32_t len = 0, records = 0;
	uint8_t *zeros;
	off_t at, cut;
	int fd, i;

	for (i = 0; i < 12; i++) {
		fd = torn_store(30 + (uint64_t)i * 7, &at, &len, &records);
		cut = (off_t)len * i / 12;
		zeros = xcalloc(1, len);
		ok(at > 0 && records > 0 && (i % 2 == 0 ?
		    ftruncate(fd, at + cut) == 0 :
		    pwrite(fd, zeros, len - (size_t)cut, at + cut) ==
		    (ssize_t)(len - (size_t)cut)), "torn at %lld of %u",
		    (long long)cut, len);
		free(zeros);
		close(fd);
		is_int(verdict(records), 0, "the %u records in it apart, "
		    "everything is as it was", records);
	}
}

static void
test_damage(void)
{
	uint8_t bytes[64] = { 1, 2, 3 }, head[SEGMENT_BATCH_HEADER];
	uint32_t records;
	int fd;

	fresh();
	worker(60, 0);
	fd = newest_segment();
	if (pread(fd, head, sizeof(head), SEGMENT_BEGIN) != sizeof(head))
		fatal("pread");
	records = get_u32le(head + 28);
	ok(records > 0 && pwrite(fd, bytes, sizeof(bytes), SEGMENT_BEGIN +
	    100) == 64, "the first batch is damaged");
	close(fd);
	is_int(verdict(records), 0, "the batches behind it are still read");
}

static void
test_index_lost(void)
{
	char *path = xasprintf("%s/index/messages.db", dir);
	uint8_t junk[4096];
	int fd, i;

	fresh();
	worker(2000, 0);
	is_int(verdict(0), 0, "all there before");
	wipe("index");
	is_int(verdict(0), 0, "an index that is gone is rebuilt");
	worker(500, 0);
	memset(junk, 0x99, sizeof(junk));
	fd = open(path, O_RDWR);
	for (i = 0; i < 64; i++)
		if (pwrite(fd, junk, sizeof(junk), i * 4096) != 4096)
			break;
	close(fd);
	is_int(verdict(0), 0, "one full of junk is moved aside and rebuilt");
	free(path);
}

/* As `cp -a from to`, both in the store's directory. */
static void
copy(const char *from, const char *to)
{
	char *a = xasprintf("%s/%s", dir, from), *b = xasprintf("%s/%s", dir, to);
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		execlp("cp", "cp", "-a", a, b, (char *)NULL);
		_exit(1);
	}
	if (pid == -1 || waitpid(pid, &status, 0) == -1 || status != 0)
		fatalx("cp %s %s", a, b);
	free(a);
	free(b);
}

/* How many of its names begin so. */
static int
names(const char *begin)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int n = 0;

	while ((e = readdir(d)) != NULL)
		n += strncmp(e->d_name, begin, strlen(begin)) == 0;
	closedir(d);
	return n;
}

/* The generation of the journal's newest segment, or of its oldest. */
static uint64_t
segment_at(bool end)
{
	char *path = xasprintf("%s/journal", dir);
	uint64_t *v, g = 0;
	size_t n;

	if (segment_list(path, &v, &n) == 0 && n > 0)
		g = v[end ? n - 1 : 0];
	free(v);
	free(path);
	return g;
}

/* What a live copy of the directory, or who puts one back, may make of it. */
static void
test_index_of_an_older_day(void)
{
	char *copied, *path;
	uint64_t newest;
	int before, days;

	fresh();
	worker(300, 0);
	is_int(verdict(0), 0, "a day");
	copy("index", "index-of-then");
	newest = segment_at(true);
	for (days = 0; days < 8 && segment_at(false) <= newest; days++) {
		worker(4000, 0);
		is_int(verdict(0), 0, "a later day");
	}
	wipe("index");
	path = xasprintf("%s/index", dir);
	copied = xasprintf("%s/index-of-then", dir);
	before = names("index.damaged-");
	is_int(rename(copied, path), 0, "the index of then is put back");
	is_int(verdict(0), 0, "and everything is as it was");
	is_int(names("index.damaged-"), before + 1, "as it is not believed");
	free(path);
	free(copied);
}

static bool
said(const char *what)
{
	char line[1024], *path = xasprintf("%s/log", dir);
	FILE *f = fopen(path, "r");
	bool found = false;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		found |= strstr(line, what) != NULL;
	if (f != NULL)
		fclose(f);
	free(path);
	return found;
}

/* A file of the journal is gone; it is not passed over in silence. */
static void
test_segment_missing(void)
{
	char *log = xasprintf("%s/log", dir);
	char *path = xasprintf("%s/journal", dir), *seg;

	fresh();
	worker(600, 0);
	is_int(verdict(0), 0, "all there before");
	unlink(log);
	seg = segment_path(path, segment_at(true));
	ok(!said("missing"), "nothing is missing");
	is_int(unlink(seg), 0, "the newest segment is removed");
	verdict(0);
	ok(said("are missing"), "which is told");
	ok(said("files that no message names are kept"),
	    "and no spool file is swept away");
	unlink(log);
	verdict(0);
	ok(said("files that no message names are kept"),
	    "nor at the start behind it, which finds all well");
	free(log);
	free(seg);
	free(path);
}

static void
test_kill(int rounds)
{
	int i, bad = 0;

	fresh();
	for (i = 0; i < rounds && bad == 0; i++) {
		dice = (uint64_t)i * 77 + 1;
		worker(UINT64_MAX, 10 + roll(400));
		bad += verdict(0) != 0;
	}
	ok(bad == 0 && nevents > 100, "%d kills, %zu events: nothing lost, "
	    "nothing twice, nothing spoilt", rounds, nevents);
}

int
main(int argc, char **argv)
{
	int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : KILLS;

	if (mkdtemp(dir) == NULL)
		return 1;
	test_kill(rounds);
	test_torn_end();
	test_damage();
	test_index_lost();
	test_index_of_an_older_day();
	test_segment_missing();
	nftw(dir, remove_cb, 16, FTW_DEPTH | FTW_PHYS);
	free(events);
	return tap_done();
}
