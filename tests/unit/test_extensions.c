/* What the extensions of SMTP add to dialogs, and what queue gets of it. */
#include "lib/prelude.h"

#include "lib/date.h"
#include "smtpd/extensions.h"
#include "tests/show.h"
#include "tests/tap.h"
#include "tests/unit/smtpd_world.h"

#define LOGIN	"EHLO c\r\nAUTH PLAIN Z29vZA==\r\n"
#define MAIL	"MAIL FROM:<alice@example.org>"
#define RCPT	"RCPT TO:<bob@example.net>"
#define END	"DATA\r\nSubject: x\r\n\r\nx\r\n.\r\n"

static struct client c;

static void
begin(void)
{
	client_open(&c, true);
	say(&c, LOGIN);
	codes(&c);
	world.asked[0] = world.envelope[0] = '\0';
	world.submits = 0;
}

static void
end(void)
{
	client_close(&c);
	is_int(world.srv.sessions, 0, "the session is gone");
}

/* --- what EHLO says ---------------------------------------------------------------------- */

static const char *
offers(void)
{
	buf_reset(&c.got);
	say(&c, "EHLO c\r\n");
	return buf_str(&c.got);
}

static void
test_offers(void)
{
	static const struct {
		enum extension ext;
		const char *line;
	} rows[] = {
		{ EXT_SIZE, "250-SIZE 300000\r\n" },
		{ EXT_8BITMIME, "250-8BITMIME\r\n" },
		{ EXT_DSN, "250-DSN\r\n" },
		{ EXT_LIMITS, "250-LIMITS RCPTMAX=5\r\n" },
		{ EXT_CHUNKING, "250-CHUNKING\r\n" },
		{ EXT_SMTPUTF8, "250-SMTPUTF8\r\n" },
		{ EXT_REQUIRETLS, "250-REQUIRETLS\r\n" },
		{ EXT_DELIVERBY, "250-DELIVERBY\r\n" },
		{ EXT_MT_PRIORITY, "250-MT-PRIORITY\r\n" },
	};
	size_t i;

	begin();
	for (i = 0; i < nitems(rows); i++) {
		world.srv.extensions = rows[i].ext;
		ok(strstr(offers(), rows[i].line) != NULL, "offered: %.*s",
		    (int)strcspn(rows[i].line, "\r"), rows[i].line);
		world.srv.extensions = ~(uint32_t)rows[i].ext;
		ok(strstr(offers(), rows[i].line) == NULL, "and not");
	}
	world.srv.extensions = UINT32_MAX;
	world.conf.max_recipients = 100000;
	ok(strstr(offers(), "RCPTMAX=1000\r\n") != NULL,
	    "never more recipients than an envelope has");
	world.conf.max_recipients = 5;
	end();
}

/* --- DSN ----------------------------------------------------------------------------------- */

static void
test_dsn(void)
{
	begin();
	say(&c, MAIL " RET=HDRS ENVID=QQ314159\r\n"
	    RCPT " NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob+2B@Example.NET\r\n"
	    RCPT " NOTIFY=NEVER\r\n" RCPT "\r\n" END);
	is_str(codes(&c), "250 2.1.0,250 2.1.5,250 2.1.5,250 2.1.5,354,"
	    "250 2.0.0", "RFC 3461's parameters");
	is_str(world.asked, "QQ314159 hdrs,rfc822;Bob+2B@Example.NET 10,- 1,"
	    "- 0", "are handed on as given");
	say(&c, MAIL " RET=FULL\r\n" RCPT "\r\n" END);
	is_str(codes(&c), "250 2.1.0,250 2.1.5,354,250 2.0.0", "the next one");
	is_str(world.asked, "- full,- 0", "has nothing of it");
	say(&c, MAIL " ENVID=a+0D+0A\r\n" MAIL " RET=ALL\r\n" MAIL
	    " RET=FULL RET=FULL\r\n" MAIL "\r\n" RCPT " NOTIFY=NEVER,DELAY\r\n"
	    RCPT " ORCPT=rfc822;a+0A\r\n" RCPT "\r\nDATA\r\n.\r\n");
	is_str(codes(&c), "501 5.5.4,501 5.5.4,501 5.5.4,250 2.1.0,501 5.5.4,"
	    "501 5.5.4,250 2.1.5,354,250 2.0.0", "what is malformed");
	is_str(world.asked, "-,- 0", "leaves no trace");
	world.srv.extensions &= ~(uint32_t)EXT_DSN;
	say(&c, MAIL " RET=FULL\r\n" MAIL "\r\n" RCPT " NOTIFY=NEVER\r\n");
	is_str(codes(&c), "555 5.5.4,250 2.1.0,555 5.5.4", "not offered");
	world.srv.extensions = UINT32_MAX;
	end();
}

