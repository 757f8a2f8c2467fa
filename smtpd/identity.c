#include "lib/prelude.h"

#include "lib/mailboxes.h"
#include "smtpd/identity.h"

#define NAME_MAX_KEPT 255	/* so that no line grows beyond RFC 5322 2.1.1 */

static enum reply
refuse(struct identity *id, enum reply why, const struct header_field *f,
    const char *addr)
{
	snprintf(id->about, sizeof(id->about), "%.*s%s%s%s",
	    f->name_len < 20 ? (int)f->name_len : 20, f->name,
	    *addr == '\0' ? "" : ": <", addr, *addr == '\0' ? "" : ">");
	return why;
}

/* RFC 5322 3.6: at most one; readers differ in which of two they show. */
static bool
twice(bool *seen)
{
	bool before = *seen;

	*seen = true;
	return before;
}

/* A name with an '@' in it would be read as an address. */
static void
keep_name(struct identity *id, const struct mailboxes *m)
{
	size_t n = (size_t)(m->angle - m->name);

	if (n > NAME_MAX_KEPT || memchr(m->name, '@', n) != NULL)
		return;
	id->name = m->name;
	id->name_len = n;
}

static enum reply
check_addresses(struct identity *id, const struct header_field *f)
{
	enum reply no = REPLY_NONE;
	enum mailboxes_next r;
	char addr[ADDR_MAX + 2];
	struct mailboxes m;
	size_t n = 0;

	mailboxes_init(&m, f->value, f->value_len);
	while ((r = mailboxes_next(&m, addr)) == MAILBOXES_ONE) {
		if (no == REPLY_NONE && !id->permits(addr, id->arg))
			no = refuse(id, REPLY_NOT_YOUR_FROM, f, addr);
		n++;
	}
	if (no == REPLY_NONE && (r == MAILBOXES_BAD || n == 0))
		no = refuse(id, REPLY_BAD_FROM, f, "");
	if (r == MAILBOXES_END && n == 1 && !m.grouped && m.angle != NULL)
		keep_name(id, &m);
	return no;
}

enum reply
identity_check(struct identity *id, enum identity_field kind,
    const struct header_field *f)
{
	enum reply no;

	id->name = NULL;
	id->name_len = 0;
	if ((kind == IDENTITY_FROM && twice(&id->from)) ||
	    (kind == IDENTITY_SENDER && twice(&id->sender)))
		return refuse(id, REPLY_FIELD_TWICE, f, "");
	no = check_addresses(id, f);
	id->anew = no != REPLY_NONE && id->rewrite != NULL;
	return id->anew ? REPLY_NONE : no;
}

void
identity_write(struct identity *id, const struct header_field *f,
    struct buf *out)
{
	buf_add(out, f->whole, (size_t)(f->value - f->whole));
	buf_addc(out, ' ');
	if (id->name_len > 0) {
		buf_add(out, id->name, id->name_len);
		buf_addf(out, "<%s>\r\n", id->rewrite);
	} else
		buf_addf(out, "%s\r\n", id->rewrite);
	id->rewritten++;
}
