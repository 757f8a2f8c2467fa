/*
 * queue/dsn: reports that every mail program understands, whatever peers and
 * users have put into them. With the name of a case it prints that report, for
 * dsn_parse.py to take apart.
 */
#include "lib/prelude.h"

#include "lib/xalloc.h"
#include "queue/dsn.h"
#include "tests/show.h"
#include "tests/tap.h"
#include "tests/xtext.h"

#define ORIGINAL "From: a@example.org\r\nSubject: f\xc3\xbcr Bob\r\n" \
	"Message-ID: <1@example.org>\r\n\r\nThe b\xc3\xb6" "dy.\r\n"

static struct store_msg m;
static struct buf out;
static bool eightbit;

static void
begin(const char *from, bool utf8)
{
	store_msg_clear(&m);
	m.id = 7;
	m.arrived_ms = 1800000000000;
	m.account = xstrdup("a@example.org");
	m.env.return_path = xstrdup(from);
	m.env.utf8 = utf8;
}

static void
rcpt(const char *addr, const char *orcpt, uint8_t notify)
{
	envelope_add_rcpt(&m.env, addr, orcpt, notify);
}

static void
fail(size_t i, const char *status, const char *diag, const char *remote)
{
	if (m.rcpts == NULL)
		store_msg_fit(&m);
	m.rcpts[i].state = RCPT_FAILED;
	m.rcpts[i].status = status == NULL ? NULL : xstrdup(status);
	m.rcpts[i].diag = diag == NULL ? NULL : xstrdup(diag);
	m.rcpts[i].remote = remote == NULL ? NULL : xstrdup(remote);
}

static void
frame(struct dsn *d)
{
	*d = (struct dsn){ .hostname = "relay.example.org",
	    .postmaster = "postmaster@relay.example.org",
	    .id = "0000000000008", .boundary = "=_boundary",
	    .now_ms = 1800000300000 };
	buf_clear(&out);
	buf_init(&out, DSN_MAX);
}

/* Those that failed, and what the case says of others. */
static uint8_t others[4];

/* Who is left out of a report, and is the next one's. */
static size_t from, rest;

static const char *
finish(const char *original, size_t len, bool whole)
{
	uint8_t *report = xcalloc(m.env.nrcpts, 1);
	struct dsn d;
	size_t i;

	for (i = from; i < m.env.nrcpts; i++)
		report[i] = m.rcpts[i].state == RCPT_FAILED ? DSN_FAILED :
		    i < nitems(others) ? others[i] : DSN_NONE;
	frame(&d);
	d.msg = &m;
	d.msg_id = "0000000000007";
	d.report = report;
	d.original = (const uint8_t *)original;
	d.original_len = len;
	d.original_whole = whole;
	rest = dsn_write(&d, &out, &eightbit);
	free(report);
	memset(others, DSN_NONE, sizeof(others));
	return buf_str(&out);
}

/* --- cases ------------------------------------------------------------------- */

static void
simple(void)
{
	begin("a@example.org", false);
	rcpt("bob@example.net", NULL, 0);
	rcpt("carol@example.net", NULL, 0);
	fail(0, "5.1.1", "550 5.1.1 no such user", "mx.example.net");
	finish("Subject: hi\r\n\r\nbody\r\n", 21, true);
}

static void
full(void)
{
	begin("a@example.org", false);
	m.env.ret = RET_FULL;
	m.env.body_8bit = true;
	m.env.envid = xstrdup("QQ+3D314159");
	rcpt("bob@example.net", "rfc822;Bob+2BNews@example.net", 0);
	fail(0, "5.7.1", "550 not\r\nInjected: yes\x01\xff", "mx.example.net");
	finish(ORIGINAL, strlen(ORIGINAL), true);
}

static void
injected(void)
{
	begin("a@example.org", false);
	m.env.envid = xstrdup("x+0D+0AInjected:+20yes+00z");
	rcpt("bob@example.net", "rfc822;x+0D+0A+0D+0AInjected:+20yes", 0);
	fail(0, "5.0.0", "550 \r\n\r\n--=_other\r\nInjected: yes",
	    "mx\r\nInjected: yes");
	finish("Subject: x\r\n\r\n", 14, true);
}

