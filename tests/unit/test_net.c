/* lib/net: addresses and networks, and who is in them. */
#include "lib/prelude.h"

#include <sys/socket.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "lib/net.h"
#include "tests/tap.h"

static union {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
} peer;

static void
set_peer(const char *text)
{
	memset(&peer, 0, sizeof(peer));
	peer.sa.sa_family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
	if (inet_pton(peer.sa.sa_family, text, peer.sa.sa_family == AF_INET6 ?
	    (void *)&peer.in6.sin6_addr : (void *)&peer.in.sin_addr) != 1)
		abort();
}

static const struct {
	const char *net, *in, *out;	/* somebody in it, somebody who is not */
} nets[] = {
	{ "10.0.0.1", "10.0.0.1", "10.0.0.2" },
	{ "10.0.0.1", "::ffff:10.0.0.1", "::10.0.0.1" },
	{ "10.0.0.0/8", "10.255.255.255", "11.0.0.0" },
	{ "10.0.0.0/8", "::ffff:10.9.9.9", "a00::" },
	{ "192.0.2.128/25", "192.0.2.255", "192.0.2.127" },
	{ "192.0.2.6/31", "192.0.2.7", "192.0.2.8" },
	{ "0.0.0.0/0", "255.255.255.255", "2001:db8::1" },
	{ "::1", "::1", "127.0.0.1" },
	{ "::/0", "192.0.2.1", NULL },
	{ "::ffff:192.0.2.1", "192.0.2.1", "192.0.2.2" },
	{ "2001:db8::/32", "2001:db8:ffff::1", "2001:db9::" },
	{ "2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::" },
	{ "2001:db8::1/128", "2001:db8::1", "2001:db8::" },
};

static const char *const bad[] = {
	"", "/", "10.0.0.1/", "10.0.0.1/33", "10.0.0.1/8", "10.0.0.0/-1",
	"10.0.0.0/ 8", "10.0.0.0/8/8", "10.0.0.0/08x", "10.0.0", "10.0.0.256",
	"010.0.0.1", "10.0.0.1:25", "localhost", " 10.0.0.1", "10.0.0.1 ",
	"::1/129", "::1/64", "2001:db8::/28", "[::1]", "fe80::1%eth0", "*",
	"10.0.0.0/255.0.0.0", "1000:1000:1000:1000:1000:1000:1000:1000:1000",
};

static const struct {
	const char *text, *print;
	bool	 host, loopback;
} addresses[] = {
	{ "192.168.1.50", "192.168.1.50", true, false },
	{ "::ffff:192.168.1.50", "192.168.1.50", true, false },
	{ "2001:DB8:0::1", "2001:db8::1", true, false },
	{ "127.0.0.1", "127.0.0.1", true, true },
	{ "127.9.9.9", "127.9.9.9", true, true },
	{ "::1", "::1", true, true },
	{ "::ffff:127.0.0.1", "127.0.0.1", true, true },
	{ "0.0.0.0", "0.0.0.0", false, false },
	{ "0.0.0.9", "0.0.0.9", false, false },
	{ "::", "::", false, false },
	{ "224.0.0.1", "224.0.0.1", false, false },
	{ "255.255.255.255", "255.255.255.255", false, false },
	{ "ff02::1", "ff02::1", false, false },
	{ "223.255.255.255", "223.255.255.255", true, false },
};

static void
test_addresses(void)
{
	char text[NET_TEXT_LEN];
	struct net n;
	size_t i;

	for (i = 0; i < nitems(addresses); i++) {
		ok(net_parse(addresses[i].text, &n) && n.bits == 128,
		    "%s is one", addresses[i].text);
		is_str(net_print(&n, text), addresses[i].print, "printed");
		ok(net_is_host(&n) == addresses[i].host &&
		    net_is_loopback(&n) == addresses[i].loopback, "and known");
	}
}

/* Linux hands it on: no setsockopt() for each connection. */
static void
test_no_delay(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin), on_len = sizeof(int);
	int listener = socket(AF_INET, SOCK_STREAM, 0), on = 0;
	int fd = socket(AF_INET, SOCK_STREAM, 0), accepted;

	net_no_delay(listener);
	if (bind(listener, (struct sockaddr *)&sin, len) == -1 ||
	    listen(listener, 1) == -1 ||
	    getsockname(listener, (struct sockaddr *)&sin, &len) == -1 ||
	    connect(fd, (struct sockaddr *)&sin, len) == -1)
		abort();
	accepted = accept(listener, NULL, NULL);
	ok(getsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, &on_len) == 0 &&
	    on != 0, "what a listener accepts delays nothing either");
	close(accepted);
	close(fd);
	close(listener);
}

static void
test_stays_here(void)
{
	static const struct {
		const char *host;
		bool	 here;
	} rows[] = {
		{ "localhost", true }, { "LocalHost", true },
		{ "127.0.0.1", true }, { "127.9.9.9", true }, { "::1", true },
		{ "::ffff:127.0.0.1", true }, { "", false },
		{ "127.evil.example", false }, { "127.0.0.1.example", false },
		{ "localhost.evil.example", false }, { "127.0.0.0/8", false },
		{ "128.0.0.1", false }, { "::2", false },
	};
	size_t i;

	for (i = 0; i < nitems(rows); i++)
		ok(net_stays_here(rows[i].host) == rows[i].here, "\"%s\" %s",
		    rows[i].host, rows[i].here ? "is here" : "is elsewhere");
}

int
main(void)
{
	char text[NET_TEXT_LEN];
	struct net n;
	size_t i;

	for (i = 0; i < nitems(nets); i++) {
		ok(net_parse(nets[i].net, &n), "%s", nets[i].net);
		set_peer(nets[i].in);
		ok(net_holds(&n, &peer.sa), "holds %s", nets[i].in);
		if (nets[i].out == NULL)
			continue;
		set_peer(nets[i].out);
		ok(!net_holds(&n, &peer.sa), "but not %s", nets[i].out);
	}
	for (i = 0; i < nitems(bad); i++)
		ok(!net_parse(bad[i], &n), "no network: \"%s\"", bad[i]);
	test_addresses();
	test_no_delay();
	net_parse("::/0", &n);
	memset(&peer, 0, sizeof(peer));
	peer.sa.sa_family = AF_UNIX;
	ok(!net_holds(&n, &peer.sa), "nobody of another family");
	is_str(net_text(&peer.sa, text), "local", "who is local");
	set_peer("::ffff:192.0.2.1");
	is_str(net_text(&peer.sa, text), "192.0.2.1", "IPv4 in IPv6");
	set_peer("2001:db8::1");
	is_str(net_text(&peer.sa, text), "2001:db8::1", "IPv6");
	test_stays_here();
	return tap_done();
}
