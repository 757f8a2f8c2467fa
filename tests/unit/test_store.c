/*
 * queue/store: both kinds keep the same promises; what is on disk survives a
 * new process.
 */
#include "lib/prelude.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>

#include "lib/ev.h"
#include "lib/log.h"
#include "lib/xalloc.h"
#include "queue/journal.h"
#include "queue/spool.h"
#include "tests/tap.h"

/* ThreadSanitizer: Berkeley DB orders its own locks. */
const char *__tsan_default_suppressions(void);

const char *
__tsan_default_suppressions(void)
{
	return "deadlock:libdb-5.3.so\n";
}

static char dir[] = "/tmp/postern-store-XXXXXX";
static struct store *store;
static int done_count, settled_count;
static uint64_t settled_last;

static void
settled(const uint64_t *ids, size_t n, void *arg)
{
	settled_count += (int)n;
	settled_last = ids[n - 1];
}

static const struct store_ops ops = { settled };

static void
done_cb(void *arg)
{
	done_count++;
}

/* Checkpoints come by time. */
static void
turn(void)
{
	ev_clock_step(50);
	ev_loop_once(10);
}

static bool
wait_for(int *what, int n)
{
	int i;

	for (i = 0; i < 2000 && *what < n; i++)
		turn();
	return *what >= n;
}

static struct store *
open_disk(void)
{
	struct store_conf c = { .dir = dir, .segment_bytes = 1 << 20,
	    .cache_bytes = 1 << 20, .min_free_bytes = 0 };
	const char *errstr;
	struct store *s = store_open(&c, &ops, NULL, &errstr);

	if (s == NULL)
		fatalx("store_open: %s", errstr);
	return s;
}

static void
make(struct store_msg *m, const char *body)
{
	store_msg_init(m);
	m->id = store_new_id(store);
	m->arrived_ms = ev_wall_ms();
	m->expires_ms = m->arrived_ms + 1000000;
	m->due_ms = m->arrived_ms;
	m->account = xstrdup("alice@example.org");
	m->cap = xstrdup("default");
	m->device = xstrdup("phone");
	m->env.return_path = xstrdup("alice@example.org");
	m->env.envid = xstrdup("envelope+3Did");
	m->env.ret = RET_HDRS;
	m->env.require_tls = true;
	m->env.hold_until_ms = 7;
	m->env.by = BY_NOTIFY;
	m->env.by_trace = m->env.by_told = true;
	m->env.by_ms = 8;
	m->env.priority = -9;
	envelope_add_rcpt(&m->env, "bob@example.net", "rfc822;bob", 4);
	envelope_add_rcpt(&m->env, "carol@example.net", NULL, 0);
	store_msg_fit(m);
	m->route = xstrdup("detour");
	store_msg_note(m, m->arrived_ms, "deferred 4.2.2 full");
	store_msg_note(m, m->arrived_ms + 1, "held by admin");
	store_msg_note(m, m->arrived_ms + 2, "deferred 4.2.2 full");
	m->charge[LIMIT_MESSAGES] = 1;
	m->charge[LIMIT_RECIPIENTS] = 2;
	m->charge[LIMIT_BYTES] = m->size = strlen(body);
	m->body.v = (uint8_t *)xstrdup(body);
	m->body.n = strlen(body);
}

static void
accept_msg(struct store_msg *m, const char *body)
{
	int before = done_count;

	make(m, body);
	store_accept(store, m, -1, done_cb, NULL, NULL);
	ok(wait_for(&done_count, before + 1), "accepted");
}

/* --- answers to reads --------------------------------------------------------- */

static struct {
	int	 calls;
	size_t	 n;
	uint64_t ids[600], due[600];
	char	*first_status;
	uint32_t attempts;
	char	*orcpt;
	char	 route[16], history[200];
	struct envelope env;		/* its numbers alone */
	char	 body[256];
	size_t	 body_len;
	char	*errstr;
} got;

