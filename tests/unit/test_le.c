/* lib/le: the bytes on disk are these, whatever the machine's order is. */
#include "lib/prelude.h"

#include "lib/le.h"
#include "tests/tap.h"

int
main(void)
{
	static const uint8_t bytes[] = { 0xee, 0x88, 0x77, 0x66, 0x55, 0x44,
	    0x33, 0x22, 0x81, 0xee };
	uint8_t p[sizeof(bytes)];

	memset(p, 0xee, sizeof(p));
	put_u64le(p + 1, 0x8122334455667788);
	ok(memcmp(p, bytes, sizeof(p)) == 0, "64 bits, at any address");
	ok(get_u64le(bytes + 1) == 0x8122334455667788, "and back");
	memset(p, 0xee, sizeof(p));
	put_u32le(p + 1, 0x55667788);
	ok(memcmp(p, bytes, 5) == 0 && p[5] == 0xee, "32 bits");
	ok(get_u32le(bytes + 5) == 0x81223344, "and back, the highest bit set");
	put_u64le(p, UINT64_MAX);
	ok(get_u64le(p) == UINT64_MAX && get_u32le(p + 4) == UINT32_MAX,
	    "all bits");
	return tap_done();
}
