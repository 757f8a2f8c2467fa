/*
 * auth/oauth and the exchange around it: what clients say that log in with a
 * token, what they are told, what is counted. The test plays postern-fetch.
 */
#include "lib/prelude.h"

#include "auth/oauth.h"
#include "auth/watch.h"
#include "tests/tap.h"
#include "tests/unit/auth_rig.h"

#define S(s) s, sizeof(s) - 1
#define GOOD "n,a=bob,\1host=mail.example.org\1port=587\1auth=Bearer to.k-en_~+/9==\1\1"

static const struct {
	enum oauth_form form;
	const char *in;
	size_t	 len;
	const char *name;	/* NULL: refused */
	const char *token;
} cases[] = {
	/* RFC 7628 4.1, 4.3; Google's example. */
	{ OAUTH_BEARER, S("n,a=user@example.com,\1host=server.example.com\1"
	    "port=143\1auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="
	    "\1\1"), "user@example.com",
	    "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==" },
	{ OAUTH_BEARER, S("n,a=user@example.com,\1host=server.example.com\1"
	    "port=143\1auth=\1\1"), "user@example.com", "" },
	{ OAUTH_XOAUTH2, S("user=someuser@example.com\1auth=Bearer "
	    "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg\1\1"),
	    "someuser@example.com",
	    "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg" },
	{ OAUTH_BEARER, S("n,,\1auth=Bearer x\1\1"), "", "x" },
	{ OAUTH_BEARER, S("y,,\1auth=Bearer x\1\1"), "", "x" },
	{ OAUTH_BEARER, S("n,,\1auth=bearer   x\1\1"), "", "x" },
	{ OAUTH_BEARER, S("n,a=a=2Cb=3Dc,\1auth=Bearer x\1\1"), "a,b=c", "x" },
	{ OAUTH_BEARER, S("n,,\1auth=Bearer x\1mthd=POST\1path=/\1\1"), "",
	    "x" },
	{ OAUTH_BEARER, S("p=tls-exporter,,\1auth=Bearer x\1\1"), NULL, "" },
	{ OAUTH_BEARER, S("F,n,,\1auth=Bearer x\1\1"), NULL, "" },
	{ OAUTH_BEARER, S("n,b=bob,\1auth=Bearer x\1\1"), NULL, "" },
	{ OAUTH_BEARER, S("n,a=,\1auth=Bearer x\1\1"), NULL, "" },
	{ OAUTH_BEARER, S("n,a=a=2,\1auth=Bearer x\1\1"), NULL, "" },
	{ OAUTH_BEARER, S("n,a=a=20,\1auth=Bearer x\1\1"), NULL, "" },
	{ OAUTH_BEARER, S("n,a=b\0b,\1auth=Bearer x\1\1"), NULL, "" },
	{ OAUTH_BEARER, S("n,,\1auth=Bearer x\1"), NULL, "" },
	{ OAUTH_BEARER, S("n,,\1auth=Bearer x"), NULL, "" },
	{ OAUTH_BEARER, S("n,,\1auth=Bearer x\1\1\1"), NULL, "" },
	{ OAUTH_BEARER, S("n,,\1auth=Bearer x\1\1x"), NULL, "" },
	{ OAUTH_BEARER, S("n,,\1auth=Bearer x\1auth=Bearer y\1\1"), NULL, "" },
	{ OAUTH_BEARER, S("n,,\1auth=\1auth=Bearer y\1\1"), NULL, "" },
	{ OAUTH_BEARER, S("n,,\1Auth=Bearer x\1\1"), NULL, "" },
	{ OAUTH_BEARER, S("n,,\1host=a\1\1"), NULL, "" },
	{ OAUTH_BEARER, S("n,,\1=x\1auth=Bearer x\1\1"), NULL, "" },
	{ OAUTH_BEARER, S("n,,\1a1=x\1auth=Bearer x\1\1"), NULL, "" },
	{ OAUTH_BEARER, S("n,,\1auth=Basic x\1\1"), NULL, "" },
	{ OAUTH_BEARER, S("n,,\1auth=Bearer\1\1"), NULL, "" },
	{ OAUTH_BEARER, S("n,,\1auth=Bearer \1\1"), NULL, "" },
	{ OAUTH_BEARER, S("n,,\1auth=Bearer ==\1\1"), NULL, "" },
	{ OAUTH_BEARER, S("n,,\1auth=Bearer a=b\1\1"), NULL, "" },
	{ OAUTH_BEARER, S("n,,\1auth=Bearer a b\1\1"), NULL, "" },
	{ OAUTH_BEARER, S("n,,\1auth=Bearer a\0b\1\1"), NULL, "" },
	{ OAUTH_BEARER, S("n,,\1auth=Bearer a\xc3\xa4\1\1"), NULL, "" },
	{ OAUTH_BEARER, S("n,"), NULL, "" },
	{ OAUTH_BEARER, S("n,,"), NULL, "" },
	{ OAUTH_BEARER, S("n,,\1"), NULL, "" },
	{ OAUTH_BEARER, S("n,,\1\1"), NULL, "" },
	{ OAUTH_BEARER, S(""), NULL, "" },
	{ OAUTH_BEARER, S("user=bob\1auth=Bearer x\1\1"), NULL, "" },
	{ OAUTH_XOAUTH2, S("user=\1auth=Bearer x\1\1"), NULL, "" },
	{ OAUTH_XOAUTH2, S("user=b\0b\1auth=Bearer x\1\1"), NULL, "" },
	{ OAUTH_XOAUTH2, S("auth=Bearer x\1user=bob\1\1"), NULL, "" },
	{ OAUTH_XOAUTH2, S("user=bob\1\1"), NULL, "" },
	{ OAUTH_XOAUTH2, S("user=bob\1auth=Bearer x\1"), NULL, "" },
	{ OAUTH_XOAUTH2, S("user=bob"), NULL, "" },
	{ OAUTH_XOAUTH2, S(""), NULL, "" },
};

