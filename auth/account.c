#include "lib/prelude.h"

#include "auth/account.h"
#include "lib/log.h"
#include "lib/xalloc.h"

#define RECORD_VERSION	1
#define SCHEME_SCRAM_SHA_256 1
#define LOGIN_MAX	64	/* of a name that is no address */

void
account_clear(struct account *a)
{
	size_t i;

	for (i = 0; i < a->nsenders; i++)
		free(a->senders[i]);
	free(a->senders);
	explicit_bzero(a, sizeof(*a));
}

bool
account_add_sender(struct account *a, const char *pattern)
{
	if (a->nsenders == ACCOUNT_SENDERS_MAX)
		return false;
	a->senders = xreallocarray(a->senders, a->nsenders + 1,
	    sizeof(*a->senders));
	a->senders[a->nsenders++] = xstrdup(pattern);
	return true;
}

/* --- writing --------------------------------------------------------------------- */

static void
put(struct buf *b, const void *p, size_t n)
{
	if (buf_add(b, p, n) == -1)
		fatalx("an account outgrew its record");
}

static void
put_num(struct buf *b, uint64_t v, size_t bytes)
{
	uint8_t out[8];
	size_t i;

	for (i = 0; i < bytes; i++)
		out[i] = (uint8_t)(v >> (8 * (bytes - 1 - i)));
	put(b, out, bytes);
}

static void
put_str(struct buf *b, const char *s)
{
	put_num(b, strlen(s), 2);
	put(b, s, strlen(s));
}

void
account_encode(const struct account *a, struct buf *b)
{
	size_t i;

	put_num(b, RECORD_VERSION, 1);
	put_num(b, 0, 4);		/* flags: none is defined yet */
	put_num(b, a->created_ms, 8);
	put_num(b, a->changed_ms, 8);
	put_str(b, a->cap);
	put_num(b, SCHEME_SCRAM_SHA_256, 1);
	put_num(b, a->verifier.iterations, 4);
	put_num(b, a->verifier.salt_len, 1);
	put(b, a->verifier.salt, a->verifier.salt_len);
	put(b, a->verifier.stored_key, VERIFIER_KEY_LEN);
	put(b, a->verifier.server_key, VERIFIER_KEY_LEN);
	put_num(b, a->nsenders, 2);
	for (i = 0; i < a->nsenders; i++)
		put_str(b, a->senders[i]);
}

/* --- reading ----------------------------------------------------------------------- */

struct reader {
	const uint8_t *at, *end;
	bool	 bad;		/* sticky */
};

static const uint8_t *
get(struct reader *r, size_t n)
{
	const uint8_t *p = r->at;

	if (r->bad || n > (size_t)(r->end - r->at)) {
		r->bad = true;
		return NULL;
	}
	r->at += n;
	return p;
}

static uint64_t
get_num(struct reader *r, size_t bytes)
{
	const uint8_t *p = get(r, bytes);
	uint64_t v = 0;

	while (p != NULL && bytes-- > 0)
		v = v << 8 | *p++;
	return v;
}

static void
get_bytes(struct reader *r, uint8_t *out, size_t n)
{
	const uint8_t *p = get(r, n);

	if (p != NULL)
		memcpy(out, p, n);
}

static void
get_str(struct reader *r, char *out, size_t max)
{
	size_t n = get_num(r, 2);
	const uint8_t *p = get(r, n);

	*out = '\0';
	if (p == NULL || n == 0 || n > max || memchr(p, '\0', n) != NULL) {
		r->bad = true;
		return;
	}
	memcpy(out, p, n);
	out[n] = '\0';
}

