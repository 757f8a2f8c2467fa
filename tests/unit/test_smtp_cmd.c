/* lib/smtp_cmd: commands, paths and parameters, by the grammar or not at all. */
#include "lib/prelude.h"

#include "lib/smtp_cmd.h"
#include "tests/show.h"
#include "tests/tap.h"
#include "tests/xtext.h"

static struct span
span(const char *s)
{
	return (struct span){ s, strlen(s) };
}

static void
is_span(struct span s, const char *want, const char *what)
{
	ok(s.n == strlen(want) && memcmp(s.p, want, s.n) == 0, "%s: %s", what,
	    show(s.p, s.n));
}

/* --- verb and argument ------------------------------------------------------------------ */

static const struct {
	const char *line, *verb, *arg;
} splits[] = {
	{ "", "", "" }, { "NOOP", "NOOP", "" }, { "NOOP ", "NOOP", "" },
	{ "NOOP   ", "NOOP", "" }, { " NOOP", "", "NOOP" },
	{ "  NOOP", "", " NOOP" }, { "EHLO a", "EHLO", "a" },
	{ "EHLO a b ", "EHLO", "a b" }, { "EHLO  a", "EHLO", " a" },
	{ "EHLO\ta", "EHLO\ta", "" }, { "EHLO a\t", "EHLO", "a\t" },
	{ "MAIL FROM:<a@b>", "MAIL", "FROM:<a@b>" }, { " ", "", "" },
	{ "x\xa0y", "x\xa0y", "" },
};

static void
test_split(void)
{
	struct span verb, arg;
	size_t i;

	for (i = 0; i < nitems(splits); i++) {
		smtp_cmd_split(splits[i].line, strlen(splits[i].line), &verb,
		    &arg);
		is_span(verb, splits[i].verb, "verb");
		is_span(arg, splits[i].arg, "argument");
	}
	ok(span_is(span("NoOp"), "NOOP"), "case is ignored");
	ok(!span_is(span("NOO"), "NOOP") && !span_is(span("NOOPS"), "NOOP") &&
	    !span_is(span(""), "NOOP"), "length is not");
}

/* --- paths ---------------------------------------------------------------------------------- */

#define OK	SMTP_PATH_OK
#define SYN	SMTP_PATH_SYNTAX
#define ADR	SMTP_PATH_ADDRESS
#define PAR	SMTP_PATH_PARAMS

