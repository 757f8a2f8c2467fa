/* lib/revoked: whose logins are void, how long, and what crosses the channel. */
#include "lib/prelude.h"

#include "lib/ev.h"
#include "lib/ipc_msgs.h"
#include "lib/revoked.h"
#include "lib/xalloc.h"
#include "tests/tap.h"

#define BEGIN_MS	1000000

static void
test_words(void)
{
	struct revoked r;
	char name[16];
	size_t i, has = 0;

	revoked_init(&r);
	ok(!revoked_has(&r, "alice", 0), "nobody is to begin with");
	revoked_add(&r, "alice", 100, BEGIN_MS + 5000);
	ok(revoked_has(&r, "alice", 99) && revoked_has(&r, "alice", 100),
	    "logins until then are void");
	ok(!revoked_has(&r, "alice", 101), "later ones count");
	ok(!revoked_has(&r, "alic", 99) && !revoked_has(&r, "alicea", 99) &&
	    !revoked_has(&r, "", 99), "others are not meant");
	revoked_add(&r, "alice", 50, BEGIN_MS + 1);
	ok(revoked_has(&r, "alice", 100), "an older word changes nothing");
	revoked_add(&r, "alice", 200, BEGIN_MS + 6000);
	ok(revoked_has(&r, "alice", 200) && r.n == 1, "a newer one does");
	for (i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "u%zu", i);
		revoked_add(&r, name, i, BEGIN_MS + 7000);
	}
	for (i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "u%zu", i);
		has += revoked_has(&r, name, i) && !revoked_has(&r, name,
		    i + 1);
	}
	is_int(has, 3000, "three thousand, each with its own time");
	ev_clock_step(120 * 1000);
	ok(revoked_has(&r, "alice", 200), "kept until the next word");
	revoked_add(&r, "bob", 1, BEGIN_MS + 900000);
	is_int(r.n, 1, "which sweeps what no ticket can concern any more");
	revoked_clear(&r);
	is_int(r.n, 0, "cleared");
}

static struct revoked there;
static size_t heard, bad;

static int
on_msg(struct ipc *ipc, struct ipc_in *in, void *arg)
{
	heard++;
	bad += in->type != M_REVOKE || revoked_get(&there, in) == -1;
	return 0;
}

static void
on_gone(struct ipc *ipc, const char *why, void *arg)
{
}

static void
test_channel(void)
{
	static const struct ipc_ops ops = { on_msg, on_gone };
	struct revoked here;
	struct ipc *a, *b;
	int fd[2], i;

	revoked_init(&here);
	revoked_init(&there);
	revoked_add(&here, "alice@example.org", 7, BEGIN_MS + 900000);
	revoked_add(&here, "bob", 8, BEGIN_MS + 900000);
	if (ipc_pair(fd) == -1)
		abort();
	a = ipc_new(fd[0], &ops, NULL);
	b = ipc_new(fd[1], &ops, NULL);
	revoked_send_all(&here, a);
	for (i = 0; i < 50 && heard < 2; i++)
		ev_loop_once(10);
	ok(heard == 2 && bad == 0, "both words arrive");
	ok(revoked_has(&there, "alice@example.org", 7) &&
	    revoked_has(&there, "bob", 8) && !revoked_has(&there, "bob", 9),
	    "as they were given");
	revoked_send(a, "", 1, 2);
	ipc_begin(M_REVOKE, 0);
	ipc_put_str("carol");
	ipc_put_u64(1);
	ipc_send(a, -1);
	for (i = 0; i < 50 && heard < 4; i++)
		ev_loop_once(10);
	ok(bad == 2 && there.n == 2, "no name, or no time: refused");
	ipc_free(&a);
	ipc_free(&b);
	revoked_clear(&here);
	revoked_clear(&there);
}

int
main(void)
{
	ev_init();
	test_channel();
	ev_clock_fake(BEGIN_MS, 1700000000000ULL);
	test_words();
	return tap_done();
}
