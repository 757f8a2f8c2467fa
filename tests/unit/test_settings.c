/*
 * posternd/settings, verify, slices: what is accepted, what is refused, and
 * with which line. The files that a configuration names are real.
 */
#include "lib/prelude.h"

#include <sys/stat.h>
#include <fcntl.h>
#include <sched.h>

#include "lib/xalloc.h"
#include "posternd/settings_private.h"
#include "posternd/slices.h"
#include "posternd/verify.h"
#include "tests/tap.h"

#define USERS "users { smtpd = \"61001\" auth = \"61002\" keys = \"61003\" " \
	"queue = \"61004\" relay = \"61005\" fetch = \"61006\" }\n"
#define MINIMAL "hostname = \"relay.example.org\"\n" USERS \
	"tls { certificate = \"cert.pem\" key = \"key.pem\" }\n" \
	"listen submissions { port = 465 }\n" \
	"route direct { next-hop = \"mx\" }\n"

static char dir[] = "/tmp/postern-settings-XXXXXX";
static struct buf problems, warnings;

static void
write_file(const char *name, const char *text, size_t n, mode_t mode)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, mode);

	if (fd == -1 || write(fd, text, n) != (ssize_t)n || close(fd) == -1 ||
	    chmod(name, mode) == -1) {
		perror(name);
		exit(1);
	}
}

static struct config *
load_bytes(const char *text, size_t n)
{
	write_file("postern.conf", text, n, 0600);
	buf_reset(&problems);
	buf_reset(&warnings);
	return config_load("postern.conf", &problems, &warnings);
}

static struct config *
load(const char *text)
{
	return load_bytes(text, strlen(text));
}

/* Whether MINIMAL with more behind is accepted. */
static struct config *
load_more(const char *more)
{
	char *text = xasprintf("%s%s\n", MINIMAL, more);
	struct config *cfg = load(text);

	free(text);
	return cfg;
}

static void
test_minimal(void)
{
	struct config *cfg = load(MINIMAL);
	struct conf_cap *cap;

	if (!ok(cfg != NULL, "three lines are enough"))  {
		printf("# %s\n", buf_str(&problems));
		return;
	}
	is_str(buf_str(&warnings), "", "without a warning");
	is_int(cfg->smtpd.max_message_bytes, 50 << 20, "50M a message");
	is_int(cfg->smtpd.max_recipients, 1000, "1,000 recipients");
	is_int(cfg->smtpd.command_sec, 300, "5 minutes, RFC 5321 4.5.3.2");
	is_int(cfg->smtpd.mechanisms.n, 4, "four mechanisms");
	is_str(cfg->smtpd.mechanisms.v[0], "SCRAM-SHA-256-PLUS",
	    "the best first");
	is_int(cfg->smtpd.listeners.n, 2, "all addresses are two sockets");
	is_str(CONF_AT(cfg->smtpd.listeners, struct conf_listener, 1)->name,
	    "submissions@[::]:465", "and have names");
	is_int(CONF_AT(cfg->smtpd.listeners, struct conf_listener, 0)->tls,
	    CONF_TLS_IMPLICIT, "465 is TLS from the start");
	ok(!cfg->smtpd.received_client && !cfg->smtpd.received_account,
	    "Received says nothing of clients");
	is_str(cfg->queue.postmaster, "postmaster@relay.example.org",
	    "a postmaster");
	is_int(cfg->queue.caps.n, 1, "one cap");
	cap = CONF_AT(cfg->queue.caps, struct conf_cap, 0);
	is_str(cap->name, "default", "the default one");
	is_int(cap->limits.n, 4, "with its limits");
	is_int(CONF_AT(cap->limits, struct conf_limit, 2)->window_sec, 86400,
	    "the last for a day");
	ok(cfg->sandbox, "a sandbox");
	is_str(CONF_AT(cfg->keys.keys, struct conf_key, 0)->chain_pem, "CERT\n",
	    "keys gets the certificate along");
	config_free(&cfg);
}

/* The kernel's word on what we may run on. */
static unsigned machine;

int
sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set)
{
	unsigned i;

	(void)pid;
	if (machine == 0) {
		errno = EINVAL;		/* more than a cpu_set_t holds */
		return -1;
	}
	CPU_ZERO_S(size, set);
	for (i = 0; i < machine; i++)
		CPU_SET_S(i, size, set);
	return 0;
}

static void
test_workers(void)
{
	static const unsigned cases[][2] = { { 1, 1 }, { 2, 1 }, { 3, 2 },
	    { 4, 2 }, { 16, 8 }, { 128, 64 }, { 200, 64 }, { 0, 1 } };
	struct config *cfg;
	size_t i;

	for (i = 0; i < nitems(cases); i++) {
		machine = cases[i][0];
		cfg = load(MINIMAL);
		is_int(cfg->workers, cases[i][1], "workers for %u processors",
		    machine);
		config_free(&cfg);
	}
}

static void
test_values(void)
{
	struct config *cfg = load_more(
	    "workers = 7\nlog = journal\nsandbox = off\n"
	    "limits { message-size = \"1M\" command-time = \"90s\" }\n"
	    "cap default { messages = {\"5/10s\", \"7/1w\"} bytes = \"2G/1d\" }\n"
	    "cap big { recipients-per-message = 900 }\n"
	    "route up { next-hop = \"smtps://[2001:db8::1]\" user = u\n"
	    " password-file = secret senders = {\"a@b.example\", \"@c.example\"} }\n"
	    "route late { next-hop = \"smtp://mail.example.net:2525\" tls = may }\n"
	    "dns { resolvers = {\"127.0.0.1@53\", \"::1\"} }\n"
	    "accounts { mechanisms = {\"PLAIN\", \"SCRAM-SHA-1\"} }\n");
	struct conf_relay_route *r;
	struct conf_cap *cap;

	if (!ok(cfg != NULL, "values of every kind")) {
		printf("# %s\n", buf_str(&problems));
		return;
	}
	is_int(cfg->workers, 7, "a number");
	is_int(cfg->log, CONFIG_LOG_JOURNAL, "a word");
	is_int(cfg->smtpd.max_message_bytes, 1 << 20, "a size");
	is_int(cfg->smtpd.command_sec, 90, "a duration");
	cap = CONF_AT(cfg->queue.caps, struct conf_cap, 0);
	is_int(cap->limits.n, 3, "limits add up");
	is_int(CONF_AT(cap->limits, struct conf_limit, 1)->window_sec, 604800,
	    "a week");
	ok(CONF_AT(cap->limits, struct conf_limit, 2)->count == 2ull << 30 &&
	    CONF_AT(cap->limits, struct conf_limit, 2)->what == LIMIT_BYTES,
	    "bytes as a size, a list of one without braces");
	is_int(CONF_AT(cfg->queue.caps, struct conf_cap, 1)->limits.n, 0,
	    "a cap of one's own has no limits but its own");
	r = CONF_AT(cfg->relay.routes, struct conf_relay_route, 1);
	is_str(r->host, "2001:db8::1", "an address as next hop");
	is_int(r->port, 465, "with its usual port");
	is_int(r->tls, ROUTE_TLS_IMPLICIT, "and TLS");
	is_str(r->password, "hidden", "the first line of its file");
	is_int(r[1].port, 2525, "another port");
	is_int(r[1].tls, ROUTE_TLS_MAY, "TLS if offered");
	is_int(r[-1].tls, ROUTE_TLS_MAY, "as with MX");
	is_int(CONF_AT(cfg->queue.routes, struct conf_queue_route, 1)->senders.n,
	    2, "senders");
	ok(strstr(buf_str(&warnings), "sandbox") != NULL,
	    "no sandbox is complained about");
	ok(strstr(buf_str(&warnings), "SCRAM-SHA-1 is outdated") != NULL,
	    "so is SHA-1");
	ok(strstr(buf_str(&warnings), "queue redirect alone") != NULL,
	    "so are routes behind one for everybody");
	config_free(&cfg);
}

