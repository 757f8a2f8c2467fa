#include "lib/prelude.h"

#include <strings.h>

#include "lib/base64.h"
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

/* --- the display name ----------------------------------------------------------------- */

static bool
is_word(const char *p, size_t n, const char *word)
{
	return n == strlen(word) && strncasecmp(p, word, n) == 0;
}

/* Where an '@' is the byte 0x40 and nothing else; not so in UTF-7 or UTF-16. */
static bool
keeps_ascii(const char *charset, size_t n)
{
	return is_word(charset, n, "utf-8") || is_word(charset, n, "us-ascii")
	    || (n > 9 && strncasecmp(charset, "iso-8859-", 9) == 0) ||
	    (n > 8 && strncasecmp(charset, "windows-", 8) == 0);
}

static bool
base64_has_at(const char *p, size_t n)
{
	struct buf b;
	bool has;

	buf_init(&b, NAME_MAX_KEPT);
	has = base64_decode(p, n, &b) == -1 ||
	    memchr(buf_str(&b), '@', b.len) != NULL;
	buf_clear(&b);
	return has;
}

/*
 * RFC 2047 2, "=?charset?encoding?text?=", p behind the "=?"; *p comes to stand
 * behind it. True when an '@' is in it, or nobody knows.
 */
static bool
word_has_at(const char **p, const char *end)
{
	const char *charset = *p, *enc, *text, *stop;

	enc = memchr(charset, '?', (size_t)(end - charset));
	if (enc == NULL || end - enc < 3 || enc[2] != '?' ||
	    !keeps_ascii(charset, (size_t)(enc - charset)))
		return true;
	text = enc + 3;
	stop = memmem(text, (size_t)(end - text), "?=", 2);
	if (stop == NULL)
		return true;
	*p = stop + 2;
	if (enc[1] == 'B' || enc[1] == 'b')
		return base64_has_at(text, (size_t)(stop - text));
	return memmem(text, (size_t)(stop - text), "=40", 3) != NULL;
}

static bool
has_at(const char *p, size_t n)
{
	const char *end = p + n;

	if (memchr(p, '@', n) != NULL)
		return true;
	while ((p = memmem(p, (size_t)(end - p), "=?", 2)) != NULL) {
		p += 2;
		if (word_has_at(&p, end))
			return true;
	}
	return false;
}

/* A name with an '@' in it would be read as an address. */
static void
keep_name(struct identity *id, const struct mailboxes *m)
{
	size_t n = (size_t)(m->angle - m->name);

	if (n > NAME_MAX_KEPT || has_at(m->name, n))
		return;
	id->name = m->name;
	id->name_len = n;
}

/* --- the addresses -------------------------------------------------------------------- */

static enum reply
check_address(struct identity *id, const struct header_field *f,
    const char *addr)
{
	if (strstr(addr, "=?") != NULL)
		return refuse(id, REPLY_ENCODED_FROM, f, addr);
	return id->permits(addr, id->arg) ? REPLY_NONE :
	    refuse(id, REPLY_NOT_YOUR_FROM, f, addr);
}

static bool
one_too_many(struct identity *id)
{
	if (++id->addresses <= IDENTITY_ADDRESSES_MAX)
		return false;
	snprintf(id->about, sizeof(id->about), "%d", IDENTITY_ADDRESSES_MAX);
	return true;
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
		if (one_too_many(id))
			return REPLY_MANY_FROM;
		if (no == REPLY_NONE)
			no = check_address(id, f, addr);
		n++;
	}
	if (n == 0 && one_too_many(id))		/* it may be given one */
		return REPLY_MANY_FROM;
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
	id->anew = no != REPLY_NONE && no != REPLY_MANY_FROM &&
	    id->rewrite != NULL;
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