static void
utf8(void)
{
	begin("\xc3\xa4nne@example.org", true);
	rcpt("j\xc3\xb6rg@example.net", "utf-8;j\xc3\xb6rg@example.net", 0);
	fail(0, "5.1.1", "550 kein Postfach f\xc3\xbcr j\xc3\xb6rg", "mx");
	finish(ORIGINAL, strlen(ORIGINAL), true);
}

static void
long_lines(void)
{
	char diag[501];
	size_t i;

	begin("a@example.org", false);
	rcpt("bob@example.net", NULL, 0);
	for (i = 0; i < sizeof(diag) - 1; i++)
		diag[i] = i % 50 == 49 ? ' ' : '\x80';
	diag[i] = '\0';
	fail(0, "4.4.7", diag, NULL);
	finish("Subject: x\r\n\r\n", 14, true);
}

static void
huge(void)
{
	size_t n = DSN_FULL_MAX, at, i;
	char *big = xmalloc(n), addr[64];

	begin("a@example.org", false);
	m.env.ret = RET_FULL;
	for (i = 0; i < 1000; i++) {
		snprintf(addr, sizeof(addr), "recipient-number-%zu@example.net",
		    i);
		rcpt(addr, "rfc822;somebody-else@example.com", 0);
	}
	for (i = 0; i < 1000; i++)
		fail(i, "5.1.1", "550 5.1.1 there is no such user here, and "
		    "there has never been one", "mx.example.net");
	for (at = 0; at + 62 < n; at += 62)
		snprintf(big + at, 63, "Field-%06zu: %046zu\r\n", at, at);
	finish(big, at, true);
	free(big);
}

static void
nothing(void)
{
	begin("a@example.org", false);
	rcpt("bob@example.net", NULL, 0);
	fail(0, NULL, NULL, NULL);
	finish("", 0, true);
}

/* As fail(), for what did not fail. */
static void
other(size_t i, enum dsn_action action, const char *status, const char *diag,
    const char *remote)
{
	fail(i, status, diag, remote);
	m.rcpts[i].state = action == DSN_DELAYED ? RCPT_PENDING :
	    RCPT_DELIVERED;
	others[i] = (uint8_t)action;
}

static void
delayed(void)
{
	begin("a@example.org", false);
	m.expires_ms = 1800432000000;
	m.env.ret = RET_FULL;
	rcpt("bob@example.net", "rfc822;bob@example.com", 0);
	rcpt("carol@example.net", NULL, 0);
	other(0, DSN_DELAYED, "4.4.1", "connect: timed out", NULL);
	finish(ORIGINAL, strlen(ORIGINAL), true);
}

static void
relayed(void)
{
	begin("a@example.org", false);
	m.env.envid = xstrdup("id+3D7");
	rcpt("bob@example.net", "rfc822;bob@example.com", NOTIFY_SUCCESS);
	other(0, DSN_RELAYED, "2.0.0", "250 2.0.0 kept", "mx.example.net");
	finish("Subject: hi\r\n\r\nbody\r\n", 21, true);
}

/* All at once, as a message of many recipients may have it. */
static void
mixed(void)
{
	begin("a@example.org", false);
	m.expires_ms = 1800432000000;
	rcpt("bob@example.net", NULL, 0);
	rcpt("carol@example.net", NULL, NOTIFY_SUCCESS);
	rcpt("dave@example.net", NULL, NOTIFY_DELAY);
	other(1, DSN_RELAYED, NULL, "250 kept", "mx.example.net");
	other(2, DSN_DELAYED, NULL, "452 full", "mx.example.net");
	fail(0, "5.1.1", "550 5.1.1 no such user", "mx.example.net");
	finish("Subject: hi\r\n\r\nbody\r\n", 21, true);
}

static struct store_msg many[200];
static struct dsn_entry entries[nitems(many)];
static size_t taken;

static void
digest_of(size_t n, bool utf8, const char *diag)
{
	static char ids[nitems(many)][16];
	struct dsn d;
	size_t i;

	for (i = 0; i < n; i++) {
		store_msg_clear(&m);
		begin("a@example.org", utf8);
		rcpt(utf8 ? "j\xc3\xb6rg@example.net" : "bob@example.net",
		    i % 2 ? "rfc822;bob@example.com" : NULL, 0);
		fail(0, "5.7.1", diag, "mx.example.net");
		m.rcpts[0].state = RCPT_OWED;
		store_msg_clear(&many[i]);
		many[i] = m;
		store_msg_init(&m);
		snprintf(ids[i], sizeof(ids[i]), "%013zu", i);
		entries[i] = (struct dsn_entry){ &many[i], ids[i],
		    i % 3 ? "Newsletter\x01 5" : NULL,
		    i % 3 ? "<1@example.org>" : NULL };
	}
	frame(&d);
	taken = dsn_write_digest(&d, entries, n, &out, &eightbit);
}

