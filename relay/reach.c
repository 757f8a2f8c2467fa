#include "lib/prelude.h"

#include <netinet/in.h>

#include "relay/reach.h"

/* RFC 6890: not for talking to others. */
static bool
is_outside_v4(const uint8_t a[4])
{
	return a[0] != 0 && a[0] != 127 && a[0] < 224 &&
	    !(a[0] == 169 && a[1] == 254);
}

static bool
is_outside_v6(const uint8_t a[16])
{
	static const uint8_t zero[12], mapped[12] = { [10] = 0xff,
	    [11] = 0xff }, nat64[12] = { 0, 0x64, 0xff, 0x9b };

	/* The first twelve hold ::, ::1 and RFC 4291's old form of IPv4. */
	if (memcmp(a, zero, 12) == 0)
		return false;
	if (memcmp(a, mapped, 12) == 0 || memcmp(a, nat64, 12) == 0)
		return is_outside_v4(a + 12);
	return a[0] != 0xff && !(a[0] == 0xfe && (a[1] & 0xc0) == 0x80);
}

bool
reach_is_outside(int family, const void *addr)
{
	return family == AF_INET ? is_outside_v4(addr) : is_outside_v6(addr);
}
