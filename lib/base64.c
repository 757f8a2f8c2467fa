#include "lib/prelude.h"

#include "lib/base64.h"

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* `tail` are the last two of the alphabet; -1: no character of it. */
static int
value(char c, const char *tail)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == tail[0] ? 62 : c == tail[1] ? 63 : -1;
}

/* Without padding. What is left over at the end must be zero: one text a value. */
static int
decode(const char *s, size_t len, const char *tail, struct buf *out)
{
	unsigned int have = 0;
	uint32_t bits = 0;
	size_t i;
	int v;

	for (i = 0; i < len; i++) {
		if ((v = value(s[i], tail)) == -1)
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

/* How many of the last four characters are padding: 0, 1 or 2. */
static size_t
padding(const char *s, size_t len)
{
	if (len == 0 || s[len - 1] != '=')
		return 0;
	return s[len - 2] == '=' ? 2 : 1;
}

int
base64_decode(const char *s, size_t len, struct buf *out)
{
	return len % 4 != 0 ? -1 :
	    decode(s, len - padding(s, len), "+/", out);
}

int
base64url_decode(const char *s, size_t len, struct buf *out)
{
	return len % 4 == 1 ? -1 : decode(s, len, "-_", out);
}

int
base64_encode(const void *p, size_t len, struct buf *out)
{
	const uint8_t *b = p;
	size_t i;

	for (i = 0; i < len; i += 3) {
		size_t left = len - i;
		uint32_t bits = (uint32_t)b[i] << 16 |
		    (left > 1 ? (uint32_t)b[i + 1] << 8 : 0) |
		    (left > 2 ? (uint32_t)b[i + 2] : 0);
		char text[4] = { alphabet[bits >> 18], alphabet[bits >> 12 & 63],
		    left > 1 ? alphabet[bits >> 6 & 63] : '=',
		    left > 2 ? alphabet[bits & 63] : '=' };

		if (buf_add(out, text, sizeof(text)) == -1)
			return -1;
	}
	return 0;
}
