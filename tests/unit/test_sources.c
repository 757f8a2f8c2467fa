/*
 * auth/sources and the exchange around it: names without an account, judged by
 * a postern-source that the test plays. Who is let in as what, what is
 * remembered, what is not even asked.
 */
#include "lib/prelude.h"

#include "auth/pending.h"
#include "auth/sources.h"
#include "auth/tokens.h"
#include "auth/watch.h"
#include "tests/tap.h"
#include "tests/unit/auth_rig.h"

#define S(s) s, sizeof(s) - 1
#define CAROL "\0carol@example.org\0pa55word"

static char ldap[] = "ldap", pam[] = "pam", cap_a[] = "cap-a",
    cap_b[] = "cap-b", alias[] = "%n@alias.example", all[] = "@%d",
    whole[] = "%u";
static char *patterns[] = { alias, all, whole };
static struct conf_grant grants[] = {
	{ .source = ldap, .cap = cap_a, .more_senders = true },
	{ .source = pam, .cap = cap_b, .senders = { patterns, 3 } },
};
static int source_fd = -1;
static uint64_t id;
static struct sasl_verdict ending;
static int said_count;

/* --- the source ----------------------------------------------------------------------- */

static void
source_connect(void)
{
	int fd[2];

	if (source_fd != -1)
		close(source_fd);
	if (ipc_pair(fd) == -1)
		abort();
	sources_peer(fd[1]);
	source_fd = fd[0];
}

/* The question that has come, its name and password behind each other; or "". */
static const char *
question(uint64_t *qid)
{
	static char text[2048];
	struct pollfd p = { .fd = source_fd, .events = POLLIN };
	struct ipc_in in;
	const char *name;
	const uint8_t *password;
	size_t len;
	int turns;

	for (turns = 0; turns < 200 && poll(&p, 1, 0) == 0; turns++)
		ev_loop_once(5);
	if (poll(&p, 1, 0) == 0 || ipc_recv_sync(source_fd, 0, &in) != 1 ||
	    in.type != M_SOURCE_ASK)
		return "";
	*qid = in.id;
	name = ipc_get_str(&in, ACCOUNT_MAX);
	password = ipc_get_bytes(&in, SOURCE_PASSWORD_MAX, &len);
	snprintf(text, sizeof(text), "%s %.*s", name, (int)len,
	    (const char *)password);
	(void)ipc_get_bool(&in);
	(void)ipc_get_bool(&in);
	(void)ipc_get_u64(&in);
	if (!ipc_in_end(&in))
		abort();
	return text;
}

/* The client of the last login hangs up; true when the other side is told. */
static bool
hang_up(int other, uint16_t type, uint64_t q)
{
	struct pollfd p = { .fd = other, .events = POLLIN };
	struct ipc_in in;
	int turns;

	rig_cancel(id);
	for (turns = 0; turns < 200 && poll(&p, 1, 0) == 0; turns++)
		ev_loop_once(5);
	return poll(&p, 1, 0) == 1 && ipc_recv_sync(other, 0, &in) == 1 &&
	    in.type == type && in.id == q && ipc_in_end(&in);
}

/* Behind an answer to the client, which would have waited for it. */
static bool
nobody_asked(void)
{
	struct pollfd p = { .fd = source_fd, .events = POLLIN };

	ev_loop_once(5);
	return poll(&p, 1, 0) == 0;
}

static void
answer_yes(uint64_t qid, const char *source, const char *const *senders)
{
	uint32_t n = 0;

	while (senders != NULL && senders[n] != NULL)
		n++;
	ipc_begin(M_SOURCE_OK, qid);
	ipc_put_str(source);
	ipc_put_u32(n);
	for (n = 0; senders != NULL && senders[n] != NULL; n++)
		ipc_put_str(senders[n]);
	if (ipc_send_sync(source_fd, -1) == -1)
		abort();
}

static void
answer_no(uint64_t qid, bool temporary)
{
	ipc_begin(M_SOURCE_NO, qid);
	ipc_put_bool(temporary);
	ipc_put_str("ldap: in its words");
	if (ipc_send_sync(source_fd, -1) == -1)
		abort();
}

