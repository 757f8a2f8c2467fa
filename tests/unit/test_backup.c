/*
 * queue backup and restore: what is in the file and what comes back, mail that
 * comes and goes meanwhile, files that were cut off or damaged, and that
 * nothing goes out twice by itself.
 */
#include "lib/prelude.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <fcntl.h>
#include <time.h>

#include "queue/vault.h"
#include "tests/unit/ctl_world.h"

#define LARGE	(700 * 1024)

/* A byte of the second piece of a body that is copied is misread. */
static bool misread;
/* The next thread that reads one comes to it only when others have read on. */
enum { READ_ON, READ_NEXT, READ_WAITS };
static int slowly;

static int
reading(void)
{
	return __atomic_load_n(&slowly, __ATOMIC_SEQ_CST);
}

static void
set_reading(int to)
{
	__atomic_store_n(&slowly, to, __ATOMIC_SEQ_CST);
}

ssize_t
pread(int fd, void *p, size_t n, off_t at)
{
	ssize_t got = syscall(SYS_pread64, fd, p, n, at);

	if (misread && n == VAULT_PIECE_MAX && at > 0 && got > 9)
		((uint8_t *)p)[9] ^= 1;
	if (n == VAULT_PIECE_MAX && reading() == READ_NEXT) {
		set_reading(READ_WAITS);
		while (reading() == READ_WAITS)
			usleep(200);
	}
	return got;
}

/* --- asking, where a thread has a part in the answer ----------------------------- */

#define PATIENCE_SEC 60

/* One turn of the loop, in which the thread may do something, too. */
static void
turn(void)
{
	ev_clock_step(1);
	ev_loop_once(0);
	usleep(50);
}

static bool
ended(void)
{
	time_t until = time(NULL) + PATIENCE_SEC;

	while (said.ended == 0 && time(NULL) < until)
		turn();
	return said.ended == 1;
}

static void
await(const char *what)
{
	ok(ended(), "%s: answered once", what);
}

static int
new_file(void)
{
	int fd = memfd_create("backup", MFD_CLOEXEC);

	if (fd == -1)
		fatal("memfd");
	return fd;
}

static void
ask_with(int fd, const char *words)
{
	file = dup(fd);
	begin(words);
	await(words);
}

static uint64_t
answer(const char *key)
{
	char *at = strstr(said.all, key);

	return at == NULL ? UINT64_MAX :
	    strtoull(at + strlen(key) + 1, NULL, 10);
}

/* --- mail ------------------------------------------------------------------------- */

static char *
body_of(size_t n)
{
	static const char head[] = "Subject: large\r\n\r\n";
	char *p = xmalloc(n + 1);
	size_t i;

	memset(p, 'x', n);
	p[n] = '\0';
	memcpy(p, head, strlen(head));
	for (i = 100; i + 2 < n; i += 70)
		memcpy(p + i, "\r\n", 2);
	memcpy(p + n - 2, "\r\n", 2);
	return p;
}

/* As an import: a body of any size, deferred at the next hop. */
static void
large(size_t n)
{
	char *p = body_of(n);
	int fd = new_file();

	if (pwrite(fd, p, n, 0) != (ssize_t)n)
		fatal("memfd");
	ask_with(fd, "queue import from=alice@example.org to=z@example.net");
	is_int(said.code, CTL_OK, "a large message: %s", said.end);
	close(fd);
	free(p);
}

/* Deferred; returns how many there were. */
static int
defer_all(void)
{
	struct world_job j;
	int n = 0;

	for (; world_job(&relay, &j); n++)
		world_answer(&relay, &j, OUTCOME_DEFERRED, "4.2.2", "full");
	return n;
}

/* Delivered; how many, and whether their bodies are what they were. */
static int
deliver_all(bool *whole)
{
	struct world_job j;
	int n = 0;

	*whole = true;
	for (; world_job(&relay, &j); n++) {
		if (j.fd == -1)
			*whole &= strcmp(j.body, WORLD_BODY) == 0;
		else {
			char *want = body_of(j.size), *got = xmalloc(j.size);

			*whole &= pread(j.fd, got, j.size, 0) ==
			    (ssize_t)j.size && memcmp(got, want, j.size) == 0;
			free(want);
			free(got);
		}
		world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	}
	return n;
}

