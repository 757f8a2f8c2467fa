/*
 * relay/client and relay/pool: every kind of answer, from none to nonsense, at
 * every stage of a delivery, and what it makes of the message: nothing is
 * counted as delivered that was not taken, nothing given up that may work
 * later. Then how many connections a next hop gets, and for how long.
 */
#include "lib/prelude.h"

#include <fcntl.h>
#include <malloc.h>

#include "tests/show.h"
#include "tests/unit/relay_script.h"

#define ONE "C:RCPT TO:<one@c.test>"
#define TWO "C:RCPT TO:<two@c.test>"

/* --- answers by stage -------------------------------------------------------------- */

enum stage { AT_GREETING, AT_EHLO, AT_MAIL, AT_ONE, AT_TWO, AT_DATA, AT_END,
    STAGES };

static const struct {
	const char *name;
	const char *before[24];
} stages[STAGES] = {
	[AT_GREETING] = { "greeting", { NULL } },
	[AT_EHLO] = { "EHLO", { HELLO, NULL } },
	[AT_MAIL] = { "MAIL", { PLAIN, MAIL, NULL } },
	[AT_ONE] = { "the first RCPT", { PLAIN, MAIL, "S:250 ok", ONE, NULL } },
	[AT_TWO] = { "the second RCPT", { PLAIN, MAIL, "S:250 ok", ONE,
	    "S:250 ok", TWO, NULL } },
	[AT_DATA] = { "DATA", { PLAIN, MAIL, "S:250 ok", ONE, "S:250 ok", TWO,
	    "S:250 ok", "C:DATA", NULL } },
	[AT_END] = { "the end", { PLAIN, MAIL, "S:250 ok", ONE, "S:250 ok", TWO,
	    "S:250 ok", "C:DATA", "S:354 go", BODY, NULL } },
};

enum kind { YES, GO_ON, LATER, NEVER, BROKEN };

/* A step of the script, and what RFC 5321 4.2.1 calls it. */
static const struct {
	const char *step;
	enum kind kind;
} answers[] = {
	{ "S:220 ready", YES }, { "S:250 ok", YES }, { "S:250", YES },
	{ "S:250 2.1.0 ok", YES }, { "S:250-one\r\n250 two", YES },
	{ "S:251 will forward", YES }, { "S:252 cannot verify", YES },
	{ "S:299 what is that?", YES }, { "D:250 dripping", YES },
	{ "S:300 more?", GO_ON }, { "S:334 VXNlcm5hbWU6", GO_ON },
	{ "S:354 go", GO_ON }, { "S:355 octet stream", GO_ON },
	{ "S:400 later", LATER }, { "S:432 password", LATER },
	{ "S:450 4.2.0 greylisted", LATER }, { "S:451 local error", LATER },
	{ "S:452 4.2.2 full", LATER }, { "S:454 TLS not available", LATER },
	{ "S:455 parameters", LATER }, { "S:499 what is that?", LATER },
	{ "S:450-4.7.1 come\r\n450 4.7.1 again", LATER },
	/* The code counts when the status says something else. */
	{ "S:450 5.1.1 no such user", LATER }, { "S:451 2.0.0 ok", LATER },
	{ "S:500 what?", NEVER }, { "S:501 5.5.4 syntax", NEVER },
	{ "S:502 5.5.1 not here", NEVER }, { "S:503 5.5.1 order", NEVER },
	{ "S:504 5.5.4 parameter", NEVER }, { "S:521 no mail", NEVER },
	{ "S:530 5.7.0 log in", NEVER }, { "S:535 5.7.8 out", NEVER },
	{ "S:550 5.1.1 no such user", NEVER }, { "S:551 5.1.6 moved", NEVER },
	{ "S:552 5.2.2 full", NEVER }, { "S:553 5.1.3 syntax", NEVER },
	{ "S:554 5.7.1 spam", NEVER }, { "S:555 5.5.4 parameter", NEVER },
	{ "S:556 5.1.10 null MX", NEVER }, { "S:571 blocked", NEVER },
	{ "S:599 what is that?", NEVER }, { "S:550 4.2.1 later", NEVER },
	{ "S:550-5.7.1 read\r\n550-5.7.1 the\r\n550 5.7.1 policy", NEVER },
	{ "S:421 4.3.2 stopping", BROKEN }, { "S:421", BROKEN },
	{ "S:600 six", BROKEN }, { "S:000 zero", BROKEN },
	{ "S:150 wait", BROKEN }, { "S:999 nine", BROKEN },
	{ "S:25 ok", BROKEN }, { "S:2500 ok", BROKEN }, { "S:2 5 0", BROKEN },
	{ "S:abc", BROKEN }, { "S:", BROKEN }, { "S: 250 ok", BROKEN },
	{ "S:-250 ok", BROKEN }, { "S:+25 ok", BROKEN },
	{ "S:0x1 ok", BROKEN }, { "S:250_ok", BROKEN }, { "S:250.ok", BROKEN },
	{ "S:\xef\xbc\x92\xef\xbc\x95\xef\xbc\x90 ok", BROKEN },
	{ "S:HTTP/1.1 400 Bad Request", BROKEN },
	{ "S:* OK IMAP4rev1", BROKEN }, { "S:+OK POP3", BROKEN },
	{ "S:SSH-2.0-OpenSSH_9.2", BROKEN },
	{ "S:250-one\r\n550 two", BROKEN }, { "S:250-one\r\ntwo", BROKEN },
	{ "S:250 a\nb", BROKEN }, { "S:250 a\rb", BROKEN },
	{ "S:250 a\r\r", BROKEN }, { "R:250 ok\n", BROKEN },
	{ "Z:250 ok", BROKEN }, { "R:\x15\x03\x03", BROKEN },
	{ "-", BROKEN }, { "X", BROKEN }, { "R:2", BROKEN },
	{ "R:250-and", BROKEN }, { "L", BROKEN }, { "M", BROKEN },
	{ "E", BROKEN },
};