/* --- tests ------------------------------------------------------------------------------ */

static void
test_yes(void)
{
	static const char *const more[] = { "Sales@Example.org", "@evil.example",
	    "no address", NULL };
	struct rig_reply *r;
	uint64_t q = 0;

	rig_start_login(++id, "PLAIN", S(CAROL), 256);
	is_str(question(&q), "carol@example.org pa55word", "is asked about");
	answer_yes(q, "ldap", more);
	r = rig_answer();
	ok(r->type == M_AUTH_OK && strcmp(r->ticket.account,
	    "carol@example.org") == 0 && strcmp(r->ticket.cap, "cap-a") == 0,
	    "gets in, with the cap of that source");
	ok(r->nsenders == 1 && strcmp(r->ticket.sender, "sales@example.org") ==
	    0, "an address more, but no domain");
	r = rig_begin(++id, "PLAIN", S(CAROL));
	ok(r->type == M_AUTH_OK && r->nsenders == 1,
	    "again: nobody is asked");
	r = rig_begin(++id, "LOGIN", NULL, 0);
	(void)rig_step(id, S("Carol@Example.org"));
	r = rig_step(id, S("pa55word"));
	ok(r->type == M_AUTH_OK, "by LOGIN neither");
	rig_start_login(++id, "PLAIN", S(CAROL "x"), 256);
	ok(*question(&q) != '\0', "about another password somebody is");
	answer_no(q, false);
	r = rig_answer();
	ok(r->type == M_AUTH_NO && r->no == AUTH_NO_CREDENTIALS, "no");
	ev_clock_step(61 * 1000);
	rig_start_login(++id, "PLAIN", S(CAROL), 256);
	ok(*question(&q) != '\0', "after a minute somebody is, too");
	answer_yes(q, "pam", more);
	r = rig_answer();
	ok(r->type == M_AUTH_OK && strcmp(r->ticket.cap, "cap-b") == 0 &&
	    r->nsenders == 3, "another source: its cap, its patterns");
	sources_forget("carol@example.org");
	rig_start_login(++id, "PLAIN", S(CAROL), 256);
	ok(*question(&q) != '\0', "what is to be forgotten is");
	answer_yes(q, "ldap", NULL);
	is_int(rig_answer()->nsenders, 0, "no senders but the name");
	sources_conf(&rig_conf);
	rig_start_login(++id, "PLAIN", S(CAROL), 256);
	ok(*question(&q) != '\0', "and so is all at a reload");
	answer_yes(q, "gone", NULL);
	r = rig_answer();
	ok(r->type == M_AUTH_NO && r->no == AUTH_NO_TEMPORARY,
	    "a source that the settings do not know: not now");
}

/* "@%d" and the like give nothing where there is no domain. */
static void
test_bare(void)
{
	struct rig_reply *r;
	uint64_t q = 0;

	rig_start_login(++id, "PLAIN", S("\0carol\0pa55word"), 256);
	is_str(question(&q), "carol pa55word", "a name that is no address");
	answer_yes(q, "pam", NULL);
	r = rig_answer();
	ok(r->type == M_AUTH_OK && r->nsenders == 1 && strcmp(r->ticket.sender,
	    "carol@alias.example") == 0, "sends by the pattern that fits");
}

static void
test_login(void)
{
	struct rig_reply *r;
	uint64_t q = 0;

	(void)rig_begin(++id, "LOGIN", NULL, 0);
	(void)rig_step(id, S("dora"));
	ipc_begin(M_AUTH_STEP, id);
	ipc_put_bytes("pa55word", 8);
	rig_send();
	is_str(question(&q), "dora pa55word", "LOGIN in three messages");
	answer_yes(q, "ldap", NULL);
	r = rig_answer();
	ok(r->type == M_AUTH_OK && r->id == id, "in");
	(void)rig_begin(++id, "LOGIN", S("dora"));
	ipc_begin(M_AUTH_STEP, id);
	ipc_put_bytes("pa55word2", 9);
	rig_send();
	is_str(question(&q), "dora pa55word2", "LOGIN in two");
	answer_no(q, true);
	r = rig_answer();
	ok(r->type == M_AUTH_NO && r->no == AUTH_NO_TEMPORARY, "not now");
	(void)rig_begin(++id, "PLAIN", NULL, 0);
	ipc_begin(M_AUTH_STEP, id);
	ipc_put_bytes(S("\0dora\0pa55word3"));
	rig_send();
	is_str(question(&q), "dora pa55word3", "PLAIN in two");
	answer_no(q, false);
	ok(rig_answer()->no == AUTH_NO_CREDENTIALS, "wrong");
}

