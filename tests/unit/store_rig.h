/*
 * What the tests of a damaged store share. A child accepts mail and ends as if
 * killed; something happens to its files; another child opens the store and
 * counts what is there, byte for byte. Whatever was acknowledged and not itself
 * destroyed must be found.
 */
#ifndef TESTS_STORE_RIG_H
#define TESTS_STORE_RIG_H

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>

#include "lib/ev.h"
#include "lib/log.h"
#include "lib/xalloc.h"
#include "queue/store.h"
#include "tests/tap.h"

#define MAIL_MAX	2000
#define MB		(1024 * 1024)
#define HANG_SEC	120	/* sanitizers on a busy machine are slow */

static char dir[] = "/tmp/postern-faults-XXXXXX";

/* What the children tell; shared with them. */
static struct told {
	size_t	 n;
	uint64_t ids[MAIL_MAX];
	size_t	 sizes[MAIL_MAX];
	bool	 opened;
	size_t	 found, spoilt, strange, aside;
	uint64_t used, next_id, due_disorder;
	size_t	 damage_lines, damaged;
	uint64_t open_ms;
	char	 errstr[256];
} *told;

/* --- in a child ------------------------------------------------------------------ */

static struct store *store;
static size_t waiting;

static void
sink(enum log_level level, const char *proc, const char *line)
{
	const char *p = strstr(line, " damaged=");

	if (strstr(line, "damaged from=") != NULL)	/* in any thread */
		__atomic_add_fetch(&told->damage_lines, 1, __ATOMIC_SEQ_CST);
	if (p != NULL)
		told->damaged = strtoul(p + 9, NULL, 10);
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

/* In the spool when it is large. */
static void
fill_msg(struct store_msg *m, size_t size, uint64_t due_ms)
{
	store_msg_init(m);
	m->id = store_new_id(store);
	m->arrived_ms = ev_wall_ms();
	m->due_ms = m->arrived_ms + due_ms;
	m->expires_ms = m->arrived_ms + 1000000000;
	m->account = xstrdup("alice@example.org");
	m->cap = xstrdup("default");
	m->env.return_path = xstrdup("alice@example.org");
	envelope_add_rcpt(&m->env, "bob@example.net", NULL, 0);
	store_msg_fit(m);
	m->charge[LIMIT_MESSAGES] = 1;
	m->size = size;
	m->body.v = body_of(m->id, size);
	m->body.n = size;
	m->in_spool = size > STORE_INLINE_MAX;
}

static void
accept_one(size_t size, uint64_t due_ms)
{
	bool large = size > STORE_INLINE_MAX;
	struct store_msg m;
	int fd = -1;

	fill_msg(&m, size, due_ms);
	if (large) {
		fd = store_spool_open(store);
		if (fd == -1 || write(fd, m.body.v, size) != (ssize_t)size)
			_exit(4);
	}
	waiting++;
	store_accept(store, &m, fd, stored_cb, NULL, NULL);
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
body_cb(const uint8_t *p, size_t n, int fd, uint32_t crc,
    const char *errstr, void *arg)
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
	} while (page > 0);
	waiting++;
	store_due(store, 0, 0, UINT64_MAX, MAIL_MAX * 2, due_cb, NULL);
	wait_all();
	told->next_id = store_new_id(store);
	if (j->close)
		store_close(&store);
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
		alarm(HANG_SEC);
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

__attribute__((unused)) static void
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

__attribute__((unused)) static void
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

static void
flip_bit(int fd, off_t at, unsigned int bit)
{
	uint8_t byte;

	if (pread(fd, &byte, 1, at) != 1)
		fatal("pread");
	byte ^= (uint8_t)(1 << bit);
	if (pwrite(fd, &byte, 1, at) != 1)
		fatal("pwrite");
}

__attribute__((unused)) static void
flip(int fd, off_t at)
{
	flip_bit(fd, at, 4);
}

static bool
rig_begin(void)
{
	told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return told != MAP_FAILED && mkdtemp(dir) != NULL;
}

static int
rig_end(void)
{
	fresh();
	rmdir(dir);
	return tap_done();
}

#endif
