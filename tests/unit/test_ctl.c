/*
 * queue/ctl: what posternctl is answered, with the test in the place of
 * lib/child: rows as text, an asker that reads slowly or leaves, and what
 * orders do to messages in every state.
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

/* --- tests ---------------------------------------------------------------------------- */

/* One argument with blanks in it. */
static void
begin_with(const char *words, const char *arg)
{
	const char *argv[3] = { "queue", strchr(words, ' ') + 1, arg };
	int i;

	memset(&said, 0, sizeof(said));
	ctl_request(&world, 7, 3, argv);
	for (i = 0; i < 4000 && said.ended == 0; i++)
		world_turn(1);
}

static void
test_filters(void)
{
	static const struct {
		const char *words;
		int	 rows;
	} cases[] = {
		{ "", 3 }, { " account=alice@example.org", 2 },
		{ " account=ALICE@Example.org", 2 }, { " account=nobody", 0 },
		{ " from=bert@example.org", 1 }, { " from=<>", 0 },
		{ " to=example.net", 2 }, { " to=@EXAMPLE.com", 2 },
		{ " to=x@example.com", 1 }, { " route=up", 3 },
		{ " hop=up", 3 }, { " hop=up/x", 0 },
		{ " older=1m", 3 }, { " older=1h", 0 }, { " newer=1h", 3 },
		{ " newer=1m", 0 }, { " state=waiting", 3 },
		{ " from=@[192.0.2.1]", 0 },
		{ " state=sending", 0 }, { " reason=FULL", 3 },
		{ " reason=4.2.2", 3 }, { " reason=4.2", 0 },
		{ " limit=2", 2 }, { " limit=2 to=example.com", 2 },
		{ " account=alice@example.org to=x@example.com", 1 },
	};
	static const char *const wrong[] = { " older=0", " older=x",
	    " newer=99999999999999999999", " limit=0", " state=gone",
	    " colour=red", " x", " 0000000000001 to=x", " upto=x", " =x",
	    " to=alice", " to=foo@", " from=@", " to=a@b@c d", " from=",
	    " to=@example.net to=@example.com", " older=1h older=1m",
	    " state=held state=waiting" };
	char id[3][STORE_ID_LEN + 1];
	size_t i;

	waiting(A, "x@example.net", id[0]);
	waiting(A, "x@example.com y@example.net", id[1]);
	waiting("bert@example.org", "z@example.com", id[2]);
	world_step(2 * 60000);
	for (i = 0; i < nitems(cases); i++) {
		ask("queue list%s", cases[i].words);
		is_int(said.rows, cases[i].rows, "its rows");
		is_int(said.code, CTL_OK, "its exit code");
	}
	for (i = 0; i < nitems(wrong); i++) {
		ask("queue list%s", wrong[i]);
		is_int(said.code, CTL_USAGE, "misuse: %s", said.end);
	}
	ask("queue remove to=@example.net to=@example.com");
	ok(strstr(said.end, "--to is given twice") != NULL &&
	    store_count(world.store) == 3, "which of two is not guessed: %s",
	    said.end);
	begin_with("queue list", "state=in line");
	is_str(said.end, CTL_NOTHING, "a state as it is shown");
	ask("queue hold account=nobody");
	is_str(said.end, CTL_NOTHING, "an order that fits none");
	ask("queue stats to=@example.edu");
	is_str(said.end, CTL_NOTHING, "no statistics of none");
	ask("queue list %s %s", id[0], id[2]);
	is_int(said.rows, 2, "by id");
	ask("queue list 0000000000001 %s", id[2]);
	ok(said.rows == 1 && said.code == CTL_NOT_FOUND, "one is missing");
	ask("queue stats");
	ok(strstr(said.all, "destination=example.com;messages=2;recipients=2;")
	    != NULL && strstr(said.all, "reason=4.2.2 452 full;") != NULL,
	    "statistics");
	ask("queue stats by=account");
	ok(said.rows == 2 && strstr(said.all, "account=" A ";messages=2;"
	    "recipients=3;") != NULL, "an account has one row");
	ask("queue stats by=hop");
	ok(said.rows == 1 && strstr(said.all, "hop=up;messages=3;recipients=4")
	    != NULL, "by next hop");
	ask("queue stats by=size");
	is_int(said.code, CTL_USAGE, "not by size");
	ask("queue remove all=yes");
	is_str(said.end, "3 messages removed.", "all are removed");
	is_int(store_count(world.store), 0, "and gone");
	ask("queue list");
	is_str(said.end, "The queue is empty.", "an empty queue says so");
}