static void
test_authzid(void)
{
	struct rig_reply *r;
	uint64_t q = 0;

	rig_start_login(++id, "PLAIN", S("bob\0erin\0pa55word"), 256);
	(void)question(&q);
	answer_yes(q, "ldap", NULL);
	r = rig_answer();
	ok(r->type == M_AUTH_NO && r->no == AUTH_NO_CREDENTIALS,
	    "erin is not bob");
	rig_start_login(++id, "PLAIN", S("erin\0erin\0pa55word"), 256);
	ok(rig_answer()->type == M_AUTH_OK, "but she is erin");
}

/* What a local account or no account could be is not for sources to say. */
static void
test_not_asked(void)
{
	static const struct {
		const char *message;
		size_t	 len;
		const char *what;
		bool	 in;
	} rows[] = {
		{ S("\0bob\0correct horse"), "a local account", true },
		{ S("\0BOB\0correct horse"), "in capitals", true },
		{ S("\0a b\0pa55word"), "no name", false },
		{ S("\0*\0pa55word"), "a star", false },
		{ S("\0a@b@c\0pa55word"), "two at signs", false },
		{ S("\0carol@example.org.\0pa55word"), "a dot behind", false },
		{ S("\0\"carol\"@example.org\0pa55word"), "needless quotes",
		    false },
		{ S("\0carol/phone\0pa55word"), "a device of nobody's", false },
		{ S("\0-x\0pa55word"), "an option", false },
		{ S("\0carol@example.org\0"), "an empty password", false },
	};
	static char big[1 + 5 + 1 + 1025];
	size_t i;

	for (i = 0; i < nitems(rows); i++) {
		struct rig_reply *r = rig_begin(++id, "PLAIN", rows[i].message,
		    rows[i].len);

		ok(r->type == (rows[i].in ? M_AUTH_OK : M_AUTH_NO) &&
		    nobody_asked(), "not asked: %s", rows[i].what);
	}
	memset(big, 'x', sizeof(big));
	big[0] = big[6] = '\0';
	ok(rig_begin(++id, "PLAIN", big, sizeof(big))->type == M_AUTH_NO &&
	    nobody_asked(), "1,025 bytes of password");
	(void)rig_begin(++id, "SCRAM-SHA-256", S("n,,n=carol,r=abcdefgh"));
	ok(rig_step(id, S("c=biws,r=abcdefgh,p=AAAA"))->type == M_AUTH_NO &&
	    nobody_asked(), "SCRAM");
}

static void
test_locked(void)
{
	struct auth_conf conf = { .lock_after = 3, .lock_sec = 900 };
	static const char *const wrong[] = { "\0fred\0wrong 1",
	    "\0fred\0wrong 2", "\0fred\0wrong 3" };
	struct rig_reply *r;
	uint64_t q = 0;
	size_t i;

	ev_clock_step(24 * 60 * 60 * 1000);	/* other names have failed */
	watch_conf(&conf);
	for (i = 0; i < nitems(wrong); i++) {
		rig_start_login(++id, "PLAIN", wrong[i], 13, 256);
		(void)question(&q);
		answer_no(q, false);
		(void)rig_answer();
	}
	rig_start_login(++id, "PLAIN", S("\0fred\0right"), 256);
	r = rig_answer();
	ok(r->type == M_AUTH_NO && r->no == AUTH_NO_LOCKED, "it is locked");
	ok(nobody_asked(), "and was not asked about");
	conf.lock_after = 0;
	watch_conf(&conf);
	watch_unlock("fred");
}

