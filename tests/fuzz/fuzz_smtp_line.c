/* Lines, the commands in them, their paths and their parameters. */
#include "lib/prelude.h"

#include "lib/smtp_cmd.h"
#include "lib/smtp_line.h"
#include "tests/fuzz/fuzz.h"

static void
inside(struct span s, const char *line, size_t n)
{
	MUST(s.p >= line && s.p + s.n <= line + n);
}

static void
one_path(struct span arg, const char *prefix, int flags, const char *line,
    size_t n)
{
	struct smtp_path path;
	struct buf plain;
	size_t i;

	if (smtp_path_parse(arg, prefix, prefix[0] == 'F', prefix[0] == 'F' ?
	    NULL : "relay.example", flags, &path) != SMTP_PATH_OK) {
		MUST(path.why != NULL);
		return;
	}
	MUST(path.why == NULL && path.nparams <= SMTP_PARAMS_MAX);
	MUST(path.addr[0] == '\0' || addr_parse(path.addr, strlen(path.addr),
	    flags, NULL) == NULL);
	for (i = 0; i < path.nparams; i++) {
		inside(path.params[i].key, line, n);
		inside(path.params[i].value, line, n);
		MUST(path.params[i].has_value == (path.params[i].value.n > 0));
		buf_init(&plain, path.params[i].value.n);
		smtp_xtext_decode(path.params[i].value, &plain);
		buf_clear(&plain);
	}
}

static void
one_line(const char *line, size_t n)
{
	struct span verb, arg;
	int flags;

	MUST(memchr(line, '\r', n) == NULL && memchr(line, '\n', n) == NULL &&
	    memchr(line, '\0', n) == NULL);
	smtp_cmd_split(line, n, &verb, &arg);
	inside(verb, line, n);
	inside(arg, line, n);
	for (flags = 0; flags <= ADDR_UTF8; flags++) {
		one_path(arg, "FROM:", flags, line, n);
		one_path(arg, "TO:", flags, line, n);
	}
}

/* However much more has arrived, the first line is what it was. */
static void
same_in_pieces(const uint8_t *p, size_t n, enum smtp_line want, size_t len)
{
	enum smtp_line what = SMTP_LINE_MORE;
	size_t i, l, used;

	for (i = 1; i <= n && what == SMTP_LINE_MORE; i++)
		what = smtp_line_next(p, i, SMTP_COMMAND_MAX, &l, &used);
	MUST(what == want && (what == SMTP_LINE_MORE || l == len));
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	enum smtp_line what = SMTP_LINE_OK;
	size_t len, used;

	while (n > 0 && what == SMTP_LINE_OK) {
		what = smtp_line_next(p, n, SMTP_COMMAND_MAX, &len, &used);
		MUST(used <= n && used <= SMTP_COMMAND_MAX &&
		    (len == 0 || len < n));
		same_in_pieces(p, n < 600 ? n : 600, what, len);
		if (what == SMTP_LINE_OK)
			one_line((const char *)p, len);
		p += used;
		n -= used;
	}
	return 0;
}