static void
test_show(void)
{
	char id[STORE_ID_LEN + 1];

	waiting(A, "x@example.net", id);
	ask("queue show %s", id);
	ok(strncmp(said.all, "kind=message;id=", 16) == 0 &&
	    strstr(said.all, "\nkind=envelope;") != NULL &&
	    strstr(said.all, "\nkind=event;") != NULL, "each says what it is");
	ok(strstr(said.all, "\nkind=recipient;recipient=x@example.net;state=pending;notify=;"
	    "orcpt=;status=4.2.2;relay=mx.example.net;answer=452 full;") !=
	    NULL, "recipient, state and answer");
	ok(strstr(said.all, "times=1;what=deferred 4.2.2 by mx.example.net: "
	    "452 full;") != NULL, "its history");
	ok(life_answer_has("451 4.3.0 why", "4.3.0") &&
	    life_answer_has("451 4.3.0", "4.3.0") &&
	    !life_answer_has("451 4.3.01", "4.3.0") &&
	    !life_answer_has("451", "4.3.0"), "a status is not said twice");
	is_int(said.texts, strlen(WORLD_BODY) - strlen("world\r\n"),
	    "its header");
	ask("queue show %s body=yes", id);
	is_int(said.texts, strlen(WORLD_BODY), "all of it");
	ask("queue show 0000000000001");
	is_int(said.code, CTL_NOT_FOUND, "none such");
	ask("queue show");
	is_int(said.code, CTL_USAGE, "which?");
	ask("queue remove %s", id);
}

/* What a route's budget keeps back says so, until it was tried. */
static void
test_paced(void)
{
	char id[2][STORE_ID_LEN + 1];
	struct world_job j;

	world_routes[0].per_minute = 1;
	submit(A, "x@example.net", id[0]);
	ok(world_job(&relay, &j), "the first one goes");
	submit(A, "y@example.net", id[1]);
	ask("queue list %s", id[1]);
	ok(strstr(said.all, "state=in line;") != NULL && strstr(said.all,
	    "reason=route up may begin no more than 1 a minute;") != NULL,
	    "the next one waits: %s", said.all);
	ask("queue list %s", id[0]);
	ok(strstr(said.all, "reason=;") != NULL, "not the first: %s", said.all);
	world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	world_step(60000);
	ok(delivered(), "in its minute");
	world_routes[0].per_minute = 0;
	submit(A, "x@example.net", id[0]);
	ok(delivered(), "and without a budget at once");
}

/* In line, with no relay there: nothing has been tried of it yet. */
static void
test_in_line(void)
{
	struct world_job j;
	char id[STORE_ID_LEN + 1];

	world_disconnect(&relay);
	submit(A, "x@example.net", id);
	ask("queue list state=line");
	is_int(said.rows, 1, "in line");
	ask("queue retry %s", id);
	is_str(said.end, "0 messages to be tried now; 1 being tried already.",
	    "it need not be told");
	ask("queue hold %s", id);
	world_connect(&relay, ROLE_RELAY, 0);
	ok(!world_job(&relay, &j), "held before anything was tried");
	world_disconnect(&relay);
	ask("queue release %s", id);
	ask("queue remove %s", id);
	is_int(store_count(world.store), 0, "removed from the line");
	world_connect(&relay, ROLE_RELAY, 0);
}