static const struct path_case {
	const char *arg;
	enum smtp_path_error want;
	const char *addr;	/* of a good one */
	size_t	 nparams;
} senders[] = {
	{ "FROM:<a@b>", OK, "a@b", 0 },
	{ "from:<a@b>", OK, "a@b", 0 },
	{ "From: <a@b>", OK, "a@b", 0 },
	{ "FROM:<A@B.Org>", OK, "A@b.org", 0 },
	{ "FROM:<>", OK, "", 0 },
	{ "FROM: <>", OK, "", 0 },
	{ "FROM:<> BODY=8BITMIME", OK, "", 1 },
	{ "FROM:<\"a b\"@c>", OK, "\"a b\"@c", 0 },
	{ "FROM:<\"a>b\"@c> SIZE=1", OK, "\"a>b\"@c", 1 },
	{ "FROM:<\"a\\\">b\"@c>", OK, "\"a\\\">b\"@c", 0 },
	{ "FROM:<a@[192.0.2.1]>", OK, "a@[192.0.2.1]", 0 },
	{ "FROM:<a@b> SIZE=1 BODY=7BIT RET=HDRS", OK, "a@b", 3 },
	{ "FROM:<a@b>  SIZE=1", OK, "a@b", 1 },
	{ "FROM:<a@b> ", PAR, NULL, 0 },	/* smtp_cmd_split() cuts it */
	{ "", SYN, NULL, 0 },
	{ "<a@b>", SYN, NULL, 0 },
	{ "FROM", SYN, NULL, 0 },
	{ "FROM:", SYN, NULL, 0 },
	{ "FROM: ", SYN, NULL, 0 },
	{ "FROM:  <a@b>", SYN, NULL, 0 },
	{ "FROM:\t<a@b>", SYN, NULL, 0 },
	{ "FROM :<a@b>", SYN, NULL, 0 },
	{ " FROM:<a@b>", SYN, NULL, 0 },
	{ "FROM<a@b>", SYN, NULL, 0 },
	{ "FROM=<a@b>", SYN, NULL, 0 },
	{ "TO:<a@b>", SYN, NULL, 0 },
	{ "SEND FROM:<a@b>", SYN, NULL, 0 },
	{ "FROM:a@b", SYN, NULL, 0 },
	{ "FROM:a@b>", SYN, NULL, 0 },
	{ "FROM:<a@b", SYN, NULL, 0 },
	{ "FROM:<", SYN, NULL, 0 },
	{ "FROM:>", SYN, NULL, 0 },
	{ "FROM:><", SYN, NULL, 0 },
	{ "FROM:<\"a@b>", SYN, NULL, 0 },
	{ "FROM:<\"a\\\"@b>", SYN, NULL, 0 },
	{ "FROM:<a@b>>", SYN, NULL, 0 },
	{ "FROM:<a@b>SIZE=1", SYN, NULL, 0 },
	{ "FROM:<a@b>,<c@d>", SYN, NULL, 0 },
	{ "FROM:<a@b>\tSIZE=1", SYN, NULL, 0 },
	{ "FROM:<a@b>;", SYN, NULL, 0 },
	{ "FROM:<>>", SYN, NULL, 0 },
	{ "FROM:<> <a@b>", PAR, NULL, 0 },
	{ "FROM:\"Alice\" <a@b>", SYN, NULL, 0 },
	{ "FROM:Alice <a@b>", SYN, NULL, 0 },
	{ "FROM:(c)<a@b>", SYN, NULL, 0 },
	{ "FROM:<<a@b>>", ADR, NULL, 0 },
	{ "FROM:<<>>", ADR, NULL, 0 },
	{ "FROM:< >", ADR, NULL, 0 },
	{ "FROM:< a@b>", ADR, NULL, 0 },
	{ "FROM:<a@b >", ADR, NULL, 0 },
	{ "FROM:<a>", ADR, NULL, 0 },
	{ "FROM:<a@>", ADR, NULL, 0 },
	{ "FROM:<a b@c>", ADR, NULL, 0 },
	{ "FROM:<a@b@c>", ADR, NULL, 0 },
	{ "FROM:<a@b c>", ADR, NULL, 0 },
	{ "FROM:<\"a\"b@c>", ADR, NULL, 0 },
	{ "FROM:<postmaster>", ADR, NULL, 0 },
	{ "FROM:<MAILER-DAEMON>", ADR, NULL, 0 },
	{ "FROM:<a@b.>", ADR, NULL, 0 },
	{ "FROM:<a@192.0.2.1>", ADR, NULL, 0 },
	{ "FROM:<j\xc3\xbcrg@b>", ADR, NULL, 0 },
	{ "FROM:<a@b\r\nRCPT TO:<c@d>>", ADR, NULL, 0 },
	{ "FROM:<@a:b@c>", OK, "b@c", 0 },
	{ "FROM:<@a,@b:c@d>", OK, "c@d", 0 },
	{ "FROM:<@a:\"x:y\"@d> SIZE=1", OK, "\"x:y\"@d", 1 },
	/* RFC 5321 4.1.1.3, F.2, and RFC 821 4.1.1's examples */
	{ "FROM:<@ONE,@TWO:JOE@THREE>", OK, "JOE@three", 0 },
	{ "FROM:<@hosta.int,@jkl.org:userc@d.bar.org>", OK,
	    "userc@d.bar.org", 0 },
	{ "FROM:<@foo.com:Smith@bar.com>", OK, "Smith@bar.com", 0 },
	{ "FROM:<@>", ADR, NULL, 0 },
	{ "FROM:<@a>", ADR, NULL, 0 },
	{ "FROM:<@a:>", ADR, NULL, 0 },
	{ "FROM:<@a:@b:c@d>", ADR, NULL, 0 },
	{ "FROM:<@:c@d>", ADR, NULL, 0 },
	{ "FROM:<@a,:c@d>", ADR, NULL, 0 },
	{ "FROM:<@a,b:c@d>", ADR, NULL, 0 },
	{ "FROM:<@a;@b:c@d>", ADR, NULL, 0 },
	{ "FROM:<@a, @b:c@d>", ADR, NULL, 0 },
	{ "FROM:<@a@b:c@d>", ADR, NULL, 0 },
	{ "FROM:<@a:b@c:d@e>", ADR, NULL, 0 },
	{ "FROM:<@[192.0.2.1]:c@d>", ADR, NULL, 0 },
	{ "FROM:<@a.:c@d>", ADR, NULL, 0 },
	{ "FROM:<@-a:c@d>", ADR, NULL, 0 },
	{ "FROM:<a:b@c>", ADR, NULL, 0 },
	{ "FROM:<@a:b>", ADR, NULL, 0 },
}, recipients[] = {
	{ "TO:<a@b>", OK, "a@b", 0 },
	{ "to: <a@b>", OK, "a@b", 0 },
	{ "TO:<Postmaster>", OK, "postmaster@relay.example", 0 },
	{ "TO:<POSTMASTER>", OK, "postmaster@relay.example", 0 },
	{ "TO:<postmaster> NOTIFY=NEVER", OK, "postmaster@relay.example", 1 },
	{ "TO:<postmaster@b>", OK, "postmaster@b", 0 },
	{ "TO:<a%b.example@c>", OK, "a%b.example@c", 0 },
	{ "TO:<b!a@c>", OK, "b!a@c", 0 },
	{ "TO:<c!b!a%d@e>", OK, "c!b!a%d@e", 0 },
	{ "TO:<\"a@b\"@c>", OK, "\"a@b\"@c", 0 },
	{ "TO:<\"a%b\"@c>", OK, "a%b@c", 0 },
	{ "TO:<\"b!a\"@c>", OK, "b!a@c", 0 },
	{ "TO:<\"@b:a\"@c>", OK, "\"@b:a\"@c", 0 },
	{ "TO:<a@localhost>", OK, "a@localhost", 0 },
	{ "TO:<a@[127.0.0.1]>", OK, "a@[127.0.0.1]", 0 },
	{ "TO:<a@[IPv6:::1]>", OK, "a@[IPv6:::1]", 0 },
	{ "TO:<>", ADR, NULL, 0 },
	{ "TO: <>", ADR, NULL, 0 },
	{ "TO:<\"\">", ADR, NULL, 0 },
	{ "TO:<@b:a@c>", OK, "a@c", 0 },
	{ "TO:<@b,@c:a@d>", OK, "a@d", 0 },
	{ "TO:<@b:a%c@d>", OK, "a%c@d", 0 },
	{ "TO:<@b:postmaster>", ADR, NULL, 0 },
	{ "TO:<@b:postmaster@c>", OK, "postmaster@c", 0 },
	{ "TO:<@b:>", ADR, NULL, 0 },
	{ "TO:<@b>", ADR, NULL, 0 },
	{ "TO:<a@b@c>", ADR, NULL, 0 },
	{ "TO:<a@b%c>", ADR, NULL, 0 },
	{ "TO:<a@b!c>", ADR, NULL, 0 },
	{ "TO:<b.example!a>", ADR, NULL, 0 },
	{ "TO:<a%b.example>", ADR, NULL, 0 },
	{ "TO:<a%b.example@>", ADR, NULL, 0 },
	{ "TO:<a>", ADR, NULL, 0 },
	{ "TO:<abuse>", ADR, NULL, 0 },
	{ "TO:<postmaster@>", ADR, NULL, 0 },
	{ "TO:<postmasters>", ADR, NULL, 0 },
	{ "TO:<\"postmaster\">", ADR, NULL, 0 },
	{ "TO:<a@[127.0.0.1>", ADR, NULL, 0 },
	{ "TO:<a@127.1>", ADR, NULL, 0 },
	{ "TO:<a@b:25>", ADR, NULL, 0 },
	{ "TO:<a@b,c@d>", ADR, NULL, 0 },
	{ "TO:<a@b;c@d>", ADR, NULL, 0 },
	{ "TO:<a@b> <c@d>", PAR, NULL, 0 },
	{ "TO:<a@b>, <c@d>", SYN, NULL, 0 },
	{ "TO:a@b", SYN, NULL, 0 },
	{ "TO:a@b, c@d", SYN, NULL, 0 },
	{ "TO:postmaster", SYN, NULL, 0 },
	{ "TO:\"|cat\"", SYN, NULL, 0 },
	{ "TO:", SYN, NULL, 0 },
	{ "FROM:<a@b>", SYN, NULL, 0 },
};

