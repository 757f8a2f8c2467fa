/*
 * queue/submit: honest mail is taken once it is durable; what a captured
 * worker can think of is not.
 */
#include "lib/prelude.h"

#include <sys/stat.h>

#include "queue/clock.h"
#include "queue/spools.h"
#include "tests/unit/queue_world.h"

uint64_t __real_clock_steady_ms(void);
uint64_t __wrap_clock_steady_ms(void);

/* A minute begins between any two looks at the clock, while it leaps. */
static uint64_t leaps;
static bool leaping;

uint64_t
__wrap_clock_steady_ms(void)
{
	return __real_clock_steady_ms() + (leaping ? ++leaps : leaps) * 60000;
}

static struct world_peer smtpd;
/* Who asks for a file, and the size that MAIL announced. */
static uint64_t asker = 9, announced;

static void
test_honest(void)
{
	struct world_no no;
	struct ipc_in in;
	struct ticket t = world_ticket(0, 7, "alice@example.org");
	char id[STORE_ID_LEN + 1] = "";

	ipc_begin(M_TX_BEGIN, 7);
	ticket_put(&t);
	ipc_put_str("alice@example.org");
	ipc_put_u64(1000);
	ipc_send(smtpd.ipc, -1);
	ok(world_next(&smtpd, &in) != NULL && in.type == M_TX_OK &&
	    in.id == 7, "a transaction may begin");
	is_int(ipc_get_u32(&in), 100, "with as many recipients as the cap says");
	is_int(ipc_get_u8(&in), 9, "and the priority");
	world_submit(&smtpd, 7, "alice@example.org", "bob@example.net");
	ok(world_submitted(&smtpd, &no, id), "the message is taken");
	ok(store_id_parse(id) != 0, "and has an id");
	is_int(store_count(world.store), 1, "the store has it");
	ok(strstr(world_log, " accepted session=0-7 account=alice@example.org "
	    "from=<alice@example.org> recipients=1") != NULL, "it is logged");
}

static void
test_spool(void)
{
	struct ticket t = world_ticket(0, 8, "alice@example.org");
	struct envelope e;
	struct world_msg *m;
	struct world_no no;
	struct ipc_in in;
	char block[1000];
	int i;

	ipc_begin(M_TX_SPOOL, 8);
	ticket_put(&t);
	ipc_put_u64(0);
	ipc_send(smtpd.ipc, -1);
	m = world_next(&smtpd, &in);
	ok(m != NULL && in.type == M_TX_SPOOL_HERE && m->fd != -1,
	    "a descriptor for a large body");
	memset(block, 'x', sizeof(block));
	for (i = 0; m != NULL && i < 100; i++)
		if (write(m->fd, block, sizeof(block)) != sizeof(block))
			break;
	is_int(i, 100, "it can be written");
	close(m->fd);
	m->fd = -1;
	envelope_init(&e);
	e.return_path = xstrdup("alice@example.org");
	envelope_add_rcpt(&e, "bob@example.net", NULL, 0);
	ipc_begin(M_SUBMIT, 8);
	ticket_put(&t);
	envelope_put(&e);
	ipc_put_u64(100 * 1000);
	ipc_put_bool(true);
	ipc_put_bytes(NULL, 0);
	ipc_send(smtpd.ipc, -1);
	envelope_clear(&e);
	ok(world_submitted(&smtpd, &no, NULL), "a large message is taken");
	ipc_begin(M_TX_END, 8);
	ipc_send(smtpd.ipc, -1);
	world_turn(5);
	ok(!smtpd.gone, "an end without a spool file is fine");
}

/* --- a captured worker --------------------------------------------------------- */

static void
no_ticket(struct ticket *t)
{
	memset(t, 0, sizeof(*t));
	t->session = 9;
}

static void
forged(struct ticket *t)
{
	t->mac[5] ^= 1;
}

static void
other_worker(struct ticket *t)
{
	*t = world_ticket(1, 9, "alice@example.org");
}

static void
other_session(struct ticket *t)
{
	*t = world_ticket(0, 10, "alice@example.org");
}

static void
session_rewritten(struct ticket *t)
{
	*t = world_ticket(0, 10, "alice@example.org");
	t->session = 9;
}

static void
other_account(struct ticket *t)
{
	snprintf(t->account, sizeof(t->account), "boss@example.org");
}

static void
other_cap(struct ticket *t)
{
	snprintf(t->cap, sizeof(t->cap), "unlimited");
}

static void
other_device(struct ticket *t)
{
	snprintf(t->device, sizeof(t->device), "phone");
}

static void
prolonged(struct ticket *t)
{
	t->expires_ms += 86400000;
}

static const struct {
	const char *name;
	void	(*spoil)(struct ticket *);
} forgeries[] = {
	{ "no ticket at all", no_ticket },
	{ "a forged seal", forged },
	{ "another worker's ticket", other_worker },
	{ "another session's ticket", other_session },
	{ "another session's ticket with the session rewritten",
	    session_rewritten },
	{ "another account in the ticket", other_account },
	{ "another cap in the ticket", other_cap },
	{ "a device in the ticket", other_device },
	{ "a ticket made to live longer", prolonged },
};

