/*
 * queue/ctl: what an admin orders of messages: as it is answered, and as it is
 * after what has them in hand, a crash, a stop, or on a full disk.
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
			ok(said.rows == 1 && strstr(said.all, i == 0 ?
			    "state=held by admin;" : "state=held, was to be "
			    "removed;") != NULL, "but on hold: %s", said.all);
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

/* One that fails; reports of ours arrive. */
static int
fail_all(void)
{
	struct world_job j;
	int reports = 0;

	while (world_job(&relay, &j))
		if (*j.return_path == '\0') {
			world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0",
			    "ok");
			reports++;
		} else
			world_answer(&relay, &j, OUTCOME_FAILED, "5.1.1",
			    "550 nobody");
	return reports;
}

/* What waits for a report about many has failed, behind a crash, too. */
static void
test_failed(void)
{
	static const char *const orders[] = { "hold", "retry", "release",
	    "redirect -" };
	char id[STORE_ID_LEN + 1];
	int i, crash;
	size_t k;

	world_step(2 * 3600000);
	for (i = 0; i <= LIFE_SINGLE_REPORTS; i++) {
		submit(A, "x@example.net", id);
		fail_all();
	}
	for (crash = 0; crash < 2; crash++) {
		if (crash == 1)
			world_crash(&smtpd, &relay);
		for (k = 0; k < nitems(orders); k++) {
			ask("queue %s %s", orders[k], id);
			ok(said.code == CTL_FAILED && strstr(said.end,
			    "1 failed already") != NULL, "no %s: %s",
			    orders[k], said.end);
		}
		ask("queue flush");
		ok(strstr(said.end, "0 messages to be tried now; 1 failed "
		    "already") != NULL, "nor a flush: %s", said.end);
		is_int(number_of(id, "attempts="), 1, "it was tried once");
	}
	world_step(LIFE_DIGEST_MS + 1000);
	is_int(fail_all(), 1, "its sender hears at the hour that was told");
	is_int(store_count(world.store), 0, "nothing is left");
}

/*
 * A round that an order ends may want a report, for which the body is read
 * first: what was ordered is given to the store all the same.
 */
static void
test_hold_settling(void)
{
	static const struct life_order orders[] = {
		{ LIFE_HOLD, HOLD_ADMIN, "", "admin" },
		{ LIFE_REDIRECT, HOLD_ADMIN, "detour", "admin" },
	};
	char id[STORE_ID_LEN + 1], other[STORE_ID_LEN + 1];
	struct world_job first, j;
	struct live_msg *lm;
	size_t i;

	world_routes[1].name = (char *)"detour";
	world_conf.routes.n = 2;
	for (i = 0; i < nitems(orders); i++) {
		world_routes[0].by_domain = true;
		world_routes[0].connections = 1;
		submit(A, "z@b.example", other);
		submit(A, "x@a.example y@b.example", id);
		while (world_job(&relay, &j))
			free(j.body);
		world_crash(&smtpd, &relay);	/* no body is in memory now */
		ok(world_job(&relay, &first), "one has the only place at b");
		is_str(first.id, other, "the older");
		ok(world_job(&relay, &j), "and of two recipients");
		is_str(j.domain, "a.example", "one is tried");
		world_answer(&relay, &j, OUTCOME_FAILED, "5.1.1", "550 no");
		lm = live_find(world.live, store_id_parse(id));
		life_obey(&world, &lm->m, &orders[i]);
		is_int(lm->state, LIVE_SETTLING, "its body is to be read");
		free(first.body);
		world_routes[0].connections = 4;
		world_crash(&smtpd, &relay);
		for (; world_job(&relay, &j); free(j.body))
			if (strcmp(j.id, id) == 0)
				is_str(j.route, i == 0 ? "none" : "detour",
				    "it goes as ordered");
		ask("queue list %s", id);
		ok(strstr(said.all, i == 0 ? "state=held by admin;" :
		    "next_hop=detour;") != NULL, "after a crash: %s", said.all);
		ask("queue remove all=yes");
		world_crash(&smtpd, &relay);
		ask("queue remove all=yes");
		is_int(store_count(world.store), 0, "nothing is left");
	}
	world_routes[0].by_domain = false;
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

/* ... and what is at a next hop and was removed does not come back. */
static void
test_stop_removed(void)
{
	char id[STORE_ID_LEN + 1], other[STORE_ID_LEN + 1];
	struct world_job j;

	submit(A, "x@example.net", id);
	ok(world_job(&relay, &j), "a message at a relay");
	free(j.body);
	submit(A, "y@example.net", other);
	ok(world_job(&relay, &j), "another one");
	free(j.body);
	ask("queue remove %s", id);
	ok(strstr(said.end, "1 of them at a next hop right now") != NULL,
	    "removed: %s", said.end);
	life_stop(&world);
	world_crash(&smtpd, &relay);
	ask("queue list");
	ok(said.rows == 1 && strstr(said.all, other) != NULL,
	    "the other is there behind a stop: %s", said.all);
	ok(delivered(), "and is delivered");
}

/* Who leaves at any moment, such as before it is durable, has been obeyed or not. */
static void
test_leave(void)
{
	char id[STORE_ID_LEN + 1], words[64];
	int turns;

	waiting(A, "x@example.net", id);
	for (turns = 0; turns < 12; turns++) {
		snprintf(words, sizeof(words), "queue %s %s", turns % 2 == 0 ?
		    "hold" : "release", id);
		begin(words);
		world_turn(turns);
		ctl_gone(&world, 7);
		ctl_read(&world, 7, 1);
		world_turn(200);
		is_int(said.ended, 1, "%s: ended, left after %d", words, turns);
		ask("queue list %s", id);
		is_int(said.rows, 1, "it is there");
	}
	world_disconnect(&relay);
	ask("queue remove %s", id);
	is_int(store_count(world.store), 0, "until it is removed");
	world_connect(&relay, ROLE_RELAY, 0);
}

int
main(void)
{
	ctl_world_open();
	test_early_order();
	test_hold();
	test_hold_crash();
	test_failed();
	test_hold_settling();
	test_release_crash();
	test_hold_death();
	test_remove_full();
	test_remove_delivered();
	test_stop();
	test_stop_removed();
	test_leave();
	return ctl_world_close();
}
