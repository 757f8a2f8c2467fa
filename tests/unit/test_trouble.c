/* relay/trouble: once, not ten thousand times; and the way back. */
#include "lib/prelude.h"

#include "lib/buf.h"
#include "lib/ev.h"
#include "lib/log.h"
#include "relay/trouble.h"
#include "tests/tap.h"

static struct buf lines;

static void
sink(enum log_level level, const char *proc, const char *line)
{
	buf_addf(&lines, "%s\n", line);
}

static void
heard(const char *want, const char *what)
{
	is_str(buf_str(&lines), want, "%s", what);
	buf_reset(&lines);
}

static void
test_once(void)
{
	int i;

	for (i = 0; i < 10000; i++)
		trouble_say("mx.test", "out", "refused");
	heard("next-hop=mx.test route=out refused\n", "ten thousand times");
	trouble_say("mx.test", "other", "refused");
	heard("next-hop=mx.test route=other refused\n", "by another route");
	ev_clock_step(TROUBLE_AGAIN_MS);
	trouble_say("mx.test", "out", "refused");
	heard("next-hop=mx.test route=out more=9999 refused\n",
	    "after a while, with the number");
	trouble_clear();
}

/* Words that differ each time, as a server's with an id in them. */
static void
test_other_words(void)
{
	char why[64];
	int i;

	for (i = 0; i < 1000; i++) {
		snprintf(why, sizeof(why), "421 try again, session %d", i);
		trouble_say("mx.test", "out", why);
	}
	heard("next-hop=mx.test route=out 421 try again, session 0\n"
	    "next-hop=mx.test route=out 421 try again, session 1\n"
	    "next-hop=mx.test route=out 421 try again, session 2\n"
	    "next-hop=mx.test route=out 421 try again, session 3\n",
	    "words that differ: few of them");
	ev_clock_step(TROUBLE_AGAIN_MS);
	trouble_say("mx.test", "out", "421 at last");
	trouble_say("mx.test", "out", "421 too late");
	heard("next-hop=mx.test route=out more=996 421 at last\n"
	    "next-hop=mx.test route=out 421 too late\n", "and later again");
	trouble_clear();
}

static void
test_back(void)
{
	trouble_over("mx.test", "out");
	heard("", "nothing was wrong");
	trouble_say("mx.test", "out", "one of its hosts is deaf");
	trouble_over("mx.test", "out");
	heard("next-hop=mx.test route=out one of its hosts is deaf\n",
	    "another host took the mail: no news");
	trouble_say("mx.test", "out", "one of its hosts is deaf");
	trouble_down("mx.test", "out");
	heard("", "said before");
	trouble_over("mx.test", "out");
	heard("next-hop=mx.test route=out takes mail again more=1\n", "back");
	trouble_over("mx.test", "out");
	heard("", "once");
	trouble_say("mx.test", "out", "one of its hosts is deaf");
	heard("next-hop=mx.test route=out one of its hosts is deaf\n",
	    "a new trouble is said at once");
	trouble_clear();
}

/* Hostile names, and more of them than are remembered. */
static void
test_bounds(void)
{
	char hop[32];
	int i, n = 0;
	const char *p;

	trouble_say("a\r\nb", "out", "x");
	heard("next-hop=a\\x0d\\x0ab route=out x\n", "escaped");
	for (i = 0; i < 3 * TROUBLE_HOPS_MAX; i++) {
		snprintf(hop, sizeof(hop), "mx%d.test", i);
		trouble_say(hop, "out", "x");
	}
	for (p = buf_str(&lines); (p = strchr(p, '\n')) != NULL; p++)
		n++;
	is_int(n, 3 * TROUBLE_HOPS_MAX, "many hops, a line each");
	buf_reset(&lines);
	trouble_clear();
}

int
main(void)
{
	log_init("test", -1);
	log_set_sink(sink);
	buf_init(&lines, 1 << 20);
	ev_init();
	ev_clock_fake(1000, 1795442700000ULL);
	test_once();
	test_other_words();
	test_back();
	test_bounds();
	buf_clear(&lines);
	return tap_done();
}
