/* lib/smtp_data, receiving: only CRLF.CRLF ends, however the bytes arrive. */
#include "lib/prelude.h"

#include "lib/smtp_data.h"
#include "lib/smtp_line.h"
#include "tests/show.h"
#include "tests/tap.h"
#include "tests/unit/data_forms.h"

#define TAIL "MAIL FROM:<x@y>\r\nRCPT TO:<z@y>\r\nDATA\r\nevil\r\n.\r\nQUIT\r\n"

static struct buf got;

static int
collect(const uint8_t *p, size_t n, void *arg)
{
	return buf_add(arg, p, n);
}

/* Feeds the pieces [0, cut) and [cut, n), or single bytes when cut is n + 1. */
static size_t
feed(struct smtp_data_in *d, const uint8_t *p, size_t n, size_t cut)
{
	size_t used = 0, step, end;

	buf_reset(&got);
	smtp_data_in_init(d);
	while (used < n && !d->ended) {
		end = cut > n ? used + 1 : used < cut ? cut : n;
		step = smtp_data_in_feed(d, p + used, end - used, collect,
		    &got);
		if (step != end - used && !d->ended)
			return SIZE_MAX;	/* it must eat all till the end */
		used += step;
	}
	return used;
}

/* Whether the receiver says of p what judge() said. */
static bool
agrees(const struct judged *j, const uint8_t *p, size_t n, size_t cut)
{
	struct smtp_data_in d;
	size_t used = feed(&d, p, n, cut);

	if (d.ended != j->ended || d.flaws != j->flaws)
		return false;
	if (!j->ended)
		return used == n;
	return used == j->used && (d.flaws != 0 || (got.len == j->content.len &&
	    d.size == got.len && (got.len == 0 ||
	    memcmp(got.data, j->content.data, got.len) == 0)));
}

/* In one piece, cut at every byte, and byte by byte. */
static size_t
disagreements(const struct judged *j, const uint8_t *p, size_t n)
{
	size_t cut, wrong = 0;

	for (cut = 0; cut <= n + 1; cut++)
		wrong += !agrees(j, p, n, cut);
	return wrong;
}

/* --- smuggling in ------------------------------------------------------------------------ */

static bool
ends_with_crlf(const struct form *f)
{
	return f->n >= 2 && memcmp(f->p + f->n - 2, "\r\n", 2) == 0;
}

static bool
begins_with_crlf(const struct form *f)
{
	return f->n >= 2 && memcmp(f->p, "\r\n", 2) == 0;
}

static void
smuggle(const char *head, const struct form *a, const struct form *b)
{
	bool early = ends_with_crlf(a) && begins_with_crlf(b);
	struct judged j;
	struct buf text;
	size_t first;

	buf_init(&text, DATA_TEXT_MAX);
	buf_adds(&text, head);
	buf_add(&text, a->p, a->n);
	buf_addc(&text, '.');
	first = text.len + 2;
	buf_add(&text, b->p, b->n);
	buf_adds(&text, TAIL);
	judge(text.data, text.len, &j);
	/* The judge himself is held to the rule. */
	ok(j.ended && j.used == (early ? first : text.len - 6),
	    "the end of <%s>.<%s>", show(a->p, a->n), show(b->p, b->n));
	is_int(disagreements(&j, text.data, text.len), 0,
	    "<%s>.<%s> whole and in pieces", show(a->p, a->n),
	    show(b->p, b->n));
	buf_clear(&j.content);
	buf_clear(&text);
}

static void
test_smuggling(void)
{
	size_t a, b;

	for (a = 0; a < nitems(line_ends); a++)
		for (b = 0; b < nitems(line_ends); b++)
			smuggle("Subject: a\r\n\r\nbody", &line_ends[a],
			    &line_ends[b]);
}

/* --- flaws ---------------------------------------------------------------------------------- */

static void
one_text(const uint8_t *p, size_t n, const char *what)
{
	struct judged j;

	judge(p, n, &j);
	is_int(disagreements(&j, p, n), 0, "%s: %s", what, show(p, n));
	buf_clear(&j.content);
}