static void
digest(void)
{
	digest_of(12, false, "550 5.7.1 not wanted here");
}

static void
digest_full(void)
{
	digest_of(nitems(many), false, "550 5.7.1 the policy of this house "
	    "does not allow what you sent; see https://example.net/policy");
}

static void
digest_utf8(void)
{
	digest_of(3, true, "550 f\xc3\xbcr immer");
}

static void
digest_worst(void)
{
	char diag[501];
	struct dsn d;
	size_t i;

	memset(diag, 0x80, sizeof(diag) - 1);
	diag[500] = '\0';
	digest_of(2, false, diag);
	for (i = 0; i < DSN_ENTRY_RCPTS - 1; i++) {
		envelope_add_rcpt(&many[0].env, "x@example.net", NULL, 0);
		many[0].rcpts = xreallocarray(many[0].rcpts,
		    many[0].env.nrcpts, sizeof(*many[0].rcpts));
		many[0].rcpts[i + 1] = (struct store_rcpt){ RCPT_OWED,
		    xstrdup("5.0.0"), xstrdup(diag), xstrdup(diag) };
	}
	frame(&d);
	taken = dsn_write_digest(&d, entries, 1, &out, &eightbit);
}

static const struct {
	const char *name;
	void	(*make)(void);
} cases[] = {
	{ "simple", simple }, { "full", full }, { "injected", injected },
	{ "utf8", utf8 }, { "long_lines", long_lines }, { "huge", huge },
	{ "nothing", nothing }, { "delayed", delayed }, { "relayed", relayed },
	{ "mixed", mixed }, { "digest", digest },
	{ "digest_full", digest_full }, { "digest_utf8", digest_utf8 },
	{ "digest_worst", digest_worst },
};

/* --- what holds for all, and what for one ---------------------------------------- */

static bool
strict_lines(void)
{
	const uint8_t *p = out.data;
	size_t i, start = 0;

	for (i = 0; i < out.len; i++) {
		if (p[i] == '\0' || (p[i] == '\r') != (i + 1 < out.len &&
		    p[i + 1] == '\n'))
			return false;
		if (p[i] != '\n')
			continue;
		if (i - start > 999)
			return false;
		start = i + 1;
	}
	return start == out.len;
}

static bool
has_8bit(void)
{
	size_t i;

	for (i = 0; i < out.len; i++)
		if (out.data[i] >= 0x80)
			return true;
	return false;
}

static bool
says(const char *text)
{
	return strstr(buf_str(&out), text) != NULL;
}

static void
test_all(void)
{
	size_t i;

	for (i = 0; i < nitems(cases); i++) {
		cases[i].make();
		ok(strict_lines(), "%s: CRLF lines of at most 998",
		    cases[i].name);
		ok(!says("\r\nInjected:"), "%s: no field of a stranger's",
		    cases[i].name);
		ok(!has_8bit() || eightbit, "%s: 8-bit is owned up to",
		    cases[i].name);
		ok(says("\r\n--=_boundary--\r\n"), "%s: has an end",
		    cases[i].name);
		ok(says("\r\nAuto-Submitted: auto-replied\r\n"),
		    "%s: no robot answers it", cases[i].name);
	}
}

/* What a report says is what was meant, whatever it was. */
static void
test_orcpt_round(void)
{
	char orcpt[256], want[128];
	size_t i, k, n, wrong = 0;
	uint8_t bytes[40];

	for (i = 0; i < 400; i++) {
		n = 1 + i % sizeof(bytes);
		for (k = 0; k < n; k++)		/* at a blank lines fold */
			bytes[k] = (uint8_t)('!' + rnd('~' - '!' + 1));
		memcpy(orcpt, "rfc822;", 7);
		xtext_encode(bytes, n, i % 2 == 0, orcpt + 7);
		begin("a@example.org", false);
		rcpt("bob@example.net", orcpt, 0);
		fail(0, "5.1.1", NULL, NULL);
		finish("Subject: hi\r\n\r\nbody\r\n", 21, true);
		snprintf(want, sizeof(want), "\r\nOriginal-Recipient: rfc822;"
		    "%.*s\r\n", (int)n, (const char *)bytes);
		wrong += strstr(buf_str(&out), want) == NULL;
	}
	is_int(wrong, 0, "400 original recipients come back in reports");
}