static void
test_redirect(void)
{
	struct world_job j;
	char id[STORE_ID_LEN + 1];

	world_routes[1].name = (char *)"detour";
	world_routes[1].by_domain = true;
	world_conf.routes.n = 2;
	waiting(A, "x@example.net", id);
	ask("queue redirect nowhere %s", id);
	is_int(said.code, CTL_NOT_FOUND, "%s", said.end);
	ask("queue redirect detour");
	is_int(said.code, CTL_USAGE, "%s", said.end);
	ask("queue redirect detour %s", id);
	ok(world_job(&relay, &j) && strcmp(j.route, "detour") == 0 &&
	    strcmp(j.domain, "example.net") == 0, "it takes the other route");
	world_answer(&relay, &j, OUTCOME_DEFERRED, "4.0.0", "later");
	ask("queue list hop=detour/example.net");
	is_int(said.rows, 1, "and stays on it");
	ask("queue redirect - %s", id);
	ok(world_job(&relay, &j) && strcmp(j.route, "up") == 0,
	    "until that is taken back");
	ask("queue redirect detour %s", id);
	ok(strstr(said.end, "at a next hop right now") != NULL, "under way");
	world_answer(&relay, &j, OUTCOME_DEFERRED, "4.0.0", "later");
	ok(world_job(&relay, &j) && strcmp(j.route, "detour") == 0,
	    "and by the other at once, when this one does not take it");
	world_answer(&relay, &j, OUTCOME_DEFERRED, "4.0.0", "later");
	ok(!world_job(&relay, &j), "once");
	world_conf.routes.n = 1;
	ask("queue show %s", id);
	ok(strstr(said.all, "route=detour;instead=up;") != NULL, "a route that is gone is said to be");
	ask("queue list route=detour");
	is_int(said.code, CTL_NOT_FOUND, "%s", said.end);
	ask("queue stats hop=smtp://192.0.2.1");
	is_int(said.code, CTL_NOT_FOUND, "%s", said.end);
	ask("queue hold hop=detour/example.net");
	is_int(said.code, CTL_NOT_FOUND, "%s", said.end);
	ask("queue list hop=up/nowhere.example");
	is_str(said.end, "No message is like that.", "a next hop without mail");
	ask("queue retry %s", id);
	ok(strstr(world_log, "route=detour is gone") != NULL, "it is logged");
	ok(world_job(&relay, &j) && strcmp(j.route, "up") == 0,
	    "a route that is gone from the configuration holds nothing up");
	world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	is_int(store_count(world.store), 0, "delivered");
}

static int
warnings(const char *of)
{
	const char *at = world_log;
	int n = 0;

	world_turn(50);
	for (; (at = strstr(at, of)) != NULL; at++)
		n++;
	return n;
}

/* A reload that takes a route away says what had been redirected there. */
static void
test_route_gone(void)
{
	static const char gone[] = "route=detour is gone from postern.conf, "
	    "and 2 messages had been redirected there";
	struct queue_conf without = world_conf;
	char id[3][STORE_ID_LEN + 1];
	int i;

	for (i = 0; i < 3; i++)
		waiting(A, "x@example.net", id[i]);
	world_conf.routes.n = 2;
	queue_reconf(&world, &world_conf);
	world_disconnect(&relay);
	ask("queue redirect detour %s", id[0]);
	ask("queue hold %s", id[1]);
	ask("queue redirect detour %s", id[1]);
	queue_reconf(&world, &world_conf);
	world_log[0] = '\0';
	is_int(warnings("gone from"), 0, "a reload that takes none is silent");
	queue_reconf(&world, &without);
	is_int(warnings(gone), 1, "one that takes a route tells: %s",
	    world_log);
	queue_reconf(&world, &without);
	is_int(warnings(gone), 1, "once");
	queue_reconf(&world, &world_conf);
	queue_reconf(&world, &without);
	queue_reconf(&world, &world_conf);
	is_int(warnings(gone), 1, "not when the route is back");
	world_conf.routes.n = 1;
	queue_reconf(&world, &world_conf);
	ask("queue remove all=yes");
	world_connect(&relay, ROLE_RELAY, 0);
}

