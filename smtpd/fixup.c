#include "lib/prelude.h"

#include <strings.h>

#include "lib/addr.h"
#include "lib/date.h"
#include "lib/header.h"
#include "smtpd/fixup.h"

/* What a field is to us. */
enum kind {
	OTHER,
	KNOWN,		/* nobody writes it at the start of a text's line */
	DROPPED,	/* not for the recipients */
	DATE, MESSAGE_ID, RECEIVED,
	FROM, SENDER, RESENT
};

static const struct {
	const char *name;
	uint8_t	 len;
	uint8_t	 kind;
} kinds[] = {
#define FIELD(name, kind) { name, sizeof(name) - 1, kind }
	/* RFC 5322 3.6.3 and 3.6.6, RFC 5321 4.4, and what some make of Bcc */
	FIELD("Bcc", DROPPED), FIELD("Resent-Bcc", DROPPED),
	FIELD("Return-Path", DROPPED), FIELD("X-Bcc", DROPPED),
	FIELD("Apparently-To", DROPPED),
	FIELD("Date", DATE), FIELD("Message-ID", MESSAGE_ID),
	FIELD("Received", RECEIVED), FIELD("From", FROM),
	FIELD("Sender", SENDER), FIELD("Resent-From", RESENT),
	FIELD("Resent-Sender", RESENT),
	FIELD("To", KNOWN), FIELD("Cc", KNOWN), FIELD("Subject", KNOWN),
	FIELD("Reply-To", KNOWN), FIELD("MIME-Version", KNOWN),
	FIELD("Content-Type", KNOWN),
	FIELD("Content-Transfer-Encoding", KNOWN),
#undef FIELD
};

struct seen {
	bool	 date, message_id;
	uint32_t received;
};

static enum kind
kind_of(const struct header_field *f)
{
	size_t i;

	for (i = 0; i < nitems(kinds); i++)
		if (f->name_len == kinds[i].len && strncasecmp(f->name,
		    kinds[i].name, kinds[i].len) == 0)
			return kinds[i].kind;
	return OTHER;
}

static enum reply
note(struct seen *seen, enum kind kind, const struct header_field *f,
    struct identity *id)
{
	switch (kind) {
	case DATE:
		seen->date = true;
		break;
	case MESSAGE_ID:
		seen->message_id = true;
		break;
	case RECEIVED:
		seen->received++;
		break;
	case FROM:
		return identity_check(id, IDENTITY_FROM, f);
	case SENDER:
		return identity_check(id, IDENTITY_SENDER, f);
	case RESENT:
		return identity_check(id, IDENTITY_RESENT, f);
	default:
		break;
	}
	return REPLY_NONE;
}

/* Text from elsewhere inside a comment, RFC 5322 3.2.2: quoted-pairs. */
static void
add_comment_text(struct buf *out, const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s == '(' || *s == ')' || *s == '\\')
			buf_addc(out, '\\');
		buf_addc(out, (uint8_t)*s < ' ' || *s == 0x7f ? '?' :
		    (uint8_t)*s);
	}
}

/* "from NAME ([ADDRESS])", RFC 5321 4.4; a name that is none stays out. */
static void
add_from(struct buf *out, const struct fixup *fx)
{
	const char *v6 = strchr(fx->client_addr, ':') != NULL ? "IPv6:" : "";
	const char *name = fx->client_name == NULL ? "" : fx->client_name;
	size_t n = strlen(name);

	if (addr_is_domain(name, n, 0) || addr_is_literal(name, n))
		buf_addf(out, " from %s ([%s%s])\r\n\t", name, v6,
		    fx->client_addr);
	else
		buf_addf(out, " from [%s%s]\r\n\t", v6, fx->client_addr);
}

static void
add_received(struct buf *out, const struct fixup *fx)
{
	char date[DATE_LEN];

	buf_adds(out, "Received:");
	if (fx->client_addr != NULL)
		add_from(out, fx);
	else
		buf_addc(out, ' ');
	buf_addf(out, "by %s (Postern) with %s id %s", fx->hostname,
	    fx->with, fx->id);
	if (fx->ranked)			/* RFC 6710 4.1 (2) */
		buf_addf(out, "\r\n\tPRIORITY %d", fx->priority);
	if (fx->account != NULL) {
		buf_adds(out, "\r\n\t(account ");
		add_comment_text(out, fx->account);
		buf_addc(out, ')');
	}
	buf_addf(out, ";\r\n\t%s\r\n", date_rfc5322(fx->wall_ms, date));
}

