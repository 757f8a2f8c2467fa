/* smtpd/params: what MAIL and RCPT may say, by the RFCs' examples and others. */
#include "lib/prelude.h"

#include "smtpd/extensions.h"
#include "smtpd/params.h"
#include "tests/show.h"
#include "tests/tap.h"
#include "tests/xtext.h"

#define ALL	UINT32_MAX
#define OK	REPLY_NONE
#define BAD	REPLY_BAD_VALUE
#define UNKNOWN	REPLY_UNKNOWN_PARAM
#define TWICE	REPLY_PARAM_TWICE

static char line[SMTP_PARAMS_MAX * 1024];
static struct smtp_path path;
static struct span about;

/* Parses "<prefix><a@b> params"; the parameters' grammar must be right. */
static bool
parse(const char *prefix, const char *params)
{
	enum smtp_path_error e;

	snprintf(line, sizeof(line), "%s<a@b>%s%s", prefix,
	    *params == '\0' ? "" : " ", params);
	e = smtp_path_parse((struct span){ line, strlen(line) }, prefix, true,
	    NULL, ADDR_UTF8, &path);
	return ok(e == SMTP_PATH_OK, "grammar of %s",
	    show(params, strlen(params)));
}

static const char *
text_of(struct span s)
{
	static char text[2048];

	snprintf(text, sizeof(text), "%.*s", (int)s.n, s.n == 0 ? "" : s.p);
	return text;
}

/* --- MAIL ---------------------------------------------------------------------------- */

