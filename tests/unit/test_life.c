/*
 * queue/life, dispatch and feed: a message's way from acceptance to its end,
 * with the test as its relays.
 */
#include "lib/prelude.h"

#include "queue/clock.h"
#include "queue/ctl.h"
#include "tests/unit/queue_world.h"

#define HOUR	3600000ULL
#define DAY	(24 * HOUR)

static struct world_peer smtpd, relay;

static uint64_t session = 1000;

static void
submit(const char *rcpts)
{
	struct world_no no;

	world_submit(&smtpd, session++, "alice@example.org", rcpts);
	if (!world_submitted(&smtpd, &no, NULL))
		ok(false, "submission of %s: %u %s", rcpts, no.code, no.text);
}

static void
test_delivered(void)
{
	struct world_job j;

	submit("bob@example.net");
	ok(world_job(&relay, &j), "a job comes to the relay");
	is_str(j.route, "up", "by its route");
	is_str(j.return_path, "alice@example.org", "from its sender");
	is_int(j.n, 1, "for one");
	is_str(j.rcpts[0].addr, "bob@example.net", "recipient");
	is_str(j.body, WORLD_BODY, "with its body");
	is_int(j.size, strlen(WORLD_BODY), "of its size");
	world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "250 ok");
	is_int(world_queued(), 0, "delivered and gone");
	is_int(live_count(world.live), 0, "from memory too");
}

static void
test_deferred(void)
{
	struct world_job j;
	int tries = 0;

	submit("bob@example.net");
	while (world_job(&relay, &j) && tries < 4) {
		world_answer(&relay, &j, OUTCOME_DEFERRED, "4.2.2",
		    "452 mailbox full");
		world_turn(10);
		ok(!world_job(&relay, &j), "not at once again");
		world_step((300000ULL << tries) * 8 / 10 - 1000);
		ok(!world_job(&relay, &j), "not much too soon");
		world_step((300000ULL << tries) * 4 / 10 + 61000);
		tries++;
	}
	is_int(tries, 4, "again and again, ever more slowly");
	world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "250 ok");
	is_int(world_queued(), 0, "delivered in the end");
}

/* FUTURERELEASE: nothing before its time, over restarts too; then at once. */
static void
test_released(void)
{
	struct ticket t = world_ticket(0, session++, "alice@example.org");
	struct envelope e;
	struct world_job j;
	struct world_no no;

	envelope_init(&e);
	e.return_path = xstrdup("alice@example.org");
	e.hold_until_ms = ev_wall_ms() + 10 * DAY;
	envelope_add_rcpt(&e, "bob@example.net", NULL, 0);
	world_submit_env(&smtpd, &t, &e, WORLD_BODY);
	ok(world_submitted(&smtpd, &no, NULL), "held for ten days");
	ok(!world_job(&relay, &j), "nothing is tried");
	world_step(9 * DAY);
	ok(!world_job(&relay, &j), "for nine");
	world_crash(&smtpd, &relay);
	world_step(20 * HOUR);
	ok(!world_job(&relay, &j), "nor after a restart");
	world_step(4 * HOUR + 61000);
	ok(world_job(&relay, &j), "then it goes");
	world_answer(&relay, &j, OUTCOME_DEFERRED, "4.2.2", "452 full");
	is_int(world_queued(), 1, "and has not expired");
	world_step(6 * 60000);
	ok(world_job(&relay, &j), "it is tried again as all others");
	world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "250 ok");
	is_int(world_queued(), 0, "and delivered");
	e.hold_until_ms = ev_wall_ms() + 31 * DAY;
	t = world_ticket(0, session++, "alice@example.org");
	world_submit_env(&smtpd, &t, &e, WORLD_BODY);
	ok(!world_submitted(&smtpd, &no, NULL) && no.code == 0,
	    "longer than anybody may ask ends the channel");
	world_disconnect(&smtpd);
	world_connect(&smtpd, ROLE_SMTPD, 0);
	envelope_clear(&e);
}

/* What its sender wanted held has no more time than other mail. */
static void
test_released_expires(void)
{
	struct ticket t = world_ticket(0, session++, "alice@example.org");
	struct envelope e;
	struct world_job j;
	struct world_no no;
	bool told = false;
	int hours;

	envelope_init(&e);
	e.return_path = xstrdup("alice@example.org");
	e.hold_until_ms = ev_wall_ms() + 30 * DAY;
	envelope_add_rcpt(&e, "bob@example.net", NULL, 0);
	world_submit_env(&smtpd, &t, &e, WORLD_BODY);
	ok(world_submitted(&smtpd, &no, NULL), "held for thirty days");
	world_step(30 * DAY + 61000);
	for (hours = 0; hours < 6 * 24 && !told; hours++) {
		while (world_job(&relay, &j)) {
			told = *j.return_path == '\0';
			if (told)
				world_answer(&relay, &j, OUTCOME_DELIVERED,
				    "2.0.0", "ok");
			else
				world_answer(&relay, &j, OUTCOME_DEFERRED,
				    "4.2.2", "452 full");
		}
		world_step(HOUR);
	}
	ok(told, "its sender hears of it after five days");
	is_int(world_queued(), 0, "and it is given up");
	envelope_clear(&e);
}

static bool
submit_held(const char *account, uint64_t until_ms)
{
	struct ticket t = world_ticket(0, session++, account);
	struct envelope e;
	struct world_no no;
	bool taken;

	envelope_init(&e);
	e.return_path = xstrdup(account);
	e.hold_until_ms = until_ms;
	envelope_add_rcpt(&e, "bob@example.net", NULL, 0);
	world_submit_env(&smtpd, &t, &e, WORLD_BODY);
	taken = world_submitted(&smtpd, &no, NULL);
	envelope_clear(&e);
	return taken;
}