/* However long each recipient is, the envelope fits into its message. */
static void
test_large_envelope(void)
{
	char line[1024];
	size_t taken = 0;
	const char *said;

	world.conf.max_recipients = world.rcpts = 1000;
	snprintf(line, sizeof(line), RCPT " NOTIFY=SUCCESS,FAILURE,DELAY "
	    "ORCPT=rfc822;%0490d\r\n", 7);
	begin();
	say(&c, MAIL "\r\n");
	codes(&c);
	do {
		say(&c, line);
		said = codes(&c);
		taken += strcmp(said, "250 2.1.5") == 0;
	} while (strcmp(said, "250 2.1.5") == 0 && taken < 1001);
	is_str(said, "452 4.5.3", "the rest comes in another message");
	ok(taken > 500 && taken < 1000, "behind %zu of the longest", taken);
	say(&c, "DATA\r\n.\r\n");
	is_str(codes(&c), "354,250 2.0.0", "and those are sent");
	world.conf.max_recipients = 5;
	world.rcpts = 100;
	end();
}

/* --- SMTPUTF8, REQUIRETLS ------------------------------------------------------------------- */

#define JUERG	"j\xc3\xbcrg@lists.example.org"
#define IDN	"RCPT TO:<bob@b\xc3\xbc" "cher.example>"

static const struct {
	const char *name, *say, *hear, *asked;
} utf8s[] = {
	{ "nothing to it", MAIL " SMTPUTF8\r\n" RCPT "\r\n" END,
	    "250 2.1.0,250 2.1.5,354,250 2.0.0", "-,- 0" },
	{ "a sender", "MAIL FROM:<" JUERG "> SMTPUTF8\r\n" RCPT "\r\n" END,
	    "250 2.1.0,250 2.1.5,354,250 2.0.0", "utf8 -,- 0" },
	{ "a sender, not asked", "MAIL FROM:<" JUERG ">\r\n", "553 5.6.7",
	    "" },
	{ "a recipient", MAIL " SMTPUTF8\r\n" IDN "\r\n" END,
	    "250 2.1.0,250 2.1.5,354,250 2.0.0", "utf8 -,- 0" },
	{ "a recipient, not asked", MAIL "\r\n" IDN "\r\n" RCPT "\r\n" END,
	    "250 2.1.0,553 5.6.7,250 2.1.5,354,250 2.0.0", "-,- 0" },
	{ "ill-formed addresses", MAIL " SMTPUTF8\r\nRCPT TO:<b\xc3@x>\r\n"
	    "RCPT TO:<b\xfc@x>\r\nRCPT TO:<b\xed\xa0\x80@x>\r\nRCPT TO:"
	    "<b\xc2\x85@x>\r\nRCPT TO:<a@b\xe3\x80\x82" "c>\r\n",
	    "250 2.1.0,553 5.1.3,553 5.1.3,553 5.1.3,553 5.1.3,553 5.1.3",
	    "" },
	{ "an original recipient", MAIL " SMTPUTF8\r\n" RCPT
	    " ORCPT=utf-8;b\xc3\xb6" "b@x\r\n" END, "250 2.1.0,250 2.1.5,354,"
	    "250 2.0.0", "utf8 -,utf-8;b\xc3\xb6" "b@x 0" },
	{ "an original recipient, not asked", MAIL "\r\n" RCPT
	    " ORCPT=utf-8;b\xc3\xb6" "b@x\r\n", "250 2.1.0,501 5.5.4", "" },
	{ "a header", MAIL " SMTPUTF8\r\n" RCPT "\r\nDATA\r\n"
	    "Subject: f\xc3\xbcr\r\n\r\nx\r\n.\r\n", "250 2.1.0,250 2.1.5,354,"
	    "250 2.0.0", "utf8 8bit -,- 0" },
	{ "a header, not asked", MAIL " BODY=8BITMIME\r\n" RCPT "\r\nDATA\r\n"
	    "Subject: f\xc3\xbcr\r\n\r\nx\r\n.\r\n", "250 2.1.0,250 2.1.5,354,"
	    "250 2.0.0", "8bit -,- 0" },
	{ "a header in Latin 1", MAIL " SMTPUTF8\r\n" RCPT "\r\nDATA\r\n"
	    "Subject: f\xfcr\r\n\r\nx\r\n.\r\n", "250 2.1.0,250 2.1.5,354,"
	    "554 5.6.0", "" },
	{ "a body in Latin 1", MAIL "\r\n" RCPT "\r\nDATA\r\nSubject: x\r\n\r\n"
	    "f\xfcr\r\n.\r\n", "250 2.1.0,250 2.1.5,354,250 2.0.0",
	    "8bit -,- 0" },
	{ "From in UTF-8", MAIL " SMTPUTF8\r\n" RCPT "\r\nDATA\r\nFrom: " JUERG
	    "\r\n\r\nx\r\n.\r\n", "250 2.1.0,250 2.1.5,354,250 2.0.0",
	    "utf8 8bit -,- 0" },
	{ "somebody else's From in UTF-8", MAIL " SMTPUTF8\r\n" RCPT
	    "\r\nDATA\r\nFrom: b\xc3\xb6ss@example.org\r\n\r\nx\r\n.\r\n",
	    "250 2.1.0,250 2.1.5,354,553 5.7.1", "" },
	{ "in chunks", MAIL " SMTPUTF8\r\n" RCPT "\r\nBDAT 11\r\nSubject: f"
	    "\xc3" "BDAT 7 LAST\r\n\xbcr\r\n\r\nx", "250 2.1.0,250 2.1.5,"
	    "250 2.0.0,250 2.0.0", "utf8 8bit -,- 0" },
	{ "REQUIRETLS", MAIL " REQUIRETLS\r\n" RCPT "\r\n" END,
	    "250 2.1.0,250 2.1.5,354,250 2.0.0", "tls - hdrs,- 0" },
	{ "REQUIRETLS keeps the content out of reports", MAIL
	    " RET=FULL REQUIRETLS\r\n" RCPT "\r\n" END,
	    "250 2.1.0,250 2.1.5,354,250 2.0.0", "tls - hdrs,- 0" },
	{ "REQUIRETLS with a value", MAIL " REQUIRETLS=1\r\n", "501 5.5.4",
	    "" },
};

