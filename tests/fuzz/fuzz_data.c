/*
 * Content: the receiver against a judge that reads as the RFC does, whole and
 * in pieces; then the same bytes as content to send, there and back.
 */
#include "lib/prelude.h"

#include "lib/smtp_data.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/data_forms.h"

#define WIRE_MAX (2 * DATA_TEXT_MAX + 16)	/* every byte a dot */

static int
collect(const uint8_t *p, size_t n, void *arg)
{
	MUST(n > 0 && buf_add(arg, p, n) == 0);
	return 0;
}

static bool
same(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && (a->len == 0 ||
	    memcmp(a->data, b->data, a->len) == 0);
}

/* One run over the bytes; seed 0: in one piece. */
static size_t
receive(struct smtp_data_in *d, const uint8_t *p, size_t n, uint32_t seed,
    struct buf *out)
{
	size_t used = 0, piece, step;
	bool whole = seed == 0;

	buf_reset(out);
	smtp_data_in_init(d);
	while (used < n && !d->ended) {
		piece = whole ? n - used : steer_piece(&seed, n - used);
		step = smtp_data_in_feed(d, p + used, piece, collect, out);
		MUST(step == piece || d->ended);
		used += step;
	}
	return used;
}

static void
receive_and_judge(const uint8_t *p, size_t n, uint32_t seed)
{
	struct smtp_data_in d;
	struct judged j;
	struct buf out;

	judge(p, n, &j);
	buf_init(&out, DATA_TEXT_MAX);
	MUST(receive(&d, p, n, seed, &out) == (j.ended ? j.used : n));
	MUST(d.ended == j.ended && d.flaws == j.flaws);
	if (j.ended && j.flaws == 0)
		MUST(same(&out, &j.content) && d.size == out.len);
	buf_clear(&out);
	buf_clear(&j.content);
}

/* The same bytes as chunks: nothing in them ends anything. */
static void
receive_chunks(const uint8_t *p, size_t n, uint32_t seed)
{
	struct smtp_data_in d;
	struct judged j;
	struct buf out;
	size_t piece;

	judge_chunks(p, n, &j);
	buf_init(&out, DATA_TEXT_MAX + 2);
	smtp_data_in_init_chunks(&d);
	while (n > 0) {
		piece = seed == 0 ? n : steer_piece(&seed, n);
		MUST(smtp_data_in_feed(&d, p, piece, collect, &out) == piece);
		MUST(!d.ended);
		p += piece;
		n -= piece;
	}
	smtp_data_in_last(&d, collect, &out);
	MUST(d.ended && d.flaws == j.flaws);
	if (j.flaws == 0)
		MUST(same(&out, &j.content) && d.size == out.len);
	buf_clear(&out);
	buf_clear(&j.content);
}

static int
transmit(const uint8_t *p, size_t n, uint32_t seed, struct buf *out)
{
	struct smtp_data_out d;
	size_t at = 0, piece;
	bool whole = seed == 0;

	buf_reset(out);
	smtp_data_out_init(&d);
	while (at < n) {
		piece = whole ? n - at : steer_piece(&seed, n - at);
		if (smtp_data_out_feed(&d, p + at, piece, out) == -1)
			break;
		at += piece;
	}
	return smtp_data_out_end(&d, out);
}

/* What is sent ends once, at its end, and is what was given. */
static void
send_and_receive(const uint8_t *p, size_t n, uint32_t seed)
{
	struct smtp_data_in d;
	struct buf wire, cut, back;
	int sent;

	buf_init(&wire, WIRE_MAX);
	buf_init(&cut, WIRE_MAX);
	buf_init(&back, WIRE_MAX);
	sent = transmit(p, n, 0, &wire);
	MUST(transmit(p, n, seed, &cut) == sent);
	if (sent == 0) {
		MUST(same(&wire, &cut));
		MUST(receive(&d, wire.data, wire.len, seed, &back) == wire.len);
		MUST(d.ended && d.flaws == 0);
		MUST(back.len == n || (back.len == n + 2 &&
		    memcmp(back.data + n, "\r\n", 2) == 0));
		MUST(n == 0 || memcmp(back.data, p, n) == 0);
	} else {
		receive(&d, cut.data, cut.len, 0, &back);
		MUST(!d.ended);
	}
	buf_clear(&wire);
	buf_clear(&cut);
	buf_clear(&back);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct steer s = { p, n };
	uint32_t seed = 1 + (uint32_t)steer(&s);

	if (n > DATA_TEXT_MAX)
		return 0;
	receive_and_judge(p, s.n, 0);
	receive_and_judge(p, s.n, seed);
	send_and_receive(p, s.n, seed);
	receive_chunks(p, s.n, 0);
	receive_chunks(p, s.n, seed);
	return 0;
}