/* All that comes to the relay now. */
static int
deliver_all(void)
{
	struct world_job j;
	int n = 0;

	while (world_job(&relay, &j)) {
		world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
		n++;
	}
	return n;
}

/*
 * The clock of due times was ahead of the wall's, be it by a millisecond, when
 * mail was held longer than any retry waits: a restart lets none of it go.
 */
static void
test_released_clocks(void)
{
	static const uint64_t back[] = { 1, 999, 2 * 60000, 3 * HOUR };
	struct world_job j;
	size_t i;

	for (i = 0; i < nitems(back); i++) {
		ok(submit_held("alice@example.org", ev_wall_ms() + 28 * HOUR),
		    "held for 28 hours");
		world_crash(&smtpd, &relay);
		ev_clock_jump_wall(-(int64_t)back[i]);
		ok(submit_held("alice@example.org", ev_wall_ms() + 28 * HOUR),
		    "and once more, by a clock set back");
		world_crash(&smtpd, &relay);
		world_step(20000);
		ok(!world_job(&relay, &j), "no restart lets either go");
		is_int(live_count(world.live), 0, "nor keeps it in memory");
		world_crash(&smtpd, &relay);
		world_step(27 * HOUR);
		ok(!world_job(&relay, &j), "not for 27 hours");
		world_step(HOUR + back[i] + 121000);
		is_int(deliver_all(), 2, "after 28 both go");
		is_int(world_queued(), 0, "set back by %llu ms: none is left",
		    (unsigned long long)back[i]);
	}
	ok(submit_held("alice@example.org", ev_wall_ms() + DAY), "for a day");
	ev_clock_jump_wall(2 * (int64_t)DAY);
	(void)clock_due_ms();
	ev_clock_jump_wall(-2 * (int64_t)DAY);
	world_step(HOUR);
	ok(!world_job(&relay, &j), "nor does a clock that leaps and is set right");
	world_step(22 * HOUR);
	ok(!world_job(&relay, &j), "for 23 hours");
	world_step(HOUR + 61000);
	is_int(deliver_all(), 1, "then it goes");
}

static void
release_cb(struct store_msg *const *msgs, size_t n, void *arg)
{
	struct life_order o = { LIFE_RELEASE, HOLD_NONE, "", "admin" };

	is_int((int)n, 1, "it is there");
	if (n == 1) {
		is_int(msgs[0]->hold, HOLD_CAP, "held by the cap");
		is_int(life_obey(&world, msgs[0], &o), LIFE_DONE, "released");
	}
}

/*
 * What days have charged is held until one moment: it leaves at the cap's pace
 * all the same, also behind a restart, and holds up nothing else.
 */
static void
test_released_together(void)
{
	struct conf_limit was = world_limits[0];
	uint64_t until_ms = ev_wall_ms() + 10 * DAY;
	int day, i, taken = 0;

	world_limits[0] = (struct conf_limit){ LIMIT_MESSAGES, 3, 3600 };
	queue_reconf(&world, &world_conf);
	for (day = 0; day < 3; day++) {
		for (i = 0; i < 4; i++)
			taken += submit_held("alice@example.org", until_ms);
		world_step(DAY);
	}
	is_int(taken, 9, "three an hour are taken, nine in all");
	ok(submit_held("bob@example.org", until_ms), "and one of bob's");
	is_int(deliver_all(), 0, "nothing leaves");
	world_step(until_ms - ev_wall_ms() + 61000);
	is_int(deliver_all(), 4, "at their hour three leave, and bob's");
	is_int(world_queued(), 6, "six wait");
	submit("bob@example.net");
	is_int(deliver_all(), 1, "what is sent now does not");
	world_step(HOUR / 2);
	is_int(deliver_all(), 0, "they wait on");
	world_step(HOUR / 2 + 120000);
	is_int(deliver_all(), 3, "after an hour the next three leave");
	world_step(HOUR + 120000);
	is_int(deliver_all(), 3, "after two the last");
	is_int(world_queued(), 0, "none is lost");

	until_ms = ev_wall_ms() + DAY;
	ok(submit_held("alice@example.org", until_ms), "one more");
	world_limits[0].count = 0;
	world_crash(&smtpd, &relay);
	queue_reconf(&world, &world_conf);
	world_step(DAY + 61000);
	is_int(deliver_all(), 0, "a cap that nothing fits lets nothing go");
	world_step(DAY);
	is_int(world_queued(), 1, "it is held for the admin");
	world_limits[0] = was;
	queue_reconf(&world, &world_conf);
	store_list(world.store, 0, 10, release_cb, NULL);
	world_turn(20);
	is_int(deliver_all(), 1, "who lets it go");
}

/* ... and so it stays, though the queue ends before it has been tried. */
static void
test_released_by_admin(void)
{
	struct conf_limit was = world_limits[0];
	struct world_job j;

	ok(submit_held("alice@example.org", ev_wall_ms() + DAY), "one on hold");
	world_limits[0].count = 0;
	queue_reconf(&world, &world_conf);
	world_step(DAY + 61000);
	ok(!world_job(&relay, &j), "its cap holds it");
	store_list(world.store, 0, 10, release_cb, NULL);
	world_turn(20);
	ok(world_job(&relay, &j), "an admin lets it go");
	free(j.body);
	world_crash(&smtpd, &relay);
	world_step(61000);
	is_int(deliver_all(), 1, "it goes behind a crash all the same");
	is_int(world_queued(), 0, "and is not held again");
	world_limits[0] = was;
	queue_reconf(&world, &world_conf);
}

