/* lib/smtp_data, sending: what leaves is strict, or it does not leave. */
#include "lib/prelude.h"

#include "lib/smtp_data.h"
#include "tests/show.h"
#include "tests/tap.h"
#include "tests/unit/data_forms.h"

/* Whether content is nothing but lines ended by CRLF, the last one perhaps not. */
static bool
strict(const uint8_t *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (p[i] == '\0' || (p[i] == '\n' && (i == 0 ||
		    p[i - 1] != '\r')) || (p[i] == '\r' && (i + 1 == n ||
		    p[i + 1] != '\n')))
			return false;
	return true;
}

/* RFC 5321 4.5.2, byte by byte. */
static void
stuff(const uint8_t *p, size_t n, struct buf *out)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (p[i] == '.' && (i == 0 || p[i - 1] == '\n'))
			buf_addc(out, '.');
		buf_addc(out, p[i]);
	}
	if (n > 0 && p[n - 1] != '\n')
		buf_adds(out, "\r\n");
	buf_adds(out, ".\r\n");
}

/* Sends [0, cut) and [cut, n), or single bytes when cut is n + 1. */
static int
send_cut(const uint8_t *p, size_t n, size_t cut, struct buf *out)
{
	struct smtp_data_out d;
	size_t at, len;
	int r = 0;

	buf_reset(out);
	smtp_data_out_init(&d);
	for (at = 0; at < n && r == 0; at += len) {
		len = cut > n ? 1 : at < cut ? cut - at : n - at;
		r = smtp_data_out_feed(&d, p + at, len, out);
	}
	return r == 0 ? smtp_data_out_end(&d, out) : -1;
}

/* Refused content must not have got as far as an end of data. */
static bool
no_end_in(const struct buf *out)
{
	return out->len == 0 || (memmem(out->data, out->len, "\r\n.\r\n",
	    5) == NULL && (out->len < 3 || memcmp(out->data, ".\r\n", 3)));
}

static size_t
wrong_at(const uint8_t *p, size_t n, size_t cut, const struct buf *want)
{
	static struct buf out = { .max = DATA_TEXT_MAX };
	int r = send_cut(p, n, cut, &out);

	if (!strict(p, n))
		return r != -1 || !no_end_in(&out);
	return r != 0 || out.len != want->len ||
	    memcmp(out.data, want->data, out.len) != 0;
}

static void
one_content(const uint8_t *p, size_t n, const char *what)
{
	struct buf want;
	size_t cut, wrong = 0;

	buf_init(&want, DATA_TEXT_MAX);
	stuff(p, n, &want);
	for (cut = 0; cut <= n + 1; cut++)
		wrong += wrong_at(p, n, cut, &want);
	is_int(wrong, 0, "%s %s: %s", what, strict(p, n) ? "sent" : "refused",
	    show(p, n));
	buf_clear(&want);
}

/* --- smuggling out -------------------------------------------------------------------------- */

static void
smuggle(const struct form *a, const struct form *b, const char *tail)
{
	struct buf text;

	buf_init(&text, DATA_TEXT_MAX);
	buf_adds(&text, "body");
	buf_add(&text, a->p, a->n);
	buf_addc(&text, '.');
	buf_add(&text, b->p, b->n);
	buf_adds(&text, tail);
	one_content(text.data, text.len, "form");
	buf_clear(&text);
}

static void
test_smuggling(void)
{
	size_t a, b;

	for (a = 0; a < nitems(line_ends); a++)
		for (b = 0; b < nitems(line_ends); b++) {
			smuggle(&line_ends[a], &line_ends[b],
			    "MAIL FROM:<x@y>\r\n");
			smuggle(&line_ends[a], &line_ends[b], "");
		}
	tap_inputs("smuggling out", 2 * nitems(line_ends) * nitems(line_ends));
}

static void
test_bytes(void)
{
	static const char plain[] = "ab\r\n.c\r\n\r\n..\r\nd";
	uint8_t text[sizeof(plain)];
	size_t at;
	int c;

	for (c = 0; c < 256; c++)
		for (at = 0; at < 5; at++) {
			memcpy(text, plain, sizeof(plain));
			text[at] = (uint8_t)c;
			one_content(text, sizeof(plain) - 1, "byte");
		}
	for (at = 0; at < sizeof(plain); at++)
		one_content((const uint8_t *)plain, at, "the first bytes");
	tap_inputs("dot-stuffing, 8-bit and line-length fidelity",
	    5 * 256 + sizeof(plain));
}

