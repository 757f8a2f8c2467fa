/*
 * queue/feed: what is due comes into memory by and by, and one account's long
 * queue leaves room for others'.
 */
#include "lib/prelude.h"

#include "queue/clock.h"
#include "tests/unit/queue_world.h"

#define HOUR	3600000ULL
#define MANY	(FEED_LIVE_MAX + 3000)

static struct world_peer smtpd, relay;
static uint64_t session = 1;

static void
submit(const char *account, const char *rcpt, int n)
{
	int i;

	for (i = 0; i < n; i++) {
		world_submit(&smtpd, session++, account, rcpt);
		/* It keeps what it is answered, but not for ever. */
		if (i % 1000 == 999 || i + 1 == n) {
			world_turn(40);
			world_disconnect(&smtpd);
			world_connect(&smtpd, ROLE_SMTPD, 0);
		}
	}
}

/* A job for this domain among those that come; others stay unanswered. */
static bool
comes(const char *domain, int turns)
{
	struct world_job j;

	while (turns-- > 0) {
		while (world_job(&relay, &j)) {
			if (strcmp(j.domain, domain) == 0) {
				world_answer(&relay, &j, OUTCOME_DELIVERED,
				    "2.0.0", "ok");
				return true;
			}
			free(j.body);
		}
		world_step(FEED_SWEEP_MS);
	}
	return false;
}

static void
test_accounts(void)
{
	submit("hog@example.org", "x@dead.example", MANY);
	submit("mouse@example.org", "y@fine.example", 1);
	is_int(store_count(world.store), MANY + 1, "a long queue");
	world_crash(&smtpd, &relay);
	ok(comes("fine.example", 60), "one mail is not behind all of it");
	ok(live_share(world.live, LIVE_BY_ACCOUNT, "hog@example.org") <=
	    FEED_LIVE_MAX / 2 + FEED_PAGE, "whose owner has half the room");
	is_int(live_share(world.live, LIVE_BY_ACCOUNT, "mouse@example.org"), 0,
	    "who is gone has none");
	submit("mouse@example.org", "y@late.example", 1);
	world_crash(&smtpd, &relay);
	ok(comes("late.example", 60), "neither is the next");
	submit("mouse@example.org", "y@later.example", 1);
	ok(comes("later.example", 60), "nor what is fresh");
}

/* Many accounts for one dead place, and one for another. */
static void
test_hops(void)
{
	char account[32];
	int i;

	for (i = 0; i < 40; i++) {
		snprintf(account, sizeof(account), "u%d@example.org", i);
		submit(account, "x@dead.example", 250);
	}
	submit("u0@example.org", "y@fine.example", 1);
	world_crash(&smtpd, &relay);
	ok(comes("fine.example", 100), "a dead place does not fill the room");
	ok(live_share(world.live, LIVE_BY_HOP, "up/dead.example") <=
	    FEED_LIVE_MAX * 2 / 3 + FEED_PAGE, "it has two thirds at most");
}

/* As everybody takes what comes, all of it is delivered, hog or not. */
static void
test_drain(void)
{
	struct world_job j;
	uint64_t before = store_count(world.store), n = 0;
	size_t most = 0;
	int idle = 0;

	world_crash(&smtpd, &relay);
	while (store_count(world.store) > 0 && idle < 100) {
		if (live_count(world.live) > most)
			most = live_count(world.live);
		if (!world_job(&relay, &j)) {
			world_step(FEED_SWEEP_MS);
			idle++;
			continue;
		}
		idle = 0;
		n += j.n;
		world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
		if (relay.n > 3000) {
			world_disconnect(&relay);
			world_connect(&relay, ROLE_RELAY, 0);
		}
	}
	ok(n >= before, "%llu messages are delivered",
	    (unsigned long long)before);
	is_int(store_count(world.store), 0, "all of them");
	ok(most <= FEED_LIVE_MAX + FEED_PAGE, "never more than %zu in memory",
	    most);
}

/* A message of a hundred recipients is as much as 25 of one. */
static void
test_large(void)
{
	char rcpts[100 * 20] = "", one[24];
	size_t most = 0;
	int i;

	for (i = 0; i < 100; i++) {
		snprintf(one, sizeof(one), "%sx%d@dead.example",
		    i == 0 ? "" : " ", i);
		snprintf(rcpts + strlen(rcpts), sizeof(rcpts) - strlen(rcpts),
		    "%s", one);
	}
	submit("hog@example.org", rcpts, FEED_LIVE_MAX / 25 * 2);
	submit("mouse@example.org", "y@fine.example", 1);
	is_int(store_count(world.store), FEED_LIVE_MAX / 25 * 2 + 1, "few, large");
	world_crash(&smtpd, &relay);
	for (i = 0; i < 20; i++) {
		world_step(FEED_SWEEP_MS);
		if (live_count(world.live) > most)
			most = live_count(world.live);
	}
	ok(most > FEED_LIVE_MAX / 25 / 3, "they are fed (%zu)", most);
	ok(most <= (FEED_LIVE_MAX / 2 + FEED_PAGE) / 25 + 1,
	    "as many as there is memory for");
	ok(live_share(world.live, LIVE_BY_ACCOUNT, "hog@example.org") <=
	    FEED_LIVE_MAX / 2 + FEED_PAGE, "whose owner has half the room");
	ok(comes("fine.example", 60), "one mail is not behind all of it");
}

