/*
 * queue/life: what a sender asks for as to time and rank (DELIVERBY, RFC 2852;
 * MT-PRIORITY, RFC 6710), and the times that a route has of its own.
 */
#include "lib/prelude.h"

#include "queue/ctl.h"
#include "tests/unit/queue_world.h"

#define MINUTE	60000ULL
#define ALICE	"alice@example.org"
#define BOB	"bob@example.net"

static struct world_peer smtpd, relay;
static uint64_t session = 1;

struct wish {
	enum by_mode by;
	int64_t	 sec;
	bool	 trace, told;
	bool	 require_tls;
	int8_t	 priority;
	uint8_t	 notify;
	const char *from;	/* NULL: alice */
};

static void
submit(const struct wish *w)
{
	struct ticket t = world_ticket(0, session++, ALICE);
	struct envelope e;
	struct world_no no;

	envelope_init(&e);
	e.return_path = xstrdup(w->from == NULL ? ALICE : w->from);
	e.by = (uint8_t)w->by;
	e.by_trace = w->trace;
	e.require_tls = w->require_tls;
	e.by_told = w->told;
	e.by_ms = w->by == BY_NONE ? 0 : (uint64_t)((int64_t)ev_wall_ms() +
	    w->sec * 1000);
	e.priority = w->priority;
	envelope_add_rcpt(&e, BOB, NULL, w->notify);
	world_submit_env(&smtpd, &t, &e, WORLD_BODY);
	envelope_clear(&e);
	ok(world_submitted(&smtpd, &no, NULL), "accepted");
}

static void
by(enum by_mode mode, int64_t sec)
{
	submit(&(struct wish){ .by = mode, .sec = sec });
}

static void
nothing(const char *what)
{
	struct world_job j;
	bool none = !world_job(&relay, &j);

	ok(none, "%s: nothing more comes", what);
	if (!none)
		printf("# from <%s>: %s\n", j.return_path, j.body);
}

/* The next job is a report that has all of these words. */
static void
report(const char *what, const char *const *words)
{
	struct world_job j;

	if (!ok(world_job(&relay, &j) && *j.return_path == '\0',
	    "%s: a report", what))
		return;
	for (; *words != NULL; words++)
		if (!ok(strstr(j.body, *words) != NULL, "it says %s", *words))
			printf("# %s\n", j.body);
	world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
}

#define REPORT(what, ...) report(what, (const char *const []){ __VA_ARGS__, NULL })

static void
defer(const char *what)
{
	struct world_job j;

	if (ok(world_job(&relay, &j) && strcmp(j.rcpts[0].addr, BOB) == 0,
	    "%s: an attempt", what))
		world_answer(&relay, &j, OUTCOME_DEFERRED, "4.2.2", "452 full");
}

static void
deliver(const char *what)
{
	struct world_job j;

	if (ok(world_job(&relay, &j) && strcmp(j.rcpts[0].addr, BOB) == 0,
	    "%s: an attempt", what))
		world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "250 ok");
}

static void
empty(const char *what)
{
	nothing(what);
	is_int(store_count(world.store), 0, "%s: the queue is empty", what);
}

/* In steps, as feed looks at the index every now and then. */
static void
pass(uint64_t ms)
{
	for (; ms > MINUTE; ms -= MINUTE)
		world_step(MINUTE);
	world_step(ms);
}

/* --- by-mode R --------------------------------------------------------------------- */

static void
test_return(void)
{
	by(BY_RETURN, 120);
	deliver("in time");
	world_step(5 * MINUTE);
	empty("in time");

	by(BY_RETURN, 120);
	defer("late");
	world_step(119000);
	nothing("a second before");
	world_step(1000);
	REPORT("late", "Action: failed\r\nStatus: 5.4.7\r\n",
	    "Deliver-By-Date: ", "not delivered by ",
	    " as was asked for; the last try ended with: 452 full");
	empty("late");

	/* A whole day: the schedule goes on as always until then. */
	by(BY_RETURN, 86400);
	defer("a day");
	world_step(8 * MINUTE);
	defer("a day, the second time");
	world_step(20 * MINUTE);
	deliver("a day, the third time");
	empty("a day");
}

