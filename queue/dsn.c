#include "lib/prelude.h"

#include "lib/addr.h"
#include "lib/date.h"
#include "lib/header.h"
#include "lib/num.h"
#include "queue/dsn.h"

#define FOLD_AT		76	/* RFC 5322 2.1.1: lines of 78 are polite */
#define WORD_AT		760	/* ... and no line may pass 998 */
#define FIELD_MAX	2048	/* bytes of one field's value */
/* Room kept in the report for its end and a fair part of the original. */
#define ROOM_FOR_ORIGINAL (DSN_FULL_MAX + 1024)

static void	put_head(const struct dsn *, struct buf *, bool eightbit);
static void	put_people(const struct dsn *, struct buf *);
static void	put_programs(const struct dsn *, struct buf *);
static void	put_original(const struct dsn *, struct buf *, size_t len,
		    bool whole);

bool
dsn_wanted(const struct store_msg *m, size_t i)
{
	uint8_t notify = m->env.rcpts[i].notify;

	if (*m->env.return_path == '\0')	/* RFC 5321 6.1 */
		return false;
	return notify == 0 || ((notify & NOTIFY_NEVER) == 0 &&
	    (notify & NOTIFY_FAILURE) != 0);
}

/* --- safe text ------------------------------------------------------------------ */

/*
 * Adds text as one logical line: what is no printable ASCII becomes \xNN, or
 * stays when utf8 allows it and it is UTF-8. Folds at blanks so that no line is
 * overlong; a word that never ends is cut by a fold too.
 */
static void
put_text(struct buf *out, size_t column, const char *s, bool utf8)
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

