/*
 * auth/exchange: mechanisms that are not offered, steps out of order, clients
 * and workers that go away, limits. None may end more than itself.
 */
#include "lib/prelude.h"

#include <pthread.h>

#include "auth/watch.h"
#include "tests/tap.h"
#include "tests/unit/scram_client.h"

#define S(s) s, sizeof(s) - 1
#define NO_CRED	(1 << AUTH_NO_CREDENTIALS)
#define NO_MECH	(1 << AUTH_NO_MECHANISM)

static uint64_t id = 1;

static void
expect_no(const struct rig_reply *r, int which, const char *what,
    const char *name)
{
	ok(r->type == M_AUTH_NO && (which & (1 << r->no)) != 0,
	    "%s: %s (type %u, no %d)", what, name, r->type, r->no);
}

static void
test_mechanisms(void)
{
	static const char *const names[] = { "", "X", "ANONYMOUS", "EXTERNAL",
	    "CRAM-MD5", "DIGEST-MD5", "NTLM", "GSSAPI", "OTP", "SCRAM-SHA-1",
	    "SCRAM-SHA-512", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS",
	    "PLAIN ", " PLAIN", "PLAINX", "PLAI", "PLAIN,LOGIN", "PLAIN\r\n",
	    "XOAUTH2", "OAUTHBEARER", "*", "%s%n", "../plain" };
	size_t i;

	for (i = 0; i < nitems(names); i++)
		expect_no(rig_begin(++id, names[i], S("\0bob\0correct horse")),
		    NO_MECH, "mechanism", log_escs(names[i]));
	ok(rig_begin(++id, "plain", S("\0bob\0correct horse"))->type ==
	    M_AUTH_OK, "mechanisms are written in any case");
	rig_start_login(++id, "PLAIN", S("\0bob\0correct horse"), 0);
	expect_no(rig_answer(), 1 << AUTH_NO_PLAINTEXT, "no TLS", "no AUTH");
}

/* What ends the channel (type 1); the next one works. */
static void
expect_end(const char *name)
{
	ok(rig_answer()->type == 1, "%s ends the channel", name);
	rig_connect(0);
	ok(rig_begin(++id, "PLAIN", S("\0bob\0correct horse"))->type ==
	    M_AUTH_OK, "a new channel works");
}

static void
test_order(void)
{
	/* Late and lost messages are nobody's fault. */
	ipc_begin(M_AUTH_STEP, 999999);
	ipc_put_bytes("x", 1);
	rig_send();
	rig_cancel(999998);
	ok(rig_begin(++id, "PLAIN", S("\0bob\0correct horse"))->type ==
	    M_AUTH_OK, "a step and a cancel for nothing are let go");
	ipc_begin(M_AUTH_STEP, id);
	ipc_put_bytes("x", 1);
	rig_send();
	ok(rig_begin(++id, "PLAIN", S("\0bob\0correct horse"))->type ==
	    M_AUTH_OK, "so is a step after the end");

	rig_begin(++id, "LOGIN", NULL, 0);
	rig_start_login(id, "LOGIN", NULL, 0, 256);
	expect_end("a second start");

	rig_begin(++id, "LOGIN", NULL, 0);
	ipc_begin(M_AUTH_STEP, id);
	ipc_put_bytes("bob", 3);
	rig_send();
	rig_send();
	rig_send();
	while (rig_answer()->type == M_AUTH_CHALLENGE)
		;
	rig_connect(0);

	ipc_begin(M_AUTH_START, ++id);
	ipc_put_str("LOGIN");
	ipc_put_bool(false);
	ipc_put_bytes("x", 1);
	ipc_put_str("192.0.2.7");
	ipc_put_u32(256);
	ipc_put_bytes("", 0);
	ipc_put_bytes("", 0);
	ipc_put_bytes("", 0);
	ipc_put_bytes("", 0);
	rig_send();
	expect_end("an initial response that is none");

	ipc_begin(M_AUTH_OK, 1);
	rig_send();
	expect_end("our own message");
	ipc_begin(M_AUTH_START, 1);
	rig_send();
	expect_end("an empty start");
	ipc_begin(M_AUTH_CANCEL, 1);
	ipc_put_u8(1);
	rig_send();
	expect_end("a cancel with something in it");
}

/* Who begins, and says his password when it has been changed meanwhile. */
static void
test_slow(void)
{
	struct rig_reply *r;

	(void)rig_begin(++id, "LOGIN", NULL, 0);
	(void)rig_step(id, S("bob"));
	ev_clock_step(5 * 60 * 1000);
	r = rig_step(id, S("correct horse"));
	ok(r->type == M_AUTH_OK && r->ticket.expires_ms ==
	    r->ticket.begun_ms + rig_conf.ticket_sec * 1000ULL,
	    "a ticket's life begins with the login, not with its end");
}