static void
test_messages(void)
{
	struct oauth_message m;
	size_t i;

	for (i = 0; i < nitems(cases); i++) {
		char *in = xmemdup(cases[i].in, cases[i].len + 1);
		int r = oauth_parse(cases[i].form, in, cases[i].len, &m);

		ok(r == (cases[i].name == NULL ? -1 : 0) && (r == -1 ||
		    (strcmp(m.name, cases[i].name) == 0 &&
		    m.token_len == strlen(cases[i].token) &&
		    memcmp(m.token, cases[i].token, m.token_len) == 0)),
		    "%s", log_esc(cases[i].in, cases[i].len));
		free(in);
	}
}

static void
test_refusals(void)
{
	char text[OAUTH_REFUSAL_MAX];

	oauth_refusal(OAUTH_BEARER, "https://id.example.org", "mail", text);
	is_str(text, "{\"status\":\"invalid_token\",\"scope\":\"mail\","
	    "\"openid-configuration\":\"https://id.example.org/.well-known/"
	    "openid-configuration\"}", "RFC 7628's");
	oauth_refusal(OAUTH_BEARER, "https://id.example.org/", "", text);
	is_str(text, "{\"status\":\"invalid_token\","
	    "\"openid-configuration\":\"https://id.example.org/.well-known/"
	    "openid-configuration\"}", "an issuer that ends with a slash");
	oauth_refusal(OAUTH_BEARER, "", "", text);
	is_str(text, "{\"status\":\"invalid_token\"}", "as little as may be");
	oauth_refusal(OAUTH_XOAUTH2, "https://id.example.org", "mail", text);
	is_str(text, "{\"status\":\"401\",\"schemes\":\"bearer\","
	    "\"scope\":\"mail\"}", "XOAUTH2's");
}

/* --- the exchange -------------------------------------------------------------------- */

static uint64_t id = 1, question;
static char asked[TOKEN_MAX + 1];
static struct sasl_verdict verdict;
static uint64_t patience = 7000;
static bool silent;

/* Answers at once, which a real one can't; or keeps the question. */
static uint64_t
ask(uint64_t q, const struct sasl_result *r)
{
	question = q;
	snprintf(asked, sizeof(asked), "%s", buf_str(&r->question));
	if (patience > 0 && !silent)
		exchange_answered(SASL_ASK_TOKEN, q, &verdict);
	return patience;
}

static void
cancel(uint64_t q)
{
}

static void
says(bool good, bool temporary, bool harmless, const char *name)
{
	verdict = (struct sasl_verdict){ .good = good, .temporary = temporary,
	    .harmless = harmless };
	snprintf(verdict.name, sizeof(verdict.name), "%s", name);
}

