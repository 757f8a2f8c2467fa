/*
 * A whole session of smtpd, fed with any bytes, against a played auth and a
 * played queue. The last two bytes of the input choose the circumstances and
 * the pieces. What must hold whatever comes: the replies and what reaches the
 * queue do not depend on how the bytes arrive; nothing reaches auth or queue
 * without TLS; what reaches the queue is strict and well addressed; and when
 * the client is gone, so is the session.
 */
#include "lib/prelude.h"

#include "lib/addr.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/smtpd_world.h"

const unsigned long fuzz_replay_runs = 5000;

enum { PLAIN_TEXT = 1, NO_BEGIN = 2, NO_SUBMIT = 4, ONE_RCPT = 8,
    AUTH_SILENT = 16, QUEUE_SILENT = 32, SMALL = 64, NAMED = 128 };

struct course {
	struct buf got;
	bool	 closed;
	int	 starts, begins, submits;
	char	 envelope[sizeof(world.envelope)];
	char	 asked[sizeof(world.asked)];
	struct buf body;
};

int	 LLVMFuzzerInitialize(int *, char ***);

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	world_init();
	world.srv.extensions = UINT32_MAX;
	return atexit(world_clear);
}

static void
set_the_scene(uint8_t flags)
{
	world.no_begin = flags & NO_BEGIN ? 452 : 0;
	world.no_submit = flags & NO_SUBMIT ? 451 : 0;
	world.rcpts = flags & ONE_RCPT ? 1 : 100;
	world.auth_silent = flags & AUTH_SILENT;
	world.queue_silent = flags & QUEUE_SILENT;
	world.conf.max_message_bytes = flags & SMALL ? 100 : 300000;
	world.conf.max_header_bytes = flags & SMALL ? 50 : 4096;
	world.conf.received_client = world.conf.received_account =
	    flags & NAMED;
	world.auth_starts = world.begins = world.submits = 0;
	world.envelope[0] = world.asked[0] = '\0';
	buf_reset(&world.body);
}

/* Leaves out what is different each time: our Received and Message-ID. */
static void
keep_body(struct buf *out)
{
	const char *p = buf_str(&world.body), *end = p + world.body.len, *lf;
	bool received = true;

	for (; p < end; p = lf + 1) {
		lf = memchr(p, '\n', (size_t)(end - p));
		if (lf == NULL)
			lf = end - 1;
		received = received && (*p == '\t' || p == buf_str(&world.body));
		if (!received && strncmp(p, "Message-ID: <", 13) != 0)
			buf_add(out, p, (size_t)(lf - p) + 1);
	}
}

/* seed 0: in one piece. */
static void
hold(const uint8_t *p, size_t n, uint8_t flags, uint32_t seed,
    struct course *o)
{
	struct client c;
	size_t piece;
	bool whole = seed == 0;

	set_the_scene(flags);
	client_open(&c, !(flags & PLAIN_TEXT));
	for (; n > 0; p += piece, n -= piece) {
		piece = whole ? n : steer_piece(&seed, n);
		client_send(&c, p, piece);
	}
	world_settle();
	client_read(&c);
	o->got = c.got;
	o->closed = c.closed;
	buf_init(&c.got, 1);
	client_close(&c);
	/* Only queue's answer is waited for when the client is gone. */
	if (world.srv.sessions != 0) {
		MUST((flags & QUEUE_SILENT) != 0);
		ev_clock_step(120 * 1000);
		ev_clock_jump_wall(-120 * 1000);	/* EHLO names an hour */
		world_settle();
	}
	MUST(world.srv.sessions == 0);
	o->starts = world.auth_starts;
	o->begins = world.begins;
	o->submits = world.submits;
	memcpy(o->envelope, world.envelope, sizeof(o->envelope));
	memcpy(o->asked, world.asked, sizeof(o->asked));
	buf_init(&o->body, world.body.max);
	keep_body(&o->body);
}

/* --- what must hold ---------------------------------------------------------------------- */

/* Lines of printable text behind a code, each ended by CRLF. */
static void
check_replies(const struct buf *got)
{
	const char *p = buf_str(got), *end;

	MUST(strlen(p) == got->len);
	for (; *p != '\0'; p = end + 2) {
		end = strstr(p, "\r\n");
		MUST(end != NULL && end - p >= 4 && end - p <= 510);
		MUST(p[0] >= '2' && p[0] <= '5' && (p[3] == ' ' ||
		    p[3] == '-'));
		for (; p < end; p++)
			MUST(*p >= ' ' && *p <= '~');
	}
}

static void
check_body(const struct buf *body)
{
	size_t i;

	for (i = 0; i < body->len; i++) {
		MUST(body->data[i] != '\0');
		MUST((body->data[i] == '\n') == (i > 0 &&
		    body->data[i - 1] == '\r'));
	}
	MUST(body->len >= 2 && body->data[body->len - 1] == '\n');
}

static void
check_envelope(const char *text)
{
	const char *rcpts = strrchr(text, '>'), *at;

	/* A quoted '>' would need a longer look; it is no part of alice. */
	MUST(strncmp(text, "alice@example.org>", 18) == 0 || text[0] == '>' ||
	    strstr(text, "@lists.example.org>") != NULL ||
	    strncasecmp(text, "sales@example.org>", 18) == 0 ||
	    strncasecmp(text, "alice@example.org>", 18) == 0);
	MUST(rcpts[1] != '\0' || strchr(text, '"') != NULL);
	for (at = text; *at != '\0'; at++)
		MUST((uint8_t)*at >= ' ' && *at != 0x7f);
}

static void
check(const struct course *o, uint8_t flags)
{
	check_replies(&o->got);
	MUST(o->submits <= o->begins);
	if (flags & PLAIN_TEXT)
		MUST(o->starts == 0 && o->begins == 0);
	if (o->starts == 0 || flags & (AUTH_SILENT))
		MUST(o->begins == 0);
	if (flags & (NO_BEGIN | QUEUE_SILENT))
		MUST(o->submits == 0);
	if (o->submits == 0)
		return;
	check_body(&o->body);
	check_envelope(o->envelope);
}

static void
same(const struct course *a, const struct course *b)
{
	MUST(strcmp(buf_str(&a->got), buf_str(&b->got)) == 0);
	MUST(a->closed == b->closed && a->starts == b->starts &&
	    a->begins == b->begins && a->submits == b->submits);
	MUST(strcmp(a->envelope, b->envelope) == 0);
	MUST(strcmp(a->asked, b->asked) == 0);
	MUST(a->body.len == b->body.len && (a->body.len == 0 ||
	    memcmp(a->body.data, b->body.data, a->body.len) == 0));
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct steer s = { p, n };
	uint32_t seed = 1 + (uint32_t)steer(&s);
	uint8_t flags = steer(&s);
	struct course whole, cut;

	hold(p, s.n, flags, 0, &whole);
	check(&whole, flags);
	hold(p, s.n, flags, seed, &cut);
	same(&whole, &cut);
	buf_clear(&whole.got);
	buf_clear(&whole.body);
	buf_clear(&cut.got);
	buf_clear(&cut.body);
	return 0;
}
