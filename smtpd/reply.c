#include "lib/prelude.h"

#include "smtpd/reply.h"

/* Joined by the compiler, so that most replies need no formatting. */
static const char *const lines[REPLY_COUNT] = {
#define X(id, code, enhanced, text)					\
	[REPLY_##id] = code enhanced text "\r\n",
	REPLIES(X)
#undef X
};

static const char *const texts[REPLY_COUNT] = {
#define X(id, code, enhanced, text) [REPLY_##id] = text,
	REPLIES(X)
#undef X
};

int
reply_code(enum reply r)
{
	const char *p = lines[r];

	return (p[0] - '0') * 100 + (p[1] - '0') * 10 + (p[2] - '0');
}

bool
reply_is_error(enum reply r)
{
	return lines[r][0] == '5';
}

bool
reply_is_end(enum reply r)
{
	return reply_code(r) == 421;
}

const char *
reply_why(enum reply r)
{
	const char *s = texts[r];

	return strncmp(s, "%h ", 3) == 0 ? s + 3 : s;
}

const char *
reply_line(enum reply r, const char *host, const char *arg, struct buf *space)
{
	const char *p = lines[r], *percent;

	if (strchr(p, '%') == NULL)
		return p;
	buf_reset(space);
	while ((percent = strchr(p, '%')) != NULL) {
		buf_add(space, p, (size_t)(percent - p));
		buf_adds(space, percent[1] == 'h' ? host :
		    arg == NULL ? "" : arg);
		p = percent + 2;
	}
	buf_adds(space, p);
	return buf_str(space);
}
