#include "lib/prelude.h"

#include "lib/fill.h"

int
fill_plain(struct buf *out, const char *p, size_t n)
{
	return buf_add(out, p, n);
}

const char *
fill_check(const char *text)
{
	const char *at;

	for (at = strchr(text, '%'); at != NULL; at = strchr(at + 2, '%'))
		if (at[1] == '\0' || strchr("und%", at[1]) == NULL)
			return "behind % comes u (the name), n (what is before "
			    "its @), d (what is behind), or another %";
	return NULL;
}

bool
fill_wants(const char *text, char part)
{
	const char *at;

	for (at = strchr(text, '%'); at != NULL && at[1] != '\0';
	    at = strchr(at + 2, '%'))
		if (at[1] == part)
			return true;
	return false;
}

static int
put_part(struct buf *out, char part, const char *name, fill_quote quote)
{
	const char *at = strrchr(name, '@');
	size_t len = strlen(name), before = at == NULL ? len :
	    (size_t)(at - name);

	switch (part) {
	case 'u':
		return quote(out, name, len);
	case 'n':
		return quote(out, name, before);
	case 'd':
		return at == NULL ? 0 : quote(out, at + 1, len - before - 1);
	default:
		return buf_addc(out, part);
	}
}

int
fill_in(struct buf *out, const char *text, const char *name, fill_quote quote)
{
	const char *at;

	for (; (at = strchr(text, '%')) != NULL && at[1] != '\0';
	    text = at + 2)
		if (buf_add(out, text, (size_t)(at - text)) == -1 ||
		    put_part(out, at[1], name, quote) == -1)
			return -1;
	return buf_adds(out, text);
}
