/*
 * queue/ctl: messages that come from a folder of posternctl's, once, and those
 * that go to one, whole.
 */
#include "lib/prelude.h"

#include <sys/mman.h>

#include "queue/clock.h"
#include "queue/ctl_handed.h"
#include "queue/ctl_shape.h"
#include "queue/life.h"
#include "queue/life_report.h"
#include "queue/rooms.h"
#include "queue/route.h"
#include "tests/unit/ctl_world.h"

/* --- import ---------------------------------------------------------------------------- */

static void
give(const char *content, size_t n)
{
	file = memfd_create("message", MFD_CLOEXEC);
	if (file == -1 || pwrite(file, content, n, 0) != (ssize_t)n)
		fatal("memfd");
}

static void
test_import(void)
{
	static const struct {
		const char *words, *content;
	} wrong[] = {
		{ "from=a@b", "x\r\n" },			/* to nobody */
		{ "to=x", "x\r\n" }, { "to=a@b from=c", "x\r\n" },
		{ "notify=failure to=a@b", "x\r\n" },
		{ "to=a@b notify=sometimes", "x\r\n" },
		{ "to=a@b orcpt=x\ny", "x\r\n" },
		{ "to=a@b orcpt=x orcpt=y", "x\r\n" },
		{ "to=a@b ret=some", "x\r\n" }, { "to=a@b was=x", "x\r\n" },
		{ "to=a@b attempts=-1", "x\r\n" },
		{ "to=a@b attempts=10000001", "x\r\n" },
		{ "to=a@b attempts=4294967295", "x\r\n" },
		{ "to=a@b attempts=4294967296", "x\r\n" },
		{ "to=a@b hold=2", "x\r\n" }, { "to=a@b size=3", "x\r\n" },
		{ "to=a@b from=c@d from=c@d", "x\r\n" },
		{ "to=a@b a-name-that-is-too-long=1", "x\r\n" },
		{ "to=a@b route=nowhere", "x\r\n" },
		{ "to=a@b as=x", "x\r\n" },
		{ "to=a@b doubted=1", "x\r\n" },
		{ "to=a@b", "x\n" }, { "to=a@b", "x\ry\r\n" },
		{ "to=a@b", "x\r\ny\r" },
	};
	char *large = xmalloc(200002);
	struct world_job j;
	size_t i;

	for (i = 0; i < nitems(wrong); i++) {
		give(wrong[i].content, strlen(wrong[i].content));
		ask("queue import %s", wrong[i].words);
		is_int(said.code, CTL_FAILED, "refused: %s", said.end);
		give(wrong[i].content, strlen(wrong[i].content));
		ask("queue import dry-run=yes %s", wrong[i].words);
		is_int(said.code, CTL_FAILED, "and foreseen: %s", said.end);
	}
	ask("queue import to=a@b");
	is_int(said.code, CTL_FAILED, "without a file: %s", said.end);
	give("x\0\r\n", 4);
	ask("queue import to=a@b");
	is_int(said.code, CTL_FAILED, "with a NUL: %s", said.end);
	is_int(store_count(world.store), 0, "nothing of that is queued");

	give(WORLD_BODY, strlen(WORLD_BODY));
	ask("queue import was=0123456789abc account=%s from=%s to=x@example.net "
	    "notify=failure,delay orcpt=rfc822;x to=y@example.net ret=full", A,
	    A);
	ok(said.code == CTL_OK && strstr(said.all, "was=0123456789abc;") !=
	    NULL, "imported");
	ok(world_job(&relay, &j) && j.n == 2 && j.rcpts[0].notify ==
	    (NOTIFY_FAILURE | NOTIFY_DELAY) && strcmp(j.body, WORLD_BODY) == 0,
	    "and tried at once");
	world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	for (i = 0; i < 100001; i++)
		memcpy(large + 2 * i, i % 10 == 9 ? "\r\n" : "xy", 2);
	give(large, 200000);
	ask("queue import dry-run=yes to=x@example.net");
	ok(said.code == CTL_OK && said.rows == 1 && store_count(world.store) ==
	    0 && !world_job(&relay, &j), "a large one, only looked at");
	memcpy(large + 150000, "x\ny", 3);
	give(large, 200000);
	ask("queue import dry-run=yes to=x@example.net");
	is_int(said.code, CTL_FAILED, "to its end: %s", said.end);
	memcpy(large + 150000, "xyx", 3);
	give(large, 200000);
	ask("queue import to=x@example.net hold=1");
	is_int(said.code, CTL_OK, "a large one, on hold");
	ok(!world_job(&relay, &j), "is not tried");
	ask("queue release all=yes");
	ok(world_job(&relay, &j) && j.size == 200000 && j.fd != -1,
	    "until it is released");
	world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	is_int(store_count(world.store), 0, "delivered");
	free(large);
}