static const struct mail_row {
	const char *params;
	enum reply want;
	uint64_t size;
	enum ret ret;
	const char *envid;
} mails[] = {
	{ "", OK, 0, RET_UNSET, "" },
	/* RFC 1870 */
	{ "SIZE=500000", OK, 500000, RET_UNSET, "" },
	{ "size=0", OK, 0, RET_UNSET, "" },
	{ "SIZE=18446744073709551615", OK, UINT64_MAX, RET_UNSET, "" },
	{ "SIZE=18446744073709551616", BAD, 0, RET_UNSET, "" },
	{ "SIZE=99999999999999999999", BAD, 0, RET_UNSET, "" },
	{ "SIZE=-1", BAD, 0, RET_UNSET, "" },
	{ "SIZE=+1", BAD, 0, RET_UNSET, "" },
	{ "SIZE=1K", BAD, 0, RET_UNSET, "" },
	{ "SIZE=0x10", BAD, 0, RET_UNSET, "" },
	{ "SIZE=1.5", BAD, 0, RET_UNSET, "" },
	{ "SIZE", BAD, 0, RET_UNSET, "" },
	{ "SIZE=1 SIZE=1", TWICE, 0, RET_UNSET, "" },
	{ "SIZE=1 size=2", TWICE, 0, RET_UNSET, "" },
	{ "SIZE=1 BODY=7BIT SIZE=1", TWICE, 0, RET_UNSET, "" },
	/* RFC 6152 */
	{ "BODY=7BIT", OK, 0, RET_UNSET, "" },
	{ "body=8bitmime", OK, 0, RET_UNSET, "" },
	{ "BODY=BINARYMIME", BAD, 0, RET_UNSET, "" },
	{ "BODY=8BIT", BAD, 0, RET_UNSET, "" },
	{ "BODY", BAD, 0, RET_UNSET, "" },
	{ "BODY=7BIT BODY=8BITMIME", TWICE, 0, RET_UNSET, "" },
	/* RFC 4954 5 */
	{ "AUTH=<>", OK, 0, RET_UNSET, "" },
	{ "AUTH=e+3Dmc2@example.com", OK, 0, RET_UNSET, "" },
	{ "AUTH=e+3dmc2@example.com", BAD, 0, RET_UNSET, "" },
	{ "AUTH=a+", BAD, 0, RET_UNSET, "" },
	{ "AUTH", BAD, 0, RET_UNSET, "" },
	/* RFC 3461 4.3, 4.4, 5.4, 10 */
	{ "RET=HDRS ENVID=QQ314159", OK, 0, RET_HDRS, "QQ314159" },
	{ "RET=FULL", OK, 0, RET_FULL, "" },
	{ "ret=full envid=a", OK, 0, RET_FULL, "a" },
	{ "RET=HDRS RET=HDRS", TWICE, 0, RET_UNSET, "" },
	{ "RET=BODY", BAD, 0, RET_UNSET, "" },
	{ "RET=FULL,HDRS", BAD, 0, RET_UNSET, "" },
	{ "RET", BAD, 0, RET_UNSET, "" },
	{ "ENVID", BAD, 0, RET_UNSET, "" },
	{ "ENVID=a ENVID=b", TWICE, 0, RET_UNSET, "" },
	{ "ENVID=a+20b", OK, 0, RET_UNSET, "a+20b" },
	{ "ENVID=a+2Bb+3D", OK, 0, RET_UNSET, "a+2Bb+3D" },
	{ "ENVID=<x@y>", OK, 0, RET_UNSET, "<x@y>" },
	{ "ENVID=a+0D+0AEvil:+20yes", BAD, 0, RET_UNSET, "" },
	{ "ENVID=a+0A", BAD, 0, RET_UNSET, "" },
	{ "ENVID=a+00", BAD, 0, RET_UNSET, "" },
	{ "ENVID=a+09b", BAD, 0, RET_UNSET, "" },
	{ "ENVID=a+7F", BAD, 0, RET_UNSET, "" },
	{ "ENVID=a+80", BAD, 0, RET_UNSET, "" },
	{ "ENVID=a+C3+BC", BAD, 0, RET_UNSET, "" },
	{ "ENVID=j\xc3\xbc", BAD, 0, RET_UNSET, "" },
	{ "ENVID=a+", BAD, 0, RET_UNSET, "" },
	{ "ENVID=a+2", BAD, 0, RET_UNSET, "" },
	{ "ENVID=a+2b", BAD, 0, RET_UNSET, "" },
	{ "SIZE=9 BODY=8BITMIME AUTH=<> RET=HDRS ENVID=x", OK, 9, RET_HDRS,
	    "x" },
	/* RFC 4865 3 */
	{ "HOLDFOR=1", OK, 0, RET_UNSET, "" },
	{ "HOLDFOR=999999999", OK, 0, RET_UNSET, "" },
	{ "HOLDFOR=0", BAD, 0, RET_UNSET, "" },
	{ "HOLDFOR=01", BAD, 0, RET_UNSET, "" },
	{ "HOLDFOR=1000000000", BAD, 0, RET_UNSET, "" },
	{ "HOLDFOR=1h", BAD, 0, RET_UNSET, "" },
	{ "HOLDFOR=-1", BAD, 0, RET_UNSET, "" },
	{ "HOLDFOR", BAD, 0, RET_UNSET, "" },
	{ "HOLDUNTIL=2026-12-24T18:00:00Z", OK, 0, RET_UNSET, "" },
	{ "HOLDUNTIL=2026-12-24T18:00:00+01:00", OK, 0, RET_UNSET, "" },
	{ "HOLDUNTIL=2026-12-24", BAD, 0, RET_UNSET, "" },
	{ "HOLDUNTIL=tomorrow", BAD, 0, RET_UNSET, "" },
	{ "HOLDUNTIL", BAD, 0, RET_UNSET, "" },
	{ "HOLDFOR=1 HOLDFOR=1", TWICE, 0, RET_UNSET, "" },
	{ "HOLDFOR=1 HOLDUNTIL=2026-12-24T18:00:00Z", BAD, 0, RET_UNSET, "" },
	{ "HOLDUNTIL=2026-12-24T18:00:00Z HOLDFOR=1", BAD, 0, RET_UNSET, "" },
	/* RFC 6531 3.4, RFC 8689 2: words without a value */
	{ "SMTPUTF8", OK, 0, RET_UNSET, "" },
	{ "smtputf8 BODY=8BITMIME", OK, 0, RET_UNSET, "" },
	{ "SMTPUTF8=1", BAD, 0, RET_UNSET, "" },
	{ "SMTPUTF8 SMTPUTF8", TWICE, 0, RET_UNSET, "" },
	{ "UTF8SMTP", UNKNOWN, 0, RET_UNSET, "" },
	{ "REQUIRETLS", OK, 0, RET_UNSET, "" },
	{ "REQUIRETLS=yes", BAD, 0, RET_UNSET, "" },
	{ "REQUIRETLS REQUIRETLS", TWICE, 0, RET_UNSET, "" },
	/* RFC 2852 4, RFC 6710 3: see below for what they mean */
	{ "BY=120;R", OK, 0, RET_UNSET, "" },
	{ "BY=1;N BY=1;N", TWICE, 0, RET_UNSET, "" },
	{ "MT-PRIORITY=3 ENVID=QQ314159", OK, 0, RET_UNSET, "QQ314159" },
	{ "MT-PRIORITY=3 mt-priority=3", TWICE, 0, RET_UNSET, "" },
	{ "BY=120;R MT-PRIORITY=-9 HOLDFOR=9", OK, 0, RET_UNSET, "" },
	/* RCPT's, and nobody's */
	{ "BY", BAD, 0, RET_UNSET, "" },
	{ "MT-PRIORITY", BAD, 0, RET_UNSET, "" },
	{ "PRIORITY=1", UNKNOWN, 0, RET_UNSET, "" },
	{ "NOTIFY=NEVER", UNKNOWN, 0, RET_UNSET, "" },
	{ "ORCPT=rfc822;a@b", UNKNOWN, 0, RET_UNSET, "" },
	{ "SIZES=1", UNKNOWN, 0, RET_UNSET, "" },
	{ "SIZ=1", UNKNOWN, 0, RET_UNSET, "" },
	{ "X-SIZE=1", UNKNOWN, 0, RET_UNSET, "" },
	{ "XORIGINALFROM=a", UNKNOWN, 0, RET_UNSET, "" },
	{ "SOLICIT=a", UNKNOWN, 0, RET_UNSET, "" },
	{ "SIZE=1 EVIL", UNKNOWN, 0, RET_UNSET, "" },
};

