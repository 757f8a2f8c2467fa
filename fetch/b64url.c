#include "lib/prelude.h"

#include "fetch/b64url.h"

/* RFC 4648 5; -1: no character of it. */
static int
value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

int
b64url_decode(const char *in, size_t len, struct buf *out)
{
	uint32_t bits = 0;
	unsigned int have = 0;
	size_t i;
	int v;

	if (len % 4 == 1)
		return -1;
	for (i = 0; i < len; i++) {
		if ((v = value(in[i])) == -1)
			return -1;
		bits = bits << 6 | (uint32_t)v;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		if (buf_addc(out, (uint8_t)(bits >> have)) == -1)
			return -1;
		bits &= (1u << have) - 1;
	}
	return bits == 0 ? 0 : -1;
}