/* As if the disk had been lost: an empty store in place of the old one. */
static void
lose_everything(void)
{
	world_disconnect(&smtpd);
	world_disconnect(&relay);
	world_close();
	world_log[0] = '\0';
	is_str(queue_open(&world, &world_conf, world_open_store), NULL,
	    "a new store");
	world.told = true;
	world_connect(&smtpd, ROLE_SMTPD, 0);
	world_connect(&relay, ROLE_RELAY, 0);
}

/* --- tests ------------------------------------------------------------------------------ */

static void
test_there_and_back(void)
{
	char id[3][STORE_ID_LEN + 1], words[64];
	struct world_job j;
	int fd = new_file();
	bool whole;

	waiting(A, "x@example.net", id[0]);
	waiting(A, "x@example.com y@example.net", id[1]);
	large(LARGE);
	is_int(defer_all(), 1, "it is deferred");
	/* One recipient is done with: it must not get it again. */
	world_step(3600 * 1000);
	while (world_job(&relay, &j)) {
		if (j.n == 2) {
			world_say(&relay, &j, 0, OUTCOME_DELIVERED, "2.0.0",
			    "ok");
			world_say(&relay, &j, 1, OUTCOME_DEFERRED, "4.2.2",
			    "full");
			world_end(&relay, &j, true);
		} else
			world_answer(&relay, &j, OUTCOME_DEFERRED, "4.2.2",
			    "full");
	}
	ask_with(fd, "queue backup");
	is_int(said.code, CTL_OK, "a backup: %s", said.end);
	is_int(answer("messages"), 3, "of three messages");
	ok(answer("bytes") == (uint64_t)lseek(fd, 0, SEEK_END) &&
	    answer("bytes") > LARGE, "with their bodies");

	ask_with(fd, "queue restore");
	ok(said.code == CTL_OK && answer("queued_already") == 3 &&
	    answer("restored") == 0, "nothing to restore: %s", said.end);
	ask("queue remove %s", id[0]);
	ask_with(fd, "queue restore");
	ok(answer("restored") == 0 && answer("left_since") == 1,
	    "what has left is left");
	ok(strstr(said.end, "another queue") == NULL, "this queue made it");
	ok(strstr(said.end, "1 message left this queue since") != NULL &&
	    strstr(said.end, "--again") != NULL, "and how it comes back: %s",
	    said.end);
	ask_with(fd, "queue restore again=yes");
	ok(answer("restored") == 1 && answer("queued_already") == 2,
	    "unless it is asked for");
	ask("queue list restored=yes");
	ok(said.rows == 1 && strstr(said.all, id[0]) != NULL &&
	    strstr(said.all, "held by restore") != NULL, "and then held");

	lose_everything();
	ask_with(fd, "queue restore dry-run=yes");
	ok(answer("restored") == 3 && store_count(world.store) == 0,
	    "a dry run: %s", said.end);
	ask_with(fd, "queue restore");
	ok(said.code == CTL_OK && answer("restored") == 3, "%s", said.end);
	ask_with(fd, "queue restore");
	is_int(answer("queued_already"), 3, "a second time does nothing");
	ok(strstr(said.end, "This backup is of another queue: what has been "
	    "delivered since it was made, here or there, is not known.") !=
	    NULL && strstr(said.all, "left_since=;") != NULL &&
	    strstr(world_log, "left_since=unknown") != NULL,
	    "and assures of nothing: %s", said.end);
	world_step(86400 * 1000);
	ok(!world_job(&relay, &j), "all are held");
	snprintf(words, sizeof(words), "queue show %s", id[1]);
	ask("%s", words);
	ok(strstr(said.all, "recipient=x@example.com;state=delivered") != NULL,
	    "with what was known of them");
	ask("queue release restored=yes");
	is_int(deliver_all(&whole), 3, "released and delivered");
	ok(whole, "byte for byte");
	is_int(store_count(world.store), 0, "to the last");
	close(fd);
}