static void
msgs_cb(struct store_msg *const *v, size_t n, void *arg)
{
	size_t i;

	got.calls++;
	got.n = n;
	for (i = 0; i < n && i < nitems(got.ids); i++) {
		got.ids[i] = v[i]->id;
		got.due[i] = v[i]->due_ms;
	}
	if (n == 0)
		return;
	free(got.first_status);
	free(got.orcpt);
	got.first_status = v[0]->rcpts[0].status == NULL ? NULL :
	    xstrdup(v[0]->rcpts[0].status);
	got.orcpt = v[0]->env.rcpts[0].orcpt == NULL ? NULL :
	    xstrdup(v[0]->env.rcpts[0].orcpt);
	got.attempts = v[0]->attempts;
	got.env = v[0]->env;
	snprintf(got.route, sizeof(got.route), "%s", v[0]->route);
	got.history[0] = '\0';
	for (i = 0; i < v[0]->nevents; i++) {
		const struct store_event *e = &v[0]->events[i];

		snprintf(got.history + strlen(got.history),
		    sizeof(got.history) - strlen(got.history),
		    "%llu-%llu %u %s;",
		    (unsigned long long)(e->first_ms - v[0]->arrived_ms),
		    (unsigned long long)(e->last_ms - v[0]->arrived_ms),
		    e->times, e->what);
	}
}

static void
body_cb(const uint8_t *p, size_t n, int fd, uint32_t crc,
    const char *errstr, void *arg)
{
	ssize_t r;

	got.calls++;
	free(got.errstr);
	got.errstr = errstr == NULL ? NULL : xstrdup(errstr);
	memset(got.body, 0, sizeof(got.body));
	got.body_len = n;
	if (fd != -1) {
		r = pread(fd, got.body, sizeof(got.body) - 1, 0);
		got.body_len = r < 0 ? 0 : (size_t)lseek(fd, 0, SEEK_END);
		close(fd);
	} else if (p != NULL)
		memcpy(got.body, p, n < sizeof(got.body) - 1 ? n :
		    sizeof(got.body) - 1);
}

static void
answered(int before)
{
	ok(wait_for(&got.calls, before + 1), "answered");
}

static void
due_behind(uint64_t after_ms, uint64_t after, uint64_t until, size_t max)
{
	int before = got.calls;

	store_due(store, after_ms, after, until, max, msgs_cb, NULL);
	answered(before);
}

static void
due(uint64_t until, size_t max)
{
	due_behind(0, 0, until, max);
}

static void
list(uint64_t after, size_t max)
{
	int before = got.calls;

	store_list(store, after, max, msgs_cb, NULL);
	answered(before);
}

static void
load(uint64_t id)
{
	int before = got.calls;

	store_load(store, id, msgs_cb, NULL);
	answered(before);
}

static void
body(uint64_t id)
{
	int before = got.calls;

	store_body(store, id, body_cb, NULL);
	answered(before);
}

static void
reopen(void)
{
	store_close(&store);
	store = open_disk();
}

/* --- the promises, for both kinds -------------------------------------------------- */