static void
send_begin(const struct ticket *t)
{
	ipc_begin(M_TX_BEGIN, 9);
	ticket_put(t);
	ipc_put_str("alice@example.org");
	ipc_put_u64(0);
	ipc_send(smtpd.ipc, -1);
}

static void
send_spool(const struct ticket *t)
{
	ipc_begin(M_TX_SPOOL, asker);
	ticket_put(t);
	ipc_put_u64(announced);
	ipc_send(smtpd.ipc, -1);
}

static void
send_submit(const struct ticket *t)
{
	struct envelope e;

	envelope_init(&e);
	e.return_path = xstrdup("alice@example.org");
	envelope_add_rcpt(&e, "bob@example.net", NULL, 0);
	ipc_begin(M_SUBMIT, 9);
	ticket_put(t);
	envelope_put(&e);
	ipc_put_u64(2);
	ipc_put_bool(false);
	ipc_put_bytes("\r\n", 2);
	ipc_send(smtpd.ipc, -1);
	envelope_clear(&e);
}

static void	(*const requests[])(const struct ticket *) = {
	send_begin, send_spool, send_submit,
};

static void
test_captured(void)
{
	uint64_t before = store_count(world.store);
	struct ticket t;
	struct ipc_in in;
	size_t i, j;

	for (i = 0; i < nitems(forgeries); i++)
		for (j = 0; j < nitems(requests); j++) {
			world_disconnect(&smtpd);
			world_connect(&smtpd, ROLE_SMTPD, 0);
			t = world_ticket(0, 9, "alice@example.org");
			forgeries[i].spoil(&t);
			requests[j](&t);
			ok(world_next(&smtpd, &in) == NULL && smtpd.gone,
			    "%s (%zu): dropped", forgeries[i].name, j);
		}
	is_int(store_count(world.store), before, "nothing got in");
	world_disconnect(&smtpd);
	world_connect(&smtpd, ROLE_SMTPD, 0);
}

/* Its own login, but somebody else's name on the envelope. */
static void
test_return_path(void)
{
	struct ticket t = world_ticket(0, 9, "alice@example.org");
	struct world_no no;
	struct envelope e;
	size_t before = store_count(world.store), i;

	for (i = 0; i < 3; i++) {
		world_disconnect(&smtpd);
		world_connect(&smtpd, ROLE_SMTPD, 0);
		t = world_ticket(0, 9, "alice@example.org");
		if (i > 0)
			snprintf(t.sender, sizeof(t.sender), "@example.org");
		if (i == 2)
			ticket_seal_sender(&world_conf.ticket_key, &t,
			    t.sender, t.sender_mac);
		envelope_init(&e);
		e.return_path = xstrdup("boss@example.org");
		envelope_add_rcpt(&e, "bob@example.net", NULL, 0);
		world_submit_env(&smtpd, &t, &e, WORLD_BODY);
		envelope_clear(&e);
		if (i == 2)
			ok(world_submitted(&smtpd, &no, NULL),
			    "auth's word lets alice write as boss");
		else
			ok(!world_submitted(&smtpd, &no, NULL) && smtpd.gone,
			    "boss's return path, %s: the worker is dropped",
			    i == 0 ? "no pattern" : "a pattern unsealed");
	}
	is_int(store_count(world.store), before + 1, "one message got in");
	world_disconnect(&smtpd);
	world_connect(&smtpd, ROLE_SMTPD, 0);
}

static void
test_expired(void)
{
	struct ticket t = world_ticket(0, 9, "alice@example.org");
	struct world_no no;

	t.expires_ms = ev_now_ms();
	ticket_seal(&world_conf.ticket_key, 0, &t);
	send_submit(&t);
	ok(!world_submitted(&smtpd, &no, NULL) && no.code == 421,
	    "an honest ticket that has run out is refused");
	is_str(no.status, "4.7.0", "with its code");
	ok(!smtpd.gone, "but is no crime");
}

/* auth has said that the account was removed or has a new password. */
static void
test_revoked(void)
{
	struct ticket t = world_ticket(0, 9, "alice@example.org");
	struct world_no no;
	size_t i;

	t.begun_ms = ev_now_ms() - 1;
	ticket_seal(&world_conf.ticket_key, 0, &t);
	revoked_add(&world.revoked, "alice@example.org", ev_now_ms(),
	    ev_now_ms() + 1000);
	for (i = 0; i < nitems(requests); i++) {
		requests[i](&t);
		ok(!world_submitted(&smtpd, &no, NULL) && no.code == 421 &&
		    strcmp(no.status, "4.7.0") == 0,
		    "request %zu of a login that was revoked", i);
	}
	t.begun_ms = ev_now_ms() + 1;
	ticket_seal(&world_conf.ticket_key, 0, &t);
	send_submit(&t);
	ok(world_submitted(&smtpd, &no, NULL), "a later login is served");
	ok(!smtpd.gone, "none of that is a crime");
	revoked_clear(&world.revoked);
}