/* Mail is taken in and delivered at every turn of the backup. */
static void
test_under_way(void)
{
	char id[STORE_ID_LEN + 1];
	struct world_job j;
	struct world_no no;
	uint64_t more = 0;
	int fd = new_file(), i;
	time_t until;

	for (i = 0; i < 1200; i++) {
		world_submit(&smtpd, session++, A, "x@example.net");
		if (i % 100 == 99)
			while (world_submitted(&smtpd, &no, id))
				;
	}
	while (world_job(&relay, &j))
		world_answer(&relay, &j, OUTCOME_DEFERRED, "4.2.2", "full");
	is_int(store_count(world.store), 1200, "many messages");
	file = dup(fd);
	begin("queue backup");
	until = time(NULL) + PATIENCE_SEC;
	for (i = 0; said.ended == 0 && time(NULL) < until; i++) {
		if (i % 8 == 0 && more < 3000) {
			world_submit(&smtpd, session++, A, "y@example.net");
			more++;
		}
		turn();
		while (smtpd.read < smtpd.n)
			world_submitted(&smtpd, &no, id);
		while (relay.read < relay.n && world_job(&relay, &j))
			world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0",
			    "ok");
	}
	ok(said.code == CTL_OK && answer("messages") >= 1200 &&
	    answer("messages") <= 1200 + more, "%s (%llu came)", said.end,
	    (unsigned long long)more);
	lose_everything();
	ask_with(fd, "queue restore");
	ok(answer("restored") >= 1200 && answer("damaged") == 0, "%s",
	    said.end);
	ask("queue remove all=yes");
	close(fd);
}

/* A bounce that takes its message's place while the backup goes. */
static void
test_bounced_meanwhile(void)
{
	char id[STORE_ID_LEN + 1];
	struct world_job j, last;
	int fd = new_file(), i;

	for (i = 0; i < 600; i++)
		submit(A, "x@example.net", id);
	while (world_job(&relay, &j))
		if (strcmp(j.id, id) == 0)
			last = j;
		else
			world_answer(&relay, &j, OUTCOME_DEFERRED, "4.2.2",
			    "full");
	file = dup(fd);
	begin("queue backup");
	ev_loop_once(0);
	world_answer(&relay, &last, OUTCOME_FAILED, "5.1.1", "no such user");
	await("a backup");
	ok(answer("messages") >= 600, "the message, or its bounce, is in it");
	lose_everything();
	ask_with(fd, "queue restore");
	ask("queue list %s", id);
	if (said.rows == 0)
		ask("queue list from=<>");
	is_int(said.rows, 1, "and comes back");
	ask("queue remove all=yes");
	close(fd);
}

#define WHOLE_HEAD	(VAULT_FRAME + 24)

/* Where the frame begins that holds byte "at" of a sound backup. */
static size_t
frame_of(const uint8_t *p, size_t size, size_t at)
{
	struct vault_frame f;
	size_t here = 0;

	while (vault_get(p + here, size - here, &f) == VAULT_GOT &&
	    here + f.whole <= at)
		here += f.whole;
	return here;
}

/* Answer and log name the place, and this message if there is one. */
static bool
told_place(size_t place, const char *id)
{
	char answer_has[100], log_has[100];

	snprintf(answer_has, sizeof(answer_has), "is damaged at byte %zu%s%s",
	    place, *id == '\0' ? "" : ", in message ", id);
	snprintf(log_has, sizeof(log_has), "%s%sthe backup that is restored "
	    "is damaged at byte %zu\n", id, *id == '\0' ? "" : " ", place);
	return strstr(said.end, answer_has) != NULL &&
	    strstr(world_log, log_has) != NULL;
}