static const struct {
	const char *name, *text, *says;
} bad[] = {
	{ "an unknown option", "wokers = 2", "did you mean \"workers\"?" },
	{ "letters in the wrong order", "route x { next-hop = \"mx\" tsl = none }",
	    "did you mean \"tls\"?" },
	{ "an unknown section", "listne x { port = 1 }",
	    "did you mean \"listen\"?" },
	{ "an option of another section", "message-size = \"1M\"",
	    "belongs into a section \"limits\"" },
	{ "something else", "frobnicate = 1", "postern.conf(5)" },
	{ "a doubled option", "hostname = \"b.example\"",
	    "line 1 has it already" },
	{ "a doubled option in a section", "limits { hops = 9 hops = 9 }",
	    "set twice" },
	{ "a doubled list", "dns { resolvers = {\"::1\"}\nresolvers = "
	    "{\"::1\"} }", "set twice" },
	{ "a doubled section", "tls { }", "two sections \"tls\"" },
	{ "a doubled title", "route direct { next-hop = \"mx\" }",
	    "another section has the title" },
	{ "a bad title", "cap \"a b\" { }", "title" },
	{ "a word for a number", "workers = many", "1 to 64, not \"many\"" },
	{ "too small", "workers = 0", "1 to 64" },
	{ "too large", "workers = 65", "1 to 64" },
	{ "far too large", "workers = 99999999999999999999", "1 to 64" },
	{ "negative", "workers = -1", "1 to 64" },
	{ "a number with a tail", "workers = 2x", "1 to 64" },
	{ "a bare size unit", "limits { message-size = \"M\" }", "size" },
	{ "a small size", "limits { message-size = \"1K\" }", "64K to 1G" },
	{ "a bad duration", "limits { data-time = \"3 m\" }", "duration" },
	{ "a bad word", "log = paper", "stderr syslog journal" },
	{ "neither on nor off", "sandbox = yes", "on or off" },
	{ "an empty value", "state-dir = \"\"", "empty" },
	{ "a relative path", "state-dir = \"var\"", "begin with a /" },
	{ "a line end in a value", "state-dir = \"/a\nb\"", "line end" },
	{ "a list for one value", "workers = {1, 2}", "postern.conf:6" },
	{ "a limit without window", "cap default { messages = {\"30\"} }",
	    "count and a window" },
	{ "a limit of no time", "cap default { messages = {\"30/0s\"} }",
	    "window from 1s" },
	{ "a limit of words", "cap default { messages = {\"a/1s\"} }",
	    "number" },
	{ "an empty list of limits", "cap default { messages = {} bytes = "
	    "{\"x/1d\"} }", "size" },
	{ "a bad address", "listen l { address = \"localhost\" port = 99 }",
	    "not an IPv4 or IPv6 address" },
	{ "a listener without port", "listen l { tls = starttls }",
	    "needs a port" },
	{ "a proxy by name", "listen l { port = 99 proxy = {\"lb\"} }",
	    "neither an address nor a network" },
	{ "a proxy's network with bits behind it", "listen l { port = 99 "
	    "proxy = {\"10.0.0.1\", \"10.0.0.1/8\"} }",
	    "\"10.0.0.1/8\" is neither" },
	{ "a port twice", "listen l { port = 465 }", "same address and port" },
	{ "a port out of range", "listen l { port = 65536 }", "1 to 65535" },
	{ "no next hop", "route r { tls = none }", "needs a next-hop" },
	{ "a foreign next hop", "route r { next-hop = \"http://a.example\" }",
	    "smtps://HOST" },
	{ "a next hop with a path", "route r { next-hop = "
	    "\"smtp://a.example/x\" }", "no next hop" },
	{ "a next hop's port", "route r { next-hop = "
	    "\"smtp://a.example:0\" }", ":PORT" },
	{ "an open bracket", "route r { next-hop = \"smtp://[::1\" }", "]" },
	{ "tls for smtps", "route r { next-hop = \"smtps://a.example\" tls = "
	    "may }", "leave tls out" },
	{ "a user without password", "route r { next-hop = "
	    "\"smtps://a.example\" user = u }", "without a password-file" },
	{ "a password without user", "route r { next-hop = "
	    "\"smtps://a.example\" password-file = secret }",
	    "without a user" },
	{ "a password for may", "route r { next-hop = \"smtp://a.example\" "
	    "user = u password-file = secret tls = may }", "proved who it is" },
	{ "a user for MX", "route r { next-hop = \"mx\" user = u "
	    "password-file = secret }", "many servers" },
	{ "no such password file", "route r { next-hop = "
	    "\"smtps://a.example\" user = u password-file = nonesuch }",
	    "nonesuch cannot be used: No such file" },
	{ "bad senders", "route r { next-hop = \"mx\" senders = {\"b.c\"} }",
	    "neither an address nor" },
	{ "a wildcard of senders", "route r { next-hop = \"mx\" senders = "
	    "{\"*@b.c\"} }", "no wildcards" },
	{ "a wildcard of domains", "route r { next-hop = \"mx\" senders = "
	    "{\"@*.b.c\"} }", "no wildcards" },
	{ "an unknown mechanism", "accounts { mechanisms = {\"CRAM-MD5\"} }",
	    "\"CRAM-MD5\" is not among SCRAM-SHA-256-PLUS, SCRAM-SHA-256, " },
	{ "a mechanism twice", "accounts { mechanisms = {\"PLAIN\", \"PLAIN\"} "
	    "}", "PLAIN is there twice" },
	{ "few iterations", "accounts { iterations = 4095 }",
	    "4096 to 65536" },
	{ "no resolver", "dns { resolvers = {\"dns.example\"} }",
	    "no resolver" },
	{ "a resolver's port", "dns { resolvers = {\"::1@0\"} }",
	    "no resolver" },
	{ "no postmaster", "queue { postmaster = \"me\" }", "no address" },
	{ "retries the wrong way round", "queue { retry-first = \"5h\" }",
	    "longer than retry-max" },
	{ "a route's, too", "route r { next-hop = \"mx\" retry-first = \"1h\" "
	    "retry-max = \"5m\" }", "longer than retry-max" },
	{ "a route's against the queue's", "route r { next-hop = \"mx\" "
	    "retry-first = \"5h\" }", "set both for the route" },
	{ "the other way", "route r { next-hop = \"mx\" retry-max = \"1m\" }",
	    "set both for the route" },
	{ "a by-time of days", "limits { min-by-time = \"2d\" }", "1d" },
	{ "a missing brace", "limits { hops = 9", "ends inside" },
	{ "a missing quote", "log = \"stderr", "ends inside" },
	{ "an open comment", "/* tls", "complete" },
	{ "a stray brace", "}", "postern.conf:6" },
	{ "nothing to include", "include(\"nonesuch\")", "No such file" },
	{ "no parentheses", "include \"nonesuch\"", "include(\"FILE\")" },
	{ "a directory to include", "include(\".\")", "directory" },
	{ "itself to include", "include(\"postern.conf\")", "postern.conf" },
	{ "our own last option", "end-of-postern-conf = x", "set twice" },
};

