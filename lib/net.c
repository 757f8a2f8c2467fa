#include "lib/prelude.h"

#include <sys/socket.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <strings.h>

#include "lib/log.h"
#include "lib/net.h"
#include "lib/num.h"

#define MAPPED_BITS 96		/* ::ffff:0:0/96, RFC 4291 2.5.5.2 */

static void
map(const void *v4, uint8_t bytes[16])
{
	memset(bytes, 0, 10);
	memset(bytes + 10, 0xff, 2);
	memcpy(bytes + 12, v4, 4);
}

/* Whether a and b agree in their first bits. */
static bool
agree(const uint8_t a[16], const uint8_t b[16], unsigned int bits)
{
	size_t whole = bits / 8;
	uint8_t mask = (uint8_t)(0xff00 >> bits % 8);

	return memcmp(a, b, whole) == 0 && (bits % 8 == 0 ||
	    ((a[whole] ^ b[whole]) & mask) == 0);
}

static bool
clear_behind(const struct net *n)
{
	unsigned int i;

	for (i = n->bits; i < 128; i++)
		if (n->bytes[i / 8] & (0x80 >> i % 8))
			return false;
	return true;
}

bool
net_parse(const char *text, struct net *n)
{
	char addr[INET6_ADDRSTRLEN];
	const char *slash = strchrnul(text, '/');
	uint8_t v4[4];
	uint64_t bits;
	bool mapped;

	if ((size_t)(slash - text) >= sizeof(addr))
		return false;
	snprintf(addr, sizeof(addr), "%.*s", (int)(slash - text), text);
	mapped = inet_pton(AF_INET, addr, v4) == 1;
	if (mapped)
		map(v4, n->bytes);
	else if (inet_pton(AF_INET6, addr, n->bytes) != 1)
		return false;
	bits = mapped ? 32 : 128;
	if (*slash == '/' && num_parse(slash + 1, strlen(slash + 1), 0, bits,
	    &bits) == -1)
		return false;
	n->bits = (unsigned int)bits + (mapped ? MAPPED_BITS : 0);
	return clear_behind(n);
}

static bool
is_v4(const struct net *n)
{
	uint8_t prefix[16], zero[4] = { 0 };

	map(zero, prefix);
	return agree(n->bytes, prefix, MAPPED_BITS);
}

bool
net_is_host(const struct net *n)
{
	static const uint8_t none[16];

	if (is_v4(n))		/* RFC 1122 3.2.1.3, RFC 1112 4 */
		return n->bytes[12] != 0 && n->bytes[12] < 224;
	return n->bytes[0] != 0xff && memcmp(n->bytes, none, 16) != 0;
}

bool
net_is_loopback(const struct net *n)
{
	static const uint8_t one[16] = { [15] = 1 };

	return is_v4(n) ? n->bytes[12] == 127 : memcmp(n->bytes, one, 16) == 0;
}

/* "127.evil.example" is a name like any other. */
bool
net_stays_here(const char *host)
{
	struct net n;

	return strcasecmp(host, "localhost") == 0 || (net_parse(host, &n) &&
	    n.bits == 128 && net_is_loopback(&n));
}

const char *
net_print(const struct net *n, char text[NET_TEXT_LEN])
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

	memcpy(&in6.sin6_addr, n->bytes, sizeof(n->bytes));
	return net_text((const struct sockaddr *)(const void *)&in6, text);
}

const char *
net_print_prefix(const struct net *n, char text[NET_PREFIX_LEN])
{
	bool mapped = n->bits >= MAPPED_BITS && is_v4(n);
	char address[NET_TEXT_LEN];

	net_print(n, address);
	if (n->bits == 128)
		snprintf(text, NET_PREFIX_LEN, "%s", address);
	else
		snprintf(text, NET_PREFIX_LEN, "%s/%u", address,
		    mapped ? n->bits - MAPPED_BITS : n->bits);
	return text;
}

bool
net_covers(const struct net *n, const struct net *other)
{
	return other->bits >= n->bits && agree(n->bytes, other->bytes, n->bits);
}

bool
net_holds(const struct net *n, const struct sockaddr *sa)
{
	uint8_t bytes[16];

	if (sa->sa_family == AF_INET)
		map(&((const struct sockaddr_in *)(const void *)sa)->sin_addr,
		    bytes);
	else if (sa->sa_family == AF_INET6)
		memcpy(bytes, &((const struct sockaddr_in6 *)(const void *)sa)->
		    sin6_addr, sizeof(bytes));
	else
		return false;
	return agree(n->bytes, bytes, n->bits);
}

const char *
net_text(const struct sockaddr *sa, char text[NET_TEXT_LEN])
{
	const struct sockaddr_in *in = (const void *)sa;
	const struct sockaddr_in6 *in6 = (const void *)sa;

	snprintf(text, NET_TEXT_LEN, "local");
	if (sa->sa_family == AF_INET)
		inet_ntop(AF_INET, &in->sin_addr, text, NET_TEXT_LEN);
	else if (sa->sa_family == AF_INET6 &&
	    IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		inet_ntop(AF_INET, in6->sin6_addr.s6_addr + 12, text,
		    NET_TEXT_LEN);
	else if (sa->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &in6->sin6_addr, text, NET_TEXT_LEN);
	return text;
}

void
net_no_delay(int fd)
{
	int on = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == -1)
		log_warn("TCP_NODELAY");
}