/* In the midst of a large body it is known whose that is. */
static void
test_damaged_body(void)
{
	char id[STORE_ID_LEN + 1];
	uint8_t *p, byte;
	struct stat st;
	size_t at;
	int fd = new_file();

	large(LARGE);
	defer_all();
	ask("queue list");
	snprintf(id, sizeof(id), "%s", strstr(said.row, ";id=") + 4);
	ask_with(fd, "queue backup");
	ask("queue remove all=yes");
	if (fstat(fd, &st) == -1)
		fatal("fstat");
	p = xmalloc((size_t)st.st_size);
	if (pread(fd, p, (size_t)st.st_size, 0) != st.st_size)
		fatal("pread");
	at = (size_t)st.st_size - 1000;
	byte = (uint8_t)~p[at];
	if (pwrite(fd, &byte, 1, (off_t)at) != 1)
		fatal("pwrite");
	*world_log = '\0';
	world_step(61000);
	ask_with(fd, "queue restore again=yes damaged=yes");
	ok(said.code == CTL_IN_PART && answer("restored") == 0 &&
	    told_place(frame_of(p, (size_t)st.st_size, at), id),
	    "a damaged body is told by its message's id: %s %s", said.end,
	    world_log);
	is_int(store_count(world.store), 0, "and not queued");
	free(p);
	close(fd);
}

static void
test_damage(void)
{
	char id[STORE_ID_LEN + 1];
	uint8_t *p, byte;
	struct stat st;
	int fd = new_file(), found = 0, whole = 0;
	off_t at;

	waiting(A, "x@example.net", id);
	waiting(A, "y@example.net", id);
	ask_with(fd, "queue backup");
	ask("queue remove all=yes");
	if (fstat(fd, &st) == -1)
		fatal("fstat");
	p = xmalloc((size_t)st.st_size);
	if (pread(fd, p, (size_t)st.st_size, 0) != st.st_size)
		fatal("pread");
	for (at = 0; at < st.st_size; at += 3) {
		byte = p[at] ^ (uint8_t)(1 << at % 8);
		if (pwrite(fd, &byte, 1, at) != 1)
			fatal("pwrite");
		file = dup(fd);
		begin("queue restore again=yes");
		found += ended() && said.code == CTL_FAILED &&
		    (said.rows == 0 || answer("restored") == 0);
		whole++;
		if (pwrite(fd, p + at, 1, at) != 1)
			fatal("pwrite");
	}
	is_int(found, whole, "a flipped bit is found wherever it is");
	is_int(store_count(world.store), 0, "and nothing is queued of it");
	byte = (uint8_t)~p[st.st_size / 2];
	if (pwrite(fd, &byte, 1, st.st_size / 2) != 1)
		fatal("pwrite");
	*world_log = '\0';
	world_step(61000);	/* a new minute of the log */
	ask_with(fd, "queue restore again=yes damaged=yes");
	ok(said.code == CTL_IN_PART && answer("restored") == 1 &&
	    answer("damaged") == 1, "what is whole can be had: %s", said.end);
	ok(told_place(frame_of(p, (size_t)st.st_size, (size_t)st.st_size / 2),
	    ""), "and it is told where it is not: %s %s", said.end, world_log);
	ask("queue remove all=yes");

	found = whole = 0;
	for (at = 0; at < st.st_size; at += 7) {
		if (pwrite(fd, p, (size_t)st.st_size, 0) != st.st_size ||
		    ftruncate(fd, at) == -1)
			fatal("ftruncate");
		file = dup(fd);
		begin("queue restore again=yes");
		found += ended() && said.code == CTL_FAILED &&
		    (at < WHOLE_HEAD || strstr(said.end, "was cut off: it is "
		    "whole up to byte ") != NULL);
		whole++;
	}
	is_int(found, whole, "a file cut off is found to be, and told as that");
	if (pwrite(fd, p, (size_t)st.st_size, 0) != st.st_size ||
	    ftruncate(fd, st.st_size - 4) == -1)
		fatal("ftruncate");
	ask_with(fd, "queue restore again=yes damaged=yes");
	ok(said.code == CTL_IN_PART && answer("restored") == 2 &&
	    strstr(said.end, "cut off") != NULL, "without its end: %s",
	    said.end);
	ask("queue remove all=yes");
	free(p);
	close(fd);
}