/* FUTURERELEASE: orders keep the hour that a sender has set, unless it is named. */
static void
test_kept(void)
{
	struct envelope e;
	struct ticket t;
	struct world_no no;
	struct world_job j;
	char id[2][STORE_ID_LEN + 1], other[STORE_ID_LEN + 1];
	int i;

	for (i = 0; i < 2; i++) {
		t = world_ticket(0, session++, A);
		envelope_init(&e);
		e.return_path = xstrdup(A);
		e.hold_until_ms = ev_wall_ms() + 86400000;
		envelope_add_rcpt(&e, "x@example.net", NULL, 0);
		world_submit_env(&smtpd, &t, &e, WORLD_BODY);
		envelope_clear(&e);
		ok(world_submitted(&smtpd, &no, id[i]), "held for a day");
	}
	ask("queue list");
	ok(strstr(said.all, "reason=kept until the hour that its sender has "
	    "set;") != NULL, "why they wait is told: %s", said.all);
	begin_with("queue list", "reason=hour that its sender");
	is_int(said.rows, 2, "and asked for");
	ask("queue stats by=reason");
	ok(strstr(said.all, "reason=kept until the hour that its sender has "
	    "set;messages=2;") != NULL, "and counted: %s", said.all);
	waiting(A, "y@example.net", other);
	ask("queue flush");
	is_str(said.end, "1 message to be tried now; 2 kept until the hour "
	    "that their sender has set; to send one now, name it: queue retry "
	    "ID.", "a flush lets them wait");
	ok(world_job(&relay, &j) && strcmp(j.rcpts[0].addr, "y@example.net") ==
	    0, "the other one goes");
	world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	ask("queue retry all=yes dry-run=yes");
	ok(strstr(said.end, "0 messages would be tried; 2 kept") != NULL &&
	    said.rows == 0, "so does a retry of all: %s", said.end);
	ask("queue hold all=yes");
	world_step(3600000);
	ask("queue release all=yes");
	is_str(said.end, "2 messages released; 2 of them to go at the hour "
	    "that their sender has set.", "and a release");
	ask("queue redirect up all=yes");
	ok(strstr(said.end, "2 messages redirected; 2 of them to go at") !=
	    NULL, "and another route: %s", said.end);
	ok(!world_job(&relay, &j), "nothing goes early");
	is_int(live_count(world.live), 0, "nor is it kept in memory");
	ask("queue retry %s", id[0]);
	is_str(said.end, "1 message to be tried now.", "but what is named does");
	ok(world_job(&relay, &j) && strcmp(j.id, id[0]) == 0, "at once");
	world_answer(&relay, &j, OUTCOME_DEFERRED, "4.2.2", "452 full");
	ask("queue flush");
	ok(strstr(said.end, "1 message to be tried now; 1 kept") != NULL,
	    "and is mail like any other then: %s", said.end);
	ask("queue flush");
	ok(strncmp(said.end, "0 messages to be tried now; 1 being tried "
	    "already; 1 kept", 52) == 0, "what goes already is counted: %s",
	    said.end);
	ok(world_job(&relay, &j) && strcmp(j.id, id[0]) == 0, "tried again");
	world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	world_step(22 * 3600000ULL);
	ok(!world_job(&relay, &j), "the other waits for its hour");
	world_step(3600000 + 61000);
	ok(delivered(), "then it goes");
}

/* What leaves memory while the store is read is no less in the queue. */
static void
test_forgotten(void)
{
	struct world_job j;
	char id[STORE_ID_LEN + 1];
	unsigned int read, later;

	world_disconnect(&relay);
	submit(A, "x@example.net", id);
	read = live_read_begin(world.live);
	ask("queue hold %s", id);
	ask("queue hold all=yes");
	is_str(said.end, "0 messages held; 1 on hold already.",
	    "it is found still");
	is_int(live_count(world.live), 1, "as that read may know it otherwise");
	ask("queue remove account=" A " count=yes");
	ok(strstr(said.row, "messages=1;") != NULL, "counted: %s", said.row);
	ask("queue redirect up all=yes");
	is_str(said.end, "1 message redirected.", "and obeys");
	live_read_end(world.live, read);
	is_int(live_count(world.live), 0, "then the store alone has it");
	world_connect(&relay, ROLE_RELAY, 0);

	read = live_read_begin(world.live);
	ask("queue hold %s", id);
	later = live_read_begin(world.live);
	ask("queue release all=yes");
	is_str(said.end, "1 message released.", "released behind it");
	live_read_end(world.live, read);
	live_read_end(world.live, later);
	is_int(live_count(world.live), 1, "what is on its way stays");
	ok(world_job(&relay, &j) && strcmp(j.id, id) == 0, "it is sent");
	world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	is_int(live_count(world.live), 0, "and gone");
}