static void
test_paths(const struct path_case *rows, size_t n, bool sender)
{
	struct smtp_path path;
	enum smtp_path_error e;
	size_t i, len;

	for (i = 0; i < n; i++) {
		len = strlen(rows[i].arg);
		e = smtp_path_parse(span(rows[i].arg), sender ? "FROM:" :
		    "TO:", sender, sender ? NULL : "relay.example", 0, &path);
		is_int(e, rows[i].want, "%s", show(rows[i].arg, len));
		if (e == SMTP_PATH_OK) {
			is_str(path.addr, rows[i].addr, "its address");
			is_int(path.nparams, rows[i].nparams, "parameters");
		}
		ok((e == SMTP_PATH_OK) == (path.why == NULL),
		    "an error has its reason: %s",
		    path.why == NULL ? "none" : path.why);
	}
}

static void
test_postmaster(void)
{
	struct smtp_path path;
	char domain[300];
	size_t n;

	memset(domain, 'a', sizeof(domain));
	for (n = 240; n < 248; n++) {
		domain[n] = '\0';
		is_int(smtp_path_parse(span("TO:<postmaster>"), "TO:", false,
		    domain, 0, &path), n + 11 <= ADDR_MAX ? OK : ADR,
		    "the postmaster of a name of %zu bytes", n);
		domain[n] = 'a';
	}
	is_int(smtp_path_parse(span("TO:<j\xc3\xbcrg@b>"), "TO:", false, NULL,
	    ADDR_UTF8, &path), OK, "UTF-8 when it is allowed");
	is_int(smtp_path_parse(span("TO:<a@[192.0.2.1]>"), "TO:", false, NULL,
	    0, &path), OK, "a literal");
	ok(path.literal, "is seen to be one");
}