/* The time of a failure does not tell how long somebody was asked. */
static void
test_time(void)
{
	struct pollfd p = { .events = POLLIN };
	uint64_t q = 0;
	int i;

	p.fd = rig_fd;
	ev_clock_step(24 * 60 * 60 * 1000);	/* what adds up is delayed more */
	rig_start_login(++id, "PLAIN", S("\0gina\0wrong"), 256);
	(void)question(&q);
	ev_clock_step(400);
	answer_no(q, false);
	for (i = 0; i < 40; i++)
		ev_loop_once(5);
	ev_clock_step(99);
	ok(poll(&p, 1, 0) == 0, "after 499 ms nothing is said");
	ev_clock_step(251);
	ok(poll(&p, 1, 0) == 1, "after 750 at the latest");
	(void)rig_answer();
	ev_clock_step(24 * 60 * 60 * 1000);
	rig_start_login(++id, "PLAIN", S("\0gina\0wrong"), 256);
	(void)question(&q);
	ev_clock_step(1100);
	answer_no(q, false);
	for (i = 0; i < 40; i++)
		ev_loop_once(5);
	ev_clock_step(399);
	ok(poll(&p, 1, 0) == 0, "a slow answer: at the next half second");
	ev_clock_step(251);
	ok(poll(&p, 1, 0) == 1, "or a little later");
	(void)rig_answer();
	rig_start_login(++id, "PLAIN", S("\0bob\0wrong"), 256);
	(void)question(&q);
	ev_clock_step(1100);
	answer_no(q, false);
	for (i = 0; i < 40; i++)
		ev_loop_once(5);
	ev_clock_step(399);
	ok(poll(&p, 1, 0) == 0, "who has an account here is told no sooner");
	ev_clock_step(251);
	ok(poll(&p, 1, 0) == 1, "nor later");
	(void)rig_answer();
}

/* The name that is asked about: 16 digits and the domain; and the same digits. */
static bool
about_nobody(const char *asked, const char *domain)
{
	return strspn(asked, "0123456789abcdef") == 16 && strncmp(asked + 16,
	    domain, strlen(domain)) == 0 && asked[16 + strlen(domain)] == ' ' &&
	    strncmp(asked, asked + 17 + strlen(domain), 16) == 0 &&
	    strlen(asked) == 33 + strlen(domain);
}

/*
 * A wrong password, of a name with an account here and of one without, hears
 * the same, whatever the source says, or says not; and the source hears nothing
 * of the former.
 */
static void
test_told_apart(void)
{
	static const struct {
		const char *what;
		int	 says;	/* 0: no, 1: not now, 2: nothing, 3: it ends */
		enum auth_no no;
	} rows[] = {
		{ "a source that knows better", 0, AUTH_NO_CREDENTIALS },
		{ "one that is out of order", 1, AUTH_NO_TEMPORARY },
		{ "one that is silent", 2, AUTH_NO_TEMPORARY },
		{ "one that dies", 3, AUTH_NO_TEMPORARY },
	};
	static const struct {
		const char *in;
		size_t	 n;
	} names[] = { { S("\0nina@example.org\0pa55word") },
	    { S("\0lena@example.org\0pa55word") } };
	char asked[2048];
	struct rig_reply r;
	uint64_t q = 0;
	size_t i, k;

	rig_add("lena@example.org", NULL);
	for (i = 0; i < nitems(rows); i++)
		for (k = 0; k < nitems(names); k++) {
			rig_start_login(++id, "PLAIN", names[k].in, names[k].n,
			    256);
			snprintf(asked, sizeof(asked), "%s", question(&q));
			ok(k == 0 ? strcmp(asked, "nina@example.org pa55word")
			    == 0 : about_nobody(asked, "@example.org"),
			    "asked about %s", k == 0 ? "her" : "nobody");
			if (rows[i].says < 2)
				answer_no(q, rows[i].says == 1);
			if (rows[i].says == 3)
				source_connect();
			r = *rig_answer();
			ok(r.type == M_AUTH_NO && r.no == (int)rows[i].no &&
			    r.id == id, "%s: %s hears %d", rows[i].what,
			    k == 0 ? "a name" : "an account", r.no);
		}
	ok(rig_begin(++id, "PLAIN", S("\0lena@example.org\0correct horse"))
	    ->type == M_AUTH_OK && nobody_asked(), "the right one gets in, "
	    "and asks nobody");
	rig_start_login(++id, "LOGIN", S("lena@example.org"), 256);
	(void)rig_answer();
	ipc_begin(M_AUTH_STEP, id);
	ipc_put_bytes("pa55word", 8);
	rig_send();
	ok(about_nobody(question(&q), "@example.org"), "by LOGIN, too");
	answer_no(q, true);
	ok(rig_answer()->no == AUTH_NO_TEMPORARY, "not now");
	rig_start_login(++id, "PLAIN", S("\0lena@example.org\0pa55word"), 256);
	(void)question(&q);
	answer_yes(q, "ldap", NULL);
	ok(rig_answer()->no == AUTH_NO_CREDENTIALS, "a source that knows "
	    "nobody lets nobody in");
}