static void
test_cancel(void)
{
	int i;

	for (i = 0; i < 200; i++) {
		if (i % 2 == 0)
			rig_start_login(++id, "LOGIN", NULL, 0, 256);
		else
			rig_start_login(++id, "PLAIN",
			    S("\0bob\0wrong horse"), 256);
		rig_cancel(id);
	}
	id++;
	ok(rig_begin(id, "PLAIN", S("\0bob\0correct horse"))->id == id,
	    "cancelled exchanges are never answered");
	rig_begin(++id, "SCRAM-SHA-256", S("n,,n=bob,r=abcdefgh"));
	rig_cancel(id);
	ok(rig_begin(id, "PLAIN", S("\0bob\0correct horse"))->type ==
	    M_AUTH_OK, "the same session may begin again");
	for (i = 0; i < 100; i++) {
		rig_start_login(++id, "PLAIN", "\0bob\0wrong horse", 16, 256);
		if (i % 10 == 9)
			rig_connect(0);
		if (i % 3 == 0)
			ev_loop_once(1);
	}
	rig_connect(0);
	ok(rig_begin(++id, "PLAIN", S("\0bob\0correct horse"))->type ==
	    M_AUTH_OK, "workers that die leave nothing behind");
}

static void
test_limits(void)
{
	int i, refused = 0, asked = 0;
	struct rig_reply *r;

	for (i = 0; i < 2100; i++)
		rig_start_login(++id, "LOGIN", NULL, 0, 256);
	for (i = 0; i < 2100; i++) {
		r = rig_answer();
		asked += r->type == M_AUTH_CHALLENGE;
		refused += r->type == M_AUTH_NO &&
		    r->no == AUTH_NO_TEMPORARY;
	}
	ok(asked == 2048 && refused == 52, "2048 at once, no more (%d, %d)",
	    asked, refused);
	ev_clock_step(11 * 60 * 1000);
	for (i = 0; i < 2048; i++) {
		r = rig_answer();
		if (r->type != M_AUTH_NO || r->no != AUTH_NO_TEMPORARY)
			break;
	}
	is_int(i, 2048, "all that were forgotten end in time");
	rig_drain();
	ok(rig_begin(++id, "PLAIN", S("\0bob\0correct horse"))->type ==
	    M_AUTH_OK, "and make room");
}

/* --- threads that are busy ------------------------------------------------------- */

#define LANES_MAX 8

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static unsigned int passed, held;
static struct job holding[LANES_MAX];

static void
wait_at_gate(struct job *job)
{
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
}

static void
pass_gate(struct job *job)
{
	passed++;
}

/* Every lane that long work may have is busy until the gate opens. */
static void
close_gate(enum work work)
{
	unsigned int i;

	pthread_mutex_lock(&gate);
	passed = held = 0;
	memset(holding, 0, sizeof(holding));
	for (i = 0; i < worker_lanes() && i < LANES_MAX; i++) {
		holding[held].lane = worker_lane(work, true);
		holding[held].run = wait_at_gate;
		holding[held].done = pass_gate;
		worker_submit(&holding[held++]);
	}
}

static void
open_gate(void)
{
	pthread_mutex_unlock(&gate);
	while (passed < held)
		ev_loop_once(10);
	rig_drain();
}

/*
 * Passwords that are being hashed, however many and for however long, hold up
 * nobody who comes by SCRAM; and the other way round.
 */
static void
test_no_starving(void)
{
	struct scram_client s;
	const struct rig_reply *r;
	uint64_t waits;

	close_gate(WORK_LONG);
	waits = ++id;
	rig_start_login(waits, "PLAIN", S("\0bob\0correct horse"), 256);
	if (ok(scram_begin(&s, ++id, "SCRAM-SHA-256", "n,,", "bob")->type ==
	    M_AUTH_CHALLENGE, "SCRAM while all threads for long work are "
	    "busy"))
		ok(scram_in(&s, id, scram_finish(&s, id, RIG_PASSWORD, NULL,
		    0)), "and in");
	open_gate();
	r = rig_answer();
	ok(r->id == waits && r->type == M_AUTH_OK, "PLAIN had to wait");

	close_gate(WORK_SHORT);
	ok(rig_begin(++id, "PLAIN", S("\0bob\0correct horse"))->type ==
	    M_AUTH_OK, "in by PLAIN while those for short work are");
	open_gate();
}

