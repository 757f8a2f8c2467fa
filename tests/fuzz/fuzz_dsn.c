/*
 * Reports of failed mail. Who wrote the mail and who refused it choose the
 * texts in them: no such text may end a field, a part or the report, nor make
 * it anything but strict lines. The input is the texts, a line each.
 */
#include "lib/prelude.h"

#include "lib/addr.h"
#include "lib/header.h"
#include "queue/dsn.h"
#include "tests/fuzz/fuzz.h"

#define BOUNDARY	"=_0123456789abcdef"
#define LINE_MAX_BYTES	998	/* RFC 5322 2.1.1, without CRLF */

/* The next line of the input as a string, the caller's; NULL when empty. */
static char *
next_text(const uint8_t **p, size_t *n, size_t max)
{
	const uint8_t *lf = memchr(*p, '\n', *n);
	size_t len = lf == NULL ? *n : (size_t)(lf - *p);
	char *s = strndup((const char *)*p, len < max ? len : max);

	*p += len + (lf != NULL);
	*n -= len + (lf != NULL);
	if (*s != '\0')
		return s;
	free(s);
	return NULL;
}

/* What queue lets into an envelope is an address. */
static char *
next_address(const uint8_t **p, size_t *n, bool utf8)
{
	char *s = next_text(p, n, ENVELOPE_PATH_MAX);

	if (s != NULL && addr_parse(s, strlen(s), utf8 ? ADDR_UTF8 : 0,
	    NULL) == NULL)
		return s;
	free(s);
	return strdup("alice@example.org");
}

/* Of ENVID and ORCPT it wants this. */
static char *
next_xtext(const uint8_t **p, size_t *n, size_t max)
{
	char *s = next_text(p, n, max), *c;

	for (c = s; c != NULL && *c != '\0'; c++)
		if (*c < '!' || *c > '~')
			*c = '+';
	return s;
}

/* What remains is the original, with the line ends that it must have. */
static void
make_original(const uint8_t *p, size_t n, struct buf *out)
{
	for (; n > 0; p++, n--)
		if (*p == '\n')
			buf_adds(out, "\r\n");
		else if (*p != '\r' && *p != '\0')
			buf_addc(out, *p);
	if (out->len == 0 || out->data[out->len - 1] != '\n')
		buf_adds(out, "\r\n");
}

/* --- what must hold ---------------------------------------------------------------------- */

static size_t
count(const struct buf *b, const char *what)
{
	const uint8_t *p = b->data, *end = b->data + b->len;
	size_t n = 0, len = strlen(what);

	for (; (p = memmem(p, (size_t)(end - p), what, len)) != NULL; p += len)
		n++;
	return n;
}

static void
check_lines(const struct buf *b, size_t upto, bool eightbit)
{
	size_t i, start = 0;

	for (i = 0; i < b->len; i++) {
		MUST(b->data[i] != '\0' && (b->data[i] < 0x80 || eightbit));
		MUST(b->data[i] != '\r' || (i + 1 < b->len &&
		    b->data[i + 1] == '\n'));
		if (b->data[i] != '\n')
			continue;
		MUST(i > 0 && b->data[i - 1] == '\r');
		MUST(i > upto || i - start <= LINE_MAX_BYTES + 1);
		start = i + 1;
	}
	MUST(start == b->len);
}

static void
check_header(const struct buf *b)
{
	struct header_field f;
	enum header_next next;
	size_t at = 0, to = 0, fields = 0;

	while ((next = header_next((const char *)b->data, b->len, &at, &f)) ==
	    HEADER_FIELD) {
		fields++;
		to += header_is(&f, "To");
		MUST(!header_is(&f, "Bcc") && !header_is(&f, "Cc"));
	}
	MUST(next == HEADER_END && to == 1 && fields >= 8 && fields <= 9);
}

static void
check(const struct dsn *d, const struct buf *out, bool eightbit)
{
	static const char part[] = "\r\nContent-Description: Your message";
	const uint8_t *last = memmem(out->data, out->len, part,
	    sizeof(part) - 1);

	MUST(last != NULL && out->len <= DSN_MAX);
	check_lines(out, (size_t)(last - out->data), eightbit);
	check_header(out);
	MUST(memmem(d->original, d->original_len, BOUNDARY,
	    strlen(BOUNDARY)) != NULL ||
	    count(out, "\r\n--" BOUNDARY "\r\n") == 3);
	MUST(out->len > strlen(BOUNDARY) + 8 && memcmp(out->data + out->len -
	    strlen("--" BOUNDARY "--\r\n"), "--" BOUNDARY "--\r\n",
	    strlen("--" BOUNDARY "--\r\n")) == 0);
}

