/*
 * An element of the list is read word by word into a buffer that holds an
 * address at most. Words in a row make a display name; a display name with an
 * '@' behind it was a local part. So "word word <" forgets the words, "word @"
 * keeps them, and everything else is bad.
 */
#include "lib/prelude.h"

#include "lib/mailboxes.h"

#define COMMENTS_MAX 16		/* one inside the other */

void
mailboxes_init(struct mailboxes *m, const char *p, size_t n)
{
	*m = (struct mailboxes){ .p = p, .end = p + n };
}

/* --- what lies between words ------------------------------------------------------------ */

/*
 * RFC 5322 3.2.2; from '(' on. False: it has no end, and nothing is skipped,
 * so that whatever else is tried there fails on the '('.
 */
static bool
skip_comment(struct mailboxes *m)
{
	unsigned int depth = 0;
	const char *p;

	for (p = m->p; p < m->end; p++) {
		if (*p == '\\')
			p++;
		else if (*p == '(' && ++depth > COMMENTS_MAX)
			return false;
		else if (*p == ')' && --depth == 0) {
			m->p = p + 1;
			return true;
		}
	}
	return false;
}

static bool
skip_cfws(struct mailboxes *m)
{
	while (m->p < m->end) {
		if (*m->p == '(') {
			if (!skip_comment(m))
				return false;
		} else if (*m->p == ' ' || *m->p == '\t' || *m->p == '\r' ||
		    *m->p == '\n')
			m->p++;
		else
			break;
	}
	return true;
}

/* The next byte behind blanks and comments, not taken; 0: the end or bad. */
static char
look(struct mailboxes *m)
{
	return skip_cfws(m) && m->p < m->end ? *m->p : '\0';
}

static bool
take(struct mailboxes *m, char c)
{
	if (look(m) != c)
		return false;
	m->p++;
	return true;
}

/* --- words --------------------------------------------------------------------------------- */

struct text {
	char	 p[ADDR_MAX + 1];
	size_t	 n;
	bool	 full;		/* longer than any address: no address */
};

static void
keep(struct text *t, char c)
{
	if (t->n < ADDR_MAX)
		t->p[t->n++] = c;
	else
		t->full = true;
}

static bool
is_atext(char c)
{
	return (uint8_t)c > ' ' && c != 0x7f &&
	    strchr("()<>[]:;@\\,.\"", c) == NULL;
}

/* RFC 5322 3.2.4; a fold inside is no part of it. False: it has no end. */
static bool
quoted(struct mailboxes *m, struct text *t)
{
	keep(t, *m->p++);
	for (; m->p < m->end; m->p++) {
		if (*m->p == '\r' || *m->p == '\n')
			continue;
		keep(t, *m->p);
		if (*m->p == '"') {
			m->p++;
			return true;
		}
		if (*m->p != '\\')
			continue;
		if (++m->p == m->end || *m->p == '\r' || *m->p == '\n')
			return false;
		keep(t, *m->p);
	}
	return false;
}

/* A quoted string or an atom; false: there is none, or it has no end. */
static bool
word(struct mailboxes *m, struct text *t)
{
	char c = look(m);

	if (c == '"')
		return quoted(m, t);
	if (c == '\0' || !is_atext(c))
		return false;
	while (m->p < m->end && is_atext(*m->p))
		keep(t, *m->p++);
	return true;
}

/* --- addresses ------------------------------------------------------------------------------ */

/* domain, RFC 5322 3.4.1 and 4.4: atoms and dots, or a literal. */
static bool
domain(struct mailboxes *m, struct text *t)
{
	if (look(m) == '[') {
		while (m->p < m->end && *m->p != ']') {
			if (*m->p == '\r' || *m->p == '\n' || *m->p == '\\')
				return false;
			keep(t, *m->p++);
		}
		keep(t, ']');
		return take(m, ']');
	}
	do {
		if (look(m) == '"' || !word(m, t))
			return false;
		if (look(m) == '.')
			keep(t, '.');
	} while (take(m, '.'));
	return true;
}

/* word *("." word) */
static bool
local_part(struct mailboxes *m, struct text *t)
{
	do {
		if (!word(m, t))
			return false;
		if (look(m) == '.')
			keep(t, '.');
	} while (take(m, '.'));
	return true;
}

