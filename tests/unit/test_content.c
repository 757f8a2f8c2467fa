/*
 * Content must come out the same however it was cut on its way in, in memory
 * and in a spool file.
 */
#include "lib/prelude.h"

#include <sys/mman.h>
#include <fcntl.h>

#include "lib/smtp_data.h"
#include "lib/xalloc.h"
#include "smtpd/content.h"
#include "tests/tap.h"

static const struct fixup fx = {
	.with = "ESMTPSA",
	.hostname = "h.example", .id = "1", .wall_ms = 1795442700000ULL,
	.nonce = 1, .max_hops = 2, .from = "a@b",
};

static const struct content_limits small = { 2000, 600 };

struct result {
	enum reply verdict;
	unsigned int flaws;
	struct buf text;
	bool	 ended, spooled;
};

struct run {
	struct content c;
	struct smtp_data_in wire;
};

static int
sink(const uint8_t *p, size_t n, void *arg)
{
	struct run *r = arg;

	content_add(&r->c, p, n);
	return 0;
}

static bool
permits(const char *addr, const void *arg)
{
	return strcmp(addr, "a@b") == 0;
}

static void
read_back(int fd, struct buf *out)
{
	uint8_t piece[4096];
	off_t at = 0;
	ssize_t n;

	while ((n = pread(fd, piece, sizeof(piece), at)) > 0) {
		buf_add(out, piece, (size_t)n);
		at += n;
	}
}

static void
spool_if_needed(struct run *r)
{
	int fd;

	if (!content_needs_spool(&r->c))
		return;
	fd = memfd_create("spool", MFD_CLOEXEC);
	content_spool_to(&r->c, fd);
}

/* Feeds the wire bytes in pieces of at most `piece`, the first `first` long. */
static void
feed(const char *wire, size_t n, size_t first, size_t piece,
    struct content_limits limits, struct result *res)
{
	struct run r;
	size_t at = 0, len = first;

	content_init(&r.c);
	content_begin(&r.c, &fx, limits);
	r.c.id.permits = permits;
	smtp_data_in_init(&r.wire);
	while (at < n && !r.wire.ended) {
		if (len > n - at)
			len = n - at;
		at += smtp_data_in_feed(&r.wire, (const uint8_t *)wire + at,
		    len, sink, &r);
		spool_if_needed(&r);
		len = piece;
	}
	content_end(&r.c);
	spool_if_needed(&r);
	content_end(&r.c);
	res->verdict = r.c.verdict;
	res->flaws = r.wire.flaws;
	res->ended = r.wire.ended;
	res->spooled = r.c.spool != -1;
	buf_init(&res->text, 64 * 1024 * 1024);
	if (res->spooled)
		read_back(r.c.spool, &res->text);
	else if (r.c.body.len > 0)
		buf_add(&res->text, r.c.body.data, r.c.body.len);
	if (res->verdict == REPLY_NONE && r.c.size != res->text.len)
		res->flaws = 0xff;	/* size and content disagree */
	content_clear(&r.c);
}

static bool
same(const struct result *a, const struct result *b)
{
	return a->verdict == b->verdict && a->flaws == b->flaws &&
	    a->ended == b->ended && (a->flaws != 0 ||
	    strcmp(buf_str(&a->text), buf_str(&b->text)) == 0);
}

#define LONG100 "0123456789012345678901234567890123456789012345678901234567"\
	"89012345678901234567890123456789012345678\r\n"
#define LONG500 LONG100 LONG100 LONG100 LONG100 LONG100