static void
test_mail(void)
{
	struct mail_params mp;
	enum reply r;
	size_t i;

	for (i = 0; i < nitems(mails); i++) {
		const struct mail_row *m = &mails[i];

		if (!parse("FROM:", m->params))
			continue;
		r = params_mail(&path, ALL, &mp, &about);
		is_int(r, m->want, "MAIL %s", show(m->params,
		    strlen(m->params)));
		if (r != OK)
			continue;
		is_int(mp.size, m->size, "its size");
		is_int(mp.ret, m->ret, "its RET");
		is_str(text_of(mp.envid), m->envid, "its ENVID");
	}
}

/* --- RCPT ---------------------------------------------------------------------------- */

#define N NOTIFY_NEVER
#define S NOTIFY_SUCCESS
#define F NOTIFY_FAILURE
#define D NOTIFY_DELAY

static const struct rcpt_row {
	const char *params;
	enum reply want;
	int	 notify;
	const char *orcpt;
} rcpts[] = {
	{ "", OK, 0, "" },
	/* RFC 3461 10.1 */
	{ "NOTIFY=SUCCESS ORCPT=rfc822;Bob@Example.COM", OK, S,
	    "rfc822;Bob@Example.COM" },
	{ "NOTIFY=FAILURE ORCPT=rfc822;Carol@Ivory.EDU", OK, F,
	    "rfc822;Carol@Ivory.EDU" },
	{ "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Dana@Ivory.EDU", OK, S | F,
	    "rfc822;Dana@Ivory.EDU" },
	{ "NOTIFY=FAILURE ORCPT=rfc822;Eric@Bombs.AF.MIL", OK, F,
	    "rfc822;Eric@Bombs.AF.MIL" },
	{ "NOTIFY=NEVER", OK, N, "" },
	{ "NOTIFY=FAILURE ORCPT=rfc822;George@Tax-ME.GOV", OK, F,
	    "rfc822;George@Tax-ME.GOV" },
	{ "notify=delay,success,failure", OK, S | F | D, "" },
	{ "NOTIFY=DELAY", OK, D, "" },
	{ "NOTIFY", BAD, 0, "" },
	{ "NOTIFY=ALWAYS", BAD, 0, "" },
	{ "NOTIFY=NEVER,FAILURE", BAD, 0, "" },
	{ "NOTIFY=FAILURE,NEVER", BAD, 0, "" },
	{ "NOTIFY=NEVER,NEVER", BAD, 0, "" },
	{ "NOTIFY=SUCCESS,SUCCESS", BAD, 0, "" },
	{ "NOTIFY=,", BAD, 0, "" },
	{ "NOTIFY=SUCCESS,", BAD, 0, "" },
	{ "NOTIFY=,SUCCESS", BAD, 0, "" },
	{ "NOTIFY=SUCCESS,,FAILURE", BAD, 0, "" },
	{ "NOTIFY=SUCCESS;FAILURE", BAD, 0, "" },
	{ "NOTIFY=SUCCESS NOTIFY=FAILURE", TWICE, 0, "" },
	{ "ORCPT=rfc822;a@b ORCPT=rfc822;a@b", TWICE, 0, "" },
	{ "ORCPT=rfc822;a+2Bb@c", OK, 0, "rfc822;a+2Bb@c" },
	{ "ORCPT=rfc822;a+20b@c", OK, 0, "rfc822;a+20b@c" },
	{ "ORCPT=x400;/c+3Dde/", OK, 0, "x400;/c+3Dde/" },
	{ "ORCPT=a;b;c", OK, 0, "a;b;c" },
	{ "ORCPT=utf-8;\\x{FC}@b", OK, 0, "utf-8;\\x{FC}@b" },
	{ "ORCPT", BAD, 0, "" },
	{ "ORCPT=a@b", BAD, 0, "" },
	{ "ORCPT=rfc822", BAD, 0, "" },
	{ "ORCPT=rfc822;", BAD, 0, "" },
	{ "ORCPT=;a@b", BAD, 0, "" },
	{ "ORCPT=;", BAD, 0, "" },
	{ "ORCPT=rfc+20822;a@b", BAD, 0, "" },
	{ "ORCPT=rfc.822;a@b", BAD, 0, "" },
	{ "ORCPT=<rfc822>;a@b", BAD, 0, "" },
	{ "ORCPT=\"rfc822\";a@b", BAD, 0, "" },
	{ "ORCPT=rfc822;a@b+0A", BAD, 0, "" },		/* CVE-2020-28026 */
	{ "ORCPT=rfc822;a@b+0D+0ATo:+20x", BAD, 0, "" },
	{ "ORCPT=rfc822;a+00@b", BAD, 0, "" },
	{ "ORCPT=rfc822;a+FF@b", BAD, 0, "" },
	{ "ORCPT=rfc822;a+0a@b", BAD, 0, "" },
	{ "ORCPT=rfc822;a+@b", BAD, 0, "" },
	{ "ORCPT=rfc822;j\xc3\xbc@b", BAD, 0, "" },
	{ "ORCPT=utf-8;j\xc3\xbc@b", BAD, 0, "" },
	{ "SIZE=1", UNKNOWN, 0, "" },
	{ "RET=FULL", UNKNOWN, 0, "" },
	{ "NOTIFY=NEVER X=Y", UNKNOWN, 0, "" },
	{ "SMTPUTF8", UNKNOWN, 0, "" },
};