/* While nobody can tell, guesses count all the same, and for all names. */
static void
test_guesses_meanwhile(void)
{
	struct auth_conf conf = { .lock_after = 3, .lock_sec = 900 };
	static const char *const names[] = { "nina@example.org",
	    "lena@example.org" };
	char in[64];
	uint64_t q = 0;
	size_t k;
	int i, n;

	ev_clock_step(24 * 60 * 60 * 1000);	/* both have failed */
	watch_conf(&conf);
	rig_peer = "198.51.100.77";
	for (k = 0; k < nitems(names); k++) {
		for (i = 0; i < 5; i++) {
			/* The first is tried three times. */
			n = snprintf(in, sizeof(in), "%c%s%cpa55word %d", 0,
			    names[k], 0, i < 3 ? 0 : i);
			rig_start_login(++id, "PLAIN", in, (size_t)n, 256);
			(void)question(&q);
			answer_no(q, true);
			ok(rig_answer()->no == AUTH_NO_TEMPORARY,
			    "%s, try %d", names[k], i);
		}
		n = snprintf(in, sizeof(in), "%c%s%ccorrect horse", 0,
		    names[k], 0);
		ok(rig_begin(++id, "PLAIN", in, (size_t)n)->no ==
		    AUTH_NO_LOCKED, "three different ones lock it");
		watch_unlock(names[k]);
	}
	ok(watch_peer_wait(rig_peer) == 0, "and no network");
	for (i = 0; i < 2; i++) {
		n = snprintf(in, sizeof(in), "%cnora%cher own %d", 0, 0, i);
		rig_start_login(++id, "PLAIN", in, (size_t)n, 256);
		(void)question(&q);
		answer_no(q, true);
		(void)rig_answer();
	}
	ok(watch_peer_wait(rig_peer) > 0, "three names with two each do");
	rig_peer = "192.0.2.7";
	conf.lock_after = 0;
	watch_conf(&conf);
}

static char told[512];

static void
keep_line(enum log_level level, const char *proc, const char *line)
{
	if (strstr(line, "login=failed") != NULL)
		snprintf(told, sizeof(told), "%s", line);
}

/* Until what comes of an answer that nobody hears has come of it. */
static void
come_of_it(void)
{
	ev_loop_once(50);
	rig_drain();
	rig_drain();
}