static void
test_utf8(void)
{
	size_t i;

	for (i = 0; i < nitems(utf8s); i++) {
		begin();
		say(&c, utf8s[i].say);
		is_str(codes(&c), utf8s[i].hear, "SMTPUTF8: %s", utf8s[i].name);
		is_str(world.asked, utf8s[i].asked, "and queue hears of it");
		end();
	}
	world.srv.extensions &= ~(uint32_t)EXT_SMTPUTF8;
	begin();
	say(&c, MAIL " SMTPUTF8\r\nMAIL FROM:<" JUERG ">\r\n" MAIL "\r\n" IDN
	    "\r\n" RCPT "\r\nDATA\r\nSubject: f\xfcr\r\n\r\nx\r\n.\r\n");
	is_str(codes(&c), "555 5.5.4,553 5.1.7,250 2.1.0,553 5.1.3,250 2.1.5,"
	    "354,250 2.0.0", "not offered");
	end();
	world.srv.extensions = UINT32_MAX;
	client_open(&c, false);
	ok(strstr(offers(), "REQUIRETLS") == NULL, "no REQUIRETLS before TLS");
	end();
}

/* --- FUTURERELEASE -------------------------------------------------------------------------- */

/* The clock of the world: Mon, 23 Nov 2026 14:05:00 UTC and what was stepped. */
static void
test_release(void)
{
	static const struct {
		const char *params, *hear;
		int64_t in_ms;		/* -1: not held */
	} rows[] = {
		{ " HOLDFOR=60", "250 2.1.0", 60000 },
		{ " HOLDFOR=2592000", "250 2.1.0", 2592000000 },
		{ " HOLDFOR=2592001", "501 5.5.4", 0 },
		{ " HOLDFOR=999999999", "501 5.5.4", 0 },
		{ " HOLDUNTIL=1990-01-01T00:00:00Z", "250 2.1.0", -1 },
		{ " HOLDUNTIL=9999-12-31T23:59:59Z", "501 5.5.4", 0 },
		{ "", "250 2.1.0", -1 },
	};
	char line[256], until[DATE_LEN];
	uint64_t at = (ev_wall_ms() / 1000 + 7200) * 1000;
	size_t i;

	begin();
	for (i = 0; i < nitems(rows); i++) {
		snprintf(line, sizeof(line), MAIL "%s\r\n", rows[i].params);
		say(&c, line);
		is_str(codes(&c), rows[i].hear, "MAIL%s", rows[i].params);
		if (rows[i].hear[0] != '2')
			continue;
		say(&c, RCPT "\r\n" END);
		is_str(codes(&c), "250 2.1.5,354,250 2.0.0", "its message");
		is_int(world.hold_until_ms, rows[i].in_ms == -1 ? 0 :
		    ev_wall_ms() + (uint64_t)rows[i].in_ms, "is held so long");
	}
	snprintf(line, sizeof(line), MAIL " HOLDUNTIL=%s\r\n" RCPT "\r\n" END,
	    date_rfc3339(at, until));
	say(&c, line);
	codes(&c);
	is_int(world.hold_until_ms, at, "until %s", until);
	ok(strstr(offers(), "250-FUTURERELEASE 2592000 2026-12-23T") != NULL,
	    "the limits are told");
	end();
}