static void
test_rcpt(void)
{
	struct rcpt_params rp;
	enum reply r;
	size_t i;

	for (i = 0; i < nitems(rcpts); i++) {
		const struct rcpt_row *c = &rcpts[i];

		if (!parse("TO:", c->params))
			continue;
		r = params_rcpt(&path, ALL, false, &rp, &about);
		is_int(r, c->want, "RCPT %s", show(c->params,
		    strlen(c->params)));
		if (r != OK)
			continue;
		is_int(rp.notify, c->notify, "its NOTIFY");
		is_str(text_of(rp.orcpt), c->orcpt, "its ORCPT");
	}
}

/* --- lengths, and what is not offered ----------------------------------------------------- */

/* RFC 6533 3: UTF-8 as it is, in a message that says SMTPUTF8 */
static void
test_utf8_orcpt(void)
{
	static const struct {
		const char *params;
		enum reply plain, utf8;
	} rows[] = {
		{ "ORCPT=utf-8;j\xc3\xbc@b", BAD, OK },
		{ "ORCPT=UTF-8;j\xc3\xbc@b\xc3\xbc.example", BAD, OK },
		{ "ORCPT=utf-8;j\\x{FC}@b", OK, OK },
		{ "ORCPT=utf-8;j+5Cx{FC}@b", OK, OK },
		{ "ORCPT=utf-8;j\xc3\xbc+20@b", BAD, BAD },
		{ "ORCPT=rfc822;j\xc3\xbc@b", BAD, BAD },
	};
	struct rcpt_params rp;
	size_t i;

	for (i = 0; i < nitems(rows); i++) {
		parse("TO:", rows[i].params);
		is_int(params_rcpt(&path, ALL, false, &rp, &about),
		    rows[i].plain, "without SMTPUTF8");
		is_int(params_rcpt(&path, ALL, true, &rp, &about),
		    rows[i].utf8, "with it");
	}
}