/* One hop takes one at a time; the rest waits in line when its time is over. */
static void
test_return_in_line(void)
{
	struct world_job first;

	world_routes[0].connections = 1;
	by(BY_NONE, 0);
	ok(world_job(&relay, &first), "one keeps the hop busy");
	by(BY_RETURN, 60);
	submit(&(struct wish){ .by = BY_RETURN, .sec = 60,
	    .notify = NOTIFY_NEVER });
	world_step(MINUTE);
	world_answer(&relay, &first, OUTCOME_DELIVERED, "2.0.0", "250 ok");
	REPORT("in line", "Status: 5.4.7\r\n", "no answer");
	empty("in line");
	world_routes[0].connections = 4;
}

/* What a relay has begun may end well after that. */
static void
test_return_under_way(void)
{
	struct world_job j;

	by(BY_RETURN, 60);
	ok(world_job(&relay, &j), "under way");
	world_step(2 * MINUTE);
	nothing("under way");
	world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "250 ok");
	empty("it was delivered all the same");

	by(BY_RETURN, 60);
	ok(world_job(&relay, &j), "under way");
	world_step(2 * MINUTE);
	world_answer(&relay, &j, OUTCOME_DEFERRED, "4.2.2", "452 full");
	REPORT("it was not", "Status: 5.4.7\r\n");
	empty("it was not");

	by(BY_RETURN, 60);
	ok(world_job(&relay, &j), "under way");
	free(j.body);
	world_disconnect(&relay);
	world_step(2 * MINUTE);
	world_connect(&relay, ROLE_RELAY, 0);
	REPORT("its relay died", "Status: 5.4.7\r\n");
	empty("its relay died");
}

static void
test_return_after_restart(void)
{
	by(BY_RETURN, 200);
	defer("before");
	world_crash(&smtpd, &relay);
	pass(4 * MINUTE);
	REPORT("after a restart", "Status: 5.4.7\r\n");
	empty("after a restart");

	/* The next hop knows nothing of by-times: relay/client says no. */
	by(BY_RETURN, 200);
	submit(&(struct wish){ .by = BY_RETURN, .sec = 200, .from = "" });
	world_step(0);
	defer("one");
	defer("two");
	world_step(4 * MINUTE);
	REPORT("no bounce to a bounce", "Status: 5.4.7\r\n");
	empty("no bounce to a bounce");
}

/* --- by-mode N --------------------------------------------------------------------- */

static void
test_notify(void)
{
	static const struct {
		const char *name;
		uint8_t	 notify;
		bool	 told;
		int	 reports;
	} rows[] = {
		{ "no NOTIFY", 0, false, 1 },
		{ "NOTIFY=DELAY", NOTIFY_DELAY, false, 1 },
		{ "NOTIFY=DELAY,FAILURE", NOTIFY_DELAY | NOTIFY_FAILURE, false,
		    1 },
		{ "NOTIFY=FAILURE", NOTIFY_FAILURE, false, 0 },
		{ "NOTIFY=SUCCESS", NOTIFY_SUCCESS, false, 0 },
		{ "NOTIFY=NEVER", NOTIFY_NEVER, false, 0 },
		{ "told before it came", 0, true, 0 },
	};
	size_t i;

	world_by = true;
	world_dsn = true;
	for (i = 0; i < nitems(rows); i++) {
		submit(&(struct wish){ .by = BY_NOTIFY, .sec = rows[i].told ?
		    -60 : 60, .notify = rows[i].notify, .told = rows[i].told });
		defer(rows[i].name);
		world_step(MINUTE);
		if (!rows[i].told)
			defer("when its time is over");
		if (rows[i].reports == 1)
			REPORT(rows[i].name, "Action: delayed\r\nStatus: 4.4.7"
			    "\r\n", "Deliver-By-Date: ", "Will-Retry-Until: ",
			    "Subject: ");
		nothing(rows[i].name);
		pass(13 * MINUTE);
		defer("it is tried on");
		nothing("once and no more");
		world_crash(&smtpd, &relay);
		pass(60 * MINUTE);
		deliver("to the end");
		empty(rows[i].name);
	}
}

