#include "lib/prelude.h"

#include "lib/mailboxes.h"
#include "smtpd/identity.h"

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

enum reply
identity_check(struct identity *id, enum identity_field kind,
    const struct header_field *f)
{
	struct mailboxes m;
	enum mailboxes_next r;
	char addr[ADDR_MAX + 2];
	size_t n = 0;

	if ((kind == IDENTITY_FROM && twice(&id->from)) ||
	    (kind == IDENTITY_SENDER && twice(&id->sender)))
		return refuse(id, REPLY_FIELD_TWICE, f, "");
	mailboxes_init(&m, f->value, f->value_len);
	while ((r = mailboxes_next(&m, addr)) == MAILBOXES_ONE) {
		if (!id->permits(addr, id->arg))
			return refuse(id, REPLY_NOT_YOUR_FROM, f, addr);
		n++;
	}
	return r == MAILBOXES_BAD || n == 0 ?
	    refuse(id, REPLY_BAD_FROM, f, "") : REPLY_NONE;
}
