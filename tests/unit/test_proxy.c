/* lib/proxy: both versions, whole and in pieces; everything else is bad. */
#include "lib/prelude.h"

#include <arpa/inet.h>

#include "lib/proxy.h"
#include "tests/show.h"
#include "tests/tap.h"

#define V2(cmd, family, len) "\r\n\r\n\0\r\nQUIT\n" cmd family len
#define V4_ADDRS "\xc0\x00\x02\x07\x0a\x00\x00\x01\x30\x39\x02\x4b"
#define V6_ADDR(last) "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0" last
#define ROW(text, want, source, port) \
	{ text, sizeof(text) - 1, want, source, port }

static const struct {
	const char *text;
	size_t	 n;
	enum proxy_got want;
	const char *source;	/* NULL: none is said */
	int	 port;
} rows[] = {
	/* the specification's own examples of version 1, and its longest lines */
	ROW("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
	    PROXY_DONE, "255.255.255.255", 65535),
	ROW("PROXY TCP6 ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n",
	    PROXY_BAD, NULL, 0),
	ROW("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
	    PROXY_DONE, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535),
	ROW("PROXY UNKNOWN\r\n", PROXY_DONE, NULL, 0),
	ROW("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
	    PROXY_DONE, NULL, 0),
	ROW("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", PROXY_DONE,
	    "192.168.0.1", 56324),
	ROW("PROXY TCP4 192.0.2.7 10.0.0.1 0 0\r\n", PROXY_DONE, "192.0.2.7",
	    0),
	ROW("PROXY TCP6 2001:db8::1 ::1 1 2\r\n", PROXY_DONE, "2001:db8::1",
	    1),

	ROW("PROXY\r\n", PROXY_BAD, NULL, 0),
	ROW("PROXY \r\n", PROXY_BAD, NULL, 0),
	ROW("PROXY  TCP4 192.0.2.7 10.0.0.1 1 2\r\n", PROXY_BAD, NULL, 0),
	ROW("proxy TCP4 192.0.2.7 10.0.0.1 1 2\r\n", PROXY_BAD, NULL, 0),
	ROW("PROXY tcp4 192.0.2.7 10.0.0.1 1 2\r\n", PROXY_BAD, NULL, 0),
	ROW("PROXY TCP5 192.0.2.7 10.0.0.1 1 2\r\n", PROXY_BAD, NULL, 0),
	ROW("PROXY UDP4 192.0.2.7 10.0.0.1 1 2\r\n", PROXY_BAD, NULL, 0),
	ROW("PROXY TCP4 192.0.2.7 10.0.0.1 1\r\n", PROXY_BAD, NULL, 0),
	ROW("PROXY TCP4 192.0.2.7 10.0.0.1 1 2 3\r\n", PROXY_BAD, NULL, 0),
	ROW("PROXY TCP4 192.0.2.7 10.0.0.1 1 2 \r\n", PROXY_BAD, NULL, 0),
	ROW("PROXY TCP4 192.0.2.7  10.0.0.1 1 2\r\n", PROXY_BAD, NULL, 0),
	ROW("PROXY TCP4 192.0.2.7 10.0.0.1 1 65536\r\n", PROXY_BAD, NULL, 0),
	ROW("PROXY TCP4 192.0.2.7 10.0.0.1 65536 1\r\n", PROXY_BAD, NULL, 0),
	ROW("PROXY TCP4 192.0.2.7 10.0.0.1 -1 2\r\n", PROXY_BAD, NULL, 0),
	ROW("PROXY TCP4 192.0.2.7 10.0.0.1 01 2\r\n", PROXY_BAD, NULL, 0),
	ROW("PROXY TCP4 192.0.2 10.0.0.1 1 2\r\n", PROXY_BAD, NULL, 0),
	ROW("PROXY TCP4 192.0.2.256 10.0.0.1 1 2\r\n", PROXY_BAD, NULL, 0),
	ROW("PROXY TCP4 2001:db8::1 ::1 1 2\r\n", PROXY_BAD, NULL, 0),
	ROW("PROXY TCP6 192.0.2.7 10.0.0.1 1 2\r\n", PROXY_BAD, NULL, 0),
	ROW("PROXY TCP4 192.0.2.7 10.0.0.1 1 2\n", PROXY_BAD, NULL, 0),
	ROW("PROXY TCP4 192.0.2.7\0 10.0.0.1 1 2\r\n", PROXY_BAD, NULL, 0),
	ROW("PROXY TCP4 192.0.2.7 10.0.0.1 1 2", PROXY_MORE, NULL, 0),
	ROW("PROXY TCP4 192.0.2.7 10.0.0.1 1 2\r", PROXY_MORE, NULL, 0),
	ROW("PROXY UNKNOWN 0123456789012345678901234567890123456789012345678901"
	    "234567890123456789012345678901234567890123456789\r\n", PROXY_BAD,
	    NULL, 0),
	ROW("", PROXY_MORE, NULL, 0), ROW("P", PROXY_MORE, NULL, 0),
	ROW("\r\n", PROXY_MORE, NULL, 0), ROW("\r\n\r\n\0\r\nQUIT",
	    PROXY_MORE, NULL, 0),

	/* version 2 */
	ROW(V2("\x21", "\x11", "\x00\x0c") V4_ADDRS, PROXY_DONE, "192.0.2.7",
	    12345),
	ROW(V2("\x21", "\x11", "\x00\x0f") V4_ADDRS "\x04\0\0", PROXY_DONE,
	    "192.0.2.7", 12345),
	ROW(V2("\x21", "\x21", "\x00\x24") V6_ADDR("\x07") V6_ADDR("\x01")
	    "\x30\x39\x02\x4b", PROXY_DONE, "2001:db8::7", 12345),
	ROW(V2("\x20", "\x00", "\x00\x00"), PROXY_DONE, NULL, 0),
	ROW(V2("\x20", "\x11", "\x00\x0c") V4_ADDRS, PROXY_DONE, NULL, 0),
	ROW(V2("\x20", "\xff", "\x00\x00"), PROXY_DONE, NULL, 0),
	ROW(V2("\x21", "\x00", "\x00\x00"), PROXY_DONE, NULL, 0),
	ROW(V2("\x21", "\x00", "\x00\x02") "xy", PROXY_DONE, NULL, 0),
	ROW(V2("\x21", "\x11", "\x00\x0b") V4_ADDRS, PROXY_BAD, NULL, 0),
	ROW(V2("\x21", "\x11", "\x00\x00"), PROXY_BAD, NULL, 0),
	ROW(V2("\x21", "\x21", "\x00\x0c") V4_ADDRS, PROXY_BAD, NULL, 0),
	ROW(V2("\x21", "\x12", "\x00\x0c") V4_ADDRS, PROXY_BAD, NULL, 0),
	ROW(V2("\x21", "\x31", "\x00\x0c") V4_ADDRS, PROXY_BAD, NULL, 0),
	ROW(V2("\x21", "\x41", "\x00\x0c") V4_ADDRS, PROXY_BAD, NULL, 0),
	ROW(V2("\x22", "\x11", "\x00\x0c") V4_ADDRS, PROXY_BAD, NULL, 0),
	ROW(V2("\x11", "\x11", "\x00\x0c") V4_ADDRS, PROXY_BAD, NULL, 0),
	ROW(V2("\x31", "\x11", "\x00\x0c") V4_ADDRS, PROXY_BAD, NULL, 0),
	ROW(V2("\x21", "\x11", "\x04\x00") V4_ADDRS, PROXY_BAD, NULL, 0),
	ROW(V2("\x21", "\x11", "\xff\xff") V4_ADDRS, PROXY_BAD, NULL, 0),
	ROW(V2("\x21", "\x11", "\x00\x10") V4_ADDRS, PROXY_MORE, NULL, 0),
	ROW("\r\n\r\n\0\r\nQUIT\r", PROXY_BAD, NULL, 0),

	/* what else may come in */
	ROW("EHLO client.example\r\n", PROXY_BAD, NULL, 0),
	ROW("\x16\x03\x01\x02\x00\x01\x00", PROXY_BAD, NULL, 0),
	ROW("GET / HTTP/1.1\r\n", PROXY_BAD, NULL, 0),
	ROW("\r\n\r\nQUIT\r\n", PROXY_BAD, NULL, 0),
	ROW("\0", PROXY_BAD, NULL, 0), ROW("\n", PROXY_BAD, NULL, 0),
	ROW("PROXYTCP4", PROXY_BAD, NULL, 0),
};