static void
test_bad(void)
{
	struct config *cfg;
	size_t i;

	for (i = 0; i < nitems(bad); i++) {
		cfg = load_more(bad[i].text);
		if (!ok(cfg == NULL && strstr(buf_str(&problems), bad[i].says)
		    != NULL && strncmp(buf_str(&problems), "postern.conf", 12)
		    == 0, "%s is refused", bad[i].name))
			printf("# %s\n", buf_str(&problems));
		config_free(&cfg);
	}
}

/* A route has the queue's times, but for those that it names. */
static void
test_route_times(void)
{
	struct config *cfg = load_more("queue { retry-first = \"2m\" retry-max = "
	    "\"1h\" warn = \"3h\" expire = \"2d\" }\n"
	    "route own { next-hop = \"mx\" retry-first = \"10s\" retry-max = "
	    "\"1m\" warn = 0 expire = \"1h\" }\n"
	    "route some { next-hop = \"mx\" retry-max = \"5m\" }\n"
	    "limits { min-by-time = \"90s\" }\n");
	const struct conf_queue_route *r;

	if (!ok(cfg != NULL && cfg->queue.routes.n == 3, "three routes"))
		return;
	is_int(cfg->smtpd.min_by_sec, 90, "the least by-time");
	r = CONF_AT(cfg->queue.routes, struct conf_queue_route, 0);
	ok(r->retry_first_sec == 120 && r->retry_max_sec == 3600 &&
	    r->warn_sec == 10800 && r->expire_sec == 172800,
	    "the queue's times");
	r++;
	ok(r->retry_first_sec == 10 && r->retry_max_sec == 60 &&
	    r->warn_sec == 0 && r->expire_sec == 3600,
	    "its own, never among them");
	r++;
	ok(r->retry_first_sec == 120 && r->retry_max_sec == 300 &&
	    r->warn_sec == 10800, "some of each");
	config_free(&cfg);
}

#define LISTEN "listen dev { address = \"192.168.1.10\" port = 2525 tls = may }\n"
#define DEVICE(more) LISTEN "device scanner1 { listeners = {\"dev\"} " \
	"addresses = {\"192.168.1.50\", \"2001:DB8::0:50\"} " \
	"account = \"Scanner\" sender = \"scanner@example.org\" " \
	"recipients = {\"@example.org\", \"boss@example.net\"} }\n" more
#define OTHER(options) "device two { listeners = {\"dev\"} account = a " \
	"sender = \"a@b.example\" recipients = {\"@c.example\"} " options " }"

static void
test_devices(void)
{
	static const struct { const char *name, *text, *says; } cases[] = {
		{ "tls = may without a device", LISTEN, "for devices alone" },
		{ "tls = none without one", "listen l { port = 25 tls = none }",
		    "for devices alone" },
		{ "a device at the door of others", DEVICE("device two { "
		    "listeners = {\"submissions\"} addresses = {\"10.0.0.1\"} "
		    "account = a sender = \"a@b.example\" recipients = "
		    "{\"@c.example\"} }"), "those who log in" },
		{ "no such listener", DEVICE("device two { listeners = "
		    "{\"nonesuch\"} addresses = {\"10.0.0.1\"} account = a "
		    "sender = \"a@b.example\" recipients = {\"@c.example\"} }"),
		    "no section \"listen nonesuch\"" },
		{ "a network", DEVICE(OTHER("addresses = {\"10.0.0.0/8\"}")),
		    "is a network" },
		{ "everybody", DEVICE(OTHER("addresses = {\"0.0.0.0/0\"}")),
		    "is a network" },
		{ "a small network", DEVICE(OTHER("addresses = "
		    "{\"10.0.0.2/31\"}")), "is a network" },
		{ "no address", DEVICE(OTHER("addresses = {\"0.0.0.0\"}")),
		    "not the address of a device" },
		{ "a multicast address", DEVICE(OTHER("addresses = "
		    "{\"ff02::1\"}")), "not the address of a device" },
		{ "a name", DEVICE(OTHER("addresses = {\"scanner.lan\"}")),
		    "is no IP address" },
		{ "no addresses", DEVICE(OTHER("")), "needs addresses" },
		{ "an address twice", DEVICE(OTHER("addresses = "
		    "{\"10.0.0.1\", \"::ffff:192.168.1.50\"}")),
		    "is device scanner1 already" },
		{ "no such cap", DEVICE(OTHER("addresses = {\"10.0.0.1\"} cap "
		    "= nonesuch")), "no section \"cap nonesuch\"" },
		{ "a bad sender", LISTEN "device d { listeners = {\"dev\"} "
		    "addresses = {\"10.0.0.1\"} account = a sender = "
		    "\"@b.example\" recipients = {\"@c.example\"} }",
		    "needs a sender" },
		{ "no account", LISTEN "device d { listeners = {\"dev\"} "
		    "addresses = {\"10.0.0.1\"} sender = \"a@b.example\" "
		    "recipients = {\"@c.example\"} }", "needs an account" },
		{ "no recipients", LISTEN "device d { listeners = {\"dev\"} "
		    "addresses = {\"10.0.0.1\"} account = a sender = "
		    "\"a@b.example\" }", "needs recipients" },
		{ "everybody as recipient", LISTEN "device d { listeners = "
		    "{\"dev\"} addresses = {\"10.0.0.1\"} account = a sender = "
		    "\"a@b.example\" recipients = {\"*\"} }",
		    "no wildcards" },
		{ "no listener", LISTEN "device d { addresses = {\"10.0.0.1\"} "
		    "account = a sender = \"a@b.example\" recipients = "
		    "{\"@c.example\"} }", "comes in nowhere" },
		{ "a proxy before it", "listen p { port = 99 tls = none proxy = "
		    "{\"10.0.0.9\"} }\ndevice d { listeners = {\"p\"} addresses "
		    "= {\"10.0.0.1\"} account = a sender = \"a@b.example\" "
		    "recipients = {\"@c.example\"} }", "proxy's word" },
	};
	struct config *cfg = load_more(DEVICE(OTHER(
	    "addresses = {\"127.0.0.1\"} other-senders = refuse")));
	struct conf_lane *lane;
	size_t i;

	if (!ok(cfg != NULL, "devices")) {
		printf("# %s\n", buf_str(&problems));
		return;
	}
	lane = CONF_AT(cfg->queue.lanes, struct conf_lane, 0);
	ok(cfg->auth.lanes.n == 2 && cfg->queue.lanes.n == 2, "two lanes");
	is_str(lane->listeners.v[0], "dev@192.168.1.10:2525", "their listener");
	is_str(lane->addresses.v[1], "2001:db8::50", "addresses as peers' are");
	is_str(lane->account, "scanner", "an account as auth knows it");
	ok(lane[0].rewrite && !lane[1].rewrite, "other senders");
	is_int(CONF_AT(cfg->smtpd.listeners, struct conf_listener,
	    2)->devices.n, 3, "smtpd knows who comes in");
	is_int(CONF_AT(cfg->smtpd.listeners, struct conf_listener,
	    2)->tls, CONF_TLS_MAY, "with TLS or without");
	is_int(CONF_AT(cfg->smtpd.listeners, struct conf_listener,
	    0)->devices.n, 0, "and nobody elsewhere");
	ok(strstr(buf_str(&warnings), "device scanner1 sends as "
	    "scanner@example.org without a password") != NULL,
	    "each is warned about");
	ok(strstr(buf_str(&warnings), "every program on this machine") != NULL,
	    "the loopback more so");
	config_free(&cfg);
	for (i = 0; i < nitems(cases); i++) {
		cfg = load_more(cases[i].text);
		if (!ok(cfg == NULL && strstr(buf_str(&problems),
		    cases[i].says) != NULL, "%s is refused", cases[i].name))
			printf("# %s\n", buf_str(&problems));
		config_free(&cfg);
	}
}