static void
test_life(bool disk)
{
	struct store_msg a, b, bounce;
	const struct store_bounces causes = { { &bounce }, 1 };
	int before;

	accept_msg(&a, "first body\r\n");
	accept_msg(&b, "second body\r\n");
	ok(b.id > a.id, "ids grow");
	is_int(store_count(store), 2, "two are counted");
	list(0, 10);
	ok(got.n == 2 && got.ids[0] == a.id && got.ids[1] == b.id,
	    "listed at once");
	is_str(got.orcpt, "rfc822;bob", "with all their fields");
	list(a.id, 10);
	ok(got.n == 1 && got.ids[0] == b.id, "after the first");
	list(0, 1);
	ok(got.n == 1 && got.ids[0] == a.id, "no more than asked for");
	body(a.id);
	is_str(got.body, "first body\r\n", "a body is read back");

	a.attempts = 1;
	a.due_ms += 60000;
	a.rcpts[0].status = xstrdup("4.2.2");
	before = done_count;
	store_update(store, &a, NULL, done_cb, NULL);
	ok(wait_for(&done_count, before + 1), "updated");
	load(a.id);
	ok(got.n == 1 && got.attempts == 1, "the newest state is loaded");
	is_str(got.first_status, "4.2.2", "with its status");
	is_str(got.route, "detour", "its route");
	ok(got.env.require_tls && got.env.hold_until_ms == 7 &&
	    got.env.by == BY_NOTIFY && got.env.by_trace && got.env.by_told &&
	    got.env.by_ms == 8 && got.env.priority == -9,
	    "what its sender asked for");
	is_str(got.history, "0-2 2 deferred 4.2.2 full;1-1 1 held by admin;",
	    "and its history");
	ok(wait_for(&settled_count, 2), "settled in time");
	due(a.due_ms - 1, 10);
	ok(got.n == 1 && got.ids[0] == b.id, "one is due");
	due(a.due_ms, 10);
	ok(got.n == 2 && got.ids[0] == b.id, "later both, earliest first");
	due(a.due_ms, 1);
	is_int(got.n, 1, "no more than asked for");
	if (disk)
		reopen();
	due(a.due_ms, 10);
	is_int(got.n, 2, "due still");
	body(b.id);
	is_str(got.body, "second body\r\n", "a body from the index's place");

	make(&bounce, "bounce\r\n");
	before = done_count;
	store_remove(store, &a, &causes, done_cb, NULL);
	is_int(store_count(store), 2, "one went, one came");
	ok(wait_for(&done_count, before + 1), "durable together");
	list(0, 10);
	ok(got.n == 2 && got.ids[0] == b.id && got.ids[1] == bounce.id,
	    "the bounce in the message's place");
	due(UINT64_MAX, 10);
	ok(got.ids[0] != a.id && (got.n < 2 || got.ids[1] != a.id),
	    "a removed one is not due");
	load(a.id);
	is_int(got.n, 0, "nor loaded");
	body(bounce.id);
	is_str(got.body, "bounce\r\n", "a bounce has a body");
	store_remove(store, &b, NULL, NULL, NULL);
	store_remove(store, &bounce, NULL, done_cb, NULL);
	ok(wait_for(&done_count, before + 2), "all removed");
	list(0, 10);
	is_int(got.n, 0, "nothing is left");
	body(b.id);
	is_str(got.errstr, "there is no such message", "no body either");
	if (disk)
		reopen();
	is_int(store_count(store), 0, "nor afterwards");
	list(0, 10);
	is_int(got.n, 0, "in any list");
	store_msg_clear(&a);
	store_msg_clear(&b);
	store_msg_clear(&bounce);
}

static char *
filled(size_t n)
{
	char *s = xmalloc(n + 1);

	memset(s, 'x', n);
	s[n] = '\0';
	return s;
}

/* No state takes more than is counted for it. */
static void
test_bytes(size_t nrcpts)
{
	char *addr = filled(ENVELOPE_PATH_MAX);
	char *orcpt = filled(ENVELOPE_ORCPT_MAX);
	char *what = filled(STORE_EVENT_LEN_MAX);
	struct store_msg m;
	struct buf b;
	size_t i;

	store_msg_init(&m);
	m.account = filled(LOGIN_MAX);
	m.device = filled(LOGIN_MAX);
	m.route = filled(LOGIN_MAX);
	m.cap = filled(LOGIN_MAX);
	m.env.return_path = filled(ENVELOPE_PATH_MAX);
	m.env.envid = filled(ENVELOPE_ENVID_MAX);
	for (i = 0; i < nrcpts; i++)
		envelope_add_rcpt(&m.env, addr, orcpt, 0);
	store_msg_fit(&m);
	for (i = 0; i < nrcpts; i++) {
		m.rcpts[i].status = filled(STORE_STATUS_MAX);
		m.rcpts[i].diag = filled(STORE_DIAG_MAX);
		m.rcpts[i].remote = filled(STORE_DIAG_MAX);
	}
	for (i = 0; i < STORE_EVENTS_MAX; i++) {
		what[0] = (char)('a' + i);
		store_msg_note(&m, 1, what);
	}
	buf_init(&b, 2 * RECORD_META_MAX);
	record_put_meta(&b, &m);
	ok(b.len <= RECORD_META_MAX && journal_cost(RECORD_HEADER + b.len) <=
	    store_msg_bytes(&m), "%zu bytes for %zu recipients", b.len, nrcpts);
	buf_clear(&b);
	store_msg_clear(&m);
	free(addr);
	free(orcpt);
	free(what);
}

