/*
 * source/desk and lane: questions through scripted sources, whose threads wait
 * for the test's word. Order, domains, time-outs, sources that are left alone,
 * reloads, clients that go away.
 */
#include "lib/prelude.h"

#include <poll.h>
#include <pthread.h>

#include "lib/ev.h"
#include "lib/ipc.h"
#include "lib/log.h"
#include "source/backend.h"
#include "source/desk.h"
#include "tests/tap.h"

#define DESKS 3			/* one of each type */

/* --- the sources -------------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct script {		/* under lock */
	enum source_said said;
	bool	 stuck;		/* whoever asks comes back when it is not, */
	unsigned int let;	/* or is one of so many, who came first */
	unsigned int came, went;
	unsigned int asked, inside, states;
	char	 name[64], password[64];
} scripts[DESKS];

static void *
fake_open(const struct conf_source *conf, const char *ca)
{
	struct script *s = &scripts[conf->type];

	pthread_mutex_lock(&lock);
	s->states++;
	pthread_mutex_unlock(&lock);
	return s;
}

static void
fake_ask(void *arg, const struct query *q, struct answer *a)
{
	struct script *s = arg;
	unsigned int mine;

	pthread_mutex_lock(&lock);
	mine = s->came++;
	snprintf(s->name, sizeof(s->name), "%s", q->name);
	snprintf(s->password, sizeof(s->password), "%s", q->password);
	s->asked++;
	s->inside++;
	pthread_cond_broadcast(&changed);
	while (s->stuck && (s->let == 0 || mine != s->went))
		pthread_cond_wait(&changed, &lock);
	s->went++;
	s->let -= s->let > 0;
	pthread_cond_broadcast(&changed);
	s->inside--;
	answer_set(a, s->said, "word of %s", q->name);
	if (s->said == SAID_YES) {
		answer_sender(a, "Alias@Example.org", 17);
		answer_sender(a, "no address", 10);
	}
	pthread_mutex_unlock(&lock);
}