static void
put_field(struct buf *out, const char *name, const char *prefix,
    const char *value, bool utf8)
{
	buf_addf(out, "%s: %s", name, prefix);
	put_text(out, strlen(name) + 2 + strlen(prefix), value, utf8);
	buf_adds(out, "\r\n");
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* RFC 3461 4: "+41" stands for "A". What is decoded is still not trusted. */
static void
xtext_decode(const char *s, char *to, size_t size)
{
	size_t n = 0;

	for (; *s != '\0' && n + 1 < size; s++) {
		if (*s == '+' && hex_digit(s[1]) != -1 &&
		    hex_digit(s[2]) != -1) {
			to[n++] = (char)(hex_digit(s[1]) * 16 +
			    hex_digit(s[2]));
			s += 2;
		} else
			to[n++] = *s;
		if (to[n - 1] == '\0')
			to[n - 1] = '?';
	}
	to[n] = '\0';
}

/* --- the header ------------------------------------------------------------------- */

static void
put_head(const struct dsn *d, struct buf *out, bool eightbit)
{
	char date[DATE_LEN];
	bool utf8 = d->msg->env.utf8;

	put_field(out, "From", "Mail Delivery System <", d->postmaster, false);
	out->len -= 2;			/* the line goes on */
	buf_adds(out, ">\r\n");
	put_field(out, "To", "<", d->msg->env.return_path, utf8);
	out->len -= 2;
	buf_adds(out, ">\r\n");
	buf_addf(out, "Subject: Undelivered mail: returned to sender\r\n"
	    "Date: %s\r\n", date_rfc5322(d->now_ms, date));
	buf_addf(out, "Message-ID: <%s@%s>\r\n", d->id, d->hostname);
	/* RFC 3834 3.1.7, so that no robot answers. */
	buf_addf(out, "Auto-Submitted: auto-replied\r\n"
	    "MIME-Version: 1.0\r\n"
	    "Content-Type: multipart/report; report-type=%sdelivery-status;\r\n"
	    "\tboundary=\"%s\"\r\n", utf8 ? "global-" : "", d->boundary);
	if (eightbit)
		buf_adds(out, "Content-Transfer-Encoding: 8bit\r\n");
	buf_adds(out, "\r\nThis is a delivery report in MIME format.\r\n");
}

static void
put_part(const struct dsn *d, struct buf *out, const char *type,
    const char *description, bool eightbit)
{
	buf_addf(out, "\r\n--%s\r\nContent-Type: %s\r\n"
	    "Content-Description: %s\r\n", d->boundary, type, description);
	if (eightbit)
		buf_adds(out, "Content-Transfer-Encoding: 8bit\r\n");
	buf_adds(out, "\r\n");
}

/* --- for people --------------------------------------------------------------------- */

static void
put_person(const struct dsn *d, struct buf *out, size_t i)
{
	const struct store_rcpt *r = &d->msg->rcpts[i];
	bool utf8 = d->msg->env.utf8;

	buf_adds(out, "  ");
	put_text(out, 2, d->msg->env.rcpts[i].addr, utf8);
	buf_adds(out, "\r\n    ");
	if (r->remote != NULL) {
		put_text(out, 4, r->remote, utf8);
		buf_adds(out, " answered:\r\n    ");
	}
	put_text(out, 4, r->diag != NULL ? r->diag : "no reason is known",
	    utf8);
	buf_adds(out, "\r\n\r\n");
}

static bool
room_left(const struct buf *out, size_t keep)
{
	return out->max - out->len > keep;
}

static void
put_people(const struct dsn *d, struct buf *out)
{
	size_t i, n = 0, left_out = 0;
	bool utf8 = d->msg->env.utf8;
	char date[DATE_LEN], more[NUM_TEXT_LEN];

	for (i = 0; i < d->msg->env.nrcpts; i++)
		n += d->report[i];
	put_part(d, out, utf8 ? "text/plain; charset=utf-8" :
	    "text/plain; charset=us-ascii", "Notification", utf8);
	buf_addf(out, "This is the mail system at %s.\r\n\r\n"
	    "Your message of %s\r\n"
	    "could not be delivered to %s below, and will not be\r\n"
	    "tried again. The reason given may tell what to put right before\r\n"
	    "you send it anew. If you need help, give your postmaster this\r\n"
	    "number: %s\r\n\r\n",
	    d->hostname, date_rfc5322(d->msg->arrived_ms, date),
	    n == 1 ? "the recipient" : "the recipients", d->msg_id);
	for (i = 0; i < d->msg->env.nrcpts; i++) {
		if (!d->report[i])
			continue;
		if (room_left(out, ROOM_FOR_ORIGINAL + DSN_MAX / 4))
			put_person(d, out, i);
		else
			left_out++;
	}
	if (left_out > 0)
		buf_addf(out, "  and %s more\r\n",
		    num_print_count(left_out, "recipient", more));
}

/* --- for programs -------------------------------------------------------------------- */

/* RFC 3464 2.3: one block per recipient. */
static void
put_recipient(const struct dsn *d, struct buf *out, size_t i)
{
	const struct envelope_rcpt *e = &d->msg->env.rcpts[i];
	const struct store_rcpt *r = &d->msg->rcpts[i];
	bool utf8 = d->msg->env.utf8;
	char decoded[ENVELOPE_ORCPT_MAX + 1], date[DATE_LEN];
	const char *semicolon = e->orcpt == NULL ? NULL :
	    strchr(e->orcpt, ';');

	buf_adds(out, "\r\n");
	if (semicolon != NULL) {	/* 2.3.1 */
		char type[32];

		snprintf(type, sizeof(type), "%.*s;",
		    (int)(semicolon - e->orcpt), e->orcpt);
		xtext_decode(semicolon + 1, decoded, sizeof(decoded));
		buf_adds(out, "Original-Recipient: ");
		put_text(out, 20, type, false);
		put_text(out, 20 + strlen(type), decoded, utf8);
		buf_adds(out, "\r\n");
	}
	put_field(out, "Final-Recipient", utf8 ? "utf-8;" : "rfc822;",
	    e->addr, utf8);
	buf_adds(out, "Action: failed\r\n");
	put_field(out, "Status", "", r->status != NULL ? r->status : "5.0.0",
	    false);
	if (r->remote != NULL)
		put_field(out, "Remote-MTA", "dns;", r->remote, false);
	/* 2.3.6: "smtp" is for what an SMTP server said. */
	if (r->diag != NULL)
		put_field(out, "Diagnostic-Code", r->remote != NULL ?
		    "smtp;" : "x-postern;", r->diag, utf8);
	buf_addf(out, "Last-Attempt-Date: %s\r\n",
	    date_rfc5322(d->now_ms, date));
}

static void
put_programs(const struct dsn *d, struct buf *out)
{
	const struct store_msg *m = d->msg;
	char decoded[ENVELOPE_ENVID_MAX + 1], date[DATE_LEN];
	size_t i;

	put_part(d, out, m->env.utf8 ? "message/global-delivery-status" :
	    "message/delivery-status", "Delivery report", m->env.utf8);
	if (m->env.envid != NULL) {	/* RFC 3464 2.2.1 */
		xtext_decode(m->env.envid, decoded, sizeof(decoded));
		put_field(out, "Original-Envelope-Id", "", decoded, false);
	}
	put_field(out, "Reporting-MTA", "dns;", d->hostname, false);
	put_field(out, "X-Postern-Id", "", d->msg_id, false);
	buf_addf(out, "Arrival-Date: %s\r\n",
	    date_rfc5322(m->arrived_ms, date));
	for (i = 0; i < m->env.nrcpts; i++)
		if (d->report[i] && room_left(out, ROOM_FOR_ORIGINAL))
			put_recipient(d, out, i);
}

/* --- what was sent --------------------------------------------------------------------- */

/* How much of the original goes back (RFC 3461 4.3), and whether it is all. */
static size_t
original_part(const struct dsn *d, bool *whole)
{
	size_t len, most;

	*whole = d->msg->env.ret == RET_FULL && d->original_whole &&
	    d->original_len <= DSN_FULL_MAX;
	if (*whole)
		return d->original_len;
	most = d->original_len < DSN_HEADER_MAX ? d->original_len :
	    DSN_HEADER_MAX;
	if (most == 0)
		return 0;
	if (header_find_end((const char *)d->original, most, 0, &len))
		return len;
	/* A header without end, or a huge one: whole lines of it. */
	for (len = most; len > 0 && d->original[len - 1] != '\n'; len--)
		;
	return len;
}

static bool
has_8bit(const uint8_t *p, size_t n)
{
	while (n > 0)
		if (p[--n] >= 0x80)
			return true;
	return false;
}

static void
put_original(const struct dsn *d, struct buf *out, size_t len, bool whole)
{
	bool utf8 = d->msg->env.utf8;
	const char *type = whole ? (utf8 ? "message/global" :
	    "message/rfc822") : (utf8 ? "message/global-headers" :
	    "text/rfc822-headers");

	put_part(d, out, type, whole ? "Undelivered message" :
	    "Undelivered message: header", has_8bit(d->original, len));
	buf_add(out, d->original, len);
}

void
dsn_write(const struct dsn *d, struct buf *out, bool *eightbit)
{
	bool whole;
	size_t len = original_part(d, &whole);

	*eightbit = d->msg->env.utf8 || has_8bit(d->original, len);
	put_head(d, out, *eightbit);
	put_people(d, out);
	put_programs(d, out);
	put_original(d, out, len, whole);
	buf_addf(out, "\r\n--%s--\r\n", d->boundary);
}
