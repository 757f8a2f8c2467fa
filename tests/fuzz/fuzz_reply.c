/* Replies: bounded, and the same however they arrive. */
#include "lib/prelude.h"

#include "lib/smtp_reply.h"
#include "tests/fuzz/fuzz.h"

static enum smtp_reply_got
feed(struct smtp_reply *r, const uint8_t *p, size_t n, uint32_t seed,
    size_t *at)
{
	enum smtp_reply_got got = SMTP_REPLY_MORE;
	size_t have = 0, used;
	bool whole = seed == 0;

	*at = 0;
	while (got == SMTP_REPLY_MORE && have < n) {
		have += whole ? n - have : steer_piece(&seed, n - have);
		got = smtp_reply_feed(r, p + *at, have - *at, &used);
		*at += used;
		MUST(*at <= have);
	}
	return got;
}

static void
look_at(const struct smtp_reply *r, enum smtp_reply_got got)
{
	const char *line;
	size_t at = 0, len, lines = 0;

	MUST((got == SMTP_REPLY_BAD) == (r->why != NULL));
	MUST(r->text.len <= SMTP_REPLY_TEXT_MAX &&
	    r->lines <= SMTP_REPLY_LINES_MAX);
	MUST(r->status[0] == '\0' || r->status[0] == '0' + r->code / 100);
	while ((line = smtp_reply_next_line(r, &at, &len)) != NULL) {
		MUST(memchr(line, '\n', len) == NULL &&
		    line + len <= buf_str(&r->text) + r->text.len);
		lines++;
	}
	MUST(lines <= r->lines);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct steer s = { p, n };
	uint32_t seed = 1 + (uint32_t)steer(&s);
	struct smtp_reply one, cut;
	enum smtp_reply_got got;
	size_t at, at_cut;

	smtp_reply_init(&one);
	smtp_reply_init(&cut);
	do {
		smtp_reply_reset(&one);
		smtp_reply_reset(&cut);
		got = feed(&one, p, s.n, 0, &at);
		MUST(feed(&cut, p, s.n, seed, &at_cut) == got);
		look_at(&one, got);
		MUST(at == at_cut && one.code == cut.code &&
		    strcmp(one.status, cut.status) == 0 &&
		    strcmp(buf_str(&one.text), buf_str(&cut.text)) == 0 &&
		    one.why == cut.why);
		p += at;
		s.n -= at;
	} while (got == SMTP_REPLY_DONE && s.n > 0);
	smtp_reply_clear(&one);
	smtp_reply_clear(&cut);
	return 0;
}
