#include "lib/prelude.h"

#include <strings.h>

#include "lib/header.h"

/* Length of the line at p with its CRLF; n when there is none. */
static size_t
line_len(const char *p, size_t n)
{
	const char *lf = memchr(p, '\n', n);

	return lf == NULL ? n : (size_t)(lf - p) + 1;
}

static bool
folded(const char *p, size_t n)
{
	return n > 0 && (*p == ' ' || *p == '\t');
}

/* field-name: printable ASCII but the colon; blanks before it: obs-optional. */
static size_t
name_len(const char *p, size_t n)
{
	size_t i = 0;

	while (i < n && p[i] > ' ' && p[i] < 0x7f && p[i] != ':')
		i++;
	return i;
}

enum header_next
header_next(const char *text, size_t n, size_t *at, struct header_field *f)
{
	const char *p = text + *at;
	size_t left = n - *at, name, colon, len;

	if (left == 0)
		return HEADER_END;
	if (left >= 2 && p[0] == '\r' && p[1] == '\n') {
		*at += 2;
		return HEADER_END;
	}
	name = colon = name_len(p, left);
	while (colon < left && (p[colon] == ' ' || p[colon] == '\t'))
		colon++;
	if (name == 0 || colon == left || p[colon] != ':')
		return HEADER_BODY;
	len = line_len(p, left);
	while (folded(p + len, left - len))
		len += line_len(p + len, left - len);
	f->whole = f->name = p;
	f->whole_len = len;
	f->name_len = name;
	f->value = p + colon + 1;
	f->value_len = len - colon - 1;
	*at += len;
	return HEADER_FIELD;
}

bool
header_is(const struct header_field *f, const char *name)
{
	return f->name_len == strlen(name) &&
	    strncasecmp(f->name, name, f->name_len) == 0;
}

bool
header_find_end(const char *text, size_t n, size_t from, size_t *len)
{
	size_t start = from < 3 ? 0 : from - 3;
	const char *blank;

	*len = 0;
	if (n < 2)
		return false;
	if (memcmp(text, "\r\n", 2) == 0) {
		*len = 2;
		return true;
	}
	blank = memmem(text + start, n - start, "\r\n\r\n", 4);
	if (blank != NULL)
		*len = (size_t)(blank - text) + 4;
	return blank != NULL;
}