/* Who guesses and hangs up before the "no" has guessed. */
static void
test_left(void)
{
	static const struct {
		const char *name, *what;
		enum { NO, NOT_NOW, SILENCE, YES } says;
		bool	 locks, network;
	} rows[] = {
		{ "olga@example.org", "no", NO, true, false },
		{ "lena@example.org", "no, to an account", NO, true, false },
		{ "otto@example.org", "not now", NOT_NOW, true, false },
		{ "odin@example.org", "nothing", SILENCE, true, false },
		{ "olaf@example.org", "yes", YES, false, false },
	};
	struct auth_conf conf = { .lock_after = 3, .lock_sec = 900 };
	char in[64], peer[32];
	uint64_t q = 0;
	size_t k;
	int i, n;

	ev_clock_step(24 * 60 * 60 * 1000);
	watch_conf(&conf);
	watch_unlock("lena@example.org");
	log_set_sink(keep_line);
	rig_peer = peer;
	for (k = 0; k < nitems(rows); k++) {
		snprintf(peer, sizeof(peer), "198.51.%zu.77", k);
		for (i = 0; i < 3; i++) {
			n = snprintf(in, sizeof(in), "%c%s%cpa55word %d", 0,
			    rows[k].name, 0, i);
			rig_start_login(++id, "PLAIN", in, (size_t)n, 256);
			(void)question(&q);
			ok(hang_up(source_fd, M_SOURCE_CANCEL, q),
			    "%s: the source is told", rows[k].name);
			if (rows[k].says == YES)
				answer_yes(q, "ldap", NULL);
			else if (rows[k].says == SILENCE)
				ev_clock_step(12 * 1000);
			else
				answer_no(q, rows[k].says == NOT_NOW);
			come_of_it();
		}
		ok((watch_account_wait(rows[k].name, peer) > 0) ==
		    rows[k].locks, "%s, behind its back: %s", rows[k].what,
		    rows[k].locks ? "locked" : "it was no guess");
		ok((strstr(told, rows[k].name) != NULL && strstr(told,
		    "the client had left") != NULL) == rows[k].locks,
		    "told: %s", told);
		ok(watch_peer_wait(peer) == 0, "one name locks no network");
	}
	snprintf(peer, sizeof(peer), "198.51.100.77");
	for (i = 0; i < 3; i++) {
		n = snprintf(in, sizeof(in), "%cno%d@example.org%cpa55word", 0,
		    i, 0);
		rig_start_login(++id, "PLAIN", in, (size_t)n, 256);
		(void)question(&q);
		(void)hang_up(source_fd, M_SOURCE_CANCEL, q);
		answer_no(q, false);
		come_of_it();
	}
	ok(watch_peer_wait(peer) > 0, "three names do");
	rig_peer = "192.0.2.7";
	log_set_sink(rig_quiet);
	conf.lock_after = 0;
	watch_conf(&conf);
	watch_unlock("lena@example.org");
}

/* Who may be asked about, however much is asked. */
static void
test_pending(void)
{
	static struct pending_one ones[PENDING_MAX];
	struct pending p = { LIST_HEAD_INITIALIZER(p.all) };
	size_t n = 0;

	while (n < 2 * PENDING_MAX && pending_room(&p, 7, false)) {
		pending_add(&p, &ones[n], n + 1, 7, false);
		n++;
	}
	is_int(n, PENDING_NETWORK, "of one network so many");
	ok(!pending_room(&p, 7, true), "known clients there, too");
	ok(pending_room(&p, 8, false) && pending_room(&p, 0, false),
	    "others have their own");
	while (n < PENDING_MAX && pending_room(&p, n, false)) {
		pending_add(&p, &ones[n], n + 1, n, false);
		n++;
	}
	is_int(n, PENDING_STRANGERS, "of strangers so many");
	while (n < PENDING_MAX && pending_room(&p, n, true)) {
		pending_add(&p, &ones[n], n + 1, n, true);
		n++;
	}
	is_int(n, PENDING_MAX, "the rest is for who is known");
	ok(!pending_room(&p, 0, true), "and then it is full");
	pending_remove(pending_find(&p, 1));
	ok(pending_find(&p, 1) == NULL && !pending_room(&p, 5000, false) ==
	    false && pending_room(&p, 5000, true), "one that ends makes room");
}

static void
test_trouble(void)
{
	struct rig_reply *r;
	uint64_t q = 0, before;

	rig_start_login(++id, "PLAIN", S("\0hank\0pa55word"), 256);
	(void)question(&q);
	r = rig_answer();		/* steps the clock */
	ok(r->type == M_AUTH_NO && r->no == AUTH_NO_TEMPORARY,
	    "no answer at all");
	answer_yes(q, "ldap", NULL);
	ev_loop_once(50);
	ok(rig_begin(++id, "PLAIN", S("\0hank\0pa55word"))->type ==
	    M_AUTH_OK, "one that came late is remembered");
	rig_start_login(++id, "PLAIN", S("\0hank2\0pa55word"), 256);
	before = id;
	(void)question(&q);
	source_connect();
	r = rig_answer();
	ok(r->type == M_AUTH_NO && r->id == before && r->no ==
	    AUTH_NO_TEMPORARY, "postern-source dies meanwhile");
	rig_start_login(++id, "PLAIN", S("\0hank2\0pa55word"), 256);
	(void)question(&q);
	(void)hang_up(source_fd, M_SOURCE_CANCEL, q);
	answer_yes(q, "ldap", NULL);
	ev_loop_once(50);
	ok(rig_begin(++id, "PLAIN", S("\0bob\0correct horse"))->type ==
	    M_AUTH_OK, "a client that leaves: no harm");
	answer_no(q + 1000, false);
	ev_loop_once(50);
	r = rig_begin(++id, "PLAIN", S("\0ina\0pa55word"));
	ok(r->no == AUTH_NO_TEMPORARY,
	    "an answer to nothing ends its channel; nobody can be asked");
	source_connect();
}