/* A disk that misreads does not make a sound backup of it. */
static void
test_misread(void)
{
	char id[STORE_ID_LEN + 1];
	int fd = new_file();

	waiting(A, "x@example.net", id);
	large(LARGE);
	defer_all();
	misread = true;
	*world_log = '\0';
	ask_with(fd, "queue backup");
	misread = false;
	ok(said.code == CTL_IN_PART && answer("messages") == 1 &&
	    answer("unreadable") == 1, "a body that is misread: %s",
	    said.end);
	ok(strstr(world_log, "is not in the backup: its spool file was not "
	    "read as it was written") != NULL, "the log names it");
	ask("queue remove all=yes");
	ask_with(fd, "queue restore again=yes");
	ok(said.code == CTL_IN_PART && answer("restored") == 1 &&
	    answer("damaged") == 1, "it does not come back: %s", said.end);
	ask("queue remove all=yes");
	close(fd);
}

/* One has read a piece, and writes it only when the other is done. */
static void
test_two_at_once(void)
{
	int fd = new_file(), second = new_file();
	time_t until = time(NULL) + PATIENCE_SEC;
	bool whole;

	large(LARGE);
	defer_all();
	set_reading(READ_NEXT);
	file = dup(fd);
	begin_as(OTHER, "queue backup");
	while (reading() == READ_NEXT && time(NULL) < until)
		turn();
	is_int(reading(), READ_WAITS, "a backup that is slow");
	ask_with(second, "queue backup");
	ok(said.code == CTL_OK && answer("messages") == 1, "another one "
	    "meanwhile: %s", said.end);
	set_reading(READ_ON);
	while (aside.ended == 0 && time(NULL) < until)
		turn();
	ok(aside.ended == 1 && aside.code == CTL_OK, "and the slow one: %s",
	    aside.end);
	lose_everything();
	ask_with(fd, "queue restore");
	ok(said.code == CTL_OK && answer("restored") == 1, "it is sound: %s",
	    said.end);
	ask("queue release restored=yes");
	is_int(deliver_all(&whole), 1, "it is delivered");
	ok(whole, "byte for byte");
	close(second);
	close(fd);
}

/* No room to keep a large body. */
static void
test_full(void)
{
	int fd = new_file(), content = new_file();
	char *p = body_of(LARGE);

	large(LARGE);
	defer_all();
	ask_with(fd, "queue backup");
	ask("queue remove all=yes");
	store_memory_set_full(world.store, true);
	ask_with(fd, "queue restore again=yes");
	ok(said.code == CTL_TEMPORARY && answer("restored") == 0 &&
	    strstr(said.end, "make room") != NULL, "restored on a full disk: "
	    "%s", said.end);
	if (pwrite(content, p, LARGE, 0) != LARGE)
		fatal("memfd");
	ask_with(content, "queue import from=alice@example.org "
	    "to=z@example.net");
	is_int(said.code, CTL_TEMPORARY, "imported on one: %s", said.end);
	ok(store_count(world.store) == 0 && live_count(world.live) == 0,
	    "nothing is queued");
	store_memory_set_full(world.store, false);
	ask_with(fd, "queue restore again=yes");
	ok(said.code == CTL_OK && answer("restored") == 1, "with room: %s",
	    said.end);
	ask("queue remove all=yes");
	free(p);
	close(content);
	close(fd);
}