/*
 * RFC 6409 8.2 and 8.3; and From, as RFC 5322 3.6 wants one and many servers
 * refuse mail without: scripts leave it to the server.
 */
static void
add_missing(struct buf *out, const struct fixup *fx, const struct seen *seen,
    bool from)
{
	char date[DATE_LEN];

	if (!from)
		buf_addf(out, "From: %s\r\n", fx->from);
	if (!seen->date)
		buf_addf(out, "Date: %s\r\n", date_rfc5322(fx->wall_ms, date));
	if (!seen->message_id)
		buf_addf(out, "Message-ID: <%llx.%016llx@%s>\r\n",
		    (unsigned long long)fx->wall_ms,
		    (unsigned long long)fx->nonce, fx->hostname);
}

/*
 * Where fields end without a blank line, text[at..n) is the body for most mail
 * programs, if it is one: behind a line that is no field in the middle of a
 * header a Bcc would be shown to all, and a From stand there unread.
 */
static bool
is_body(const char *text, size_t n, size_t at)
{
	bool blank = n >= 4 && memcmp(text + n - 4, "\r\n\r\n", 4) == 0;
	struct header_field f;
	const char *lf;

	if (at > 0 && blank)
		return false;
	while (at < n) {
		size_t here = at;

		if (header_next(text, n, &here, &f) == HEADER_FIELD &&
		    kind_of(&f) != OTHER)
			return false;
		lf = memchr(text + at, '\n', n - at);
		at = lf == NULL ? n : (size_t)(lf - text) + 1;
	}
	return true;
}

/*
 * RFC 6532 3.2: UTF-8, in a message that says so. In others RFC 5322 2.2 wants
 * ASCII; but scripts and printers send what they like in a Subject, every MTA
 * lets it pass, and their mail must go out: it stays as it is.
 */
static enum reply
check_bytes(const struct fixup *fx, const char *fields, size_t n)
{
	if (!fx->utf8 || !addr_is_8bit(fields, n))
		return REPLY_NONE;
	return addr_utf8_well_formed(fields, n) ? REPLY_NONE :
	    REPLY_HEADER_NOT_UTF8;
}

enum reply
fixup_header(const struct fixup *fx, const char *head, size_t n,
    struct buf *out, struct identity *id)
{
	struct seen seen = { false, false, 0 };
	struct header_field f;
	enum header_next next;
	enum reply refusal;
	enum kind kind;
	size_t at = 0, end = 0, kept = 0, start = out->len;

	add_received(out, fx);
	/* Runs of fields that stay are copied in one piece, head[kept..end). */
	while ((next = header_next(head, n, &at, &f)) == HEADER_FIELD) {
		kind = kind_of(&f);
		id->anew = false;
		refusal = note(&seen, kind, &f, id);
		if (refusal != REPLY_NONE)
			return refusal;
		if (kind == DROPPED || id->anew) {
			buf_add(out, head + kept, end - kept);
			kept = at;
		}
		if (id->anew)
			identity_write(id, &f, out);
		if (out->len > start + at + FIXUP_ROOM / 2)
			return REPLY_BIG_HEADER;
		end = at;
	}
	if (seen.received > fx->max_hops)
		return REPLY_LOOP;	/* RFC 5321 6.3 */
	if (next == HEADER_BODY && !is_body(head, n, at))
		return REPLY_BAD_HEADER;
	refusal = check_bytes(fx, head, end);
	if (refusal != REPLY_NONE)
		return refusal;
	buf_add(out, head + kept, end - kept);
	if (!id->from && fx->from == NULL)
		return REPLY_NO_FROM;
	add_missing(out, fx, &seen, id->from);
	if (next == HEADER_BODY)	/* the blank line that was forgotten */
		buf_adds(out, "\r\n");
	buf_add(out, head + end, n - end);
	return REPLY_NONE;
}
