/*
 * Stores of other versions of Postern. tests/unit/stores holds one for each
 * version of a message's meta since the journal has its format, written by the
 * Postern of that time and killed: three messages are in the index, and behind
 * the mark are a fourth, a change of the first, and a fifth that is removed
 * again. Each is opened, changed, copied and opened again. What a later version
 * has written, or the journal's first format, is refused and left as it is.
 * large-v3 has three thousand of one byte to 400 KB: two thousand were written and
 * the queue stopped, then one thousand, 300 changes and 40 removals, and killed.
 */
#include "lib/prelude.h"

#include <spawn.h>

#include "lib/crc32c.h"
#include "lib/le.h"
#include "queue/index.h"
#include "queue/record.h"
#include "queue/segment.h"
#include "tests/unit/store_rig.h"

#define OLDEST		2
#define NEWEST		4
#define NEWEST_NAME	"v4"
#define SAMPLES		4	/* messages still queued in each */
#define LARGE		3000	/* ... in the large one */
#define LARGE_SEGMENTS	5	/* ... of which so many are looked at */
#define ATTEMPTS	7	/* of the first, and each tenth */

extern char **environ;

static size_t samples = SAMPLES;	/* of the store at hand */

static size_t
size_of(size_t at)
{
	static const size_t few[SAMPLES] = { 900, 300, 400000, 900 };
	static const size_t many[] = { 1, 300, 900, 2000, 4000, 8000, 16000 };

	if (samples == SAMPLES)
		return few[at];
	return at % 500 == 250 ? 400000 : many[at % nitems(many)];
}

/* --- files ------------------------------------------------------------------------- */

static bool
runs(char *const argv[])
{
	int status;
	pid_t pid;

	return posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) == 0 &&
	    waitpid(pid, &status, 0) != -1 && status == 0;
}

static void
run(char *const argv[])
{
	if (!runs(argv))
		fatalx("%s failed", argv[0]);
}

static void
unpack(const char *name)
{
	const char *src = getenv("srcdir");
	char *file = xasprintf("%s/tests/unit/stores/%s.tar.%s",
	    src == NULL ? "." : src, name, samples == LARGE ? "xz" : "gz");
	char *argv[] = { (char []){ "tar" }, (char []){ "-xf" }, file,
	    (char []){ "-C" }, dir, (char []){ "--no-same-owner" }, NULL };

	fresh();
	run(argv);
	free(file);
}

static void
copy_all(const char *from, const char *to)
{
	char *argv[] = { (char []){ "cp" }, (char []){ "-a" },
	    xasprintf("%s/.", from), xstrdup(to), NULL };

	run(argv);
	free(argv[2]);
	free(argv[3]);
}

/* A copy of the files: its name. restore() ends it. */
static char *
backup(void)
{
	char *copy = xasprintf("%s.copy", dir);

	if (mkdir(copy, 0700) == -1)
		fatal("%s", copy);
	copy_all(dir, copy);
	return copy;
}

/* The queue is emptied, and it is copied back; frees its name. */
static void
restore(char *copy)
{
	nftw(dir, remove_cb, 16, FTW_DEPTH | FTW_PHYS);
	copy_all(copy, dir);
	nftw(copy, remove_cb, 16, FTW_DEPTH | FTW_PHYS);
	if (rmdir(copy) == -1)
		fatal("%s", copy);
	free(copy);
}

/* --- what is in it, in a child -------------------------------------------------------- */

struct look {
	int	 version;
	uint32_t attempts;
	size_t	 bad;
};

static void
sample_body_cb(const uint8_t *p, size_t n, int fd, uint32_t crc,
    const char *errstr, void *arg)
{
	size_t at = *(size_t *)arg, k, size = size_of(at);
	uint8_t *got = xmalloc(size + 1);
	ssize_t len = -1;

	waiting--;
	if (fd != -1) {
		len = pread(fd, got, size + 1, 0);
		close(fd);
	} else if (errstr == NULL && n == size) {
		memcpy(got, p, n);
		len = (ssize_t)n;
	}
	for (k = 0; len == (ssize_t)size && k < size; k++)
		if (got[k] != (uint8_t)(at * 5 + k * 31))
			len = -1;
	told->spoilt += len != (ssize_t)size;
	free(got);
	free(arg);
}

