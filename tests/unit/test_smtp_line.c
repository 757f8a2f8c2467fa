/* lib/smtp_line: CRLF ends a line and nothing else does. */
#include "lib/prelude.h"

#include "lib/smtp_line.h"
#include "tests/show.h"
#include "tests/tap.h"

#define MAX 32

#define S(text) text, sizeof(text) - 1

static const struct {
	const char *text;
	size_t	 n;
	enum smtp_line what;
	size_t	 len, used;
} cases[] = {
	{ S(""), SMTP_LINE_MORE, 0, 0 },
	{ S("Q"), SMTP_LINE_MORE, 0, 0 },
	{ S("QUIT"), SMTP_LINE_MORE, 0, 0 },
	{ S("QUIT\r"), SMTP_LINE_MORE, 0, 0 },
	{ S("\r"), SMTP_LINE_MORE, 0, 0 },
	{ S("\r\n"), SMTP_LINE_OK, 0, 2 },
	{ S("QUIT\r\n"), SMTP_LINE_OK, 4, 6 },
	{ S("QUIT\r\nNOOP"), SMTP_LINE_OK, 4, 6 },
	{ S("QUIT\r\nNO\rOP\n"), SMTP_LINE_OK, 4, 6 },
	{ S("\r\n\r\n"), SMTP_LINE_OK, 0, 2 },
	{ S("a\tb \x7f\xff\r\n"), SMTP_LINE_OK, 6, 8 },
	{ S("\n"), SMTP_LINE_BAD, 0, 0 },
	{ S("\n\r\n"), SMTP_LINE_BAD, 0, 3 },
	{ S("QUIT\n"), SMTP_LINE_BAD, 4, 0 },
	{ S("QUIT\nQUIT\r\n"), SMTP_LINE_BAD, 4, 11 },
	{ S("QUIT\n\r\n"), SMTP_LINE_BAD, 4, 7 },
	{ S("QUIT\r\r\n"), SMTP_LINE_BAD, 4, 7 },
	{ S("QUIT\r\r"), SMTP_LINE_BAD, 4, 0 },
	{ S("QUIT\rX"), SMTP_LINE_BAD, 4, 0 },
	{ S("QU\rIT\r\n"), SMTP_LINE_BAD, 2, 7 },
	{ S("\r\r\n"), SMTP_LINE_BAD, 0, 3 },
	{ S("\n\r"), SMTP_LINE_BAD, 0, 0 },
	{ S("QU\0IT\r\n"), SMTP_LINE_BAD, 2, 7 },
	{ S("\0"), SMTP_LINE_BAD, 0, 0 },
	{ S("\0\r\n"), SMTP_LINE_BAD, 0, 3 },
	{ S("QUIT\0\r\n"), SMTP_LINE_BAD, 4, 7 },
	{ S("QUIT\r\0\n"), SMTP_LINE_BAD, 4, 0 },
	{ S("EHLO a\nMAIL FROM:<b@c>\nRCPT TO"), SMTP_LINE_BAD, 6, 0 },
	/* Exactly MAX, one less and one more, with and without an end. */
	{ S("123456789012345678901234567890\r\n"), SMTP_LINE_OK, 30, 32 },
	{ S("12345678901234567890123456789\r\n"), SMTP_LINE_OK, 29, 31 },
	{ S("1234567890123456789012345678901\r\n"), SMTP_LINE_LONG, 0, 0 },
	{ S("1234567890123456789012345678901"), SMTP_LINE_MORE, 0, 0 },
	{ S("12345678901234567890123456789012"), SMTP_LINE_LONG, 0, 0 },
	{ S("1234567890123456789012345678901\r"), SMTP_LINE_LONG, 0, 0 },
	{ S("123456789012345678901234567890\r"), SMTP_LINE_MORE, 0, 0 },
	{ S("123456789012345678901234567890\rX"), SMTP_LINE_BAD, 30, 0 },
	{ S("1234567890123456789012345678901\n"), SMTP_LINE_BAD, 31, 0 },
	{ S("12345678901234567890123456789012\n"), SMTP_LINE_LONG, 0, 0 },
	{ S("1234567890\n2345678901234567890123456\r\n"), SMTP_LINE_BAD, 10,
	    0 },
};

static void
test_cases(void)
{
	enum smtp_line what;
	size_t i, len, used;

	for (i = 0; i < nitems(cases); i++) {
		what = smtp_line_next((const uint8_t *)cases[i].text,
		    cases[i].n, MAX, &len, &used);
		ok(what == cases[i].what && len == cases[i].len &&
		    used == cases[i].used, "%s (%d %zu %zu)",
		    show(cases[i].text, cases[i].n), what, len, used);
	}
}

/* Every byte at every place of a command: four spoil it, all others do not. */
static void
test_bytes(void)
{
	char line[16];
	enum smtp_line what, want;
	size_t at, len, used;
	int c;

	for (c = 0; c < 256; c++)
		for (at = 0; at < 6; at++) {
			snprintf(line, sizeof(line), "abcdef\r\n");
			line[at] = (char)c;
			want = c == '\r' || c == '\n' || c == '\0' ?
			    SMTP_LINE_BAD : SMTP_LINE_OK;
			what = smtp_line_next((uint8_t *)line, 8, MAX, &len,
			    &used);
			ok(what == want && used == 8 &&
			    len == (want == SMTP_LINE_OK ? 6 : at),
			    "byte %02x at %zu", c, at);
		}
}

/* What a reader sees that gets the bytes one by one. */
static enum smtp_line
one_by_one(const uint8_t *p, size_t n, size_t *len)
{
	enum smtp_line what = SMTP_LINE_MORE;
	size_t i, used;

	for (i = 1; i <= n && what == SMTP_LINE_MORE; i++)
		what = smtp_line_next(p, i, MAX, len, &used);
	return what;
}

static void
test_pieces(void)
{
	static const char alphabet[] = { 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h',
	    '\r', '\n', '\0', '\r' };
	size_t seen[4] = { 0 }, i, j, n, len, len1, used, wrong = 0;
	enum smtp_line what, what1;
	uint8_t text[48];

	for (i = 0; i < nitems(cases); i++) {
		what1 = one_by_one((const uint8_t *)cases[i].text, cases[i].n,
		    &len1);
		ok(what1 == cases[i].what && (what1 == SMTP_LINE_MORE ||
		    len1 == cases[i].len), "byte by byte: %s",
		    show(cases[i].text, cases[i].n));
	}
	for (i = 0; i < 50000; i++) {
		n = 1 + rnd(sizeof(text));
		for (j = 0; j < n; j++)
			text[j] = (uint8_t)alphabet[rnd(i % 3 == 0 ? 12 : 8)];
		if (i % 2 == 0 && n >= 2)
			memcpy(text + n - 2, "\r\n", 2);
		what = smtp_line_next(text, n, MAX, &len, &used);
		what1 = one_by_one(text, n, &len1);
		wrong += what != what1 || (what != SMTP_LINE_MORE && len != len1);
		seen[what]++;
	}
	ok(seen[SMTP_LINE_MORE] > 500 && seen[SMTP_LINE_OK] > 500 &&
	    seen[SMTP_LINE_BAD] > 500 && seen[SMTP_LINE_LONG] > 500,
	    "random bytes meet every result");
	is_int(wrong, 0, "and the same one however they arrive");
}

int
main(void)
{
	test_cases();
	test_bytes();
	test_pieces();
	return tap_done();
}
