/*
 * queue/life and life_digest: what senders are told, when, how often, and that
 * nothing of it is lost in a crash.
 */
#include "lib/prelude.h"

#include "lib/buf.h"
#include "queue/dsn.h"
#include "queue/life_report.h"
#include "tests/unit/queue_world.h"

#define HOUR	3600000ULL

static struct world_peer smtpd, relay;
static uint64_t session = 1;
static size_t updates;		/* states that were written */
static size_t settling_most;	/* while one was */

/* Those whose reports are on their way. */
static size_t
settling(void)
{
	struct table_node *n = NULL;
	size_t many = 0;

	while ((n = table_next(&world.live->msgs, n)) != NULL)
		many += ((struct live_msg *)n)->state == LIVE_SETTLING;
	return many;
}

void	 __real_store_update(struct store *, const struct store_msg *,
	    const struct store_bounces *, store_done *, void *);
void	 __wrap_store_update(struct store *, const struct store_msg *,
	    const struct store_bounces *, store_done *, void *);

void
__wrap_store_update(struct store *s, const struct store_msg *m,
    const struct store_bounces *b, store_done *done, void *arg)
{
	updates++;
	if (settling() > settling_most)
		settling_most = settling();
	__real_store_update(s, m, b, done, arg);
}

static bool no_body;		/* the disk is slow with them */

void	 __real_store_body(struct store *, uint64_t, store_body_cb *, void *);
void	 __wrap_store_body(struct store *, uint64_t, store_body_cb *, void *);

void
__wrap_store_body(struct store *s, uint64_t id, store_body_cb *cb, void *arg)
{
	if (!no_body)
		__real_store_body(s, id, cb, arg);
}

static void
submit(const char *rcpts, uint8_t notify, const char *envid)
{
	struct ticket t = world_ticket(0, session++, "alice@example.org");
	struct envelope e;
	struct world_no no;
	char *copy = xstrdup(rcpts), *at = copy, *one;

	envelope_init(&e);
	e.return_path = xstrdup("alice@example.org");
	e.envid = envid == NULL ? NULL : xstrdup(envid);
	while ((one = strsep(&at, " ")) != NULL)
		envelope_add_rcpt(&e, one, NULL, notify);
	world_submit_env(&smtpd, &t, &e, "Subject: news\r\nMessage-ID: "
	    "<7@example.org>\r\n\r\nbody\r\n");
	envelope_clear(&e);
	ok(world_submitted(&smtpd, &no, NULL), "%s", rcpts);
	free(copy);
}

/* The next job must be a report; its text, the caller's; NULL if it is none. */
static char *
report(void)
{
	struct world_job j;
	char *body;

	if (!world_job(&relay, &j))
		return NULL;
	if (*j.return_path != '\0') {
		world_answer(&relay, &j, OUTCOME_DEFERRED, "4.0.0", "later");
		return NULL;
	}
	is_str(j.rcpts[0].addr, "alice@example.org", "a report");
	body = xstrdup(j.body);
	world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	return body;
}

static int
count(const char *text, const char *what)
{
	int n = 0;

	while (text != NULL && (text = strstr(text, what)) != NULL) {
		text += strlen(what);
		n++;
	}
	return n;
}

/* Steps an hour, deferring what is tried; reports that came meanwhile. */
static char *
hours(int n, int *reports)
{
	struct world_job j;
	char *last = NULL;

	*reports = 0;
	for (n *= 12; n > 0; n--) {
		world_step(HOUR / 12);
		while (world_job(&relay, &j)) {
			if (*j.return_path == '\0') {
				free(last);
				last = xstrdup(j.body);
				++*reports;
				world_answer(&relay, &j, OUTCOME_DELIVERED,
				    "2.0.0", "ok");
			} else
				world_answer(&relay, &j, OUTCOME_DEFERRED,
				    "4.2.2", "452 full");
		}
	}
	return last;
}

static void
test_warning(void)
{
	char *text;
	int n;

	submit("bob@example.net", 0, NULL);
	text = hours(3, &n);
	is_int(n, 0, "for three hours nobody is told");
	free(text);
	text = hours(2, &n);
	is_int(n, 1, "then one warning");
	ok(count(text, "Action: delayed\r\n") == 1 &&
	    count(text, "Will-Retry-Until: ") == 1 &&
	    count(text, "452 full") == 2, "of delay");
	free(text);
	world_crash(&smtpd, &relay);
	text = hours(48, &n);
	is_int(n, 0, "and no more, not after a restart either");
	free(text);
	text = hours(96, &n);
	ok(n == 1 && count(text, "Action: failed\r\nStatus: 4.4.7") == 1,
	    "until it has expired");
	free(text);
	is_int(world_queued(), 0, "nothing is left");
}

