/*
 * auth/lanes: a device is who its section says, at its listener and from its
 * address, and has a ticket for that alone.
 */
#include "lib/prelude.h"

#include "auth/lanes.h"
#include "auth/revoke.h"
#include "tests/tap.h"
#include "tests/unit/auth_rig.h"

#define S(s) (char *)(uintptr_t)(s)

static char *doors[] = { S("devices@192.168.1.10:2525"), S("devices@[::]:25") };
static char *homes[] = { S("192.168.1.50"), S("2001:db8::50") };
static char *other_homes[] = { S("192.168.1.51") };
static char *rcpts[] = { S("@example.org"), S("boss@example.net") };
static struct conf_lane lanes[] = {
	{ S("scanner1"), { doors, 2 }, { homes, 2 }, S("scanner"),
	    S("scan@example.org"), S(""), { rcpts, 2 }, true },
	{ S("nobody"), { doors, 1 }, { other_homes, 1 }, S("missing"),
	    S("x@example.org"), S("small"), { rcpts, 1 }, false },
	{ S("capped"), { doors + 1, 1 }, { other_homes, 1 }, S("scanner"),
	    S("cap@example.org"), S("small"), { rcpts, 1 }, false },
};

static struct ticket ticket;
static bool rewrite;
static uint32_t nrcpts;

/* The type of the answer; M_LANE_OK fills what stands above. */
static unsigned int
ask(const char *listener, const char *peer)
{
	struct pollfd p = { .fd = rig_fd, .events = POLLIN };
	static uint64_t id;
	struct ipc_in in;
	int turns;
	uint32_t i;

	ipc_begin(M_LANE, ++id);
	ipc_put_str(listener);
	ipc_put_str(peer);
	rig_send();
	for (turns = 0; turns < 50 && poll(&p, 1, 0) == 0; turns++)
		ev_loop_once(1);
	if (ipc_recv_sync(rig_fd, 1000, &in) != 1)
		return 1;
	if (in.type == M_LANE_OK) {
		ticket_get(&in, &ticket);
		rewrite = ipc_get_bool(&in);
		nrcpts = ipc_get_u32(&in);
		for (i = 0; i < nrcpts; i++)
			ipc_get_str(&in, ACCOUNT_MAX);
	} else
		ipc_get_bool(&in);
	return ipc_in_end(&in) && in.id == id ? in.type : 1;
}

static void
test_known(void)
{
	is_int(ask(doors[0], homes[0]), M_LANE_OK, "a device is let in");
	ok(ticket_valid(&rig_conf.ticket_key, 0, &ticket, ev_now_ms()),
	    "with a ticket");
	is_str(ticket.account, "scanner", "of its account");
	is_str(ticket.cap, "staff", "under the account's cap");
	is_str(ticket.device, "scanner1", "as a device of it");
	is_str(ticket.device_cap, "", "without a cap of its own");
	is_str(ticket.lane, "scanner1", "for this lane");
	is_str(ticket.sender, "scan@example.org", "with its sender");
	ok(ticket_may_send(&rig_conf.ticket_key, &ticket, "scan@example.org"),
	    "sealed");
	ok(!ticket_may_send(&rig_conf.ticket_key, &ticket, "bob@example.org"),
	    "and no other");
	ok(rewrite && nrcpts == 2, "and what else smtpd must know");
	is_int(ask(doors[1], homes[1]), M_LANE_OK, "also by its other address");
	is_int(ask(doors[1], other_homes[0]), M_LANE_OK, "another device");
	is_str(ticket.device_cap, "small", "has a cap of its own");
	is_str(ticket.cap, "staff", "beside the account's");
	is_str(ticket.lane, "capped", "and is another one");
}

static void
test_unknown(void)
{
	static const struct { const char *listener, *peer; } bad[] = {
		{ "devices@192.168.1.10:2525", "192.168.1.52" },
		{ "devices@192.168.1.10:2525", "192.168.1.5" },
		{ "devices@192.168.1.10:2525", "192.168.1.500" },
		{ "devices@192.168.1.10:2525", "" },
		{ "devices@192.168.1.10:2525", "local" },
		{ "devices@192.168.1.10:252", "192.168.1.50" },
		{ "submission@0.0.0.0:587", "192.168.1.50" },
		{ "", "192.168.1.50" }, { "devices", "192.168.1.50" },
	};
	size_t i;

	for (i = 0; i < nitems(bad); i++)
		is_int(ask(bad[i].listener, bad[i].peer), M_LANE_NO,
		    "nobody: %s at %s", bad[i].peer, bad[i].listener);
	is_int(ask(doors[0], other_homes[0]), M_LANE_NO,
	    "a device whose account is missing");
	is_int(ask(doors[0], "192.168.1.50, but in more letters than any "
	    "address has"), 1, "a peer that is none ends the channel");
	rig_connect(0);
}

static void
test_malformed(void)
{
	int i;

	for (i = 0; i < 3; i++) {
		ipc_begin(M_LANE, 1);
		if (i > 0)
			ipc_put_str(doors[0]);
		if (i > 1) {
			ipc_put_str(homes[0]);
			ipc_put_u8(1);
		}
		rig_send();
		ok(rig_answer()->type == 1, "malformed %d ends the channel", i);
		rig_connect(0);
	}
	is_int(ask(doors[0], homes[0]), M_LANE_OK, "the next one works");
}

/* Until when logins of the account were revoked; queue hears it. */
static uint64_t
revoke_now(int queue)
{
	struct pollfd p = { .fd = queue, .events = POLLIN };
	struct ipc_in in;
	uint64_t before;
	int turns;

	revoke_account("scanner");
	for (turns = 0; turns < 50 && poll(&p, 1, 0) == 0; turns++)
		ev_loop_once(1);
	if (ipc_recv_sync(queue, 1000, &in) != 1 || in.type != M_REVOKE)
		return 0;
	ipc_get_str(&in, LOGIN_MAX);
	before = ipc_get_u64(&in);
	ipc_get_u64(&in);
	return before;
}

/* Time stands still here: what comes first is told by nothing but order. */
static void
test_revoked(void)
{
	uint64_t before, begun, again;
	int fd[2];

	if (ipc_pair(fd) == -1)
		abort();
	revoke_peer(fd[1]);
	ask(doors[0], homes[0]);
	begun = ticket.begun_ms;
	before = revoke_now(fd[0]);
	ok(begun > 0 && begun <= before, "who came before a change is out");
	ask(doors[0], homes[0]);
	begun = ticket.begun_ms;
	ok(begun > before, "who comes behind it is in, in the same millisecond");
	again = revoke_now(fd[0]);
	ok(begun <= again, "until the next change");
	ask(doors[0], homes[0]);
	ok(ticket.begun_ms > again, "and so on");
	revoke_stop();
	close(fd[0]);
}

int
main(void)
{
	rig_conf.lanes = (struct conf_list){ lanes, nitems(lanes) };
	rig_start(2);
	rig_add("scanner", NULL);
	lanes_conf(rig_accounts, &rig_conf);
	test_known();
	test_unknown();
	test_malformed();
	test_revoked();
	rig_stop();
	return tap_done();
}