/* --- DELIVERBY, MT-PRIORITY --------------------------------------------------------------- */

static void
test_wishes(void)
{
	static const struct {
		const char *params, *hear;
		enum by_mode by;
		int64_t in_ms;
		bool	 trace, told;
		int	 priority;
	} rows[] = {
		{ " BY=120;R", "250 2.1.0", BY_RETURN, 120000, false, false, 0 },
		{ " BY=120;RT", "250 2.1.0", BY_RETURN, 120000, true, false, 0 },
		{ " BY=60;N", "250 2.1.0", BY_NOTIFY, 60000, false, false, 0 },
		{ " BY=59;R", "555 5.5.4", 0, 0, false, false, 0 },
		{ " BY=60;R", "250 2.1.0", BY_RETURN, 60000, false, false, 0 },
		{ " BY=1;N", "250 2.1.0", BY_NOTIFY, 1000, false, false, 0 },
		/* RFC 2852 4.1.3: whoever sends it with no time left has told the sender. */
		{ " BY=0;N", "250 2.1.0", BY_NOTIFY, 0, false, true, 0 },
		{ " BY=-5;NT", "250 2.1.0", BY_NOTIFY, -5000, true, true, 0 },
		{ " BY=0;R", "501 5.5.4", 0, 0, false, false, 0 },
		{ " BY=-5;R", "501 5.5.4", 0, 0, false, false, 0 },
		/* RFC 4865 5.2.2 */
		{ " BY=120;R HOLDFOR=121", "501 5.5.4", 0, 0, false, false, 0 },
		{ " BY=120;N HOLDFOR=121", "501 5.5.4", 0, 0, false, false, 0 },
		{ " BY=120;R HOLDFOR=60", "250 2.1.0", BY_RETURN, 120000, false,
		    false, 0 },
		{ " MT-PRIORITY=-9", "250 2.1.0", BY_NONE, 0, false, false, -9 },
		{ " MT-PRIORITY=6 BY=600;R", "250 2.1.0", BY_RETURN, 600000,
		    false, false, 6 },
		/* More than its cap allows: it is lowered and told so. */
		{ " MT-PRIORITY=7", "250 2.3.6", BY_NONE, 0, false, false, 6 },
		{ " MT-PRIORITY=0", "250 2.1.0", BY_NONE, 0, false, false, 0 },
		{ " MT-PRIORITY=10", "501 5.5.4", 0, 0, false, false, 0 },
		{ "", "250 2.1.0", BY_NONE, 0, false, false, 0 },
	};
	const struct envelope *e = &world.wishes;
	char line[256], clause[32];
	size_t i;

	begin();
	world.conf.min_by_sec = 60;
	world.priority = 6;
	ok(strstr(offers(), "250-DELIVERBY 60\r\n") != NULL,
	    "the least by-time is told");
	codes(&c);
	for (i = 0; i < nitems(rows); i++) {
		snprintf(line, sizeof(line), MAIL "%s\r\n", rows[i].params);
		say(&c, line);
		is_str(codes(&c), rows[i].hear, "MAIL%s", rows[i].params);
		if (rows[i].hear[0] != '2')
			continue;
		say(&c, RCPT "\r\n" END);
		is_str(codes(&c), "250 2.1.5,354,250 2.0.0", "its message");
		ok(e->by == rows[i].by && e->by_trace == rows[i].trace &&
		    e->by_told == rows[i].told && e->by_ms == (rows[i].by ==
		    BY_NONE ? 0 : (uint64_t)((int64_t)ev_wall_ms() +
		    rows[i].in_ms)), "queue hears of the by-time");
		is_int(e->priority, rows[i].priority, "and the priority");
		/* RFC 6710 */
		snprintf(clause, sizeof(clause), "\r\n\tPRIORITY %d;",
		    rows[i].priority);
		is_int(strstr(buf_str(&world.body), clause) != NULL,
		    strstr(rows[i].params, "MT-PRIORITY") != NULL,
		    "Received tells of it");
	}
	say(&c, MAIL " MT-PRIORITY=9\r\n");
	ok(strstr(buf_str(&c.got), "250 2.3.6 6 is its priority; ") != NULL,
	    "the new priority comes first");
	codes(&c);
	world.conf.min_by_sec = 0;
	end();
}