/* The same with the header alone; an original with our boundary is not ours. */
static void
check_cut(const struct dsn *d, const struct buf *report)
{
	struct buf out;
	bool eightbit;

	buf_init(&out, DSN_MAX);
	if (dsn_cut(report->data, report->len, &out, &eightbit)) {
		check(d, &out, eightbit);
		MUST(count(&out, "\r\nAction: ") >= 1);
	}
	buf_clear(&out);
}

/* What is left of it in the clear: lines that nobody else has chosen. */
static void
check_redacted(const struct dsn *d, const struct buf *report)
{
	struct buf out;

	buf_init(&out, DSN_MAX);
	dsn_redact(d, "a@example.org", report->data, report->len,
	    &out);
	check_lines(&out, out.len, false);
	MUST(count(&out, "\r\nMessage-ID: ") == 2 &&
	    count(&out, "\r\nAction: ") == 1 &&
	    count(&out, "\r\nStatus: ") == 1);
	buf_clear(&out);
}

/* Three messages with the same texts, one of them with subject and id. */
static void
check_digest(const struct dsn *d, const struct store_msg *m,
    const uint8_t *original, size_t len)
{
	char *subject = strndup((const char *)original, len < DSN_SUBJECT_MAX ?
	    len : DSN_SUBJECT_MAX);
	struct dsn_entry v[] = { { m, "MSGID1", subject, subject },
	    { m, "MSGID2", NULL, NULL }, { m, "MSGID3", NULL, NULL } };
	struct buf out;
	bool eightbit;
	size_t n;

	buf_init(&out, DSN_MAX);
	n = dsn_write_digest(d, v, nitems(v), &out, &eightbit);
	MUST(n >= 1 && n <= nitems(v) && out.len < DSN_MAX);
	check_lines(&out, out.len, eightbit);
	check_header(&out);
	MUST(count(&out, "\r\n--" BOUNDARY "\r\n") == 2 &&
	    count(&out, "\r\nAction: failed\r\n") == 2 * n);
	buf_clear(&out);
	free(subject);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct steer s = { p, n };
	uint8_t flags = steer(&s);
	const uint8_t wanted[2] = { DSN_FAILED, flags & 1 ? DSN_FAILED :
	    (flags >> 4) % DSN_ACTIONS };
	uint8_t report[2];
	struct buf out, original;
	struct store_msg m;
	bool eightbit;
	char *addr;
	struct dsn d = {
		.hostname = "relay.example.org",
		.postmaster = "postmaster@relay.example.org", .id = "ID",
		.boundary = BOUNDARY, .msg = &m, .msg_id = "MSGID",
		.report = report, .original_whole = flags & 2,
	};
	size_t i, told, next;

	store_msg_init(&m);
	m.env.utf8 = flags & 4;
	m.env.ret = flags & 8 ? RET_FULL : RET_HDRS;
	m.env.return_path = next_address(&s.p, &s.n, m.env.utf8);
	m.env.envid = next_xtext(&s.p, &s.n, ENVELOPE_ENVID_MAX);
	for (i = 0; i < 2; i++) {
		addr = next_address(&s.p, &s.n, m.env.utf8);
		envelope_add_rcpt(&m.env, addr, NULL, 0);
		free(addr);
		m.env.rcpts[i].orcpt = next_xtext(&s.p, &s.n,
		    ENVELOPE_ORCPT_MAX);
	}
	store_msg_fit(&m);
	for (i = 0; i < 2; i++) {
		m.rcpts[i].status = next_text(&s.p, &s.n, 64);
		m.rcpts[i].diag = next_text(&s.p, &s.n, 8192);
		m.rcpts[i].remote = next_text(&s.p, &s.n, 512);
	}
	buf_init(&original, 2 * s.n + 2);
	make_original(s.p, s.n, &original);
	d.original = original.data;
	d.original_len = original.len;
	for (told = 0; told < 2 && (told == 0 || wanted[1] != DSN_NONE);
	    told = next) {
		report[0] = told == 0 ? wanted[0] : DSN_NONE;
		report[1] = wanted[1];
		buf_init(&out, DSN_MAX);
		next = dsn_write(&d, &out, &eightbit);
		MUST(next > told && next <= 2);
		check(&d, &out, eightbit);
		check_cut(&d, &out);
		check_redacted(&d, &out);
		buf_clear(&out);
	}
	m.rcpts[0].state = m.rcpts[1].state = RCPT_OWED;
	check_digest(&d, &m, original.data, original.len);
	buf_clear(&original);
	store_msg_clear(&m);
	return 0;
}
