#include "lib/prelude.h"

#include "lib/addr.h"
#include "lib/xalloc.h"
#include "posternctl/json.h"

struct in {
	const char *p;
	size_t	 n, at;
	bool	 bad;
};

static struct json *value(struct in *, int depth);

void
json_free(struct json *j)
{
	struct json *next;

	for (; j != NULL; j = next) {
		next = j->next;
		json_free(j->child);
		free(j->key);
		free(j->text);
		free(j);
	}
}

const struct json *
json_member(const struct json *j, const char *key)
{
	if (j == NULL || j->kind != JSON_OBJECT)
		return NULL;
	for (j = j->child; j != NULL; j = j->next)
		if (strcmp(j->key, key) == 0)
			break;
	return j;
}

/* --- reading ------------------------------------------------------------------- */

static int
peek(const struct in *in)
{
	return in->at < in->n ? (uint8_t)in->p[in->at] : -1;
}

static void
blanks(struct in *in)
{
	while (in->at < in->n && strchr(" \t\r\n", in->p[in->at]) != NULL &&
	    in->p[in->at] != '\0')
		in->at++;
}

static bool
take(struct in *in, char c)
{
	if (peek(in) != c)
		return false;
	in->at++;
	return true;
}

static int
hex4(struct in *in)
{
	int v = 0, i, c;

	for (i = 0; i < 4; i++) {
		c = peek(in);
		if (c >= '0' && c <= '9')
			c -= '0';
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			c = (c | 32) - 'a' + 10;
		else
			return -1;
		v = v * 16 + c;
		in->at++;
	}
	return v;
}

static size_t
put_utf8(char *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 63));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 63));
		out[2] = (char)(0x80 | (c & 63));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 63));
	out[2] = (char)(0x80 | (c >> 6 & 63));
	out[3] = (char)(0x80 | (c & 63));
	return 4;
}

/* \uXXXX, and its other half if it is a surrogate. NUL is no text of ours. */
static size_t
unicode(struct in *in, char *out)
{
	int hi = hex4(in), lo;

	if (hi <= 0 || (hi >= 0xdc00 && hi <= 0xdfff))
		return 0;
	if (hi < 0xd800 || hi > 0xdfff)
		return put_utf8(out, (uint32_t)hi);
	if (!take(in, '\\') || !take(in, 'u'))
		return 0;
	lo = hex4(in);
	if (lo < 0xdc00 || lo > 0xdfff)
		return 0;
	return put_utf8(out, 0x10000 + ((uint32_t)(hi & 0x3ff) << 10) +
	    (uint32_t)(lo & 0x3ff));
}

static size_t
escape(struct in *in, char *out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *f;
	int c = peek(in);

	if (c == -1 || c == '\0')
		return 0;
	in->at++;
	if (c == 'u')
		return unicode(in, out);
	f = strchr(from, c);
	if (f == NULL)
		return 0;
	*out = to[f - from];
	return 1;
}

/* Behind its first quote; never longer than what it is written as. */
static char *
string(struct in *in)
{
	char *out = xmalloc(in->n - in->at + 1);
	size_t n = 0, more;

	for (;;) {
		int c = peek(in);

		if (c == '"') {
			in->at++;
			out[n] = '\0';
			return out;
		}
		if (c < 0x20)		/* the end, too */
			break;
		in->at++;
		if (c != '\\') {
			out[n++] = (char)c;
			continue;
		}
		more = escape(in, out + n);
		if (more == 0)
			break;
		n += more;
	}
	free(out);
	in->bad = true;
	return NULL;
}

static bool
digits(struct in *in)
{
	size_t from = in->at;

	while (peek(in) >= '0' && peek(in) <= '9')
		in->at++;
	return in->at > from;
}

static char *
number(struct in *in)
{
	size_t from = in->at;
	bool good;

	take(in, '-');
	good = take(in, '0') || digits(in);
	if (good && take(in, '.'))
		good = digits(in);
	if (good && (take(in, 'e') || take(in, 'E'))) {
		if (!take(in, '+'))
			take(in, '-');
		good = digits(in);
	}
	if (!good) {
		in->bad = true;
		return NULL;
	}
	return xstrndup(in->p + from, in->at - from);
}

static bool
word(struct in *in, const char *w)
{
	size_t len = strlen(w);

	if (in->n - in->at < len || memcmp(in->p + in->at, w, len) != 0)
		return false;
	in->at += len;
	return true;
}

/* The members of an array or object, behind its bracket. */
static struct json *
members(struct in *in, bool named, char end, int depth)
{
	struct json *first = NULL, **last = &first;
	char *key = NULL;

	blanks(in);
	if (take(in, end))
		return NULL;
	do {
		blanks(in);
		if (named) {
			if (!take(in, '"') || (key = string(in)) == NULL)
				break;
			blanks(in);
			if (!take(in, ':')) {
				free(key);
				break;
			}
		}
		*last = value(in, depth);
		if (*last == NULL) {
			free(key);
			break;
		}
		(*last)->key = key;
		key = NULL;
		last = &(*last)->next;
		blanks(in);
		if (take(in, end))
			return first;
	} while (take(in, ','));
	in->bad = true;
	return first;
}

static struct json *
value(struct in *in, int depth)
{
	struct json *j = xcalloc(1, sizeof(*j));

	blanks(in);
	if (depth == JSON_DEPTH_MAX)
		in->bad = true;
	else if (take(in, '{')) {
		j->kind = JSON_OBJECT;
		j->child = members(in, true, '}', depth + 1);
	} else if (take(in, '[')) {
		j->kind = JSON_ARRAY;
		j->child = members(in, false, ']', depth + 1);
	} else if (take(in, '"')) {
		j->kind = JSON_STRING;
		j->text = string(in);
	} else if (word(in, "true"))
		j->kind = JSON_TRUE;
	else if (word(in, "false"))
		j->kind = JSON_FALSE;
	else if (!word(in, "null")) {
		j->kind = JSON_NUMBER;
		j->text = number(in);
	}
	if (!in->bad)
		return j;
	json_free(j);
	return NULL;
}

struct json *
json_parse(const char *p, size_t n, size_t *at)
{
	struct in in = { p, n, 0, false };
	struct json *j = value(&in, 0);

	if (!in.bad)
		blanks(&in);
	*at = in.at;
	if (in.bad || in.at == n)
		return j;
	json_free(j);
	return NULL;
}

/* --- writing -------------------------------------------------------------------- */

size_t
json_char(const char *p, size_t n)
{
	size_t len = 2;

	while (len <= 4 && len <= n && !addr_utf8_ok(p, len))
		len++;
	return len <= 4 && len <= n ? len : 0;
}

void
json_put(FILE *out, const char *s, size_t n)
{
	size_t i, len;

	fputc('"', out);
	for (i = 0; i < n; i += len) {
		uint8_t c = (uint8_t)s[i];

		len = 1;
		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			fprintf(out, "\\u%04x", c);
		else if (c < 0x80)
			fputc(c, out);
		else if ((len = json_char(s + i, n - i)) > 0)
			fwrite(s + i, 1, len, out);
		else {
			fputs("\\ufffd", out);
			len = 1;
		}
	}
	fputc('"', out);
}
