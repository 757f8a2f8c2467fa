#include "lib/prelude.h"

#include "lib/addr.h"
#include "lib/date.h"
#include "lib/header.h"
#include "smtpd/fixup.h"

/* Not for the recipients: RFC 5322 3.6.3 and 3.6.6, RFC 5321 4.4. */
static const char *const dropped[] = { "Bcc", "Resent-Bcc", "Return-Path" };

struct seen {
	bool	 date, message_id;
	uint32_t received;
};

static bool
is_dropped(const struct header_field *f)
{
	size_t i;

	for (i = 0; i < nitems(dropped); i++)
		if (header_is(f, dropped[i]))
			return true;
	return false;
}

static void
note(struct seen *seen, const struct header_field *f)
{
	if (header_is(f, "Date"))
		seen->date = true;
	else if (header_is(f, "Message-ID"))
		seen->message_id = true;
	else if (header_is(f, "Received"))
		seen->received++;
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

/* ESMTPSA: ESMTP under TLS after AUTH, RFC 3848; nothing else gets here. */
static void
add_received(struct buf *out, const struct fixup *fx)
{
	char date[DATE_LEN];

	buf_adds(out, "Received:");
	if (fx->client_addr != NULL)
		add_from(out, fx);
	else
		buf_addc(out, ' ');
	buf_addf(out, "by %s (Postern) with ESMTPSA id %s", fx->hostname,
	    fx->id);
	if (fx->account != NULL) {
		buf_adds(out, "\r\n\t(account ");
		add_comment_text(out, fx->account);
		buf_addc(out, ')');
	}
	buf_addf(out, ";\r\n\t%s\r\n", date_rfc5322(fx->wall_ms, date));
}

/* RFC 6409 8.2 and 8.3 */
static void
add_missing(struct buf *out, const struct fixup *fx, const struct seen *seen)
{
	char date[DATE_LEN];

	if (!seen->date)
		buf_addf(out, "Date: %s\r\n", date_rfc5322(fx->wall_ms, date));
	if (!seen->message_id)
		buf_addf(out, "Message-ID: <%llx.%016llx@%s>\r\n",
		    (unsigned long long)fx->wall_ms,
		    (unsigned long long)fx->nonce, fx->hostname);
}

enum reply
fixup_header(const struct fixup *fx, const char *head, size_t n,
    struct buf *out)
{
	struct seen seen = { false, false, 0 };
	struct header_field f;
	enum header_next next;
	size_t at = 0, end = 0, kept = 0;

	add_received(out, fx);
	/* Runs of fields that stay are copied in one piece, head[kept..end). */
	while ((next = header_next(head, n, &at, &f)) == HEADER_FIELD) {
		note(&seen, &f);
		if (is_dropped(&f)) {
			buf_add(out, head + kept, end - kept);
			kept = at;
		}
		end = at;
	}
	if (seen.received > fx->max_hops)
		return REPLY_LOOP;	/* RFC 5321 6.3 */
	buf_add(out, head + kept, end - kept);
	add_missing(out, fx, &seen);
	if (next == HEADER_BODY)	/* the blank line that was forgotten */
		buf_adds(out, "\r\n");
	buf_add(out, head + end, n - end);
	return REPLY_NONE;
}