/* An id, as posternctl is handed it before it sends a message. */
static void
hand_out(char id[STORE_ID_LEN + 1])
{
	char self[STORE_ID_LEN + 1], of[STORE_ID_LEN + 1] = "";

	store_id_text(store_identity(world.store), self);
	ask("queue import ids=1");
	ok(said.rows == 1 && sscanf(said.all, "id=%13[0-9a-z]-%13[0-9a-z];",
	    of, id) == 2 && strcmp(of, self) == 0,
	    "an id is handed out, with its queue");
}

/* How it is sent: NULL is for this queue's own. */
static const char *
words_as(const char *of, const char *id)
{
	static char words[100];
	char self[STORE_ID_LEN + 1];

	store_id_text(store_identity(world.store), self);
	snprintf(words, sizeof(words), "queue import to=x@example.net "
	    "as=%s-%s", of != NULL ? of : self, id);
	return words;
}

static void
send(const char *id)
{
	give(WORLD_BODY, strlen(WORLD_BODY));
	ask("%s", words_as(NULL, id));
}

static void
look(const char *id)
{
	give(WORLD_BODY, strlen(WORLD_BODY));
	ask("%s dry-run=yes", words_as(NULL, id));
}

/* Sent once more behind an interruption, a message is queued once. */
static void
test_import_again(void)
{
	char id[STORE_ID_LEN + 1], other[STORE_ID_LEN + 1], far[32];
	int i;
	struct world_job j;

	hand_out(id);
	/* Twice at once. */
	give(WORLD_BODY, strlen(WORLD_BODY));
	begin(words_as(NULL, id));
	send(id);
	for (i = 0; i < 400 && said.ended < 2; i++)
		world_step(25);
	is_int(said.ended, 2, "sent twice at once");
	is_int(store_count(world.store), 1, "taken once");
	ok(delivered(), "and delivered");
	hand_out(id);
	look(id);
	ok(said.code == CTL_OK && strstr(said.all, "known=false;doubted=false;")
	    != NULL && store_count(world.store) == 0, "looked at first");
	send(id);
	ok(said.code == CTL_OK && strstr(said.all, id) != NULL &&
	    strstr(said.all, "known=false;doubted=false;") != NULL,
	    "taken under its id: %s", said.all);
	look(id);
	ok(said.code == CTL_OK && strstr(said.all, "known=true;") != NULL,
	    "looked at again it is known");
	send(id);
	ok(said.code == CTL_OK && strstr(said.all, "known=true;") != NULL,
	    "sent again it is known");
	is_int(store_count(world.store), 1, "and there once");
	ok(delivered(), "delivered");
	send(id);
	ok(strstr(said.all, "known=true;") != NULL && store_count(
	    world.store) == 0, "nor does it come back then");

	hand_out(id);
	handed_clear();		/* another process */
	send(id);
	ok(said.code == CTL_OK && strstr(said.all, "doubted=true;") != NULL,
	    "of an id from before nobody knows");
	ok(!world_job(&relay, &j), "so it is held");
	send(id);
	ok(strstr(said.all, "known=true;") != NULL && store_count(
	    world.store) == 1, "once");
	ask("queue list");
	ok(strstr(said.all, "state=held by import;") != NULL, "which is said");
	ask("queue show %s", id);
	ok(strstr(said.all, DOUBTED_NOTE) != NULL, "with its reason");
	handed_clear();
	send(id);
	ok(strstr(said.all, "known=true;") != NULL && store_count(
	    world.store) == 1, "one that is queued is known to all");
	ask("queue remove %s", id);

	hand_out(id);
	hand_out(other);
	give(WORLD_BODY, strlen(WORLD_BODY));
	begin("queue import to=x@example.net as=0");
	is_int(said.code, CTL_FAILED, "no id");
	snprintf(far, sizeof(far), "%.*s", STORE_ID_LEN, "zzzzzzzzzzzzz");
	send(far);
	is_int(said.code, CTL_FAILED, "an id that is to come: %s", said.end);
	ask("queue import ids=100000");
	is_int(said.code, CTL_USAGE, "%s", said.end);
	is_int(store_count(world.store), 0, "nothing is queued");
}

/* That something is being removed says nothing of a message sent again. */
static void
test_import_leaving(void)
{
	char id[STORE_ID_LEN + 1];

	hand_out(id);
	handed_clear();		/* another process */
	store_memory_set_leaving(world.store, true);
	give(WORLD_BODY, strlen(WORLD_BODY));
	begin(words_as(NULL, id));
	world_turn(200);
	ok(said.ended == 0 && said.rows == 0,
	    "while another is being removed nothing is said: %s", said.all);
	store_memory_set_leaving(world.store, false);
	world_step(1000);
	world_turn(200);
	ok(said.ended == 1 && strstr(said.all, "known=false;doubted=true;") !=
	    NULL && store_count(world.store) == 1,
	    "then it is queued: %s", said.all);
	ask("queue remove %s", id);
}

