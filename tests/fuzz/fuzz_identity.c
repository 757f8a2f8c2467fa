/*
 * Fields that name an author: what is let pass or written anew names nobody
 * but the account for who reads it again, and all other fields are untouched.
 */
#include "lib/prelude.h"

#include <strings.h>

#include "smtpd/fixup.h"
#include "tests/fuzz/fuzz.h"

#define OWN	"own@example.org"
#define OUT_MAX	(64 * 1024)

static const struct fixup fixup = {
	.hostname = "relay.example.org", .with = "ESMTPSA", .id = "1-2-3",
	.max_hops = 30, .from = OWN,
};

static bool
permits(const char *addr, const void *arg)
{
	return strcasecmp(addr, OWN) == 0;
}

/* Nothing but fields: "From:" and the input as its value, more behind it. */
static void
header_of(const uint8_t *p, size_t n, struct buf *head)
{
	buf_adds(head, "Subject: x\r\nFrom:");
	buf_add(head, p, n);
	buf_adds(head, "\r\nX-Last: y\r\n\r\n");
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct identity id = { .permits = permits, .rewrite = OWN };
	struct buf head, out, again;
	enum reply r;

	buf_init(&head, OUT_MAX);
	buf_init(&out, OUT_MAX);
	buf_init(&again, OUT_MAX);
	header_of(p, n < 8192 ? n : 8192, &head);
	r = fixup_header(&fixup, buf_str(&head), head.len, &out, &id);
	MUST(r != REPLY_NOT_YOUR_FROM && r != REPLY_BAD_FROM);
	MUST(out.len <= head.len + FIXUP_ROOM);
	if (r == REPLY_NONE) {
		id = (struct identity){ .permits = permits };
		r = fixup_header(&fixup, buf_str(&out), out.len, &again, &id);
		MUST(r == REPLY_NONE);
		MUST(strstr(buf_str(&out), "\r\nSubject: x\r\n") != NULL ||
		    memchr(p, '\0', n) != NULL);
	}
	buf_clear(&head);
	buf_clear(&out);
	buf_clear(&again);
	return 0;
}
