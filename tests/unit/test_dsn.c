/*
 * queue/dsn: reports that every mail program understands, whatever peers and
 * users have put into them. With the name of a case it prints that report, for
 * dsn_parse.py to take apart.
 */
#include "lib/prelude.h"

#include "lib/xalloc.h"
#include "queue/dsn.h"
#include "tests/tap.h"

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

static const char *
finish(const char *original, size_t len, bool whole)
{
	bool *report = xcalloc(m.env.nrcpts, sizeof(*report));
	size_t i;

	for (i = 0; i < m.env.nrcpts; i++)
		report[i] = m.rcpts[i].state == RCPT_FAILED;
	buf_clear(&out);
	buf_init(&out, DSN_MAX);
	dsn_write(&(struct dsn){ .hostname = "relay.example.org",
	    .postmaster = "postmaster@relay.example.org",
	    .id = "0000000000008", .boundary = "=_boundary",
	    .now_ms = 1800000300000, .msg = &m, .msg_id = "0000000000007",
	    .report = report, .original = (const uint8_t *)original,
	    .original_len = len, .original_whole = whole }, &out, &eightbit);
	free(report);
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

static const struct {
	const char *name;
	void	(*make)(void);
} cases[] = {
	{ "simple", simple }, { "full", full }, { "injected", injected },
	{ "utf8", utf8 }, { "long_lines", long_lines }, { "huge", huge },
	{ "nothing", nothing },
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
	huge();
	ok(out.len <= DSN_MAX, "a thousand failures and a large header fit");
	ok(says(" recipients more\r\n"), "the rest is counted");
}

static void
test_wanted(void)
{
	static const struct {
		const char *from;
		uint8_t	 notify;
		bool	 wanted;
	} wants[] = { { "a@b", 0, true }, { "", 0, false },
	    { "", NOTIFY_FAILURE, false }, { "a@b", NOTIFY_NEVER, false },
	    { "a@b", NOTIFY_FAILURE, true }, { "a@b", NOTIFY_DELAY, false },
	    { "a@b", NOTIFY_NEVER | NOTIFY_FAILURE, false } };
	size_t i;

	for (i = 0; i < nitems(wants); i++) {
		begin(wants[i].from, false);
		rcpt("x@y", NULL, wants[i].notify);
		store_msg_fit(&m);
		ok(dsn_wanted(&m, 0) == wants[i].wanted,
		    "<%s> NOTIFY %u: %swanted", wants[i].from, wants[i].notify,
		    wants[i].wanted ? "" : "not ");
	}
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
		test_wanted();
	}
	for (i = 0; argc > 1 && i < nitems(cases); i++)
		if (strcmp(argv[1], cases[i].name) == 0) {
			cases[i].make();
			fwrite(out.data, 1, out.len, stdout);
		}
	r = argc > 1 ? 0 : tap_done();
	store_msg_clear(&m);
	buf_clear(&out);
	return r;
}