/* Every byte at every place of a good command: what is taken stays whole. */
static void
test_path_bytes(void)
{
	static const char plain[] = "FROM:<al@ex.org> SIZE=1";
	char text[sizeof(plain)];
	struct smtp_path path;
	enum smtp_path_error e;
	size_t at, n = sizeof(plain) - 1;
	int c;

	for (at = 0; at < n; at++)
		for (c = 0; c <= ' '; c++) {
			memcpy(text, plain, sizeof(plain));
			text[at] = (char)c;
			e = smtp_path_parse((struct span){ text, n }, "FROM:",
			    true, NULL, 0, &path);
			/* Behind the path a space may make two parameters. */
			is_int(e == SMTP_PATH_OK, c == ' ' && at >= 16 &&
			    at != 20 && at + 1 < n,
			    "byte %02x at %zu", c, at);
		}
}

/* --- parameters -------------------------------------------------------------------------------- */

static const struct param_case {
	const char *text, *key, *value;	/* value NULL: none; key NULL: bad */
} params[] = {
	{ "SIZE=1", "SIZE", "1" }, { "size=1", "size", "1" },
	{ "SIZE", "SIZE", NULL }, { "SMTPUTF8", "SMTPUTF8", NULL },
	{ "BODY=8BITMIME", "BODY", "8BITMIME" }, { "X-a=b", "X-a", "b" },
	{ "1=2", "1", "2" }, { "a-=b", "a-", "b" }, { "A1-b=<>", "A1-b", "<>" },
	{ "AUTH=<>", "AUTH", "<>" }, { "AUTH=a+2Bb@c", "AUTH", "a+2Bb@c" },
	{ "ORCPT=rfc822;a@b", "ORCPT", "rfc822;a@b" },
	{ "ENVID=a+0D+0Ab", "ENVID", "a+0D+0Ab" },
	{ "NOTIFY=SUCCESS,FAILURE", "NOTIFY", "SUCCESS,FAILURE" },
	{ "SIZE=-1", "SIZE", "-1" }, { "SIZE=1e9", "SIZE", "1e9" },
	{ "SIZE=99999999999999999999999", "SIZE", "99999999999999999999999" },
	{ "SIZE=\"1\"", "SIZE", "\"1\"" }, { "SIZE=0x10", "SIZE", "0x10" },
	{ "BY=120;R", "BY", "120;R" }, { "MT-PRIORITY=-3", "MT-PRIORITY", "-3" },
	{ "HOLDFOR=5", "HOLDFOR", "5" }, { "XORIG=a:b", "XORIG", "a:b" },
	{ "=1", NULL, NULL }, { "=", NULL, NULL }, { "SIZE=", NULL, NULL },
	{ "SIZE==1", NULL, NULL }, { "SIZE=1=2", NULL, NULL },
	{ "SIZE=1=", NULL, NULL }, { "-SIZE=1", NULL, NULL },
	{ "-", NULL, NULL }, { "SI ZE=1", "SI", NULL }, { "SI_ZE=1", NULL, NULL },
	{ "SI.ZE=1", NULL, NULL }, { "SIZE:1", NULL, NULL },
	{ "SIZE<1>", NULL, NULL }, { "<SIZE>=1", NULL, NULL },
	{ "SIZE\t=1", NULL, NULL }, { "SIZE=\t1", NULL, NULL },
	{ "SIZE=1\t", NULL, NULL }, { "SIZE=1\r", NULL, NULL },
	{ "SIZE=1\n", NULL, NULL }, { "SIZE=\x7f", NULL, NULL },
	{ "SIZE=\x01", NULL, NULL }, { "S\xc3\xbc=1", NULL, NULL },
	{ "ORCPT=utf-8;j\xc3\xbc@b", NULL, NULL }, { "AUTH=\xff", NULL, NULL },
	{ "*", NULL, NULL }, { "+", NULL, NULL }, { "\"\"", NULL, NULL },
	{ "(c)", NULL, NULL }, { "<c@d>", NULL, NULL }, { ",", NULL, NULL },
	{ ";SIZE=1", NULL, NULL }, { "@", NULL, NULL }, { "%", NULL, NULL },
};