static void
test_warning_wanted(void)
{
	static const struct {
		uint8_t	 notify;
		int	 warnings, failures;
	} rows[] = { { NOTIFY_NEVER, 0, 0 }, { NOTIFY_FAILURE, 0, 1 },
	    { NOTIFY_DELAY, 1, 0 }, { NOTIFY_SUCCESS, 0, 0 },
	    { NOTIFY_DELAY | NOTIFY_FAILURE, 1, 1 } };
	size_t i;
	int n;

	for (i = 0; i < nitems(rows); i++) {
		submit("bob@example.net", rows[i].notify, NULL);
		free(hours(12, &n));
		is_int(n, rows[i].warnings, "NOTIFY %u: warnings",
		    rows[i].notify);
		free(hours(144, &n));
		is_int(n, rows[i].failures, "NOTIFY %u: failures",
		    rows[i].notify);
	}
	world_routes[0].warn_sec = 0;
	submit("bob@example.net", 0, NULL);
	free(hours(24, &n));
	is_int(n, 0, "warn = 0: no warning");
	free(hours(144, &n));
	world_routes[0].warn_sec = 4 * 3600;
	is_int(world_queued(), 0, "nothing is left");
}

static void
test_success(void)
{
	struct world_job j;
	char *text;
	int dsn;

	for (dsn = 0; dsn < 2; dsn++) {
		submit("bob@example.net carol@example.net", NOTIFY_SUCCESS |
		    NOTIFY_FAILURE, "id7");
		ok(world_job(&relay, &j), "a job");
		world_say(&relay, &j, 0, OUTCOME_DELIVERED, "2.0.0", "250 k");
		world_say(&relay, &j, 1, OUTCOME_DEFERRED, "4.0.0", "452 l");
		world_dsn = dsn == 1;
		world_end(&relay, &j, true);
		world_dsn = false;
		text = report();
		if (dsn == 1) {
			ok(text == NULL, "a next hop that does DSN tells");
		} else {
			ok(count(text, "Action: relayed\r\n") == 1 &&
			    count(text, "bob@example.net") == 2 &&
			    count(text, "carol@example.net") == 0 &&
			    count(text, "Original-Envelope-Id: id7") == 1,
			    "one that does not: relayed");
		}
		free(text);
		world_step(HOUR);
		ok(world_job(&relay, &j) && j.n == 1, "the other is tried");
		world_dsn = true;
		world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "250 k");
		world_dsn = false;
		ok(!world_job(&relay, &j), "and that is that");
		is_int(world_queued(), 0, "gone");
	}
	submit("bob@example.net", 0, NULL);
	ok(world_job(&relay, &j), "a job");
	world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "250 kept");
	ok(!world_job(&relay, &j), "who did not ask is not told");
}

/* Two jobs: one has failed when the process dies in the middle of the other. */
static void
test_crash(void)
{
	struct world_job a, b;
	char *text;

	world_routes[0].by_domain = true;
	submit("x@one.example y@two.example", NOTIFY_SUCCESS | NOTIFY_FAILURE,
	    "id8");
	submit("x@one.example y@one.example z@two.example", 0, "id9");
	while (world_job(&relay, &a)) {
		if (strcmp(a.domain, "two.example") == 0) {
			free(a.body);
			continue;
		}
		if (a.n == 2) {
			world_say(&relay, &a, 0, OUTCOME_DELIVERED, "2.0.0",
			    "250 k");
			world_say(&relay, &a, 1, OUTCOME_FAILED, "5.1.1",
			    "550 n");
		} else
			world_say(&relay, &a, 0, OUTCOME_DELIVERED, "2.0.0",
			    "250 k");
		world_end(&relay, &a, true);
	}
	world_crash(&smtpd, &relay);
	while (world_job(&relay, &b)) {
		if (*b.return_path == '\0')
			break;
		is_str(b.domain, "two.example", "the rest is tried");
		world_answer(&relay, &b, OUTCOME_DEFERRED, "4.0.0", "later");
	}
	text = b.body;
	world_end(&relay, &(struct world_job){ .attempt = b.attempt }, true);
	ok(count(text, "Action: relayed") + count(text, "Action: failed") == 1,
	    "one report");
	free(text);
	text = report();
	ok(count(text, "Action: relayed") + count(text, "Action: failed") == 1,
	    "the other: both were owed on disk");
	free(text);
	world_routes[0].by_domain = false;
	world_step(HOUR);
	while (world_job(&relay, &a))
		world_answer(&relay, &a, OUTCOME_DELIVERED, "2.0.0", "ok");
	world_step(HOUR);
	while (world_job(&relay, &a))
		world_answer(&relay, &a, OUTCOME_DELIVERED, "2.0.0", "ok");
}