/* A queue that has just begun knows not yet what is void. */
static void
test_untold(void)
{
	static const struct ipc_ops ops = { world_on_msg, world_on_gone };
	struct world_peer auth = { .ipc = NULL };
	struct ticket t = world_ticket(0, 9, "alice@example.org");
	struct world_no no;
	size_t i;
	int fd[2];

	t.begun_ms = ev_now_ms() - 1;
	ticket_seal(&world_conf.ticket_key, 0, &t);
	world.told = false;
	if (ipc_pair(fd) == -1)
		abort();
	auth.ipc = ipc_new(fd[0], &ops, &auth);
	queue_auth_peer(&world, fd[1]);
	revoked_send(auth.ipc, "bob", 1, ev_now_ms() + 1000);
	world_turn(5);
	for (i = 0; i < nitems(requests); i++) {
		requests[i](&t);
		ok(!world_submitted(&smtpd, &no, NULL) && no.code == 451 &&
		    strcmp(no.status, "4.3.2") == 0,
		    "request %zu before auth has told all: %u %s", i, no.code,
		    no.text);
	}
	ipc_begin(M_REVOKE_END, 0);
	ipc_send(auth.ipc, -1);
	world_turn(5);
	send_submit(&t);
	ok(world_submitted(&smtpd, &no, NULL), "behind it: served");
	revoked_send(auth.ipc, "alice@example.org", ev_now_ms(),
	    ev_now_ms() + 1000);
	world_turn(5);
	send_submit(&t);
	ok(!world_submitted(&smtpd, &no, NULL) && no.code == 421,
	    "unless it was void");
	ipc_begin(M_REVOKE_END, 0);
	ipc_put_bool(true);
	ipc_send(auth.ipc, -1);
	world_turn(5);
	ok(auth.gone && world.told, "a malformed end ends the channel; what "
	    "was told stays");
	world_disconnect(&auth);
	revoked_clear(&world.revoked);
}

static const struct {
	const char *name, *from, *rcpt, *orcpt, *envid;
	uint64_t size;
} bad_envelopes[] = {
	{ "a recipient with CRLF", "a@example.org",
	    "b@x>\r\nRCPT TO:<c@y", NULL, NULL, 2 },
	{ "a recipient without domain", "a@example.org", "b", NULL, NULL, 2 },
	{ "a sender with CRLF", "a@x>\r\nDATA", "b@example.net", NULL, NULL,
	    2 },
	{ "an ORCPT with CRLF", "a@example.org", "b@example.net",
	    "rfc822;x\r\nQUIT", NULL, 2 },
	{ "an ENVID with a space", "a@example.org", "b@example.net", NULL,
	    "x RET=FULL", 2 },
	{ "8-bit bytes without SMTPUTF8", "a@example.org",
	    "b\xc3\xbc@example.net", NULL, NULL, 2 },
	{ "a body longer than said", "a@example.org", "b@example.net", NULL,
	    NULL, 1 },
	{ "a body shorter than said", "a@example.org", "b@example.net", NULL,
	    NULL, 3 },
};

static void
test_bad_envelopes(void)
{
	struct ticket t = world_ticket(0, 9, "alice@example.org");
	uint64_t before = store_count(world.store);
	struct envelope e;
	struct ipc_in in;
	size_t i;

	for (i = 0; i < nitems(bad_envelopes); i++) {
		world_disconnect(&smtpd);
		world_connect(&smtpd, ROLE_SMTPD, 0);
		envelope_init(&e);
		e.return_path = xstrdup(bad_envelopes[i].from);
		if (bad_envelopes[i].envid != NULL)
			e.envid = xstrdup(bad_envelopes[i].envid);
		envelope_add_rcpt(&e, bad_envelopes[i].rcpt,
		    bad_envelopes[i].orcpt, 0);
		ipc_begin(M_SUBMIT, 9);
		ticket_put(&t);
		envelope_put(&e);
		ipc_put_u64(bad_envelopes[i].size);
		ipc_put_bool(false);
		ipc_put_bytes("\r\n", 2);
		ipc_send(smtpd.ipc, -1);
		envelope_clear(&e);
		ok(world_next(&smtpd, &in) == NULL && smtpd.gone, "%s: dropped",
		    bad_envelopes[i].name);
	}
	is_int(store_count(world.store), before, "nothing got in");
	world_disconnect(&smtpd);
	world_connect(&smtpd, ROLE_SMTPD, 0);
}

/* --- caps ------------------------------------------------------------------------- */

