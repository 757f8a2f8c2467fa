/*
 * SCRAM with channel binding: what binds, what does not, and who is told that
 * there is none. The bindings are said by smtpd, here by the test.
 */
#include "lib/prelude.h"

#include "auth/password.h"
#include "tests/tap.h"
#include "tests/unit/scram_client.h"

#define ALL	(1U << SCRAM_SHA_1 | 1U << SCRAM_SHA_512)

static const char *const mechanisms[] = { "SCRAM-SHA-1-PLUS",
    "SCRAM-SHA-256-PLUS", "SCRAM-SHA-512-PLUS" };
static const char *const headers[AUTH_BINDINGS] = {
	[BINDING_EXPORTER] = "p=tls-exporter,,",
	[BINDING_UNIQUE] = "p=tls-unique,,",
	[BINDING_END_POINT] = "p=tls-server-end-point,,"
};
static uint64_t id = 1;

/* As TLS 1.3 has them, or 1.2, or a session that binds to nothing. */
static void
tls(int version)
{
	memset(rig_bindings, 0, sizeof(rig_bindings));
	if (version == 0)
		return;
	rig_bindings[BINDING_EXPORTER].n = 32;
	memset(rig_bindings[BINDING_EXPORTER].data, 'e', 32);
	rig_bindings[BINDING_UNIQUE].n = version == 12 ? 12 : 0;
	memset(rig_bindings[BINDING_UNIQUE].data, 'u', 12);
	rig_bindings[BINDING_END_POINT].n = 48;
	memset(rig_bindings[BINDING_END_POINT].data, 'h', 48);
}

static void
expect(const struct rig_reply *r, int no, const char *what)
{
	ok(r->type == M_AUTH_NO && r->no == no, "%s: %d (type %u, no %d)",
	    what, no, r->type, r->no);
}

static const struct rig_reply *
finish(struct scram_client *s, int kind)
{
	return scram_finish(s, id, RIG_PASSWORD, rig_bindings[kind].data,
	    rig_bindings[kind].n);
}

static void
test_in(void)
{
	struct scram_client s;
	size_t i;
	int kind;

	for (i = 0; i < nitems(mechanisms); i++)
		for (kind = 0; kind < AUTH_BINDINGS; kind++) {
			tls(12);
			scram_begin(&s, ++id, mechanisms[i], headers[kind],
			    "bob");
			ok(scram_in(&s, id, finish(&s, kind)), "%s %s",
			    mechanisms[i], headers[kind]);
		}
}

/* Mechanism, header, data and what comes of it; -1: in. */
static void
test_table(void)
{
	static const char e[] = "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee";
	static const struct {
		const char *mechanism, *header, *data;
		size_t n;
		int no;
	} rows[] = {
		{ "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", e, 32, -1 },
		{ "SCRAM-SHA-256-PLUS", "p=tls-exporter,a=bob,", e, 32, -1 },
		{ "SCRAM-SHA-256-PLUS", "p=tls-exporter,a=eve,", e, 32,
		    AUTH_NO_CREDENTIALS },
		/* Another channel's, or what is left of ours. */
		{ "SCRAM-SHA-256-PLUS", "p=tls-exporter,,",
		    "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeef", 32, AUTH_NO_BINDING },
		{ "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", e, 31,
		    AUTH_NO_BINDING },
		{ "SCRAM-SHA-256-PLUS", "p=tls-exporter,,",
		    "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee", 33, AUTH_NO_BINDING },
		{ "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", e, 0,
		    AUTH_NO_BINDING },
		{ "SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,", e, 32,
		    AUTH_NO_BINDING },
		/* Kinds that there are not, here or at all. */
		{ "SCRAM-SHA-256-PLUS", "p=tls-unique,,", "uuuuuuuuuuuu", 12,
		    AUTH_NO_BINDING },
		{ "SCRAM-SHA-256-PLUS", "p=tls-foo,,", e, 32,
		    AUTH_NO_BINDING },
		{ "SCRAM-SHA-256-PLUS", "p=TLS-EXPORTER,,", e, 32,
		    AUTH_NO_BINDING },
		{ "SCRAM-SHA-256-PLUS", "p=tls-exporte,,", e, 32,
		    AUTH_NO_BINDING },
		{ "SCRAM-SHA-256-PLUS", "p=tls-exporterr,,", e, 32,
		    AUTH_NO_BINDING },
		{ "SCRAM-SHA-256-PLUS", "p=,,", e, 32, AUTH_NO_BINDING },
		/* The name says -PLUS or not, and so must the message. */
		{ "SCRAM-SHA-256-PLUS", "n,,", e, 0, AUTH_NO_SYNTAX },
		{ "SCRAM-SHA-256-PLUS", "y,,", e, 0, AUTH_NO_SYNTAX },
		{ "SCRAM-SHA-256-PLUS", "p,,", e, 32, AUTH_NO_SYNTAX },
		{ "SCRAM-SHA-256-PLUS", "ptls-exporter,,", e, 32,
		    AUTH_NO_SYNTAX },
		{ "SCRAM-SHA-256-PLUS", "P=tls-exporter,,", e, 32,
		    AUTH_NO_SYNTAX },
		{ "SCRAM-SHA-256", "p=tls-exporter,,", e, 32, AUTH_NO_SYNTAX },
		/* Who knows bindings and was not shown that we do, too. */
		{ "SCRAM-SHA-256", "y,,", e, 0, AUTH_NO_BINDING },
		{ "scram-sha-512", "y,,", e, 0, AUTH_NO_BINDING },
		{ "SCRAM-SHA-256", "n,,", e, 0, -1 },
		/* Bound well, but a stranger. */
		{ "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", NULL, 32,
		    AUTH_NO_CREDENTIALS },
	};
	struct scram_client s;
	const struct rig_reply *r;
	size_t i;

	tls(13);
	for (i = 0; i < nitems(rows); i++) {
		r = scram_begin(&s, ++id, rows[i].mechanism, rows[i].header,
		    "bob");
		if (r->type == M_AUTH_CHALLENGE)
			r = scram_finish(&s, id, rows[i].data == NULL ?
			    "wrong horse" : RIG_PASSWORD, rows[i].data == NULL
			    ? e : rows[i].data, rows[i].n);
		if (rows[i].no != -1)
			expect(r, rows[i].no, rows[i].header);
		else
			ok(scram_in(&s, id, r), "%s %s", rows[i].mechanism,
			    rows[i].header);
	}
}

