/* Every reply must be one line that a client can take, RFC 5321 4.2. */
#include "lib/prelude.h"

#include "smtpd/reply.h"
#include "tests/tap.h"

static bool
enhanced_fits(const char *line)
{
	/* RFC 2034 3: not in 3yz, not in the greeting and the EHLO reply */
	return line[4] < '0' || line[4] > '9' || line[5] != '.' ||
	    line[4] == line[0];
}

int
main(void)
{
	struct buf space;
	enum reply r;

	buf_init(&space, REPLY_MAX);
	for (r = REPLY_NONE + 1; r < REPLY_COUNT; r++) {
		const char *line = reply_line(r, "h.example", "arg", &space);
		size_t n = strlen(line);

		ok(n > 6 && n <= 512 && memcmp(line + n - 2, "\r\n", 2) == 0 &&
		    strcspn(line, "\r\n%") == n - 2 && line[3] == ' ' &&
		    enhanced_fits(line), "%.*s", (int)(n - 2), line);
		if (reply_code(r) >= 400)
			ok(line[4] == line[0] && line[5] == '.',
			    "%d has an enhanced code", reply_code(r));
	}
	is_str(reply_line(REPLY_QUEUED, "h", "1x2", &space),
	    "250 2.0.0 Ok: queued as 1x2\r\n", "an argument");
	is_str(reply_line(REPLY_STOPPING, "h", NULL, &space),
	    "421 4.3.2 h Service is stopping; connect again in a moment\r\n",
	    "our name");
	ok(reply_is_end(REPLY_TIMEOUT) && !reply_is_end(REPLY_BYE), "421 ends");
	ok(reply_is_error(REPLY_UNKNOWN) && !reply_is_error(REPLY_TROUBLE),
	    "5yz counts");
	buf_clear(&space);
	return tap_done();
}