static void
test_over_cap(void)
{
	struct world_no no;
	int i, taken = 0;

	world_limits[0] = (struct conf_limit){ LIMIT_MESSAGES, 5, 60 };
	world_step(120000);
	for (i = 0; i < 7; i++) {
		world_submit(&smtpd, 20 + (uint64_t)i, "carl@example.org",
		    "bob@example.net");
		taken += world_submitted(&smtpd, &no, NULL);
	}
	is_int(taken, 5, "as many as the cap allows");
	is_int(no.code, 451, "then a temporary refusal");
	is_str(no.status, "4.7.1", "for policy");
	is_str(no.text, "This would pass your limit of 5 messages within "
	    "1 minute (5 messages used). Try again in 61 seconds",
	    "which says when");
	world_submit(&smtpd, 40, "dora@example.org", "bob@example.net");
	ok(world_submitted(&smtpd, &no, NULL), "others are not concerned");
	world_step(60999);
	world_submit(&smtpd, 41, "carl@example.org", "bob@example.net");
	ok(!world_submitted(&smtpd, &no, NULL), "not a moment sooner");
	world_step(1);
	world_submit(&smtpd, 42, "carl@example.org", "bob@example.net");
	ok(world_submitted(&smtpd, &no, NULL), "and exactly then");
	world_limits[0] = (struct conf_limit){ LIMIT_MESSAGES, 1, 3600 };
	world_step(120000);
	for (i = 0; i < 2; i++) {
		world_submit(&smtpd, 50 + (uint64_t)i, "finn@example.org",
		    "bob@example.net");
		world_submitted(&smtpd, &no, NULL);
	}
	is_str(no.text, "This would pass your limit of 1 message within "
	    "1 hour (1 message used). Try again in 1 hour, at 09:06 UTC",
	    "one is one, and a long wait has an end on the clock");
	world_limits[0] = (struct conf_limit){ LIMIT_MESSAGES, 1000, 60 };
}

static struct ticket
device_ticket(uint64_t session, const char *device, const char *cap)
{
	struct ticket t = world_ticket(0, session, "gus@example.org");

	snprintf(t.device, sizeof(t.device), "%s", device);
	snprintf(t.device_cap, sizeof(t.device_cap), "%s", cap);
	t.begun_ms = ev_now_ms();
	ticket_seal(&world_conf.ticket_key, 0, &t);
	return t;
}

/* How many of n messages of that device get through; *no is of the last. */
static int
from_device(int n, const char *device, const char *cap, struct world_no *no)
{
	static uint64_t session = 300;
	struct envelope e;
	struct ticket t;
	int i, taken = 0;

	for (i = 0; i < n; i++) {
		t = device_ticket(session++, device, cap);
		envelope_init(&e);
		e.return_path = xstrdup("gus@example.org");
		envelope_add_rcpt(&e, "bob@example.net", NULL, 0);
		world_submit_env(&smtpd, &t, &e, WORLD_BODY);
		envelope_clear(&e);
		taken += world_submitted(&smtpd, no, NULL);
	}
	return taken;
}

/* The account allows seven messages, this device's own cap three of them. */
static void
test_devices(void)
{
	static struct conf_limit small[] = { { LIMIT_MESSAGES, 3, 60 } };
	struct world_no no;

	world_limits[0] = (struct conf_limit){ LIMIT_MESSAGES, 7, 60 };
	world_caps[1] = (struct conf_cap){ .name = (char *)"small",
	    .limits = { small, 1 }, .recipients_per_message = 2 };
	world_conf.caps.n = 2;
	world_step(120000);
	is_int(from_device(5, "phone", "small", &no), 3,
	    "a device sends what its own cap allows");
	ok(no.code == 451 && strstr(no.text, "this device's limit of 3") !=
	    NULL, "and is told whose limit it is: %s", no.text);
	is_int(from_device(1, "tablet", "small", &no), 1,
	    "another device has a count of its own");
	is_int(from_device(9, "laptop", "", &no), 3,
	    "together they send no more than the account may");
	ok(no.code == 451 && strstr(no.text, "your limit of 7") != NULL,
	    "which is said: %s", no.text);
	world_crash(&smtpd, NULL);
	is_int(from_device(1, "phone", "small", &no), 0,
	    "a restart forgets neither");
	is_int(from_device(1, "laptop", "", &no), 0, "nor the account's use");
	world_step(121000);
	is_int(from_device(5, "phone", "small", &no), 3, "until it is over");
	world_conf.caps.n = 1;
	world_limits[0] = (struct conf_limit){ LIMIT_MESSAGES, 1000, 60 };
}

/* One device is revoked, or the account's own password changed. */
static void
test_revoked_device(void)
{
	static const struct {
		const char *whose, *device;
		bool	 ends;
	} rows[] = {
		{ "gus@example.org/phone", "phone", true },
		{ "gus@example.org/phone", "tablet", false },
		{ "gus@example.org/phone", "", false },
		{ "gus@example.org/", "phone", false },
		{ "gus@example.org/", "", true },
		{ "gus@example.org", "phone", true },
		{ "gus@example.org", "", true },
	};
	struct world_no no;
	size_t i;

	for (i = 0; i < nitems(rows); i++) {
		revoked_add(&world.revoked, rows[i].whose, ev_now_ms(),
		    ev_now_ms() + 1000);
		is_int(from_device(1, rows[i].device, "", &no), !rows[i].ends,
		    "%s: a session of \"%s\"", rows[i].whose, rows[i].device);
		revoked_clear(&world.revoked);
	}
	ok(!smtpd.gone, "none of that is a crime");
}