/* Of one who has to wait. */
static void
order(const char *verb, const char *id)
{
	char words[64];
	int i;

	snprintf(words, sizeof(words), "queue %s %s", verb, id);
	begin(words);
	for (i = 0; i < 200 && said.ended == 0; i++)
		world_step(50);
	is_int(said.ended, 1, "%s: answered once", words);
}

/* On a full disk nothing is called done, or sent, that might not be kept. */
static void
test_full_disk(void)
{
	struct world_job j;
	char id[STORE_ID_LEN + 1], other[STORE_ID_LEN + 1];

	world_conf.segment_bytes = 8 << 20;
	waiting(A, "x@example.net", id);
	store_memory_set_room(world.store, 2 * 1024);
	order("remove", id);
	is_int(said.code, CTL_TEMPORARY, "no room for an order");
	ok(strstr(said.end, "0 messages removed; the disk is full") != NULL,
	    "which is said: %s", said.end);
	store_memory_set_room(world.store, 100 * 1024);
	world_step(3600000);
	ok(!world_job(&relay, &j), "nor for the end of a delivery");
	order("hold", id);
	is_int(said.code, CTL_TEMPORARY, "nor for what frees nothing");
	submit(A, "z@example.net", other);
	ask("queue remove %s", other);
	is_str(said.end, "1 message removed.", "but for what does");
	submit(A, "z@example.net", other);
	store_memory_set_room(world.store, 6 * 1024);
	order("remove", other);
	is_int(said.code, CTL_OK, "which takes next to nothing");
	store_memory_set_room(world.store, 1024 * 1024);
	world_step(2000);
	ok(world_job(&relay, &j), "with room for its end it begins");
	store_memory_set_unsettled(world.store, 40000);
	order("remove", id);
	is_int(said.code, CTL_TEMPORARY, "nor does one wait for good for an "
	    "index that does not come along");
	store_memory_set_unsettled(world.store, 0);
	store_memory_set_room(world.store, 6 * 1024);
	submit(A, "y@example.net", id);
	order("remove", id);
	is_int(said.code, CTL_TEMPORARY, "no order takes what is kept for that");
	world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	ask("queue remove %s", id);
	is_int(said.code, CTL_OK, "when it is written down it may");
	store_memory_set_room(world.store, UINT64_MAX);
	waiting(A, "x@example.net", id);
	ask("queue hold %s", id);
	store_memory_set_room(world.store, 2 * 1024);
	order("hold", id);
	is_str(said.end, "0 messages held; 1 on hold already.",
	    "what was so takes no room");
	ask("queue flush");
	is_str(said.end, "0 messages to be tried now; 1 on hold, release them "
	    "first.", "nor does what is not to be tried");
	order("release", id);
	is_int(said.code, CTL_TEMPORARY, "but what is changed does");
	store_memory_set_room(world.store, UINT64_MAX);
	ask("queue remove %s", id);
	submit(A, "x@example.net", id);
	world_step(2000);
	ok(delivered(), "and with room again all is as ever");
}