/* All that one transition causes is durable with it. */
static void
test_bounces(bool disk)
{
	struct store_msg a, v[STORE_BOUNCES_MAX];
	struct store_bounces causes = { .n = 0 };
	int before, round, settled = settled_count;
	char text[32];
	size_t i;

	accept_msg(&a, "cause\r\n");
	for (i = 0; i < nitems(v); i++) {
		snprintf(text, sizeof(text), "bounce %zu\r\n", i);
		make(&v[i], text);
		causes.v[causes.n++] = &v[i];
	}
	before = done_count;
	store_update(store, &a, &causes, done_cb, NULL);
	ok(wait_for(&done_count, before + 1), "many bounces at once");
	ok(wait_for(&settled_count, settled + 1 + STORE_BOUNCES_MAX),
	    "which settle");
	for (round = 0; round < 1 + disk; round++) {
		if (round > 0)
			reopen();
		is_int(store_count(store), 1 + STORE_BOUNCES_MAX, "counted");
		for (i = 0; i < nitems(v); i++) {
			snprintf(text, sizeof(text), "bounce %zu\r\n", i);
			body(v[i].id);
			is_str(got.body, text, "each with its body");
		}
	}
	before = done_count;
	for (i = 0; i < nitems(v); i++) {
		store_remove(store, &v[i], NULL, NULL, NULL);
		store_msg_clear(&v[i]);
	}
	store_remove(store, &a, NULL, done_cb, NULL);
	ok(wait_for(&done_count, before + 1), "all removed");
	store_msg_clear(&a);
}

static void
test_hold(void)
{
	struct store_msg a;
	int before = settled_count;

	make(&a, "x");
	a.hold = HOLD_ADMIN;
	store_accept(store, &a, -1, NULL, NULL, NULL);
	ok(wait_for(&settled_count, before + 1), "held mail settles");
	due(UINT64_MAX, 10);
	is_int(got.n, 0, "it is never due");
	a.hold = HOLD_NONE;
	store_update(store, &a, NULL, NULL, NULL);
	ok(wait_for(&settled_count, before + 2), "released");
	is_int(settled_last, a.id, "by its name");
	due(UINT64_MAX, 10);
	is_int(got.n, 1, "then it is");
	store_remove(store, &a, NULL, NULL, NULL);
	store_msg_clear(&a);
}

static void
test_spool(bool disk)
{
	struct store_msg a;
	char block[1000];
	int fd, i, before = done_count;

	make(&a, "");
	fd = store_spool_open(store);
	ok(fd != -1, "a spool file");
	memset(block, 'x', sizeof(block));
	for (i = 0; i < 200; i++)
		if (write(fd, block, sizeof(block)) != sizeof(block))
			break;
	a.size = 200 * 1000;
	a.in_spool = true;
	store_accept(store, &a, fd, done_cb, NULL, NULL);
	store_spool_close(store, fd);
	ok(wait_for(&done_count, before + 1), "a large message is accepted");
	body(a.id);
	ok(got.body_len == 200 * 1000 && got.body[0] == 'x', "and read back");
	if (disk) {
		reopen();
		body(a.id);
		ok(got.body_len == 200 * 1000, "by another process too");
	}
	fd = store_spool_open(store);
	store_spool_close(store, fd);
	store_remove(store, &a, NULL, done_cb, NULL);
	ok(wait_for(&done_count, before + 2), "and removed");
	store_msg_clear(&a);
}

/* Bytes of the spool's files, whatever their names. */
static off_t
in_spool(size_t *files)
{
	char *path = xasprintf("%s/spool", dir), *file;
	struct dirent **v;
	off_t bytes = 0;
	struct stat st;
	int i, n = scandir(path, &v, NULL, alphasort);

	*files = 0;
	for (i = 0; i < n; i++) {
		file = xasprintf("%s/%s", path, v[i]->d_name);
		if (stat(file, &st) == 0 && S_ISREG(st.st_mode)) {
			bytes += st.st_size;
			(*files)++;
		}
		free(file);
		free(v[i]);
	}
	free(v);
	free(path);
	return bytes;
}