static uint32_t notes;

static void
count_notes_cb(struct store_msg *const *msgs, size_t n, void *arg)
{
	size_t i, k;

	for (i = 0; i < n; i++)
		for (k = 0; k < msgs[i]->nevents; k++)
			notes += msgs[i]->events[k].times;
}

/* What waits on and on for a short window is written down once. */
static void
test_released_slowly(void)
{
	struct conf_limit was = world_limits[0];
	uint64_t until_ms = ev_wall_ms() + DAY;
	int i, sent;

	for (i = 0; i < 20; i++)
		ok(submit_held("alice@example.org", until_ms), "held");
	world_limits[0] = (struct conf_limit){ LIMIT_MESSAGES, 1, 10 };
	queue_reconf(&world, &world_conf);
	world_step(until_ms - ev_wall_ms() + 61000);
	deliver_all();
	for (i = 0; i < 8; i++) {
		world_step(11000);
		is_int(deliver_all(), 1, "one leaves in each window");
	}
	sent = 20 - (int)world_queued();
	notes = 0;
	store_list(world.store, 0, 100, count_notes_cb, NULL);
	world_turn(20);
	ok(notes > 0 && notes <= 2 * world_queued(),
	    "of those that wait nothing new is written (%u events of %u)",
	    notes, (unsigned int)world_queued());
	world_crash(&smtpd, &relay);
	for (i = 0; i < 12 && world_queued() > 0; i++) {
		world_step(11000);
		sent += deliver_all();
	}
	is_int(sent, 20, "and all leave, behind a crash too");
	is_int(world_queued(), 0, "none is lost");
	world_limits[0] = was;
	queue_reconf(&world, &world_conf);
}

static void
test_partial(void)
{
	struct world_job j;

	submit("a@example.net b@example.net c@example.net");
	ok(world_job(&relay, &j) && j.n == 3, "three in one job");
	world_say(&relay, &j, 0, OUTCOME_DELIVERED, "2.0.0", "ok");
	world_say(&relay, &j, 1, OUTCOME_DEFERRED, "4.0.0", "later");
	world_say(&relay, &j, 2, OUTCOME_DELIVERED, "2.0.0", "ok");
	world_end(&relay, &j, true);
	is_int(world_queued(), 1, "one is left");
	world_step(10 * 60000);
	ok(world_job(&relay, &j) && j.n == 1 && j.rcpts[0].index == 1,
	    "and only that is tried again");
	world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	is_int(world_queued(), 0, "gone");
}

/* RFC 5321 4.5.3.1.10: so many at once, and the others at once behind them. */
static void
test_too_many_at_once(void)
{
	struct world_job j;
	uint32_t k, rounds = 0;

	submit("a@example.net b@example.net c@example.net d@example.net");
	for (; world_job(&relay, &j) && j.n > 1 && rounds < 5; rounds++) {
		world_say(&relay, &j, 0, OUTCOME_DELIVERED, "2.0.0", "ok");
		for (k = 1; k < j.n; k++)
			world_say(&relay, &j, k, OUTCOME_DEFERRED, "4.5.3",
			    "452 too many");
		world_end(&relay, &j, true);
	}
	is_int(rounds, 3, "one by one, without a wait");
	is_int(j.n, 1, "the last one is alone");
	world_answer(&relay, &j, OUTCOME_DEFERRED, "4.5.3", "452 too many");
	ok(!world_job(&relay, &j), "with none taken it waits");
	world_step(10 * 60000);
	ok(world_job(&relay, &j) && j.n == 1, "as for any other trouble");
	world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	is_int(world_queued(), 0, "gone");
}

/* RFC 8689: what stops strict mail at a next hop stops no other. */
static void
test_strict_line(void)
{
	struct envelope e;
	struct ticket t;
	struct world_no no;
	struct world_job j;
	int i;

	envelope_init(&e);
	e.return_path = xstrdup("mallory@example.org");
	e.require_tls = true;
	envelope_add_rcpt(&e, "bob@example.net", NULL, 0);
	for (i = 0; i < 3; i++) {
		t = world_ticket(0, session++, "mallory@example.org");
		world_submit_env(&smtpd, &t, &e, WORLD_BODY);
		ok(world_submitted(&smtpd, &no, NULL), "strict mail %d", i);
		if (!world_job(&relay, &j))
			continue;
		world_say(&relay, &j, 0, OUTCOME_DEFERRED, "4.7.10", "no TLS");
		world_end(&relay, &j, false);
	}
	submit("bob@example.net");
	ok(world_job(&relay, &j) && strcmp(j.return_path,
	    "alice@example.org") == 0, "others' mail is tried at once");
	world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	is_int(world_queued(), 3, "the strict mail waits");
	world_step(10 * DAY);
	envelope_clear(&e);
	while (world_queued() > 0) {
		while (world_job(&relay, &j))
			world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0",
			    "ok");
		world_step(HOUR);
	}
}

static void
submit_strict(const char *from, const char *rcpts)
{
	struct ticket t = world_ticket(0, session++, "alice@example.org");
	struct envelope e;
	struct world_no no;

	envelope_init(&e);
	e.return_path = xstrdup(from);
	e.require_tls = true;
	envelope_add_rcpt(&e, "bob@example.net", NULL, 0);
	envelope_add_rcpt(&e, rcpts, NULL, 0);
	world_submit_env(&smtpd, &t, &e, "From: alice\r\nSubject: secret\r\n"
	    "Message-ID:\r\n <one@host>\r\n\r\nx\r\n");
	envelope_clear(&e);
	ok(world_submitted(&smtpd, &no, NULL), "strict mail");
}