/* An asker that does not read, one that reads on, and one that leaves. */
static void
test_flow(void)
{
	char id[STORE_ID_LEN + 1];
	int i, rows, turns;

	world_disconnect(&relay);
	for (i = 0; i < 3000; i++)
		submit(A, "a-rather-long-name-of-somebody@example.net", id);
	slow = true;
	begin("queue list");
	world_turn(200);
	rows = said.rows;
	ok(said.ended == 0 && rows > 0 && rows < 3000,
	    "%d rows, then the list waits", rows);
	world_turn(200);
	is_int(said.rows, rows, "for as long as it takes");
	for (turns = 0; said.ended == 0 && turns < 1000; turns++) {
		ctl_read(&world, 7, said.unread);
		said.unread = 0;
		world_turn(20);
	}
	ok(said.rows == 3000 && said.code == CTL_OK, "and then goes on");
	begin("queue list");
	world_turn(200);
	rows = said.rows;
	ctl_gone(&world, 7);
	world_turn(200);
	ok(said.ended == 1 && said.rows == rows, "who leaves ends it");
	begin("queue list");
	ctl_gone(&world, 7);
	world_turn(200);
	is_int(said.ended, 1, "at any time");
	slow = false;
	ctl_read(&world, 8, 1000);
	ctl_gone(&world, 8);
	ok(true, "strangers are ignored");
	ask("queue hold all=yes");
	is_str(said.end, "3000 messages held.", "three thousand");
	is_int(live_count(world.live), 0, "none of them in memory");
	ask("queue remove all=yes");
	is_int(store_count(world.store), 0, "none at all");
	world_connect(&relay, ROLE_RELAY, 0);
}

static void
test_misuse(void)
{
	static const char *const words[] = { "queue", "queue dance", "hold",
	    "queue remove", "queue hold limit=5", "queue retry x",
	    "queue redirect", "cap", "usage a b" };
	const uint64_t used[LIMIT_KINDS] = { [LIMIT_MESSAGES] = 2 };
	size_t i;

	for (i = 0; i < nitems(words); i++) {
		ask("%s", words[i]);
		is_int(said.code, CTL_USAGE, "misuse: %s", said.end);
	}
	ask("usage");
	ask("usage %s", A);
	is_int(said.code, CTL_OK, "usage of who has sent something");
	ask("usage nobody@example.org");
	is_int(said.code, CTL_NOT_FOUND, "usage of who has sent nothing");
	caps_replay(world.caps, "before@example.org", clock_steady_ms(), used,
	    clock_steady_ms());
	ask("usage before@example.org");
	ok(said.code == CTL_OK && strstr(said.all, "messages_1h=2;") != NULL,
	    "usage of who has sent before a restart: %s", said.end);
	ask("cap list");
	ok(strstr(said.all, "cap=default;what=recipients;limit=100/message;")
	    != NULL, "caps");
}

/* One whose sender is to hear of its delivery. */
static void
relayed(char id[STORE_ID_LEN + 1], struct world_job *j)
{
	struct ticket t = world_ticket(0, session++, A);
	struct envelope e;
	struct world_no no;

	envelope_init(&e);
	e.return_path = xstrdup(A);
	envelope_add_rcpt(&e, "x@example.net", NULL, NOTIFY_SUCCESS);
	world_submit_env(&smtpd, &t, &e, WORLD_BODY);
	envelope_clear(&e);
	ok(world_submitted(&smtpd, &no, id) && world_job(&relay, j),
	    "at a next hop");
}

/* Delivered, and its sender is to hear so, for which there is no room yet. */
static void
test_told_later(void)
{
	struct world_job j;
	char id[STORE_ID_LEN + 1];

	relayed(id, &j);
	store_memory_set_room(world.store, 4 * 1024);
	world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	ask("queue list %s", id);
	ok(strstr(said.all, "state=waiting;") != NULL && strstr(said.all,
	    "reason=delivered; the report of it waits for room on the disk;") !=
	    NULL, "it has not failed: %s", said.all);
	ask("queue list state=failed");
	is_int(said.rows, 0, "nor is it taken for that");
	store_memory_set_room(world.store, UINT64_MAX);
	ask("queue list %s", id);
	ok(strstr(said.all, "reason=delivered; the report of it waits;") !=
	    NULL, "when there is room, it does not wait for that: %s",
	    said.all);
	world_step(LIFE_PUT_OFF_MS + 1000);
	ok(delivered(), "with room its sender hears");

	relayed(id, &j);
	ask("queue hold %s", id);
	store_memory_set_room(world.store, 4 * 1024);
	world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	ask("queue list %s", id);
	ok(strstr(said.all, "state=held by admin;") != NULL && strstr(said.all,
	    "reason=delivered; the report of it waits;") != NULL,
	    "nor does one that is held: %s", said.all);
	store_memory_set_room(world.store, UINT64_MAX);
	ask("queue release %s", id);
	world_step(LIFE_PUT_OFF_MS + 1000);
	ok(delivered(), "released, it is told of");
}