/* A hundred sessions that all ask first and then all submit. */
static void
test_interleaved(void)
{
	struct ticket t;
	struct world_no no;
	struct ipc_in in;
	uint64_t s;
	int began = 0, taken = 0;

	world_limits[0] = (struct conf_limit){ LIMIT_RECIPIENTS, 37, 3600 };
	for (s = 100; s < 200; s++) {
		t = world_ticket(0, s, "eve@example.org");
		ipc_begin(M_TX_BEGIN, s);
		ticket_put(&t);
		ipc_put_str("eve@example.org");
		ipc_put_u64(0);
		ipc_send(smtpd.ipc, -1);
	}
	world_turn(20);
	while (world_next(&smtpd, &in) != NULL)
		began += in.type == M_TX_OK && ipc_get_u32(&in) == 37;
	is_int(began, 100, "a hundred sessions are told that 37 are left");
	for (s = 100; s < 200; s++)
		world_submit(&smtpd, s, "eve@example.org", "bob@example.net");
	for (s = 100; s < 200; s++)
		taken += world_submitted(&smtpd, &no, NULL);
	is_int(taken, 37, "exactly 37 get through");
	world_limits[0] = (struct conf_limit){ LIMIT_MESSAGES, 1000, 60 };
}

static void
test_worker_dies(void)
{
	uint64_t before = store_count(world.store);
	struct world_no no;

	world_submit(&smtpd, 50, "alice@example.org", "bob@example.net");
	world_disconnect(&smtpd);
	world_connect(&smtpd, ROLE_SMTPD, 0);
	world_turn(20);
	world_submit(&smtpd, 51, "alice@example.org", "bob@example.net");
	ok(world_submitted(&smtpd, &no, NULL), "a new worker is served");
	ok(smtpd.n == 1 && smtpd.v[0]->id == 51,
	    "the old one's answer does not reach it");
	ok(store_count(world.store) > before, "what was taken stays taken");
}

/* --- devices that cannot log in -------------------------------------------------- */

static struct conf_strs
strs(char **v, size_t n)
{
	return (struct conf_strs){ v, n };
}

static struct ticket
lane_ticket(uint64_t session, const char *lane)
{
	struct ticket t;

	memset(&t, 0, sizeof(t));
	t.session = session;
	t.expires_ms = ev_now_ms() + 4 * 3600 * 1000;
	snprintf(t.account, sizeof(t.account), "scanner@example.com");
	snprintf(t.cap, sizeof(t.cap), "default");
	snprintf(t.lane, sizeof(t.lane), "%s", lane);
	ticket_seal(&world_conf.ticket_key, 0, &t);
	snprintf(t.sender, sizeof(t.sender), "scan@example.org");
	ticket_seal_sender(&world_conf.ticket_key, &t, t.sender, t.sender_mac);
	return t;
}

/* The code of the answer; 0: it was taken, 1: the channel has ended. */
static uint32_t
submit_from(const struct ticket *t, const char *from, const char *rcpts)
{
	struct envelope e;
	struct world_no no;
	char *copy = xstrdup(rcpts), *at = copy, *one;
	bool taken;

	envelope_init(&e);
	e.return_path = xstrdup(from);
	while ((one = strsep(&at, " ")) != NULL)
		envelope_add_rcpt(&e, one, NULL, 0);
	world_submit_env(&smtpd, t, &e, WORLD_BODY);
	envelope_clear(&e);
	free(copy);
	taken = world_submitted(&smtpd, &no, NULL);
	if (smtpd.gone) {
		world_disconnect(&smtpd);
		world_connect(&smtpd, ROLE_SMTPD, 0);
		return 1;
	}
	return taken ? 0 : no.code;
}

/* What smtpd should have refused itself is refused, whatever it says. */
static void
test_lane(void)
{
	static char *rcpts[] = { (char *)(uintptr_t)"@example.org",
	    (char *)(uintptr_t)"boss@example.net" };
	struct conf_lane lane = { .name = (char *)(uintptr_t)"scanner1",
	    .account = (char *)(uintptr_t)"scanner@example.com",
	    .sender = (char *)(uintptr_t)"scan@example.org",
	    .cap = (char *)(uintptr_t)"", .recipients = strs(rcpts, 2) };
	struct ticket t;
	struct ipc_in in;

	world_conf.lanes = (struct conf_list){ &lane, 1 };
	t = lane_ticket(60, "scanner1");
	is_int(submit_from(&t, "scan@example.org", "a@example.org "
	    "Boss@EXAMPLE.NET"), 0, "a device's mail is taken");
	is_int(submit_from(&t, "scan@example.org", "a@example.org "
	    "all@example.net"), 550, "not to others");
	is_int(submit_from(&t, "scanner@example.com", "a@example.org"), 550,
	    "nor as the account itself");
	is_int(submit_from(&t, "", "a@example.org"), 550,
	    "nor without a sender");
	is_int(submit_from(&t, "boss@example.org", "a@example.org"), 1,
	    "nor as anybody else: nobody has sealed that");
	ipc_begin(M_TX_BEGIN, 60);
	ticket_put(&t);
	ipc_put_str("scanner@example.com");
	ipc_put_u64(0);
	ipc_send(smtpd.ipc, -1);
	ok(world_next(&smtpd, &in) != NULL && in.type == M_TX_NO &&
	    ipc_get_u32(&in) == 550, "MAIL hears as much");

	*t.lane = '\0';
	is_int(submit_from(&t, "scan@example.org", "a@example.net"), 1,
	    "a ticket without its lane has another seal");
	t = lane_ticket(60, "scanner2");
	is_int(submit_from(&t, "scan@example.org", "a@example.org"), 421,
	    "a device that a reload has taken away");
	t = lane_ticket(60, "scanner1");
	lane.account = (char *)(uintptr_t)"other";
	is_int(submit_from(&t, "scan@example.org", "a@example.org"), 421,
	    "or given another account");
	world_conf.lanes = (struct conf_list){ NULL, 0 };
	is_int(submit_from(&t, "scan@example.org", "a@example.org"), 421,
	    "no devices at all");
}

