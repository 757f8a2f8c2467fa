/*
 * queue/life and queue/dsn: for each NOTIFY, each fate of a message, each RET
 * and each kind of content, which reports its sender gets, and what goes back
 * (RFC 3461 4.1, 4.3, 5.2, 6; RFC 6533).
 */
#include "lib/prelude.h"

#include "lib/stats.h"
#include "tests/unit/queue_world.h"

#define ALICE	"alice@example.org"
#define MINUTE	60000ULL
#define CLASS	"delivery and bounces"

static struct world_peer smtpd, relay;
static uint64_t session = 1;

struct mail {
	const char *from;
	uint8_t	 notify;
	enum ret ret;
	bool	 utf8, eightbit;
	const char *rcpt, *body;
};

static void
submit(const struct mail *m)
{
	struct ticket t = world_ticket(0, session++, *m->from == '\0' ? ALICE :
	    m->from);
	struct envelope e;
	struct world_no no;

	envelope_init(&e);
	e.return_path = xstrdup(m->from);
	/* Named, so that its reports are never gathered into a digest. */
	e.envid = xstrdup("id");
	e.ret = (uint8_t)m->ret;
	e.utf8 = m->utf8;
	e.body_8bit = m->eightbit;
	envelope_add_rcpt(&e, m->rcpt == NULL ? "bob@example.net" : m->rcpt,
	    NULL, m->notify);
	world_submit_env(&smtpd, &t, &e, m->body == NULL ? WORLD_BODY :
	    m->body);
	envelope_clear(&e);
	if (!world_submitted(&smtpd, &no, NULL))
		ok(false, "refused: %u %s", no.code, no.text);
}

/* What the next hops of a case do, and for how long. */
enum fate { TAKEN_DSN, TAKEN, REFUSED, NEVER_TAKEN, TAKEN_LATE, REFUSED_LATE,
    FATES };

static const char *const fates[FATES] = { "taken, next hop does DSN", "taken",
    "refused", "never taken", "taken late", "refused when warned of" };

/* The log calls each by what it is, and bounces are counted. */
static char logged[200];

static void
read_log(void)
{
	static const struct { const char *word, *action; } words[] = {
		{ " bounced as=", "failed" }, { " warned as=", "delayed" },
		{ " told as=", "relayed" },
	};
	const char *at = world_log;
	size_t i;

	*logged = '\0';
	for (; *at != '\0'; at += strcspn(at, "\n") + 1)
		for (i = 0; i < nitems(words); i++) {
			const char *w = strstr(at, words[i].word);

			if (w == NULL || w > at + strcspn(at, "\n"))
				continue;
			snprintf(logged + strlen(logged), sizeof(logged) -
			    strlen(logged), "%s%s", *logged == '\0' ? "" :
			    " ", words[i].action);
		}
	*world_log = '\0';
}

/* In the order in which they came: "failed", "delayed", "relayed". */
static char told[200];
static char *last;			/* report; owned */
static struct world_job bounce;		/* its envelope */

static void
hear(struct world_job *j)
{
	const char *a = strstr(j->body, "\r\nAction: ");

	free(last);
	last = xstrdup(j->body);
	bounce = *j;
	for (; a != NULL; a = strstr(a + 1, "\r\nAction: "))
		snprintf(told + strlen(told), sizeof(told) - strlen(told),
		    "%s%.*s", *told == '\0' ? "" : " ",
		    (int)strcspn(a + 10, "\r"), a + 10);
	world_answer(&relay, j, OUTCOME_DELIVERED, "2.0.0", "ok");
}

static void
meet(struct world_job *j, enum fate fate, uint64_t minutes)
{
	world_dsn = fate == TAKEN_DSN;
	if (fate == REFUSED || (fate == REFUSED_LATE && minutes >= 2))
		world_answer(&relay, j, OUTCOME_FAILED, "5.1.1", "550 no");
	else if (fate == NEVER_TAKEN || fate == REFUSED_LATE || (fate == TAKEN_LATE && minutes < 5))
		world_answer(&relay, j, OUTCOME_DEFERRED, "4.2.2", "452 full");
	else
		world_answer(&relay, j, OUTCOME_DELIVERED, "2.0.0", "250 ok");
}