static struct rig_reply
begin(const char *mechanism, const char *in, size_t len)
{
	return *rig_begin(++id, mechanism, in, len);
}

static void
expect_ok(const char *mechanism, const char *in, size_t len, const char *what)
{
	struct rig_reply r = begin(mechanism, in, len);

	ok(r.type == M_AUTH_OK && strcmp(r.ticket.account, "bob") == 0,
	    "%s: in", what);
}

/* A refusal comes in a challenge; whatever the client says then is its last. */
static void
expect_refusal(const char *in, size_t len, const char *last, size_t last_len,
    const char *what)
{
	struct rig_reply r = begin("OAUTHBEARER", in, len);

	ok(r.type == M_AUTH_CHALLENGE && r.len > 10 &&
	    memmem(r.bytes, r.len, S("\"invalid_token\"")) != NULL,
	    "%s: told in a challenge", what);
	r = *rig_step(id, last, last_len);
	ok(r.type == M_AUTH_NO && r.no == AUTH_NO_CREDENTIALS,
	    "%s: out", what);
}

static void
test_verdicts(void)
{
	struct rig_reply r;

	says(true, false, false, "bob");
	expect_ok("OAUTHBEARER", S(GOOD), "a token of his");
	is_str(asked, "to.k-en_~+/9==", "that is what was asked");
	expect_ok("XOAUTH2", S("user=BOB\1auth=Bearer t\1\1"), "XOAUTH2");
	expect_ok("OAUTHBEARER", S("n,,\1auth=Bearer t\1\1"), "no name given");
	says(true, false, false, "BoB");
	expect_ok("OAUTHBEARER", S(GOOD), "a name in capitals");
	r = begin("OAUTHBEARER", NULL, 0);
	ok(r.type == M_AUTH_CHALLENGE && r.len == 0, "no initial response");
	r = *rig_step(id, S(GOOD));
	ok(r.type == M_AUTH_OK, "it comes later: in");

	says(true, false, false, "alice");
	expect_refusal(S(GOOD), S("\1"), "another's token");
	says(true, false, false, "nobody");
	expect_refusal(S("n,,\1auth=Bearer t\1\1"), S("\1"),
	    "one without an account");
	says(true, false, false, " ");
	expect_refusal(S("n,,\1auth=Bearer t\1\1"), S("\1"), "an odd name");
	says(false, false, false, "");
	expect_refusal(S(GOOD), S("\1"), "a bad token");
	expect_refusal(S(GOOD), S(""), "a bad token, an empty last word");
	expect_refusal(S(GOOD), S(GOOD), "a bad token, and a second");
	expect_refusal(S("n,a=bob,\1auth=\1\1"), S("\1"), "no token at all");
	r = begin("XOAUTH2", S("user=bob\1auth=Bearer t\1\1"));
	ok(r.type == M_AUTH_CHALLENGE && memmem(r.bytes, r.len, S("\"401\""))
	    != NULL, "XOAUTH2 is told in its own words");
	r = *rig_step(id, S(""));
	ok(r.type == M_AUTH_NO && r.no == AUTH_NO_CREDENTIALS, "and out");
	r = begin("OAUTHBEARER", S("n,,\1auth=Basic t\1\1"));
	ok(r.type == M_AUTH_NO && r.no == AUTH_NO_SYNTAX, "no such message");
}