static void
said(void *arg, const char *source, enum source_said what, const char *why,
    uint32_t ms)
{
	said_count += what == SAID_WRONG && strcmp(source, "ldap") == 0 &&
	    ms == 7;
}

static void
ended(void *arg, struct sasl_verdict *v)
{
	ending = *v;
	memset(&v->account, 0, sizeof(v->account));
}

static void
test_test(void)
{
	static const struct sources_tester tester = { said, ended };
	uint64_t q = 0;

	sources_test("carol", "pa55word", 8, &tester, NULL);
	is_str(question(&q), "carol pa55word", "account test asks");
	ipc_begin(M_SOURCE_SAID, q);
	ipc_put_str("ldap");
	ipc_put_u8(SAID_WRONG);
	ipc_put_str("in its words");
	ipc_put_u32(7);
	if (ipc_send_sync(source_fd, -1) == -1)
		abort();
	answer_yes(q, "pam", NULL);
	ev_loop_once(50);
	ok(said_count == 1 && ending.good && strcmp(ending.account.cap,
	    "cap-b") == 0, "and hears all");
	account_clear(&ending.account);
	rig_start_login(++id, "PLAIN", S("\0carol\0pa55word"), 256);
	sources_test("carol", "pa55word", 8, &tester, NULL);
	source_connect();
	ok(!ending.good && ending.temporary, "it ends with postern-source");
}

static const char token[] = "n,a=bob,\001auth=Bearer abc\001\001";

/* A postern-fetch that the test plays; the other end of its channel. */
static int
fetch_connect(void)
{
	static bool offered;
	int fd[2];

	if (ipc_pair(fd) == -1)
		abort();
	if (!offered)
		rig_offer("OAUTHBEARER");
	offered = true;
	rig_conf.token_sec = 86400;	/* it is not the first to end */
	tokens_conf(&rig_conf);
	tokens_peer(fd[1]);
	return fd[0];
}

/* Until the question about the token has come. */
static void
start_token(int fetch)
{
	struct pollfd p = { .fd = fetch, .events = POLLIN };

	rig_start_login(++id, "OAUTHBEARER", token, sizeof(token) - 1, 256);
	while (poll(&p, 1, 0) == 0)
		ev_loop_once(5);
}

/* Only a token that the provider has not made may be a guess. */
static void
test_unfit(void)
{
	static const struct {
		enum token_no no;
		bool locks;
	} rows[] = {
		{ TOKEN_NO_UNFIT, false }, { TOKEN_NO_EXPIRED, false },
		{ TOKEN_NO_UNAVAILABLE, false }, { TOKEN_NO_INVALID, true },
	};
	struct auth_conf conf = { .lock_after = 1, .lock_sec = 900 };
	int fetch = fetch_connect();
	struct rig_reply *r;
	struct ipc_in in;
	size_t i;

	watch_unlock("bob");
	watch_conf(&conf);
	for (i = 0; i < nitems(rows); i++) {
		start_token(fetch);
		if (ipc_recv_sync(fetch, 0, &in) != 1)
			abort();
		ipc_begin(M_TOKEN_NO, in.id);
		ipc_put_u8((uint8_t)rows[i].no);
		ipc_put_str("");
		if (ipc_send_sync(fetch, -1) == -1)
			abort();
		if (rig_answer()->type == M_AUTH_CHALLENGE)
			(void)rig_step(id, "\001", 1);
		ok((watch_token_wait("", rig_peer) > 0) == rows[i].locks,
		    "reason %u %s", rows[i].no, rows[i].locks ? "locks" :
		    "is no guess");
		r = rig_begin(++id, "PLAIN", "\0bob\0correct horse", 18);
		ok(r->type == M_AUTH_OK, "a password is judged by itself");
	}
	conf.lock_after = 0;
	watch_conf(&conf);
	watch_unlock("bob");
	tokens_stop();
	close(fetch);
}