/* CR, LF and NUL put in, and put in place, at every byte. */
static void
test_flaws(void)
{
	static const char plain[] = "ab\r\n..c\r\n\r\n.d\r\n e.\r\n.\r\nQUIT";
	static const char spoilers[] = { '\r', '\n', '\0', '.' };
	uint8_t text[sizeof(plain) + 1];
	size_t n = sizeof(plain) - 1, at, i;

	for (i = 0; i < nitems(spoilers); i++)
		for (at = 0; at <= n; at++) {
			memcpy(text, plain, at);
			text[at] = (uint8_t)spoilers[i];
			memcpy(text + at + 1, plain + at, n - at);
			one_text(text, n + 1, "put in");
			memcpy(text + at, plain + at, n - at);
			if (at < n) {
				text[at] = (uint8_t)spoilers[i];
				one_text(text, n, "in place");
			}
		}
	for (at = 0; at < n; at++) {
		memcpy(text, plain, at);
		memcpy(text + at, plain + at + 1, n - at - 1);
		one_text(text, n - 1, "a byte lost");
		one_text((const uint8_t *)plain, at, "cut off");
	}
}

/* --- dots ------------------------------------------------------------------------------------ */

static void
test_dots(void)
{
	static const char *const lines[] = {
		"", "a", "..", "...", "....", ".a", "..a", "a.", ". ", ". .",
		".\t", "a\r\n.", ".\xff", "..\r\n"
	};
	char text[64];
	size_t a, b;

	for (a = 0; a < nitems(lines); a++)
		for (b = 0; b < nitems(lines); b++) {
			snprintf(text, sizeof(text), "%s\r\n%s\r\n.\r\n",
			    lines[a], lines[b]);
			one_text((uint8_t *)text, strlen(text), "dots");
		}
	one_text((const uint8_t *)".\r\n", 3, "no content");
	one_text((const uint8_t *)".\r\n.\r\n", 6, "no content twice");
	one_text((const uint8_t *)"\r\n.\r\n", 5, "an empty line");
	one_text((const uint8_t *)"..\r\n.\r\n", 7, "a dot");
}

/* --- what is counted -------------------------------------------------------------------------- */

static void
test_long_lines(void)
{
	uint8_t text[1200];
	struct smtp_data_in d;
	size_t n, cut, dot;

	for (dot = 0; dot < 2; dot++)
		for (n = 990; n < 1010; n++) {
			memset(text, 'a', n);
			if (dot)
				text[0] = '.';
			memcpy(text + n - 2, "\r\n.\r\n", 5);
			for (cut = 0; cut < 3; cut++) {
				feed(&d, text, n + 3, cut == 0 ? 0 :
				    cut == 1 ? n - 1 : n + 4);
				ok(d.ended && d.size == n - dot &&
				    d.has_long_line == (n - dot > 1000),
				    "a line of %zu with CRLF, %zu dot", n, dot);
			}
		}
}

static void
test_8bit(void)
{
	uint8_t text[64];
	struct smtp_data_in d;
	size_t at;
	int c;

	for (at = 0; at < 40; at++) {
		memset(text, 'a', 40);
		memcpy(text + 40, "\r\n.\r\n\xff", 6);
		text[at] = 0x80;
		feed(&d, text, 46, 46);
		ok(d.ended && d.has_8bit, "a byte above 127 at %zu", at);
	}
	for (c = 1; c < 256; c++) {
		if (c == '\r' || c == '\n')
			continue;
		snprintf((char *)text, sizeof(text), "ab%ccd\r\n.\r\n", c);
		feed(&d, text, 10, 11);
		ok(d.ended && d.has_8bit == (c > 127) && d.flaws == 0 &&
		    got.len == 7 && memcmp(got.data, text, 7) == 0,
		    "byte %02x goes through", c);
	}
	feed(&d, (const uint8_t *)"a\r\n.\r\n\xff", 7, 7);
	ok(d.ended && !d.has_8bit, "what follows the end does not count");
}

/* --- sinks ------------------------------------------------------------------------------------- */

static int
refuse(const uint8_t *p, size_t n, void *arg)
{
	++*(int *)arg;
	return -1;
}

static void
test_sinks(void)
{
	static const uint8_t text[] = "a\r\n.b\r\nc\r\n..d\r\n.\r\nQUIT\r\n";
	struct smtp_data_in d;
	int calls = 0;

	smtp_data_in_init(&d);
	is_int(smtp_data_in_feed(&d, text, sizeof(text) - 1, NULL, NULL), 18,
	    "without a sink the end is found");
	is_int(d.size, 13, "and the size is known");
	smtp_data_in_init(&d);
	is_int(smtp_data_in_feed(&d, text, sizeof(text) - 1, refuse, &calls),
	    18, "so it is with one that refuses");
	ok(calls == 1 && d.refused && d.ended, "which is not asked again");
}