/* Fails everything that is tried; how many reports there were, and the last. */
static int
refuse_all(char **last, int *failures)
{
	struct world_job j;
	int n = 0;

	while (world_job(&relay, &j)) {
		if (relay.n > 4000) {
			world_disconnect(&relay);
			world_connect(&relay, ROLE_RELAY, 0);
			free(j.body);
			continue;
		}
		if (*j.return_path != '\0') {
			world_answer(&relay, &j, OUTCOME_FAILED, "5.7.1",
			    "550 not you");
			continue;
		}
		n++;
		*failures += count(j.body, "Action: failed\r\n");
		free(*last);
		*last = xstrdup(j.body);
		world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	}
	return n;
}

static void
test_digest(void)
{
	char *last = NULL;
	int i, n, failures = 0;

	world_step(2 * HOUR);
	for (i = 0; i < 1000; i++) {
		submit("bob@example.net", 0, NULL);
		if (i % 200 == 199) {
			world_turn(200);
			n = refuse_all(&last, &failures);
			ok(n <= LIFE_SINGLE_REPORTS + 5, "%d reports", n);
			world_disconnect(&smtpd);
			world_connect(&smtpd, ROLE_SMTPD, 0);
		}
	}
	ok(failures >= LIFE_SINGLE_REPORTS, "the first come one by one");
	world_step(LIFE_DIGEST_MS + 1000);
	n = refuse_all(&last, &failures);
	ok(n >= 1 && n < 10, "the rest in %d reports", n);
	is_int(failures, 1000, "all are told of, each once");
	ok(count(last, "Subject: news\r\n") > 10 &&
	    count(last, "X-Original-Message-ID: <7@example.org>\r\n") > 10,
	    "with what tells them apart");
	is_int(world_queued(), 0, "nothing is left");
	free(last);
	last = NULL;

	for (i = 0; i < 20; i++)
		submit("bob@example.net", 0, i % 2 == 0 ? "mine" : NULL);
	failures = 0;
	n = refuse_all(&last, &failures);
	ok(n == 10 && failures == 10, "who names envelopes is told of each");
	world_crash(&smtpd, &relay);
	n = refuse_all(&last, &failures);
	world_step(LIFE_DIGEST_MS + 60000);
	n += refuse_all(&last, &failures);
	ok(n > 0 && failures == 20, "a crash loses none of the others");
	is_int(world_queued(), 0, "nothing is left");
	free(last);
}

/* A report that fails for its bytes goes again without them, and once. */
static void
test_cut(void)
{
	struct ticket t = world_ticket(0, session++, "alice@example.org");
	struct envelope e;
	struct world_no no;
	struct world_job j;

	envelope_init(&e);
	e.return_path = xstrdup("alice@example.org");
	e.ret = RET_FULL;
	e.body_8bit = true;
	e.require_tls = true;
	envelope_add_rcpt(&e, "bob@example.net", NULL, 0);
	world_submit_env(&smtpd, &t, &e, "Subject: f\xc3\xbcr Bob\r\n\r\n"
	    "Gr\xc3\xbc\xc3\x9f" "e\r\n");
	envelope_clear(&e);
	ok(world_submitted(&smtpd, &no, NULL) && world_job(&relay, &j), "8 bits");
	world_answer(&relay, &j, OUTCOME_FAILED, "5.1.1", "550 nobody");
	ok(world_job(&relay, &j) && (j.flags & DELIVER_8BIT) &&
	    strstr(j.body, "Gr\xc3\xbc\xc3\x9f" "e\r\n") != NULL,
	    "come back whole, as asked");
	world_answer(&relay, &j, OUTCOME_FAILED, "5.6.3", "no 8BITMIME there");
	ok(world_job(&relay, &j) && !(j.flags & DELIVER_8BIT),
	    "where that cannot go, without");
	ok((j.flags & DELIVER_REQUIRE_TLS) != 0, "with TLS, as it was sent");
	is_str(j.rcpts[0].addr, "alice@example.org", "to the same");
	ok(strstr(j.body, "Final-Recipient: rfc822;bob@example.net\r\n") !=
	    NULL && strstr(j.body, "Subject: f=C3=BCr Bob") != NULL &&
	    strstr(j.body, "Gr") == NULL, "with all but the body");
	world_answer(&relay, &j, OUTCOME_FAILED, "5.6.0", "550 not that either");
	is_int(world_queued(), 0, "and that is all");
	ok(strstr(world_log, "a bounce is never bounced") != NULL,
	    "which is logged");
}