/* Tokens that are made up, by clients that do not wait for the answer. */
static void
test_tokens_left(void)
{
	struct auth_conf conf = { .lock_after = 3, .lock_sec = 900 };
	int fetch = fetch_connect(), i;
	struct pollfd p = { .fd = fetch, .events = POLLIN };
	struct ipc_in in;
	char text[64];
	uint64_t q;

	watch_conf(&conf);
	rig_peer = "198.51.111.1";
	for (i = 0; i < 3; i++) {
		snprintf(text, sizeof(text), "n,,\001auth=Bearer t%d\001\001",
		    i);
		rig_start_login(++id, "OAUTHBEARER", text, strlen(text), 256);
		while (poll(&p, 1, 0) == 0)
			ev_loop_once(5);
		if (ipc_recv_sync(fetch, 0, &in) != 1)
			abort();
		q = in.id;
		ok(hang_up(fetch, M_TOKEN_CANCEL, q), "postern-fetch is told");
		ipc_begin(M_TOKEN_NO, q);
		ipc_put_u8(TOKEN_NO_INVALID);
		ipc_put_str("");
		if (ipc_send_sync(fetch, -1) == -1)
			abort();
		come_of_it();
	}
	ok(watch_token_wait("", rig_peer) > 0, "three lock their network");
	rig_peer = "198.51.112.1";
	rig_start_login(++id, "OAUTHBEARER", S(token), 256);
	while (poll(&p, 1, 0) == 0)
		ev_loop_once(5);
	tokens_stop();
	ok(rig_answer()->no == AUTH_NO_TEMPORARY, "who waits when it ends is "
	    "told so");
	rig_peer = "192.0.2.7";
	conf.lock_after = 0;
	watch_conf(&conf);
	close(fetch);
}

/* Whoever has captured postern-fetch answers no question about a password. */
static void
test_other_process(void)
{
	int fetch = fetch_connect();
	struct rig_reply *r;
	uint64_t q = 0;

	rig_connect(0);		/* nothing of before is under way */
	rig_drain();
	source_connect();
	start_token(fetch);	/* it has something to answer */
	rig_start_login(++id, "PLAIN", S("\0erin\0pa55word"), 256);
	is_str(question(&q), "erin pa55word", "a password is asked about");
	ipc_begin(M_TOKEN_OK, q);
	ipc_put_str("erin");
	if (ipc_send_sync(fetch, -1) == -1)
		abort();
	r = rig_answer();
	ok(r->type == M_AUTH_NO && r->id == id - 1 && r->no ==
	    AUTH_NO_TEMPORARY, "an answer to what it was not asked ends it");
	answer_no(q, false);
	r = rig_answer();
	ok(r->type == M_AUTH_NO && r->id == id && r->no ==
	    AUTH_NO_CREDENTIALS, "postern-fetch's answer to it counts for "
	    "nothing (type %u)", r->type);
	tokens_stop();
	close(fetch);
}

int
main(void)
{
	rig_conf.grants = (struct conf_list){ grants, nitems(grants) };
	rig_conf.source_sec = 12;
	rig_start(2);
	rig_add("bob", NULL);
	sources_conf(&rig_conf);
	source_connect();
	test_yes();
	test_bare();
	test_login();
	test_authzid();
	test_not_asked();
	test_locked();
	test_time();
	test_told_apart();
	test_guesses_meanwhile();
	test_left();
	test_pending();
	test_trouble();
	test_test();
	test_other_process();
	test_unfit();
	test_tokens_left();
	peers_stop();
	sources_stop();
	rig_stop();
	close(source_fd);
	return tap_done();
}