static enum mailboxes_next
finished(const struct text *t, char out[ADDR_MAX + 2])
{
	struct addr a;

	if (t->full || addr_parse(t->p, t->n, ADDR_UTF8, &a) != NULL)
		return MAILBOXES_BAD;
	addr_canonical(&a, out);
	return MAILBOXES_ONE;
}

/*
 * obs-route, RFC 5322 4.4: as good as not there. Commas between its domains, or
 * "<@boss@example.com:me@example.org>" would be one.
 */
static bool
skip_route(struct mailboxes *m)
{
	bool apart = true;
	struct text t;

	while (apart && take(m, '@')) {
		memset(&t, 0, sizeof(t));
		if (!domain(m, &t))
			return false;
		for (apart = false; take(m, ','); )
			apart = true;
		if (take(m, ':'))
			return true;
	}
	return false;
}

/* What follows '<'. */
static enum mailboxes_next
angle(struct mailboxes *m, char out[ADDR_MAX + 2])
{
	struct text t = { .n = 0 };

	if (look(m) == '@' && !skip_route(m))
		return MAILBOXES_BAD;
	if (!local_part(m, &t) || !take(m, '@'))
		return MAILBOXES_BAD;
	keep(&t, '@');
	if (!domain(m, &t) || !take(m, '>'))
		return MAILBOXES_BAD;
	return finished(&t, out);
}

/*
 * Words so far, the byte behind them decides: a name before '<' or ':', a local
 * part before '@'. As a local part words need dots between them.
 */
static enum mailboxes_next
words(struct mailboxes *m, struct text *t, bool *is_local)
{
	bool dot = true;	/* before the next word, or at the start */
	char c;

	*is_local = true;
	while ((c = look(m)) == '"' || c == '.' || (c != '\0' && is_atext(c))) {
		if (c == '.') {
			if (dot)
				*is_local = false;
			m->p++;
			keep(t, '.');
			dot = true;
			continue;
		}
		if (!dot)
			*is_local = false;
		if (!word(m, t))
			return MAILBOXES_BAD;
		dot = false;
	}
	if (dot)
		*is_local = false;
	return MAILBOXES_ONE;
}

/* Behind an address: a comma, the group's end or the list's. */
static bool
well_ended(struct mailboxes *m)
{
	char c = look(m);

	return c == ',' || (c == ';' && m->in_group) ||
	    (c == '\0' && m->p == m->end && !m->in_group);
}

static enum mailboxes_next
element(struct mailboxes *m, char out[ADDR_MAX + 2])
{
	struct text t = { .n = 0 };
	const char *name = m->p;
	enum mailboxes_next r;
	bool is_local;

	m->name = m->angle = NULL;
	if (words(m, &t, &is_local) == MAILBOXES_BAD)
		return MAILBOXES_BAD;
	if (take(m, '<')) {
		m->name = name;
		m->angle = m->p - 1;
		r = angle(m, out);
	} else if (is_local && take(m, '@')) {
		keep(&t, '@');
		r = domain(m, &t) ? finished(&t, out) : MAILBOXES_BAD;
		if (r == MAILBOXES_ONE && look(m) == '<')
			return r;	/* it was the name of the next */
	} else if (t.n > 0 && !m->in_group && take(m, ':')) {
		m->in_group = m->grouped = true;
		return mailboxes_next(m, out);
	} else
		return MAILBOXES_BAD;
	return r == MAILBOXES_ONE && well_ended(m) ? r : MAILBOXES_BAD;
}

enum mailboxes_next
mailboxes_next(struct mailboxes *m, char out[ADDR_MAX + 2])
{
	for (;;) {
		if (!skip_cfws(m))
			return MAILBOXES_BAD;
		if (m->p == m->end)
			return m->in_group ? MAILBOXES_BAD : MAILBOXES_END;
		if (*m->p == ';' && m->in_group) {
			m->p++;
			m->in_group = false;
			if (!well_ended(m))
				return MAILBOXES_BAD;
		} else if (*m->p == ',')
			m->p++;		/* RFC 5322 4.4: lists have holes */
		else
			return element(m, out);
	}
}