/* What parts one recipient's answer from another's, and what does not. */
static void
test_shapes(void)
{
	static const struct {
		const char *status, *answer, *shape;
	} cases[] = {
		{ "5.0.0", "500 Line too long (see RFC5321 4.5.3.1.6)",
		    "500 Line too long (see RFC5321 4.5.3.1.6)" },
		{ "5.6.0", "500 see RFC-5321, section 4.5.3.1.",
		    "5.6.0 500 see RFC-5321, section 4.5.3.1." },
		{ "5.7.26", "550-5.7.26 not authenticated",
		    "550-5.7.26 not authenticated" },
		{ "4.7.0", "421 4.7.0 (192.0.2.7) has sent 1234567 today",
		    "421 4.7.0 * has sent * today" },
		{ "4.7.1", "450 4.7.1 <2001:db8::123> as 4Bf2cA9d1 of <a@b>;",
		    "450 4.7.1 * as * of *" },
		{ "4.0.0", "timed out", "4.0.0 timed out" },
		{ "4.2.1", "450 try 20261130 at 18:00:02",
		    "4.2.1 450 try * at *" },
	};
	struct store_rcpt r = { 0 };
	char shape[SHAPE_MAX + 1];
	size_t i;

	for (i = 0; i < nitems(cases); i++) {
		r.status = (char *)(uintptr_t)cases[i].status;
		r.diag = (char *)(uintptr_t)cases[i].answer;
		is_str(ctl_shape(&r, shape), cases[i].shape, "%s",
		    cases[i].answer);
	}
}

/* A status that the answer has in it is told once. */
static void
test_reasons(void)
{
	char id[STORE_ID_LEN + 1];
	struct world_job j;

	submit(A, "w@busy.example", id);
	while (world_job(&relay, &j))
		world_answer(&relay, &j, OUTCOME_DEFERRED, "4.3.0",
		    "451 4.3.0 busy");
	ask("queue stats to=@busy.example");
	ok(strstr(said.all, "reason=451 4.3.0 busy;") != NULL,
	    "by reason: %s", said.all);
	submit(A, "v@busy.example", id);
	while (world_job(&relay, &j))
		world_answer(&relay, &j, OUTCOME_DEFERRED, "4.2.1",
		    "450 <v@busy.example> is busy");
	ask("queue stats to=v@busy.example");
	ok(strstr(said.all, "reason=4.2.1 450 * is busy;") != NULL,
	    "without the recipient: %s", said.all);
	begin_with("queue list", "reason=4.2.1 450 * is busy");
	ok(said.rows == 1 && strstr(said.all, id) != NULL,
	    "and it is found by that");
	test_shapes();
	ask("queue remove all=yes counts=yes");
	ok(strstr(said.all, "done=2 messages removed.;removed=2;at_next_hop=0;"
	    "later=0;already=0;on_hold=0;kept=0;failed=0;missing=0;") != NULL,
	    "in numbers: %s", said.all);
	ask("queue remove to=@nowhere.example counts=yes");
	ok(strstr(said.all, "done=" CTL_NOTHING ";removed=0;") != NULL,
	    "none, too");
	ask("queue flush to=@busy.example");
	ok(said.code == CTL_USAGE && strstr(said.end, "queue retry FILTER") !=
	    NULL, "a flush is for all: %s", said.end);
}

int
main(void)
{
	ctl_world_open();
	test_filters();
	test_show();
	test_in_line();
	test_paced();
	test_redirect();
	test_route_gone();
	test_kept();
	test_forgotten();
	test_full_disk();
	test_flow();
	test_misuse();
	test_reasons();
	test_told_later();
	return ctl_world_close();
}
