/* lib/header: fields, folds, and where the header section ends. */
#include "lib/prelude.h"

#include "lib/header.h"
#include "tests/show.h"
#include "tests/tap.h"

/* What is seen of a text: "name=value|name=value" and how it ended. */
static const struct {
	const char *text;
	const char *fields;
	enum header_next end;
	size_t	 rest;		/* bytes behind the header section */
} cases[] = {
	{ "", "", HEADER_END, 0 },
	{ "\r\n", "", HEADER_END, 0 },
	{ "\r\nbody\r\n", "", HEADER_END, 6 },
	{ "A: b\r\n", "A= b", HEADER_END, 0 },
	{ "A: b\r\n\r\n", "A= b", HEADER_END, 0 },
	{ "A: b\r\n\r\nC: d\r\n", "A= b", HEADER_END, 6 },
	{ "A:b\r\nC:\r\n\r\nx", "A=b|C=", HEADER_END, 1 },
	{ "A: b\r\n c\r\n\td\r\n\r\n", "A= b   c  \td", HEADER_END, 0 },
	{ "A: b\r\n \r\nC: d\r\n\r\n", "A= b   |C= d", HEADER_END, 0 },
	{ "A:\r\n b\r\n\r\n", "A=   b", HEADER_END, 0 },
	{ "A : b\r\n\r\n", "A= b", HEADER_END, 0 },
	{ "A\t: b\r\n\r\n", "A= b", HEADER_END, 0 },
	{ "A: b: c\r\n\r\n", "A= b: c", HEADER_END, 0 },
	{ "A:: b\r\n\r\n", "A=: b", HEADER_END, 0 },
	{ "!~#: b\r\n\r\n", "!~#= b", HEADER_END, 0 },
	{ "A: \xff\xc3\xbc\r\n\r\n", "A= \xff\xc3\xbc", HEADER_END, 0 },
	{ "body\r\n", "", HEADER_BODY, 6 },
	{ "body\r\n\r\n", "", HEADER_BODY, 8 },
	{ ": b\r\n\r\n", "", HEADER_BODY, 7 },
	{ " A: b\r\n\r\n", "", HEADER_BODY, 9 },
	{ "\tA: b\r\n\r\n", "", HEADER_BODY, 9 },
	{ "A b: c\r\n\r\n", "", HEADER_BODY, 10 },
	{ "A(c): b\r\nbody", "A(c)= b", HEADER_BODY, 4 },
	{ "\xc3\xbc: b\r\n\r\n", "", HEADER_BODY, 9 },
	{ "A\x7f: b\r\n\r\n", "", HEADER_BODY, 9 },
	{ "A\x01: b\r\n\r\n", "", HEADER_BODY, 9 },
	{ "From alice Mon Nov 23\r\nA: b\r\n", "", HEADER_BODY, 29 },
	{ ">From alice\r\nA: b\r\n", "", HEADER_BODY, 19 },
	{ "A: b\r\nbody\r\n\r\nx", "A= b", HEADER_BODY, 9 },
	{ "A: b\r\n:\r\n\r\n", "A= b", HEADER_BODY, 5 },
	{ "A\r\n: b\r\n\r\n", "", HEADER_BODY, 10 },
	{ "A: b", "A= b", HEADER_END, 0 },
	{ "A:", "A=", HEADER_END, 0 },
	{ "A", "", HEADER_BODY, 1 },
	{ "A: b\r\n c", "A= b   c", HEADER_END, 0 },
	{ "Bcc: a@b\r\nbCC : c@d\r\n e@f\r\nTo: g@h\r\n\r\n",
	  "Bcc= a@b|bCC= c@d   e@f|To= g@h", HEADER_END, 0 },
};

/* CR and LF show as spaces, the final CRLF does not show. */
static void
seen(const char *text, size_t n, char *out, size_t max, enum header_next *end,
    size_t *rest)
{
	struct header_field f;
	size_t at = 0, len = 0, i, before, expected = 0;

	out[0] = '\0';
	for (;;) {
		before = at;
		*end = header_next(text, n, &at, &f);
		if (*end != HEADER_FIELD)
			break;
		/* Fields lie side by side, value and name inside. */
		if (f.whole != text + before || f.name != f.whole ||
		    f.whole_len != at - before || at <= before ||
		    f.value + f.value_len != f.whole + f.whole_len ||
		    f.value[-1] != ':')
			expected++;
		len += (size_t)snprintf(out + len, max - len, "%s%.*s=",
		    len == 0 ? "" : "|", (int)f.name_len, f.name);
		if (f.value_len >= 2 && memcmp(f.value + f.value_len - 2,
		    "\r\n", 2) == 0)
			f.value_len -= 2;
		for (i = 0; i < f.value_len && len + 1 < max; i++)
			out[len++] = f.value[i] == '\r' || f.value[i] == '\n' ?
			    ' ' : f.value[i];
		out[len] = '\0';
	}
	*rest = n - at;
	is_int(expected, 0, "spans fit together");
}

