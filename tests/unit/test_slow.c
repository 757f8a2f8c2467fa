/*
 * Slow clients: at each state a session may be in, one that says nothing, one
 * that sends a byte just before it would be given up, and one that goes on with
 * whole commands. Each is told and let go when its time is over, not before.
 */
#include "lib/prelude.h"

#include "tests/tap.h"
#include "tests/unit/smtpd_world.h"

#define LOGIN	"EHLO c\r\nAUTH PLAIN Z29vZA==\r\n"	/* "good" */
#define MAIL	LOGIN "MAIL FROM:<alice@example.org>\r\n"
#define RCPT	MAIL "RCPT TO:<bob@example.net>\r\n"
#define DATA	RCPT "DATA\r\n"

/* As smtpd_world.h sets them. */
#define GREETING_SEC	60
#define COMMAND_SEC	300
#define DATA_SEC	180
#define MESSAGE_SEC	3600
#define SESSION_SEC	14400

static const struct state {
	const char *name;
	bool	 tls;
	const char *say;
	uint64_t idle_sec;	/* when nothing comes */
	uint64_t total_sec;	/* when a byte comes now and then */
} states[] = {
	{ "greeted in the clear", false, "", GREETING_SEC, GREETING_SEC },
	{ "half a command in the clear", false, "EH", GREETING_SEC,
	    GREETING_SEC },
	{ "EHLO in the clear", false, "EHLO c\r\n", GREETING_SEC,
	    GREETING_SEC },
	{ "a CR in the clear", false, "NOOP\r", GREETING_SEC, GREETING_SEC },
	{ "greeted", true, "", GREETING_SEC, GREETING_SEC },
	{ "half a command", true, "EHLO", GREETING_SEC, GREETING_SEC },
	{ "EHLO", true, "EHLO c\r\n", GREETING_SEC, GREETING_SEC },
	{ "half a login", true, "EHLO c\r\nAUTH PLAIN Z2", GREETING_SEC,
	    GREETING_SEC },
	{ "asked for a name", true, "EHLO c\r\nAUTH LOGIN\r\n", GREETING_SEC,
	    GREETING_SEC },
	{ "a chunk of a stranger's", true, "EHLO c\r\nBDAT 9999 LAST\r\n",
	    DATA_SEC < GREETING_SEC ? DATA_SEC : GREETING_SEC, GREETING_SEC },
	{ "half a name", true, "EHLO c\r\nAUTH LOGIN\r\nYX", GREETING_SEC,
	    GREETING_SEC },
	{ "asked again", true, "EHLO c\r\nAUTH LOGIN\r\nYXNr\r\n",
	    GREETING_SEC, GREETING_SEC },
	{ "refused", true, "EHLO c\r\nAUTH PLAIN YmFk\r\n", GREETING_SEC,
	    GREETING_SEC },
	{ "logged in", true, LOGIN, COMMAND_SEC, COMMAND_SEC },
	{ "half a MAIL", true, LOGIN "MAIL FROM:<", COMMAND_SEC,
	    COMMAND_SEC },
	{ "MAIL", true, MAIL, COMMAND_SEC, COMMAND_SEC },
	{ "half a RCPT", true, MAIL "RCPT TO:<b", COMMAND_SEC, COMMAND_SEC },
	{ "RCPT", true, RCPT, COMMAND_SEC, COMMAND_SEC },
	{ "RSET", true, RCPT "RSET\r\n", COMMAND_SEC, COMMAND_SEC },
	{ "DATA", true, DATA, DATA_SEC, MESSAGE_SEC },
	{ "half a field", true, DATA "Subj", DATA_SEC, MESSAGE_SEC },
	{ "a field", true, DATA "Subject: x\r\n", DATA_SEC, MESSAGE_SEC },
	{ "a CR in the header", true, DATA "Subject: x\r", DATA_SEC,
	    MESSAGE_SEC },
	{ "the header", true, DATA "Subject: x\r\n\r\n", DATA_SEC,
	    MESSAGE_SEC },
	{ "half a line", true, DATA "Subject: x\r\n\r\nhal", DATA_SEC,
	    MESSAGE_SEC },
	{ "all but the dot", true, DATA "Subject: x\r\n\r\nx\r\n", DATA_SEC,
	    MESSAGE_SEC },
	{ "the dot alone", true, DATA "Subject: x\r\n\r\nx\r\n.", DATA_SEC,
	    MESSAGE_SEC },
	{ "half a BDAT", true, RCPT "BDAT 1", COMMAND_SEC, COMMAND_SEC },
	{ "BDAT", true, RCPT "BDAT 9999 LAST\r\n", DATA_SEC, MESSAGE_SEC },
	{ "half a chunk", true, RCPT "BDAT 9999\r\nSubject: x\r\n", DATA_SEC,
	    MESSAGE_SEC },
	{ "a message taken", true, DATA "Subject: x\r\n\r\nx\r\n.\r\n",
	    COMMAND_SEC, COMMAND_SEC },
};

