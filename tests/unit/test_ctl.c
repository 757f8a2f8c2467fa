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

/* What the last row that was shown has there. */
static uint64_t
number_of(const char *id, const char *key)
{
	const char *at;

	ask("queue list %s", id);
	at = strstr(said.row, key);
	return at == NULL ? 0 : strtoull(at + strlen(key), NULL, 10);
}

static void
defer_all(void)
{
	struct world_job j;

	while (world_job(&relay, &j))
		world_answer(&relay, &j, OUTCOME_DEFERRED, "4.2.2",
		    "452 full");
}

/*
 * An admin's order before its time, which then comes to nothing, takes nothing
 * from what comes after: neither a try nor its hour.
 */
static void
test_early_order(void)
{
	static const char *const orders[] = { "queue retry %s",
	    "queue retry all=yes", "queue flush",
	    "queue retry to=x@example.net" };
	char id[STORE_ID_LEN + 1];
	struct world_job j;
	uint64_t due;
	size_t i;

	waiting(A, "x@example.net", id);
	due = number_of(id, "next_try=");
	is_int(number_of(id, "attempts="), 1, "tried once");
	ask("queue flush dry-run=yes");
	ok(said.rows == 1 && !world_job(&relay, &j), "a flush that only looks "
	    "tells what it would try");
	is_str(said.end, "1 message would be tried.", "and tries none");
	for (i = 0; i < nitems(orders); i++) {
		/* The last one is less than a fifth of the wait before. */
		world_step(i < 3 ? 40000 : due - ev_wall_ms() - 20000);
		if (strstr(orders[i], "%s") != NULL)
			ask("queue retry %s", id);
		else
			ask("%s", orders[i]);
		ok(world_job(&relay, &j), "tried early");
		world_answer(&relay, &j, OUTCOME_DEFERRED, "4.2.2",
		    "452 full");
		is_int(number_of(id, "next_try="), due, "%s: its next try is "
		    "when it was to be", orders[i]);
		is_int(number_of(id, "attempts="), 1, "and it was none");
	}
	ask("queue hold %s", id);
	ask("queue release %s", id);
	ok(world_job(&relay, &j), "nor does a release");
	world_answer(&relay, &j, OUTCOME_DEFERRED, "4.2.2", "452 full");
	is_int(number_of(id, "next_try="), due, "change that");
	ask("queue retry %s", id);
	ok(world_job(&relay, &j), "held while it is tried early");
	ask("queue hold %s", id);
	world_answer(&relay, &j, OUTCOME_DEFERRED, "4.2.2", "452 full");
	ask("queue release %s", id);
	defer_all();
	is_int(number_of(id, "next_try="), due, "that is kept, too");
	is_int(number_of(id, "attempts="), 1, "and it was none");
	world_step(due - ev_wall_ms() - 1000);
	ok(!world_job(&relay, &j), "a second before, nothing");
	world_step(1000);
	ok(world_job(&relay, &j), "then it is tried");
	world_answer(&relay, &j, OUTCOME_DEFERRED, "4.2.2", "452 full");
	is_int(number_of(id, "attempts="), 2, "which counts");
	due = number_of(id, "next_try=");
	ok(due - ev_wall_ms() >= 480000 && due - ev_wall_ms() <= 720000,
	    "and the next is twice as far off");
	ask("queue retry %s", id);
	ok(world_job(&relay, &j), "one that is on its way");
	world_step(due - ev_wall_ms() + 1000);
	world_answer(&relay, &j, OUTCOME_DEFERRED, "4.2.2", "452 full");
	is_int(number_of(id, "attempts="), 3, "until the next was due is that");
	ask("queue remove %s", id);
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

static void
test_hold(void)
{
	static const char *const mean_it_no_more[] = { "queue stats",
	    "queue export", "queue list state=held", "queue flush",
	    "queue hold all=yes dry-run=yes", "queue remove from=" A };
	struct world_job j;
	char id[STORE_ID_LEN + 1];
	size_t i;

	waiting(A, "x@example.net", id);
	ask("queue hold %s dry-run=yes", id);
	is_str(said.end, "1 message would be held.", "a dry run");
	ask("queue release %s dry-run=yes", id);
	is_str(said.end, "0 messages would be released; 1 not on hold.",
	    "and none of a release");
	ask("queue hold to=example.net count=yes");
	ok(strstr(said.all, "messages=1;upto=") != NULL, "a count");
	ask("queue hold %s", id);
	is_str(said.end, "1 message held.", "held");
	is_int(live_count(world.live), 0, "and not in memory");
	ask("queue hold %s", id);
	is_str(said.end, "0 messages held; 1 on hold already.", "held already");
	ask("queue hold %s dry-run=yes", id);
	is_str(said.end, "0 messages would be held; 1 on hold already.",
	    "so says a dry run");
	ok(strstr(said.all, "state=") == NULL, "which lists none");
	ask("queue hold %s dry-run=yes counts=yes", id);
	ok(strstr(said.all, "held=0;") != NULL &&
	    strstr(said.all, "already=1;") != NULL &&
	    strstr(said.all, "dry_run=true;") != NULL, "and counts for programs: %s",
	    said.all);
	ask("queue hold to=example.net count=yes");
	ok(strstr(said.all, "messages=0;upto=") != NULL, "a count");
	is_str(said.end, "0 messages would be held; 1 on hold already.", "in words");
	ask("queue hold to=example.org count=yes");
	is_str(said.end, "No message is like that.", "none at all");
	ask("queue hold 0000000000001 dry-run=yes");
	is_int(said.code, CTL_NOT_FOUND, "none such");
	ask("queue retry %s dry-run=yes", id);
	is_str(said.end, "0 messages would be tried; 1 on hold, release them "
	    "first", "a retry would not be one");
	ask("queue release %s dry-run=yes", id);
	is_str(said.end, "1 message would be released.", "a release would");
	ask("queue redirect up %s dry-run=yes", id);
	is_str(said.end, "1 message would be redirected.", "to a route");
	ask("queue redirect - %s dry-run=yes", id);
	is_str(said.end, "0 messages would be redirected; 1 on that route "
	    "already.",
	    "but not to its own");
	ask("queue list state=held");
	ok(strstr(said.all, "state=held by admin;") != NULL, "it is listed so");
	ask("queue retry %s", id);
	is_int(said.code, CTL_FAILED, "no retry: %s", said.end);
	ask("queue retry all=yes");
	is_int(said.code, CTL_FAILED, "of none: %s", said.end);
	ask("queue flush counts=yes");
	ok(said.code == CTL_OK && strstr(said.all, "on_hold=1;") != NULL,
	    "a flush leaves and counts it: %s", said.end);
	ask("queue flush dry-run=yes counts=yes");
	ok(said.code == CTL_OK && strstr(said.all, "on_hold=1;") != NULL &&
	    strstr(said.all, "dry_run=true;") != NULL,
	    "and so does one that only looks: %s", said.end);
	world_step(86400000);
	ok(!world_job(&relay, &j), "for a day nothing happens");
	ask("queue release %s", id);
	ok(delivered(), "released, tried and delivered");
	ask("queue release %s", id);
	is_int(said.code, CTL_NOT_FOUND, "gone");

	submit(A, "x@example.net y@example.net", id);
	ok(world_job(&relay, &j), "a message at a relay");
	ask("queue hold %s", id);
	ok(strstr(said.end, "at a next hop right now") != NULL,
	    "is held when that has answered");
	ask("queue list state=sending");
	ok(strstr(said.all, "state=sending, then held;") != NULL,
	    "which a list tells: %s", said.all);
	world_say(&relay, &j, 0, OUTCOME_DELIVERED, "2.0.0", "ok");
	world_say(&relay, &j, 1, OUTCOME_DEFERRED, "4.0.0", "later");
	world_end(&relay, &j, true);
	world_step(86400000);
	ok(!world_job(&relay, &j), "and then rests");
	ask("queue release all=yes");
	ok(world_job(&relay, &j) && j.n == 1, "for who was not reached");
	world_answer(&relay, &j, OUTCOME_FAILED, "5.0.0", "no");
	ok(world_job(&relay, &j) && *j.return_path == '\0', "a bounce");
	ask("queue hold from=<>");
	world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	is_int(store_count(world.store), 0, "was under way when it was held");

	submit(A, "x@example.net", id);
	ok(world_job(&relay, &j), "another");
	ask("queue list %s", id);
	ok(strstr(said.all, "state=sending;") != NULL, "is sent");
	ask("queue remove %s", id);
	ask("queue list %s", id);
	ok(strstr(said.all, "state=sending, then removed;") != NULL,
	    "and goes, whatever is said there: %s", said.all);
	for (i = 0; i < nitems(mean_it_no_more); i++) {
		ask("%s", mean_it_no_more[i]);
		ok(said.rows == 0 && strstr(said.all, id) == NULL &&
		    strstr(said.end, "1 ") == NULL, "%s does not mean "
		    "it: %s", mean_it_no_more[i], said.end);
	}
	ask("queue hold %s", id);
	is_int(said.code, CTL_NOT_FOUND, "nor does its id: %s", said.end);
	ask("queue export %s", id);
	is_int(said.code, CTL_NOT_FOUND, "for an export, too: %s", said.end);
	world_answer(&relay, &j, OUTCOME_DEFERRED, "4.0.0", "later");
	is_int(store_count(world.store), 0, "removed");
}

/* An order about what is at a next hop is answered: so it is after a crash. */
static void
test_hold_crash(void)
{
	static const char *const orders[] = { "hold", "remove",
	    "redirect detour" };
	char id[STORE_ID_LEN + 1];
	struct world_job j;
	size_t i;

	world_routes[1].name = (char *)"detour";
	world_conf.routes.n = 2;
	for (i = 0; i < nitems(orders); i++) {
		submit(A, "x@example.net y@example.net", id);
		ok(world_job(&relay, &j), "a message at a relay");
		world_say(&relay, &j, 0, OUTCOME_DELIVERED, "2.0.0", "ok");
		world_turn(5);
		ask("queue %s %s", orders[i], id);
		ok(strstr(said.end, "1 of them at a next hop right now") !=
		    NULL, "%s: %s", orders[i], said.end);
		free(j.body);
		world_crash(&smtpd, &relay);
		if (i < 2) {
			ok(!world_job(&relay, &j), "is not tried after it");
			ask("queue list state=held");
			ok(said.rows == 1 && strstr(said.all, "held by admin;")
			    != NULL, "but on hold: %s", said.all);
			ask("queue release %s", id);
		}
		ok(world_job(&relay, &j) && strcmp(j.id, id) == 0,
		    "it goes when it may");
		is_str(j.route, i < 2 ? "up" : "detour", "by its route");
		is_int(j.n, 1, "to whom it was not delivered");
		world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	}
	is_int(store_count(world.store), 0, "nothing is left");
	world_conf.routes.n = 1;
}

/* What is taken back at a next hop is so after a crash, too. */
static void
test_release_crash(void)
{
	char id[STORE_ID_LEN + 1];
	struct world_job j;

	submit(A, "x@example.net", id);
	ok(world_job(&relay, &j), "a message at a relay");
	ask("queue hold %s", id);
	ask("queue release %s", id);
	is_str(said.end, "1 message released.", "held, then released");
	free(j.body);
	world_crash(&smtpd, &relay);
	ok(world_job(&relay, &j) && strcmp(j.id, id) == 0,
	    "it is tried after a crash");
	world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	is_int(store_count(world.store), 0, "nothing is left");
}

/* Nor does a relay that dies, or has no answer, make it go again. */
static void
test_hold_death(void)
{
	static const char *const orders[] = { "hold", "redirect detour" };
	char id[STORE_ID_LEN + 1];
	struct world_job j;
	size_t i;

	world_routes[1].name = (char *)"detour";
	world_conf.routes.n = 2;
	for (i = 0; i < nitems(orders); i++) {
		submit(A, "x@example.net", id);
		ok(world_job(&relay, &j), "a message at a relay");
		ask("queue %s %s", orders[i], id);
		free(j.body);
		world_disconnect(&relay);
		world_connect(&relay, ROLE_RELAY, 0);
		world_turn(20);
		if (i == 0) {
			ok(!world_job(&relay, &j), "held: its relay dies, and "
			    "it is not tried again");
			ask("queue list state=held");
			ok(said.rows == 1 && strstr(said.all, "held by admin;")
			    != NULL, "it is on hold: %s", said.all);
			ask("queue release %s", id);
		}
		ok(world_job(&relay, &j) && strcmp(j.id, id) == 0, "it goes");
		is_str(j.route, i == 0 ? "up" : "detour", "by its route");
		world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	}
	is_int(store_count(world.store), 0, "nothing is left");
	world_conf.routes.n = 1;
}

/* On a full disk there is the room that was kept for the next hop's word. */
static void
test_remove_full(void)
{
	char id[STORE_ID_LEN + 1];
	struct world_job j;

	submit(A, "x@example.net", id);
	ok(world_job(&relay, &j), "a message at a relay");
	store_memory_set_room(world_store, world.reserved + STORE_LEAST_BYTES);
	ask("queue remove %s", id);
	ok(said.code == CTL_OK, "removed on a full disk: %s", said.end);
	ok(world.reserved <= STORE_LEAST_BYTES, "it takes no more than that");
	store_memory_set_room(world_store, UINT64_MAX);
	free(j.body);
	world_crash(&smtpd, &relay);
	ok(!world_job(&relay, &j), "it does not go after a crash");
	ask("queue remove %s", id);
	is_int(store_count(world.store), 0, "nothing is left");
}

/* What is delivered while it is to be removed does not go again either. */
static void
test_remove_delivered(void)
{
	char id[STORE_ID_LEN + 1];
	struct world_job j[2];

	world_routes[0].by_domain = true;
	submit(A, "x@a.example y@b.example", id);
	ok(world_job(&relay, &j[0]) && world_job(&relay, &j[1]), "two jobs");
	ask("queue remove %s", id);
	world_answer(&relay, &j[0], OUTCOME_DELIVERED, "2.0.0", "ok");
	free(j[1].body);
	world_crash(&smtpd, &relay);
	ask("queue release %s", id);
	ok(world_job(&relay, &j[1]), "released after a crash, it goes");
	ok(strcmp(j[0].domain, j[1].domain) != 0, "to the other");
	world_answer(&relay, &j[1], OUTCOME_DELIVERED, "2.0.0", "ok");
	ok(!world_job(&relay, &j[0]), "alone");
	is_int(store_count(world.store), 0, "nothing is left");
	world_routes[0].by_domain = false;
}

/* A stop in order: what was delivered and waits for its second is written down. */
static void
test_stop(void)
{
	char many[40 * 24] = "", id[STORE_ID_LEN + 1];
	struct world_job j;
	uint32_t i, taken = 0;

	for (i = 0; i < 40; i++)
		snprintf(many + strlen(many), sizeof(many) - strlen(many),
		    "%sr%u@h%u.example", i == 0 ? "" : " ", i, i);
	world_routes[0].by_domain = true;
	world_routes[0].connections = 1;
	submit(A, many, id);
	for (; taken < 3 && world_job(&relay, &j); taken++)
		world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	is_int(taken, 3, "three of forty are delivered");
	life_stop(&world);
	world_crash(&smtpd, &relay);
	for (; world_job(&relay, &j); taken++)
		world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	is_int(taken, 40, "the others go, each once");
	is_int(store_count(world.store), 0, "and all is delivered");
	world_routes[0].by_domain = false;
	world_routes[0].connections = 4;
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
	world_defaults();
	world_limits[0].count = 100000;
	world_open();
	world_connect(&smtpd, ROLE_SMTPD, 0);
	world_connect(&relay, ROLE_RELAY, 0);
	test_filters();
	test_show();
	test_hold();
	test_hold_crash();
	test_release_crash();
	test_hold_death();
	test_remove_full();
	test_remove_delivered();
	test_stop();
	test_early_order();
	test_in_line();
	test_paced();
	test_redirect();
	test_route_gone();
	test_kept();
	test_forgotten();
	test_full_disk();
	test_flow();
	test_import();
	test_import_again();
	test_import_leaving();
	test_import_foreign();
	test_import_full();
	test_import_twice();
	test_handed();
	test_export();
	test_export_misread();
	test_misuse();
	test_reasons();
	test_told_later();
	world_disconnect(&smtpd);
	world_disconnect(&relay);
	world_close();
	return tap_done();
}
