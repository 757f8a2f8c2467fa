/* lib/smtp_reply: any server's answer is understood, or known to be none. */
#include "lib/prelude.h"

#include "lib/smtp_reply.h"
#include "tests/show.h"
#include "tests/tap.h"

#define S(text) text, sizeof(text) - 1

enum { MORE = SMTP_REPLY_MORE, DONE = SMTP_REPLY_DONE, BAD = SMTP_REPLY_BAD };

static const struct reply_case {
	const char *wire;
	size_t	 n;
	int	 got;
	int	 code;
	const char *status, *text;
	size_t	 left;		/* bytes behind the reply */
} cases[] = {
	{ S(""), MORE, 0, "", "", 0 },
	{ S("2"), MORE, 0, "", "", 1 },
	{ S("250 ok"), MORE, 0, "", "", 6 },
	{ S("250 ok\r"), MORE, 0, "", "", 7 },
	{ S("250-ok\r\n"), MORE, 250, "", "ok", 0 },
	{ S("250 ok\r\n"), DONE, 250, "", "ok", 0 },
	{ S("250\r\n"), DONE, 250, "", "", 0 },
	{ S("250 \r\n"), DONE, 250, "", "", 0 },
	{ S("250  two\r\n"), DONE, 250, "", " two", 0 },
	{ S("250 ok\r\n354 go\r\n"), DONE, 250, "", "ok", 8 },
	{ S("250 2.0.0 ok\r\n"), DONE, 250, "2.0.0", "2.0.0 ok", 0 },
	{ S("250 2.1.5\r\n"), DONE, 250, "2.1.5", "2.1.5", 0 },
	{ S("550 5.1.1 no\r\n"), DONE, 550, "5.1.1", "5.1.1 no", 0 },
	{ S("450 4.999.999 a\r\n"), DONE, 450, "4.999.999", "4.999.999 a", 0 },
	{ S("550 5.1000.1 a\r\n"), DONE, 550, "", "5.1000.1 a", 0 },
	{ S("550 5.1.1000 a\r\n"), DONE, 550, "", "5.1.1000 a", 0 },
	{ S("550 4.1.1 a\r\n"), DONE, 550, "", "4.1.1 a", 0 },
	{ S("250 5.1.1 a\r\n"), DONE, 250, "", "5.1.1 a", 0 },
	{ S("354 3.0.0 a\r\n"), DONE, 354, "", "3.0.0 a", 0 },
	{ S("550 5.1 a\r\n"), DONE, 550, "", "5.1 a", 0 },
	{ S("550 5..1 a\r\n"), DONE, 550, "", "5..1 a", 0 },
	{ S("550 5.1. a\r\n"), DONE, 550, "", "5.1. a", 0 },
	{ S("550 5.1.1.1 a\r\n"), DONE, 550, "", "5.1.1.1 a", 0 },
	{ S("550 5.1.1a\r\n"), DONE, 550, "", "5.1.1a", 0 },
	{ S("550 5.1.1: a\r\n"), DONE, 550, "", "5.1.1: a", 0 },
	{ S("550 5 1 1\r\n"), DONE, 550, "", "5 1 1", 0 },
	{ S("550 55.1.1 a\r\n"), DONE, 550, "", "55.1.1 a", 0 },
	{ S("550  5.1.1 a\r\n"), DONE, 550, "", " 5.1.1 a", 0 },
	{ S("550-5.1.1 a\r\n550 5.1.1 b\r\n"), DONE, 550, "5.1.1",
	  "5.1.1 a\n5.1.1 b", 0 },
	{ S("550-5.1.1 a\r\n550 b\r\n"), DONE, 550, "5.1.1", "5.1.1 a\nb", 0 },
	{ S("550-5.1.1 a\r\n550 5.7.1 b\r\n"), DONE, 550, "5.7.1",
	  "5.1.1 a\n5.7.1 b", 0 },
	{ S("250-a\r\n250-b\r\n250 c\r\n"), DONE, 250, "", "a\nb\nc", 0 },
	{ S("250-\r\n250\r\n"), DONE, 250, "", "\n", 0 },
	{ S("250-a\r\n250\r\n220 x\r\n"), DONE, 250, "", "a\n", 7 },
	{ S("250 \xff\x01\t\x7f~\r\n"), DONE, 250, "", "????~", 0 },
	{ S("250-a\r\n251 b\r\n"), BAD, 0, "", NULL, 0 },
	{ S("250-a\r\n550 b\r\n"), BAD, 0, "", NULL, 0 },
	{ S("250-a\r\nb\r\n"), BAD, 0, "", NULL, 0 },
	{ S("\r\n"), BAD, 0, "", NULL, 0 },
	{ S("ok\r\n"), BAD, 0, "", NULL, 0 },
	{ S("25\r\n"), BAD, 0, "", NULL, 0 },
	{ S("25 ok\r\n"), BAD, 0, "", NULL, 0 },
	{ S("2500 ok\r\n"), BAD, 0, "", NULL, 0 },
	{ S("250_ok\r\n"), BAD, 0, "", NULL, 0 },
	{ S("250\tok\r\n"), BAD, 0, "", NULL, 0 },
	{ S("250ok\r\n"), BAD, 0, "", NULL, 0 },
	{ S(" 250 ok\r\n"), BAD, 0, "", NULL, 0 },
	{ S("150 ok\r\n"), BAD, 0, "", NULL, 0 },
	{ S("050 ok\r\n"), BAD, 0, "", NULL, 0 },
	{ S("600 ok\r\n"), BAD, 0, "", NULL, 0 },
	{ S("999 ok\r\n"), BAD, 0, "", NULL, 0 },
	{ S("2a0 ok\r\n"), BAD, 0, "", NULL, 0 },
	{ S("25a ok\r\n"), BAD, 0, "", NULL, 0 },
	{ S("+50 ok\r\n"), BAD, 0, "", NULL, 0 },
	{ S("-250 ok\r\n"), BAD, 0, "", NULL, 0 },
	{ S("250 ok\n"), BAD, 0, "", NULL, 0 },
	{ S("250 ok\n250 ok\r\n"), BAD, 0, "", NULL, 0 },
	{ S("250 o\rk\r\n"), BAD, 0, "", NULL, 0 },
	{ S("250 ok\r\r\n"), BAD, 0, "", NULL, 0 },
	{ S("250 o\0k\r\n"), BAD, 0, "", NULL, 0 },
	{ S("\0\0\0\r\n"), BAD, 0, "", NULL, 0 },
	{ S("HTTP/1.1 400 Bad Request\r\n\r\n"), BAD, 0, "", NULL, 0 },
	{ S("SSH-2.0-OpenSSH_9.2\r\n"), BAD, 0, "", NULL, 0 },
	{ S("* OK IMAP4rev1\r\n"), BAD, 0, "", NULL, 0 },
	{ S("+OK POP3\r\n"), BAD, 0, "", NULL, 0 },
	{ S("\x15\x03\x01\x00\x02\x02\x46\r\n"), BAD, 0, "", NULL, 0 },
};