static void
test_missing(void)
{
	static const struct { const char *name, *text, *says; } cases[] = {
		{ "nothing at all", "", "nothing is listened on" },
		{ "a file of comments", "# one\n// two\n/* three */\n",
		    "there is no way out" },
		{ "no certificate", "hostname = \"a.example\"\n" USERS
		    "listen l { port = 465 }\nroute r { next-hop = \"mx\" }\n",
		    "TLS needs a certificate" },
		{ "no such certificate", "hostname = \"a.example\"\n" USERS
		    "tls { certificate = nonesuch key = \"key.pem\" }\n"
		    "listen l { port = 465 }\nroute r { next-hop = \"mx\" }\n",
		    "postern.conf:3: the certificate nonesuch" },
		{ "an empty key", "hostname = \"a.example\"\n" USERS
		    "tls { certificate = \"cert.pem\" key = empty }\n"
		    "listen l { port = 465 }\nroute r { next-hop = \"mx\" }\n",
		    "it is empty" },
		{ "a bad host name", "hostname = \"not a name\"\n" USERS
		    "tls { certificate = \"cert.pem\" key = \"key.pem\" }\n"
		    "listen l { port = 465 }\nroute r { next-hop = \"mx\" }\n",
		    "postern.conf:1: \"not a name\" is not a host name" },
		{ "an unknown user", "hostname = \"a.example\"\n"
		    "users { smtpd = \"nonesuch-user\" auth = 2 keys = 3 "
		    "queue = 4 relay = 5 }\n"
		    "tls { certificate = \"cert.pem\" key = \"key.pem\" }\n"
		    "listen l { port = 465 }\nroute r { next-hop = \"mx\" }\n",
		    "run systemd-sysusers" },
		{ "a file behind an unknown user", "hostname = \"a.example\"\n"
		    "users { smtpd = \"nonesuch-user\" auth = 2 keys = 3 "
		    "queue = 4 relay = 5 }\n"
		    "tls { certificate = nonesuch key = \"key.pem\" }\n"
		    "accounts { sources = {\"local\", \"gone\"} }\n"
		    "listen l { port = 465 }\nroute r { next-hop = \"m:x\" }\n",
		    "postern.conf:3: the certificate nonesuch" },
		{ "root", "hostname = \"a.example\"\n"
		    "users { smtpd = root auth = 2 keys = 3 queue = 4 relay = "
		    "5 }\ntls { certificate = \"cert.pem\" key = \"key.pem\" "
		    "}\nlisten l { port = 465 }\nroute r { next-hop = \"mx\" "
		    "}\n", "user of its own" },
	};
	struct config *cfg;
	size_t i;

	for (i = 0; i < nitems(cases); i++) {
		cfg = load(cases[i].text);
		if (!ok(cfg == NULL && strstr(buf_str(&problems),
		    cases[i].says) != NULL, "%s is refused", cases[i].name))
			printf("# %s\n", buf_str(&problems));
		config_free(&cfg);
	}
}

static void
test_all_faults(void)
{
	struct config *cfg = load_more("workers = 0\nrelays = 99\n"
	    "log = paper\nlimits { hops = 0 errors = x }\n");
	size_t lines = 0;
	const char *p;

	for (p = buf_str(&problems); *p != '\0'; p++)
		lines += *p == '\n';
	ok(cfg == NULL, "several faults");
	is_int(lines, 5, "are all told");
	ok(strstr(buf_str(&problems), "postern.conf:6:") != NULL &&
	    strstr(buf_str(&problems), "postern.conf:9:") != NULL,
	    "each with its line");
}

static void
test_odd_files(void)
{
	static const char nul[] = MINIMAL "workers = 1\0\n";
	char *line = xmalloc(SETTINGS_FILE_MAX + 2);
	struct config *cfg;
	struct buf crlf;
	const char *p;

	cfg = load_bytes(nul, sizeof(nul) - 1);
	ok(cfg == NULL && strstr(buf_str(&problems), "NUL") != NULL,
	    "a NUL byte is refused");
	memset(line, '#', SETTINGS_FILE_MAX + 1);
	cfg = load_bytes(line, SETTINGS_FILE_MAX + 1);
	ok(cfg == NULL && strstr(buf_str(&problems), "too large") != NULL,
	    "a file above 1 MB is refused");
	memset(line, 'a', SETTINGS_FILE_MAX - 100);
	cfg = load_bytes(line, SETTINGS_FILE_MAX - 100);
	ok(cfg == NULL && problems.len < 1024, "so is a line of 1 MB, briefly");
	buf_init(&crlf, 8192);
	for (p = MINIMAL; *p != '\0'; p++)
		if (buf_adds(&crlf, *p == '\n' ? "\r" : "") == -1 ||
		    buf_addc(&crlf, (uint8_t)*p) == -1)
			exit(1);
	cfg = load_bytes((const char *)crlf.data, crlf.len);
	ok(cfg != NULL, "CRLF line ends are taken");
	config_free(&cfg);
	buf_clear(&crlf);
	buf_reset(&problems);
	ok(config_load("/dev/null", &problems, &warnings) == NULL &&
	    strstr(buf_str(&problems), "not a regular file") != NULL,
	    "a device is refused");
	buf_reset(&problems);
	ok(mkfifo("fifo", 0600) == 0 && config_load("fifo", &problems,
	    &warnings) == NULL && strstr(buf_str(&problems),
	    "not a regular file") != NULL, "a FIFO is refused, not waited for");
	free(line);
}

/*
 * Cut off anywhere, a file is refused, unless nothing but whole options and
 * sections are missing at its end; then the line where it ends is a line of
 * the top level.
 */