static void
fake_close(void *arg)
{
	struct script *s = arg;

	pthread_mutex_lock(&lock);
	s->states--;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static const char *
fake_check(const struct conf_source *conf)
{
	return strcmp(conf->name, "bad") == 0 ? "it is bad" : NULL;
}

/* In the place of the real ones. */
const struct backend saslauthd_backend = { fake_check, fake_open, fake_ask,
    fake_close };
const struct backend directory_backend = { fake_check, fake_open, fake_ask,
    fake_close };
const struct backend database_backend = { fake_check, fake_open, fake_ask,
    fake_close };

static void
says(unsigned int i, enum source_said said)
{
	pthread_mutex_lock(&lock);
	scripts[i].said = said;
	scripts[i].asked = 0;
	pthread_mutex_unlock(&lock);
}

static void
sticks(unsigned int i, bool stuck)
{
	pthread_mutex_lock(&lock);
	scripts[i].stuck = stuck;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

/* The loop stands still meanwhile: nobody else comes in. */
static void
let_out(unsigned int i, unsigned int n)
{
	pthread_mutex_lock(&lock);
	scripts[i].let = n;
	pthread_cond_broadcast(&changed);
	while (scripts[i].let > 0)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

static unsigned int
asked(unsigned int i)
{
	unsigned int n;

	pthread_mutex_lock(&lock);
	n = scripts[i].asked;
	pthread_mutex_unlock(&lock);
	return n;
}

/* Lets the loop run until so many threads are in it. */
static void
wait_inside(unsigned int i, unsigned int n)
{
	unsigned int now;

	do {
		ev_loop_once(1);
		pthread_mutex_lock(&lock);
		now = scripts[i].inside;
		pthread_mutex_unlock(&lock);
	} while (now < n);
}

/* Answers that are under way come to the loop before their threads end. */
static void
wait_ended(void)
{
	unsigned int states;

	do {
		ev_loop_once(1);
		pthread_mutex_lock(&lock);
		states = scripts[0].states + scripts[1].states +
		    scripts[2].states;
		pthread_mutex_unlock(&lock);
	} while (states > 0);
}

/* --- auth's side --------------------------------------------------------------------- */

static int fd = -1;
static uint64_t last;
static char line[512];

static void
sink(enum log_level level, const char *proc, const char *text)
{
	snprintf(line, sizeof(line), "%s", text);
}

static void
dial(void)
{
	int pair[2];

	if (fd != -1)
		close(fd);
	if (ipc_pair(pair) == -1)
		abort();
	desk_peer(pair[1]);
	fd = pair[0];
}

static uint64_t
ask_from(uint64_t network, const char *name, bool tell, bool known)
{
	ipc_begin(M_SOURCE_ASK, ++last);
	ipc_put_str(name);
	ipc_put_bytes("pw", 2);
	ipc_put_bool(tell);
	ipc_put_bool(known);
	ipc_put_u64(network);
	if (ipc_send_sync(fd, -1) == -1)
		abort();
	ev_loop_once(0);
	return last;
}

static uint64_t
ask_as(const char *name, bool tell, bool known)
{
	return ask_from(1, name, tell, known);
}

static void
leave(uint64_t question)
{
	ipc_begin(M_SOURCE_CANCEL, question);
	if (ipc_send_sync(fd, -1) == -1)
		abort();
}

static uint64_t
ask(const char *name, bool tell)
{
	return ask_as(name, tell, false);
}

struct reply {
	uint16_t type;		/* 0: nothing came; 1: the channel ended */
	uint64_t id;
	bool	 temporary;
	char	 source[64], why[512], sender[64];
	enum source_said said;
	uint32_t n;
};

static struct reply *
reply(void)
{
	static struct reply r;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct ipc_in in;
	int turns, got;

	memset(&r, 0, sizeof(r));
	for (turns = 0; turns < 3000 && poll(&p, 1, 0) == 0; turns++)
		ev_loop_once(10);
	if (poll(&p, 1, 0) <= 0)
		return &r;
	got = ipc_recv_sync(fd, 0, &in);
	r.type = got == 1 ? in.type : 1;
	if (got != 1)
		return &r;
	r.id = in.id;
	if (in.type == M_SOURCE_NO) {
		r.temporary = ipc_get_bool(&in);
		snprintf(r.why, sizeof(r.why), "%s", ipc_get_str(&in, 1024));
		return &r;
	}
	snprintf(r.source, sizeof(r.source), "%s", ipc_get_str(&in, 64));
	if (in.type == M_SOURCE_OK) {
		r.n = ipc_get_u32(&in);
		snprintf(r.sender, sizeof(r.sender), "%s", r.n == 0 ? "" :
		    ipc_get_str(&in, 64));
	} else {
		r.said = ipc_get_u8(&in);
		snprintf(r.why, sizeof(r.why), "%s", ipc_get_str(&in, 1024));
		(void)ipc_get_u32(&in);
	}
	if (!ipc_in_end(&in))
		abort();
	return &r;
}

/* --- the settings ---------------------------------------------------------------------- */

static char empty[] = "", pam[] = "pam", ldap[] = "ldap", sql[] = "sql",
    org[] = "example.org", pam_example[] = "pam.example";
static char *orgs[] = { org }, *pams[] = { pam_example };
static struct conf_source sources[DESKS];
static const struct source_conf conf = { { sources, DESKS } };

static void
set_up(void)
{
	static char *const names[] = { pam, ldap, sql };
	unsigned int i;

	for (i = 0; i < DESKS; i++)
		sources[i] = (struct conf_source){ .name = names[i],
		    .type = i, .timeout_sec = 5, .connections = 4,
		    .socket = empty, .service = empty, .uri = empty,
		    .base = empty, .filter = empty, .dn = empty,
		    .bind_dn = empty, .senders_attribute = empty,
		    .connect = empty, .query = empty, .password = empty,
		    .ca_pem = empty };
	sources[1].domains = (struct conf_strs){ orgs, 1 };
	desk_conf(&conf);
	dial();
}

/* --- tests ------------------------------------------------------------------------------- */

#define A "alice@example.org"
#define B "bob@elsewhere.example"

static void
test_order(void)
{
	static const struct {
		enum source_said said[DESKS];
		const char *name;
		uint16_t want;
		const char *source;	/* that lets in */
		bool	 temporary;
		unsigned int asked[DESKS];
	} rows[] = {
		{ { SAID_YES, SAID_YES, SAID_YES }, A, M_SOURCE_OK, "pam",
		    false, { 1, 0, 0 } },
		{ { SAID_NO, SAID_YES, SAID_YES }, A, M_SOURCE_OK, "ldap",
		    false, { 1, 1, 0 } },
		{ { SAID_UNKNOWN, SAID_UNKNOWN, SAID_YES }, A, M_SOURCE_OK,
		    "sql", false, { 1, 1, 1 } },
		{ { SAID_NO, SAID_WRONG, SAID_YES }, A, M_SOURCE_NO, "",
		    false, { 1, 1, 0 } },
		{ { SAID_NO, SAID_WRONG, SAID_YES }, B, M_SOURCE_OK, "sql",
		    false, { 1, 0, 1 } },
		{ { SAID_NO, SAID_WRONG, SAID_YES }, "alice", M_SOURCE_OK,
		    "sql", false, { 1, 0, 1 } },
		{ { SAID_NO, SAID_YES, SAID_UNKNOWN }, "alice@EXAMPLE.org",
		    M_SOURCE_OK, "ldap", false, { 1, 1, 0 } },
		{ { SAID_NO, SAID_UNKNOWN, SAID_UNKNOWN }, A, M_SOURCE_NO, "",
		    false, { 1, 1, 1 } },
		{ { SAID_NO, SAID_NOTHING, SAID_YES }, A, M_SOURCE_OK, "sql",
		    false, { 1, 1, 1 } },
		{ { SAID_NO, SAID_NOTHING, SAID_UNKNOWN }, B, M_SOURCE_NO, "",
		    false, { 1, 0, 1 } },
		{ { SAID_NOTHING, SAID_WRONG, SAID_YES }, A, M_SOURCE_NO, "",
		    true, { 1, 1, 0 } },
		{ { SAID_UNKNOWN, SAID_UNKNOWN, SAID_NOTHING }, A, M_SOURCE_NO,
		    "", true, { 1, 1, 1 } },
	};
	struct reply *r;
	size_t i, j;

	for (i = 0; i < nitems(rows); i++) {
		for (j = 0; j < DESKS; j++)
			says((unsigned int)j, rows[i].said[j]);
		ask(rows[i].name, false);
		r = reply();
		ok(r->type == rows[i].want && r->id == last &&
		    strcmp(r->source, rows[i].source) == 0 &&
		    r->temporary == rows[i].temporary, "row %zu: %u %s %s", i,
		    r->type, r->source, r->why);
		if (r->type == M_SOURCE_OK)
			ok(r->n == 1 && strcmp(r->sender,
			    "alias@example.org") == 0, "with an address");
		for (j = 0; j < DESKS; j++)
			if (asked((unsigned int)j) != rows[i].asked[j])
				break;
		is_int(j, DESKS, "those were asked that had to be");
		desk_conf(&conf);	/* nothing is held against them */
	}
	is_str(scripts[0].name, A, "the name came there");
	is_str(scripts[0].password, "pw", "and the password");
}

static void
test_tell(void)
{
	static const struct {
		const char *source;
		enum source_said said;
	} want[] = { { "pam", SAID_NO }, { "ldap", SAID_NOT_ASKED },
	    { "sql", SAID_WRONG } };
	struct reply *r;
	size_t i;

	says(0, SAID_NO);
	says(1, SAID_YES);
	says(2, SAID_WRONG);
	ask(B, true);
	for (i = 0; i < nitems(want); i++) {
		r = reply();
		ok(r->type == M_SOURCE_SAID && r->said == want[i].said &&
		    strcmp(r->source, want[i].source) == 0, "%s: %s",
		    r->source, r->why);
	}
	r = reply();
	ok(r->type == M_SOURCE_NO && !r->temporary, "and then the answer");
	is_str(r->why, "sql: wrong password, word of " B, "in words");
	says(0, SAID_YES);
	ask(B, true);
	ok(reply()->said == SAID_YES, "the first decides");
	ok(reply()->said == SAID_NOT_ASKED && reply()->said ==
	    SAID_NOT_ASKED, "the others are named all the same");
	is_int(reply()->type, M_SOURCE_OK, "yes");
}

/*
 * Threads that do not come back hold up nobody but those behind them. Nobody
 * else is at work when the clock is stepped: it would step over them.
 */
static void
test_stuck(void)
{
	struct reply r;
	int i;

	sources[0].domains = (struct conf_strs){ pams, 1 };
	desk_conf(&conf);
	says(0, SAID_YES);
	says(1, SAID_UNKNOWN);
	says(2, SAID_YES);
	sticks(1, true);
	for (i = 0; i < 4; i++)		/* two of a network, two in line */
		ask(A, false);
	wait_inside(1, 2);
	ask("peter@pam.example", false);
	r = *reply();
	ok(r.type == M_SOURCE_OK && r.id == last,
	    "others are answered meanwhile");
	ev_clock_step(5249);
	ev_loop_once(0);
	ok(poll(&(struct pollfd){ fd, POLLIN, 0 }, 1, 0) == 0,
	    "the time of a backend itself is waited for");
	ev_clock_step(1);
	for (i = 0; i < 4; i++) {
		r = *reply();
		ok(r.type == M_SOURCE_OK && strcmp(r.source, "sql") == 0,
		    "in time each goes on without it");
	}
	is_int(asked(1), 2, "two of them had come to it");
	says(2, SAID_UNKNOWN);
	ask(A, false);
	ev_clock_step(5250);
	r = *reply();
	ok(r.type == M_SOURCE_NO && r.temporary && strstr(r.why, "sql") !=
	    NULL, "nobody else knows him: try again");
	ok(strstr(line, "source=ldap state=failing") != NULL, "logged: %s",
	    line);
	ask(A, true);
	(void)reply();
	r = *reply();
	ok(r.said == SAID_NOTHING && strstr(r.why, "left alone after it "
	    "failed: all its connections are busy") != NULL, "and why: %s",
	    r.why);
	(void)reply();
	ok(reply()->temporary, "and he is told at once");
	sticks(1, false);
	says(1, SAID_YES);
	ev_clock_step(2000);
	ask(A, false);
	r = *reply();
	ok(r.type == M_SOURCE_OK && strcmp(r.source, "ldap") == 0,
	    "one that tries it finds it well");
	is_str(line, "source=ldap state=answering", "which is logged");
	sources[0].domains = (struct conf_strs){ NULL, 0 };
	desk_conf(&conf);
}

/* Both threads are busy with strangers, and ten more wait. */
static void
test_known(void)
{
	struct reply *r;
	uint64_t known;
	int i;

	desk_conf(&conf);
	for (i = 0; i < DESKS; i++)
		says((unsigned int)i, SAID_UNKNOWN);
	says(0, SAID_WRONG);
	sticks(0, true);
	ask(B, false);
	ask(B, false);
	wait_inside(0, 2);
	for (i = 0; i < 10; i++)
		ask(B, false);
	known = ask_as(A, false, true);
	/* All of them are in the channel; a turn takes in one at least. */
	for (i = 0; i < 12; i++)
		ev_loop_once(5);
	sticks(0, false);
	for (i = 0; (r = reply())->type == M_SOURCE_NO && r->id != known; i++)
		;
	ok(r->id == known && i <= 4, "a known client goes before strangers who "
	    "wait (%d were first)", i);
	while (i++ < 12)
		(void)reply();
}

/* All that waits is in the channel; a turn takes in one at least. */
static void
take_in(void)
{
	int i;

	for (i = 0; i < 40; i++)
		ev_loop_once(2);
}

static void
wait_for_all(unsigned int n)
{
	sticks(0, false);
	while (n-- > 0 && reply()->type == M_SOURCE_NO)
		;
}

/*
 * Those in line get in one by one, as those inside leave in their order: the
 * first letters of their names.
 */
static const char *
order(unsigned int n)
{
	static char text[32];
	unsigned int i;

	for (i = 0; i < n && i < sizeof(text) - 1; i++) {
		let_out(0, 1);
		wait_inside(0, 4);
		pthread_mutex_lock(&lock);
		text[i] = scripts[0].name[0];
		pthread_mutex_unlock(&lock);
	}
	text[i] = '\0';
	return text;
}

/* All four threads have somebody. */
static void
fill_up(void)
{
	desk_conf(&conf);
	says(0, SAID_WRONG);
	sticks(0, true);
	ask_from(1, B, false, false);
	ask_from(1, B, false, false);
	ask_from(2, B, false, false);
	ask_from(2, B, false, false);
	wait_inside(0, 4);
}

/* Whoever asks without end is in no other's way, known or not. */
static void
test_turns(void)
{
	int i;

	fill_up();
	for (i = 0; i < 9; i++)
		ask_from(20 + (uint64_t)i, "known@elsewhere.example", false,
		    true);
	for (i = 0; i < 4; i++)
		ask_from(40, "stranger@elsewhere.example", false, false);
	take_in();
	is_str(order(13), "kkkskkkskkkss", "known clients first, but each "
	    "fourth turn is a stranger's");
	wait_for_all(17);
	fill_up();
	for (i = 0; i < 6; i++)
		ask_from(20, "known@elsewhere.example", false, true);
	ask_from(21, "mary@elsewhere.example", false, true);
	for (i = 0; i < 3; i++)
		ask_from(40, "a@elsewhere.example", false, false);
	ask_from(41, "bob@elsewhere.example", false, false);
	take_in();
	is_str(order(11), "kmkakbkakak", "networks take turns, and none is in "
	    "more than half of the threads");
	wait_for_all(15);
}

/* The same for this machine's own clients, who are always known. */
static void
test_half(void)
{
	int i;

	desk_conf(&conf);
	says(0, SAID_WRONG);
	sticks(0, true);
	for (i = 0; i < 10; i++)
		ask_from(0, B, false, true);
	wait_inside(0, 2);
	take_in();
	is_int(asked(0), 2, "a webmail has two of four");
	ask_from(5, B, false, false);
	take_in();
	is_int(asked(0), 3, "a stranger gets in at once");
	wait_for_all(11);
	sources[0].connections = 1;
	desk_conf(&conf);
	ask_from(0, B, false, true);
	is_int(reply()->type, M_SOURCE_NO, "one connection is for all");
	sources[0].connections = 4;
	desk_conf(&conf);
}

/* The source has failed twice, and one question tries it again. */
static void
try_again(void)
{
	desk_conf(&conf);
	says(0, SAID_NOTHING);
	says(2, SAID_UNKNOWN);
	ask(B, false);
	(void)reply();
	ask(B, false);
	(void)reply();
	ev_clock_step(2000);
	line[0] = '\0';
	says(0, SAID_YES);
	sticks(0, true);
	ask(B, false);
	wait_inside(0, 1);
	dial();				/* auth is replaced */
	take_in();
}

/* A question that nobody waits for any more tells of its source as well. */
static void
test_orphan(void)
{
	int i;

	try_again();
	ask(B, false);
	take_in();
	is_int(asked(0), 2, "the new auth's question may try it as well");
	sticks(0, false);
	is_int(reply()->type, M_SOURCE_OK, "and is answered");
	try_again();
	sticks(0, false);
	for (i = 0; i < 500 && *line == '\0'; i++)
		ev_loop_once(5);
	is_str(line, "source=pam state=answering", "so is the old one's");
	ask(B, false);
	is_int(reply()->type, M_SOURCE_OK, "the next one finds it well");
	desk_conf(&conf);
}

/* A line that is long says nothing of the source. */
static void
test_line(void)
{
	uint64_t waits;
	struct reply r;

	desk_conf(&conf);
	says(0, SAID_UNKNOWN);
	says(2, SAID_UNKNOWN);
	sticks(0, true);
	ask(B, false);
	ask(B, false);
	wait_inside(0, 2);
	waits = ask(B, false);
	line[0] = '\0';
	ev_clock_step(5200);		/* both are still in time, just */
	let_out(0, 2);
	(void)reply();
	(void)reply();
	wait_inside(0, 1);
	ev_clock_step(5200);		/* it came 10.4 seconds ago */
	ev_loop_once(0);
	let_out(0, 1);
	r = *reply();
	ok(r.id == waits && r.type == M_SOURCE_NO && !r.temporary,
	    "its time is counted from its turn: %s", r.why);
	is_str(line, "", "and nothing was held against the source");
	sticks(0, false);
	desk_conf(&conf);
}

/* The client hangs up: its place is free, its guess is one all the same. */
static void
test_cancel(void)
{
	static const struct {
		enum source_said said;
		uint16_t type;
		bool	 temporary;	/* a further one might know him */
	} rows[] = {
		{ SAID_WRONG, M_SOURCE_NO, false },
		{ SAID_NO, M_SOURCE_NO, true },
		{ SAID_UNKNOWN, M_SOURCE_NO, true },
		{ SAID_NOTHING, M_SOURCE_NO, true },
		{ SAID_YES, M_SOURCE_OK, false },
	};
	uint64_t inside, waits, q;
	struct reply r;
	size_t i;

	desk_conf(&conf);
	says(0, SAID_UNKNOWN);
	says(2, SAID_NO);
	sticks(0, true);
	inside = ask(B, false);
	ask(B, false);
	wait_inside(0, 2);
	waits = ask(B, false);
	q = ask(B, false);
	leave(waits);
	r = *reply();
	ok(r.id == waits && r.type == M_SOURCE_NO && r.temporary,
	    "one that waits ends at once: %s", r.why);
	leave(waits);
	leave(inside);
	take_in();
	ok(poll(&(struct pollfd){ fd, POLLIN, 0 }, 1, 0) == 0, "one that a "
	    "thread has does not, nor one that is over");
	leave(q);
	is_int(reply()->id, q, "the last in line, too");
	sticks(0, false);
	(void)reply();
	(void)reply();
	is_int(asked(0), 2, "those two were never asked about");
	is_int(asked(2), 1, "who left is not asked about further on");
	for (i = 0; i < nitems(rows); i++) {
		desk_conf(&conf);
		says(0, rows[i].said);
		sticks(0, true);
		q = ask(B, false);
		wait_inside(0, 1);
		leave(q);
		take_in();
		sticks(0, false);
		r = *reply();
		ok(r.id == q && r.type == rows[i].type && r.temporary ==
		    rows[i].temporary, "behind his back it says %u: %s",
		    rows[i].said, r.why);
	}
	desk_conf(&conf);
}

static void
test_leaving(void)
{
	struct reply r;

	says(0, SAID_YES);
	sticks(0, true);
	ask(A, false);
	ask(A, false);
	ask(A, false);
	wait_inside(0, 2);
	dial();				/* auth has died; another one comes */
	ask(A, false);
	sticks(0, false);
	r = *reply();
	ok(r.type == M_SOURCE_OK && r.id == last,
	    "answers for one that is gone go nowhere");
	sticks(0, true);
	ask(A, false);
	wait_inside(0, 1);
	sources[0].timeout_sec = 1;
	desk_conf(&conf);		/* a reload */
	says(0, SAID_NO);
	says(2, SAID_UNKNOWN);
	ask(A, false);
	wait_inside(0, 2);
	sticks(0, false);
	ok(reply()->type != 0 && reply()->type != 0,
	    "a question that began before a reload is answered, too");
	sticks(0, true);
	ask(A, false);
	wait_inside(0, 1);
	desk_stop();
	sticks(0, false);
	wait_ended();
	ok(true, "all threads end, of all configurations");
	desk_conf(&conf);
	dial();
}

static void
test_malformed(void)
{
	static const struct {
		const char *name, *password;
		size_t	 len;
		const char *what;
	} rows[] = {
		{ "", "pw", 2, "no name" }, { A, "", 0, "no password" },
		{ A, "p\0w", 3, "NUL in a password" },
	};
	size_t i;

	for (i = 0; i < nitems(rows); i++) {
		ipc_begin(M_SOURCE_ASK, ++last);
		ipc_put_str(rows[i].name);
		ipc_put_bytes(rows[i].password, rows[i].len);
		ipc_put_bool(false);
		ipc_put_bool(false);
		ipc_put_u64(0);
		if (ipc_send_sync(fd, -1) == -1)
			abort();
		is_int(reply()->type, 1, "%s ends the channel", rows[i].what);
		dial();
	}
	ipc_begin(M_SOURCE_OK, 1);
	if (ipc_send_sync(fd, -1) == -1)
		abort();
	is_int(reply()->type, 1, "so does our own message");
	dial();
	says(0, SAID_YES);
	ask(A, false);
	is_int(reply()->type, M_SOURCE_OK, "the next one works");
}

static void
test_check(void)
{
	static char bad[] = "bad";

	is_str(desk_check(&conf), NULL, "settings that every backend takes");
	sources[1].name = bad;
	is_str(desk_check(&conf), "source bad: it is bad", "one that does not");
	sources[1].name = ldap;
	sources[1].type = 77;
	ok(desk_check(&conf) != NULL, "a type that is none");
	sources[1].type = SOURCE_LDAP;
}

int
main(void)
{
	log_init("test", -1);
	log_set_sink(sink);
	ev_init();
	ev_clock_fake(1000000, 1700000000000ULL);
	set_up();
	test_check();
	test_order();
	test_tell();
	test_stuck();
	test_known();
	test_turns();
	test_half();
	test_orphan();
	test_line();
	test_cancel();
	test_leaving();
	test_malformed();
	desk_stop();
	wait_ended();
	close(fd);
	return tap_done();
}