/* However many fail, each is named; a crash right behind costs none of them. */
static void
test_many(bool crash)
{
	struct buf rcpts;
	char *text, name[32];
	int i, n = 0, named = 0, said = 0;
	struct world_job j;

	world_caps[0].recipients_per_message = 1000;
	buf_init(&rcpts, 65536);
	for (i = 0; i < 1000; i++)
		buf_addf(&rcpts, "%suser%03d@example.net", i > 0 ? " " : "", i);
	submit(buf_str(&rcpts), 0, NULL);
	buf_clear(&rcpts);
	updates = 0;
	for (i = 0; i < 10 && world_job(&relay, &j); i++)
		world_answer(&relay, &j, OUTCOME_FAILED, "5.7.1", "550 5.7.1 "
		    "we do not want this; see https://example.net/errors/4711");
	is_int(i, 10, "all fail");
	is_int(updates, 0, "all are told of in one batch");
	if (crash)
		world_crash(&smtpd, &relay);
	for (; (text = report()) != NULL; n++) {
		for (i = 0; i < 1000; i++) {
			snprintf(name, sizeof(name), ";user%03d@", i);
			named += count(text, name);
		}
		said += count(text, "Action: failed\r\n");
		free(text);
	}
	ok(n > 1 && n < 12, "in %d reports", n);
	is_int(said, 1000, "each is told of once");
	is_int(named, 1000, "by name");
	is_int(world_queued(), 0, "nothing is left");
	world_caps[0].recipients_per_message = 100;
}

/* --- on a full disk --------------------------------------------------------------- */

/*
 * Warnings that blocked hops make due are no more at once than there is room
 * for, while bodies are being read for them, too.
 */
static void
test_full_blocked(void)
{
	struct world_job j;
	int i, n, warned = 0;

	settling_most = 0;
	world_conf.segment_bytes = 8 << 20;
	for (i = 0; i < 60; i++)
		submit("bob@example.net", NOTIFY_DELAY | NOTIFY_FAILURE, NULL);
	for (i = 0; i < 24 * 12; i++) {
		if (i == 11)
			store_memory_set_room(world.store, 2 * 1024 * 1024);
		if (i == 6 * 12) {
			is_int(warned, 0, "a warning frees nothing: it leaves "
			    "some room");
			store_memory_set_room(world.store, 4 * 1024 * 1024);
		}
		for (n = 0; n < 10; n++)
			world_step(HOUR / 120);
		while (world_job(&relay, &j)) {
			if (*j.return_path != '\0')
				world_end(&relay, &j, false);
			else {
				warned += count(j.body, "Action: delayed\r\n");
				world_answer(&relay, &j, OUTCOME_DELIVERED,
				    "2.0.0", "ok");
			}
		}
	}
	world_conf.segment_bytes = 0;
	ok(settling_most < 16, "but no more at once than fit: %zu",
	    settling_most + 1);
	store_memory_set_room(world.store, UINT64_MAX);
	/* A warning, too, may have found the hop blocked whenever it was due. */
	world_step(5 * HOUR);
	while (world_job(&relay, &j)) {
		if (*j.return_path == '\0')
			warned += count(j.body, "Action: delayed\r\n");
		world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	}
	is_int(warned, 60, "each is warned of");
	is_int(world_queued(), 0, "nothing is left");
}

/* A report that there is no room for is owed until there is, across a crash. */
static void
test_full_owed(void)
{
	struct world_job j;
	char *text;
	int i;

	submit("bob@example.net ann@example.net", 0, "mine");
	ok(world_job(&relay, &j), "it is tried");
	store_memory_set_room(world.store, 400 * 1024);
	world_answer(&relay, &j, OUTCOME_FAILED, "5.1.1", "550 nobody");
	for (i = 0; i < 20; i++)
		world_step(LIFE_PUT_OFF_MS);
	ok(!world_job(&relay, &j), "a report that might not fit");
	is_int(world_queued(), 1, "is owed");
	ok(strstr(world_log, "report=waits") != NULL, "which is logged");
	world_crash(&smtpd, &relay);
	world_step(LIFE_PUT_OFF_MS);
	is_int(world_queued(), 1, "behind a crash, too");
	store_memory_set_room(world.store, 1024 * 1024);
	world_step(LIFE_PUT_OFF_MS);
	text = report();
	is_int(count(text, "Action: failed\r\n"), 2, "and goes with room again");
	free(text);
	is_int(world_queued(), 0, "nothing is left");
	store_memory_set_room(world.store, UINT64_MAX);
}