/* A quarter of an hour, which is more than a message has. */
static void
live_through(enum fate fate)
{
	struct world_job j;
	uint64_t minutes;

	*told = '\0';
	for (minutes = 0; minutes < 15; minutes++) {
		while (world_job(&relay, &j)) {
			if (*j.return_path == '\0' &&
			    strcmp(j.rcpts[0].addr, ALICE) == 0)
				hear(&j);
			else
				meet(&j, fate, minutes);
		}
		world_step(MINUTE);
	}
	if (relay.n > 3000) {		/* all that a peer can keep */
		world_disconnect(&relay);
		world_connect(&relay, ROLE_RELAY, 0);
	}
	if (smtpd.n > 3000) {
		world_disconnect(&smtpd);
		world_connect(&smtpd, ROLE_SMTPD, 0);
	}
}

/* RFC 3461 4.1: without NOTIFY, as for mail without DSN: failure and delay. */
static bool
asks(const struct mail *m, uint8_t bit)
{
	if (*m->from == '\0')
		return false;
	return m->notify == 0 ? bit != NOTIFY_SUCCESS :
	    (m->notify & bit) != 0;
}

static const char *
due(const struct mail *m, enum fate fate)
{
	static char text[100];

	snprintf(text, sizeof(text), "%s%s%s",
	    asks(m, NOTIFY_DELAY) && (fate == NEVER_TAKEN ||
	    fate == TAKEN_LATE) ? "delayed " : "",
	    asks(m, NOTIFY_FAILURE) && (fate == REFUSED ||
	    fate == NEVER_TAKEN || fate == REFUSED_LATE) ? "failed " : "",
	    asks(m, NOTIFY_SUCCESS) && (fate == TAKEN ||
	    fate == TAKEN_LATE) ? "relayed " : "");
	if (*text != '\0')
		text[strlen(text) - 1] = '\0';
	return text;
}

static void
test_notify(void)
{
	static const uint8_t notifies[] = { 0, NOTIFY_NEVER, NOTIFY_SUCCESS,
	    NOTIFY_FAILURE, NOTIFY_DELAY, NOTIFY_SUCCESS | NOTIFY_FAILURE,
	    NOTIFY_SUCCESS | NOTIFY_DELAY, NOTIFY_FAILURE | NOTIFY_DELAY,
	    NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY };
	static const char *const senders[] = { ALICE, "" };
	struct mail m = { 0 };
	volatile uint64_t *counts;
	uint64_t failures = 0;
	size_t i, k, n = 0;
	int fate, fd;

	counts = stats_make(&fd);
	stats_use(fd);
	*world_log = '\0';

	for (k = 0; k < nitems(senders); k++)
		for (i = 0; i < nitems(notifies); i++)
			for (fate = 0; fate < FATES; fate++) {
				m.from = senders[k];
				m.notify = notifies[i];
				submit(&m);
				live_through((enum fate)fate);
				is_str(told, due(&m, (enum fate)fate),
				    "<%s>, NOTIFY %u, %s", m.from, m.notify,
				    fates[fate]);
				is_int(store_count(world.store), 0, "gone");
				read_log();
				is_str(logged, told, "so says the log");
				is_int(counts[STAT_BOUNCES], failures +=
				    strstr(told, "failed") != NULL,
				    "failures are counted");
				n++;
			}
	tap_inputs(CLASS, n);
}

/* --- what goes back -------------------------------------------------------------------- */

static bool
says(const char *text)
{
	return strstr(last, text) != NULL;
}

static bool
ascii(const char *s)
{
	for (; *s != '\0'; s++)
		if ((uint8_t)*s >= 0x80)
			return false;
	return true;
}

/*
 * Whatever was sent, its report needs no more of the next hop than it must:
 * SMTPUTF8 only where the sender's own address does, 8BITMIME only for an
 * 8-bit message that is to go back whole.
 */
