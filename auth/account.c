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
	xfree_secret(a->devices, a->ndevices * sizeof(*a->devices));
	free(a->gone);
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

bool
account_drop_sender(struct account *a, const char *pattern)
{
	size_t i;

	for (i = 0; i < a->nsenders; i++)
		if (strcmp(a->senders[i], pattern) == 0)
			break;
	if (i == a->nsenders)
		return false;
	free(a->senders[i]);
	a->nsenders--;
	memmove(a->senders + i, a->senders + i + 1,
	    (a->nsenders - i) * sizeof(*a->senders));
	return true;
}

const char *
account_own_address(const struct account *a)
{
	size_t i;

	if (strchr(a->name, '@') != NULL)
		return a->name;
	for (i = 0; i < a->nsenders; i++)
		if (*a->senders[i] != '@')
			return a->senders[i];
	return NULL;
}

const char *
account_rewrite(const struct account *a)
{
	const char *own = a->rewrite ? account_own_address(a) : NULL;

	return own == NULL ? "" : own;
}

/* --- devices -------------------------------------------------------------------------- */

struct device *
account_device(struct account *a, const char *label)
{
	size_t i;

	for (i = 0; i < a->ndevices; i++)
		if (strcmp(a->devices[i].label, label) == 0)
			return &a->devices[i];
	return NULL;
}

bool
account_add_device(struct account *a, const struct device *d)
{
	if (a->ndevices == DEVICES_MAX)
		return false;
	a->devices = xreallocarray(a->devices, a->ndevices + 1,
	    sizeof(*a->devices));
	a->devices[a->ndevices++] = *d;
	return true;
}

static void
add_gone(struct account *a, const struct device *d)
{
	struct device_gone *g;

	if (a->ngone == DEVICES_GONE_MAX)
		memmove(a->gone, a->gone + 1, --a->ngone * sizeof(*a->gone));
	a->gone = xreallocarray(a->gone, a->ngone + 1, sizeof(*a->gone));
	g = &a->gone[a->ngone++];
	memset(g, 0, sizeof(*g));
	memcpy(g->label, d->label, sizeof(g->label));
	g->mark = d->mark;
}

bool
account_drop_device(struct account *a, const char *label)
{
	struct device *d = account_device(a, label);
	size_t i;

	if (d == NULL)
		return false;
	add_gone(a, d);
	i = (size_t)(d - a->devices);
	a->ndevices--;
	memmove(d, d + 1, (a->ndevices - i) * sizeof(*d));
	explicit_bzero(&a->devices[a->ndevices], sizeof(*d));
	return true;
}

/* --- verifiers ------------------------------------------------------------------------- */

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
	if (strchr(given, '*') != NULL)
		return "there are no wildcards; \"@example.org\" is everybody "
		    "there, and each subdomain is named by itself";
	if (*given != '@')
		return mailbox(given, pattern);
	if (!addr_is_domain(given + 1, strlen(given + 1), 0))
		return "the domain is malformed";
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
