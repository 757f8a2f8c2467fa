/*
 * A report of ours whose original came along whole is written anew with the
 * original's header in its place, for next hops that do not take the rest. Of
 * one that must not go in the clear its reader hears next to nothing.
 */
#include "lib/prelude.h"

#include "queue/dsn_private.h"

#define BOUNDARY_BEGIN	"\tboundary=\""	/* as dsn_end() writes it */
#define FRAME_BYTES	512		/* of a part, and the report's end */
#define VALUE_MAX	512		/* of a field */
#define EIGHTBIT	"Content-Transfer-Encoding: 8bit\r\n"

/* The value of the report's boundary; what stands behind it in the header. */
static const uint8_t *
find_boundary(const uint8_t *p, size_t n, char to[DSN_BOUNDARY_MAX])
{
	const uint8_t *at = memmem(p, n, BOUNDARY_BEGIN,
	    strlen(BOUNDARY_BEGIN)), *end;
	size_t len;

	if (at == NULL)
		return NULL;
	at += strlen(BOUNDARY_BEGIN);
	end = memmem(at, (size_t)(p + n - at), "\"\r\n", 3);
	len = end == NULL ? 0 : (size_t)(end - at);
	if (len == 0 || len >= DSN_BOUNDARY_MAX)
		return NULL;
	memcpy(to, at, len);
	to[len] = '\0';
	return end + 3;
}

/* The last place where mark stands. */
static const uint8_t *
find_last(const uint8_t *p, const uint8_t *end, const char *mark)
{
	const uint8_t *at, *last = NULL;
	size_t len = strlen(mark);

	while ((at = memmem(p, (size_t)(end - p), mark, len)) != NULL) {
		last = at;
		p = at + len;
	}
	return last;
}

static bool
begins(const uint8_t *p, const uint8_t *end, const char *with)
{
	size_t n = strlen(with);

	return (size_t)(end - p) >= n && memcmp(p, with, n) == 0;
}

/* What goes back instead of the part from here to the end of the report. */
static bool
put_header(struct dsn_report *r, const uint8_t *p, const uint8_t *end)
{
	const uint8_t *original;
	struct buf content;
	size_t len;

	r->utf8 = begins(p, end, "Content-Type: message/global\r\n");
	if (!r->utf8 && !begins(p, end, "Content-Type: message/rfc822\r\n"))
		return false;
	original = memmem(p, (size_t)(end - p), "\r\n\r\n", 4);
	if (original == NULL)
		return false;
	original += 4;
	len = dsn_header_len(original, (size_t)(end - original));
	if (r->out->len + FRAME_BYTES + dsn_quoted_max(original, len) >
	    r->out->max)
		len = 0;	/* huge, and not as RFC 5322 wants headers */
	buf_init(&content, DSN_MAX);
	buf_add(&content, original, len);
	dsn_put_part(r, dsn_header_type(r->utf8), DSN_HEADER_IS, true,
	    &content);
	return true;
}

bool
dsn_cut(const uint8_t *report, size_t n, struct buf *out, bool *eightbit)
{
	char boundary[DSN_BOUNDARY_MAX], mark[DSN_BOUNDARY_MAX + 8];
	const struct dsn d = { .boundary = boundary };
	const uint8_t *rest = find_boundary(report, n, boundary), *part, *end;
	struct dsn_report r;

	if (rest == NULL)
		return false;
	snprintf(mark, sizeof(mark), "\r\n--%s--\r\n", boundary);
	end = find_last(rest, report + n, mark);
	snprintf(mark, sizeof(mark), "\r\n--%s\r\n", boundary);
	part = end == NULL ? NULL : find_last(rest, end, mark);
	if (part == NULL)
		return false;
	dsn_begin(&r, &d, "", false, out);
	r.head = FRAME_BYTES;		/* the head is there already */
	buf_add(out, report, (size_t)(rest - report));
	if (begins(rest, part, EIGHTBIT))
		rest += strlen(EIGHTBIT);
	buf_add(out, rest, (size_t)(part - rest));
	if (!put_header(&r, part + strlen(mark), end))
		return false;
	buf_addf(out, "\r\n--%s--\r\n", boundary);
	*eightbit = dsn_has_8bit(out->data, out->len);
	return true;
}

/* --- what may be told in the clear ------------------------------------------------- */

/* The value of the first such field from p on, up to a blank. */
static void
find_value(const uint8_t *p, const uint8_t *end, const char *name,
    struct buf *to)
{
	size_t len = strlen(name);
	bool begins = true;

	for (; p < end && !(begins && (size_t)(end - p) > len &&
	    strncasecmp((const char *)p, name, len) == 0); p++)
		begins = *p == '\n';
	if (p == end)
		return;
	/* A long one may stand on the next line. */
	for (p += len; p < end && (*p == ' ' || *p == '\r' || *p == '\n'); p++)
		;
	for (; p < end && *p > ' '; p++) {
		/* RFC 2045 6.7 (5); what else is encoded is read as well so. */
		if (end - p > 2 && memcmp(p, "=\r\n", 3) == 0)
			p += 2;
		else
			buf_addc(to, *p);
	}
}

static void
put_value(struct buf *out, const uint8_t *p, const uint8_t *end,
    const char *name)
{
	struct buf value;
	char field[32];

	snprintf(field, sizeof(field), "%s:", name);
	buf_init(&value, VALUE_MAX);
	if (p != NULL)
		find_value(p, end, field, &value);
	dsn_put_field(out, name, "", value.len == 0 ? "not known" :
	    buf_str(&value), false);
	buf_clear(&value);
}

void
dsn_redact(const struct dsn *d, const char *to, const uint8_t *report,
    size_t n, struct buf *out)
{
	char boundary[DSN_BOUNDARY_MAX], mark[DSN_BOUNDARY_MAX + 8];
	const uint8_t *rest = find_boundary(report, n, boundary);
	const uint8_t *end = report + n, *part = NULL;

	if (rest != NULL) {
		snprintf(mark, sizeof(mark), "\r\n--%s\r\n", boundary);
		part = find_last(rest, end, mark);
	}
	if (part == NULL)
		rest = NULL;	/* not of that form */
	dsn_put_head(d, to, "A report that must not be sent in the clear", out);
	buf_adds(out, "\r\n"
	    "There is a report about a message of yours for which REQUIRETLS was\r\n"
	    "asked, and no way to send it to you that keeps to that (RFC 8689).\r\n"
	    "So no more can be said here than this:\r\n\r\n");
	put_value(out, part, end, "Message-ID");
	put_value(out, rest, part, "Action");
	put_value(out, rest, part, "Status");
}
