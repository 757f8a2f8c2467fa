/* What a single word may be, whichever option it stands in. */
#include "lib/prelude.h"

#include <arpa/inet.h>

#include "lib/addr.h"
#include "lib/num.h"
#include "posternd/verify.h"

bool
verify_is_address(const char *text)
{
	unsigned char bin[16];

	return inet_pton(AF_INET, text, bin) == 1 ||
	    inet_pton(AF_INET6, text, bin) == 1;
}

const char *
verify_next_hop(const char *text, struct next_hop *nh)
{
	const char *host, *end;
	size_t len;
	uint64_t port;
	bool literal;

	memset(nh, 0, sizeof(*nh));
	nh->mx = strcmp(text, "mx") == 0;
	if (nh->mx)
		return NULL;
	nh->implicit_tls = strncmp(text, "smtps://", 8) == 0;
	if (!nh->implicit_tls && strncmp(text, "smtp://", 7) != 0)
		return "it is \"mx\", \"smtps://HOST\" or \"smtp://HOST\"";
	host = strchr(text, '/') + 2;
	literal = *host == '[';
	end = literal ? strchr(host, ']') : host + strcspn(host, ":");
	if (end == NULL)
		return "the ] is missing";
	len = (size_t)(end - host) - literal;
	if (len == 0 || len >= sizeof(nh->host))
		return "the host's name is missing or too long";
	snprintf(nh->host, sizeof(nh->host), "%.*s", (int)len, host + literal);
	if (!verify_is_address(nh->host) && (literal ||
	    !addr_is_domain(nh->host, len, 0)))
		return "the host should be a DNS name or an address, without "
		    "anything but :PORT behind";
	end += literal;
	nh->port = nh->implicit_tls ? 465 : 587;
	if (*end == '\0')
		return NULL;
	if (*end != ':' || num_parse(end + 1, strlen(end + 1), 1, 65535, &port)
	    == -1)
		return "behind the host stands :PORT, 1 to 65535, or nothing";
	nh->port = (uint32_t)port;
	return NULL;
}

/* "*@b" is an address by the grammar, of nobody: a wildcard was meant. */
const char *
verify_pattern(const char *p)
{
	const char *domain = *p == '@' ? p + 1 : NULL;

	if (strchr(p, '*') != NULL)
		return "has a * in it, and there are no wildcards; "
		    "\"@example.org\" is everybody there, and each subdomain "
		    "is named by itself";
	if (domain != NULL ? addr_is_domain(domain, strlen(domain), ADDR_UTF8) :
	    addr_parse(p, strlen(p), ADDR_UTF8, NULL) == NULL)
		return NULL;
	return "is neither an address nor \"@domain\"";
}