static void
test_trouble(void)
{
	struct rig_reply r;

	says(false, true, false, "");
	r = begin("OAUTHBEARER", S(GOOD));
	ok(r.type == M_AUTH_NO && r.no == AUTH_NO_TEMPORARY,
	    "the provider does not say");
	patience = 0;
	r = begin("OAUTHBEARER", S(GOOD));
	ok(r.type == M_AUTH_NO && r.no == AUTH_NO_TEMPORARY, "nobody to ask");
	patience = 7000;
	silent = true;
	r = begin("OAUTHBEARER", S(GOOD));
	ok(r.type == M_AUTH_NO && r.no == AUTH_NO_TEMPORARY,
	    "no answer in time");
	says(true, false, false, "bob");
	exchange_answered(SASL_ASK_TOKEN, question, &verdict);
	exchange_answered(SASL_ASK_TOKEN, question + 1, &verdict);
	ok(rig_begin(++id, "PLAIN", S("\0bob\0correct horse"))->type ==
	    M_AUTH_OK, "a late answer is nobody's");

	rig_start_login(++id, "OAUTHBEARER", S(GOOD), 256);
	question = 0;
	while (question == 0)
		ev_loop_once(1);
	rig_cancel(id);
	id++;
	ok(rig_begin(id, "PLAIN", S("\0bob\0correct horse"))->id == id,
	    "cancelled while asking: others go on");
	exchange_answered(SASL_ASK_TOKEN, question, &verdict);
	rig_start_login(++id, "XOAUTH2", S("user=bob\1auth=Bearer t\1\1"), 256);
	question = 0;
	while (question == 0)
		ev_loop_once(1);
	rig_connect(0);
	exchange_answered(SASL_ASK_TOKEN, question, &verdict);
	silent = false;
	expect_ok("OAUTHBEARER", S(GOOD), "after a worker that died asking");
}

/* The same one again, or one that was good once, is no guess. */
static void
test_locks(void)
{
	struct auth_conf conf = { .lock_after = 3, .lock_sec = 900 };
	char text[64];
	int i;

	ev_clock_step(24 * 60 * 60 * 1000);	/* other tokens have failed */
	watch_conf(&conf);
	watch_unlock("bob");
	says(false, false, true, "");
	for (i = 0; i < 5; i++) {
		snprintf(text, sizeof(text), "n,a=bob,\1auth=Bearer e%d\1\1",
		    i);
		expect_refusal(text, strlen(text), S("\1"), "expired");
	}
	says(false, false, false, "");
	for (i = 0; i < 5; i++)
		expect_refusal(S(GOOD), S("\1"), "the same");
	for (i = 0; i < 2; i++) {
		snprintf(text, sizeof(text), "n,a=gina,\1auth=Bearer g%d\1\1",
		    i);
		/* Given up before the end: it counts all the same. */
		ok(begin("OAUTHBEARER", text, strlen(text)).type ==
		    M_AUTH_CHALLENGE, "a guess");
		rig_cancel(id);
	}
	says(true, false, false, "bob");
	ok(begin("OAUTHBEARER", S("n,a=gina,\1auth=Bearer right\1\1")).no ==
	    AUTH_NO_LOCKED, "three different ones lock where they came from");
	ok(begin("OAUTHBEARER", S("n,,\1auth=Bearer right\1\1")).no ==
	    AUTH_NO_LOCKED, "without a name, too");
	ok(rig_begin(++id, "PLAIN", S("\0gina\0correct horse"))->no ==
	    AUTH_NO_CREDENTIALS, "a password is judged by itself");
	expect_ok("OAUTHBEARER", S(GOOD), "but not who is at home there");
	says(false, false, false, "");
	for (i = 0; i < 2; i++) {
		snprintf(text, sizeof(text), "n,a=bob,\1auth=Bearer h%d\1\1",
		    i);
		expect_refusal(text, strlen(text), S("\1"), "in his name");
	}
	says(true, false, false, "bob");
	ok(begin("OAUTHBEARER", S(GOOD)).no == AUTH_NO_LOCKED,
	    "three in his name: nor he");
	rig_peer = "198.51.100.9";
	expect_ok("OAUTHBEARER", S(GOOD), "but not the name: a token elsewhere");
	ok(rig_begin(++id, "PLAIN", S("\0bob\0correct horse"))->type ==
	    M_AUTH_OK, "and a password there");
	rig_peer = "192.0.2.7";
	ev_clock_step(901 * 1000);
	expect_ok("OAUTHBEARER", S(GOOD), "when it is over");
	conf.lock_after = 0;
	watch_conf(&conf);
}