/* Feeds as a stream would: what is not used is shown again with more. */
static int
feed(struct smtp_reply *r, const char *p, size_t n, size_t step, size_t *left)
{
	size_t at = 0, have = 0, used;
	int got = MORE;

	smtp_reply_reset(r);
	while (got == MORE && have < n) {
		have = n - have < step ? n : have + step;
		got = smtp_reply_feed(r, (const uint8_t *)p + at, have - at,
		    &used);
		at += used;
	}
	*left = n - at;
	return got;
}

static bool
as_it_should(const struct reply_case *c, const struct smtp_reply *r, int got,
    size_t left)
{
	if (got != c->got)
		return false;
	if (got == BAD)
		return r->why != NULL;
	return r->why == NULL && r->code == c->code && left == c->left &&
	    strcmp(r->status, c->status) == 0 &&
	    strcmp(buf_str(&r->text), c->text) == 0;
}

static void
test_cases(void)
{
	struct smtp_reply r;
	size_t i, left, step, wrong;
	int got;

	smtp_reply_init(&r);
	for (i = 0; i < nitems(cases); i++) {
		got = feed(&r, cases[i].wire, cases[i].n, SIZE_MAX, &left);
		ok(as_it_should(&cases[i], &r, got, left),
		    "%s: %d %d %s, %zu left", show(cases[i].wire, cases[i].n),
		    got, r.code, r.why == NULL ? "" : r.why, left);
		for (wrong = 0, step = 1; step < cases[i].n; step++) {
			got = feed(&r, cases[i].wire, cases[i].n, step, &left);
			wrong += !as_it_should(&cases[i], &r, got, left);
		}
		is_int(wrong, 0, "the same in pieces: %s",
		    show(cases[i].wire, cases[i].n));
	}
	smtp_reply_clear(&r);
}

/* Every byte at each of the first five places. */
static void
test_bytes(void)
{
	struct smtp_reply r;
	size_t at, left;
	char text[8];
	bool good;
	int c, got;

	smtp_reply_init(&r);
	for (at = 0; at < 5; at++)
		for (c = 0; c < 256; c++) {
			memcpy(text, "250 a\r\n", 8);
			text[at] = (char)c;
			got = feed(&r, text, 7, SIZE_MAX, &left);
			good = at == 0 ? c >= '2' && c <= '5' :
			    at < 3 ? c >= '0' && c <= '9' :
			    at == 3 ? c == ' ' || c == '-' :
			    c != '\r' && c != '\n' && c != '\0';
			is_int(got, !good ? BAD : c == '-' && at == 3 ? MORE :
			    DONE, "byte %02x at %zu", c, at);
		}
	smtp_reply_clear(&r);
}