/* What is said of a message that never was, while a file is being removed. */
static void
removed_cb(void *arg)
{
	int *another = arg;

	*another = !store_leaving(store, 1);
	done_count++;
}

/* Lent to another process, which lets go of it, or does not. */
static void
test_lent(bool lets_go)
{
	static char text[300 * 1000];
	struct store_msg a;
	int fd, writer, before = done_count, another = 0, i;
	size_t files;

	memset(text, 'x', sizeof(text));
	make(&a, "");
	fd = store_spool_open(store);
	if (!ok(store_spool_lend(store, fd, &writer) == 0, "it is lent"))
		return;
	is_int(write(writer, text, sizeof(text)), sizeof(text),
	    "and can be written");
	ok(write(fd, text, 1) == -1, "by the borrower alone");
	is_int(store_spool_held(store, fd), 1, "who is known to hold it");
	if (lets_go)
		close(writer);
	is_int(store_spool_held(store, fd), !lets_go, "%s", lets_go ?
	    "or not any more" : "and still does");
	a.size = sizeof(text);
	a.in_spool = true;
	store_accept(store, &a, fd, done_cb, NULL, NULL);
	store_spool_close(store, fd);
	ok(wait_for(&done_count, before + 1), "it is accepted");
	if (!lets_go)
		ok(pwrite(writer, "CHANGED", 7, 1000) == 7, "he writes on");
	body(a.id);
	ok(got.body_len == sizeof(text) && got.body[0] == 'x',
	    "it is as it was when it was accepted");
	ok(in_spool(&files) == sizeof(text) && files == 1,
	    "and there once");
	store_remove(store, &a, NULL, removed_cb, &another);
	ok(store_removed(store, &a), "removed");
	a.size++;
	ok(!store_removed(store, &a), "and not another one of its id");
	a.size--;
	ok(wait_for(&done_count, before + 2), "for good");
	is_int(another, 1, "which is not said of another one");
	for (i = 0; i < 2000 && store_leaving(store, a.id); i++)
		turn();
	ok(!store_leaving(store, a.id), "and its id is free");
	store_msg_clear(&a);
	if (!lets_go)
		close(writer);
}

/* One whose message is given up takes no room, whoever holds it. */
static void
test_lent_in_vain(void)
{
	int fd = store_spool_open(store), writer = -1;
	struct stat st;
	size_t files;

	ok(store_spool_lend(store, fd, &writer) == 0 &&
	    write(writer, "text", 4) == 4, "one is lent");
	store_spool_close(store, fd);
	ok(fstat(writer, &st) == 0 && st.st_size == 0 &&
	    in_spool(&files) == 0 && files == 0, "given up it is empty");
	close(writer);
}

/* So many more than there are; RLIM_INFINITY: as many as ever. */
static void
leave_descriptors(rlim_t n)
{
	static struct rlimit was;
	struct rlimit r;
	int next;

	if (was.rlim_cur == 0)
		getrlimit(RLIMIT_NOFILE, &was);
	setrlimit(RLIMIT_NOFILE, &was);
	next = open("/dev/null", O_RDONLY | O_CLOEXEC);
	close(next);
	r = was;
	if (n != RLIM_INFINITY)
		r.rlim_cur = (rlim_t)next + n;
	if (setrlimit(RLIMIT_NOFILE, &r) == -1)
		fatal("setrlimit");
}

/* For want of a descriptor nobody forgets what can still be written to. */
static void
test_sweep_starved(void)
{
	char in[] = "/tmp/postern-sweep-XXXXXX", *path;
	struct stat st;
	int fd;

	if (mkdtemp(in) == NULL)
		fatal("mkdtemp");
	path = xasprintf("%s/old-7", in);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	ok(write(fd, "text", 4) == 4, "a file of the last queue's");
	leave_descriptors(0);
	ok(spool_sweep_old(in) > 0, "no descriptor: it is looked at again");
	leave_descriptors(1);
	is_int(spool_sweep_old(in), 1, "nor with one for the directory");
	leave_descriptors(RLIM_INFINITY);
	ok(stat(path, &st) == 0 && st.st_size == 0, "it is there, and empty");
	close(fd);
	ok(spool_sweep_old(in) == 0 && stat(path, &st) == -1,
	    "and removed when nobody holds it");
	rmdir(in);
	free(path);
}

