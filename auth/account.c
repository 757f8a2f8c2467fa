#include "lib/prelude.h"

#include "auth/account.h"
#include "lib/xalloc.h"

#define PLAIN_MAX	64	/* of a name that is no address */

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

struct verifier *
account_verifier_at(struct account *a, enum scram_hash hash)
{
	return hash == SCRAM_SHA_256 ? &a->verifier : &a->further[hash - 1];
}

struct verifier *
account_verifier(struct account *a, enum scram_hash hash)
{
	struct verifier *v = account_verifier_at(a, hash);

	return v->iterations != 0 ? v : NULL;
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
	if (len > PLAIN_MAX)
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
