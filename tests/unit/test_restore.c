/*
 * queue restore over the real store, with a disk that is slow at the worst
 * moment: what is ordered before a message is durable, two restores of one
 * backup at once, one beside an import, a queue that stops, and ids of clocks
 * that are ahead of ours.
 */
#include "lib/prelude.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <time.h>

#include "queue/ctl_asked.h"
#include "queue/ctl_handed.h"
#include "queue/vault.h"
#include "tests/unit/ctl_world.h"

#define LARGE	(700 * 1024)
#define LONG	(3 * 1024 * 1024)	/* it is read in several goes */
#define SMALL	2000
#define PATIENCE_SEC 60

static char dir[] = "/tmp/postern-restore-XXXXXX";

/* --- a disk that waits ------------------------------------------------------------ */

static struct gate {
	bool	 shut;
	int	 before;	/* threads that wait */
} spool, journal, backup, unlinks;

static void
shut(struct gate *g)
{
	__atomic_store_n(&g->shut, true, __ATOMIC_SEQ_CST);
}

static void
open_gate(struct gate *g)
{
	__atomic_store_n(&g->shut, false, __ATOMIC_SEQ_CST);
}

static int
before(struct gate *g)
{
	return __atomic_load_n(&g->before, __ATOMIC_SEQ_CST);
}

static void
pass(struct gate *g)
{
	__atomic_add_fetch(&g->before, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&g->shut, __ATOMIC_SEQ_CST))
		usleep(200);
	__atomic_sub_fetch(&g->before, 1, __ATOMIC_SEQ_CST);
}

