/* relay/reach: whom DNS may send us to. */
#include "lib/prelude.h"

#include <arpa/inet.h>

#include "relay/reach.h"
#include "tests/tap.h"

int
main(void)
{
	static const struct {
		const char *address;
		bool outside;
	} rows[] = {
		{ "192.0.2.1", true }, { "8.8.8.8", true },
		{ "10.1.2.3", true }, { "172.16.0.1", true },
		{ "192.168.1.25", true }, { "100.64.0.1", true },
		{ "126.255.255.255", true }, { "128.0.0.1", true },
		{ "223.255.255.255", true }, { "169.253.0.1", true },
		{ "0.0.0.0", false }, { "0.1.2.3", false },
		{ "127.0.0.1", false }, { "127.255.255.255", false },
		{ "169.254.169.254", false }, { "224.0.0.1", false },
		{ "239.1.2.3", false }, { "240.0.0.1", false },
		{ "255.255.255.255", false },
		{ "2001:db8::1", true }, { "fd00::1", true },
		{ "2606:4700::1111", true }, { "fec0::1", true },
		{ "64:ff9b::192.0.2.1", true },
		{ "::ffff:192.0.2.1", true },
		{ "::", false }, { "::1", false }, { "::127.0.0.1", false },
		{ "::192.0.2.1", false },
		{ "::ffff:127.0.0.1", false }, { "::ffff:0.0.0.0", false },
		{ "64:ff9b::127.0.0.1", false },
		{ "fe80::1", false }, { "febf::1", false },
		{ "ff02::1", false },
	};
	struct in6_addr addr;
	size_t i;
	int family;

	for (i = 0; i < nitems(rows); i++) {
		family = strchr(rows[i].address, ':') == NULL ? AF_INET :
		    AF_INET6;
		ok(inet_pton(family, rows[i].address, &addr) == 1 &&
		    reach_is_outside(family, &addr) == rows[i].outside,
		    "%s is %s", rows[i].address, rows[i].outside ? "outside" :
		    "no place for mail");
	}
	return tap_done();
}