/* --- whose message it is ------------------------------------------------------------------ */

static void
test_identity(void)
{
	begin();
	say(&c, MAIL "\r\n" RCPT "\r\nDATA\r\nFrom: Sales <sales@example.org>,"
	    " x@lists.example.org\r\nSender: ALICE@example.org\r\n\r\nx\r\n"
	    ".\r\n");
	is_str(codes(&c), "250 2.1.0,250 2.1.5,354,250 2.0.0", "one's own");
	say(&c, "MAIL FROM:<>\r\n" RCPT "\r\nDATA\r\nFrom: ceo@example.org"
	    "\r\n\r\nx\r\n.\r\n");
	ok(strstr(buf_str(&c.got), "553 5.7.1 From: <ceo@example.org> is not "
	    "an address of your account\r\n") != NULL, "it is named");
	is_str(codes(&c), "250 2.1.0,250 2.1.5,354,553 5.7.1",
	    "somebody else's, by the null return path");
	say(&c, MAIL "\r\n" RCPT "\r\nBDAT 26\r\nFrom: ceo@example.org\r\n\r\n"
	    "xBDAT 1 LAST\r\nx");
	is_str(codes(&c), "250 2.1.0,250 2.1.5,553 5.7.1,503 5.5.1",
	    "in a chunk");
	end();
}

/* --- CHUNKING --------------------------------------------------------------------------------- */

#define ENV	MAIL "\r\n" RCPT "\r\n"
#define ENV_OK	"250 2.1.0,250 2.1.5,"