/* One of no name, or names tried by a token of one's own: guesses as well. */
static void
test_tries(void)
{
	struct auth_conf conf = { .lock_after = 3, .lock_sec = 900 };
	char text[64];
	int i;

	watch_conf(&conf);
	rig_peer = "203.0.113.1";
	says(false, false, false, "");
	for (i = 0; i < 3; i++) {
		snprintf(text, sizeof(text), "n,,\1auth=Bearer g%d\1\1", i);
		expect_refusal(text, strlen(text), S("\1"), "without a name");
	}
	ok(begin("OAUTHBEARER", S("n,,\1auth=Bearer x\1\1")).no ==
	    AUTH_NO_LOCKED, "three of no name lock that network");
	rig_peer = "203.0.114.1";
	says(true, false, false, "alice");
	for (i = 0; i < 9; i++) {
		snprintf(text, sizeof(text), "n,a=bob,\1auth=Bearer f%d\1\1",
		    i);
		expect_refusal(text, strlen(text), S("\1"), "another's, anew");
	}
	for (i = 0; i < 2; i++) {
		snprintf(text, sizeof(text), "n,a=u%d,\1auth=Bearer f\1\1",
		    i);
		expect_refusal(text, strlen(text), S("\1"), "another's name");
	}
	ok(begin("OAUTHBEARER", S("n,,\1auth=Bearer x\1\1")).no ==
	    AUTH_NO_LOCKED, "three names by a good token lock it, not nine "
	    "good tokens for one");
	rig_peer = "192.0.2.7";
	conf.lock_after = 0;
	watch_conf(&conf);
}

/* Guesses at the password, from everywhere: they have not come near a token. */
static void
test_locked_name(void)
{
	struct auth_conf conf = { .lock_after = 3, .lock_sec = 900 };
	char text[32];
	int i, n;

	watch_conf(&conf);
	watch_unlock("bob");
	for (i = 0; i < 3; i++) {
		n = snprintf(text, sizeof(text), "%cbob%cwrong horse %d", 0, 0,
		    i);
		rig_peer = i == 0 ? "10.1.0.1" : i == 1 ? "10.1.1.1" :
		    "10.1.2.1";
		(void)rig_begin(++id, "PLAIN", text, (size_t)n);
	}
	rig_peer = "203.0.116.1";
	ok(rig_begin(++id, "PLAIN", S("\0bob\0correct horse"))->no ==
	    AUTH_NO_LOCKED, "passwords are locked out");
	(void)rig_begin(++id, "SCRAM-SHA-256", S("n,,n=bob,r=abcdefgh"));
	ok(rig_step(id, S("c=biws,r=abcdefgh,p=AAAA"))->type == M_AUTH_NO,
	    "SCRAM, which is made of one, too");
	says(false, false, false, "");
	expect_refusal(S(GOOD), S("\1"), "a bad token: told as ever");
	says(true, false, false, "bob");
	expect_ok("OAUTHBEARER", S(GOOD), "a token, from a new network");
	rig_peer = "203.0.117.1";
	expect_ok("XOAUTH2", S("user=bob\1auth=Bearer t\1\1"), "XOAUTH2, too");
	ok(rig_begin(++id, "PLAIN", S("\0bob\0correct horse"))->type ==
	    M_AUTH_OK, "where a token was good, its owner is at home");
	rig_peer = "203.0.118.1";
	ok(rig_begin(++id, "PLAIN", S("\0bob\0correct horse"))->no ==
	    AUTH_NO_LOCKED, "elsewhere the password stays locked");
	for (i = 0; i < 3; i++) {
		n = snprintf(text, sizeof(text), "%cname%d%cwrong horse", 0, i,
		    0);
		(void)rig_begin(++id, "PLAIN", text, (size_t)n);
	}
	ok(watch_peer_wait(rig_peer) > 0, "other names lock the network");
	expect_ok("OAUTHBEARER", S(GOOD), "a token gets in from there, too");
	rig_peer = "192.0.2.7";
	watch_unlock("bob");
	conf.lock_after = 0;
	watch_conf(&conf);
}

int
main(void)
{
	rig_start(2);
	rig_mechanisms[rig_conf.mechanisms.n++] = (char *)(uintptr_t)
	    "OAUTHBEARER";
	rig_mechanisms[rig_conf.mechanisms.n++] = (char *)(uintptr_t)
	    "XOAUTH2";
	rig_add("bob", NULL);
	rig_add("alice", NULL);
	exchange_ask_by(SASL_ASK_TOKEN, ask, cancel);
	ok(sasl_login_has("OAUTHBEARER") && sasl_login_has("XOAUTH2"),
	    "the mechanisms are there");
	test_messages();
	test_refusals();
	test_verdicts();
	test_trouble();
	test_locks();
	test_tries();
	test_locked_name();
	rig_stop();
	return tap_done();
}