/* The grammar is right; what this command says of its ORCPT. */
static enum reply
orcpt_of(const char *type, const uint8_t *p, size_t n, bool more,
    struct rcpt_params *rp)
{
	char text[3 * 256 + 1];

	xtext_encode(p, n, more, text);
	snprintf(line, sizeof(line), "TO:<a@b> ORCPT=%s;%s", type, text);
	if (smtp_path_parse((struct span){ line, strlen(line) }, "TO:", true,
	    NULL, ADDR_UTF8, &path) != SMTP_PATH_OK)
		return REPLY_UNKNOWN_PARAM;
	return params_rcpt(&path, ALL, false, rp, &about);
}

/* Printable ones come back as they were written; no byte else gets in. */
static void
test_orcpt_round(void)
{
	size_t i, k, n, wrong = 0, taken = 0;
	struct rcpt_params rp;
	uint8_t bytes[160];
	struct buf back;
	struct span v;

	buf_init(&back, sizeof(bytes));
	for (i = 0; i < 20000; i++) {
		n = 1 + i % sizeof(bytes);
		for (k = 0; k < n; k++)
			bytes[k] = (uint8_t)(' ' + rnd(0x7f - ' '));
		buf_reset(&back);
		if (orcpt_of("rfc822", bytes, n, i % 2 == 0, &rp) != OK) {
			wrong++;
			continue;
		}
		v = (struct span){ rp.orcpt.p + 7, rp.orcpt.n - 7 };
		wrong += strncmp(rp.orcpt.p, "rfc822;", 7) != 0 ||
		    smtp_xtext_decode(v, &back) == -1 || back.len != n ||
		    memcmp(back.data, bytes, n) != 0;
		do
			bytes[i % n] = (uint8_t)rnd(256);
		while (bytes[i % n] >= ' ' && bytes[i % n] < 0x7f);
		taken += orcpt_of("rfc822", bytes, n, i % 2 == 0, &rp) == OK;
	}
	is_int(wrong, 0, "20,000 original recipients come back");
	is_int(taken, 0, "none with one byte that is not printable");
	buf_clear(&back);
}