static enum smtp_path_error
parse_params(const char *text, int flags, struct smtp_path *path)
{
	static char arg[2048];

	snprintf(arg, sizeof(arg), "FROM:<a@b> %s", text);
	return smtp_path_parse(span(arg), "FROM:", true, NULL, flags, path);
}

static void
test_params(void)
{
	struct smtp_path path;
	size_t i;

	for (i = 0; i < nitems(params); i++) {
		const struct param_case *c = &params[i];
		bool good = c->key != NULL;

		is_int(parse_params(c->text, 0, &path), good ? OK : PAR, "%s",
		    show(c->text, strlen(c->text)));
		if (!good)
			continue;
		is_span(path.params[0].key, c->key, "its keyword");
		ok(path.params[0].has_value == (c->value != NULL),
		    "whether it has a value");
		is_span(path.params[0].value, c->value == NULL ? "" : c->value,
		    "its value");
	}
	is_int(parse_params("A=j\xc3\xbc", ADDR_UTF8, &path), OK,
	    "UTF-8 in a value, when allowed");
	is_int(parse_params("A=j\xc3", ADDR_UTF8, &path), PAR,
	    "but not half of it");
	is_int(parse_params("j\xc3\xbc=A", ADDR_UTF8, &path), PAR,
	    "and never in a keyword");
}

/* Every byte as a keyword's first, a keyword's second, and in a value. */
static void
test_param_bytes(void)
{
	struct smtp_path path;
	char text[8];
	int c;
	bool word;

	for (c = 1; c < 256; c++) {
		if (c == ' ')
			continue;
		word = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
		    (c >= 'a' && c <= 'z');
		snprintf(text, sizeof(text), "%cK=v", c);
		is_int(parse_params(text, 0, &path), word ? OK : PAR,
		    "%s", show(text, strlen(text)));
		snprintf(text, sizeof(text), "K%cK=v", c);
		is_int(parse_params(text, 0, &path), c == '-' || word ? OK :
		    PAR, "%s", show(text, strlen(text)));
		snprintf(text, sizeof(text), "K=v%cv", c);
		is_int(parse_params(text, 0, &path), c > ' ' && c < 0x7f &&
		    c != '=' ? OK : PAR, "%s", show(text, strlen(text)));
	}
}