static const char *
source_of(const struct proxy *px)
{
	static char text[INET6_ADDRSTRLEN];

	if (!px->has_source)
		return NULL;
	inet_ntop(px->source.sa.sa_family, px->source.sa.sa_family == AF_INET ?
	    (const void *)&px->source.in.sin_addr :
	    (const void *)&px->source.in6.sin6_addr, text, sizeof(text));
	return text;
}

static void
test_rows(void)
{
	struct proxy px;
	size_t i, used;

	for (i = 0; i < nitems(rows); i++) {
		const uint8_t *p = (const uint8_t *)rows[i].text;
		enum proxy_got got = proxy_parse(p, rows[i].n, &used, &px);

		if (!ok(got == rows[i].want, "%s", show(p, rows[i].n)) ||
		    got != PROXY_DONE)
			continue;
		is_int(used, rows[i].n, "all of it");
		is_str(source_of(&px), rows[i].source, "its source");
		if (px.has_source)
			is_int(ntohs(px.source.sa.sa_family == AF_INET ?
			    px.source.in.sin_port : px.source.in6.sin6_port),
			    rows[i].port, "and port");
	}
}

/* A header that is whole is MORE at each length before, and DONE before more. */
static void
test_pieces(void)
{
	uint8_t text[512];
	struct proxy px;
	size_t i, n, used;
	bool good;

	for (i = 0; i < nitems(rows); i++) {
		if (rows[i].want != PROXY_DONE)
			continue;
		good = true;
		for (n = 0; n < rows[i].n; n++)
			good = good && proxy_parse(
			    (const uint8_t *)rows[i].text, n, &used, &px) ==
			    PROXY_MORE;
		ok(good, "in pieces: %s", show(rows[i].text, rows[i].n));
		memcpy(text, rows[i].text, rows[i].n);
		memcpy(text + rows[i].n, "EHLO x\r\n", 8);
		ok(proxy_parse(text, rows[i].n + 8, &used, &px) == PROXY_DONE &&
		    used == rows[i].n, "and what follows is not its");
	}
}

int
main(void)
{
	test_rows();
	test_pieces();
	return tap_done();
}