static const struct chunk_row {
	const char *name, *say, *hear;
	int	 submits;
	const char *body;	/* behind the header; NULL: of no interest */
} chunks[] = {
	/* RFC 3030 4.2, its sizes being those of other contents */
	{ "one chunk", ENV "BDAT 17 LAST\r\nSubject: x\r\n\r\nhi\n",
	    ENV_OK "554 5.6.11", 0, NULL },
	{ "one good chunk", ENV "BDAT 18 LAST\r\nSubject: x\r\n\r\nhi\r\n",
	    ENV_OK "250 2.0.0", 1, "hi\r\n" },
	{ "two chunks", ENV "BDAT 14\r\nSubject: x\r\n\r\nBDAT 4 last\r\n"
	    "hi\r\n", ENV_OK "250 2.0.0,250 2.0.0", 1, "hi\r\n" },
	{ "an empty last chunk", ENV "BDAT 18\r\nSubject: x\r\n\r\nhi\r\n"
	    "BDAT 0 LAST\r\n", ENV_OK "250 2.0.0,250 2.0.0", 1, "hi\r\n" },
	{ "an empty message", ENV "BDAT 0 LAST\r\n", ENV_OK "250 2.0.0", 1,
	    NULL },
	{ "empty chunks", ENV "BDAT 0\r\nBDAT 0\r\nBDAT 2 LAST\r\n\r\n",
	    ENV_OK "250 2.0.0,250 2.0.0,250 2.0.0", 1, "" },
	{ "pipelined behind", ENV "BDAT 18 LAST\r\nSubject: x\r\n\r\nhi\r\n"
	    "NOOP\r\n", ENV_OK "250 2.0.0,250 2.0.0", 1, NULL },
	{ "two messages", ENV "BDAT 2 LAST\r\n\r\n" ENV "BDAT 2 LAST\r\n\r\n",
	    ENV_OK "250 2.0.0," ENV_OK "250 2.0.0", 2, NULL },
	{ "DATA, then BDAT", ENV "DATA\r\n.\r\n" ENV "BDAT 0 LAST\r\n",
	    ENV_OK "354,250 2.0.0," ENV_OK "250 2.0.0", 2, NULL },
	{ "other commands between chunks", ENV "BDAT 14\r\nSubject: x\r\n\r\n"
	    "NOOP\r\nVRFY a\r\nBDAT 4 LAST\r\nhi\r\n", ENV_OK "250 2.0.0,"
	    "250 2.0.0,252 2.0.0,250 2.0.0", 1, "hi\r\n" },

	/* no dots, and no end but the last */
	{ "a dot is a dot", ENV "BDAT 22 LAST\r\nSubject: x\r\n\r\n..\r\n.\r\n"
	    "x", ENV_OK "250 2.0.0", 1, "..\r\n.\r\nx\r\n" },
	{ "no end by a dot", ENV "BDAT 17 LAST\r\n\r\n.\r\nQUIT\r\n.\r\n.\r\n",
	    ENV_OK "250 2.0.0", 1, ".\r\nQUIT\r\n.\r\n.\r\n" },
	{ "a line end is added", ENV "BDAT 16 LAST\r\nSubject: x\r\n\r\nhi",
	    ENV_OK "250 2.0.0", 1, "hi\r\n" },
	{ "CR and LF in two chunks", ENV "BDAT 17\r\nSubject: x\r\n\r\nhi\r"
	    "BDAT 1 LAST\r\n\n", ENV_OK "250 2.0.0,250 2.0.0", 1, "hi\r\n" },
	{ "a header in pieces", ENV "BDAT 4\r\nSubjBDAT 7\r\nect: x\r"
	    "BDAT 3\r\n\n\r\nBDAT 3 LAST\r\nx\r\n", ENV_OK "250 2.0.0,"
	    "250 2.0.0,250 2.0.0,250 2.0.0", 1, "x\r\n" },

	/* smuggling: the same refusals as in DATA, at the chunk they stand in */
	{ "a bare LF", ENV "BDAT 4\r\na\nb\nBDAT 2 LAST\r\n\r\n", ENV_OK
	    "554 5.6.11,503 5.5.1", 0, NULL },
	{ "LF . LF", ENV "BDAT 5 LAST\r\na\n.\nbNOOP\r\n", ENV_OK
	    "554 5.6.11,250 2.0.0", 0, NULL },
	{ "CR . CR", ENV "BDAT 5 LAST\r\na\r.\rbNOOP\r\n", ENV_OK
	    "554 5.6.11,250 2.0.0", 0, NULL },
	{ "a bare CR at the very end", ENV "BDAT 2 LAST\r\na\rNOOP\r\n",
	    ENV_OK "554 5.6.11,250 2.0.0", 0, NULL },
	{ "a bare CR at a chunk's end", ENV "BDAT 2\r\na\rBDAT 1 LAST\r\nb",
	    ENV_OK "250 2.0.0,554 5.6.11", 0, NULL },
	{ "CR CRLF", ENV "BDAT 4 LAST\r\na\r\r\n", ENV_OK "554 5.6.11", 0,
	    NULL },

	/* wrong order: the chunk is thrown away, the session stays in step */
	{ "without MAIL", "BDAT 6\r\nQUIT\r\nNOOP\r\n",
	    "503 5.5.1,250 2.0.0", 0, NULL },
	{ "without RCPT", MAIL "\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n",
	    "250 2.1.0,503 5.5.1,250 2.0.0", 0, NULL },
	{ "RCPT still may come then", MAIL "\r\nBDAT 0\r\n" RCPT "\r\n"
	    "BDAT 2 LAST\r\n\r\n", "250 2.1.0,503 5.5.1,250 2.1.5,250 2.0.0",
	    1, NULL },
	{ "all recipients refused, pipelined", MAIL "\r\nRCPT TO:<bob>\r\n"
	    "BDAT 4 LAST\r\na\r\nbNOOP\r\n",
	    "250 2.1.0,553 5.1.3,503 5.5.1,250 2.0.0", 0, NULL },
	{ "MAIL, RCPT and DATA behind it", ENV "BDAT 2\r\n\r\n" ENV "DATA\r\n"
	    "BDAT 0 LAST\r\n", ENV_OK "250 2.0.0,503 5.5.1,503 5.5.1,"
	    "503 5.5.1,250 2.0.0", 1, NULL },
	{ "RSET ends it", ENV "BDAT 2\r\n\r\nRSET\r\nBDAT 2 LAST\r\n\r\n",
	    ENV_OK "250 2.0.0,250 2.0.0,503 5.5.1", 0, NULL },
	{ "so does EHLO", ENV "BDAT 2\r\n\r\nEHLO c\r\nBDAT 2 LAST\r\n\r\n",
	    ENV_OK "250 2.0.0,250,503 5.5.1", 0, NULL },
	{ "behind LAST there is nothing", ENV "BDAT 2 LAST\r\n\r\n"
	    "BDAT 2 LAST\r\n\r\n", ENV_OK "250 2.0.0,503 5.5.1", 1, NULL },

	/* sizes that are none end the session */
	{ "no size", ENV "BDAT\r\nNOOP\r\n", ENV_OK "501 5.5.4!", 0, NULL },
	{ "LAST alone", ENV "BDAT LAST\r\n", ENV_OK "501 5.5.4!", 0, NULL },
	{ "a negative size", ENV "BDAT -1 LAST\r\n", ENV_OK "501 5.5.4!", 0,
	    NULL },
	{ "a signed size", ENV "BDAT +2 LAST\r\n\r\n", ENV_OK "501 5.5.4!", 0,
	    NULL },
	{ "a hexadecimal size", ENV "BDAT 0x2 LAST\r\n\r\n", ENV_OK
	    "501 5.5.4!", 0, NULL },
	{ "a size beyond 64 bits", ENV "BDAT 18446744073709551616\r\n", ENV_OK
	    "501 5.5.4!", 0, NULL },
	{ "another word", ENV "BDAT 2 FIRST\r\n\r\n", ENV_OK "501 5.5.4!", 0,
	    NULL },
	{ "a word too many", ENV "BDAT 2 LAST x\r\n\r\n", ENV_OK "501 5.5.4!",
	    0, NULL },
	{ "two spaces", ENV "BDAT 2  LAST\r\n\r\n", ENV_OK "501 5.5.4!", 0,
	    NULL },
	{ "a bare CR in the line", ENV "BDAT 6 LAST\r \r\nNOOP\r\n", ENV_OK
	    "500 5.5.2!", 0, NULL },
	{ "a size beyond all measure", ENV "BDAT 18446744073709551615\r\nNOO",
	    ENV_OK "421 4.3.4!", 0, NULL },
	{ "without MAIL, too", "BDAT 18446744073709551615 LAST\r\nNOOP\r\n",
	    "421 4.3.4!", 0, NULL },
	{ "a chunk cut off by the end", ENV "BDAT 100\r\nSubject: x\r\n",
	    ENV_OK, 0, NULL },
};