/* A captured worker gives up what it has begun, again and again. */
static void
test_given_up(void)
{
	int i, turn, refused = 0;

	close_gate(WORK_LONG);
	for (i = 0; i < 2100; i++) {
		if (i == 1000) {
			for (turn = 0; turn < 50; turn++)
				ev_loop_once(1);
			rig_connect(0);
		}
		rig_start_login(++id, "PLAIN", "\0bob\0wrong horse", 16, 256);
		rig_cancel(id);
	}
	for (i = 0; i < 52; i++)
		refused += rig_answer()->type == M_AUTH_NO;
	is_int(refused, 52, "what was given up counts while it waits, also "
	    "when the worker was replaced");
	open_gate();
	ok(rig_begin(++id, "PLAIN", S("\0bob\0correct horse"))->type ==
	    M_AUTH_OK, "and no longer");
}

/* What SCRAM says of a name takes the same time, whoever it is. */
static void
test_challenge_delay(void)
{
	static const char *const firsts[] = { "n,,n=bob,r=abcdefgh",
	    "n,,n=nobody,r=abcdefgh" };
	struct pollfd p = { .events = POLLIN };
	size_t i;
	int turn;

	for (i = 0; i < nitems(firsts); i++) {
		p.fd = rig_fd;
		rig_start_login(++id, "SCRAM-SHA-256", firsts[i],
		    strlen(firsts[i]), 256);
		for (turn = 0; turn < 20; turn++)
			ev_loop_once(5);
		ev_clock_step(2);
		ok(poll(&p, 1, 0) == 0, "%s: not at once", firsts[i]);
		ev_clock_step(1);
		/* The thread may not have been done yet. */
		for (turn = 0; turn < 20000 && poll(&p, 1, 0) == 0; turn++) {
			ev_loop_once(1);
			ev_clock_step(0);
		}
		ok(poll(&p, 1, 0) == 1 && rig_answer()->type ==
		    M_AUTH_CHALLENGE, "but after three milliseconds");
		rig_cancel(id);
	}
}

static void
test_locks(void)
{
	struct auth_conf conf = { .lock_after = 3, .lock_sec = 900 };
	static const char *const wrong[] = { "\0bob\0wrong horse1",
	    "\0bob\0wrong horse2", "\0bob\0wrong horse2",
	    "\0bob\0wrong horse3" };
	struct rig_reply r;
	size_t i;

	watch_conf(&conf);
	watch_unlock("bob");
	for (i = 0; i < nitems(wrong); i++)
		ok(rig_begin(++id, "PLAIN", wrong[i], 17)->no ==
		    AUTH_NO_CREDENTIALS, "wrong, %zu", i);
	r = *rig_begin(++id, "PLAIN", S("\0bob\0correct horse"));
	ok(r.type == M_AUTH_NO && r.no == AUTH_NO_LOCKED &&
	    r.wait_sec > 880 && r.wait_sec <= 900,
	    "three different ones: the right one is locked out, for %u s",
	    r.wait_sec);
	r = *rig_begin(++id, "PLAIN", S("\0bob\0another horse"));
	ok(r.type == M_AUTH_NO && r.no == AUTH_NO_LOCKED,
	    "a wrong one can't be told from it");
	rig_begin(++id, "SCRAM-SHA-256", S("n,,n=bob,r=abcdefgh"));
	r = *rig_step(id, S("c=biws,r=abcdefgh,p=AAAA"));
	ok(r.type == M_AUTH_NO && r.no != -1, "SCRAM neither");
	ev_clock_step(901 * 1000);
	ok(rig_begin(++id, "PLAIN", S("\0bob\0correct horse"))->type ==
	    M_AUTH_OK, "when it is over: in");
	conf.lock_after = 0;
	watch_conf(&conf);
}

static void
test_delay(void)
{
	struct pollfd p = { .fd = -1, .events = POLLIN };
	uint64_t begun = ev_now_ms();
	int i;

	p.fd = rig_fd;
	rig_start_login(++id, "PLAIN", "\0bob\0wrong horse", 16, 256);
	for (i = 0; i < 20; i++)
		ev_loop_once(5);
	ev_clock_step(450);
	ok(poll(&p, 1, 0) == 0, "a failure is not told at once");
	expect_no(rig_answer(), NO_CRED, "but", "later");
	ok(ev_now_ms() - begun <= 1000, "though not much");
}

int
main(void)
{
	rig_start(2);
	rig_add("bob", NULL);
	test_mechanisms();
	test_order();
	test_slow();
	test_cancel();
	test_challenge_delay();
	test_delay();
	test_locks();
	test_limits();
	test_no_starving();
	test_given_up();
	ok(rig_begin(++id, "PLAIN", S("\0bob\0correct horse"))->type ==
	    M_AUTH_OK, "after all this: in");
	rig_stop();
	return tap_done();
}