/* What both recipients come to. */
static const char *
outcome(enum stage at, enum kind kind, const char *step)
{
	static const char *const all[] = { [YES] = "OO", [GO_ON] = "DD",
	    [LATER] = "DD", [NEVER] = "FF", [BROKEN] = "DD" };
	int code;

	if (kind == BROKEN)
		return "DD";
	code = (step[2] - '0') * 100 + (step[3] - '0') * 10 + step[4] - '0';
	switch (at) {
	case AT_GREETING:	/* 5yz: another server may take it */
		return code == 220 ? "OO" : "DD";
	case AT_EHLO:		/* 5yz: an old server, HELO */
		return code == 250 || kind == NEVER ? "OO" : "DD";
	case AT_ONE:
		return kind == LATER ? "DO" : kind == NEVER ? "FO" : all[kind];
	case AT_TWO:
		return kind == LATER ? "OD" : kind == NEVER ? "OF" : all[kind];
	case AT_DATA:
		return code == 354 ? "OO" : kind == YES ? "DD" : all[kind];
	default:
		return all[kind];
	}
}

/* The script goes on as a good server would, whatever the client makes of it. */
static void
one(enum stage at, size_t a)
{
	struct hop hop = { 0 };
	const char *steps[32], *want;
	struct world_route route = { .tls = ROUTE_TLS_MAY, .sec = 3 };
	static const struct world_msg msg;
	struct pool *pool;
	pthread_t thread;
	size_t n = 0;

	for (; stages[at].before[n] != NULL; n++)
		steps[n] = stages[at].before[n];
	steps[n++] = answers[a].step;
	/* A piece of an answer comes to nothing when the server goes away. */
	steps[n++] = answers[a].step[0] == 'R' ? "-" : "G";
	steps[n] = NULL;
	hop.steps = steps;
	route.port = hop_listen(&hop.listener);
	pool = world_pool(&route);
	pthread_create(&thread, NULL, hop_serve, &hop);
	pool_deliver(pool, world_message(&msg));
	world_wait(1);
	world_stop(pool);
	pthread_join(thread, NULL);
	close(hop.listener);
	want = outcome(at, answers[a].kind, answers[a].step);
	is_str(heard.outcomes, want, "%s: %s", stages[at].name,
	    show(answers[a].step, strlen(answers[a].step)));
	is_str(hop.trouble, "", "the dialog");
	ok(strcmp(want, "OO") == 0 || (heard.status[0][0] >= '2' &&
	    heard.status[0][0] <= '5' && heard.status[0][1] == '.'),
	    "with a status");
}