/* Ids that this queue never handed out, which it may have had all the same. */
static void
test_import_foreign(void)
{
	char id[STORE_ID_LEN + 1], next[STORE_ID_LEN + 1], want[200];
	static const char far[] = "0000000000009";
	int i;

	hand_out(id);
	send(id);
	is_int(store_count(world.store), 1, "one is queued");
	give(WORLD_BODY, strlen(WORLD_BODY));
	ask("%s", words_as("0000000000007", id));
	ok(said.code == CTL_FAILED && store_count(world.store) == 1,
	    "the same id of another queue is not taken: %s", said.end);
	/* What was under way there comes with an id of ours, and in doubt. */
	hand_out(id);
	for (i = 0; i < 3; i++) {
		if (i == 2)
			handed_clear();		/* another process */
		give(WORLD_BODY, strlen(WORLD_BODY));
		ask("%s doubted=0000000000007-%s", words_as(NULL, id), far);
		ok(strstr(said.all, i == 0 ? "known=false;doubted=true;" :
		    "known=true;doubted=false;") != NULL &&
		    strstr(said.all, id) != NULL && store_count(world.store) ==
		    2, "time %d: it is queued once: %s", i, said.all);
	}
	ask("queue list state=held");
	is_int(said.rows, 1, "on hold");
	ok(strstr(said.all, "state=held by import;") != NULL, "which is said");
	ask("queue show %s", id);
	snprintf(want, sizeof(want), "%s, as %s of another server's queue;",
	    DOUBTED_NOTE, far);
	ok(strstr(said.all, want) != NULL, "with what it was there: %s",
	    said.all);
	store_id_text(store_new_id(world.store), next);
	hand_out(id);
	send(next);
	ok(strstr(said.all, "known=false;doubted=true;") != NULL &&
	    strstr(said.all, next) != NULL && store_count(world.store) == 3,
	    "one that was given to something else is not known: %s", said.all);
	give(WORLD_BODY, strlen(WORLD_BODY));
	ask("queue import to=x@example.net as=%s", id);
	is_int(said.code, CTL_FAILED, "nor is one without its queue an id");
	delivered();
	ask("queue remove all=yes");
	is_int(store_count(world.store), 0, "all are removed");
}

static char *
lines(size_t len)
{
	char *large = xmalloc(len);
	size_t i;

	for (i = 0; i < len; i++)
		large[i] = i % 64 == 62 ? '\r' : i % 64 == 63 ? '\n' : 'x';
	return large;
}

static void
later_cb(void *arg)
{
	*(bool *)arg = true;
}

/*
 * From who was killed and from his successor, while the first one's body is
 * being written, for which there turns out to be no room.
 */
static void
test_import_full(void)
{
	char id[STORE_ID_LEN + 1];
	struct store_msg m;
	struct live_msg *lm;
	bool there = false;

	hand_out(id);
	handed_clear();		/* another process */
	store_msg_init(&m);
	m.id = store_id_parse(id);
	m.account = xstrdup("");
	m.cap = xstrdup("");
	m.env.return_path = xstrdup("");
	envelope_add_rcpt(&m.env, "x@example.net", NULL, 0);
	store_msg_fit(&m);
	lm = life_accept(&world, &m, (const uint8_t *)WORLD_BODY,
	    strlen(WORLD_BODY), -1, later_cb, NULL, &there);
	give(WORLD_BODY, strlen(WORLD_BODY));
	begin(words_as(NULL, id));
	world_step(1000);
	ok(there && said.ended == 0 && said.rows == 0,
	    "one that is not durable yet is not known: %s", said.all);
	store_remove(world.store, &lm->m, NULL, NULL, NULL);
	life_refused(lm);
	world_step(1000);
	ok(said.ended == 1 && strstr(said.all, "known=false;doubted=true;") !=
	    NULL && store_count(world.store) == 1,
	    "as there was no room for it, it is queued: %s", said.all);
	ask("queue remove %s", id);
}