static bool
is_of(int fd, const char *what)
{
	char link[64], path[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	path[n == -1 ? 0 : n] = '\0';
	return strstr(path, what) != NULL;
}

/* A large body, before its record is given to the journal. */
int
fsync(int fd)
{
	if (is_of(fd, "/spool/"))
		pass(&spool);
	return (int)syscall(SYS_fsync, fd);
}

int
fdatasync(int fd)
{
	if (is_of(fd, "/journal/"))
		pass(&journal);
	return (int)syscall(SYS_fdatasync, fd);
}

/* The file of a message that has left. */
int
unlink(const char *path)
{
	if (strstr(path, "/spool/") != NULL && strstr(path, "/new-") == NULL)
		pass(&unlinks);
	return (int)syscall(SYS_unlink, path);
}

/* A file system that gives less than it has. */
static size_t in_bits = SIZE_MAX;

/* A restore in the midst of a body, the second time through its file. */
ssize_t
pread(int fd, void *p, size_t n, off_t at)
{
	static _Thread_local int passes;

	if (is_of(fd, "memfd:backup")) {
		passes += at == 0;
		if (passes == 2 && at > 0)
			pass(&backup);
	}
	if (at == 0 && n > in_bits && is_of(fd, "memfd:content"))
		n = in_bits;
	return syscall(SYS_pread64, fd, p, n, at);
}

/* What happens while the store looks for a message. */
static void (*meanwhile)(uint64_t id);

void	__real_store_load(struct store *, uint64_t, store_msgs *, void *);
void	__wrap_store_load(struct store *, uint64_t, store_msgs *, void *);

void
__wrap_store_load(struct store *s, uint64_t id, store_msgs *cb, void *arg)
{
	void (*now)(uint64_t) = (id & 1 << 19) == 0 ? meanwhile : NULL;

	if (now != NULL)
		meanwhile = NULL;
	__real_store_load(s, id, cb, arg);
	if (now != NULL)
		now(id);
}

/* A store that could not write its number down. */
static bool nameless;

uint64_t	__real_store_identity(const struct store *);
uint64_t	__wrap_store_identity(const struct store *);

uint64_t
__wrap_store_identity(const struct store *s)
{
	return nameless ? 0 : __real_store_identity(s);
}

/* What goes on in turns of its own, here an import, stands still. */
static bool still;
static struct asked *standing;
static void (*its_next)(struct asked *);

void	__real_asked_later(struct asked *, uint64_t, void (*)(struct asked *));
void	__wrap_asked_later(struct asked *, uint64_t, void (*)(struct asked *));

void
__wrap_asked_later(struct asked *a, uint64_t ms, void (*next)(struct asked *))
{
	if (!still || a->id != OTHER) {
		__real_asked_later(a, ms, next);
		return;
	}
	standing = a;
	its_next = next;
}

/* --- the queue ---------------------------------------------------------------------- */

static void
turn(uint64_t ms)
{
	ev_clock_step(ms);
	ev_loop_once(0);
	usleep(100);
}

#define await(cond, ...)						\
	do {								\
		time_t until_ = time(NULL) + PATIENCE_SEC;		\
									\
		while (!(cond) && time(NULL) < until_)			\
			turn(1);					\
		ok((cond), __VA_ARGS__);				\
	} while (0)

/* Long enough for checkpoints, if nothing waits. */
static void
settle(void)
{
	int i;

	for (i = 0; i < 100; i++) {
		turn(200);
		usleep(1000);
	}
}

static struct store *
open_disk(struct queue *q, const char **errstr)
{
	struct store_conf c = { .dir = dir, .segment_bytes = 8 * 1024 * 1024,
	    .cache_bytes = 1024 * 1024, .min_free_bytes = 0 };

	return store_open(&c, &queue_store_ops, q, errstr);
}

static void
start(void)
{
	const char *why = queue_open(&world, &world_conf, open_disk);

	world.told = true;
	is_str(why, NULL, "the queue opens");
}

static void
restart(void)
{
	queue_close(&world);
	start();
}

static int
remove_cb(const char *path, const struct stat *st, int kind, struct FTW *f)
{
	return f->level == 0 ? 0 : remove(path);
}

static void
wipe(void)
{
	nftw(dir, remove_cb, 16, FTW_DEPTH | FTW_PHYS);
}

static void
lose_everything(void)
{
	queue_close(&world);
	wipe();
	start();
}

/* --- asking ------------------------------------------------------------------------- */

static void
order(const char *verb, const char *id)
{
	char words[80];

	snprintf(words, sizeof(words), "queue %s %s", verb, id);
	begin(words);
	await(said.ended == 1, "%s: %s", words, said.end);
}

static uint64_t
answer(const struct world_said *s, const char *key)
{
	const char *at = strstr(s->all, key);

	return at == NULL ? 0 : strtoull(at + strlen(key) + 1, NULL, 10);
}

static char *
body_of(size_t n)
{
	char *p = xmalloc(n + 1);
	size_t i;

	for (i = 0; i < n; i++)
		p[i] = i % 70 == 68 ? '\r' : i % 70 == 69 ? '\n' :
		    (char)('a' + i / 70 % 26);
	memcpy(p + n - 2, "\r\n", 3);
	return p;
}

static int
content(size_t n)
{
	char *p = body_of(n);
	int fd = memfd_create("content", MFD_CLOEXEC);

	if (fd == -1 || pwrite(fd, p, n, 0) != (ssize_t)n)
		fatal("memfd");
	free(p);
	return fd;
}

/* A backup of one message, and an empty queue. */
static int
backup_of(size_t size, char id[STORE_ID_LEN + 1])
{
	int fd = memfd_create("backup", MFD_CLOEXEC);
	const char *at;

	lose_everything();
	file = content(size);
	begin("queue import from=alice@example.org to=z@example.net hold=1");
	await(said.ended == 1 && said.code == CTL_OK, "a message: %s",
	    said.end);
	at = strstr(said.all, "id=");
	snprintf(id, STORE_ID_LEN + 1, "%s", at == NULL ? "" : at + 3);
	file = dup(fd);
	begin("queue backup");
	await(said.ended == 1 && said.code == CTL_OK, "a backup: %s",
	    said.end);
	lose_everything();
	return fd;
}

static void
restore_as(uint64_t asker, int fd)
{
	file = dup(fd);
	begin_as(asker, "queue restore");
}

/* It has begun, and its message cannot become durable. */
static void
begin_restore(struct gate *g, int fd)
{
	shut(g);
	restore_as(OTHER, fd);
	await(before(g) == 1 && store_count(world.store) == 1,
	    "a restore whose disk is slow");
}

static void
go_on(struct gate *g)
{
	settle();	/* with what was ordered meanwhile */
	is_int(aside.ended, 0, "it is not done before it is durable");
	open_gate(g);
	await(aside.ended == 1 && aside.code == CTL_OK &&
	    answer(&aside, "restored") == 1, "it is restored: %s", aside.end);
	settle();
}

/* The one message there is, as the store has it behind a restart too. */
static bool
is_listed(const char *id, const char *how)
{
	order("show", id);
	return said.code == CTL_OK && strstr(said.all, how) != NULL;
}

static bool
comes_whole(size_t size)
{
	char *want = body_of(size), *got = xmalloc(size);
	struct world_job j;
	bool whole = false;

	world_connect(&relay, ROLE_RELAY, 0);
	await(relay.n > 0, "it goes out");
	if (world_job(&relay, &j)) {
		whole = j.size == size && (j.fd == -1 ?
		    memcmp(j.body, want, size) == 0 :
		    pread(j.fd, got, size, 0) == (ssize_t)size &&
		    memcmp(got, want, size) == 0);
		world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
		await(store_count(world.store) == 0, "and is gone");
	}
	world_disconnect(&relay);
	free(want);
	free(got);
	return whole;
}

/* --- orders before it is durable ---------------------------------------------------- */

/* What is answered is so after a crash, too: it cannot be yet. */
static void
begin_order(const char *verb, const char *id)
{
	char words[80];

	snprintf(words, sizeof(words), "queue %s %s", verb, id);
	begin(words);
	settle();
	is_int(said.ended, 0, "%s: it waits", words);
}

static void
obeyed(const char *how)
{
	await(said.ended == 1, "it is answered then");
	is_str(said.end, how, "as was ordered");
}

static void
test_remove(struct gate *g, size_t size)
{
	char id[STORE_ID_LEN + 1];
	int fd = backup_of(size, id);

	begin_restore(g, fd);
	begin_order("remove", id);
	go_on(g);
	obeyed("1 message removed.");
	is_int(store_count(world.store), 0, "and gone");
	restart();
	is_int(store_count(world.store), 0, "behind a restart, too");
	restore_as(OTHER, fd);
	await(aside.ended == 1 && answer(&aside, "restored") == 1,
	    "its id is free again: %s", aside.end);
	close(fd);
}

static void
test_release(struct gate *g, size_t size)
{
	char id[STORE_ID_LEN + 1];
	int fd = backup_of(size, id);

	begin_restore(g, fd);
	begin("queue list state=held");
	await(said.ended == 1 && said.rows == 1, "it is listed as held");
	begin_order("release", id);
	go_on(g);
	obeyed("1 message released.");
	restart();
	ok(is_listed(id, "released by admin") && !is_listed(id, "state=held"),
	    "behind a restart, too");
	ok(comes_whole(size), "byte for byte");
	close(fd);
}

/* Without a restart: not before its body can be read. */
static void
test_goes_out(struct gate *g, size_t size)
{
	char id[STORE_ID_LEN + 1];
	int fd = backup_of(size, id);

	begin_restore(g, fd);
	world_connect(&relay, ROLE_RELAY, 0);
	begin_order("release", id);
	is_int(relay.n, 0, "nothing goes out yet");
	world_disconnect(&relay);
	go_on(g);
	obeyed("1 message released.");
	ok(!is_listed(id, "4.3.0"), "its body was not asked for too early");
	ok(comes_whole(size), "byte for byte");
	close(fd);
}

static void
test_redirect(struct gate *g, size_t size)
{
	char id[STORE_ID_LEN + 1];
	int fd = backup_of(size, id);

	begin_restore(g, fd);
	begin_order("redirect up", id);
	go_on(g);
	obeyed("1 message redirected.");
	restart();
	ok(is_listed(id, "sent to route up by admin") &&
	    is_listed(id, "state=held"), "behind a restart, too");
	close(fd);
}

static void
test_hold(struct gate *g, size_t size)
{
	char id[STORE_ID_LEN + 1];
	int fd = backup_of(size, id);

	begin_restore(g, fd);
	order("show", id);
	ok(said.code == CTL_OK || (said.code == CTL_TEMPORARY &&
	    strstr(said.end, "being stored") != NULL), "it can be read, or "
	    "not yet: %s", said.end);
	begin_order("hold", id);
	go_on(g);
	obeyed("0 messages held; 1 on hold already.");
	restart();
	ok(is_listed(id, "state=held"), "behind a restart, too");
	close(fd);
}

/* Nor is an order about what has long been there. */
static void
test_durable(void)
{
	char id[STORE_ID_LEN + 1];
	int fd = backup_of(SMALL, id);

	restore_as(OTHER, fd);
	await(aside.ended == 1, "a message that is on hold");
	shut(&journal);
	begin_order("release", id);
	open_gate(&journal);
	obeyed("1 message released.");
	close(fd);
}

/* What an import takes in is in the same state. */
static void
test_import(void)
{
	char id[STORE_ID_LEN + 1];
	int fd = backup_of(SMALL, id);
	struct live_msg *lm;

	shut(&spool);
	file = content(LARGE);
	begin_as(OTHER, "queue import from=alice@example.org to=z@example.net");
	await(before(&spool) == 1, "an import whose disk is slow");
	begin("queue redirect up all=yes");
	settle();
	is_int(said.ended, 0, "an order waits for it");
	open_gate(&spool);
	await(aside.ended == 1 && aside.code == CTL_OK, "it is imported");
	obeyed("1 message redirected.");
	restart();
	await(live_count(world.live) == 1, "it is due");
	lm = (struct live_msg *)table_next(&world.live->msgs, NULL);
	ok(lm != NULL && lm->m.route != NULL && strcmp(lm->m.route, "up") ==
	    0 && lm->m.hold == HOLD_NONE, "as ordered, behind a restart too");
	ok(comes_whole(LARGE), "byte for byte");
	close(fd);
}

/* --- two at once -------------------------------------------------------------------- */

/* Both have seen that the message is not there, and read its body. */
static void
test_two_large(void)
{
	char id[STORE_ID_LEN + 1];
	int fd = backup_of(LONG, id);

	shut(&backup);
	restore_as(7, fd);
	restore_as(OTHER, fd);
	await(before(&backup) == 2, "two restores in the midst of a body");
	open_gate(&backup);
	await(said.ended == 1 && aside.ended == 1, "both end: %s %s",
	    said.end, aside.end);
	is_int(answer(&said, "restored") + answer(&aside, "restored"), 1,
	    "one of them restores it");
	is_int(answer(&said, "queued_already") +
	    answer(&aside, "queued_already"), 1, "the other one finds it");
	settle();
	is_int(store_count(world.store), 1, "it is there once");
	order("remove", id);
	settle();
	is_int(store_count(world.store), 0, "and not at all once it is "
	    "removed");
	restart();
	is_int(store_count(world.store), 0, "behind a restart, too");
	close(fd);
}

/* An import of unknown fate under an id that a restore queues meanwhile. */
static void
test_import_beside(bool stored)
{
	char id[STORE_ID_LEN + 1], self[STORE_ID_LEN + 1], words[200];
	int fd = backup_of(LARGE, id);

	store_id_text(store_identity(world.store), self);
	snprintf(words, sizeof(words), "queue import from=alice@example.org "
	    "to=z@example.net as=%s-%s", self, id);
	still = true;
	file = content(LARGE);
	begin_as(OTHER, words);
	await(standing != NULL, "an import in the midst of a body");
	if (!stored)
		shut(&journal);
	restore_as(7, fd);
	await(stored ? said.ended == 1 : before(&journal) == 1,
	    "a restore beside it");
	still = false;
	__real_asked_later(standing, 0, its_next);
	standing = NULL;
	if (!stored) {
		settle();
		is_int(aside.ended, 0, "it waits for what may be refused");
		open_gate(&journal);
	}
	await(said.ended == 1 && answer(&said, "restored") == 1, "restored");
	await(aside.ended == 1 && strstr(aside.all, "known=true;") != NULL,
	    "and the import knows it: %s %s", aside.all, aside.end);
	is_int(store_count(world.store), 1, "it is there once");
	order("remove", id);
	settle();
	restart();
	is_int(store_count(world.store), 0, "and removed for good");
	close(fd);
}

/* The second one does not take for granted what may still be refused. */
static void
test_two(struct gate *g, size_t size)
{
	char id[STORE_ID_LEN + 1];
	int fd = backup_of(size, id);

	begin_restore(g, fd);
	restore_as(7, fd);
	settle();
	is_int(said.ended, 0, "a second one waits with it");
	go_on(g);
	await(said.ended == 1 && said.code == CTL_OK &&
	    answer(&said, "queued_already") == 1, "and finds it: %s",
	    said.end);
	is_int(store_count(world.store), 1, "it is there once");
	close(fd);
}

/* --- removed while the store looks for it -------------------------------------------- */

static void
remove_now(uint64_t id)
{
	const struct life_order o = { LIFE_REMOVE, HOLD_NONE, NULL, "admin" };
	struct store_msg m;

	store_msg_init(&m);
	m.id = id;
	m.hold = HOLD_ADMIN;
	m.account = xstrdup("");
	m.cap = xstrdup("");
	m.env.return_path = xstrdup("");
	envelope_add_rcpt(&m.env, "z@example.net", NULL, 0);
	store_msg_fit(&m);
	m.in_spool = false;
	is_int(life_obey(&world, &m, &o), LIFE_DONE, "removed meanwhile");
	store_msg_clear(&m);
}

static void
test_leaving(void)
{
	char id[STORE_ID_LEN + 1];
	int fd = backup_of(SMALL, id), i;

	restore_as(7, fd);
	await(said.ended == 1 && answer(&said, "restored") == 1, "restored");
	shut(&journal);
	meanwhile = remove_now;
	file = dup(fd);
	begin_as(OTHER, "queue restore again=yes");
	for (i = 0; i < 300; i++)
		turn(1);
	is_int(aside.ended, 0, "one that is being removed is waited for");
	open_gate(&journal);
	await(aside.ended == 1 && answer(&aside, "restored") == 1,
	    "and comes back: %s", aside.end);
	ok(is_listed(id, "state=held"), "it is there");
	settle();
	restart();
	is_int(store_count(world.store), 1, "behind a restart, too");
	close(fd);
}

/* --- ids of other clocks -------------------------------------------------------------- */

#define A_DAY		86400000ULL
#define SELF_LEN	(2 * STORE_ID_LEN + 1)

static uint64_t
id_ahead(uint64_t ms)
{
	return (ev_wall_ms() + ms) << 20;
}

static uint64_t foreign_store = 1;
static const char *foreign_note;	/* its history there; NULL: none */

/* Of a queue elsewhere, whose clock says so much more than ours. */
static int
foreign_backup(const uint64_t *ids, size_t n, uint64_t ahead_ms,
    uint64_t hold_ms)
{
	static const char body[] = "Subject: from elsewhere\r\n\r\n";
	int fd = memfd_create("foreign", MFD_CLOEXEC);
	uint64_t now = ev_wall_ms() + ahead_ms;
	struct store_msg m;
	struct buf b;
	size_t i;

	buf_init(&b, VAULT_FRAME_MAX);
	vault_put_head(&b, &(struct vault_head){ .store = foreign_store,
	    .taken_ms = now });
	for (i = 0; i < n; i++) {
		store_msg_init(&m);
		m.id = ids[i];
		m.arrived_ms = m.due_ms = now;
		m.expires_ms = now + A_DAY;
		m.account = xstrdup("alice@example.org");
		m.cap = xstrdup("default");
		m.env.return_path = xstrdup("alice@example.org");
		m.env.hold_until_ms = hold_ms == 0 ? 0 : now + hold_ms;
		envelope_add_rcpt(&m.env, "z@example.net", NULL, 0);
		if (foreign_note != NULL)
			store_msg_note(&m, now, foreign_note);
		store_msg_fit(&m);
		m.size = sizeof(body) - 1;
		vault_put_msg(&b, &m, (const uint8_t *)body, m.size);
		store_msg_clear(&m);
	}
	vault_put_end(&b, n);
	if (fd == -1 || pwrite(fd, b.data, b.len, 0) != (ssize_t)b.len)
		fatal("memfd");
	buf_clear(&b);
	return fd;
}

static void
restore(int fd, uint64_t restored, uint64_t present, const char *what)
{
	restore_as(7, fd);
	await(said.ended == 1 && said.code == CTL_OK &&
	    answer(&said, "restored") == restored &&
	    answer(&said, "queued_already") == present, "%s: %s %s", what,
	    said.all, said.end);
}

/* An id for an import, as posternctl is given it. */
static void
hand_out(char as[SELF_LEN + 1])
{
	const char *at;

	begin("queue import ids=1");
	await(said.ended == 1 && said.code == CTL_OK, "an id is handed out");
	at = strstr(said.all, "id=");
	snprintf(as, SELF_LEN + 1, "%s", at == NULL ? "" : at + 3);
}

/* Its id; as may be NULL. */
static uint64_t
import(const char *as, const char *to)
{
	char words[200], id[STORE_ID_LEN + 1];
	const char *at;

	snprintf(words, sizeof(words), "queue import from=alice@example.org "
	    "to=%s hold=1%s%s", to, as == NULL ? "" : " as=",
	    as == NULL ? "" : as);
	file = content(SMALL);
	begin(words);
	await(said.ended == 1 && said.code == CTL_OK, "imported: %s %s",
	    said.all, said.end);
	at = strstr(said.all, "id=");
	snprintf(id, sizeof(id), "%s", at == NULL ? "" : at + 3);
	return store_id_parse(id);
}

static uint64_t
listed(void)
{
	begin("queue list");
	await(said.ended == 1 && said.code == CTL_OK, "a list");
	return said.rows;
}

/* What comes in beside a restore takes no id of what is still to come. */
static void
test_ahead(void)
{
	static uint64_t ids[200];
	char id[STORE_ID_LEN + 1];
	int fd;
	size_t i;

	lose_everything();
	for (i = 0; i < nitems(ids); i++)
		ids[i] = id_ahead(A_DAY) + i;
	fd = foreign_backup(ids, nitems(ids), 0, 0);
	restore_as(OTHER, fd);
	await(store_count(world.store) >= 50, "a restore of a clock ahead");
	for (i = 0; i < 3; i++)
		import(NULL, "new@example.net");
	await(aside.ended == 1 && answer(&aside, "restored") == nitems(ids),
	    "brings all: %s", aside.end);
	is_int(listed(), nitems(ids) + 3, "all are seen");
	restore(fd, 0, nitems(ids), "and again none");
	store_id_text(ids[7], id);
	ok(!is_listed(id, "where it is"), "each under its own id");
	close(fd);
}

/* Two queues have given the same id. */
static void
test_another(void)
{
	uint64_t ids[2] = { id_ahead(A_DAY) };
	char id[STORE_ID_LEN + 1];
	int one, two;

	lose_everything();
	one = foreign_backup(ids, 1, 0, 0);
	file = dup(one);
	begin("queue restore dry-run=yes");
	await(said.ended == 1 && answer(&said, "restored") == 1, "a dry run");
	ok(store_new_id(world.store) < ids[0], "leaves ids as they are");
	restore(one, 1, 0, "one of a clock ahead");
	ids[1] = import(NULL, "new@example.net");
	ok(ids[1] >> 20 > ids[0] >> 20, "the next ones are beyond its clock");
	two = foreign_backup(ids, 2, 0, 0);
	restore(two, 1, 1, "what has the id of another one");
	is_int(listed(), 3, "is beside it");
	restore(two, 0, 2, "and is found there");
	settle();
	restart();
	restore(two, 0, 2, "behind a restart, too");
	store_id_text(ids[1] | 1 << 19, id);
	ok(is_listed(id, "where it is"), "its history names its id there: %s",
	    said.all);
	close(one);
	close(two);
}

/* ... and the other one has left when the restore is made again. */
static void
test_other_left(void)
{
	char id[STORE_ID_LEN + 1];
	uint64_t mine;
	int fd;

	lose_everything();
	mine = import(NULL, "new@example.net");
	fd = foreign_backup(&mine, 1, 0, 0);
	restore(fd, 1, 0, "beside the one that has its id here");
	store_id_text(mine, id);
	order("remove", id);
	settle();
	restore_as(7, fd);
	await(said.ended == 1 && said.code == CTL_OK, "made again: %s",
	    said.end);
	is_int(answer(&said, "queued_already"), 1, "it is found beside the "
	    "place that is free now");
	is_int(store_count(world.store), 1, "and is not queued twice");
	close(fd);
}

/* ... nor when it has been tried so often that its history forgot where it was. */
static void
test_other_left_late(void)
{
	char id[STORE_ID_LEN + 1], answer_text[64];
	struct world_job j;
	uint64_t mine;
	bool got;
	int fd, i;

	lose_everything();
	mine = import(NULL, "new@example.net");
	foreign_note = "deferred 4.2.2: elsewhere";
	fd = foreign_backup(&mine, 1, 0, 0);
	foreign_note = NULL;
	restore(fd, 1, 0, "one that was tried elsewhere");
	world_connect(&relay, ROLE_RELAY, 0);
	begin("queue release restored=yes");
	await(said.ended == 1 && said.code == CTL_OK, "let go: %s", said.end);
	for (i = 0; i < STORE_EVENTS_MAX; i++) {
		got = false;
		await((got = got || world_job(&relay, &j)), "it is tried");
		snprintf(answer_text, sizeof(answer_text), "452 full, no. %d",
		    i);
		world_answer(&relay, &j, OUTCOME_DEFERRED, "4.2.2",
		    answer_text);
		settle();
		if (i + 1 < STORE_EVENTS_MAX) {
			begin("queue retry to=z@example.net");
			await(said.ended == 1, "again");
		}
	}
	store_id_text(mine, id);
	order("remove", id);
	settle();
	restore_as(7, fd);
	await(said.ended == 1 && said.code == CTL_OK, "made again: %s",
	    said.end);
	is_int(answer(&said, "queued_already"), 1, "it is found beside its "
	    "place");
	is_int(store_count(world.store), 1, "and is not queued twice");
	world_disconnect(&relay);
	close(fd);
}

/* What waits for one file to go is no other message. */
static void
test_file_goes(void)
{
	char id[STORE_ID_LEN + 1], large[STORE_ID_LEN + 1];
	int fd = backup_of(SMALL, id);
	const char *at;

	file = content(LARGE);
	begin("queue import from=alice@example.org to=z@example.net hold=1");
	await(said.ended == 1 && said.code == CTL_OK, "a large one");
	at = strstr(said.all, "id=");
	snprintf(large, sizeof(large), "%s", at == NULL ? "" : at + 3);
	shut(&unlinks);
	order("remove", large);
	await(before(&unlinks) == 1, "its file is being removed");
	ok(store_leaving(world.store, store_id_parse(large)),
	    "it is not gone yet");
	ok(!store_leaving(world.store, store_id_parse(id)),
	    "another one was never here");
	restore_as(7, fd);
	settle();
	ok(said.ended == 1 && answer(&said, "restored") == 1,
	    "and is restored meanwhile: %s", said.end);
	open_gate(&unlinks);
	await(said.ended == 1, "it ends");
	close(fd);
}

/* The longer it lay in a backup, the longer nobody heard of its failure. */
static void
test_expires(void)
{
	uint64_t id;
	struct world_job j;
	bool told = false;
	int fd, hours;

	lose_everything();
	id = id_ahead(0) - 60 * A_DAY * STORE_IDS_A_MS;
	fd = foreign_backup(&id, 1, 0 - 60 * A_DAY, 0);
	restore(fd, 1, 0, "from a backup of sixty days ago");
	world_connect(&relay, ROLE_RELAY, 0);
	begin("queue release all=yes");
	await(said.ended == 1 && said.code == CTL_OK, "released");
	for (hours = 0; hours < 4 * 24 && !told; hours++) {
		while (world_job(&relay, &j)) {
			told |= *j.return_path == '\0';
			world_answer(&relay, &j, OUTCOME_DEFERRED, "4.2.2",
			    "452 full");
			turn(1);
		}
		turn(3600 * 1000);
		settle();
	}
	ok(told, "its day is over after four");
	world_disconnect(&relay);
	close(fd);
}

/* A small body that does not come at once is no shorter. */
static void
test_bits(void)
{
	lose_everything();
	in_bits = 700;
	file = content(SMALL);
	begin("queue import from=alice@example.org to=z@example.net");
	await(said.ended == 1 && said.code == CTL_OK, "imported in bits: %s",
	    said.end);
	in_bits = SIZE_MAX;
	ok(comes_whole(SMALL), "byte for byte");
}

/* Two that have no number are not one. */
static void
test_nameless(void)
{
	uint64_t id = id_ahead(0);
	int fd;

	lose_everything();
	nameless = true;
	foreign_store = 0;
	fd = foreign_backup(&id, 1, 0, 0);
	foreign_store = 1;
	restore_as(7, fd);
	await(said.ended == 1, "a backup of no one's: %s", said.end);
	is_int(answer(&said, "restored"), 1, "is not taken for our own");
	nameless = false;
	close(fd);
}

/* The one that has left under an id is not the one that comes. */
static void
test_other_removed(void)
{
	char as[SELF_LEN + 1], id[STORE_ID_LEN + 1];
	uint64_t n;
	int fd;

	lose_everything();
	hand_out(as);
	n = store_id_parse(as + STORE_ID_LEN + 1);
	restart();			/* it was killed before that came */
	fd = foreign_backup(&n, 1, 0, 0);
	restore(fd, 1, 0, "another one under its id");
	settle();
	store_id_text(n, id);
	order("remove", id);
	import(as, "mine@example.net");
	ok(strstr(said.all, "known=false") != NULL, "it was never here: %s",
	    said.all);
	is_int(store_count(world.store), 1, "and is queued");
	close(fd);
}

/* ... nor is the one that came under the next id, when that has left. */
static void
test_import_again(void)
{
	char as[SELF_LEN + 1], id[STORE_ID_LEN + 1];
	uint64_t n;
	int fd;

	lose_everything();
	hand_out(as);
	n = store_id_parse(as + STORE_ID_LEN + 1);
	restart();
	fd = foreign_backup(&n, 1, 0, 0);
	restore(fd, 1, 0, "another one under its id");
	settle();
	ok(import(as, "mine@example.net") == (n | 1 << 19), "beside it");
	settle();
	restart();			/* and posternctl heard nothing */
	store_id_text(n, id);
	order("remove", id);
	settle();
	import(as, "mine@example.net");
	ok(strstr(said.all, "known=true") != NULL, "it is known: %s",
	    said.all);
	is_int(store_count(world.store), 1, "and is not queued twice");
	close(fd);
}

/* The id of a message that is still to be imported comes with a restore. */
static void
test_handed(void)
{
	char as[SELF_LEN + 1];
	uint64_t id;
	int fd;

	lose_everything();
	hand_out(as);
	id = store_id_parse(as + STORE_ID_LEN + 1);
	fd = foreign_backup(&id, 1, 0, 0);
	restore(fd, 1, 0, "under an id that is handed out");
	ok(import(as, "mine@example.net") != id, "the import gets another");
	ok(strstr(said.all, "known=false") != NULL, "it is not known");
	is_int(store_count(world.store), 2, "two are queued");
	is_int(listed(), 2, "and two are seen");
	import(as, "mine@example.net");
	ok(strstr(said.all, "known=true") != NULL, "now it is known");
	settle();
	restart();
	is_int(store_count(world.store), 2, "behind a restart, too");
	import(as, "mine@example.net");
	ok(strstr(said.all, "known=true") != NULL, "and so it is: %s",
	    said.all);
	is_int(store_count(world.store), 2, "beside the other one");
	hand_out(as);
	id = store_id_parse(as + STORE_ID_LEN + 1);
	close(fd);

	/* It was killed before that message came. */
	fd = foreign_backup(&id, 1, 0, 0);
	restore(fd, 1, 0, "under another one");
	restart();
	handed_clear();
	import(as, "mine@example.net");
	ok(strstr(said.all, "known=false;doubted=true") != NULL, "in doubt it "
	    "is queued, on hold: %s", said.all);
	is_int(listed(), 4, "beside that of the restore");
	close(fd);
}

/* An import that is made again knows what has just left. */
static void
test_known_removed(void)
{
	char id[STORE_ID_LEN + 1], self[STORE_ID_LEN + 1], as[SELF_LEN + 1];
	int fd = backup_of(SMALL, id);

	store_id_text(store_identity(world.store), self);
	snprintf(as, sizeof(as), "%s-%s", self, id);
	restore(fd, 1, 0, "restored");
	settle();
	order("remove", id);
	ok(store_leaving(world.store, store_id_parse(id)), "removed just now");
	import(as, "z@example.net");
	ok(strstr(said.all, "known=true") != NULL, "it was there: %s",
	    said.all);
	is_int(store_count(world.store), 0, "and does not come back");
	close(fd);
}

/* Its ids are ahead of the clock; then it is killed. */
static void
live_and_die(int to)
{
	uint64_t id;
	char as[SELF_LEN + 1];
	int fd;

	ev_init();
	ev_clock_fake(WORLD_NOW, WORLD_WALL);
	start();
	id = id_ahead(A_DAY);
	fd = foreign_backup(&id, 1, 0, 0);
	restore(fd, 1, 0, "one of a clock ahead");
	settle();
	hand_out(as);
	hand_out(as);
	if (write(to, as, SELF_LEN) != SELF_LEN)
		_exit(1);
	kill(getpid(), SIGKILL);
}

/* What was handed out is never given again. */
static void
test_killed(void)
{
	char as[SELF_LEN + 1] = "";
	int pipes[2], status;
	pid_t pid;

	queue_close(&world);
	wipe();
	if (pipe(pipes) == -1)
		fatal("pipe");
	fflush(stdout);
	if ((pid = fork()) == 0) {
		if (freopen("/dev/null", "w", stdout) == NULL)
			_exit(1);
		live_and_die(pipes[1]);
	}
	close(pipes[1]);
	is_int(read(pipes[0], as, SELF_LEN), SELF_LEN, "an id is handed out");
	close(pipes[0]);
	waitpid(pid, &status, 0);
	start();
	ok(import(NULL, "new@example.net") >> 20 >
	    store_id_parse(as + STORE_ID_LEN + 1) >> 20, "behind kill -9 new "
	    "ids are beyond it");
	import(as, "mine@example.net");
	ok(strstr(said.all, "known=false") != NULL, "so it is not known: %s",
	    said.all);
	is_int(listed(), 3, "and it is queued");
}

static void
test_times(void)
{
	uint64_t id = id_ahead(25 * A_DAY), far = STORE_ID_TAKEN_MAX + 1;
	int fd;

	lose_everything();
	fd = foreign_backup(&id, 1, 25 * A_DAY, 10 * A_DAY);
	restore(fd, 1, 0, "to be released in ten days of its clock");
	close(fd);
	fd = foreign_backup(&far, 1, 0, 0);
	restore_as(7, fd);
	await(said.ended == 1 && said.code != CTL_OK && strstr(said.end,
	    "damaged") != NULL, "of no clock: %s", said.end);
	ok(store_new_id(world.store) < far, "and ids do not go on from it");
	close(fd);
}

/* --- a stop ------------------------------------------------------------------------------ */

static void
is_made_again(int fd, const char *what)
{
	is_int(store_count(world.store), 0, "%s: nothing is queued", what);
	restore_as(OTHER, fd);
	await(aside.ended == 1 && answer(&aside, "restored") == 1,
	    "it is made again: %s", aside.end);
	is_int(store_count(world.store), 1, "and queues it");
}

static void
test_stop(void)
{
	char id[STORE_ID_LEN + 1];
	int fd = backup_of(LONG, id);

	shut(&backup);
	restore_as(OTHER, fd);
	await(before(&backup) == 1, "a restore in the midst of a body");
	world.stopping = true;
	open_gate(&backup);
	restart();
	is_made_again(fd, "stopped in the midst of a body");

	lose_everything();
	begin_restore(&spool, fd);
	world.stopping = true;
	open_gate(&spool);
	restart();
	is_made_again(fd, "stopped while a body is synced");

	lose_everything();
	shut(&backup);
	restore_as(OTHER, fd);
	await(before(&backup) == 1, "a restore in the midst of a body");
	world.stopping = true;
	open_gate(&backup);
	await(aside.ended == 1 && aside.code == CTL_TEMPORARY, "it sees the "
	    "stop: %s", aside.end);
	restart();
	is_made_again(fd, "given up");
	close(fd);

	lose_everything();
	still = true;
	file = content(LONG);
	begin_as(OTHER, "queue import from=alice@example.org to=z@example.net");
	await(standing != NULL, "an import in the midst of a body");
	still = false;
	standing = NULL;
	restart();
	is_int(store_count(world.store), 0, "stopped: nothing is queued");
}

int
main(void)
{
	const struct {
		struct gate *gate;
		size_t	 size;
	} kinds[] = { { &spool, LARGE }, { &journal, SMALL } };
	size_t i;

	world_defaults();
	world_conf.max_message_bytes = 2 * LONG;
	if (mkdtemp(dir) == NULL)
		fatal("mkdtemp");
	ev_init();
	ev_clock_fake(WORLD_NOW, WORLD_WALL);
	log_set_sink(world_sink);
	start();
	for (i = 0; i < nitems(kinds); i++) {
		test_remove(kinds[i].gate, kinds[i].size);
		test_release(kinds[i].gate, kinds[i].size);
		test_goes_out(kinds[i].gate, kinds[i].size);
		test_redirect(kinds[i].gate, kinds[i].size);
		test_hold(kinds[i].gate, kinds[i].size);
		test_two(kinds[i].gate, kinds[i].size);
	}
	test_durable();
	test_import();
	test_two_large();
	test_import_beside(true);
	test_import_beside(false);
	test_leaving();
	test_ahead();
	test_another();
	test_other_left();
	test_other_left_late();
	test_file_goes();
	test_expires();
	test_nameless();
	test_bits();
	test_other_removed();
	test_import_again();
	test_handed();
	test_known_removed();
	test_times();
	test_stop();
	test_killed();
	queue_close(&world);
	wipe();
	rmdir(dir);
	return tap_done();
}