/* A captured worker writes and writes. */
static void
test_endless_spool(void)
{
	uint64_t most = world_conf.max_message_bytes;
	struct ticket t = world_ticket(0, 9, "alice@example.org");
	struct world_msg *m;
	struct ipc_in in;

	world_disconnect(&smtpd);
	world_connect(&smtpd, ROLE_SMTPD, 0);
	send_spool(&t);
	m = world_next(&smtpd, &in);
	ok(m != NULL && in.type == M_TX_SPOOL_HERE, "a spool file");
	if (m == NULL)
		return;
	ok(pwrite(m->fd, "x", 1, (off_t)most) == 1, "with all it may have");
	world_conf.max_message_bytes /= 2;
	world_step(SPOOLS_LOOK_MS);
	ok(!smtpd.gone, "is borne, though a reload now allows less");
	ok(pwrite(m->fd, "x", 1, (off_t)most + 16 * 1024) == 1, "and more");
	world_step(SPOOLS_LOOK_MS);
	ok(smtpd.gone, "is not");
	ok(strstr(world_log, "smtpd=0 broke the protocol: more in a spool "
	    "file than any message may have") != NULL, "the log says so");
	world_conf.max_message_bytes = most;
	world_disconnect(&smtpd);
	world_connect(&smtpd, ROLE_SMTPD, 0);
}

/* A spool file for session 9; it holds n bytes. The descriptor is the test's. */
static int
borrow(size_t n)
{
	struct ticket t = world_ticket(0, 9, "alice@example.org");
	struct world_msg *m;
	struct ipc_in in;
	int fd;

	send_spool(&t);
	m = world_next(&smtpd, &in);
	if (!ok(m != NULL && in.type == M_TX_SPOOL_HERE && m->fd != -1,
	    "a spool file"))
		exit(tap_done());
	fd = m->fd;
	m->fd = -1;
	if (ftruncate(fd, (off_t)n) == -1)
		fatal("ftruncate");
	return fd;
}

static void
send_end(uint64_t session)
{
	ipc_begin(M_TX_END, session);
	ipc_send(smtpd.ipc, -1);
	world_turn(12);
}

static bool
logged_once(const char *what)
{
	const char *p = strstr(world_log, what);

	return p != NULL && strstr(p + 1, what) == NULL;
}

/* A captured worker would write to a message that was acknowledged. */
static void
test_held_submit(void)
{
	struct ticket t = world_ticket(0, 9, "alice@example.org");
	size_t before = store_count(world.store);
	struct envelope e;
	struct world_no no;
	int fd, copy;

	world_disconnect(&smtpd);
	world_connect(&smtpd, ROLE_SMTPD, 0);
	fd = borrow(1000);
	copy = dup(fd);
	close(fd);
	envelope_init(&e);
	e.return_path = xstrdup("alice@example.org");
	envelope_add_rcpt(&e, "bob@example.net", NULL, 0);
	world_submit_to(smtpd.ipc, &t, &e, NULL, 1000);
	ok(!world_submitted(&smtpd, &no, NULL) && smtpd.gone,
	    "a body that a second descriptor can change: the worker goes");
	ok(strstr(world_log, "smtpd=0 broke the protocol: a body that it could "
	    "still change") != NULL, "and the log says so");
	is_int(store_count(world.store), before, "nothing got in");
	close(copy);
	world_disconnect(&smtpd);
	world_connect(&smtpd, ROLE_SMTPD, 0);
	close(borrow(1000));
	world_submit_to(smtpd.ipc, &t, &e, NULL, 1000);
	ok(world_submitted(&smtpd, &no, NULL), "one that nobody can is taken");
	envelope_clear(&e);
}