static void
test_details(void)
{
	simple();
	ok(says("Final-Recipient: rfc822;bob@example.net\r\nAction: failed\r\n"
	    "Status: 5.1.1\r\nRemote-MTA: dns;mx.example.net\r\n"
	    "Diagnostic-Code: smtp;550 5.1.1 no such user\r\n"),
	    "who, what, where and why");
	ok(!says("carol"), "nobody else");
	ok(says("text/rfc822-headers\r\n") && !says("\r\nbody\r\n"),
	    "the header alone unless more was asked for");
	ok(!eightbit, "plain ASCII");
	full();
	ok(says("message/rfc822\r\n") && says("dy.\r\n"), "RET=FULL: all of it");
	ok(says("Original-Envelope-Id: QQ=314159\r\n"), "ENVID, decoded");
	ok(says("Original-Recipient: rfc822;Bob+News@example.net\r\n"),
	    "ORCPT, decoded");
	ok(says("550 not\\x0d\\x0aInjected: yes\\x01\\xff"),
	    "a peer's bytes, made visible");
	utf8();
	ok(says("report-type=global-delivery-status"), "RFC 6533's types");
	ok(says("Final-Recipient: utf-8;j\xc3\xb6rg@example.net\r\n"),
	    "and addresses");
	long_lines();
	ok(says("Diagnostic-Code: x-postern;"), "our own words are not SMTP's");
	delayed();
	ok(says("Subject: Delayed mail") && says("Action: delayed\r\n"
	    "Status: 4.4.1\r\nDiagnostic-Code: x-postern;connect: timed "
	    "out\r\n") && says("Will-Retry-Until: Wed, 20 Jan 2027"),
	    "a warning says until when");
	ok(says("text/rfc822-headers"), "RET is about failures alone");
	relayed();
	ok(says("Subject: Mail was handed on") && says("Action: relayed\r\n"
	    "Status: 2.0.0\r\nRemote-MTA: dns;mx.example.net\r\n"),
	    "relayed");
	mixed();
	ok(says("Subject: Undelivered mail") && says("Action: failed") &&
	    says("Action: relayed\r\nStatus: 2.0.0") &&
	    says("Action: delayed\r\nStatus: 4.0.0"), "the worst is in front");
	digest();
	ok(taken == 12 && says("12 of your messages") &&
	    says("Subject: Newsletter\\x01 5\r\n") &&
	    says("X-Original-Message-ID: <1@example.org>\r\n"), "a digest");
	digest_full();
	ok(taken > 50 && taken < nitems(many) && out.len < DSN_MAX,
	    "takes %zu, as many as fit", taken);
	digest_worst();
	ok(taken == 1 && out.len < DSN_MAX, "one always fits");
	huge();
	ok(out.len <= DSN_MAX, "a thousand failures and a large header fit");
	ok(rest > 50 && rest < 1000, "the rest is left to a further one");
}

/* How often the text stands in the last report. */
static int
times(const char *text)
{
	const char *p = buf_str(&out);
	int n = 0;

	while ((p = strstr(p, text)) != NULL) {
		p += strlen(text);
		n++;
	}
	return n;
}

/* Many recipients in as many reports as it takes; how many. */
static int
all_of(void (*make)(void), const char *name, const char *blocks)
{
	int reports = 0, named = 0, listed = 0;
	bool small = true;

	for (from = 0; from < 1000; from = rest) {
		make();
		reports++;
		named += times(blocks);
		listed += times(name);
		small = small && out.len <= DSN_MAX && strict_lines() &&
		    says("\r\n--=_boundary--\r\n");
		ok(rest > from && (rest == m.env.nrcpts) !=
		    says("a further report\r\n"), "from %zu to %zu", from,
		    rest);
	}
	from = 0;
	ok(small, "none is too large");
	is_int(named, 1000, "a block for each recipient");
	is_int(listed, 1000, "and a line");
	return reports;
}

