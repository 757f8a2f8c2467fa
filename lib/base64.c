#include "lib/prelude.h"

#include "lib/base64.h"

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int
value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* How many of the last four characters are padding: 0, 1 or 2. */
static size_t
padding(const char *s, size_t len)
{
	if (s[len - 1] != '=')
		return 0;
	return s[len - 2] == '=' ? 2 : 1;
}

int
base64_decode(const char *s, size_t len, struct buf *out)
{
	size_t i, j, pad = 0;

	if (len % 4 != 0)
		return -1;
	if (len > 0)
		pad = padding(s, len);
	for (i = 0; i < len; i += 4) {
		size_t take = i + 4 == len ? 4 - pad : 4;
		uint32_t bits = 0;
		uint8_t bytes[3];

		for (j = 0; j < 4; j++) {
			int v = j < take ? value(s[i + j]) : 0;

			if (v == -1)
				return -1;
			bits = bits << 6 | (uint32_t)v;
		}
		/* What the padding cuts off must be zero: one text per value. */
		if ((take == 3 && (bits & 0xff) != 0) ||
		    (take == 2 && (bits & 0xffff) != 0))
			return -1;
		bytes[0] = (uint8_t)(bits >> 16);
		bytes[1] = (uint8_t)(bits >> 8);
		bytes[2] = (uint8_t)bits;
		if (buf_add(out, bytes, take - 1) == -1)
			return -1;
	}
	return 0;
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