static void
get_verifier(struct reader *r, struct verifier *v)
{
	if (get_num(r, 1) != SCHEME_SCRAM_SHA_256)
		r->bad = true;
	v->iterations = (uint32_t)get_num(r, 4);
	if (v->iterations < VERIFIER_ITERATIONS_MIN ||
	    v->iterations > VERIFIER_ITERATIONS_MAX)
		r->bad = true;
	v->salt_len = (uint8_t)get_num(r, 1);
	if (v->salt_len == 0 || v->salt_len > VERIFIER_SALT_MAX)
		r->bad = true;
	else
		get_bytes(r, v->salt, v->salt_len);
	get_bytes(r, v->stored_key, VERIFIER_KEY_LEN);
	get_bytes(r, v->server_key, VERIFIER_KEY_LEN);
}

int
account_decode(struct account *a, const uint8_t *p, size_t n)
{
	struct reader r = { p, p + n, false };
	char pattern[ACCOUNT_MAX + 1];
	size_t i, senders;

	if (get_num(&r, 1) != RECORD_VERSION || get_num(&r, 4) != 0)
		return -1;
	a->created_ms = get_num(&r, 8);
	a->changed_ms = get_num(&r, 8);
	get_str(&r, a->cap, CAP_NAME_MAX);
	get_verifier(&r, &a->verifier);
	senders = get_num(&r, 2);
	for (i = 0; i < senders && !r.bad; i++) {
		get_str(&r, pattern, ACCOUNT_MAX);
		if (!r.bad && !account_add_sender(a, pattern))
			r.bad = true;
	}
	if (!r.bad && r.at == r.end)
		return 0;
	account_clear(a);
	return -1;
}

/* --- what things may look like -------------------------------------------------------- */

static const char *
mailbox(const char *given, char out[ACCOUNT_MAX + 1])
{
	char text[ADDR_MAX + 2];
	struct addr a;
	const char *why = addr_parse(given, strlen(given), 0, &a);

	if (why != NULL)
		return why;
	addr_canonical(&a, text);
	snprintf(out, ACCOUNT_MAX + 1, "%s", addr_lower(text));
	return NULL;
}

const char *
account_name(const char *given, char name[ACCOUNT_MAX + 1])
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t len = strlen(given);

	if (strchr(given, '@') != NULL)
		return mailbox(given, name);
	if (len == 0)
		return "a name is missing";
	if (len > LOGIN_MAX)
		return "a name that is no address has at most 64 characters";
	snprintf(name, ACCOUNT_MAX + 1, "%s", given);
	addr_lower(name);
	if (strspn(name, plain) != len || *name == '-')
		return "a name is a mail address, or letters, digits and "
		    "\"._-\" alone, beginning with no \"-\"";
	return NULL;
}

const char *
account_sender(const char *given, char pattern[ACCOUNT_MAX + 1])
{
	if (*given != '@')
		return mailbox(given, pattern);
	if (!addr_is_domain(given + 1, strlen(given + 1), 0))
		return "a sender is a mail address or \"@\" and a domain";
	snprintf(pattern, ACCOUNT_MAX + 1, "%s", given);
	addr_lower(pattern);
	return NULL;
}

const char *
account_cap(const char *given, char cap[CAP_NAME_MAX + 1])
{
	size_t i, len = strlen(given);

	if (len == 0 || len > CAP_NAME_MAX)
		return "a cap's name has 1 to 64 characters";
	for (i = 0; i < len; i++)
		if (given[i] <= ' ' || given[i] > '~' || given[i] == '"')
			return "a cap's name has no spaces, quotes or "
			    "characters outside ASCII";
	snprintf(cap, CAP_NAME_MAX + 1, "%s", given);
	return NULL;
}

/*
 * RFC 4013 asks for more (normal forms, mappings); for ASCII it asks for no
 * more than this, and others are taken as they are typed.
 */
const char *
account_password(const uint8_t *p, size_t len)
{
	if (len < ACCOUNT_PASSWORD_MIN)
		return "a password has at least 8 bytes";
	if (len > ACCOUNT_PASSWORD_MAX)
		return "a password has at most 1024 bytes";
	if (!addr_utf8_ok((const char *)p, len))
		return "a password is UTF-8 text without control characters";
	return NULL;
}