/* Fresh ones above what memory holds are left to the store. */
static void
test_forgotten(void)
{
	char rcpts[100 * 20] = "", one[24];
	int i;

	for (i = 0; i < 100; i++) {
		snprintf(one, sizeof(one), "%sx%d@dead.example",
		    i == 0 ? "" : " ", i);
		snprintf(rcpts + strlen(rcpts), sizeof(rcpts) - strlen(rcpts),
		    "%s", one);
	}
	world_disconnect(&relay);
	submit("hog@example.org", rcpts, LIVE_UNITS_MAX / 25 + 300);
	world_turn(50);
	is_int(store_count(world.store), LIVE_UNITS_MAX / 25 + 300,
	    "more than memory is for");
	ok(live_count(world.live) <= LIVE_UNITS_MAX / 25 + 1,
	    "what is more is in the store alone (%zu)",
	    live_count(world.live));
	world_connect(&relay, ROLE_RELAY, 0);
}

/* What is gone is kept for reads that may know it, and not for later ones. */
static void
test_ages(void)
{
	unsigned int first, second, third;

	first = live_read_begin(world.live);
	submit("mouse@example.org", "y@fine.example", 1);
	ok(comes("fine.example", 5), "delivered while the store is read");
	is_int(live_count(world.live), 1, "it is remembered as gone");
	second = live_read_begin(world.live);
	submit("mouse@example.org", "y@fine.example", 1);
	ok(comes("fine.example", 5), "another");
	live_read_end(world.live, first);
	is_int(live_count(world.live), 2, "both are remembered");
	third = live_read_begin(world.live);
	is_int(live_count(world.live), 1, "the first until its read has ended");
	live_read_end(world.live, second);
	live_read_end(world.live, third);
	is_int(live_count(world.live), 0, "none when none is under way");
}

/* What was said of a message since keeps it, too. */
static void
test_blocked(void)
{
	char rcpts[100 * 20] = "", one[24], text[STORE_ID_LEN + 1];
	struct live_msg *lm;
	struct world_job j;
	struct world_no no;
	unsigned int read;
	uint64_t id;
	int i;

	for (i = 0; i < 100; i++) {
		snprintf(one, sizeof(one), "%sx%d@fine.example",
		    i == 0 ? "" : " ", i);
		snprintf(rcpts + strlen(rcpts), sizeof(rcpts) - strlen(rcpts),
		    "%s", one);
	}
	submit("mouse@example.org", "x@dead.example", 1);
	ok(world_job(&relay, &j), "one for a place that is dead");
	world_end(&relay, &j, false);
	world_disconnect(&relay);
	submit("hog@example.org", rcpts, LIVE_UNITS_MAX / 25 + 10);
	read = live_read_begin(world.live);
	world_submit(&smtpd, session++, "hog@example.org",
	    "x@dead.example y@fine.example");
	ok(world_submitted(&smtpd, &no, text), "one for it, and another");
	world_turn(20);
	id = store_id_parse(text);
	lm = live_find(world.live, id);
	ok(lm != NULL && lm->leaves != NULL, "which is to leave memory");
	world_connect(&relay, ROLE_RELAY, 0);
	world_turn(50);
	ok(lm != NULL && lm->words[0] == WORD_DEFERRED && lm->njobs == 1,
	    "the first is put off, the second waits in line");
	live_read_end(world.live, read);
	ok(live_find(world.live, id) != NULL, "it stays for that to be "
	    "written down");
}

int
main(void)
{
	world_defaults();
	world_limits[0].count = 100000;
	world_routes[0].by_domain = true;
	world_open();
	world_connect(&smtpd, ROLE_SMTPD, 0);
	test_accounts();
	test_drain();
	world_disconnect(&relay);
	test_hops();
	test_drain();
	test_large();
	test_drain();
	test_forgotten();
	test_drain();
	test_ages();
	test_blocked();
	world_disconnect(&smtpd);
	world_disconnect(&relay);
	world_close();
	return tap_done();
}
