/*
 * What reports are put together from: text made safe, fields, parts and the
 * head; what they say is in dsn.c and dsn_digest.c.
 */
#include "lib/prelude.h"

#include "lib/addr.h"
#include "lib/date.h"
#include "queue/dsn_private.h"

#define QUOTED_LINE_MAX	76	/* RFC 2045 6.7 (5) */
#define FOLD_AT		76	/* RFC 5322 2.1.1: lines of 78 are polite */
#define WORD_AT		760	/* ... and no line may pass 998 */
/* Bytes of one field's value; addresses and kept diagnostics are shorter. */
#define FIELD_MAX	1024

/* --- safe text ------------------------------------------------------------------ */

/*
 * Adds text as one logical line: what is no printable ASCII becomes \xNN, or
 * stays when utf8 allows it and it is UTF-8. Folds at blanks so that no line is
 * overlong; a word that never ends is cut by a fold too.
 */
void
dsn_put_text(struct buf *out, size_t column, const char *s, bool utf8)
{
	size_t n;

	utf8 = utf8 && addr_utf8_ok(s, strlen(s));
	for (n = 0; *s != '\0'; s++, n++) {
		uint8_t c = (uint8_t)*s;
		/* Not inside a character. */
		bool begins = !utf8 || (c & 0xc0) != 0x80;

		if (n >= FIELD_MAX && begins)
			break;
		if ((c == ' ' && column >= FOLD_AT) ||
		    (begins && column >= WORD_AT)) {
			buf_adds(out, "\r\n ");
			column = 1;
			if (c == ' ')
				continue;
		}
		if ((c >= 0x20 && c < 0x7f) || (c >= 0x80 && utf8)) {
			buf_addc(out, c);
			column++;
		} else {
			buf_addf(out, "\\x%02x", c);
			column += 4;
		}
	}
}

void
dsn_put_field(struct buf *out, const char *name, const char *prefix,
    const char *value, bool utf8)
{
	buf_addf(out, "%s: %s", name, prefix);
	dsn_put_text(out, strlen(name) + 2 + strlen(prefix), value, utf8);
	buf_adds(out, "\r\n");
}

/* --- the header ------------------------------------------------------------------- */

void
dsn_put_head(const struct dsn *d, const char *to, const char *subject,
    struct buf *out)
{
	char date[DATE_LEN];

	dsn_put_field(out, "From", "Mail Delivery System <", d->postmaster,
	    false);
	out->len -= 2;			/* the line goes on */
	buf_adds(out, ">\r\n");
	dsn_put_field(out, "To", "<", to, true);
	out->len -= 2;
	buf_adds(out, ">\r\n");
	buf_addf(out, "Subject: %s\r\n"
	    "Date: %s\r\n", subject, date_rfc5322(d->now_ms, date));
	buf_addf(out, "Message-ID: <%s@%s>\r\n", d->id, d->hostname);
	/* RFC 3834 3.1.7, so that no robot answers. */
	buf_adds(out, "Auto-Submitted: auto-replied\r\n"
	    "MIME-Version: 1.0\r\n");
}

static void
put_head(const struct dsn_report *r, const char *subject, struct buf *out)
{
	const struct dsn *d = r->dsn;

	dsn_put_head(d, r->to, subject, out);
	buf_addf(out, "Content-Type: multipart/report; report-type=%sdelivery-status;\r\n"
	    "\tboundary=\"%s\"\r\n", r->utf8 ? "global-" : "", d->boundary);
	if (r->eightbit)
		buf_adds(out, "Content-Transfer-Encoding: 8bit\r\n");
	buf_adds(out, "\r\nThis is a delivery report in MIME format.\r\n");
}

/* --- its parts ---------------------------------------------------------------------- */

bool
dsn_has_8bit(const void *v, size_t n)
{
	const uint8_t *p = v;

	while (n > 0)
		if (p[--n] >= 0x80)
			return true;
	return false;
}

size_t
dsn_quoted_max(const uint8_t *p, size_t n)
{
	size_t i, most = n;

	if (!dsn_has_8bit(p, n))
		return n;
	for (i = 0; i < n; i++)
		if (p[i] < ' ' || p[i] > '~' || p[i] == '=' || p[i] == ' ')
			most += 2;
	/* No line is broken before it has so much. */
	return most + 3 * (most / (QUOTED_LINE_MAX - 4) + 1);
}

/* RFC 2045 6.7, of lines that end in CRLF; false when out is too small. */
static bool
quote(const struct buf *content, struct buf *out)
{
	const uint8_t *p = content->data;
	size_t i, column = 0, n = content->len;
	int r = 0;

	for (i = 0; i < n && r == 0; i++) {
		bool eol = p[i] == '\r' && i + 1 < n && p[i + 1] == '\n';
		bool last = i + 1 == n || p[i + 1] == '\r';
		bool plain = (p[i] > ' ' && p[i] <= '~' && p[i] != '=') ||
		    ((p[i] == ' ' || p[i] == '\t') && !last);

		if (eol) {
			r = buf_adds(out, "\r\n");
			column = 0;
			i++;
			continue;
		}
		if (column > QUOTED_LINE_MAX - (plain ? 2 : 4)) {
			r = buf_adds(out, "=\r\n");
			column = 0;
		}
		if (r == 0)
			r = plain ? buf_addc(out, p[i]) :
			    buf_addf(out, "=%02X", p[i]);
		column += plain ? 1 : 3;
	}
	return r == 0;
}

void
dsn_begin(struct dsn_report *r, const struct dsn *d, const char *to,
    bool utf8, struct buf *out)
{
	*r = (struct dsn_report){ .dsn = d, .to = to, .utf8 = utf8, .out = out,
	    .eightbit = dsn_has_8bit(to, strlen(to)), .head = DSN_HEAD_ROOM };
}

void
dsn_put_part(struct dsn_report *r, const char *type, const char *description,
    bool encode, struct buf *content)
{
	bool eightbit = dsn_has_8bit(content->data, content->len);
	size_t used = r->out->len + r->more + r->head;
	struct buf quoted;

	buf_init(&quoted, used < r->out->max ? r->out->max - used : 0);
	encode = eightbit && encode && !dsn_has_8bit(r->to, strlen(r->to)) &&
	    quote(content, &quoted);
	buf_addf(r->out, "\r\n--%s\r\nContent-Type: %s\r\n"
	    "Content-Description: %s\r\n", r->dsn->boundary, type, description);
	if (eightbit)
		buf_addf(r->out, "Content-Transfer-Encoding: %s\r\n", encode ?
		    "quoted-printable" : "8bit");
	buf_adds(r->out, "\r\n");
	if (encode)
		buf_add(r->out, quoted.data, quoted.len);
	else
		buf_add(r->out, content->data, content->len);
	r->eightbit |= eightbit && !encode;
	buf_clear(&quoted);
	buf_clear(content);
}

void
dsn_end(struct dsn_report *r, const char *subject)
{
	struct buf head;

	buf_addf(r->out, "\r\n--%s--\r\n", r->dsn->boundary);
	buf_init(&head, r->out->max);
	put_head(r, subject, &head);
	buf_add(&head, r->out->data, r->out->len);
	buf_clear(r->out);
	*r->out = head;
}