/* RFC 6533 3, utf-8-addr-xtext: \x{HEX} passes as it is, for each character. */
static void
test_utf8_xtext_round(void)
{
	struct rcpt_params rp;
	size_t wrong = 0, n;
	char text[64];
	uint32_t c;

	for (c = 0x80; c < 0x110000; c += 1 + rnd(97)) {
		n = (size_t)snprintf(text, sizeof(text), "j\\x{%X}rg@example."
		    "net", c);
		wrong += orcpt_of("utf-8", (const uint8_t *)text, n, false,
		    &rp) != OK || rp.orcpt.n != n + 6 ||
		    memcmp(rp.orcpt.p + 6, text, n) != 0;
	}
	is_int(wrong, 0, "utf-8-addr-xtext passes as it is");
}

static void
test_lengths(void)
{
	char text[1024];
	struct mail_params mp;
	struct rcpt_params rp;
	size_t n;

	for (n = 99; n <= 101; n++) {
		snprintf(text, sizeof(text), "ENVID=%0*d", (int)n, 7);
		parse("FROM:", text);
		is_int(params_mail(&path, ALL, &mp, &about),
		    n <= ENVELOPE_ENVID_MAX ? OK : BAD, "ENVID of %zu", n);
	}
	for (n = 499; n <= 501; n++) {
		snprintf(text, sizeof(text), "ORCPT=x;%0*d", (int)n - 2, 7);
		parse("TO:", text);
		is_int(params_rcpt(&path, ALL, false, &rp, &about),
		    n <= ENVELOPE_ORCPT_MAX ? OK : BAD, "ORCPT of %zu", n);
	}
}

/* RFC 2852 4: by-time ";" by-mode [by-trace] */
static void
test_by(void)
{
	static const struct {
		const char *value;
		enum by_mode by;	/* BY_NONE: refused */
		int64_t sec;
		bool	 trace;
	} rows[] = {
		{ "120;R", BY_RETURN, 120, false },	/* RFC 2852 4 */
		{ "120;N", BY_NOTIFY, 120, false },
		{ "120;RT", BY_RETURN, 120, true },
		{ "120;NT", BY_NOTIFY, 120, true },
		{ "+120;r", BY_RETURN, 120, false },
		{ "120;nt", BY_NOTIFY, 120, true },
		{ "-60;N", BY_NOTIFY, -60, false },
		{ "-60;NT", BY_NOTIFY, -60, true },
		{ "0;N", BY_NOTIFY, 0, false },
		{ "-0;N", BY_NOTIFY, 0, false },
		{ "1;R", BY_RETURN, 1, false },
		{ "007;R", BY_RETURN, 7, false },
		{ "999999999;R", BY_RETURN, 999999999, false },
		{ "-999999999;N", BY_NOTIFY, -999999999, false },
		{ "000000001;R", BY_RETURN, 1, false },
		{ "0;R", BY_NONE, 0, false },
		{ "-1;R", BY_NONE, 0, false },
		{ "-0;R", BY_NONE, 0, false },
		{ "+0;R", BY_NONE, 0, false },
		{ "1000000000;N", BY_NONE, 0, false },
		{ "0000000001;N", BY_NONE, 0, false },
		{ "99999999999999999999;N", BY_NONE, 0, false },
		{ "120", BY_NONE, 0, false },
		{ "120;", BY_NONE, 0, false },
		{ ";R", BY_NONE, 0, false },
		{ "+;R", BY_NONE, 0, false },
		{ "-;N", BY_NONE, 0, false },
		{ "--1;N", BY_NONE, 0, false },
		{ "+-1;N", BY_NONE, 0, false },
		{ "1-;N", BY_NONE, 0, false },
		{ "120;T", BY_NONE, 0, false },
		{ "120;TR", BY_NONE, 0, false },
		{ "120;RN", BY_NONE, 0, false },
		{ "120;RTT", BY_NONE, 0, false },
		{ "120;RT;", BY_NONE, 0, false },
		{ "120;;R", BY_NONE, 0, false },
		{ "120,R", BY_NONE, 0, false },
		{ "120:R", BY_NONE, 0, false },
		{ "1.5;R", BY_NONE, 0, false },
		{ "0x10;R", BY_NONE, 0, false },
		{ "2m;R", BY_NONE, 0, false },
		{ "R;120", BY_NONE, 0, false },
	};
	struct mail_params mp;
	char text[80];
	enum reply r;
	size_t i;

	for (i = 0; i < nitems(rows); i++) {
		snprintf(text, sizeof(text), "BY=%s", rows[i].value);
		parse("FROM:", text);
		r = params_mail(&path, ALL, &mp, &about);
		is_int(r, rows[i].by == BY_NONE ? BAD : OK, "BY=%s",
		    rows[i].value);
		if (r == OK)
			ok(mp.by == rows[i].by && mp.by_sec == rows[i].sec &&
			    mp.by_trace == rows[i].trace, "what it says");
	}
}