/* No two answers are the same, and all of them are long and hard to encode. */
static void
huge_worst(void)
{
	char addr[256], diag[501];
	size_t i;

	begin("a@example.org", true);
	memset(diag, 0x80, sizeof(diag) - 1);
	diag[500] = '\0';
	for (i = 0; i < 1000; i++) {
		snprintf(addr, sizeof(addr), "j\xc3\xb6rg-%0200zu@example.net",
		    i);
		rcpt(addr, "utf-8;somebody-else@example.com", 0);
	}
	for (i = 0; i < 1000; i++) {
		snprintf(diag, 8, "5%05zu", i);
		diag[6] = ' ';
		fail(i, "5.1.1", diag, diag);
	}
	finish("Subject: x\r\n\r\n", 14, true);
}

/* Each recipient that failed is named. */
static void
test_many(void)
{
	int n;

	n = all_of(huge, "\r\n  recipient-number-",
	    "\r\nFinal-Recipient: rfc822;recipient-number-");
	ok(n > 1 && n < 15, "a thousand with one answer in %d reports", n);
	huge();
	is_int(times("there has never been one\r\n\r\n"), 1,
	    "for people it stands there once");
	ok(says("message/rfc822\r\n"), "with the whole of what was sent");
	n = all_of(huge_worst, "\r\n  j", "\r\nFinal-Recipient: utf-8;j");
	ok(n < 200, "the worst takes %d", n);
}

/* The last report, cut; NULL when it cannot be. */
static const char *
cut(void)
{
	struct buf small;

	buf_init(&small, DSN_MAX);
	if (!dsn_cut(out.data, out.len, &small, &eightbit)) {
		buf_clear(&small);
		return NULL;
	}
	buf_clear(&out);
	out = small;
	return buf_str(&out);
}

/* RET=FULL of many: there is room for the header's other form, too. */
static void
full_many(void)
{
	char addr[64];
	size_t i;

	begin("a@example.org", false);
	m.env.ret = RET_FULL;
	m.env.body_8bit = true;
	for (i = 0; i < 1000; i++) {
		snprintf(addr, sizeof(addr), "r%zu@example.net", i);
		rcpt(addr, NULL, 0);
	}
	for (i = 0; i < 1000; i++)
		fail(i, "5.1.1", "550 5.1.1 nobody", "mx.example.net");
	finish(ORIGINAL, strlen(ORIGINAL), true);
}

static void
test_cut(void)
{
	static const struct {
		const char *name, *type;
		void	(*make)(void);
	} made[] = {
		{ "full", "text/rfc822-headers", full },
		{ "of many", "text/rfc822-headers", full_many },
	};
	size_t i, n;

	for (i = 0; i < nitems(made); i++) {
		made[i].make();
		ok(eightbit && says("dy.\r\n"), "%s: with 8 bits", made[i].name);
		n = (size_t)times("\r\nFinal-Recipient: ");
		ok(cut() != NULL && !eightbit && !has_8bit() && strict_lines() &&
		    out.len <= DSN_MAX, "%s: cut, without", made[i].name);
		ok(says(made[i].type) && says("Subject: f=C3=BCr Bob\r\n") &&
		    !says("dy.\r\n") && !says("8bit"),
		    "%s: with the header", made[i].name);
		ok(times("\r\nFinal-Recipient: ") == (int)n && n > 0 &&
		    times("\r\n--=_boundary\r\n") == 3 &&
		    says("\r\n--=_boundary--\r\n"), "%s: and all else",
		    made[i].name);
		ok(cut() == NULL, "%s: and once", made[i].name);
	}
	simple();
	ok(cut() == NULL, "what came without needs none");
	digest();
	ok(cut() == NULL, "nor does a digest");
	for (n = out.len; n > 0; n--) {
		full();
		if (n > out.len)
			n = out.len;
		out.len = n - 1;
		if (cut() != NULL)
			break;
	}
	is_int(n, 0, "nothing is cut that is not whole");
}

#define LONG_ID	"<0123456789012345678901234567890123456789012345678901234567" \
	"890123456789@host.example.org>"