/* It would fill the disk by way of files that nobody looks at any more. */
static void
test_held_on(void)
{
	static const char why[] = "smtpd=0 broke the protocol: it does not let "
	    "go of a spool file whose transaction is over";
	struct ticket t = world_ticket(0, 9, "alice@example.org");
	struct ipc_in in;
	int fd = borrow(1000);

	send_end(9);
	world_step(SPOOLS_PATIENCE_MS - SPOOLS_LOOK_MS);
	ok(!smtpd.gone, "a descriptor under way is waited for");
	close(fd);
	world_step(2 * SPOOLS_PATIENCE_MS);
	ok(!smtpd.gone, "all is well once it is closed");
	fd = borrow(1000);
	send_end(9);
	world_step(SPOOLS_PATIENCE_MS + SPOOLS_LOOK_MS);
	ok(smtpd.gone && logged_once(why), "one that is held on to is not "
	    "borne");
	world_disconnect(&smtpd);
	world_connect(&smtpd, ROLE_SMTPD, 0);
	world_step(SPOOLS_PATIENCE_MS / 2);
	ok(!smtpd.gone, "and is no reproach to the next worker meanwhile");
	close(fd);
	world_step(SPOOLS_LOOK_MS);

	fd = borrow(1000);
	send_end(9);
	ok(ftruncate(fd, (off_t)world_conf.max_message_bytes * 2) == 0,
	    "one that grows when its transaction is over");
	world_step(SPOOLS_LOOK_MS);
	ok(smtpd.gone, "is not borne for long");
	close(fd);
	world_disconnect(&smtpd);
	world_connect(&smtpd, ROLE_SMTPD, 0);
	world_step(SPOOLS_LOOK_MS);

	fd = borrow(1000);
	send_end(9);
	send_spool(&t);
	ok(world_next(&smtpd, &in) == NULL && smtpd.gone,
	    "a second one while the first is held is none");
	close(fd);
	world_disconnect(&smtpd);
	world_connect(&smtpd, ROLE_SMTPD, 0);
}

/* Its channel closed, it thinks itself out of sight. */
static void
test_held_out_of_sight(void)
{
	int fd = borrow(1000);

	*world_log = '\0';
	world_disconnect(&smtpd);
	world_turn(12);
	world_step(SPOOLS_PATIENCE_MS + 2 * SPOOLS_LOOK_MS);
	ok(strstr(world_log, "it does not let go") != NULL,
	    "a worker that has closed its channel and holds on is told of");
	close(fd);
	world_step(SPOOLS_LOOK_MS);
	world_connect(&smtpd, ROLE_SMTPD, 0);
}

/* --- a disk without room ------------------------------------------------------- */

static bool
told_over(void)
{
	struct ipc_in in;

	return world_next(&smtpd, &in) != NULL && in.type == M_TX_OVER &&
	    in.id == 9 && ipc_in_end(&in);
}

static void
send_spooled(size_t size)
{
	struct ticket t = world_ticket(0, 9, "alice@example.org");
	struct envelope e;

	envelope_init(&e);
	e.return_path = xstrdup("alice@example.org");
	envelope_add_rcpt(&e, "bob@example.net", NULL, 0);
	world_submit_to(smtpd.ipc, &t, &e, NULL, size);
	envelope_clear(&e);
}

static bool
is_empty(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_size == 0;
}

/* What is being written makes room, and a sound worker hears of it. */
static void
test_emptied(void)
{
	static const char more[4096];
	struct world_no no;
	int fd = borrow(300000), i;

	world_step(SPOOLS_LOOK_MS);
	ok(!is_empty(fd), "with room a large message comes in");
	store_memory_set_spare(world.store, 0);
	world_step(SPOOLS_LOOK_MS);
	ok(told_over() && is_empty(fd), "without it makes some, and smtpd is "
	    "told");
	ok(pwrite(fd, more, sizeof(more), 300000) == sizeof(more), "what was "
	    "on its way");
	world_step(SPOOLS_LOOK_MS);
	ok(is_empty(fd) && !smtpd.gone, "is thrown away");
	close(fd);
	store_memory_set_spare(world.store, UINT64_MAX);
	send_spooled(300000);
	ok(!world_submitted(&smtpd, &no, NULL) && no.code == 452 &&
	    strcmp(no.status, "4.3.1") == 0 && !smtpd.gone,
	    "submitted before that was heard: 452");
	close(borrow(1000));
	send_spooled(1000);
	ok(world_submitted(&smtpd, &no, NULL), "with room again the next is "
	    "taken");

	fd = borrow(300000);
	store_memory_set_spare(world.store, 0);
	world_step(SPOOLS_LOOK_MS);
	ok(told_over(), "a captured worker is told as well");
	for (i = 0; i <= SPOOLS_ON_WAY / (int)sizeof(more); i++)
		if (write(fd, more, sizeof(more)) != sizeof(more))
			break;
	world_step(SPOOLS_LOOK_MS);
	ok(smtpd.gone && is_empty(fd) && strstr(world_log, "smtpd=0 broke the "
	    "protocol: it writes on to a spool file that was emptied") != NULL,
	    "and goes when it writes on");
	ok(write(fd, more, sizeof(more)) == sizeof(more), "even then");
	world_step(SPOOLS_LOOK_MS);
	ok(is_empty(fd), "that takes no room");
	close(fd);
	store_memory_set_spare(world.store, UINT64_MAX);
	world_disconnect(&smtpd);
	world_connect(&smtpd, ROLE_SMTPD, 0);
	world_step(SPOOLS_LOOK_MS);
}

static uint64_t
charged(void)
{
	uint64_t used[LIMIT_KINDS];

	caps_used(world.caps, "alice@example.org", 60, clock_steady_ms(),
	    used);
	return used[LIMIT_MESSAGES];
}