static void
usage_cb(const char *account, uint64_t minute, const uint64_t used[], void *arg)
{
	uint64_t *sum = arg;

	if (minute % 60000 != 0)
		return;
	if (strcmp(account, "alice@example.org") == 0)
		sum[0] += used[LIMIT_RECIPIENTS];
	else if (strcmp(account, "alice@example.org/phone") == 0)
		sum[1] += used[LIMIT_RECIPIENTS];
}

/*
 * Pages while every third message has a newer state than the index, every
 * fifth is gone, and some the index has never seen.
 */
static void
test_pages(bool disk)
{
	struct store_msg *v = xcalloc(300, sizeof(*v));
	uint64_t after = 0, after_ms = 0, last = 0;
	size_t i, n, page, seen = 0, known = 0;
	bool rising = true;

	for (i = 0; i < 300; i++) {
		if (i == 250)
			ok(wait_for(&settled_count, settled_count + 1),
			    "most are in the index");
		make(&v[i], "x\r\n");
		v[i].due_ms += (300 - i) / 10;
		store_accept(store, &v[i], -1, NULL, NULL, NULL);
	}
	if (disk)
		ok(wait_for(&settled_count, settled_count + 1), "or all");
	for (i = 0; i < 300; i++) {
		v[i].attempts = 9;
		if (i % 5 == 0)
			store_remove(store, &v[i], NULL, NULL, NULL);
		else if (i % 3 == 0)
			store_update(store, &v[i], NULL, NULL, NULL);
	}
	do {
		list(after, 7);
		page = got.n;
		for (n = 0; n < page; n++) {
			rising &= got.ids[n] > after;
			after = got.ids[n];
		}
		seen += page;
	} while (page == 7);
	is_int(seen, 240, "pages of seven list each message once");
	ok(rising, "in order");
	do {
		due_behind(after_ms, last, UINT64_MAX, 7);
		page = got.n;
		for (n = 0; n < page; n++) {
			rising &= got.due[n] > after_ms ||
			    (got.due[n] == after_ms && got.ids[n] > last);
			after_ms = got.due[n];
			last = got.ids[n];
		}
		known += page;
	} while (page == 7);
	ok(rising, "in order of due times");
	ok(known >= (disk ? 100 : 240) && known <= 240,
	    "as much as is settled (%zu)", known);
	for (i = 0; i < 300; i++) {
		if (i % 5 != 0)
			store_remove(store, &v[i], NULL, NULL, NULL);
		store_msg_clear(&v[i]);
	}
	list(0, 10);
	is_int(got.n, 0, "all gone");
	free(v);
}

static void
test_many(bool disk)
{
	struct store_msg *v = xcalloc(500, sizeof(*v));
	uint64_t sum[2] = { 0, 0 }, sum2[2] = { 0, 0 };
	int i, before = done_count;
	char text[900];

	if (disk)
		reopen();
	store_usage(store, 3600, usage_cb, sum);
	memset(text, 'y', sizeof(text));
	for (i = 0; i < 500; i++) {
		snprintf(text, sizeof(text), "body %d", i);
		text[strlen(text)] = ' ';
		text[sizeof(text) - 1] = '\0';
		make(&v[i], text);
		store_accept(store, &v[i], -1, done_cb, NULL, NULL);
		if (i % 3 == 0) {
			v[i].attempts = 7;
			store_update(store, &v[i], NULL, NULL, NULL);
		}
		if (i % 5 == 0)
			store_remove(store, &v[i], NULL, NULL, NULL);
	}
	ok(wait_for(&done_count, before + 500), "five hundred accepted");
	is_int(store_count(store), 400, "and a hundred removed at once");
	if (disk)
		reopen();
	is_int(store_count(store), 400, "four hundred are there");
	list(0, 600);
	is_int(got.n, 400, "and listed");
	body(v[499].id);
	ok(strncmp(got.body, "body 499 ", 9) == 0, "with the right bodies");
	load(v[3].id);
	is_int(got.attempts, 7, "in their newest state");
	if (disk) {
		store_usage(store, 3600, usage_cb, sum2);
		is_int(sum2[0] - sum[0], 1000, "what was charged is known exactly");
		is_int(sum2[1] - sum[1], 1000, "and by which device");
	}
	for (i = 0; i < 500; i++) {
		if (i % 5 != 0)
			store_remove(store, &v[i], NULL, done_cb, NULL);
		store_msg_clear(&v[i]);
	}
	ok(wait_for(&done_count, before + 900), "all removed again");
	free(v);
}