static void
test_cut_off(void)
{
	static const char text[] = MINIMAL "limits {\n hops = 20\n errors = 5\n"
	    "}\ncap default {\n messages = {\"30/1m\",\n \"50/1h\"}\n}\n";
	const char *limits = strstr(text, "limits"), *cap = strstr(text, "cap");
	size_t n, wrong = 0, taken = 0;
	struct config *cfg;

	for (n = 0; n < sizeof(text) - 1; n++) {
		const char *end = text + n;
		bool whole = (end >= limits - 1 && end <= limits) ||
		    (end >= cap - 1 && end <= cap) ||
		    end >= text + sizeof(text) - 2;

		cfg = load_bytes(text, n);
		taken += cfg != NULL;
		if ((cfg != NULL) != whole) {
			wrong++;
			printf("# %zu bytes: %s\n", n, cfg != NULL ? "taken" :
			    buf_str(&problems));
		}
		config_free(&cfg);
	}
	is_int(wrong, 0, "cut off at %zu places, taken only where whole", n);
	ok(taken > 0, "which happens");
}

static void
test_include(void)
{
	static const char part[] = "limits { hops = 33 }\n";
	static const char wrong[] = "\nlimits { hops = 1 }\n";
	static const char open[] = "limits { hops = 33\n";
	struct config *cfg;

	if (mkdir("conf.d", 0700) == -1)
		exit(1);
	write_file("conf.d/part", part, sizeof(part) - 1, 0600);
	cfg = load_more("include(\"conf.d/part\")");
	ok(cfg != NULL && cfg->smtpd.max_hops == 33, "a file is included");
	config_free(&cfg);
	write_file("conf.d/part", wrong, sizeof(wrong) - 1, 0600);
	cfg = load_more("include(\"conf.d/part\")");
	ok(cfg == NULL && strncmp(buf_str(&problems), "conf.d/part:2:", 14)
	    == 0, "faults in it are told with its name and line");
	config_free(&cfg);
	write_file("conf.d/part", open, sizeof(open) - 1, 0600);
	cfg = load_more("include(\"conf.d/part\")");
	ok(cfg == NULL, "cut off, it is refused");
	config_free(&cfg);
	cfg = load(MINIMAL);
	ok(cfg != NULL, "and leaves nothing behind");
	config_free(&cfg);
}

/* Whatever stands before it, a fault is told with the line that it is in. */
static void
test_lines(void)
{
	static const struct { const char *name, *text; int lines; } before[] = {
		{ "nothing", "", 0 },
		{ "an empty line", "\n", 1 },
		{ "a comment with #", "# one\n", 1 },
		{ "many #", "##########\n", 1 },
		{ "an empty comment", "#\n", 1 },
		{ "a comment with //", "// one\n", 1 },
		{ "// without a blank", "//one\n", 1 },
		{ "a comment with /* */", "/* one */\n", 1 },
		{ "one of three lines", "/* one\n * two **\n */\n", 3 },
		{ "one before an option", "/* one */ ", 0 },
		{ "three in a row", "# one\n// two\n/* three */\n", 3 },
		{ "comments behind options", "relays = 2 # one\n"
		    "sandbox = on // two\nlog = journal /* three */\n", 3 },
		{ "comments around a section", "limits { # one\n"
		    "\thops = 20 // two\n\t# three\n} # four\n", 4 },
		{ "comments in a list", "dns { resolvers = { \"::1\", # mine\n"
		    "/* and */ \"127.0.0.1\" // yours\n} }\n", 3 },
		{ "CRLF", "# one\r\nrelays = 2\r\n", 2 },
		{ "quotes that a comment could be in", "queue { postmaster = "
		    "\"a#b@example.org\" }\n", 1 },
		{ "a quote in quotes", "queue { postmaster = "
		    "'\"a//\\'b\"@example.org' }\n", 1 },
		{ "a line that goes on", "queue { postmaster = "
		    "\"a@exam\\\nple.org\" } # one\n", 2 },
		{ "a URL without quotes", "route b { next-hop = "
		    "smtps://mx.example }\n# one\n", 2 },
		{ "a quote in a comment", "# don't\n// \"say\n", 2 },
		{ "an included file", "include(\"part\") # one\n"
		    "# two\n", 2 },
	};
	static const char part[] = "# one\n/* two\n */ # three\n"
	    "limits { hops = 20 }\n";
	static const char wrong[] = "# one\n/* two\n */ # three\n"
	    "workers = x\n";
	char *text, *want;
	struct config *cfg;
	size_t i;

	write_file("part", part, sizeof(part) - 1, 0600);
	for (i = 0; i < nitems(before); i++) {
		text = xasprintf("%sworkers = x", before[i].text);
		want = xasprintf("postern.conf:%d: \"workers\"",
		    6 + before[i].lines);
		cfg = load_more(text);
		if (!ok(cfg == NULL && strncmp(buf_str(&problems), want,
		    strlen(want)) == 0, "its line, behind %s",
		    before[i].name))
			printf("# %s", buf_str(&problems));
		free(want);
		free(text);
	}
	cfg = load_more("# one\nfrob = 1");
	ok(cfg == NULL && strncmp(buf_str(&problems), "postern.conf:7: ", 16)
	    == 0, "an unknown option's");
	cfg = load_more("# one\nrelays = 1 # two\n\nrelays = 2");
	ok(cfg == NULL && strncmp(buf_str(&problems), "postern.conf:9: ", 16)
	    == 0 && strstr(buf_str(&problems), "line 7 has") != NULL,
	    "both of an option that is set twice");
	write_file("part", wrong, sizeof(wrong) - 1, 0600);
	cfg = load_more("# one\ninclude(\"part\")");
	ok(cfg == NULL && strncmp(buf_str(&problems), "part:4: ", 8) == 0,
	    "one of an included file");
	cfg = load_more("# one\ninclude(\"nonesuch\")");
	ok(cfg == NULL && strncmp(buf_str(&problems), "postern.conf:7: ", 16)
	    == 0, "that of an include");
	unlink("part");
}

/* Whoever can write a configuration decides what root starts. */
static void
test_writable(void)
{
	static const char part[] = "limits { hops = 33 }\n";
	static const mode_t wide[] = { 0620, 0602, 0666, 0664 };
	const char *const files[] = { "postern.conf", "part" };
	struct config *cfg;
	char want[64];
	size_t i, k;

	write_file("part", part, sizeof(part) - 1, 0644);
	cfg = load_more("include(\"part\")");
	ok(cfg != NULL && warnings.len == 0, "others may read it");
	config_free(&cfg);
	for (k = 0; k < nitems(files); k++) {
		for (i = 0; i < nitems(wide); i++) {
			if (chmod(files[k], wide[i]) == -1)
				exit(1);
			buf_reset(&warnings);
			cfg = config_load("postern.conf", &problems,
			    &warnings);
			snprintf(want, sizeof(want), "chmod go-w %s\n",
			    files[k]);
			ok(cfg != NULL && strstr(buf_str(&warnings), want) !=
			    NULL, "%s with mode %o is told", files[k],
			    wide[i]);
			config_free(&cfg);
		}
		if (chmod(files[k], 0600) == -1)
			exit(1);
		if (geteuid() != 0)
			continue;
		if (chown(files[k], 61009, 0) == -1)
			exit(1);
		buf_reset(&warnings);
		cfg = config_load("postern.conf", &problems, &warnings);
		snprintf(want, sizeof(want), "chown root %s\n", files[k]);
		ok(cfg != NULL && strstr(buf_str(&warnings), want) != NULL,
		    "%s is somebody's: told", files[k]);
		config_free(&cfg);
		if (chown(files[k], 0, 0) == -1)
			exit(1);
	}
	unlink("part");
}

