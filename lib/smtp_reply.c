#include "lib/prelude.h"

#include "lib/smtp_line.h"
#include "lib/smtp_reply.h"

void
smtp_reply_init(struct smtp_reply *r)
{
	memset(r, 0, sizeof(*r));
	buf_init(&r->text, SMTP_REPLY_TEXT_MAX);
}

void
smtp_reply_reset(struct smtp_reply *r)
{
	r->code = 0;
	r->status[0] = '\0';
	r->lines = 0;
	r->why = NULL;
	buf_reset(&r->text);
}

void
smtp_reply_clear(struct smtp_reply *r)
{
	buf_clear(&r->text);
	smtp_reply_init(r);
}

static bool
digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* Length of an enhanced status code (RFC 2034 4) of this class, or 0. */
static size_t
status_len(const uint8_t *p, size_t n, uint8_t class)
{
	size_t i = 1, part, digits;

	if (n < 5 || p[0] != class || p[0] == '3')
		return 0;
	for (part = 0; part < 2; part++) {
		if (i >= n || p[i++] != '.')
			return 0;
		for (digits = 0; i < n && digit(p[i]) && digits < 3; digits++)
			i++;
		if (digits == 0)
			return 0;
	}
	return i == n || p[i] == ' ' ? i : 0;
}

static void
keep_text(struct smtp_reply *r, const uint8_t *p, size_t n)
{
	size_t i;

	if (r->text.len + 1 + n > r->text.max)
		return;
	if (r->lines > 0)
		buf_addc(&r->text, '\n');
	for (i = 0; i < n; i++)
		buf_addc(&r->text, p[i] >= ' ' && p[i] <= '~' ? p[i] : '?');
}

/* Reply-line: code ("-" / SP) text, or the bare code (RFC 5321 4.2.1). */
static enum smtp_reply_got
take_line(struct smtp_reply *r, const uint8_t *p, size_t n)
{
	int code;
	size_t len;

	r->why = "a reply line does not begin with a code";
	if (n < 3 || p[0] < '2' || p[0] > '5' || !digit(p[1]) || !digit(p[2]) ||
	    (n > 3 && p[3] != ' ' && p[3] != '-'))
		return SMTP_REPLY_BAD;
	code = (p[0] - '0') * 100 + (p[1] - '0') * 10 + (p[2] - '0');
	r->why = "the lines of a reply bear different codes";
	if (r->lines > 0 && code != r->code)
		return SMTP_REPLY_BAD;
	r->why = "a reply has too many lines";
	if (r->lines >= SMTP_REPLY_LINES_MAX)
		return SMTP_REPLY_BAD;
	r->why = NULL;
	r->code = code;
	len = n > 4 ? status_len(p + 4, n - 4, p[0]) : 0;
	if (len > 0 && len < sizeof(r->status))
		snprintf(r->status, sizeof(r->status), "%.*s", (int)len,
		    (const char *)p + 4);
	keep_text(r, p + (n > 4 ? 4 : n), n > 4 ? n - 4 : 0);
	r->lines++;
	return n > 3 && p[3] == '-' ? SMTP_REPLY_MORE : SMTP_REPLY_DONE;
}

enum smtp_reply_got
smtp_reply_feed(struct smtp_reply *r, const uint8_t *p, size_t n, size_t *used)
{
	enum smtp_reply_got got = SMTP_REPLY_MORE;
	size_t len, line;

	*used = 0;
	while (got == SMTP_REPLY_MORE) {
		switch (smtp_line_next(p + *used, n - *used,
		    SMTP_REPLY_LINE_MAX, &len, &line)) {
		case SMTP_LINE_MORE:
			return SMTP_REPLY_MORE;
		case SMTP_LINE_LONG:
			r->why = "a reply line is too long";
			return SMTP_REPLY_BAD;
		case SMTP_LINE_BAD:
			r->why = "a reply holds a bare CR, a bare LF or a NUL";
			return SMTP_REPLY_BAD;
		case SMTP_LINE_OK:
			got = take_line(r, p + *used, len);
			*used += line;
			break;
		}
	}
	return got;
}

const char *
smtp_reply_next_line(const struct smtp_reply *r, size_t *at, size_t *len)
{
	const char *text = buf_str(&r->text), *line, *nl;

	if (*at == 0) {		/* the greeting */
		nl = strchr(text, '\n');
		if (nl == NULL)
			return NULL;
		*at = (size_t)(nl - text) + 1;
	}
	if (*at > r->text.len)
		return NULL;
	line = text + *at;
	nl = strchr(line, '\n');
	*len = nl == NULL ? strlen(line) : (size_t)(nl - line);
	*at += *len + 1;
	return line;
}