static void
test_many_params(void)
{
	struct smtp_path path;
	char text[512] = "";
	size_t i;

	for (i = 1; i <= SMTP_PARAMS_MAX + 4; i++) {
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
		    "K%zu=v ", i);
		text[strlen(text) - 1] = '\0';
		is_int(parse_params(text, 0, &path), i <= SMTP_PARAMS_MAX ?
		    OK : PAR, "%zu parameters", i);
		if (i <= SMTP_PARAMS_MAX)
			is_int(path.nparams, i, "all of them");
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
		    "%s", " ");
	}
}

/* --- xtext --------------------------------------------------------------------------------------- */

static const struct {
	const char *text, *value;	/* NULL: bad */
} xtexts[] = {
	{ "", "" }, { "abc", "abc" }, { "a+2Bb", "a+b" }, { "+3D", "=" },
	{ "+2B", "+" }, { "+20", " " }, { "a@b", "a@b" }, { "<>", "<>" },
	{ "+0D+0A", "\r\n" }, { "+FF", "\xff" }, { "+C3+BC", "\xc3\xbc" },
	{ "!~", "!~" }, { "+7F", "\x7f" }, { "+2B2B", "+2B" },
	{ "+", NULL }, { "+2", NULL }, { "a+", NULL }, { "a+2", NULL },
	{ "+2b", NULL }, { "+aB", NULL }, { "+Ab", NULL }, { "+GG", NULL },
	{ "+-1", NULL }, { "++2B", NULL }, { "+ 2", NULL }, { "+2+", NULL },
	{ "a=b", NULL }, { "=", NULL }, { "a b", NULL }, { " ", NULL },
	{ "a\tb", NULL }, { "a\r\nb", NULL }, { "\x7f", NULL }, { "\x80", NULL },
	{ "j\xc3\xbc", NULL }, { "+0x", NULL }, { "+:0", NULL }, { "+0/", NULL },
	{ "+@0", NULL },
};

static void
test_xtext_round(void)
{
	uint8_t bytes[256];
	char text[3 * sizeof(bytes) + 1];
	size_t i, n, len, wrong = 0;
	struct buf back;

	buf_init(&back, sizeof(bytes));
	for (i = 0; i < 20000; i++) {
		for (n = 0; n < (i == 0 ? 256 : i % 257); n++)
			bytes[n] = (uint8_t)(i == 0 ? n : rnd(256));
		len = xtext_encode(bytes, n, i % 2 == 0, text);
		buf_reset(&back);
		wrong += smtp_xtext_decode((struct span){ text, len }, &back) ==
		    -1 || back.len != n || memcmp(back.data, bytes, n) != 0;
	}
	is_int(wrong, 0, "all bytes, and 20,000 strings of them, come back");
	buf_clear(&back);
}

static void
test_xtext(void)
{
	char text[5];
	struct buf out;
	size_t i;
	int c;

	buf_init(&out, 16);
	for (i = 0; i < nitems(xtexts); i++) {
		buf_reset(&out);
		is_int(smtp_xtext_decode(span(xtexts[i].text), &out),
		    xtexts[i].value == NULL ? -1 : 0, "xtext %s",
		    show(xtexts[i].text, strlen(xtexts[i].text)));
		if (xtexts[i].value != NULL)
			is_str(buf_str(&out), xtexts[i].value, "its value");
	}
	for (c = 0; c < 256; c++) {
		snprintf(text, sizeof(text), "+%02X", c);
		buf_reset(&out);
		ok(smtp_xtext_decode(span(text), &out) == 0 && out.len == 1 &&
		    out.data[0] == c, "xtext %s", text);
		text[0] = (char)c;
		buf_reset(&out);
		is_int(smtp_xtext_decode((struct span){ text, 1 }, &out),
		    c > ' ' && c < 0x7f && c != '+' && c != '=' ? 0 : -1,
		    "xtext byte %02x", c);
	}
	buf_clear(&out);
	buf_init(&out, 2);
	is_int(smtp_xtext_decode(span("a+20"), &out), 0, "room enough");
	buf_reset(&out);
	is_int(smtp_xtext_decode(span("a+20b"), &out), -1, "and too little");
	buf_clear(&out);
}

int
main(void)
{
	test_split();
	test_paths(senders, nitems(senders), true);
	test_paths(recipients, nitems(recipients), false);
	test_postmaster();
	test_path_bytes();
	test_params();
	test_param_bytes();
	test_many_params();
	test_xtext();
	test_xtext_round();
	return tap_done();
}