static const struct {
	const char *name, *wire;
	enum reply verdict;
	unsigned int flaws;
} cases[] = {
	{ "plain", "Subject: x\r\n\r\nhello\r\n.\r\n", REPLY_NONE, 0 },
	{ "empty", ".\r\n", REPLY_NONE, 0 },
	{ "header only", "Subject: x\r\n.\r\n", REPLY_NONE, 0 },
	{ "blank line only", "\r\n.\r\n", REPLY_NONE, 0 },
	{ "dots", "Subject: x\r\n\r\n..\r\n...\r\n..x\r\n.\r\n", REPLY_NONE,
	    0 },
	{ "body without header", "hello there\r\nworld\r\n.\r\n", REPLY_NONE,
	    0 },
	{ "body behind the header without a blank line",
	    "Subject: x\r\nhello there\r\nworld\r\n.\r\n", REPLY_NONE, 0 },
	{ "a line that is no field", "Subject: x\r\nhello there\r\n\r\n"
	    "world\r\n.\r\n", REPLY_BAD_HEADER, 0 },
	{ "Bcc behind such a line", "hello\r\nBcc: x\r\n\r\n.\r\n",
	    REPLY_BAD_HEADER, 0 },
	{ "a long text before the first blank line", "hello\r\n" LONG500
	    LONG500 "\r\nBcc: x\r\n.\r\n", REPLY_NONE, 0 },
	{ "somebody else's From", "From: b@c\r\n\r\nx\r\n.\r\n",
	    REPLY_NOT_YOUR_FROM, 0 },
	{ "From twice", "From: a@b\r\nFrom: a@b\r\n\r\nx\r\n.\r\n",
	    REPLY_FIELD_TWICE, 0 },
	{ "a dotted header", "..Subject: x\r\nBcc: y\r\n\r\n.\r\n",
	    REPLY_NONE, 0 },
	{ "Bcc", "Bcc: a\r\n b\r\nTo: c\r\n\r\nBcc: d\r\n.\r\n", REPLY_NONE,
	    0 },
	{ "loop", "Received: a\r\nReceived: b\r\nReceived: c\r\n\r\nx\r\n"
	    ".\r\n", REPLY_LOOP, 0 },
	{ "big header", "Subject: x\r\n y" LONG500 " z" LONG100 "\r\nx\r\n"
	    ".\r\n", REPLY_BIG_HEADER, 0 },
	{ "big header that never ends", "A: b\r\nSubject: x\r\n y" LONG500 " z"
	    LONG500 ".\r\n", REPLY_BIG_HEADER, 0 },
	{ "big first line", "AAAA" LONG500 LONG500 LONG500 ".\r\n",
	    REPLY_NONE, 0 },
	{ "too big", "A: b\r\n\r\n" LONG500 LONG500 LONG500 LONG500 "x\r\n"
	    ".\r\n", REPLY_TOO_BIG, 0 },
	{ "big header and too big", "A: b\r\nSubject: x\r\n y" LONG500 " z"
	    LONG500 " z" LONG500 " z" LONG500 " z" LONG500 ".\r\n",
	    REPLY_BIG_HEADER, 0 },
	{ "bare LF", "A: b\r\n\r\nx\ny\r\n.\r\n", REPLY_NONE, DATA_BARE_LF },
	{ "bare CR", "A: b\r\n\r\nx\ry\r\n.\r\n", REPLY_NONE, DATA_BARE_CR },
	{ "LF.CRLF does not end", "A: b\r\n\r\nx\n.\r\ny\r\n.\r\n",
	    REPLY_NONE, DATA_BARE_LF },
	{ "LF.LF does not end", "A: b\r\n\r\nx\n.\ny\r\n.\r\n",
	    REPLY_NONE, DATA_BARE_LF },
	{ "CR.CRLF does not end", "A: b\r\n\r\nx\r.\r\ny\r\n.\r\n",
	    REPLY_NONE, DATA_BARE_CR },
	{ "CRLF.LF does not end", "A: b\r\n\r\nx\r\n.\ny\r\n.\r\n",
	    REPLY_NONE, DATA_BARE_LF },
	{ "CRLF.CR does not end", "A: b\r\n\r\nx\r\n.\ry\r\n.\r\n",
	    REPLY_NONE, DATA_BARE_CR },
	{ "CRCRLF is bare CR", "A: b\r\n\r\nx\r\r\n.\r\r\ny\r\n.\r\n",
	    REPLY_NONE, DATA_BARE_CR },
};

static void
test_splits(void)
{
	size_t i, k;

	for (i = 0; i < nitems(cases); i++) {
		const char *w = cases[i].wire;
		size_t n = strlen(w);
		struct result whole, cut;
		bool all_same = true;

		feed(w, n, n, n, small, &whole);
		is_int(whole.verdict, cases[i].verdict, "%s: verdict",
		    cases[i].name);
		is_int(whole.flaws, cases[i].flaws, "%s: flaws",
		    cases[i].name);
		ok(whole.ended, "%s: ended", cases[i].name);
		for (k = 1; k < n && all_same; k++) {
			feed(w, n, k, n, small, &cut);
			all_same = same(&whole, &cut);
			if (!all_same)
				printf("# cut at %zu\n", k);
			buf_clear(&cut.text);
		}
		ok(all_same, "%s: the same cut anywhere", cases[i].name);
		feed(w, n, 1, 1, small, &cut);
		ok(same(&whole, &cut), "%s: the same byte by byte",
		    cases[i].name);
		buf_clear(&cut.text);
		buf_clear(&whole.text);
	}
}