/* Of one delay its sender hears once: a warning after it would say the same. */
static void
test_notify_and_warn(void)
{
	static const struct {
		const char *name;
		uint64_t warn_sec;
		bool	 warned;
	} rows[] = {
		{ "a warning at that moment", 60, false },
		{ "one a little later", 61, false },
		{ "one much later", 600, false },
		{ "one before it", 30, true },
	};
	size_t i;

	for (i = 0; i < nitems(rows); i++) {
		world_routes[0].warn_sec = (uint32_t)rows[i].warn_sec;
		by(BY_NOTIFY, 60);
		defer(rows[i].name);
		world_step(30000);
		if (rows[i].warned) {
			defer(rows[i].name);
			REPORT(rows[i].name, "Action: delayed\r\nStatus: "
			    "4.2.2\r\n", "below yet. There");
		}
		world_step(30000);
		defer(rows[i].name);
		REPORT(rows[i].name, "Action: delayed\r\nStatus: 4.4.7\r\n",
		    "below yet, where it was to be by\r\n");
		pass(20 * MINUTE);
		defer(rows[i].name);
		nothing(rows[i].name);
		pass(60 * MINUTE);
		deliver(rows[i].name);
		empty(rows[i].name);
	}
	world_routes[0].warn_sec = 0;
}

/* RFC 2852 4.1.3: whatever it waits for when its time is over, and once. */
static void
test_notify_in_hand(void)
{
	struct world_job first, j;

	world_routes[0].connections = 1;
	by(BY_NONE, 0);
	ok(world_job(&relay, &first), "one keeps the hop busy");
	by(BY_NOTIFY, 60);
	submit(&(struct wish){ .by = BY_NOTIFY, .sec = 60,
	    .notify = NOTIFY_FAILURE });
	world_step(59000);
	nothing("a second before");
	world_step(1000);
	world_answer(&relay, &first, OUTCOME_DELIVERED, "2.0.0", "250 ok");
	deliver("in line");
	REPORT("in line", "Action: delayed\r\nStatus: 4.4.7\r\n",
	    "not tried yet");
	deliver("in line, whose sender wants to hear of failure alone");
	empty("in line");

	world_by = false;
	by(BY_NOTIFY, 60);
	ok(world_job(&relay, &j), "under way");
	world_step(MINUTE);
	world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "250 ok");
	REPORT("under way", "Action: delayed\r\nStatus: 4.4.7\r\n");
	empty("it is not told that it was handed on, too");
	world_by = true;
	world_routes[0].connections = 4;
}

/* ... but nobody is told of what an admin has removed, which a relay still has. */
static void
test_notify_removed(void)
{
	const char *argv[] = { "queue", "remove", NULL };
	struct world_job j;

	by(BY_NOTIFY, 60);
	ok(world_job(&relay, &j), "under way");
	argv[2] = j.id;
	ctl_request(&world, 1, 3, argv);
	world_turn(20);
	is_int(store_count(world.store), 1, "to be removed");
	world_step(MINUTE);
	nothing("removed");
	world_answer(&relay, &j, OUTCOME_DEFERRED, "4.2.2", "452 full");
	empty("removed");
}

/* RFC 4865: what was held and then waits for its cap is late as well. */
static void
test_notify_kept_by_cap(void)
{
	struct conf_limit was = world_limits[0];
	struct ticket t;
	struct envelope e;
	struct world_no no;
	int i;

	for (i = 0; i < 2; i++) {
		t = world_ticket(0, session++, ALICE);
		envelope_init(&e);
		e.return_path = xstrdup(ALICE);
		e.hold_until_ms = ev_wall_ms() + 10 * MINUTE;
		e.by = BY_NOTIFY;
		e.by_ms = ev_wall_ms() + 20 * MINUTE;
		envelope_add_rcpt(&e, BOB, NULL, 0);
		world_submit_env(&smtpd, &t, &e, WORLD_BODY);
		envelope_clear(&e);
		ok(world_submitted(&smtpd, &no, NULL), "held for ten minutes");
	}
	world_limits[0] = (struct conf_limit){ LIMIT_MESSAGES, 1, 3600 };
	queue_reconf(&world, &world_conf);
	pass(11 * MINUTE);
	deliver("the cap lets one go");
	nothing("and keeps the other");
	pass(8 * MINUTE);
	nothing("in its time");
	pass(2 * MINUTE);
	REPORT("kept by the cap", "Action: delayed\r\nStatus: 4.4.7\r\n",
	    "its account's cap lets go of");
	nothing("once");
	world_crash(&smtpd, &relay);
	world_limits[0] = was;
	queue_reconf(&world, &world_conf);
	pass(60 * MINUTE);
	deliver("it goes in its turn");
	empty("kept by the cap");
}