static void
test_content(void)
{
	static const struct {
		const char *name;
		bool	 utf8, eightbit;
		const char *body;
	} contents[] = {
		{ "plain", false, false, WORLD_BODY },
		{ "8-bit body", false, true, "Subject: x\r\n\r\nb\xc3\xb6\r\n" },
		{ "8-bit header", false, true,
		    "Subject: b\xc3\xb6\r\n\r\nx\r\n" },
		{ "Latin-1 header", false, true, "Subject: b\xf6\r\n\r\nx\r\n" },
		{ "UTF-8", true, true, "Subject: b\xc3\xb6\r\n\r\nx = y\r\n" },
		{ "UTF-8, ASCII content", true, false, WORLD_BODY },
	};
	static const enum fate told_of[] = { REFUSED, TAKEN_LATE };
	struct mail m = { .from = ALICE };
	size_t c, f, n = 0;
	int ret;
	bool whole, failed;

	for (c = 0; c < nitems(contents); c++)
		for (ret = RET_UNSET; ret <= RET_HDRS; ret++)
			for (f = 0; f < nitems(told_of); f++) {
				m.utf8 = contents[c].utf8;
				m.eightbit = contents[c].eightbit;
				m.body = contents[c].body;
				m.rcpt = m.utf8 ? "j\xc3\xb6rg@example.net" :
				    NULL;
				m.ret = (enum ret)ret;
				submit(&m);
				live_through(told_of[f]);
				failed = told_of[f] == REFUSED;
				whole = failed && ret == RET_FULL;
				is_str(told, failed ? "failed" : "delayed",
				    "%s, RET %d", contents[c].name, ret);
				ok(says(m.utf8 ? (whole ? "message/global\r\n" :
				    "message/global-headers\r\n") : whole ?
				    "message/rfc822\r\n" :
				    "text/rfc822-headers\r\n"), "%s",
				    whole ? "whole" : "its header");
				ok(says(m.utf8 ? "Type: message/global-delivery-"
				    "status\r\n" :
				    "Type: message/delivery-status\r\n"),
				    "RFC 6533's types where they belong");
				ok(!(bounce.flags & DELIVER_UTF8),
				    "no SMTPUTF8 is needed");
				ok(!(bounce.flags & DELIVER_8BIT) ||
				    (whole && !m.utf8), "nor 8BITMIME");
				ok(ascii(last) == !(bounce.flags &
				    DELIVER_8BIT), "which is so");
				n++;
			}
	tap_inputs(CLASS, n);
}

/* Mail that the next hop could not take for its bytes. */
static void
test_unable(void)
{
	static const char *const statuses[] = { "5.6.3", "5.6.7" };
	struct mail m = { .from = ALICE, .ret = RET_FULL, .eightbit = true,
	    .body = "Subject: x\r\n\r\nb\xc3\xb6\r\n" };
	struct world_job j;
	size_t i;

	for (i = 0; i < nitems(statuses); i++) {
		submit(&m);
		ok(world_job(&relay, &j), "an attempt");
		world_answer(&relay, &j, OUTCOME_FAILED, statuses[i],
		    "the next hop does not take such mail");
		live_through(TAKEN_DSN);
		is_str(told, "failed", "%s", statuses[i]);
		ok(says("text/rfc822-headers\r\n") && !(bounce.flags &
		    DELIVER_8BIT), "the report can go where it could not");
	}
	/* Only a sender in UTF-8 needs a next hop that knows such. */
	m = (struct mail){ .from = "\xc3\xa4nne@example.org", .utf8 = true,
	    .eightbit = true, .body = "Subject: b\xc3\xb6\r\n\r\nx\r\n" };
	submit(&m);
	ok(world_job(&relay, &j), "an attempt");
	world_answer(&relay, &j, OUTCOME_FAILED, "5.1.1", "550 no");
	ok(world_job(&relay, &j) && *j.return_path == '\0' &&
	    (j.flags & DELIVER_UTF8) && strstr(j.body, "To: <\xc3\xa4nne@") !=
	    NULL, "to a sender in UTF-8");
	world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
	tap_inputs(CLASS, nitems(statuses) + 1);
}

int
main(void)
{
	world_defaults();
	world_limits[0].count = 100000;
	world_routes[0].retry_first_sec = 60;
	world_routes[0].retry_max_sec = 60;
	world_routes[0].warn_sec = 120;
	world_routes[0].expire_sec = 600;
	world_open();
	world_connect(&smtpd, ROLE_SMTPD, 0);
	world_connect(&relay, ROLE_RELAY, 0);
	test_notify();
	test_content();
	test_unable();
	world_disconnect(&smtpd);
	world_disconnect(&relay);
	world_close();
	free(last);
	return tap_done();
}