/* A session without bindings: -PLUS is not offered there, y is the truth. */
static void
test_unbound(void)
{
	struct scram_client s;

	tls(0);
	scram_begin(&s, ++id, "SCRAM-SHA-256", "y,,", "bob");
	ok(scram_in(&s, id, scram_finish(&s, id, RIG_PASSWORD, NULL, 0)),
	    "y where there is nothing to bind to");
	expect(scram_begin(&s, ++id, "SCRAM-SHA-256-PLUS", "p=tls-exporter,,",
	    "bob"), AUTH_NO_BINDING, "nothing to bind to");
	tls(13);
	rig_conf.mechanisms.n -= 3;	/* the -PLUS ones */
	peers_conf(&rig_conf);
	scram_begin(&s, ++id, "SCRAM-SHA-256", "y,,", "bob");
	ok(scram_in(&s, id, scram_finish(&s, id, RIG_PASSWORD, NULL, 0)),
	    "y where -PLUS is not configured");
	expect(scram_begin(&s, ++id, "SCRAM-SHA-256-PLUS", "p=tls-exporter,,",
	    "bob"), AUTH_NO_MECHANISM, "and -PLUS is none of ours");
	rig_conf.mechanisms.n += 3;
	peers_conf(&rig_conf);
}

/* What the client says in the end is bound to what it said at first. */
static void
test_swaps(void)
{
	struct scram_client s;
	const struct rig_reply *r;
	char first[512];

	tls(12);
	scram_begin(&s, ++id, "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", "bob");
	snprintf(s.gs2, sizeof(s.gs2), "p=tls-unique,,");
	expect(finish(&s, BINDING_UNIQUE), AUTH_NO_BINDING, "another kind");
	scram_begin(&s, ++id, "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", "bob");
	snprintf(s.gs2, sizeof(s.gs2), "n,,");
	expect(scram_finish(&s, id, RIG_PASSWORD, NULL, 0), AUTH_NO_BINDING,
	    "none at last");
	scram_begin(&s, ++id, "SCRAM-SHA-256", "n,,", "bob");
	snprintf(s.gs2, sizeof(s.gs2), "p=tls-exporter,,");
	expect(finish(&s, BINDING_EXPORTER), AUTH_NO_SYNTAX, "one at last");

	/* Without an initial response the choice comes a step later. */
	rig_begin(++id, "SCRAM-SHA-256-PLUS", NULL, 0);
	scram_init(&s, "SCRAM-SHA-256");
	snprintf(s.gs2, sizeof(s.gs2), "p=tls-exporter,,");
	snprintf(s.bare, sizeof(s.bare), "n=bob,r=" SCRAM_NONCE);
	snprintf(first, sizeof(first), "%s%s", s.gs2, s.bare);
	r = rig_step(id, first, strlen(first));
	ok(scram_heard(&s, r), "a challenge");
	ok(scram_in(&s, id, finish(&s, BINDING_EXPORTER)), "in");
}

/* Nobody learns from a binding who is there. */
static void
test_names(void)
{
	static const char *const names[] = { "bob", "nobody" };
	struct scram_client s;
	size_t i;

	tls(13);
	for (i = 0; i < nitems(names); i++) {
		expect(scram_begin(&s, ++id, "SCRAM-SHA-256-PLUS", "p=tls-foo,,",
		    names[i]), AUTH_NO_BINDING, names[i]);
		ok(scram_begin(&s, ++id, "SCRAM-SHA-256-PLUS",
		    "p=tls-exporter,,", names[i])->type == M_AUTH_CHALLENGE,
		    "%s: a challenge", names[i]);
		expect(scram_finish(&s, id, RIG_PASSWORD, "e", 1),
		    AUTH_NO_BINDING, names[i]);
	}
}

int
main(void)
{
	struct account a;
	size_t i;

	rig_start(2);
	rig_offer("SCRAM-SHA-512");
	for (i = 0; i < nitems(mechanisms); i++) {
		ok(sasl_login_has(mechanisms[i]), "there is %s", mechanisms[i]);
		rig_offer(mechanisms[i]);
	}
	ok(!sasl_login_has("PLAIN-PLUS"), "there is no PLAIN-PLUS");
	memset(&a, 0, sizeof(a));
	snprintf(a.name, sizeof(a.name), "bob");
	snprintf(a.cap, sizeof(a.cap), "default");
	password_set(rig_accounts, &a, RIG_PASSWORD, strlen(RIG_PASSWORD),
	    VERIFIER_ITERATIONS_MIN, ALL);
	is_int(accounts_add(rig_accounts, &a), ACCOUNTS_OK, "bob");
	account_clear(&a);
	test_in();
	test_table();
	test_unbound();
	test_swaps();
	test_names();
	rig_stop();
	return tap_done();
}