static void
test_answers(void)
{
	size_t a;
	int at;

	for (at = 0; at < STAGES; at++)
		for (a = 0; a < nitems(answers); a++)
			one((enum stage)at, a);
	tap_inputs("hostile or failing next hop, retry", STAGES *
	    nitems(answers));
}

/* Eight megabytes of an answer take no more memory than eight lines. */
static void
test_memory(void)
{
	static const char *const many[] = { HELLO, "B", NULL };
	static const struct world_msg msg;
	struct hop hop = { .steps = many };
	struct world_route route = { .tls = ROUTE_TLS_MAY, .sec = 10 };
	struct pool *pool;
	pthread_t thread;
	size_t before, most = 0, now;

	route.port = hop_listen(&hop.listener);
	pool = world_pool(&route);
	pthread_create(&thread, NULL, hop_serve, &hop);
	before = mallinfo2().uordblks;
	pool_deliver(pool, world_message(&msg));
	while (heard.ended == 0) {
		ev_loop_once(100);
		now = mallinfo2().uordblks;
		most = now > before && now - before > most ? now - before :
		    most;
	}
	world_stop(pool);
	pthread_join(thread, NULL);
	close(hop.listener);
	is_str(heard.outcomes, "DD", "a line of 8 MB: later");
	ok(most < 1 << 20, "in %zu KB", most >> 10);
}

/* --- connections -------------------------------------------------------------------- */

/*
 * A server that plays with several clients at once, in the test's own thread
 * between turns of its loop. It answers the ends of messages when it is told to.
 */
struct guest {
	int	 fd;
	char	 line[512];
	size_t	 n;
	bool	 data, ended;
	unsigned int messages;
};

static struct {
	int	 listener;
	struct guest guests[64];
	unsigned int n, open, most;	/* connections: ever, now, at once */
	unsigned int quits, messages, waiting;
	unsigned int per[64];		/* messages of each, in order */
	bool	 dripping;		/* the test answers by itself */
} house;

static void
tell(struct guest *g, const char *text)
{
	if (send(g->fd, text, strlen(text), MSG_NOSIGNAL) == -1)
		ok(false, "send");
}

static void
leave(struct guest *g)
{
	close(g->fd);
	g->fd = -1;
	house.open--;
}

static void
take_line(struct guest *g)
{
	if (house.dripping)
		return;
	if (g->data) {
		if (strcmp(g->line, ".") != 0)
			return;
		g->data = false;
		g->ended = true;
		house.waiting++;
	} else if (strncmp(g->line, "EHLO", 4) == 0)
		tell(g, "250-sink\r\n250 PIPELINING\r\n");
	else if (strcmp(g->line, "DATA") == 0) {
		g->data = true;
		tell(g, "354 go\r\n");
	} else if (strcmp(g->line, "QUIT") == 0) {
		house.quits++;
		tell(g, "221 bye\r\n");
		leave(g);
	} else
		tell(g, "250 ok\r\n");
}

static void
hear(struct guest *g)
{
	char c;
	ssize_t r = 0;

	while (g->fd != -1 && (r = recv(g->fd, &c, 1, MSG_DONTWAIT)) == 1) {
		if (c == '\n') {
			g->line[g->n > 0 ? g->n - 1 : 0] = '\0';
			g->n = 0;
			take_line(g);
		} else if (g->n + 1 < sizeof(g->line))
			g->line[g->n++] = c;
	}
	if (g->fd != -1 && r == 0)
		leave(g);
}