static struct client c;
static struct buf heard;

static void
hear(void)
{
	client_read(&c);
	buf_add(&heard, c.got.data, c.got.len);
	buf_reset(&c.got);
}

static void
begin(const struct state *s)
{
	client_open(&c, s->tls);
	client_send(&c, s->say, strlen(s->say));
	world_settle();
	hear();
	buf_reset(&heard);
}

static void
step_sec(uint64_t sec)
{
	ev_clock_step(sec * 1000);
	world_settle();
	hear();
}

/* Whether it was let go with a word; closed only when that was sent. */
static bool
let_go(void)
{
	return c.closed && strstr(buf_str(&heard), "421 4.4.2 ") != NULL;
}

static bool
still_there(void)
{
	return !c.closed && strstr(buf_str(&heard), "421") == NULL;
}

static void
test_silent(const struct state *s)
{
	begin(s);
	step_sec(s->idle_sec - 1);
	ok(still_there(), "silent, %s: waited for", s->name);
	step_sec(2);
	ok(let_go(), "silent, %s: told and let go", s->name);
	client_close(&c);
}

/* One byte each time, just before it would be too late. */
static void
test_drip(const struct state *s)
{
	uint64_t gap = s->idle_sec - 1, sec;
	bool early = false;

	begin(s);
	for (sec = 0; sec + gap < s->total_sec; sec += gap) {
		step_sec(gap);
		early |= c.closed;
		client_send(&c, "x", 1);
	}
	ok(!early, "a byte every %u s, %s: waited for", (unsigned int)gap,
	    s->name);
	step_sec(s->total_sec - sec + 2);
	ok(let_go(), "a byte every %u s, %s: told and let go",
	    (unsigned int)gap, s->name);
	client_close(&c);
}

/*
 * Whole commands keep a session up to its own limit, a message's lines up to
 * the message's.
 */
static void
test_busy(const struct state *s, const char *line, uint64_t gap,
    uint64_t total_sec)
{
	uint64_t sec;
	bool early = false;

	begin(s);
	for (sec = 0; sec + gap < total_sec; sec += gap) {
		step_sec(gap);
		early |= c.closed;
		client_send(&c, line, strlen(line));
		world_settle();
		hear();
		buf_reset(&heard);
	}
	ok(!early, "busy, %s: waited for", s->name);
	step_sec(total_sec - sec + 2);
	ok(let_go(), "busy, %s: told and let go", s->name);
	client_close(&c);
}

static size_t
test_all_busy(void)
{
	static const struct state in = { "logged in", true, LOGIN, 0, 0 },
	    mail = { "MAIL", true, MAIL, 0, 0 },
	    out = { "not logged in", true, "EHLO c\r\n", 0, 0 },
	    clear = { "in the clear", false, "", 0, 0 },
	    data = { "a header", true, DATA, 0, 0 },
	    body = { "a body", true, DATA "Subject: x\r\n\r\n", 0, 0 };

	test_busy(&in, "NOOP\r\n", COMMAND_SEC - 1, SESSION_SEC);
	test_busy(&mail, "NOOP\r\n", COMMAND_SEC - 1, SESSION_SEC);
	test_busy(&out, "NOOP\r\n", 5, GREETING_SEC);
	test_busy(&clear, "EHLO c\r\n", 5, GREETING_SEC);
	test_busy(&data, "X: y\r\n", DATA_SEC - 1, MESSAGE_SEC);
	test_busy(&body, "a line\r\n", DATA_SEC - 1, MESSAGE_SEC);
	return 6;
}

int
main(void)
{
	size_t i, n;

	world_init();
	buf_init(&heard, 1 << 20);
	for (i = 0; i < nitems(states); i++) {
		test_silent(&states[i]);
		test_drip(&states[i]);
	}
	n = test_all_busy();
	is_int(world.submits, 2, "no message in part: two that were whole");
	tap_inputs("slow clients, timeouts", 2 * nitems(states) + n);
	buf_clear(&heard);
	world_clear();
	return tap_done();
}