static void
test_text(void)
{
	static const char w[] = "Subject: x\r\nBcc: y\r\n\r\n..a\r\n.\r\n";
	struct result r;

	feed(w, sizeof(w) - 1, 7, 3, small, &r);
	is_str(buf_str(&r.text), "Received: by h.example (Postern) with "
	    "ESMTPSA id 1;\r\n\tMon, 23 Nov 2026 14:05:00 +0000\r\n"
	    "Subject: x\r\nFrom: a@b\r\nDate: Mon, 23 Nov 2026 14:05:00 +0000\r\n"
	    "Message-ID: <1a208b96ee0.0000000000000001@h.example>\r\n\r\n"
	    ".a\r\n", "the message as it goes out");
	ok(!r.spooled, "a small message stays in memory");
	buf_clear(&r.text);
}

static void
test_nul(void)
{
	static const char w[] = "A: b\r\n\r\nx\0y\r\n.\r\n";
	struct result r;

	feed(w, sizeof(w) - 1, 100, 100, small, &r);
	is_int(r.flaws, DATA_NUL, "a NUL is a flaw");
	buf_clear(&r.text);
}

static void
test_large(void)
{
	struct content_limits limits = { 1024 * 1024, 64 * 1024 };
	struct buf w;
	struct result a, b;
	int i;

	buf_init(&w, 2 * 1024 * 1024);
	buf_adds(&w, "Subject: large\r\n\r\n");
	for (i = 0; i < 5000; i++)
		buf_addf(&w, "line %d of a large message, more or less\r\n", i);
	buf_adds(&w, ".\r\n");
	feed(buf_str(&w), w.len, 16384, 16384, limits, &a);
	ok(a.spooled && a.verdict == REPLY_NONE, "a large one is spooled");
	ok(memmem(a.text.data, a.text.len, "line 4999 of", 12) != NULL,
	    "and complete");
	feed(buf_str(&w), w.len, 1, 7, limits, &b);
	ok(same(&a, &b), "the same in small pieces");
	buf_clear(&a.text);
	buf_clear(&b.text);
	limits.bytes = w.len - 3;
	feed(buf_str(&w), w.len, 1, 16384, limits, &a);
	is_int(a.verdict, REPLY_NONE, "exactly the limit is taken");
	limits.bytes--;
	feed(buf_str(&w), w.len, 1, 16384, limits, &b);
	is_int(b.verdict, REPLY_TOO_BIG, "one byte more is not");
	buf_clear(&a.text);
	buf_clear(&b.text);
	buf_clear(&w);
}

/* A spool that cannot be written refuses the message for now, nothing else. */
static void
test_full_disk(void)
{
	struct run r;
	struct buf w;
	int i, fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	if (fd == -1) {
		ok(true, "no /dev/full here # SKIP");
		return;
	}
	buf_init(&w, 2 * 1024 * 1024);
	buf_adds(&w, "A: b\r\n\r\n");
	for (i = 0; i < 4000; i++)
		buf_adds(&w, "a line of text that means nothing\r\n");
	content_init(&r.c);
	content_begin(&r.c, &fx, (struct content_limits){ 1 << 20, 1 << 16 });
	for (i = 0; i < 4; i++)
		content_add(&r.c, w.data + i * 20000, 20000);
	ok(content_needs_spool(&r.c), "a spool file is asked for");
	content_spool_to(&r.c, fd);
	is_int(r.c.verdict, REPLY_DISK_FULL, "a full disk is 452");
	content_add(&r.c, w.data, w.len);
	content_end(&r.c);
	is_int(r.c.verdict, REPLY_DISK_FULL, "and stays so");
	content_clear(&r.c);
	buf_clear(&w);
}

int
main(void)
{
	test_splits();
	test_text();
	test_nul();
	test_large();
	test_full_disk();
	return tap_done();
}