static void
welcome(void)
{
	struct guest *g = &house.guests[house.n];

	g->fd = accept(house.listener, NULL, NULL);
	if (g->fd == -1)
		return;
	house.n++;
	if (++house.open > house.most)
		house.most = house.open;
	tell(g, "220 sink\r\n");
}

/* One turn of everybody. */
static void
turn(void)
{
	unsigned int i;

	ev_loop_once(0);
	while (house.n < nitems(house.guests)) {
		unsigned int n = house.n;

		welcome();
		if (house.n == n)
			break;
	}
	for (i = 0; i < house.n; i++)
		if (house.guests[i].fd != -1)
			hear(&house.guests[i]);
}

/* Answers each message whose end has come. */
static void
answer_all(void)
{
	unsigned int i;

	for (i = 0; i < house.n; i++) {
		struct guest *g = &house.guests[i];

		if (!g->ended)
			continue;
		g->ended = false;
		house.waiting--;
		house.messages++;
		house.per[i]++;
		if (g->fd != -1)
			tell(g, "250 taken\r\n");
	}
}

static struct pool *
open_house(struct world_route *route)
{
	memset(&house, 0, sizeof(house));
	route->tls = ROUTE_TLS_MAY;
	route->port = hop_listen(&house.listener);
	fcntl(house.listener, F_SETFL, O_NONBLOCK);
	return world_pool(route);
}

static void
close_house(struct pool *pool)
{
	pool_stop(pool, world_stopped_cb);
	while (!heard.stopped) {
		turn();
		answer_all();
	}
	pool_use(pool, NULL);
	free(pool);
	close(house.listener);
}

/* How many messages over how many connections, by the route's limits. */
static void
test_limits(void)
{
	static const struct {
		uint32_t connections, messages, send;
		uint32_t at_once, in_all, most_each;
	} rows[] = {
		{ 1, 100, 1, 1, 1, 1 },
		{ 1, 100, 7, 1, 1, 7 },
		{ 1, 1, 3, 1, 3, 1 },		/* worn out after each */
		{ 1, 2, 5, 1, 3, 2 },
		{ 1, 3, 9, 1, 3, 3 },
		{ 2, 100, 6, 2, 2, 6 },
		{ 2, 2, 8, 2, 4, 2 },
		{ 3, 1, 9, 3, 9, 1 },
		{ 5, 100, 3, 3, 3, 1 },		/* no more than there is to do */
		{ 10, 100, 30, 10, 10, 30 },
		{ 10, 2, 20, 10, 10, 2 },
	};
	static const struct world_msg msg;
	struct pool *pool;
	size_t i;
	uint32_t k, want;
	bool worn;

	for (i = 0; i < nitems(rows); i++) {
		struct world_route route = {
			.connections = rows[i].connections,
			.messages = rows[i].messages, .idle_sec = 3600 };

		pool = open_house(&route);
		for (k = 0; k < rows[i].send; k++)
			pool_deliver(pool, world_message(&msg));
		while (house.messages < rows[i].send) {
			/* As many as may be under way are, before one ends. */
			want = rows[i].send - house.messages;
			if (want > rows[i].at_once)
				want = rows[i].at_once;
			while (house.waiting < want)
				turn();
			answer_all();
		}
		while (heard.ended < rows[i].send)
			turn();
		ok(house.most == rows[i].at_once, "%u connections, %u messages "
		    "each, %u to send: %u at once", rows[i].connections,
		    rows[i].messages, rows[i].send, house.most);
		is_int(house.n, rows[i].in_all, "in all");
		worn = false;
		for (k = 0; k < house.n; k++)
			worn |= house.per[k] > rows[i].most_each;
		ok(!worn, "none carries more than %u", rows[i].most_each);
		close_house(pool);
		is_int(house.quits, house.n, "each ends with QUIT");
	}
}