/*
 * RFC 8689 5: a report about such mail is such mail; what must not go in the
 * clear does not, and the sender hears next to nothing instead.
 */
static void
test_strict_report(void)
{
	struct world_job j;

	submit_strict("alice@example.org", "carol@example.net");
	ok(world_job(&relay, &j), "at a relay");
	world_say(&relay, &j, 0, OUTCOME_DELIVERED, "2.0.0", "ok");
	world_say(&relay, &j, 1, OUTCOME_FAILED, "5.1.1", "nobody");
	world_end(&relay, &j, true);
	ok(world_job(&relay, &j) && *j.return_path == '\0' &&
	    (j.flags & DELIVER_REQUIRE_TLS) != 0 &&
	    strstr(j.body, "Subject: secret") != NULL,
	    "its report is to go by TLS, and says what it is about");
	world_answer(&relay, &j, OUTCOME_FAILED, "5.7.30", "no REQUIRETLS");
	ok(world_job(&relay, &j) && *j.return_path == '\0' &&
	    (j.flags & DELIVER_REQUIRE_TLS) == 0, "where it cannot, without");
	is_str(j.rcpts[0].addr, "alice@example.org", "to the sender");
	ok(strstr(j.body, "\r\nMessage-ID: <one@host>\r\nAction: failed\r\n"
	    "Status: 5.1.1\r\n") != NULL, "who hears what it was");
	ok(strstr(j.body, "carol") == NULL && strstr(j.body, "secret") == NULL,
	    "and nothing else");
	world_answer(&relay, &j, OUTCOME_FAILED, "5.7.10", "no TLS");
	is_int(world_queued(), 0, "that is all");
}

/* Whatever his return path, it is an account's mail, and no report of ours. */
static void
test_strict_null(void)
{
	struct world_job j;

	submit_strict("", "carol@example.net");
	ok(world_job(&relay, &j) && *j.return_path == '\0' &&
	    (j.flags & DELIVER_REQUIRE_TLS) != 0, "from nobody, and by TLS");
	world_say(&relay, &j, 0, OUTCOME_DEFERRED, "4.7.10", "no TLS");
	world_say(&relay, &j, 1, OUTCOME_FAILED, "5.7.10", "no TLS");
	world_end(&relay, &j, false);
	submit("dave@example.net");
	ok(world_job(&relay, &j) && strcmp(j.return_path,
	    "alice@example.org") == 0, "it has the line of strict mail");
	world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	world_step(20 * 60000);
	ok(world_job(&relay, &j) && (j.flags & DELIVER_REQUIRE_TLS) != 0,
	    "again by TLS");
	world_answer(&relay, &j, OUTCOME_FAILED, "5.7.10", "no TLS");
	is_int(world_queued(), 0, "it goes, and nobody is told");
}

static void
test_wordless_end(void)
{
	struct world_job j;

	submit("a@example.net b@example.net");
	ok(world_job(&relay, &j), "a job");
	world_say(&relay, &j, 0, OUTCOME_DELIVERED, "2.0.0", "ok");
	world_end(&relay, &j, true);
	is_int(world_queued(), 1, "a recipient without a word is not lost");
	world_step(10 * 60000);
	ok(world_job(&relay, &j) && j.n == 1 && j.rcpts[0].index == 1,
	    "but tried later");
	world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
}

static void
test_bounce(void)
{
	struct world_job j, b;

	submit("a@example.net b@example.net");
	ok(world_job(&relay, &j), "a job");
	world_say(&relay, &j, 0, OUTCOME_FAILED, "5.1.1", "550 no such user");
	world_say(&relay, &j, 1, OUTCOME_DELIVERED, "2.0.0", "ok");
	world_end(&relay, &j, true);
	is_int(world_queued(), 1, "the bounce takes the message's place");
	ok(world_job(&relay, &b), "it is delivered like all mail");
	is_str(b.return_path, "", "from the null return path");
	is_str(b.rcpts[0].addr, "alice@example.org", "to the sender");
	ok(strstr(b.body, "Final-Recipient: rfc822;a@example.net\r\n") != NULL,
	    "about whom it failed for");
	ok(strstr(b.body, "b@example.net") == NULL, "and about nobody else");
	ok(strstr(b.body, "Subject: hello\r\n") != NULL, "with the header");
	world_answer(&relay, &b, OUTCOME_FAILED, "5.1.1", "550 nobody");
	is_int(world_queued(), 0, "a bounce is never bounced");
	ok(strstr(world_log, "a bounce is never bounced") != NULL,
	    "which is logged");
}

