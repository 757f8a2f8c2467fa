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
	const uint8_t *end = memmem(p, n, "\r\n", 2);
	size_t whole = end == NULL ? n : (size_t)(end - p);
	bool cr_last;

	*len = *used = 0;
	if (end != NULL && whole + 2 > max)
		return SMTP_LINE_LONG;
	if (end != NULL) {
		*used = whole + 2;
		*len = first_bad(p, whole);
		return *len < whole ? SMTP_LINE_BAD : SMTP_LINE_OK;
	}
	if (n >= max)
		return SMTP_LINE_LONG;
	/* A CR at the very end may be half of a CRLF. */
	cr_last = n > 0 && p[n - 1] == '\r';
	*len = first_bad(p, n - (cr_last ? 1 : 0));
	return *len < n - (cr_last ? 1 : 0) ? SMTP_LINE_BAD : SMTP_LINE_MORE;
}