/* An idle connection is kept just so long. */
static void
test_idle(void)
{
	static const struct {
		uint32_t idle_sec;
		uint64_t pause_ms;
		uint32_t connections;	/* that two messages take */
	} rows[] = { { 20, 0, 1 }, { 20, 19999, 1 }, { 20, 20000, 2 },
	    { 20, 3600000, 2 }, { 1, 999, 1 }, { 1, 1000, 2 } };
	static const struct world_msg msg;
	struct pool *pool;
	size_t i, k;

	ev_clock_fake(1000000, 1800000000000);
	for (i = 0; i < nitems(rows); i++) {
		struct world_route route = { .connections = 1,
		    .idle_sec = rows[i].idle_sec };

		pool = open_house(&route);
		pool_deliver(pool, world_message(&msg));
		while (heard.ended < 1) {
			ev_clock_step(0);
			turn();
			answer_all();
		}
		ev_clock_step(rows[i].pause_ms);
		for (k = 0; k < 20; k++)
			turn();
		while (house.quits + 1 < rows[i].connections) {
			ev_clock_step(0);
			turn();
		}
		pool_deliver(pool, world_message(&msg));
		while (heard.ended < 2) {
			ev_clock_step(0);
			turn();
			answer_all();
		}
		is_int(house.n, rows[i].connections, "kept for %u s, %llu ms "
		    "later", rows[i].idle_sec,
		    (unsigned long long)rows[i].pause_ms);
		pool_stop(pool, world_stopped_cb);
		while (!heard.stopped) {
			ev_clock_step(0);
			turn();
		}
		pool_use(pool, NULL);
		free(pool);
		close(house.listener);
	}
}

/* --- slow ones -------------------------------------------------------------------------- */

/*
 * A byte a second is no answer, however long it goes on: the limit is on the
 * whole of it. Meanwhile another next hop gets its mail.
 */
static void
test_drip(void)
{
	static const char drip[] = "250-and on and on and on and on and on";
	static const struct world_msg slow = { .route = "out" },
	    other = { .route = "two" };
	struct world_route route = { .connections = 1, .sec = 10 };
	struct hop good = { .steps = (const char *const []){ PIPED, "G",
	    NULL } };
	struct guest *g = &house.guests[0];
	unsigned int sec = 0, turns;
	struct pool *pool;
	pthread_t thread;

	world_second_port = hop_listen(&good.listener);
	pool = open_house(&route);
	world_second_port = 0;
	pthread_create(&thread, NULL, hop_serve, &good);
	pool_deliver(pool, world_message(&slow));
	while (house.n == 0) {
		ev_clock_step(0);
		turn();
	}
	/* It says hello and then drips. */
	house.dripping = true;
	pool_deliver(pool, world_message(&other));
	while (heard.ended == 0) {
		ev_clock_step(0);
		turn();
	}
	is_str(heard.outcomes, "OO", "others' mail goes meanwhile");
	while (heard.ended < 2 && sec < 100) {
		if (g->fd != -1 && send(g->fd, &drip[sec % (sizeof(drip) - 1)],
		    1, MSG_NOSIGNAL) == -1)
			leave(g);
		ev_clock_step(1000);
		for (turns = 0; turns < 10; turns++)
			turn();
		sec++;
	}
	ok(sec >= 10 && sec <= 12, "given up after %u s", sec);
	is_str(heard.outcomes, "DD", "and tried later");
	house.dripping = false;
	pool_stop(pool, world_stopped_cb);
	while (!heard.stopped) {
		ev_clock_step(0);
		turn();
	}
	pthread_join(thread, NULL);
	pool_use(pool, NULL);
	free(pool);
	close(good.listener);
	close(house.listener);
}

int
main(void)
{
	if (!world_begin())
		return 1;
	test_answers();
	test_memory();
	test_limits();
	test_idle();
	test_drip();
	return world_end();
}