/* --- bounds -------------------------------------------------------------------------------- */

static void
test_line_length(void)
{
	static char line[SMTP_REPLY_LINE_MAX + 16];
	struct smtp_reply r;
	size_t n, left;
	int got;

	smtp_reply_init(&r);
	for (n = SMTP_REPLY_LINE_MAX - 4; n < SMTP_REPLY_LINE_MAX + 4; n++) {
		memset(line, 'a', sizeof(line));
		memcpy(line, "250 ", 4);
		memcpy(line + n - 2, "\r\n", 2);
		got = feed(&r, line, n, SIZE_MAX, &left);
		is_int(got, n <= SMTP_REPLY_LINE_MAX ? DONE : BAD,
		    "a line of %zu", n);
		ok(r.text.len <= SMTP_REPLY_TEXT_MAX, "not all is kept");
	}
	memset(line, '2', sizeof(line));
	is_int(feed(&r, line, sizeof(line), 1000, &left), BAD, "no end at all");
	smtp_reply_clear(&r);
}

static void
test_line_count(void)
{
	struct smtp_reply r;
	struct buf wire;
	size_t n, i, left;

	smtp_reply_init(&r);
	buf_init(&wire, 1 << 20);
	for (n = SMTP_REPLY_LINES_MAX - 2; n < SMTP_REPLY_LINES_MAX + 3; n++) {
		buf_reset(&wire);
		for (i = 1; i < n; i++)
			buf_adds(&wire, "250-a long enough text\r\n");
		buf_adds(&wire, "250 end\r\n");
		is_int(feed(&r, buf_str(&wire), wire.len, 777, &left),
		    n <= SMTP_REPLY_LINES_MAX ? DONE : BAD, "%zu lines", n);
		ok(r.text.len <= SMTP_REPLY_TEXT_MAX, "not all is kept");
	}
	buf_clear(&wire);
	smtp_reply_clear(&r);
}

/* Lines are kept whole or not at all: half a word may be another word. */
static void
test_whole_lines(void)
{
	struct smtp_reply r;
	struct buf wire;
	size_t i, n, left, wrong = 0, kept = 0;
	const char *line;

	smtp_reply_init(&r);
	buf_init(&wire, 1 << 20);
	buf_adds(&wire, "250-mx\r\n");
	for (i = 0; i < 400; i++)
		buf_addf(&wire, "250-AUTH PLAIN LOGIN X-%0*zu Z\r\n",
		    (int)(i % 90) + 1, i);
	buf_adds(&wire, "250 AUTH END\r\n");
	is_int(feed(&r, buf_str(&wire), wire.len, SIZE_MAX, &left), DONE,
	    "400 long lines");
	for (i = 0; (line = smtp_reply_next_line(&r, &i, &n)) != NULL; kept++)
		wrong += n < 8 || (memcmp(line + n - 2, " Z", 2) != 0 &&
		    memcmp(line + n - 4, " END", 4) != 0);
	ok(kept > 100 && kept < 400, "%zu of them are kept", kept);
	is_int(wrong, 0, "each of them whole");
	buf_clear(&wire);
	smtp_reply_clear(&r);
}

/* --- EHLO ------------------------------------------------------------------------------------- */

static void
ehlo(const char *wire, const char *want)
{
	struct smtp_reply r;
	char seen[128] = "";
	const char *line;
	size_t at = 0, len, left;

	smtp_reply_init(&r);
	feed(&r, wire, strlen(wire), SIZE_MAX, &left);
	while ((line = smtp_reply_next_line(&r, &at, &len)) != NULL)
		snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen),
		    "[%.*s]", (int)len, line);
	is_str(seen, want, "%s", show(wire, strlen(wire)));
	ok(smtp_reply_next_line(&r, &at, &len) == NULL, "the end stays it");
	smtp_reply_clear(&r);
}

static void
test_ehlo(void)
{
	ehlo("250 mx\r\n", "");
	ehlo("250\r\n", "");
	ehlo("250-mx\r\n250 SIZE 100\r\n", "[SIZE 100]");
	ehlo("250-mx\r\n250-SIZE\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME\r\n",
	    "[SIZE][AUTH PLAIN LOGIN][8BITMIME]");
	ehlo("250-mx\r\n250-\r\n250 A\r\n", "[][A]");
	ehlo("250-mx\r\n250-A\r\n250\r\n", "[A][]");
	ehlo("250-\r\n250 A\r\n", "[A]");
	ehlo("250-STARTTLS\r\n250 A\r\n", "[A]");
}

int
main(void)
{
	test_cases();
	test_bytes();
	test_line_length();
	test_line_count();
	test_whole_lines();
	test_ehlo();
	return tap_done();
}