static void
test_notify(void)
{
	static const struct {
		uint8_t notify;
		bool	bounce;
	} cases[] = { { 0, true }, { NOTIFY_NEVER, false },
	    { NOTIFY_FAILURE, true }, { NOTIFY_SUCCESS, false },
	    { NOTIFY_DELAY, false }, { NOTIFY_SUCCESS | NOTIFY_FAILURE, true } };
	struct envelope e;
	struct world_job j;
	struct world_no no;
	struct ticket t;
	size_t i;

	for (i = 0; i < nitems(cases); i++) {
		t = world_ticket(0, session++, "alice@example.org");
		envelope_init(&e);
		e.return_path = xstrdup("alice@example.org");
		envelope_add_rcpt(&e, "a@example.net", NULL, cases[i].notify);
		world_submit_env(&smtpd, &t, &e, WORLD_BODY);
		envelope_clear(&e);
		ok(world_submitted(&smtpd, &no, NULL), "taken");
		if (!world_job(&relay, &j))
			break;
		is_int(j.rcpts[0].notify, cases[i].notify, "NOTIFY travels");
		world_answer(&relay, &j, OUTCOME_FAILED, "5.0.0", "no");
		is_int(world_queued(), cases[i].bounce, "NOTIFY %u bounces: %d",
		    cases[i].notify, cases[i].bounce);
		if (world_job(&relay, &j))
			world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0",
			    "ok");
	}
}

static void
test_expiry(void)
{
	struct world_job j;
	int tries = 0, i;

	submit("a@example.net");
	for (i = 0; i < 200; i++) {
		if (!world_job(&relay, &j)) {
			world_step(HOUR);
			continue;
		}
		if (*j.return_path == '\0')
			break;
		tries++;
		world_answer(&relay, &j, OUTCOME_DEFERRED, "4.4.3",
		    "no name server answers");
	}
	ok(i - tries >= 119 && i - tries <= 121 && tries > 20, "given up after five days "
	    "(%d hours, %d tries)", i - tries, tries);
	ok(strstr(j.body, "Status: 4.4.7\r\n") != NULL, "for its age");
	ok(strstr(j.body, "no name server answers") != NULL,
	    "with the last reason");
	world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	is_int(world_queued(), 0, "nothing is left");
}

/* --- relays ------------------------------------------------------------------ */

static void
test_relay_dies(void)
{
	struct world_job j;
	int i;

	submit("a@example.net b@example.net");
	ok(world_job(&relay, &j), "a job");
	world_say(&relay, &j, 0, OUTCOME_DELIVERED, "2.0.0", "ok");
	world_turn(5);
	free(j.body);
	world_disconnect(&relay);
	world_turn(10);
	is_int(world_queued(), 1, "the relay died: nothing is lost");
	world_connect(&relay, ROLE_RELAY, 0);
	ok(world_job(&relay, &j), "its successor gets the job");
	ok(j.n == 1 && j.rcpts[0].index == 1, "without what had its word");
	is_str(j.body, WORLD_BODY, "and with its body, read again");
	world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	is_int(world_queued(), 0, "delivered");

	submit("poison@example.net");
	for (i = 0; i < 10 && world_job(&relay, &j); i++) {
		free(j.body);
		world_disconnect(&relay);
		world_turn(10);
		world_connect(&relay, ROLE_RELAY, 0);
	}
	is_int(i, 3, "what kills three relays waits like what failed");
	is_int(world_queued(), 1, "it is still there");
	world_step(10 * 60000);
	ok(world_job(&relay, &j), "and tried later");
	world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
}

static void
test_no_relay(void)
{
	struct world_job j;

	world_disconnect(&relay);
	world_turn(5);
	submit("a@example.net");
	world_turn(10);
	is_int(world_queued(), 1, "without a relay mail is taken");
	world_connect(&relay, ROLE_RELAY, 0);
	ok(world_job(&relay, &j), "and goes when one comes");
	world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
}

static void
test_two_relays(void)
{
	struct world_peer other;
	struct world_job j;
	int at_first = 0, at_other = 0, i;
	char rcpt[64];

	world_routes[0].by_domain = true;
	world_connect(&other, ROLE_RELAY, 1);
	for (i = 0; i < 40; i++) {
		snprintf(rcpt, sizeof(rcpt), "a@d%d.example", i);
		submit(rcpt);
	}
	while (world_job(&relay, &j)) {
		at_first++;
		world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	}
	while (world_job(&other, &j)) {
		at_other++;
		free(j.body);
	}
	ok(at_first > 5 && at_other > 5, "two relays share the hops");
	world_disconnect(&other);
	world_turn(10);
	while (world_job(&relay, &j)) {
		at_first++;
		world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	}
	is_int(at_first, 40, "one takes over what the other leaves");
	is_int(world_queued(), 0, "all delivered");
	world_routes[0].by_domain = false;
}

/* What a captured relay may try; each ends its channel and loses nothing. */
static void
lie(int which, const struct world_job *j)
{
	ipc_begin(which == 4 ? M_SUBMIT : M_RCPT_RESULT,
	    which == 0 ? j->attempt + 1 : j->attempt);
	ipc_put_u8(which == 2 ? 3 : OUTCOME_DELIVERED);
	ipc_put_str(which == 3 ? "2.0.0 and so on, far too long to be a "
	    "status" : "2.0.0");
	ipc_put_str("ok");
	ipc_put_str("mx");
	ipc_put_u32(which == 6 ? UINT32_MAX : 1);
	ipc_put_u32(which == 1 ? 7 : 0);
	if (which == 5)
		ipc_put_u8(1);
	ipc_send(relay.ipc, -1);
}

static void
test_lying_relay(void)
{
	static const char *const names[] = { "an attempt that is not its own",
	    "a recipient of another job", "an unknown outcome",
	    "an overlong status", "another message", "bytes left over",
	    "a second word about a recipient" };
	struct world_job j;
	int i;

	submit("a@example.net b@example.net");
	for (i = 0; i < (int)nitems(names); i++) {
		world_job(&relay, &j);
		if (i == 6) {
			lie(6, &j);
			lie(6, &j);
		} else
			lie(i, &j);
		world_turn(10);
		ok(relay.gone, "%s ends the channel", names[i]);
		free(j.body);
		world_disconnect(&relay);
		world_connect(&relay, ROLE_RELAY, 0);
		if (i % 2 == 1)
			world_step(HOUR);
	}
	world_step(HOUR);
	ok(world_job(&relay, &j), "the message is still there");
	world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	is_int(world_queued(), 0, "and is delivered");
}