static bool
same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* All that this version could say, and nothing where it could not. */
static bool
as_written(const struct store_msg *m, size_t at, const struct look *l)
{
	return m->arrived_ms == 1700000000000ULL + at &&
	    m->due_ms == m->arrived_ms + 1000 * at &&
	    m->expires_ms == m->arrived_ms + 432000000 &&
	    m->attempts == (at % 10 == 0 ? l->attempts : 0) &&
	    m->hold == (at % 5 == 1 ? HOLD_ADMIN : HOLD_NONE) &&
	    same(m->account, "alice@example.org") &&
	    same(m->env.return_path, "alice@example.org") &&
	    m->env.nrcpts == 2 && m->env.rcpts[1].notify == 3 &&
	    same(m->env.rcpts[0].addr, "bob@example.net") &&
	    m->charge[LIMIT_MESSAGES] == 1 && m->size == size_of(at) &&
	    m->in_spool == (m->size > STORE_INLINE_MAX) &&
	    same(m->route, l->version >= 2 ? "upstream" : NULL) &&
	    m->nevents == (l->version >= 2) &&
	    same(m->device, l->version >= 3 ? "phone" : NULL) &&
	    m->env.priority == (l->version >= 4 ? 2 : 0);
}

static void
look_cb(struct store_msg *const *v, size_t n, void *arg)
{
	struct look *l = arg;
	size_t i, *at;

	waiting--;
	page = n;
	for (i = 0; i < n; i++) {
		last_id = v[i]->id;
		at = xmalloc(sizeof(*at));
		if (sscanf(v[i]->env.envid == NULL ? "" : v[i]->env.envid,
		    "sample-%zu", at) != 1 || *at >= samples) {
			told->strange++;
			free(at);
			continue;
		}
		told->found++;
		l->bad += !as_written(v[i], *at, l);
		if (*at % 10 == 0) {
			v[i]->attempts++;
			store_update(store, v[i], NULL, NULL, NULL);
		}
		waiting++;
		store_body(store, v[i]->id, sample_body_cb, at);
	}
}

static int
do_look(const struct job *j)
{
	struct look l = { (int)j->n, (uint32_t)j->size, 0 };

	if (!open_store(MB))
		return 1;
	do {
		waiting++;
		store_list(store, last_id, 100, look_cb, &l);
		wait_all();
	} while (page > 0);
	store_close(&store);
	return told->found != samples || told->strange > 0 ||
	    told->spoilt > 0 || l.bad > 0 ? 2 : 0;
}

static bool
looks(int version, uint32_t attempts)
{
	struct job j = { .n = (size_t)version, .size = attempts };
	int status;

	told->found = told->strange = told->spoilt = 0;
	status = child(do_look, &j);
	if (status != 0)
		printf("# status %x: %s; found %zu, strange %zu, spoilt %zu\n",
		    (unsigned int)status, told->errstr, told->found,
		    told->strange, told->spoilt);
	return status == 0;
}

static bool
rebuilt(void)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	bool aside = false;

	while ((e = readdir(d)) != NULL)
		aside |= strncmp(e->d_name, "index.", 6) == 0;
	closedir(d);
	return aside;
}

/* --- tests -------------------------------------------------------------------------------- */

static void
test_older(void)
{
	char name[16];
	int v;

	for (v = OLDEST; v <= NEWEST; v++) {
		snprintf(name, sizeof(name), "v%d", v);
		unpack(name);
		ok(looks(v, ATTEMPTS) && !rebuilt(), "a store of version %d: "
		    "all is there as it was, from its own index", v);
		ok(looks(v, ATTEMPTS + 1) && !rebuilt(),
		    "version %d: a change of it, too", v);
		restore(backup());
		ok(looks(v, ATTEMPTS + 2) && !rebuilt(),
		    "version %d: and a copy of its files", v);
	}
}

/* Of the segment with the messages behind the mark. */
static int
open_segment(void)
{
	char *path = xasprintf("%s/journal/0000000000000002.seg", dir);
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd == -1)
		fatal("%s", path);
	free(path);
	return fd;
}

/* Its first batch is said to hold a meta of that version; what it was. */
static uint8_t
set_meta_version(uint8_t version)
{
	uint8_t head[32], batch[4096], was;
	int fd = open_segment();
	uint32_t len;

	if (pread(fd, head, sizeof(head), 0) != sizeof(head) ||
	    pread(fd, batch, sizeof(batch), SEGMENT_BEGIN) != sizeof(batch) ||
	    (len = get_u32le(batch + 24)) > sizeof(batch))
		fatal("segment");
	was = batch[SEGMENT_BATCH_HEADER + RECORD_HEADER];
	batch[SEGMENT_BATCH_HEADER + RECORD_HEADER] = version;
	put_u32le(batch + 4, crc32c(get_u32le(head + 24), batch + 8, len - 8));
	if (pwrite(fd, batch, sizeof(batch), SEGMENT_BEGIN) != sizeof(batch))
		fatal("segment");
	close(fd);
	return was;
}

