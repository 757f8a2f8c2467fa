#include "lib/prelude.h"

#include "lib/xalloc.h"
#include "posternctl/import_envelope.h"

#define MOST	(CTL_ARGS_MAX - 2)	/* beside the verb's two words */
#define KEEP	4		/* of these for others than what the file says */

enum kind { WORD, NUMBER, FLAG, LIST };

/* A key of the file, and what the queue calls it; NULL: it learns by itself. */
struct key {
	const char *key, *name;
	enum kind kind;
};

static const struct key envelope_keys[] = {
	{ "id", "was", WORD }, { "account", "account", WORD },
	{ "cap", "cap", WORD }, { "from", "from", WORD },
	{ "arrived_ms", "arrived", NUMBER }, { "expires_ms", "expires", NUMBER },
	{ "attempts", "attempts", NUMBER }, { "warned", "warned", FLAG },
	{ "hold", "hold", FLAG }, { "route", "route", WORD },
	{ "envid", "envid", WORD }, { "ret", "ret", WORD },
	{ "8bit", NULL, FLAG }, { "utf8", "utf8", FLAG },
	{ "require_tls", "require-tls", FLAG },
	{ "hold_until_ms", "hold-until", NUMBER }, { "by", "by", WORD },
	{ "by_ms", "by-ms", NUMBER }, { "priority", "priority", NUMBER },
	{ "size", NULL, NUMBER }, { "recipients", NULL, LIST },
};

static const struct key rcpt_keys[] = {
	{ "to", "to", WORD }, { "pending", NULL, FLAG },
	{ "notify", "notify", WORD }, { "orcpt", "orcpt", WORD },
};

/* "before, the key in quotes, behind" */
static const char *
problem(const char *before, const char *key, const char *behind)
{
	static char text[256];

	snprintf(text, sizeof(text), "%s\"%.100s\"%s", before, key, behind);
	return text;
}

/* --- what is wrong ------------------------------------------------------------------ */

/* Whoever writes one by hand may write a number in quotes. */
static bool
is_kind(const struct json *m, enum kind kind)
{
	switch (m->kind) {
	case JSON_NULL:
		return true;
	case JSON_STRING:
		return kind == WORD || kind == NUMBER;
	case JSON_NUMBER:
		return kind == NUMBER;
	case JSON_TRUE:
	case JSON_FALSE:
		return kind == FLAG;
	case JSON_ARRAY:
		return kind == LIST;
	default:
		return false;
	}
}

static const char *
wrong_kind(const struct key *k)
{
	switch (k->kind) {
	case NUMBER:
		return problem("", k->key, " is no number");
	case FLAG:
		return problem("", k->key, " is neither true nor false");
	case LIST:
		return problem("", k->key, " is no list: give one, as "
		    "[{\"to\": \"bob@example.net\"}]");
	default:
		return problem("", k->key, " is not one word in quotes");
	}
}

static const char *
wrong_member(const struct json *m, const struct key *keys, size_t n)
{
	size_t i;

	for (i = 0; i < n && strcmp(keys[i].key, m->key) != 0; i++)
		;
	if (i == n)
		return problem("nothing is known of ", m->key, ": write it as "
		    "an export does, or take it out");
	return is_kind(m, keys[i].kind) ? NULL : wrong_kind(&keys[i]);
}

static const char *
wrong_members(const struct json *j, const struct key *keys, size_t n)
{
	const char *why = NULL;
	const struct json *m;

	for (m = j->child; m != NULL && why == NULL; m = m->next)
		if (json_member(j, m->key) != m)
			why = problem("", m->key, " stands there twice");
		else
			why = wrong_member(m, keys, n);
	return why;
}

static const char *
wrong_rcpt(const struct json *r)
{
	const struct json *to = json_member(r, "to");

	if (to == NULL || to->kind != JSON_STRING || *to->text == '\0')
		return "one of \"recipients\" is not written as "
		    "{\"to\": \"bob@example.net\"}";
	return wrong_members(r, rcpt_keys, nitems(rcpt_keys));
}

/*
 * A return path that somebody forgot must not be taken for the null one: reports
 * would go nowhere.
 */
const char *
import_envelope_wrong(const struct json *j)
{
	const struct json *r = json_member(j, "recipients");
	const char *why;

	if (j->kind != JSON_OBJECT)
		return "it is no envelope: give {\"from\": ..., \"recipients\": "
		    "...}";
	why = wrong_members(j, envelope_keys, nitems(envelope_keys));
	if (why != NULL)
		return why;
	if (json_member(j, "from") == NULL)
		return "there is no \"from\": give the address that reports go "
		    "to, or \"\" where none are to be sent";
	if (r == NULL || r->kind == JSON_NULL)
		return "there is no \"recipients\": give a list, as "
		    "[{\"to\": \"bob@example.net\"}]";
	for (r = r->child; r != NULL && why == NULL; r = r->next)
		why = wrong_rcpt(r);
	return why;
}

/* --- what it says ------------------------------------------------------------------- */

static void
add(struct envelope_args *to, size_t most, const char *name,
    const char *value)
{
	if (to->n >= most)
		to->full = true;
	else
		to->v[to->n++] = xasprintf("%s=%s", name, value);
}

void
import_envelope_add(struct envelope_args *to, const char *name,
    const char *value)
{
	add(to, MOST, name, value);
}

static bool
says_nothing(const struct json *m)
{
	return m->text == NULL || *m->text == '\0' ||
	    (strcmp(m->key, "from") == 0 && strcmp(m->text, "<>") == 0);
}

static void
members(struct envelope_args *to, const struct json *j,
    const struct key *keys, size_t n)
{
	const struct json *m;
	size_t i;

	for (i = 0; i < n; i++) {
		m = json_member(j, keys[i].key);
		if (m == NULL || keys[i].name == NULL)
			continue;
		if (m->kind == JSON_TRUE)
			add(to, MOST - KEEP, keys[i].name, "1");
		else if (!says_nothing(m))
			add(to, MOST - KEEP, keys[i].name, m->text);
	}
}

void
import_envelope_args(struct envelope_args *to, const struct json *j)
{
	const struct json *r, *p;

	members(to, j, envelope_keys, nitems(envelope_keys));
	r = json_member(j, "recipients");
	for (r = r->child; r != NULL; r = r->next) {
		p = json_member(r, "pending");
		if (p == NULL || p->kind != JSON_FALSE)
			members(to, r, rcpt_keys, nitems(rcpt_keys));
	}
}

void
import_envelope_clear(struct envelope_args *a)
{
	while (a->n > 0)
		free(a->v[--a->n]);
}