/* RFC 6710 3: "-" NZDIGIT, or a digit */
static void
test_priority(void)
{
	static const char *const bad[] = { "10", "-10", "-0", "00", "01", "-01",
	    "+1", "--1", "-", "1-", "a", "1a", "0x1", "1.0", "1;2", "urgent",
	    "99999999999999999999" };
	struct mail_params mp;
	char text[80];
	size_t i;
	int n;

	for (n = -9; n <= 9; n++) {
		snprintf(text, sizeof(text), "MT-PRIORITY=%d", n);
		parse("FROM:", text);
		is_int(params_mail(&path, ALL, &mp, &about), OK, "%s", text);
		is_int(mp.priority, n, "it is that");
	}
	for (i = 0; i < nitems(bad); i++) {
		snprintf(text, sizeof(text), "MT-PRIORITY=%s", bad[i]);
		parse("FROM:", text);
		is_int(params_mail(&path, ALL, &mp, &about), BAD, "%s", text);
	}
	parse("FROM:", "");
	params_mail(&path, ALL, &mp, &about);
	ok(mp.priority == 0 && mp.by == BY_NONE, "neither is asked for");
}

/* Each parameter goes with its extension. */
static void
test_offered(void)
{
	static const struct {
		const char *prefix, *params;
		uint32_t ext;
	} rows[] = {
		{ "FROM:", "SIZE=1", EXT_SIZE },
		{ "FROM:", "BODY=7BIT", EXT_8BITMIME },
		{ "FROM:", "AUTH=<>", EXT_AUTH },
		{ "FROM:", "RET=FULL", EXT_DSN },
		{ "FROM:", "ENVID=x", EXT_DSN },
		{ "FROM:", "SMTPUTF8", EXT_SMTPUTF8 },
		{ "FROM:", "REQUIRETLS", EXT_REQUIRETLS },
		{ "FROM:", "HOLDFOR=1", EXT_FUTURERELEASE },
		{ "FROM:", "HOLDUNTIL=2026-12-24T18:00:00Z", EXT_FUTURERELEASE },
		{ "FROM:", "BY=120;R", EXT_DELIVERBY },
		{ "FROM:", "MT-PRIORITY=3", EXT_MT_PRIORITY },
		{ "TO:", "NOTIFY=NEVER", EXT_DSN },
		{ "TO:", "ORCPT=rfc822;a@b", EXT_DSN },
	};
	struct mail_params mp;
	struct rcpt_params rp;
	size_t i;
	int on;

	for (i = 0; i < nitems(rows); i++)
		for (on = 0; on < 2; on++) {
			uint32_t ext = on ? rows[i].ext : ALL & ~rows[i].ext;
			enum reply r;

			parse(rows[i].prefix, rows[i].params);
			r = rows[i].prefix[0] == 'F' ?
			    params_mail(&path, ext, &mp, &about) :
			    params_rcpt(&path, ext, false, &rp, &about);
			is_int(r, on ? OK : UNKNOWN, "%s %s", rows[i].params,
			    on ? "when offered" : "when not");
			is_int(about.n, strcspn(rows[i].params, "="),
			    "it is named");
		}
}

int
main(void)
{
	test_mail();
	test_rcpt();
	test_utf8_orcpt();
	test_orcpt_round();
	test_utf8_xtext_round();
	test_lengths();
	test_by();
	test_priority();
	test_offered();
	return tap_done();
}