static void
test_later_record(void)
{
	uint8_t was;

	unpack(NEWEST_NAME);
	was = set_meta_version(NEWEST + 1);
	is_int(was, NEWEST, "the newest version has a store here");
	ok(!looks(NEWEST, ATTEMPTS) && !told->opened &&
	    strstr(told->errstr, "later version") != NULL && !rebuilt(),
	    "a message of a later version in the journal: %s", told->errstr);
	set_meta_version(was);
	ok(looks(NEWEST, ATTEMPTS) && !rebuilt(),
	    "nothing had been touched: the later version has it all");
}

/* The first message that is in the index, as if a later version had put it. */
static bool
put_later_cb(const struct index_entry *e, void *arg)
{
	struct index_entry *to = arg;

	*to = *e;
	to->meta = xmemdup(e->meta, e->meta_len);
	*(uint8_t *)(uintptr_t)to->meta = NEWEST + 1;
	return false;
}

static int
do_put_later(const struct job *j)
{
	char *path = xasprintf("%s/index", dir);
	struct journal_place mark;
	struct index_entry e = { 0 };
	struct index *x;
	const char *errstr;
	uint64_t last;
	bool damaged;

	x = index_open(path, MB, &damaged, &errstr);
	if (x == NULL)
		return 1;
	index_mark(x, &mark, &last);
	index_list(x, 0, put_later_cb, &e);
	index_begin(x);
	index_put(x, &e);
	index_commit(x, mark, last);
	index_close(&x);
	free((void *)(uintptr_t)e.meta);
	free(path);
	return e.id == 0;
}

static void
test_later_in_index(void)
{
	struct job none = { 0 };

	unpack(NEWEST_NAME);
	is_int(child(do_put_later, &none), 0, "a later version's index");
	ok(!looks(NEWEST, ATTEMPTS) && !told->opened &&
	    strstr(told->errstr, "later version") != NULL && !rebuilt(),
	    "a message of a later version in the index: %s", told->errstr);
}

/* Of all that is in the journal's first segments. */
static uint32_t
journal_sum(int segments)
{
	static uint8_t bytes[MB];
	uint32_t crc = 0;
	char *path;
	int i, fd;

	for (i = 1; i <= segments; i++) {
		path = xasprintf("%s/journal/%016x.seg", dir, (unsigned int)i);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd == -1 || read(fd, bytes, sizeof(bytes)) != MB)
			fatal("%s", path);
		crc = crc32c(crc, bytes, sizeof(bytes));
		close(fd);
		free(path);
	}
	return crc;
}

static void
test_first_format(void)
{
	uint32_t before;

	unpack("format1");
	before = journal_sum(2);
	ok(!looks(1, ATTEMPTS) && !told->opened &&
	    strstr(told->errstr, "another version") != NULL && !rebuilt(),
	    "the journal's first format: %s", told->errstr);
	is_int(journal_sum(2), before, "it is left as it is");
}

/* The same of thousands, there and back. */
static void
test_large(void)
{
	struct job none = { 0 };
	char *xz[] = { (char []){ "sh" }, (char []){ "-c" },
	    (char []){ "command -v xz >/dev/null" }, NULL };
	uint32_t before;
	char *copy;

	if (!runs(xz)) {
		printf("ok %d # skip no xz\n", ++tap_count);
		return;
	}
	samples = LARGE;
	unpack("large-v3");
	ok(looks(3, ATTEMPTS) && !rebuilt(), "thousands of version 3: all are "
	    "there as they were, from their own index");
	ok(looks(3, ATTEMPTS + 1) && !rebuilt(), "the changed ones, too");
	copy = backup();
	is_int(child(do_put_later, &none), 0, "one is a later version's");
	before = journal_sum(LARGE_SEGMENTS);
	ok(!looks(3, ATTEMPTS + 2) && !told->opened &&
	    strstr(told->errstr, "later version") != NULL && !rebuilt(),
	    "all are refused: %s", told->errstr);
	is_int(journal_sum(LARGE_SEGMENTS), before, "and left as they are");
	restore(copy);
	ok(looks(3, ATTEMPTS + 2) && !rebuilt(), "a copy of the files from "
	    "before has all again");
	samples = SAMPLES;
}

int
main(void)
{
	if (!rig_begin())
		return 1;
	test_older();
	test_later_record();
	test_later_in_index();
	test_first_format();
	test_large();
	return rig_end();
}