static void
test_dots(void)
{
	static const char *const lines[] = {
		"", "a", ".", "..", "...", ".a", "a.", "a.b", ". ", " .", ".\xff"
	};
	char text[64];
	size_t a, b;

	for (a = 0; a < nitems(lines); a++)
		for (b = 0; b < nitems(lines); b++) {
			snprintf(text, sizeof(text), "%s\r\n%s\r\n", lines[a],
			    lines[b]);
			one_content((uint8_t *)text, strlen(text), "dots");
			text[strlen(text) - 2] = '\0';
			one_content((uint8_t *)text, strlen(text), "dots");
		}
	tap_inputs("dot-stuffing, 8-bit and line-length fidelity",
	    2 * nitems(lines) * nitems(lines));
}

/* --- after the end and after a fault ---------------------------------------------------------- */

static void
test_states(void)
{
	struct smtp_data_out d;
	struct buf out;

	buf_init(&out, 64);
	smtp_data_out_init(&d);
	is_int(smtp_data_out_feed(&d, (const uint8_t *)"a\nb", 3, &out), -1,
	    "a bare LF");
	is_int(smtp_data_out_feed(&d, (const uint8_t *)"c\r\n", 3, &out), -1,
	    "nothing more is taken");
	is_int(smtp_data_out_end(&d, &out), -1, "and it cannot be ended");
	smtp_data_out_init(&d);
	buf_reset(&out);
	is_int(smtp_data_out_feed(&d, NULL, 0, &out), 0, "nothing is fine");
	is_int(smtp_data_out_end(&d, &out), 0, "and ends");
	is_str(buf_str(&out), ".\r\n", "with the dot alone");
	is_int(smtp_data_out_end(&d, &out), -1, "only once");
	is_int(smtp_data_out_feed(&d, (const uint8_t *)"a", 1, &out), -1,
	    "and nothing follows");
	buf_clear(&out);
}

/* A full buffer is an error at each byte, and never looks like an end. */
static void
test_full(void)
{
	static const char text[] = "a\r\n.\r\n.b\r\n..\r\n";
	size_t max, n = sizeof(text) - 1;
	struct buf out;

	for (max = 0; max < n + 3 + 3; max++) {
		buf_init(&out, max);
		is_int(send_cut((const uint8_t *)text, n, n, &out), -1,
		    "room for %zu only", max);
		ok(no_end_in(&out), "and no end in it");
		buf_clear(&out);
	}
	buf_init(&out, n + 3 + 3);
	is_int(send_cut((const uint8_t *)text, n, n, &out), 0, "enough room");
	buf_clear(&out);
}

/* --- there and back ----------------------------------------------------------------------------- */

static int
collect(const uint8_t *p, size_t n, void *arg)
{
	return buf_add(arg, p, n);
}

static void
test_round_trip(void)
{
	static const char *const bits[] = { "\r\n", ".", "a", "..", "\xff",
	    "\r\n.", ".\r\n", "bcd", "\r\n.\r\n" };
	struct buf text, wire, back;
	struct smtp_data_in in;
	size_t i, j, wrong = 0;

	buf_init(&text, DATA_TEXT_MAX);
	buf_init(&wire, DATA_TEXT_MAX);
	buf_init(&back, DATA_TEXT_MAX);
	for (i = 0; i < 20000; i++) {
		buf_reset(&text);
		buf_reset(&back);
		for (j = rnd(20); j > 0; j--)
			buf_adds(&text, bits[rnd(nitems(bits))]);
		buf_adds(&text, "\r\n");
		wrong += send_cut(text.data, text.len, rnd(text.len + 2),
		    &wire) != 0;
		buf_adds(&wire, "QUIT\r\n");
		smtp_data_in_init(&in);
		wrong += smtp_data_in_feed(&in, wire.data, wire.len, collect,
		    &back) != wire.len - 6 || in.flaws != 0;
		wrong += back.len != text.len ||
		    memcmp(back.data, text.data, back.len) != 0;
	}
	is_int(wrong, 0, "what is sent is received as it was");
	buf_clear(&text);
	buf_clear(&wire);
	buf_clear(&back);
}

int
main(void)
{
	test_smuggling();
	test_bytes();
	test_dots();
	test_states();
	test_full();
	test_round_trip();
	return tap_done();
}