static void
submit_large(int n, const char *domain)
{
	struct buf rcpts;
	int i;

	buf_init(&rcpts, 65536);
	for (i = 0; i < n; i++)
		buf_addf(&rcpts, "%suser%03d@%s", i > 0 ? " " : "", i, domain);
	submit(buf_str(&rcpts), 0, "mine");
	buf_clear(&rcpts);
}

/* A message that needs more than there is stops no other; nor does it rush in. */
static void
test_full_large(void)
{
	struct world_job j;
	int i, n, said = 0;
	char *text;

	world_caps[0].recipients_per_message = 1000;
	store_memory_set_room(world.store, 2 * 1024 * 1024);
	submit_large(1000, "example.net");
	submit("bob@example.net", 0, NULL);
	world_step(2000);
	ok(world_job(&relay, &j), "something goes");
	is_int(j.n, 1, "which is not what needs more than there is");
	world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	world_step(2000);
	ok(!world_job(&relay, &j), "that waits");
	is_int(world.reserved, 0, "and nothing is held");
	/* For its state, and some of the reports that it takes. */
	store_memory_set_room(world.store, 6 * 1024 * 1024);
	for (i = 0; i < 10; i++) {
		for (n = 0; n < 10 && !world_job(&relay, &j); n++)
			world_step(1000);
		world_answer(&relay, &j, OUTCOME_FAILED, "5.7.1", "550 5.7.1 "
		    "we do not want this; see https://example.net/errors/4711");
	}
	for (i = 0; i < 60; i++) {
		while ((text = report()) != NULL) {
			said += count(text, "Action: failed\r\n");
			free(text);
		}
		world_step(LIFE_PUT_OFF_MS);
	}
	is_int(said, 1000, "each of its recipients is told of once");
	is_int(world_queued(), 0, "nothing is left");
	is_int(world.reserved, 0, "and nothing held");
	store_memory_set_room(world.store, UINT64_MAX);
	world_caps[0].recipients_per_message = 100;
}

/* A digest waits, too, or is about fewer. */
static void
test_full_digest(void)
{
	char *last = NULL;
	int i, n, failures = 0;

	world_step(2 * HOUR);
	for (i = 0; i < LIFE_SINGLE_REPORTS + 200; i++)
		submit("bob@example.net", 0, NULL);
	is_int(refuse_all(&last, &failures), LIFE_SINGLE_REPORTS, "the first");
	failures = 0;
	store_memory_set_room(world.store, 400 * 1024);
	world_step(2 * LIFE_DIGEST_MS);
	is_int(refuse_all(&last, &failures), 0, "no room for a digest");
	is_int(world_queued(), 200, "all are there");
	store_memory_set_room(world.store, 1200 * 1024);
	world_step(LIFE_PUT_OFF_MS);
	n = refuse_all(&last, &failures);
	ok(n > 1 && n < 4, "with some room, in %d", n);
	is_int(failures, 200, "about all of them");
	is_int(world_queued(), 0, "nothing is left");
	store_memory_set_room(world.store, UINT64_MAX);
	free(last);
}

/* Nor is anybody left out of a warning, of which there is one round. */
static void
test_many_delayed(void)
{
	struct world_job j;
	struct buf rcpts;
	int i, warned = 0;

	world_caps[0].recipients_per_message = 1000;
	buf_init(&rcpts, 65536);
	for (i = 0; i < 400; i++)
		buf_addf(&rcpts, "%suser%03d@example.net", i > 0 ? " " : "", i);
	submit(buf_str(&rcpts), 0, NULL);
	buf_clear(&rcpts);
	for (i = 0; i < 24 * 12; i++) {
		while (world_job(&relay, &j)) {
			warned += *j.return_path != '\0' ? 0 :
			    count(j.body, "Action: delayed\r\n");
			world_answer(&relay, &j, *j.return_path == '\0' ?
			    OUTCOME_DELIVERED : OUTCOME_DEFERRED, "4.2.2",
			    "452 4.2.2 the mailbox is full, and has been so");
		}
		world_step(HOUR / 12);
	}
	is_int(warned, 400, "each recipient is named in a warning, once");
	world_step(5 * HOUR);
	while (world_job(&relay, &j))
		world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	is_int(world_queued(), 0, "nothing is left");
	world_caps[0].recipients_per_message = 100;
}