/* What stands behind the first blank line of what queue got. */
static const char *
body_behind_header(void)
{
	const char *p = strstr(buf_str(&world.body), "\r\n\r\n");

	return p == NULL ? "none" : p + 4;
}

static void
play(const struct chunk_row *r, size_t step, const char *how)
{
	size_t n = strlen(r->say), at, piece, want = strlen(r->hear);
	const char *got;

	begin();
	for (at = 0; at < n; at += piece) {
		piece = step < n - at ? step : n - at;
		client_send(&c, r->say + at, piece);
	}
	got = codes(&c);
	/* A row that ends in "," wants no answer to its last line. */
	if (want > 0 && r->hear[want - 1] == ',')
		ok(strlen(got) == want - 1 && strncmp(got, r->hear, want - 1)
		    == 0, "%s%s", r->name, how);
	else
		is_str(got, r->hear, "%s%s", r->name, how);
	is_int(world.submits, r->submits, "messages");
	if (r->body != NULL)
		is_str(body_behind_header(), r->body, "the body");
	end();
}

static void
test_chunks(void)
{
	size_t i;

	for (i = 0; i < nitems(chunks); i++) {
		play(&chunks[i], SIZE_MAX, "");
		play(&chunks[i], 1, ", byte by byte");
		play(&chunks[i], 7, ", in sevens");
	}
}