/* One recipient has failed by then: one report, and nobody is left out. */
static void
test_notify_in_part(void)
{
	struct ticket t = world_ticket(0, session++, ALICE);
	struct world_job a, b;
	struct envelope e;
	struct world_no no;

	world_routes[0].by_domain = true;
	envelope_init(&e);
	e.return_path = xstrdup(ALICE);
	e.by = BY_NOTIFY;
	e.by_ms = ev_wall_ms() + MINUTE;
	envelope_add_rcpt(&e, "x@a.test", NULL, 0);
	envelope_add_rcpt(&e, "y@b.test", NULL, 0);
	world_submit_env(&smtpd, &t, &e, WORLD_BODY);
	envelope_clear(&e);
	ok(world_submitted(&smtpd, &no, NULL), "accepted");
	ok(world_job(&relay, &a) && world_job(&relay, &b), "two next hops");
	world_answer(&relay, &a, OUTCOME_FAILED, "5.1.1", "550 no");
	*world_log = '\0';
	world_step(MINUTE);
	REPORT("in part", "Action: failed\r\nStatus: 5.1.1\r\n",
	    "Action: delayed\r\nStatus: 4.4.7\r\n");
	world_answer(&relay, &b, OUTCOME_DELIVERED, "2.0.0", "250 ok");
	empty("in part");
	ok(strstr(world_log, "unreported") == NULL, "and the log knows it");
	world_routes[0].by_domain = false;
}

/* RFC 2852 4.1.4: to a next hop that knows nothing of by-times. */
static void
test_relayed(void)
{
	static const struct {
		const char *name;
		struct wish wish;
		bool	 by, dsn;	/* what the next hop knows */
		bool	 report;
	} rows[] = {
		{ "N, known", { .by = BY_NOTIFY, .sec = 60 }, true, true, false },
		{ "N, unknown", { .by = BY_NOTIFY, .sec = 60 }, false, true, true },
		{ "N, unknown, no DSN", { .by = BY_NOTIFY, .sec = 60 }, false, false, true },
		{ "N, unknown, NEVER", { .by = BY_NOTIFY, .sec = 60,
		    .notify = NOTIFY_NEVER }, false, true, false },
		{ "N, unknown, FAILURE", { .by = BY_NOTIFY, .sec = 60,
		    .notify = NOTIFY_FAILURE }, false, true, true },
		{ "N, unknown, null return path", { .by = BY_NOTIFY, .sec = 60, .from = "" },
		    false, true, false },
		{ "NT, known", { .by = BY_NOTIFY, .sec = 60, .trace = true }, true, true,
		    true },
		{ "RT, known", { .by = BY_RETURN, .sec = 60, .trace = true }, true, true,
		    true },
		{ "RT, known, NEVER", { .by = BY_RETURN, .sec = 60, .trace = true,
		    .notify = NOTIFY_NEVER }, true, true, false },
		{ "R, known", { .by = BY_RETURN, .sec = 60 }, true, true, false },
		{ "R, SUCCESS, known, no DSN", { .by = BY_RETURN, .sec = 60,
		    .notify = NOTIFY_SUCCESS }, true, false, true },
		{ "none", { .by = BY_NONE }, true, true, false },
	};
	size_t i;

	for (i = 0; i < nitems(rows); i++) {
		world_by = rows[i].by;
		world_dsn = rows[i].dsn;
		submit(&rows[i].wish);
		deliver(rows[i].name);
		if (rows[i].report)
			REPORT(rows[i].name, "Action: relayed\r\n",
			    "Deliver-By-Date: ", "was handed on");
		empty(rows[i].name);
	}
}

