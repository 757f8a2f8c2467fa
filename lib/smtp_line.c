#include "lib/prelude.h"

#include "lib/smtp_line.h"

/* The first offending byte of what stands before the CRLF, or n. */
static size_t
first_bad(const uint8_t *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (p[i] == '\r' || p[i] == '\n' || p[i] == '\0')
			return i;
	return n;
}

enum smtp_line
smtp_line_next(const uint8_t *p, size_t n, size_t max, size_t *len,
    size_t *used)
{
	size_t look = n < max ? n : max;
	const uint8_t *end = look == 0 ? NULL : memmem(p, look, "\r\n", 2);
	size_t body = end == NULL ? look : (size_t)(end - p), bad;

	*len = *used = 0;
	/* A CR at the very end may be half of a CRLF. */
	if (end == NULL && body > 0 && p[body - 1] == '\r')
		body--;
	bad = first_bad(p, body);
	if (bad < body || end != NULL) {
		*len = bad;
		*used = end == NULL ? 0 : body + 2;
		return bad < body ? SMTP_LINE_BAD : SMTP_LINE_OK;
	}
	return look == max ? SMTP_LINE_LONG : SMTP_LINE_MORE;
}