static void
send_chunk(size_t n, uint8_t byte, const char *last)
{
	struct buf b;
	size_t i;

	buf_init(&b, n + 100);
	buf_addf(&b, "BDAT %zu%s\r\n", n, last);
	for (i = 0; i < n; i++)
		buf_addc(&b, i % 72 == 70 ? '\r' : i % 72 == 71 ? '\n' : byte);
	client_send(&c, b.data, b.len);
	buf_clear(&b);
}

/* Beyond memory, beyond the limit, far beyond the limit. */
static void
test_large_chunks(void)
{
	int i;

	begin();
	world.spools = 0;
	say(&c, ENV "BDAT 14\r\nSubject: x\r\n\r\n");
	for (i = 0; i < 10; i++)
		send_chunk(25200, (uint8_t)('a' + i), "");
	send_chunk(25200, 'z', " LAST");
	is_str(codes(&c), ENV_OK "250 2.0.0,250 2.0.0,250 2.0.0,250 2.0.0,"
	    "250 2.0.0,250 2.0.0,250 2.0.0,250 2.0.0,250 2.0.0,250 2.0.0,"
	    "250 2.0.0,250 2.0.0", "277 KB in chunks");
	is_int(world.spools, 1, "went to the spool");
	is_int(strlen(body_behind_header()), 11 * 25200, "whole");
	is_int(body_behind_header()[5 * 25200], 'f', "and in order");

	say(&c, ENV);
	send_chunk(72000, 'a', " LAST");
	is_str(codes(&c), ENV_OK "250 2.0.0", "72 KB in one");
	world.no_spool = 452;
	say(&c, ENV);
	send_chunk(266400, 'a', "");
	send_chunk(72, 'a', " LAST");
	is_str(codes(&c), ENV_OK "452 4.7.1,503 5.5.1", "no spool file to be had");
	world.no_spool = 0;

	say(&c, ENV);
	send_chunk(288000, 'a', "");
	send_chunk(14400, 'b', "");
	send_chunk(72, 'c', " LAST");
	is_str(codes(&c), ENV_OK "250 2.0.0,552 5.3.4,503 5.5.1",
	    "beyond the limit in the second chunk");
	say(&c, ENV);
	send_chunk(302400, 'a', " LAST");
	is_str(codes(&c), ENV_OK "552 5.3.4", "beyond it in one");
	say(&c, ENV "BDAT 2800000\r\n");
	is_str(codes(&c), ENV_OK "421 4.3.4!", "far beyond it is not read");
	end();
}

/* queue goes away between two chunks, and in the middle of one. */
static void
test_chunks_without_queue(void)
{
	begin();
	say(&c, ENV);
	send_chunk(266400, 'a', "");
	world_connect(&world.srv.queue, &world.queue, &world_queue_ops);
	world_settle();
	send_chunk(72, 'b', " LAST");
	is_str(codes(&c), ENV_OK "250 2.0.0,451 4.3.0",
	    "its spool file went with it");
	say(&c, ENV "BDAT 2\r\n\r\nBDAT 4 LAST\r\na");
	world_connect(&world.srv.queue, &world.queue, &world_queue_ops);
	world_settle();
	say(&c, "b\r\n");
	is_str(codes(&c), ENV_OK "250 2.0.0,250 2.0.0", "a small one does not");
	end();
}

/* A client that stops in the middle of a chunk, whatever it belongs to. */
static void
test_slow_chunks(void)
{
	begin();
	say(&c, "BDAT 100\r\nabc");
	ev_clock_step(179 * 1000ULL);
	client_read(&c);
	is_str(codes(&c), "", "179 s in a chunk for nothing");
	ev_clock_step(2000);
	world_settle();
	client_read(&c);
	is_str(codes(&c), "421 4.4.2!", "and 181");
	end();
	begin();
	say(&c, ENV "BDAT 100\r\nabc");
	ev_clock_step(181 * 1000ULL);
	world_settle();
	client_read(&c);
	is_str(codes(&c), ENV_OK "421 4.4.2!", "181 s in a message's chunk");
	end();
}

int
main(void)
{
	world_init();
	world.srv.extensions = UINT32_MAX;
	test_offers();
	test_dsn();
	test_large_envelope();
	test_utf8();
	test_release();
	test_wishes();
	test_identity();
	test_chunks();
	test_large_chunks();
	test_chunks_without_queue();
	test_slow_chunks();
	world_clear();
	return tap_done();
}