/* --- every option of the table ------------------------------------------------- */

static bool
titled(const char *section)
{
	size_t i;

	for (i = 0; i < SECTIONS; i++)
		if (strcmp(sections[i].name, section) == 0)
			return sections[i].size != 0;
	return false;
}

/* The option with what stands there, in line 2; the caller frees it. */
static char *
option_text(const struct setting *s, const char *written)
{
	if (*s->section == '\0')
		return xasprintf("\n%s = %s\n", s->name, written);
	return xasprintf("%s %s {\n%s = %s\n}\n", s->section,
	    titled(s->section) ? "t" : "", s->name, written);
}

/* What is in a file must not write to the terminal what it likes. */
static bool
printable(const struct buf *b)
{
	size_t i;

	for (i = 0; i < b->len; i++)
		if ((b->data[i] < ' ' && b->data[i] != '\n') ||
		    b->data[i] >= 0x7f)
			return false;
	return true;
}

/* Whether it is refused, with line and name; by libconfuse without a name. */
static bool
refused(const struct setting *s, const char *written, const char *says)
{
	struct config *cfg = xcalloc(1, sizeof(*cfg));
	char *text = option_text(s, written);
	bool good;

	cfg->file = xstrdup("c");
	buf_reset(&problems);
	good = settings_parse("c", text, strlen(text), cfg, &problems) == -1 &&
	    strstr(buf_str(&problems), "c:") == buf_str(&problems) &&
	    printable(&problems) && problems.data[2] >= '2' && problems.data[2] <= '5' &&
	    strstr(buf_str(&problems), *says == '\0' ? s->name : says) != NULL;
	if (!good)
		printf("# %.200s: %.300s\n", text, buf_str(&problems));
	config_free(&cfg);
	free(text);
	return good;
}

/* One that may stand there; the caller frees it. */
static char *
good_value(const struct setting *s)
{
	static const char filler[] = "/aaaaaaaaaaaaaaaa";
	const char *word = s->words;

	switch (s->type) {
	case SET_BOOL:
		return xstrdup("on");
	case SET_WORD:
		word += *word == ' ';
		return xstrndup(word, strcspn(word, " "));
	case SET_STR:
	case SET_STRS:
		return xasprintf("\"%.*s\"", s->min == 0 ? 1 : (int)s->min,
		    filler);
	case SET_LIMITS:
		return xstrdup("\"1/1h\"");
	default:
		return xasprintf("\"%llu\"", (unsigned long long)s->min);
	}
}

static bool
is_number(const struct setting *s)
{
	return s->type == SET_NUM || s->type == SET_SIZE ||
	    s->type == SET_SIZE64 || s->type == SET_TIME;
}

/* How often one of these is taken. */
static size_t
bytes_taken(const struct setting *s)
{
	static const char *const rubbish[] = { "\"a\\x01\"", "\"\\x7f\"",
	    "\"a\nb\"", "\"a\r\nb\"", "\"\t\"", "\"\\x1b[2J\"", "\"\\r\"" };
	size_t i, taken = 0;

	for (i = 0; i < nitems(rubbish); i++)
		taken += !refused(s, rubbish[i], "");
	return taken;
}

static size_t
types_taken(const struct setting *s)
{
	static const char *const no_number[] = { "\"\"", "x", "-1", "\"+1\"",
	    "\" 1\"", "\"1 \"", "0x10", "1e3", "1.5", "\"1,000\"", "\"1/1h\"",
	    "\"\xc2\xb2\"", "18446744073709551616",
	    "99999999999999999999999999999999", "18014398509481984K",
	    "18446744073709551615w", "on", "K", "s" };
	static const char *const no_word[] = { "\"\"", "x", "ON", "\"on \"",
	    "0", "1", "yes", "true", "\"on off\"" };
	static const char *const no_limit[] = { "\"\"", "1", "\"/1h\"",
	    "\"1/\"", "\"1/0\"", "\"1/32d\"", "\"-1/1h\"", "\"1/1h/1h\"",
	    "\"x/1h\"", "\"1/x\"", "\"99999999999999999999/1h\"" };
	size_t i, taken = 0;

	for (i = 0; is_number(s) && i < nitems(no_number); i++)
		taken += !refused(s, no_number[i], "");
	for (i = 0; (s->type == SET_BOOL || s->type == SET_WORD) &&
	    i < nitems(no_word); i++)
		if (s->type == SET_BOOL || strstr(s->words, "on off") == NULL)
			taken += !refused(s, no_word[i], "");
	for (i = 0; s->type == SET_LIMITS && i < nitems(no_limit); i++)
		taken += !refused(s, no_limit[i], "");
	if (s->type != SET_STRS && s->type != SET_LIMITS)
		taken += !refused(s, "{ \"a\", \"b\" }", "here or above");
	return taken;
}

static size_t
ranges_taken(const struct setting *s)
{
	char text[32], longest[4100];
	size_t taken = 0;

	if (is_number(s)) {
		snprintf(text, sizeof(text), "%llu",
		    (unsigned long long)s->max + 1);
		taken += !refused(s, text, "");
		snprintf(text, sizeof(text), "%llu",
		    (unsigned long long)s->min - 1);
		taken += s->min > 0 && !refused(s, text, "");
	}
	if (s->type != SET_STR && s->type != SET_STRS)
		return taken;
	memset(longest, 'a', sizeof(longest));
	longest[0] = longest[s->max + 2] = '"';
	longest[s->max + 3] = '\0';
	taken += !refused(s, longest, "too long");
	taken += s->min > 0 && !refused(s, "\"\"", "empty");
	taken += s->min > 1 && !refused(s, "\"a\"", "too short");
	return taken;
}

static size_t
doubles_taken(const struct setting *s)
{
	char *good = good_value(s), *twice;
	bool list = s->type == SET_STRS || s->type == SET_LIMITS;
	size_t taken;

	twice = xasprintf(list ? "{%s}\n%s = {%s}" : "%s\n%s = %s", good,
	    s->name, good);
	taken = !refused(s, twice, "set twice");
	free(twice);
	twice = xasprintf("%s\n%sx = %s", good, s->name, good);
	taken += !refused(s, twice, "did you mean");
	free(twice);
	taken += !refused(s, "", "here or above");
	free(good);
	return taken;
}

static void
test_every_row(void)
{
	size_t i, n, bytes = 0, types = 0, ranges = 0, doubles = 0;
	const struct setting *s = settings_all(&n);

	for (i = 0; i < n; i++) {
		bytes += bytes_taken(&s[i]);
		types += types_taken(&s[i]);
		ranges += ranges_taken(&s[i]);
		doubles += doubles_taken(&s[i]);
	}
	is_int(bytes, 0, "a control character is no value of any option");
	is_int(types, 0, "nor is a value of another type");
	is_int(ranges, 0, "nor one out of range, too long or empty");
	is_int(doubles, 0, "twice, with a letter too many, without a value");
}

/*
 * As long as a file may be; but libconfuse grows values byte by byte, minutes
 * under AddressSanitizer.
 */
#ifdef POSTERN_SANITIZED
#define LONG_VALUE	20000
#else
#define LONG_VALUE	(SETTINGS_FILE_MAX - 100)
#endif