/* One after the other, however they are read, as long as a page is small. */
static void
test_large(bool disk)
{
	enum { LARGE = 5, RCPTS = 40 };	/* ten units each */
	struct store_msg m[LARGE];
	int i, k, before = done_count, settled = settled_count;
	uint64_t after = 0, after_ms = 0;

	for (i = 0; i < LARGE; i++) {
		make(&m[i], "x");
		free(m[i].rcpts);
		for (k = 2; k < RCPTS; k++)
			envelope_add_rcpt(&m[i].env, "dave@example.net", NULL,
			    0);
		store_msg_fit(&m[i]);
		is_int(store_msg_units(&m[i]), 10, "forty recipients");
		store_accept(store, &m[i], -1, done_cb, NULL, NULL);
	}
	ok(wait_for(&done_count, before + LARGE), "large ones are accepted");
	for (k = 0; k < 2; k++) {
		list(0, 25);
		is_int(got.n, 3, "a page holds what it has room for, and one");
		for (i = 0, after = 0; i < LARGE; i++) {
			list(after, 10);
			ok(got.n == 1 && got.ids[0] == m[i].id,
			    "a page of one");
			after = m[i].id;
		}
		list(after, 10);
		is_int(got.n, 0, "none: that was all");
		list(0, 1);
		is_int(got.n, 1, "however small a page is");
		if (k == 0)
			ok(wait_for(&settled_count, settled + LARGE),
			    "settled");
	}
	for (i = 0, after = 0; i < LARGE; i++) {
		due_behind(after_ms, after, UINT64_MAX, 10);
		ok(got.n == 1 && got.ids[0] == m[i].id, "what is due, too");
		after = got.ids[0];
		after_ms = got.due[0];
	}
	due_behind(after_ms, after, UINT64_MAX, 10);
	is_int(got.n, 0, "up to its end");
	/* A page whose room is taken by what has gone meanwhile goes on. */
	if (disk) {
		for (i = 0; i < LARGE - 1; i++)
			store_remove(store, &m[i], NULL, NULL, NULL);
		list(0, 10);
		ok(got.n == 1 && got.ids[0] == m[LARGE - 1].id,
		    "the first four are stale");
		store_remove(store, &m[LARGE - 1], NULL, done_cb, NULL);
	} else
		for (i = 0; i < LARGE; i++)
			store_remove(store, &m[i], NULL,
			    i == LARGE - 1 ? done_cb : NULL, NULL);
	ok(wait_for(&done_count, before + LARGE + 1), "removed");
	for (i = 0; i < LARGE; i++)
		store_msg_clear(&m[i]);
}

static void
test_ids(void)
{
	static const char *bad[] = { "", "0", "0000000000000", "000000000000i",
	    "00000000000000", "g000000000000", "zzzzzzzzzzzzz",
	    "00000000000_0" };
	uint64_t ids[] = { 1, 31, 32, UINT64_MAX, 1800000000000ULL << 20 };
	char text[STORE_ID_LEN + 1];
	size_t i;

	for (i = 0; i < nitems(ids); i++) {
		store_id_text(ids[i], text);
		ok(store_id_parse(text) == ids[i], "%s is an id", text);
	}
	for (i = 0; i < nitems(bad); i++)
		is_int(store_id_parse(bad[i]), 0, "\"%s\" is none", bad[i]);
}