/* RFC 8689 5: what the sender hears of a report that must not be sent. */
static void
test_redact(void)
{
	static const char *const secrets[] = { "Bob", "b@example.net",
	    "nobody" };
	const char eight[] = "Message-ID:\r\n " LONG_ID "\r\nSubject: f\xc3\xbcr "
	    "Bob\r\n\r\n";
	struct buf small;
	struct dsn d;
	size_t i, n;

	begin("a@example.org", false);
	rcpt("b@example.net", NULL, 0);
	fail(0, "5.1.1", "550 nobody", "mx.example.net");
	frame(&d);
	finish(eight, strlen(eight), true);
	for (n = out.len; n != SIZE_MAX; n--) {
		buf_init(&small, DSN_MAX);
		dsn_redact(&d, "a@example.org", out.data, n, &small);
		for (i = 0; i < nitems(secrets); i++)
			if (strstr(buf_str(&small), secrets[i]) != NULL)
				break;
		if (i < nitems(secrets))
			break;
		if (n == out.len)
			ok(strstr(buf_str(&small), "\r\nMessage-ID: " LONG_ID
			    "\r\nAction: failed\r\nStatus: 5.1.1\r\n") != NULL,
			    "the Message-ID and the kind of failure");
		if (n == 1)
			ok(strstr(buf_str(&small), "\r\nMessage-ID: not known\r\n")
			    != NULL, "or not");
		buf_clear(&small);
	}
	ok(n == SIZE_MAX, "and nothing else, whatever becomes of it");
	buf_clear(&small);
}

static void
test_wanted(void)
{
	static const struct {
		const char *from;
		uint8_t	 notify;
		bool	 failed, delayed, relayed;
	} wants[] = {
		{ "a@b", 0, true, true, false },
		{ "", 0, false, false, false },
		{ "", NOTIFY_FAILURE | NOTIFY_SUCCESS, false, false, false },
		{ "a@b", NOTIFY_NEVER, false, false, false },
		{ "a@b", NOTIFY_FAILURE, true, false, false },
		{ "a@b", NOTIFY_DELAY, false, true, false },
		{ "a@b", NOTIFY_SUCCESS, false, false, true },
		{ "a@b", NOTIFY_SUCCESS | NOTIFY_DELAY | NOTIFY_FAILURE, true,
		    true, true },
		{ "a@b", NOTIFY_NEVER | NOTIFY_FAILURE, false, false, false },
	};
	size_t i;

	for (i = 0; i < nitems(wants); i++) {
		begin(wants[i].from, false);
		rcpt("x@y", NULL, wants[i].notify);
		store_msg_fit(&m);
		ok(dsn_wanted(&m, 0, DSN_FAILED) == wants[i].failed &&
		    dsn_wanted(&m, 0, DSN_DELAYED) == wants[i].delayed &&
		    dsn_wanted(&m, 0, DSN_RELAYED) == wants[i].relayed,
		    "<%s> NOTIFY %u", wants[i].from, wants[i].notify);
	}
}

/* RFC 3464 2.3.8: when it was tried, not when its report is made. */
static void
test_tried(void)
{
	begin("a@example.org", false);
	rcpt("bob@example.net", NULL, 0);
	store_msg_note(&m, 1800000000000, "deferred");
	store_msg_note(&m, 1800000060000, "failed");
	fail(0, "5.1.1", "550 no", "mx");
	ok(strstr(finish("", 0, true), "\r\nLast-Attempt-Date: "
	    "Fri, 15 Jan 2027 08:01:00 +0000\r\n") != NULL,
	    "the last attempt's hour");
}

int
main(int argc, char **argv)
{
	size_t i;
	int r;

	store_msg_init(&m);
	buf_init(&out, DSN_MAX);
	if (argc == 1) {
		test_all();
		test_details();
		test_orcpt_round();
		test_many();
		test_cut();
		test_redact();
		test_wanted();
		test_tried();
		tap_inputs("delivery and bounces", nitems(cases));
	}
	for (i = 0; argc > 1 && i < nitems(cases); i++)
		if (strcmp(argv[1], cases[i].name) == 0) {
			cases[i].make();
			fwrite(out.data, 1, out.len, stdout);
		}
	r = argc > 1 ? 0 : tap_done();
	for (i = 0; i < nitems(many); i++)
		store_msg_clear(&many[i]);
	store_msg_clear(&m);
	buf_clear(&out);
	return r;
}