/* It was taken, and then there was no room to keep its body. */
static void
test_full(void)
{
	size_t queued, live;
	struct world_no no;
	uint64_t was, day, used[LIMIT_KINDS];

	world_step(120 * 1000);
	was = charged();
	caps_used(world.caps, "alice@example.org", 86400, clock_steady_ms(),
	    used);
	day = used[LIMIT_MESSAGES];
	queued = store_count(world.store);
	live = live_count(world.live);
	store_memory_set_full(world.store, true);
	close(borrow(1000));
	send_spooled(1000);
	ok(!world_submitted(&smtpd, &no, NULL) && no.code == 452 &&
	    strcmp(no.status, "4.3.1") == 0 && !smtpd.gone,
	    "no room to keep a body: 452");
	is_int(charged(), was, "and it is charged to nobody");
	ok(store_count(world.store) == queued &&
	    live_count(world.live) == live && !submit_busy(world.submit),
	    "and nowhere to be found");
	close(borrow(1000));
	send_spooled(1000);
	world_disconnect(&smtpd);
	world_turn(12);
	ok(store_count(world.store) == queued && !submit_busy(world.submit) &&
	    charged() == was, "nor when nobody hears of it");
	world_connect(&smtpd, ROLE_SMTPD, 0);
	close(borrow(1000));
	leaping = true;
	send_spooled(1000);
	ok(!world_submitted(&smtpd, &no, NULL) && no.code == 452, "452 again");
	leaping = false;
	caps_used(world.caps, "alice@example.org", 86400, clock_steady_ms(),
	    used);
	is_int(used[LIMIT_MESSAGES], day, "and the charge is taken back where "
	    "it was put, though a minute has begun");
	leaps = 0;
	store_memory_set_full(world.store, false);
	close(borrow(1000));
	send_spooled(1000);
	ok(world_submitted(&smtpd, &no, NULL) && charged() == was + 1,
	    "with room the next is taken");
}

/* A spool file for this session, or -1: 452. The descriptor is the test's. */
static int
lend(uint64_t session, uint64_t size)
{
	struct ticket t = world_ticket(0, session, "alice@example.org");
	struct world_msg *m;
	struct ipc_in in;
	int fd;

	asker = session;
	announced = size;
	send_spool(&t);
	asker = 9;
	announced = 0;
	m = world_next(&smtpd, &in);
	if (m == NULL || (in.type != M_TX_SPOOL_HERE && (in.type != M_TX_NO ||
	    ipc_get_u32(&in) != 452)))
		exit(tap_done());
	fd = m->fd;
	m->fd = -1;
	return fd;
}

/* What all may write together is there, above the floor. */
static void
test_lend(void)
{
	static char text[1 << 20];
	uint64_t max = world_conf.max_message_bytes;
	int fd[5];
	size_t i;

	store_memory_set_spare(world.store, 2 * max + max / 2);
	fd[0] = lend(100, 0);
	fd[1] = lend(101, 0);
	ok(fd[0] != -1 && fd[1] != -1, "room for two and a half: two are lent");
	ok(lend(102, 0) == -1, "not a third one");
	fd[2] = lend(102, max / 4);
	ok(fd[2] != -1, "but one that is announced as small");
	ok(lend(103, max / 4) == -1, "and no more");
	ok(write(fd[0], text, max) == (ssize_t)max &&
	    (fd[3] = lend(103, max / 4)) != -1,
	    "what is written is not waited for any more");
	ok(lend(104, 0) == -1, "what is not is");
	close(fd[1]);
	send_end(101);
	fd[1] = -1;
	ok((fd[4] = lend(104, 0)) != -1, "but for what has ended");
	store_memory_set_spare(world.store, UINT64_MAX);
	for (i = 0; i < nitems(fd); i++)
		if (fd[i] != -1)
			close(fd[i]);
	world_disconnect(&smtpd);
	world_connect(&smtpd, ROLE_SMTPD, 0);
	world_step(SPOOLS_LOOK_MS);
}

/* A session has a spool file when the queue stops: the store is there for it. */
static void
test_stop(void)
{
	struct ticket t = world_ticket(0, 77, "alice@example.org");
	struct world_msg *m;
	struct ipc_in in;

	ipc_begin(M_TX_SPOOL, 77);
	ticket_put(&t);
	ipc_put_u64(0);
	ipc_send(smtpd.ipc, -1);
	m = world_next(&smtpd, &in);
	ok(m != NULL && in.type == M_TX_SPOOL_HERE, "a spool file");
	world_close();
	world_disconnect(&smtpd);
	ok(true, "is given back at the end");
}

int
main(void)
{
	world_defaults();
	world_open();
	world_connect(&smtpd, ROLE_SMTPD, 0);
	test_honest();
	test_spool();
	test_captured();
	test_return_path();
	test_expired();
	test_revoked();
	test_untold();
	test_bad_envelopes();
	test_over_cap();
	test_devices();
	test_revoked_device();
	test_interleaved();
	test_worker_dies();
	test_lane();
	test_endless_spool();
	test_held_submit();
	test_held_on();
	test_held_out_of_sight();
	test_emptied();
	test_full();
	test_lend();
	test_stop();
	return tap_done();
}