/* What a clock ahead has given is no id of ours any more. */
static void
test_ids_ahead(bool real)
{
	int before = done_count;
	struct store_msg m;
	uint64_t id;

	make(&m, "of a clock ahead");
	m.id = id = (ev_wall_ms() + 1000000) << 20;
	store_accept(store, &m, -1, done_cb, NULL, NULL);
	ok(wait_for(&done_count, before + 1), "accepted");
	ok(store_new_id(store) > id, "ids go on from it");
	store_ids_beyond(store, id + 1000);
	ok(store_new_id(store) > id + 1000, "or from what is asked for");
	store_ids_beyond(store, id);
	ok(store_new_id(store) > id + 1000, "and never back");
	if (real)
		reopen();
	ok(store_new_id(store) > id, "behind a restart, too");
	store_remove(store, &m, NULL, done_cb, NULL);
	ok(wait_for(&done_count, before + 2), "removed");
	store_msg_clear(&m);
}

static size_t
segments(void)
{
	char *path = xasprintf("%s/journal", dir);
	DIR *d = opendir(path);
	struct dirent *e;
	size_t n = 0;

	while ((e = readdir(d)) != NULL)
		n += strstr(e->d_name, ".seg") != NULL;
	closedir(d);
	free(path);
	return n;
}

/*
 * A message that waits, and eighty times a segment's worth that does not. The
 * threads get as long as they need on a busy machine: each round waits until
 * there are few segments, or for a second; a store that never uses one again
 * is past them all the same.
 */
static void
test_pinned(void)
{
	struct store_msg keep[3], m;
	char *text = xmalloc(20001);
	size_t most = 0;
	int i, k;

	reopen();
	memset(text, 'z', 20000);
	text[20000] = '\0';
	for (i = 0; i < 3; i++)
		accept_msg(&keep[i], "kept\r\n");
	for (i = 0; i < 80; i++) {
		for (k = 0; k < 50; k++) {
			make(&m, text);
			store_accept(store, &m, -1, done_cb, NULL, NULL);
			store_remove(store, &m, NULL, NULL, NULL);
			store_msg_clear(&m);
		}
		if (i == 40)
			store_remove(store, &keep[1], NULL, NULL, NULL);
		ev_clock_step(1000);
		for (k = 0; k < 10 || (k < 500 && segments() >= 10); k++)
			ev_loop_once(2);
		if (segments() > most)
			most = segments();
	}
	ok(most < 20, "old segments are used again (%zu at most)", most);
	is_int(store_count(store), 2, "two are kept");
	body(keep[0].id);
	is_str(got.body, "kept\r\n", "with their bodies");
	reopen();
	is_int(store_count(store), 2, "and are there afterwards");
	body(keep[2].id);
	is_str(got.body, "kept\r\n", "with their bodies");
	list(0, 10);
	ok(got.n == 2 && got.ids[0] == keep[0].id && got.ids[1] == keep[2].id,
	    "and no others");
	for (i = 0; i < 3; i++)
		store_msg_clear(&keep[i]);
	free(text);
}

static int
remove_cb(const char *path, const struct stat *st, int kind, struct FTW *f)
{
	return remove(path);
}

int
main(void)
{
	ev_init();
	ev_clock_fake(1000000, ev_wall_ms());
	if (mkdtemp(dir) == NULL)
		return 1;
	test_ids();
	store = store_open_memory(&ops, NULL);
	test_life(false);
	test_bounces(false);
	test_bytes(1);
	test_bytes(ENVELOPE_RCPT_MAX);
	test_hold();
	test_spool(false);
	test_many(false);
	test_pages(false);
	test_large(false);
	test_ids_ahead(false);
	store_close(&store);
	settled_count = 0;
	store = open_disk();
	test_life(true);
	test_bounces(true);
	test_hold();
	test_spool(true);
	test_lent(true);
	test_lent(false);
	test_lent_in_vain();
	test_sweep_starved();
	test_many(true);
	test_pages(true);
	test_large(true);
	test_pinned();
	test_ids_ahead(true);
	store_close(&store);
	free(got.first_status);
	free(got.orcpt);
	free(got.errstr);
	nftw(dir, remove_cb, 16, FTW_DEPTH | FTW_PHYS);
	return tap_done();
}