/* --- what goes along ------------------------------------------------------------------- */

static void
test_passed_on(void)
{
	struct world_job j;

	submit(&(struct wish){ .by = BY_NOTIFY, .sec = 90,
	    .trace = true, .priority = -7 });
	ok(world_job(&relay, &j) && j.by == BY_NOTIFY && j.by_trace &&
	    j.by_ms == ev_wall_ms() + 90000, "the relay is told the by-time");
	is_int(j.priority, -7, "and the priority");
	world_answer(&relay, &j, OUTCOME_FAILED, "5.1.1", "550 no");
	ok(world_job(&relay, &j) && *j.return_path == '\0' &&
	    j.by == BY_NONE, "a bounce has no by-time");
	is_int(j.priority, -7, "but the priority of what it is about");
	is_int(j.flags & DELIVER_REQUIRE_TLS, 0, "and needs no TLS");
	world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	/* RFC 8689 5 */
	submit(&(struct wish){ .require_tls = true });
	ok(world_job(&relay, &j), "mail that requires TLS");
	world_answer(&relay, &j, OUTCOME_FAILED, "5.1.1", "550 no");
	ok(world_job(&relay, &j) && *j.return_path == '\0' &&
	    (j.flags & DELIVER_REQUIRE_TLS) != 0, "and so does its bounce");
	world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	empty("passed on");
}

/* The hop is busy; meanwhile ordinary mail comes, then some that is urgent. */
static void
test_rank(void)
{
	static const int8_t came[] = { 0, -9, 4, 0, 9 }, went[] = { 9, 4, 0, 0,
	    -9 };
	struct world_job busy, j;
	size_t i;

	world_routes[0].connections = 1;
	by(BY_NONE, 0);
	ok(world_job(&relay, &busy), "the hop is busy");
	for (i = 0; i < nitems(came); i++)
		submit(&(struct wish){ .priority = came[i] });
	world_answer(&relay, &busy, OUTCOME_DELIVERED, "2.0.0", "ok");
	for (i = 0; i < nitems(went); i++) {
		ok(world_job(&relay, &j), "one");
		is_int(j.priority, went[i], "in its rank");
		world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	}
	world_routes[0].connections = 4;
	empty("rank");
}

/* --- a route's own times ------------------------------------------------------------------- */

static void
test_route_times(void)
{
	uint64_t before = ev_wall_ms();

	world_routes[0].retry_first_sec = 10;
	world_routes[0].retry_max_sec = 20;
	world_routes[0].warn_sec = 45;
	world_routes[0].expire_sec = 90;
	by(BY_NONE, 0);
	defer("first");
	world_step(7900);
	nothing("before the route's first time");
	world_step(4200);
	defer("second, after about ten seconds");
	world_step(24000);
	defer("third, after about twenty");
	world_step(9000);
	defer("fourth, for the warning");
	REPORT("a warning after 45 s", "Action: delayed\r\n");
	world_step(24000);
	defer("fifth");
	world_step(before + 90000 - ev_wall_ms());
	defer("last");
	REPORT("given up after 90 s", "Action: failed\r\n", "Status: 4.4.7\r\n",
	    "not delivered within 90 seconds");
	empty("route's times");
	world_routes[0].retry_first_sec = 300;
	world_routes[0].retry_max_sec = 4 * 3600;
	world_routes[0].warn_sec = 0;
	world_routes[0].expire_sec = 5 * 86400;
}

int
main(void)
{
	world_defaults();
	world_limits[0].count = 100000;
	world_open();
	world_connect(&smtpd, ROLE_SMTPD, 0);
	world_connect(&relay, ROLE_RELAY, 0);
	test_return();
	test_return_in_line();
	test_return_under_way();
	test_return_after_restart();
	test_notify();
	test_notify_and_warn();
	test_notify_in_hand();
	test_notify_removed();
	test_notify_kept_by_cap();
	test_notify_in_part();
	test_relayed();
	test_passed_on();
	test_rank();
	test_route_times();
	tap_inputs("delivery and bounces", 9 + 7 + 12 + 2);
	world_disconnect(&smtpd);
	world_disconnect(&relay);
	world_close();
	return tap_done();
}