static void
test_cases(void)
{
	enum header_next end;
	char out[512];
	size_t i, n, rest;

	for (i = 0; i < nitems(cases); i++) {
		n = strlen(cases[i].text);
		seen(cases[i].text, n, out, sizeof(out), &end, &rest);
		is_str(out, cases[i].fields, "%s", show(cases[i].text, n));
		ok(end == cases[i].end && rest == cases[i].rest,
		    "its end (%d, %zu left)", end, rest);
	}
}

/* Every byte at the three places of a field that matter. */
static void
test_bytes(void)
{
	struct header_field f;
	char text[32];
	size_t at;
	int c;

	for (c = 0; c < 256; c++) {
		bool name = c > ' ' && c < 0x7f && c != ':';

		memcpy(text, "Xbc: d\r\n\r\n", 11);
		text[0] = (char)c;
		at = 0;
		is_int(header_next(text, 10, &at, &f), name ? HEADER_FIELD :
		    HEADER_BODY, "byte %02x begins a name", c);
		memcpy(text, "aXc: d\r\n\r\n", 11);
		text[1] = (char)c;
		at = 0;
		is_int(header_next(text, 10, &at, &f), name || c == ':' ?
		    HEADER_FIELD : HEADER_BODY, "byte %02x inside a name", c);
		memcpy(text, "abc: d\r\nX\r\n\r\n", 14);
		text[8] = (char)c;
		at = 0;
		is_int(header_next(text, 13, &at, &f), HEADER_FIELD,
		    "the field before byte %02x", c);
		is_int(at, c == ' ' || c == '\t' ? 11 : 8,
		    "byte %02x folds or not", c);
	}
}

static void
test_names(void)
{
	static const char text[] = "Message-Id: <a@b>\r\n";
	struct header_field f;
	size_t at = 0;

	header_next(text, sizeof(text) - 1, &at, &f);
	ok(header_is(&f, "Message-ID"), "case is ignored");
	ok(!header_is(&f, "Message-I") && !header_is(&f, "Message-IDs") &&
	    !header_is(&f, ""), "length is not");
}

/* --- the end ------------------------------------------------------------------------------ */

static const struct {
	const char *text;
	bool	 found;
	size_t	 len;
} ends[] = {
	{ "", false, 0 }, { "\r", false, 0 }, { "\r\n", true, 2 },
	{ "\r\nbody", true, 2 }, { "A: b\r\n", false, 0 },
	{ "A: b\r\n\r", false, 0 }, { "A: b\r\n\r\n", true, 8 },
	{ "A: b\r\n\r\nC: d\r\n\r\n", true, 8 }, { "A: b", false, 0 },
	{ "body\r\n", false, 0 }, { "body", false, 0 },
	{ "body text\r\nA: b\r\n\r\n", true, 19 }, { " A: b\r\n", false, 0 },
	{ "From a\r\nA: b\r\n\r\n", true, 16 }, { ":\r\n", false, 0 },
	{ "A: b\r\n \r\n\r\n", true, 11 }, { "A: b\r\nbody\r\n", false, 0 },
	{ "A: b\r\nbody\r\n\r\n", true, 14 },
	{ "A:\r\n\r\n\r\n", true, 6 },
};

/* The first length at which it is found, growing by step bytes. */
static bool
find_growing(const char *text, size_t n, size_t step, size_t *len)
{
	size_t from = 0, have;

	for (have = 0; have < n; from = have) {
		have = n - have < step ? n : have + step;
		if (header_find_end(text, have, from, len))
			return true;
	}
	return n == 0 && header_find_end(text, 0, 0, len);
}

static void
test_ends(void)
{
	size_t i, n, len, step;

	for (i = 0; i < nitems(ends); i++) {
		n = strlen(ends[i].text);
		ok(header_find_end(ends[i].text, n, 0, &len) == ends[i].found &&
		    len == ends[i].len, "%s", show(ends[i].text, n));
		for (step = 1; step < 8; step++)
			ok(find_growing(ends[i].text, n, step, &len) ==
			    ends[i].found && (!ends[i].found ||
			    len == ends[i].len), "in steps of %zu: %s", step,
			    show(ends[i].text, n));
	}
}

static void
test_random(void)
{
	static const char *const bits[] = { "A", ":", " ", "\r\n", "\r\n\r\n",
	    "Bcc: x\r\n", "\t", "b", "\r\n ", "\xff" };
	size_t i, j, n, len, grown, step, wrong = 0, found = 0, at;
	struct header_field f;
	char text[128];
	bool there;

	for (i = 0; i < 40000; i++) {
		text[0] = '\0';
		for (j = rnd(12); j > 0; j--)
			snprintf(text + strlen(text), sizeof(text) -
			    strlen(text), "%s", bits[rnd(nitems(bits))]);
		n = strlen(text);
		there = header_find_end(text, n, 0, &len);
		step = 1 + rnd(9);
		if (find_growing(text, n, step, &grown) != there ||
		    (there && grown != len))
			wrong++;
		found += there;
		for (at = 0; header_next(text, n, &at, &f) == HEADER_FIELD; )
			if (at > n || f.value + f.value_len != text + at)
				wrong++;
	}
	ok(found > 5000, "many random headers end");
	is_int(wrong, 0, "at the same place however they arrive");
}

int
main(void)
{
	test_cases();
	test_bytes();
	test_names();
	test_ends();
	test_random();
	return tap_done();
}