/* --- next hops ------------------------------------------------------------------ */

static void
test_unreached(void)
{
	struct world_job j;
	int i, jobs = 0;

	for (i = 0; i < 50; i++)
		submit("a@example.net");
	while (world_job(&relay, &j)) {
		jobs++;
		world_say(&relay, &j, 0, OUTCOME_DEFERRED, "4.4.1",
		    "connection refused");
		world_end(&relay, &j, false);
	}
	ok(jobs <= 4, "a dead hop is tried by a few (%d), not by all", jobs);
	is_int(world_queued(), 50, "all wait");
	ok(strstr(world_log, "connection refused") != NULL, "with the reason");
	submit("a@example.net");
	ok(!world_job(&relay, &j), "new mail does not try either");
	jobs = 0;
	for (i = 0; i < 60; i++) {
		world_step(60000);
		while (world_job(&relay, &j)) {
			jobs++;
			world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0",
			    "ok");
		}
	}
	is_int(jobs, 51, "when it is back, all of it goes");
	is_int(world_queued(), 0, "delivered");
}

static void
test_domains(void)
{
	struct world_job a, b;

	world_routes[0].by_domain = true;
	submit("a@one.example b@two.example c@ONE.example");
	ok(world_job(&relay, &a) && world_job(&relay, &b), "two jobs");
	is_str(a.domain, "one.example", "one per domain");
	is_int(a.n, 2, "whatever its case");
	is_str(b.domain, "two.example", "and the other");
	world_answer(&relay, &a, OUTCOME_DELIVERED, "2.0.0", "ok");
	world_answer(&relay, &b, OUTCOME_FAILED, "5.0.0", "no");
	is_int(world_queued(), 1, "the bounce alone is left");
	ok(world_job(&relay, &a), "a bounce");
	world_answer(&relay, &a, OUTCOME_DELIVERED, "2.0.0", "ok");
	world_routes[0].by_domain = false;
}

static void
test_many_recipients(void)
{
	struct world_job j;
	char *rcpts = xmalloc(100 * 32);
	int i, n = 0, got = 0;

	world_caps[0].recipients_per_message = 0;
	for (i = 0; i < 100; i++)
		n += snprintf(rcpts + n, 32, "%sr%d@example.net",
		    i == 0 ? "" : " ", i);
	submit(rcpts);
	while (world_job(&relay, &j)) {
		ok(j.n <= LIFE_JOB_RCPTS, "a job holds what any server takes");
		got += (int)j.n;
		world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	}
	is_int(got, 100, "all are served");
	free(rcpts);
	world_caps[0].recipients_per_message = 100;
}

/* The journal's share of a long envelope, delivered place by place. */
static void
test_progress(void)
{
	struct world_job j[3];
	char *rcpts = xmalloc(100 * 40);
	int i, n = 0, given;

	world_caps[0].recipients_per_message = 0;
	world_routes[0].by_domain = true;
	for (i = 0; i < 60; i++)
		n += snprintf(rcpts + n, 40, "%sx@d%d.example.net",
		    i == 0 ? "" : " ", i);
	submit(rcpts);
	for (given = 0; given < 60; given++) {
		ok(world_job(&relay, &j[0]), "a job");
		if (given == 40) {
			free(j[0].body);
			break;
		}
		world_answer(&relay, &j[0], OUTCOME_DELIVERED, "2.0.0", "ok");
	}
	world_crash(&smtpd, &relay);
	for (n = 0; world_job(&relay, &j[0]); n++)
		world_answer(&relay, &j[0], OUTCOME_DEFERRED, "4.0.0", "later");
	ok(n > 20 && n <= 59, "within a second a crash repeats some (%d)", n);
	world_step(10 * 60000);
	for (i = 0; i < 5; i++) {
		ok(world_job(&relay, &j[0]), "a job");
		world_answer(&relay, &j[0], OUTCOME_DELIVERED, "2.0.0", "ok");
	}
	world_step(1500);
	world_crash(&smtpd, &relay);
	for (i = 0; world_job(&relay, &j[0]); i++)
		world_answer(&relay, &j[0], OUTCOME_DELIVERED, "2.0.0", "ok");
	is_int(i, n - 5, "after a second none");
	is_int(world_queued(), 0, "delivered");
	free(rcpts);
	world_routes[0].by_domain = false;
	world_caps[0].recipients_per_message = 100;
}

static void
test_no_route(void)
{
	static char *senders[] = { (char *)"@elsewhere.example" };
	struct world_job j;

	world_routes[0].senders = (struct conf_strs){ senders, 1 };
	submit("a@example.net");
	ok(!world_job(&relay, &j), "without a route nothing is sent");
	is_int(world_queued(), 1, "and nothing is lost");
	ok(strstr(world_log, "add a route without senders") != NULL,
	    "the log says what to do");
	world_routes[0].senders = (struct conf_strs){ NULL, 0 };
	world_step(10 * 60000);
	ok(world_job(&relay, &j), "with one it goes");
	world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
}

/* --- the admin --------------------------------------------------------------------- */

static void
ask(const char *a, const char *b, const char *c)
{
	const char *argv[] = { a, b, c };

	ctl_request(&world, 1, c != NULL ? 3 : b != NULL ? 2 : 1, argv);
	world_turn(12);
}