static void
test_random(void)
{
	static const char alphabet[] = { '.', '\r', '\n', 'a', '\r', '.', 'b',
	    '\0', '\x80', '\n' };
	size_t i, n, k, wrong = 0, clean = 0, ends = 0;
	uint8_t text[64];
	struct judged j;

	for (i = 0; i < 60000; i++) {
		for (n = 0; n + 2 < sizeof(text) && rnd(24) != 0; n++) {
			k = rnd(i % 2 ? 10 : 7);
			text[n] = (uint8_t)alphabet[k];
			if (text[n] == '\r' && rnd(4) != 0)
				text[++n] = '\n';
		}
		judge(text, n, &j);
		ends += j.ended;
		clean += j.ended && j.flaws == 0;
		wrong += !agrees(&j, text, n, n) + !agrees(&j, text, n, n + 1) +
		    !agrees(&j, text, n, rnd(n + 1));
		buf_clear(&j.content);
	}
	ok(ends > 2000 && clean > 500, "random streams end, flawed or not");
	is_int(wrong, 0, "and agree with the judge, whole and in pieces");
}

/* --- chunks -------------------------------------------------------------------------------------- */

/* Cut into two chunks, or into chunks of a byte when cut is n + 1. */
static bool
chunks_agree(const struct judged *j, const uint8_t *p, size_t n, size_t cut)
{
	struct smtp_data_in d;
	size_t used = 0, end;

	buf_reset(&got);
	smtp_data_in_init_chunks(&d);
	while (used < n) {
		end = cut > n ? used + 1 : used < cut ? cut : n;
		if (smtp_data_in_feed(&d, p + used, end - used, collect, &got)
		    != end - used || d.ended)
			return false;
		used = end;
	}
	smtp_data_in_last(&d, collect, &got);
	return d.ended && d.flaws == j->flaws && (d.flaws != 0 ||
	    (got.len == j->content.len && d.size == got.len &&
	    (got.len == 0 || memcmp(got.data, j->content.data, got.len) ==
	    0)));
}

static size_t
chunk_disagreements(const uint8_t *p, size_t n, unsigned int *flaws)
{
	struct judged j;
	size_t cut, wrong = 0;

	judge_chunks(p, n, &j);
	*flaws = j.flaws;
	for (cut = 0; cut <= n + 1; cut++)
		wrong += !chunks_agree(&j, p, n, cut);
	buf_clear(&j.content);
	return wrong;
}

/* Every form that ends data somewhere: content here, or refused. */
static void
test_chunk_forms(void)
{
	uint8_t text[256];
	unsigned int flaws;
	size_t i, k, n;

	for (i = 0; i < nitems(line_ends); i++)
		for (k = 0; k < nitems(line_ends); k++) {
			memcpy(text, "a", n = 1);
			memcpy(text + n, line_ends[i].p, line_ends[i].n);
			n += line_ends[i].n;
			text[n++] = '.';
			memcpy(text + n, line_ends[k].p, line_ends[k].n);
			n += line_ends[k].n;
			memcpy(text + n, TAIL, sizeof(TAIL) - 1);
			n += sizeof(TAIL) - 1;
			is_int(chunk_disagreements(text, n, &flaws), 0,
			    "in chunks: %s", show(text, n - sizeof(TAIL) + 1));
		}
}

static void
test_chunk_random(void)
{
	static const char alphabet[] = ".\r\na\r\n.\0\x80";
	size_t i, n, wrong = 0, clean = 0;
	uint8_t text[48];
	unsigned int flaws;

	for (i = 0; i < 5000; i++) {
		for (n = 0; n + 2 < sizeof(text) && rnd(16) != 0; n++) {
			text[n] = (uint8_t)alphabet[rnd(i % 2 ? 9 : 7)];
			if (text[n] == '\r' && rnd(4) != 0)
				text[++n] = '\n';
		}
		wrong += chunk_disagreements(text, n, &flaws);
		clean += flaws == 0;
	}
	is_int(wrong, 0, "random chunks are judged alike");
	ok(clean > 500, "%zu of 5000 are clean", clean);
}

int
main(void)
{
	buf_init(&got, DATA_TEXT_MAX);
	test_chunk_forms();
	test_chunk_random();
	test_smuggling();
	test_flaws();
	test_dots();
	test_long_lines();
	test_8bit();
	test_sinks();
	test_random();
	buf_clear(&got);
	return tap_done();
}
