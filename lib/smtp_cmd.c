#include "lib/prelude.h"

#include <strings.h>

#include "lib/smtp_cmd.h"

bool
span_is(struct span s, const char *word)
{
	return s.n == strlen(word) && strncasecmp(s.p, word, s.n) == 0;
}

void
smtp_cmd_split(const char *line, size_t n, struct span *verb, struct span *arg)
{
	const char *space = memchr(line, ' ', n);

	verb->p = line;
	verb->n = space == NULL ? n : (size_t)(space - line);
	arg->p = space == NULL ? line + n : space + 1;
	arg->n = (size_t)(line + n - arg->p);
	while (arg->n > 0 && arg->p[arg->n - 1] == ' ')
		arg->n--;
}

/* --- parameters -------------------------------------------------------------------- */

static bool
keyword_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '-';
}

/* esmtp-param: keyword ["=" value], RFC 5321 4.1.2; UTF-8 by RFC 6531 3.3 */
static bool
param_parse(struct span s, int flags, struct smtp_param *p)
{
	size_t i = 0;

	while (i < s.n && keyword_char(s.p[i]))
		i++;
	if (i == 0 || s.p[0] == '-')
		return false;
	p->key = (struct span){ s.p, i };
	p->has_value = i < s.n;
	p->value = (struct span){ s.p + i, 0 };
	if (!p->has_value)
		return true;
	if (s.p[i] != '=' || i + 1 == s.n)
		return false;
	p->value = (struct span){ s.p + i + 1, s.n - i - 1 };
	for (i = 0; i < p->value.n; i++) {
		uint8_t c = (uint8_t)p->value.p[i];

		if (c <= ' ' || c == '=' || c == 0x7f ||
		    (c >= 0x80 && !(flags & ADDR_UTF8)))
			return false;
	}
	return addr_utf8_ok(p->value.p, p->value.n);
}

static enum smtp_path_error
params_parse(const char *s, size_t n, int flags, struct smtp_path *path)
{
	while (n > 0) {
		const char *space;
		struct span one;

		if (*s != ' ') {
			path->why = "a space is missing behind the path";
			return SMTP_PATH_SYNTAX;
		}
		while (n > 0 && *s == ' ') {
			s++;
			n--;
		}
		space = memchr(s, ' ', n);
		one = (struct span){ s, space == NULL ? n :
		    (size_t)(space - s) };
		path->why = "too many parameters";
		if (path->nparams == SMTP_PARAMS_MAX)
			return SMTP_PATH_PARAMS;
		path->why = "a parameter is malformed";
		if (!param_parse(one, flags, &path->params[path->nparams]))
			return SMTP_PATH_PARAMS;
		path->nparams++;
		s += one.n;
		n -= one.n;
	}
	path->why = NULL;
	return SMTP_PATH_OK;
}

/* --- paths ---------------------------------------------------------------------------- */

/* The '>' that closes a path opened at s[0] == '<', quotes respected. */
static const char *
path_end(const char *s, size_t n)
{
	bool quoted = false;
	size_t i;

	for (i = 1; i < n; i++) {
		if (quoted && s[i] == '\\')
			i++;
		else if (s[i] == '"')
			quoted = !quoted;
		else if (s[i] == '>' && !quoted)
			return s + i;
	}
	return NULL;
}

/*
 * A source route, A-d-l ":" of RFC 5321 4.1.2, "@a.example,@b.example:". Its
 * length; 0 when it is ill-formed. What it says is ignored: we are no hop on
 * anybody's route.
 */
static size_t
route_len(const char *s, size_t n, int flags)
{
	size_t i = 0, len;

	for (;;) {
		if (i == n || s[i++] != '@')
			return 0;
		len = 0;
		while (i + len < n && s[i + len] != ',' && s[i + len] != ':')
			len++;
		if (i + len == n || !addr_is_domain(s + i, len, flags))
			return 0;
		i += len + 1;
		if (s[i - 1] == ':')
			return i;
	}
}

static enum smtp_path_error
mailbox(const char *s, size_t n, bool null_ok, const char *postmaster_domain,
    int flags, struct smtp_path *path)
{
	struct span whole = { s, n };
	struct addr a;
	size_t route = 0;

	if (n == 0 && null_ok)
		return SMTP_PATH_OK;
	if (n > 0 && s[0] == '@') {
		path->why = "source route is malformed";
		route = route_len(s, n, flags);
		if (route == 0)
			return SMTP_PATH_ADDRESS;
	}
	if (postmaster_domain != NULL && span_is(whole, "postmaster")) {
		path->why = "the postmaster's address is too long";
		if (snprintf(path->addr, sizeof(path->addr), "postmaster@%s",
		    postmaster_domain) > ADDR_MAX)
			return SMTP_PATH_ADDRESS;
		path->why = NULL;
		return SMTP_PATH_OK;
	}
	path->why = addr_parse(s + route, n - route, flags, &a);
	if (path->why != NULL)
		return SMTP_PATH_ADDRESS;
	path->literal = a.kind == ADDR_LITERAL;
	addr_canonical(&a, path->addr);
	return SMTP_PATH_OK;
}

enum smtp_path_error
smtp_path_parse(struct span arg, const char *prefix, bool null_ok,
    const char *postmaster_domain, int flags, struct smtp_path *path)
{
	size_t skip = strlen(prefix);
	const char *s, *end;
	enum smtp_path_error e;

	memset(path, 0, sizeof(*path));
	path->why = "the path is missing";
	if (arg.n < skip || strncasecmp(arg.p, prefix, skip) != 0)
		return SMTP_PATH_SYNTAX;
	s = arg.p + skip;
	arg.n -= skip;
	if (arg.n > 0 && *s == ' ') {
		s++;
		arg.n--;
	}
	path->why = "the path must stand in <angle brackets>";
	if (arg.n == 0 || *s != '<' || (end = path_end(s, arg.n)) == NULL)
		return SMTP_PATH_SYNTAX;
	path->why = NULL;
	e = mailbox(s + 1, (size_t)(end - s - 1), null_ok, postmaster_domain,
	    flags, path);
	if (e != SMTP_PATH_OK)
		return e;
	return params_parse(end + 1, arg.n - (size_t)(end + 1 - s), flags,
	    path);
}

/* --- xtext ------------------------------------------------------------------------------- */

static int
hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' :
	    c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int
smtp_xtext_decode(struct span s, struct buf *out)
{
	size_t i;

	for (i = 0; i < s.n; i++) {
		uint8_t c = (uint8_t)s.p[i];

		if (c < '!' || c > '~' || c == '=')
			return -1;
		if (c == '+') {
			if (s.n - i < 3 || hex(s.p[i + 1]) == -1 ||
			    hex(s.p[i + 2]) == -1)
				return -1;
			c = (uint8_t)(hex(s.p[i + 1]) << 4 | hex(s.p[i + 2]));
			i += 2;
		}
		if (buf_addc(out, c) == -1)
			return -1;
	}
	return 0;
}