/* One of each type with such a value. */
static void
test_long_values(void)
{
	size_t i, n, len = LONG_VALUE;
	const struct setting *s = settings_all(&n);
	char *value = xmalloc(len + 3);
	bool seen[SET_LIMITS + 1] = { false };

	memset(value, '7', len);
	value[0] = value[len - 1] = '"';
	value[len] = '\0';
	for (i = 0; i < n; i++) {
		if (seen[s[i].type])
			continue;
		seen[s[i].type] = true;
		ok(refused(&s[i], value, "") && problems.len < 4096,
		    "%s with %zu bytes", s[i].name, len);
	}
	free(value);
}

static void
put_part(const char *text)
{
	write_file("part", text, strlen(text), 0600);
}

/* "part", and in it "part1", and in it "part2" ... */
static struct config *
load_deep(unsigned int deep)
{
	char name[16] = "part", text[64];
	unsigned int i;

	for (i = 1; i <= deep; i++) {
		snprintf(text, sizeof(text), i < deep ? "include(\"part%u\")\n" :
		    "relays = 3\n", i);
		write_file(name, text, strlen(text), 0600);
		snprintf(name, sizeof(name), "part%u", i);
	}
	return load_more("include(\"part\")");
}

/*
 * What goes wrong in an included file is told with its line, and the next one
 * that is good is taken, however often it went wrong.
 */
static void
test_included_faults(void)
{
	static const struct {
		const char *name, *text, *says;
	} rows[] = {
		{ "a fault of grammar", "\nworkers = = 2\nrelays = 1\n",
		    "part:2: unexpected token" },
		{ "cut off", "limits {\n", "part:3: the file ends inside" },
		{ "an open comment", "/* relays\n", "part:" },
		{ "an unknown option", "\n\nrelay = 1\n", "part:3: there is no" },
		{ "itself", "include(\"part\")\n",
		    "part:1: cannot include \"part\": it would include itself" },
		{ "the first file", "include(\"postern.conf\")\n",
		    "it would include itself" },
		{ "a title of another file", "route other { }\nroute direct { }\n",
		    "part:2: another section has the title \"direct\" already" },
		{ "a title of its own", "cap c { }\ncap c { }\n",
		    "part:2: another section has the title \"c\" already" },
		{ "an option of another file", "\nhostname = \"b.example\"\n",
		    "part:2: \"hostname\" is set twice; line 1" },
		{ "a value", "limits {\nhops = 1\n}\n", "part:2: " },
	};
	struct config *cfg;
	char name[16];
	size_t i, k;

	for (i = 0; i < nitems(rows); i++) {
		for (k = 0; k < 12; k++) {
			put_part(rows[i].text);
			cfg = load_more("include(\"part\")");
			if (cfg != NULL || strstr(buf_str(&problems),
			    rows[i].says) == NULL)
				break;
		}
		if (!ok(k == 12, "included: %s", rows[i].name))
			printf("# %zu: %s\n", k, buf_str(&problems));
		config_free(&cfg);
		put_part("relays = 2\n");
		cfg = load_more("include(\"part\")");
		ok(cfg != NULL && cfg->relays == 2, "and nothing stays behind");
		config_free(&cfg);
	}
	cfg = load_deep(8);
	ok(cfg != NULL && cfg->relays == 3, "eight deep");
	config_free(&cfg);
	cfg = load_deep(9);
	ok(cfg == NULL && strstr(buf_str(&problems), "more than eight deep") !=
	    NULL, "and no more");
	for (i = 1; i < 9; i++) {
		snprintf(name, sizeof(name), "part%zu", i);
		unlink(name);
	}
	unlink("part");
}

/* What the manual does not name does not exist. */
static void
test_manual(void)
{
	const struct setting *s;
	const char *why;
	struct buf page;
	size_t i, n, missing = 0;
	char path[PATH_MAX];

	buf_init(&page, 1 << 20);
	snprintf(path, sizeof(path), "%s/man/postern.conf.5", TOP_SRCDIR);
	if (!ok(settings_slurp(path, &page, &why) == 0, "the manual"))
		return;
	s = settings_all(&n);
	for (i = 0; i < n; i++)
		if (strstr(buf_str(&page), s[i].name) == NULL) {
			missing++;
			printf("# %s\n", s[i].name);
		}
	is_int(missing, 0, "every option is in postern.conf(5)");
	buf_clear(&page);
}

/* Where `make install` puts posternctl, which cron's PATH need not know. */
static void
test_paths(void)
{
	static const char *const papers[] = { "README.md", "man/posternctl.8",
	    "man/posternd.8", "man/postern.conf.5", "etc/postern.conf.sample",
	    "etc/postern.service.in" };
	const char *why, *at, *slash;
	char path[PATH_MAX];
	struct buf text;
	size_t i, found = 0, wrong = 0;

	for (i = 0; i < nitems(papers); i++) {
		buf_init(&text, 1 << 20);
		snprintf(path, sizeof(path), "%s/%s", TOP_SRCDIR, papers[i]);
		ok(settings_slurp(path, &text, &why) == 0, "%s", papers[i]);
		at = buf_str(&text);
		while ((at = strstr(at, "bin/postern")) != NULL) {
			for (slash = at; *slash != '/'; slash--)
				if (slash == buf_str(&text) || *slash == ' ')
					break;
			if (strncmp(slash, "/sbin/", 6) != 0) {
				wrong++;
				printf("# %s: %.60s\n", papers[i], slash);
			}
			found++;
			at++;
		}
		buf_clear(&text);
	}
	is_int(wrong, 0, "what is installed into sbin is named there");
	ok(found >= 2, "also for cron");
}

static void
test_sample(void)
{
	struct buf text;
	struct config *cfg = xcalloc(1, sizeof(*cfg));
	const char *why;
	char path[PATH_MAX];

	cfg->file = xstrdup("sample");
	buf_init(&text, 1 << 20);
	buf_reset(&problems);
	snprintf(path, sizeof(path), "%s/etc/postern.conf.sample", TOP_SRCDIR);
	ok(settings_slurp(path, &text, &why) == 0 && settings_parse("sample",
	    buf_str(&text), text.len, cfg, &problems) == 0,
	    "the sample is a configuration");
	is_str(buf_str(&problems), "", "without a fault");
	config_free(&cfg);
	buf_clear(&text);
}

/* What one end puts the other gets. */
static void
test_slices(void)
{
	struct config *cfg = load_more("route up { next-hop = "
	    "\"smtps://a.example\" user = u password-file = secret }");
	struct relay_conf got = { 0 };
	struct ipc_in in;
	const uint8_t *p;
	size_t len;

	if (!ok(cfg != NULL, "a configuration"))
		return;
	slices_secrets(cfg, NULL);
	ok(cfg->auth.ticket_key.n == 32 && cfg->queue.ticket_key.n == 32 &&
	    memcmp(cfg->auth.ticket_key.v, cfg->queue.ticket_key.v, 32) == 0,
	    "auth and queue share a key");
	ipc_begin(M_CONF, 0);
	conf_put(relay_conf_fields, &cfg->relay);
	p = ipc_built(&len);
	ok(ipc_parse(p, len, &in) && conf_get(&in, relay_conf_fields, &got)
	    == 0, "a slice arrives");
	is_int(got.routes.n, 2, "with its routes");
	is_str(CONF_AT(got.routes, struct conf_relay_route, 1)->password,
	    "hidden", "and their passwords");
	conf_clear(relay_conf_fields, sizeof(got), &got);
	config_free(&cfg);
	if (chmod("secret", 0644) == -1)
		exit(1);
	cfg = load_more("route up { next-hop = \"smtps://a.example\" user = u "
	    "password-file = secret }");
	ok(cfg != NULL && strstr(buf_str(&warnings), "chmod 600") != NULL,
	    "a password that others can read is complained about");
	config_free(&cfg);
}