static void
test_admin(void)
{
	struct world_job j;
	struct world_no no;
	char id[STORE_ID_LEN + 1];

	world_submit(&smtpd, session++, "alice@example.org", "a@example.net");
	ok(world_submitted(&smtpd, &no, id), "a message");
	ok(world_job(&relay, &j), "tried");
	world_answer(&relay, &j, OUTCOME_DEFERRED, "4.0.0", "later");
	ok(!world_job(&relay, &j), "waits");
	ask("queue", "list", NULL);
	ask("queue", "show", id);
	ask("usage", NULL, NULL);
	ask("usage", "alice@example.org", NULL);
	ask("cap", "list", NULL);
	ask("queue", "nonsense", NULL);
	ask("queue", "show", "nonsense");
	ask("queue", "retry", id);
	ok(world_job(&relay, &j), "retry of one tries it now");
	world_answer(&relay, &j, OUTCOME_DEFERRED, "4.0.0", "later");
	submit("b@example.net");
	ok(world_job(&relay, &j), "another");
	world_answer(&relay, &j, OUTCOME_DEFERRED, "4.0.0", "later");
	ask("queue", "flush", NULL);
	ok(world_job(&relay, &j), "flush of all tries one");
	world_answer(&relay, &j, OUTCOME_DEFERRED, "4.0.0", "later");
	ok(world_job(&relay, &j), "and the other");
	world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	ok(!world_job(&relay, &j), "once each");
	is_int(world_queued(), 1, "one is left");
	ask("queue", "remove", id);
	is_int(world_queued(), 0, "until it is removed");
	ask("queue", "remove", id);
	ask("queue", "retry", id);
	world_step(DAY);
	ok(!world_job(&relay, &j), "for good");

	world_submit(&smtpd, session++, "alice@example.org", "a@example.net");
	ok(world_submitted(&smtpd, &no, id) && world_job(&relay, &j),
	    "a message at a relay");
	ask("queue", "remove", id);
	is_int(world_queued(), 1, "is removed when the relay has done");
	world_answer(&relay, &j, OUTCOME_FAILED, "5.0.0", "no");
	is_int(world_queued(), 0, "and nobody is told");
}

/* What the admin has tried early does not wait the longer for it. */
static void
test_early(void)
{
	struct world_job j;
	int i;

	submit("a@example.net");
	for (i = 0; i < 10 && world_job(&relay, &j); i++) {
		world_answer(&relay, &j, OUTCOME_DEFERRED, "4.0.0", "later");
		world_step(1000);
		ask("queue", "flush", NULL);
	}
	is_int(i, 10, "tried ten times in ten seconds");
	ok(world_job(&relay, &j), "and once more");
	world_answer(&relay, &j, OUTCOME_DEFERRED, "4.0.0", "later");
	world_step(7 * 60000);
	ok(world_job(&relay, &j), "the next is due as if there had been one");
	world_answer(&relay, &j, OUTCOME_DEFERRED, "4.0.0", "later");
	world_step(7 * 60000);
	ok(!world_job(&relay, &j), "the one after it later");
	world_step(6 * 60000);
	ok(world_job(&relay, &j), "in its turn");
	world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	is_int(world_queued(), 0, "delivered");
}

/* ... nor when that was forgotten meanwhile. */
static void
test_early_restart(void)
{
	struct world_job j;

	submit("a@example.net");
	ok(world_job(&relay, &j), "a first try");
	world_answer(&relay, &j, OUTCOME_DEFERRED, "4.0.0", "later");
	world_step(3 * 60000);
	ask("queue", "flush", NULL);
	ok(world_job(&relay, &j), "an early one");
	free(j.body);
	world_crash(&smtpd, &relay);
	ok(world_job(&relay, &j), "and again after a crash");
	world_answer(&relay, &j, OUTCOME_DEFERRED, "4.0.0", "later");
	world_step(3 * 60000 + 2000);
	ok(world_job(&relay, &j), "the next is due by the schedule, six "
	    "minutes after the first at the latest");
	world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	is_int(world_queued(), 0, "delivered");
}

/* What it had is said, not what mail has by now. */
static void
test_had(void)
{
	struct world_job j;
	char *said;
	int hours;

	submit("a@example.net");
	world_defaults();
	world_routes[0].expire_sec = 86400;
	queue_reconf(&world, &world_conf);
	*world_log = '\0';
	for (hours = 0; hours < 6 * 24; hours++) {
		while (world_job(&relay, &j)) {
			if (*j.return_path == '\0')
				world_answer(&relay, &j, OUTCOME_DELIVERED,
				    "2.0.0", "ok");
			else
				world_answer(&relay, &j, OUTCOME_DEFERRED,
				    "4.0.0", "later");
		}
		if (strstr(world_log, "not delivered within") != NULL)
			break;
		world_step(3600 * 1000);
	}
	said = strstr(world_log, "not delivered within");
	ok(hours > 4 * 24 && said != NULL && strncmp(said,
	    "not delivered within 5 d", 24) == 0, "after %d hours: %.40s",
	    hours, said == NULL ? "nothing" : said);
	world_defaults();
	queue_reconf(&world, &world_conf);
}