static void
test_trouble(void)
{
	char id[STORE_ID_LEN + 1];
	int fd = new_file(), full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	waiting(A, "x@example.net", id);
	ask("queue backup");
	is_int(said.code, CTL_FAILED, "without a file: %s", said.end);
	ask("queue restore");
	is_int(said.code, CTL_FAILED, "without a file: %s", said.end);
	ask_with(full, "queue backup");
	is_int(said.code, CTL_FAILED, "not a file: %s", said.end);
	ask_with(fd, "queue backup rate=1");
	is_int(said.code, CTL_USAGE, "too slow: %s", said.end);
	ask_with(fd, "queue backup colour=red");
	is_int(said.code, CTL_USAGE, "misuse: %s", said.end);
	ask_with(fd, "queue restore colour=red");
	is_int(said.code, CTL_USAGE, "misuse: %s", said.end);
	ask_with(fd, "queue restore");
	is_int(said.code, CTL_FAILED, "an empty file: %s", said.end);
	close(full);
	close(fd);

	/* The asker leaves: the file is not whole, and the queue goes on. */
	fd = new_file();
	large(LARGE);
	defer_all();
	file = dup(fd);
	begin("queue backup rate=64K");
	ev_loop_once(0);
	ctl_gone(&world, 7);
	await("one who leaves");
	ask_with(fd, "queue restore");
	is_int(said.code, CTL_FAILED, "what he has is no backup: %s",
	    said.end);
	close(fd);
	ask("queue remove all=yes");
}

static int
backup_of(uint64_t id)
{
	static const char body[] = "Subject: from elsewhere\r\n\r\n";
	struct store_msg m;
	struct buf b;
	int fd = new_file();

	store_msg_init(&m);
	m.id = id;
	m.arrived_ms = ev_wall_ms();
	m.due_ms = m.arrived_ms;
	m.expires_ms = m.arrived_ms + 1000000;
	m.account = xstrdup("alice@example.org");
	m.cap = xstrdup("default");
	m.device = xstrdup("");
	m.env.return_path = xstrdup("alice@example.org");
	envelope_add_rcpt(&m.env, "z@example.net", NULL, 0);
	store_msg_fit(&m);
	m.size = sizeof(body) - 1;
	buf_init(&b, VAULT_FRAME_MAX);
	vault_put_head(&b, &(struct vault_head){ .store = 1 });
	vault_put_msg(&b, &m, (const uint8_t *)body, m.size);
	vault_put_end(&b, 1);
	if (write(fd, b.data, b.len) != (ssize_t)b.len)
		fatal("memfd");
	buf_clear(&b);
	store_msg_clear(&m);
	return fd;
}

/* Its clock is a day ahead of ours. */
static void
test_ahead(void)
{
	uint64_t id = (ev_wall_ms() + 86400000) << 20;
	int fd = backup_of(id);

	ask_with(fd, "queue restore");
	ok(said.code == CTL_OK && answer("restored") == 1, "of a day ahead: %s",
	    said.end);
	ask("queue list");
	is_int(said.rows, 1, "it is seen");
	ok(store_new_id(world.store) > id, "and no other gets its id");
	ask("queue remove all=yes");
	is_int(store_count(world.store), 0, "and it can go");
	close(fd);
	fd = backup_of((uint64_t)STORE_ID_MAX + 1);
	ask_with(fd, "queue restore");
	ok(said.code != CTL_OK && strstr(said.end, "is damaged") != NULL &&
	    store_count(world.store) == 0, "of no clock: %s", said.end);
	close(fd);
}

/* The rate is kept. */
static void
test_pace(void)
{
	int fd = new_file();
	uint64_t began;

	large(LARGE);
	large(LARGE);
	large(LARGE);
	defer_all();
	began = ev_now_ms();
	ask_with(fd, "queue backup rate=1M");
	ok(said.code == CTL_OK && ev_now_ms() - began >= 1900, "2.1 MB take "
	    "%llu ms", (unsigned long long)(ev_now_ms() - began));
	ask("queue remove all=yes");
	close(fd);
}

int
main(void)
{
	ctl_world_open();
	test_there_and_back();
	test_under_way();
	test_bounced_meanwhile();
	test_damage();
	test_damaged_body();
	test_misread();
	test_two_at_once();
	test_full();
	test_trouble();
	test_ahead();
	test_pace();
	return ctl_world_close();
}
