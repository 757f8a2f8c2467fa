/* queue/route: who goes which way. */
#include "lib/prelude.h"

#include "queue/route.h"
#include "tests/tap.h"

static char *corp[] = { (char *)"@corp.example", (char *)"boss@home.example" };
static char *lists[] = { (char *)"@lists.example" };

#define ROUTE(n, mx, s) { .name = (char *)n, .by_domain = mx, .senders = s }
#define SENDERS(v) { v, nitems(v) }
#define ALL { NULL, 0 }

static struct conf_queue_route mixed[] = {
	ROUTE("corp", false, SENDERS(corp)),
	ROUTE("direct", true, ALL),
	ROUTE("never", false, ALL),
};
static struct conf_queue_route strict[] = {
	ROUTE("lists", false, SENDERS(lists)),
	ROUTE("corp", false, SENDERS(corp)),
};

static const struct {
	struct conf_queue_route *routes;
	size_t	 n;
	const char *from, *to, *want;
} cases[] = {
	{ mixed, 3, "ann@corp.example", "x@y.example", "corp" },
	{ mixed, 3, "ANN@CORP.Example", "x@y.example", "corp" },
	{ mixed, 3, "boss@home.example", "x@y.example", "corp" },
	{ mixed, 3, "other@home.example", "x@y.example", "direct" },
	{ mixed, 3, "ann@sub.corp.example", "x@y.example", "direct" },
	{ mixed, 3, "ann@notcorp.example", "x@y.example", "direct" },
	{ mixed, 3, "", "ann@corp.example", "direct" },
	{ strict, 2, "ann@corp.example", "x@y.example", "corp" },
	{ strict, 2, "ann@else.example", "x@y.example", NULL },
	{ strict, 2, "", "ann@corp.example", "corp" },
	{ strict, 2, "", "x@y.example", "lists" },
	{ strict, 0, "", "x@y.example", NULL },
	{ strict, 0, "ann@corp.example", "x@y.example", NULL },
};

static void
test_choose(void)
{
	const struct conf_queue_route *r;
	size_t i;

	for (i = 0; i < nitems(cases); i++) {
		struct conf_list l = { cases[i].routes, cases[i].n };

		r = route_choose(&l, cases[i].from, cases[i].to);
		is_str(r == NULL ? NULL : r->name, cases[i].want,
		    "<%s> to <%s>", cases[i].from, cases[i].to);
	}
}

/* What an account sends from <> is still the account's. */
static void
test_null_path(void)
{
	struct queue_conf conf = { .hostname = (char *)"host.example",
	    .routes = { strict, 2 } };
	const struct conf_queue_route *r;
	struct store_msg m;
	struct buf domain, hop;
	static const struct {
		const char *account, *redirected, *want;
	} rows[] = {
		{ "", NULL, "corp" }, { "boss@home.example", NULL, "corp" },
		{ "x@lists.example", NULL, "lists" },
		{ "mallory", NULL, NULL }, { "mallory@else.example", NULL, NULL },
		{ "mallory", "lists", "lists" }, { "", "lists", "lists" },
		{ "", "gone", "corp" },
	};
	size_t i;

	buf_init(&domain, ROUTE_HOP_MAX);
	buf_init(&hop, ROUTE_HOP_MAX);
	store_msg_init(&m);
	m.env.return_path = (char *)"";
	envelope_add_rcpt(&m.env, "ann@corp.example", NULL, 0);
	for (i = 0; i < nitems(rows); i++) {
		m.account = (char *)(uintptr_t)rows[i].account;
		m.route = (char *)(uintptr_t)rows[i].redirected;
		r = route_for(&conf, &m, 0, &domain, &hop);
		is_str(r == NULL ? NULL : r->name, rows[i].want,
		    "<> of \"%s\"", rows[i].account);
		is_str(buf_str(&hop), rows[i].want == NULL ? "" : rows[i].want,
		    "and its hop");
	}
	m.env.return_path = m.account = m.route = NULL;
	store_msg_clear(&m);
	buf_clear(&domain);
	buf_clear(&hop);
}

static void
test_hop(void)
{
	struct buf domain, hop;

	buf_init(&domain, ROUTE_HOP_MAX);
	buf_init(&hop, ROUTE_HOP_MAX);
	route_domain(&mixed[1], "x@Y.Example", "host.example", &domain);
	is_str(buf_str(&domain), "y.example", "a domain in lower case");
	route_hop("direct", buf_str(&domain), &hop);
	is_str(buf_str(&hop), "direct/y.example", "a hop by domain");
	route_domain(&mixed[1], "\"a@b\"@c.example", "host.example", &domain);
	is_str(buf_str(&domain), "c.example", "behind the last @");
	route_domain(&mixed[1], "postmaster", "host.example", &domain);
	is_str(buf_str(&domain), "host.example", "without domain: our own");
	route_domain(&mixed[0], "x@y.example", "host.example", &domain);
	is_str(buf_str(&domain), "", "a smarthost takes all");
	route_hop("corp", buf_str(&domain), &hop);
	is_str(buf_str(&hop), "corp", "and is called by its route");
	buf_clear(&domain);
	buf_clear(&hop);
}

int
main(void)
{
	test_choose();
	test_null_path();
	test_hop();
	return tap_done();
}