/* Both are large enough to take turns. */
static void
test_import_twice(void)
{
	size_t len = 320000;
	char id[STORE_ID_LEN + 1], *large = lines(len);
	int i;

	hand_out(id);
	handed_clear();
	give(large, len);
	begin(words_as(NULL, id));
	give(large, len);
	begin(words_as(NULL, id));
	for (i = 0; i < 400 && said.ended < 2; i++)
		world_step(25);
	ok(said.ended == 2 && said.code == CTL_OK && strstr(said.all,
	    "known=true;") != NULL, "an unknown id twice at once: %s", said.all);
	is_int(store_count(world.store), 1, "is taken once");
	ask("queue remove %s", id);
	is_int(store_count(world.store), 0, "and removed at once");
	send(id);
	ok(strstr(said.all, "known=true;") != NULL, "nor does it come back");

	/* One that could not be taken is in doubt when it comes again. */
	hand_out(id);
	handed_clear();
	give("x\n", 2);
	ask("%s", words_as(NULL, id));
	is_int(said.code, CTL_FAILED, "refused: %s", said.end);
	send(id);
	ok(strstr(said.all, "doubted=true;") != NULL, "in doubt: %s", said.all);
	ask("queue remove %s", id);
	free(large);
}

/* Beyond a bound the oldest are not known any more, which is safe. */
static void
test_handed(void)
{
	uint64_t i;

	handed_clear();
	is_int(handed_look(7), HANDED_UNKNOWN, "from before");
	for (i = 10; i < 10 + HANDED_MAX; i++)
		handed_add(2 * i);
	is_int(handed_look(20), HANDED_OPEN, "open");
	is_int(handed_look(21), HANDED_UNKNOWN, "nothing between them is");
	handed_close(22);
	is_int(handed_look(22), HANDED_USED, "used");
	handed_close(5);
	is_int(handed_look(5), HANDED_USED, "so is an old one that came");
	handed_add(2 * i);
	is_int(handed_look(20), HANDED_OPEN, "all have room");
	handed_add(2 * i + 2);
	is_int(handed_look(20), HANDED_UNKNOWN, "the oldest is forgotten");
	is_int(handed_look(24), HANDED_OPEN, "no other");
	for (i = 0; i < HANDED_USED_MAX - 1; i++)
		handed_close(1000000 + i);
	is_int(handed_look(22), HANDED_UNKNOWN, "and so are the first used");
	is_int(handed_look(5), HANDED_USED, "behind many");
	handed_clear();
}

static void
test_export(void)
{
	char id[2][STORE_ID_LEN + 1];

	waiting(A, "x@example.net", id[0]);
	waiting(A, "y@example.net z@example.net", id[1]);
	ask("queue export");
	ok(said.rows == 5 && said.texts == 2 * strlen(WORLD_BODY),
	    "two envelopes, three recipients, two bodies");
	slow = true;
	begin("queue export");
	world_turn(30);
	ctl_gone(&world, 7);
	world_turn(30);
	is_int(said.ended, 1, "interrupted");
	slow = false;
	ask("queue export 0000000000001");
	is_int(said.code, CTL_NOT_FOUND, "none such");
	give("x\r\n", 3);
	ask("queue import from=" A " to=w@example.net hold=1 warned=1");
	is_int(said.code, CTL_OK, "one of which its sender was warned");
	ask("queue export to=w@example.net");
	ok(strstr(said.all, "warned=true;") != NULL, "is one still: %s",
	    said.all);
	ask("queue export to=x@example.net");
	ok(strstr(said.all, "warned=false;") != NULL, "and others are not: %s",
	    said.all);
	ask("queue export device=x");
	is_int(said.code, CTL_USAGE, "%s", said.end);
	ask("queue remove all=yes");
}

/* A large body that the disk gives differently the second time. */
static void
test_export_misread(void)
{
	size_t len = 320000;
	char id[STORE_ID_LEN + 1], *large = lines(len);
	char other[STORE_ID_LEN + 1], line[128];
	const char *at;

	hand_out(id);
	handed_clear();
	give(large, len);
	ask("%s", words_as(NULL, id));
	ask("queue export %s", id);
	ok(said.code == CTL_OK && said.texts == len, "a large one: %s",
	    said.end);
	store_memory_set_misread(world.store, true);
	ask("queue export %s", id);
	ok(said.code == CTL_FAILED && said.texts < len && strstr(said.end,
	    "cannot be read") != NULL, "misread: %s", said.end);
	waiting(A, "y@example.net", other);
	*world_log = '\0';
	ask("queue export");
	ok(said.code == CTL_IN_PART && strstr(said.end, "1 message cannot be "
	    "read") != NULL, "the others are had: %s", said.end);
	snprintf(line, sizeof(line), "%s is not in the export: its spool file "
	    "was not read as it was written\n", id);
	at = strstr(world_log, line);
	ok(at != NULL && strstr(at + strlen(line), "is not in the "
	    "export") == NULL,
	    "the log names it, once: %s", world_log);
	ask("queue remove %s", other);
	store_memory_set_misread(world.store, false);
	ask("queue remove %s", id);
	free(large);
}

int
main(void)
{
	ctl_world_open();
	test_import();
	test_import_again();
	test_import_leaving();
	test_import_foreign();
	test_import_full();
	test_import_twice();
	test_handed();
	test_export();
	test_export_misread();
	return ctl_world_close();
}