/* Accepted by a clock that was a year ahead, which was then set right. */
static void
test_clock_ahead(void)
{
	struct world_job j;
	int hours = 0;
	bool told = false;

	ev_clock_jump_wall(365 * (int64_t)DAY);
	submit("a@example.net");
	ev_clock_jump_wall(-365 * (int64_t)DAY);
	for (; hours < 15 * 24 && world_queued() > 0; hours++) {
		while (world_job(&relay, &j)) {
			told |= *j.return_path == '\0' &&
			    strstr(j.body, "Action: failed") != NULL;
			world_answer(&relay, &j, *j.return_path == '\0' ?
			    OUTCOME_DELIVERED : OUTCOME_DEFERRED, "4.0.0",
			    "later");
		}
		world_step(3600000);
	}
	ok(told && hours > 5 * 24 && hours < 13 * 24,
	    "it is given up after %d hours, not a year late", hours);
}

/* --- restart ------------------------------------------------------------------------- */

static void
test_restart(void)
{
	struct world_job j;
	struct world_no no;
	int i, got = 0;

	world_limits[0] = (struct conf_limit){ LIMIT_RECIPIENTS, 100, 3600 };
	world_step(DAY);
	for (i = 0; i < 20; i++) {
		submit("a@example.net b@example.net");
		if (i == 0 && world_job(&relay, &j)) {
			world_say(&relay, &j, 0, OUTCOME_DELIVERED, "2.0.0",
			    "ok");
			world_say(&relay, &j, 1, OUTCOME_DEFERRED, "4.0.0",
			    "later");
			world_end(&relay, &j, true);
		}
	}
	world_crash(&smtpd, &relay);
	while (world_job(&relay, &j)) {
		got += (int)j.n;
		world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	}
	is_int(got, 38, "what was accepted is made again, what rests rests");
	world_step(10 * 60000);
	ok(world_job(&relay, &j) && j.n == 1 && j.rcpts[0].index == 1,
	    "and comes in its time, without what was delivered");
	world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	is_int(world_queued(), 0, "nothing is left");
	for (i = 0; i < 40; i++) {
		world_submit(&smtpd, session++, "alice@example.org",
		    "a@example.net b@example.net");
		if (!world_submitted(&smtpd, &no, NULL))
			break;
		if (world_job(&relay, &j))
			world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0",
			    "ok");
	}
	is_int(i, 30, "the cap remembers what was sent before the crash");
	world_limits[0] = (struct conf_limit){ LIMIT_MESSAGES, 100000, 60 };
}

/* More than may be in memory at once comes page by page. */
static void
test_backlog(void)
{
	struct world_job j;
	int i, got = 0;
	size_t most = 0;

	world_disconnect(&relay);
	for (i = 0; i < FEED_LIVE_MAX + 700; i++) {
		world_submit(&smtpd, session++, "alice@example.org",
		    "a@example.net");
		if (i % 500 == 0) {
			world_turn(30);
			world_disconnect(&smtpd);
			world_connect(&smtpd, ROLE_SMTPD, 0);
		}
	}
	world_turn(30);
	is_int(world_queued(), FEED_LIVE_MAX + 700, "a long queue");
	world_crash(&smtpd, &relay);
	for (;;) {
		if (live_count(world.live) > most)
			most = live_count(world.live);
		if (!world_job(&relay, &j))
			break;
		got++;
		world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
		if (relay.n > 4000) {
			world_disconnect(&relay);
			world_connect(&relay, ROLE_RELAY, 0);
		}
	}
	is_int(got, FEED_LIVE_MAX + 700, "all of it is delivered");
	ok(most <= FEED_LIVE_MAX + FEED_PAGE, "and never all in memory");
	is_int(world_queued(), 0, "nothing is left");
}

static void
test_clock_leap(void)
{
	struct world_job j;

	submit("a@example.net");
	ok(world_job(&relay, &j), "a job");
	ev_clock_jump_wall(365 * (int64_t)DAY);
	world_answer(&relay, &j, OUTCOME_DEFERRED, "4.0.0", "later");
	world_step(10 * 60000);
	ok(world_job(&relay, &j) && *j.return_path != '\0',
	    "a clock that leaps a year bounces nothing");
	ev_clock_jump_wall(-2 * 365 * (int64_t)DAY);
	world_answer(&relay, &j, OUTCOME_DEFERRED, "4.0.0", "later");
	world_step(15 * 60000);
	ok(world_job(&relay, &j), "a clock set back holds nothing up");
	world_answer(&relay, &j, OUTCOME_DEFERRED, "4.0.0", "later");
	world_crash(&smtpd, &relay);
	ok(world_job(&relay, &j), "nor does a restart in the right year");
	ev_clock_jump_wall(365 * (int64_t)DAY);
	world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	is_int(world_queued(), 0, "delivered");
}

int
main(void)
{
	world_defaults();
	world_limits[0].count = 100000;
	world_open();
	world_connect(&smtpd, ROLE_SMTPD, 0);
	world_connect(&relay, ROLE_RELAY, 0);
	test_delivered();
	test_deferred();
	test_partial();
	test_wordless_end();
	test_too_many_at_once();
	test_strict_line();
	test_strict_report();
	test_strict_null();
	test_bounce();
	test_notify();
	test_expiry();
	test_relay_dies();
	test_no_relay();
	test_two_relays();
	test_lying_relay();
	test_unreached();
	test_domains();
	test_many_recipients();
	test_progress();
	test_no_route();
	test_admin();
	test_early();
	test_early_restart();
	test_had();
	test_restart();
	test_backlog();
	test_released();
	test_released_expires();
	test_released_together();
	test_released_clocks();
	test_released_by_admin();
	test_released_slowly();
	test_clock_leap();
	test_clock_ahead();
	world_disconnect(&smtpd);
	world_disconnect(&relay);
	world_close();
	return tap_done();
}
