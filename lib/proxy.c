#include "lib/prelude.h"

#include <arpa/inet.h>

#include "lib/num.h"
#include "lib/proxy.h"

#define V1_MAX		107	/* with CRLF, by its specification */
#define V2_HEADER	16
#define V2_SIGNATURE	"\r\n\r\n\0\r\nQUIT\n"
#define V2_SIGNATURE_LEN 12

static const char v1_begin[] = "PROXY ";

/* --- version 1: one line of text ----------------------------------------------------- */

/* The next word of the line; words lie one space apart. */
static bool
next_word(const char **p, const char *end, char *out, size_t size)
{
	const char *space;
	size_t n;

	if (*p > end)
		return false;
	space = memchr(*p, ' ', (size_t)(end - *p));
	n = (size_t)((space == NULL ? end : space) - *p);
	if (n == 0 || n >= size || memchr(*p, '\0', n) != NULL)
		return false;
	memcpy(out, *p, n);
	out[n] = '\0';
	*p += n + 1;
	return true;
}

static bool
port(const char *text, in_port_t *out)
{
	uint64_t n;

	if ((text[0] == '0' && text[1] != '\0') ||
	    num_parse(text, strlen(text), 0, UINT16_MAX, &n) == -1)
		return false;
	*out = htons((uint16_t)n);
	return true;
}

static bool
v1_line(const char *p, const char *end, struct proxy *px)
{
	char family[8], from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];
	char from_port[6], to_port[6];
	uint8_t ignored[16];
	in_port_t number;
	bool v6;

	if (!next_word(&p, end, family, sizeof(family)))
		return false;
	if (strcmp(family, "UNKNOWN") == 0)	/* whatever follows */
		return true;
	v6 = strcmp(family, "TCP6") == 0;
	if ((!v6 && strcmp(family, "TCP4") != 0) ||
	    !next_word(&p, end, from, sizeof(from)) ||
	    !next_word(&p, end, to, sizeof(to)) ||
	    !next_word(&p, end, from_port, sizeof(from_port)) ||
	    !next_word(&p, end, to_port, sizeof(to_port)) || p <= end ||
	    inet_pton(v6 ? AF_INET6 : AF_INET, to, ignored) != 1 ||
	    !port(to_port, &number) || !port(from_port, &number))
		return false;
	px->has_source = true;
	px->source.sa.sa_family = v6 ? AF_INET6 : AF_INET;
	if (v6)
		px->source.in6.sin6_port = number;
	else
		px->source.in.sin_port = number;
	return inet_pton(px->source.sa.sa_family, from, v6 ?
	    (void *)&px->source.in6.sin6_addr :
	    (void *)&px->source.in.sin_addr) == 1;
}

static enum proxy_got
v1(const uint8_t *p, size_t n, size_t *used, struct proxy *px)
{
	const char *text = (const char *)p;
	const char *lf = memchr(p, '\n', n < V1_MAX ? n : V1_MAX);

	if (lf == NULL)
		return n < V1_MAX ? PROXY_MORE : PROXY_BAD;
	if (lf[-1] != '\r' || !v1_line(text + sizeof(v1_begin) - 1, lf - 1, px))
		return PROXY_BAD;
	*used = (size_t)(lf - text) + 1;
	return PROXY_DONE;
}

/* --- version 2: signature, version and command, family, length, addresses ------------- */

enum { CMD_LOCAL = 0, CMD_PROXY = 1 };
enum { FAMILY_NONE = 0x00, FAMILY_TCP4 = 0x11, FAMILY_TCP6 = 0x21,
    FAMILY_UNIX = 0x31 };

/* False when the family is no stream's, or its addresses do not fit. */
static bool
v2_source(uint8_t family, const uint8_t *p, size_t n, struct proxy *px)
{
	switch (family) {
	case FAMILY_NONE:
		return true;
	case FAMILY_UNIX:
		return n >= 216;	/* two paths of 108 */
	case FAMILY_TCP4:
		if (n < 12)
			return false;
		px->has_source = true;
		px->source.in.sin_family = AF_INET;
		memcpy(&px->source.in.sin_addr, p, 4);
		memcpy(&px->source.in.sin_port, p + 8, 2);
		return true;
	case FAMILY_TCP6:
		if (n < 36)
			return false;
		px->has_source = true;
		px->source.in6.sin6_family = AF_INET6;
		memcpy(&px->source.in6.sin6_addr, p, 16);
		memcpy(&px->source.in6.sin6_port, p + 32, 2);
		return true;
	}
	return false;
}

static enum proxy_got
v2(const uint8_t *p, size_t n, size_t *used, struct proxy *px)
{
	size_t len;

	if (n < V2_HEADER)
		return PROXY_MORE;
	len = (size_t)p[14] << 8 | p[15];
	if (p[12] >> 4 != 2 || (p[12] & 15) > CMD_PROXY ||
	    len > PROXY_MAX - V2_HEADER)
		return PROXY_BAD;
	if (n < V2_HEADER + len)
		return PROXY_MORE;
	/* What a proxy says of its own connections is of no interest. */
	if ((p[12] & 15) == CMD_PROXY && !v2_source(p[13], p + V2_HEADER, len,
	    px))
		return PROXY_BAD;
	*used = V2_HEADER + len;
	return PROXY_DONE;
}

/* Whether the n bytes are the beginning of it, or it theirs. */
static bool
begins(const uint8_t *p, size_t n, const void *with, size_t len)
{
	return memcmp(p, with, n < len ? n : len) == 0;
}

enum proxy_got
proxy_parse(const uint8_t *p, size_t n, size_t *used, struct proxy *px)
{
	memset(px, 0, sizeof(*px));
	if (n == 0)
		return PROXY_MORE;
	if (begins(p, n, V2_SIGNATURE, V2_SIGNATURE_LEN))
		return v2(p, n, used, px);
	if (begins(p, n, v1_begin, sizeof(v1_begin) - 1))
		return v1(p, n, used, px);
	return PROXY_BAD;
}