/* One that waits for its digest is removed, another held. */
static void
test_digest_orders(void)
{
	static const struct life_order away = { LIFE_REMOVE, HOLD_NONE, "",
	    "admin" };
	struct table_node *n, *next;
	struct live_msg *lm;
	char *last = NULL;
	int i, failures = 0;

	world_step(2 * HOUR);
	for (i = 0; i < LIFE_SINGLE_REPORTS + 5; i++)
		submit("bob@example.net", 0, NULL);
	is_int(refuse_all(&last, &failures), LIFE_SINGLE_REPORTS, "the first");
	i = 0;
	for (n = table_next(&world.live->msgs, NULL); n != NULL; n = next) {
		next = table_next(&world.live->msgs, n);
		lm = (struct live_msg *)n;
		is_int(lm->state, LIVE_GATHERED, "gathered");
		if (i++ < 2)
			is_int(life_obey(&world, &lm->m, &away), LIFE_DONE,
			    "ordered away");
	}
	is_int(i, 5, "five are gathered");
	is_int(world_queued(), 3, "what is ordered away is gone at once");
	failures = 0;
	world_step(LIFE_DIGEST_MS + 1000);
	is_int(refuse_all(&last, &failures), 1, "one digest");
	is_int(failures, 3, "about the others");
	is_int(world_queued(), 0, "nothing is left");
	free(last);
}

/* One that is held at its next hop, and fails there, is not held any more. */
static void
test_digest_held(void)
{
	static const struct life_order hold = { LIFE_HOLD, HOLD_ADMIN, "",
	    "admin" };
	struct live_msg *lm;
	struct world_job j;
	char *last = NULL;
	int i, failures = 0;

	world_step(2 * HOUR);
	for (i = 0; i < LIFE_SINGLE_REPORTS; i++)
		submit("bob@example.net", 0, NULL);
	is_int(refuse_all(&last, &failures), LIFE_SINGLE_REPORTS, "the first");
	submit("bob@example.net", 0, NULL);
	ok(world_job(&relay, &j), "at its next hop");
	lm = live_find(world.live, store_id_parse(j.id));
	is_int(life_obey(&world, &lm->m, &hold), LIFE_SOON, "it is held");
	world_answer(&relay, &j, OUTCOME_FAILED, "5.1.1", "550 no");
	is_int(lm->state, LIVE_GATHERED, "and fails");
	world_crash(&smtpd, &relay);
	world_step(LIFE_DIGEST_MS + 1000);
	failures = 0;
	refuse_all(&last, &failures);
	is_int(failures, 1, "its sender hears of it, behind a crash too");
	is_int(world_queued(), 0, "nothing is left");
	free(last);
}

/* A stop in order, while the body of what is to be reported is read. */
static void
test_stop(void)
{
	struct world_job j;

	submit("x@example.net y@example.net", 0, NULL);
	ok(world_job(&relay, &j), "to two");
	no_body = true;
	world_say(&relay, &j, 0, OUTCOME_DELIVERED, "2.0.0", "ok");
	world_say(&relay, &j, 1, OUTCOME_FAILED, "5.1.1", "550 no");
	world_end(&relay, &j, true);
	is_int(settling(), 1, "one took it, of the other its sender will hear");
	life_stop(&world);
	no_body = false;
	world_crash(&smtpd, &relay);
	ok(world_job(&relay, &j) && *j.return_path == '\0',
	    "behind a stop that is all there is to do");
	world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	is_int(world_queued(), 0, "nothing is left");
}

int
main(void)
{
	world_defaults();
	world_limits[0].count = 100000;
	world_routes[0].warn_sec = 4 * 3600;
	world_open();
	world_connect(&smtpd, ROLE_SMTPD, 0);
	world_connect(&relay, ROLE_RELAY, 0);
	test_warning();
	test_warning_wanted();
	test_success();
	test_crash();
	test_cut();
	test_many(false);
	test_many(true);
	test_many_delayed();
	test_digest();
	test_digest_orders();
	test_digest_held();
	test_stop();
	test_full_blocked();
	test_full_owed();
	test_full_large();
	test_full_digest();
	world_disconnect(&smtpd);
	world_disconnect(&relay);
	world_close();
	return tap_done();
}