static void
tidy(void)
{
	static const char *const files[] = { "postern.conf", "cert.pem",
	    "key.pem", "empty", "secret", "fifo", "conf.d/part" };
	size_t i;

	for (i = 0; i < nitems(files); i++)
		if (unlink(files[i]) == -1)
			perror(files[i]);
	if (rmdir("conf.d") == -1 || rmdir(dir) == -1)
		perror(dir);
}

static void
test_groups(void)
{
	static const struct {
		const char *name, *text, *why;
	} cases[] = {
		{ "no members", "group g { senders = {\"@b.example\"} }",
		    "has no members" },
		{ "nothing to give", "group g { members = {\"a\"} }",
		    "gives its members nothing" },
		{ "a bad member", "group g { members = {\"a b\"} senders = "
		    "{\"@b.example\"} }", "neither an account's name" },
		{ "everybody", "group g { members = {\"*\"} senders = "
		    "{\"@b.example\"} }", "neither an account's name" },
		{ "a bad sender", "group g { members = {\"a\"} senders = "
		    "{\"b.example\"} }", "neither an address" },
		{ "a wildcard", "group g { members = {\"a\"} senders = "
		    "{\"*@b.example\"} }", "no wildcards" },
		{ "no such cap", "group g { members = {\"a\"} cap = \"x\" }",
		    "no section \"cap x\"" },
		{ "a bad plus", "accounts { plus = \"@\" }",
		    "parts no address from a tag" },
		{ "a long plus", "accounts { plus = \"++\" }", "plus" },
	};
	struct config *cfg = load_more("accounts { plus = \"+\" }\n"
	    "cap small { }\n"
	    "group sales { members = {\"bob@b.example\", \"printer\"} senders "
	    "= {\"sales@b.example\", \"@shop.example\"} cap = \"small\" }\n"
	    "group all { members = {\"@b.example\"} senders = "
	    "{\"info@b.example\"} }");
	const struct conf_group *g;
	size_t i;

	if (!ok(cfg != NULL, "groups")) {
		printf("# %s\n", buf_str(&problems));
		return;
	}
	is_int(cfg->auth.groups.n, 2, "two groups");
	is_str(cfg->auth.plus, "+", "and a plus");
	g = CONF_AT(cfg->auth.groups, struct conf_group, 0);
	is_str(g->name, "sales", "the first");
	ok(g->members.n == 2 && g->senders.n == 2, "as it stands there");
	is_str(g[0].cap, "small", "with a cap");
	is_str(g[1].cap, "", "or without");
	config_free(&cfg);
	for (i = 0; i < nitems(cases); i++) {
		cfg = load_more(cases[i].text);
		if (!ok(cfg == NULL && strstr(buf_str(&problems),
		    cases[i].why) != NULL, "refused: %s", cases[i].name))
			printf("# %s\n", buf_str(&problems));
		config_free(&cfg);
	}
}

/* Mail of others would wait for a route until it is given up. */
static void
test_uncovered(void)
{
	static const char text[] = MINIMAL;
	char *all = xasprintf("%.*ssenders = {\"@b.example\"} }\n",
	    (int)(strrchr(text, '}') - text), text);
	struct config *cfg = load(all);

	ok(cfg != NULL && strstr(buf_str(&warnings), "each route has senders")
	    != NULL, "mail of some that has no way out is warned about");
	config_free(&cfg);
	free(all);
}

/* What is taken, but opens more than it seems to. */
static void
test_doubts(void)
{
#define INTROSPECTION "tokens { introspection = \"https://id.example.org/i\" " \
	"client-id = postern client-secret-file = secret "
	static const struct {
		const char *name, *text, *why;	/* "": nothing is said */
	} cases[] = {
		{ "tokens for anybody", INTROSPECTION "}",
		    "made for any other service" },
		{ "for a scope", INTROSPECTION "scope = mail }", "" },
		{ "for us", INTROSPECTION "audience = {\"mail\"} }", "" },
		{ "a name that people choose", INTROSPECTION "scope = mail "
		    "account-claim = preferred_username }",
		    "may choose another's" },
		{ "a name that the provider gives", INTROSPECTION "scope = "
		    "mail account-claim = sub }", "" },
		{ "a plus that is in names", "accounts { plus = \"-\" }",
		    "anna-maria@example.org" },
		{ "a plus that is not", "accounts { plus = \"+\" }", "" },
		{ "a hash without -PLUS", "accounts { mechanisms = "
		    "{\"SCRAM-SHA-256-PLUS\", \"SCRAM-SHA-256\", "
		    "\"SCRAM-SHA-512\"} }", "add SCRAM-SHA-512-PLUS" },
		{ "all with it", "accounts { mechanisms = "
		    "{\"SCRAM-SHA-256-PLUS\", \"SCRAM-SHA-256\", "
		    "\"SCRAM-SHA-512-PLUS\", \"SCRAM-SHA-512\"} }", "" },
		{ "STARTTLS on 465", "route r { next-hop = "
		    "\"smtp://a.example:465\" }", "smtps://a.example" },
		{ "STARTTLS on 587", "listen l { port = 587 }", "" },
		{ "none with it", "accounts { mechanisms = "
		    "{\"SCRAM-SHA-256\", \"SCRAM-SHA-512\"} }", "" },
	};
	struct config *cfg;
	size_t i;

	for (i = 0; i < nitems(cases); i++) {
		cfg = load_more(cases[i].text);
		if (!ok(cfg != NULL && (*cases[i].why == '\0' ? warnings.len ==
		    0 : strstr(buf_str(&warnings), cases[i].why) != NULL),
		    "complained about: %s", cases[i].name))
			printf("# %s%s\n", buf_str(&problems),
			    buf_str(&warnings));
		config_free(&cfg);
	}
}

int
main(void)
{
	if (mkdtemp(dir) == NULL || chdir(dir) == -1)
		return 1;
	buf_init(&problems, 1 << 20);
	buf_init(&warnings, 1 << 20);
	write_file("cert.pem", "CERT\n", 5, 0644);
	write_file("key.pem", "KEY\n", 4, 0600);
	write_file("empty", "", 0, 0600);
	write_file("secret", "hidden\nnot this\n", 16, 0600);
	test_minimal();
	test_workers();
	test_uncovered();
	test_values();
	test_bad();
	test_devices();
	test_groups();
	test_doubts();
	test_route_times();
	test_missing();
	test_all_faults();
	test_odd_files();
	test_cut_off();
	test_include();
	test_lines();
	test_writable();
	test_every_row();
	test_long_values();
	test_included_faults();
	test_manual();
	test_paths();
	test_sample();
	test_slices();
	tidy();
	buf_clear(&problems);
	buf_clear(&warnings);
	return tap_done();
}
