#include "lib/prelude.h"

#include <arpa/inet.h>
#include <strings.h>

#include "lib/addr.h"

#define LABEL_MAX 63		/* RFC 1035 2.3.4 */

/* RFC 5321 4.1.3; any case is taken, this one is written. */
static const char ipv6_tag[] = "IPv6:";
#define IPV6_TAG_LEN (sizeof(ipv6_tag) - 1)

static bool
alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9');
}

/* RFC 5322 3.2.3 */
static bool
atext(char c, int flags)
{
	return alnum(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c)) ||
	    ((flags & ADDR_UTF8) && (uint8_t)c >= 0x80);
}

/* Length of the UTF-8 sequence at p, 0 when ill-formed (RFC 3629 4). */
static size_t
utf8_len(const uint8_t *p, size_t n)
{
	static const struct {
		uint8_t lead_min, lead_max, second_min, second_max;
		size_t len;
	} rows[] = {
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};
	size_t i, j;

	if (p[0] < 0x80)
		return 1;
	for (i = 0; i < nitems(rows); i++) {
		if (p[0] < rows[i].lead_min || p[0] > rows[i].lead_max)
			continue;
		if (n < rows[i].len || p[1] < rows[i].second_min ||
		    p[1] > rows[i].second_max)
			return 0;
		for (j = 2; j < rows[i].len; j++)
			if (p[j] < 0x80 || p[j] > 0xbf)
				return 0;
		return rows[i].len;
	}
	return 0;
}

bool
addr_is_8bit(const char *s, size_t n)
{
	uint64_t word, all = 0;

	for (; n >= sizeof(word); s += sizeof(word), n -= sizeof(word)) {
		memcpy(&word, s, sizeof(word));
		all |= word;
	}
	while (n-- > 0)
		all |= (uint8_t)*s++;
	return (all & 0x8080808080808080ULL) != 0;
}

bool
addr_utf8_well_formed(const char *s, size_t n)
{
	const uint8_t *p = (const uint8_t *)s;
	size_t i = 0, len = 1;

	for (; i < n && len != 0; i += len)
		len = utf8_len(p + i, n - i);
	return len != 0;
}

bool
addr_utf8_ok(const char *s, size_t n)
{
	const uint8_t *p = (const uint8_t *)s;
	size_t i;

	for (i = 0; i < n; i++) {
		if (p[i] < 0x20 || p[i] == 0x7f)
			return false;
		/* U+0080..U+009f are controls as well. */
		if (p[i] == 0xc2 && i + 1 < n && p[i + 1] < 0xa0)
			return false;
	}
	return addr_utf8_well_formed(s, n);
}

/* --- domains --------------------------------------------------------------------- */

/*
 * What IDNA 2008 (RFC 5892) allows in no label, as far as it looks like
 * something else, like nothing at all, or is read by some as a dot, a slash or
 * other ASCII: a domain that can be read in two ways is none. Whether the rest
 * makes a name is for the look-up to say.
 */
static const struct {
	uint32_t first, last;
} not_in_labels[] = {
	{ 0x80, 0xb6 }, { 0xb8, 0xbf }, { 0xd7, 0xd7 }, { 0xf7, 0xf7 },
	{ 0x34f, 0x34f }, { 0x61c, 0x61c }, { 0x115f, 0x1160 },
	{ 0x17b4, 0x17b5 }, { 0x180b, 0x180f }, { 0x2000, 0x200b },
	{ 0x200e, 0x214d }, { 0x214f, 0x2183 }, { 0x2185, 0x2bff },
	{ 0x2e00, 0x2e2e }, { 0x2e30, 0x2e7f },
	{ 0x2f00, 0x3004 }, { 0x3008, 0x3029 }, { 0x302e, 0x303b },
	{ 0x303d, 0x3040 }, { 0x3164, 0x3164 }, { 0x3200, 0x33ff },
	{ 0xd800, 0xf8ff }, { 0xfdd0, 0xfdef }, { 0xfe00, 0xfe1f },
	{ 0xfe30, 0xfe72 }, { 0xfeff, 0xffff }, { 0x1d400, 0x1d7ff },
	{ 0x1f000, 0x1faff }, { 0xe0000, 0x10ffff },
};

/* Of a well-formed sequence of two bytes or more. */
static uint32_t
code_point(const uint8_t *p, size_t len)
{
	uint32_t c = p[0] & (0x7fU >> len);
	size_t i;

	for (i = 1; i < len; i++)
		c = c << 6 | (p[i] & 0x3f);
	return c;
}

static bool
in_labels(const char *s, size_t n)
{
	const uint8_t *p = (const uint8_t *)s;
	size_t i, k, len;
	uint32_t c;

	for (i = 0; i < n; i += len) {
		len = utf8_len(p + i, n - i);
		c = len > 1 ? code_point(p + i, len) : 0;
		for (k = 0; k < nitems(not_in_labels) &&
		    c >= not_in_labels[k].first; k++)
			if (c <= not_in_labels[k].last)
				return false;
	}
	return true;
}

bool
addr_is_domain(const char *s, size_t n, int flags)
{
	size_t i, label = 0;
	char last = '.';
	bool all_digits = true;		/* of the last label: that is no TLD */

	if (n == 0 || n > ADDR_DOMAIN_MAX)
		return false;
	if (addr_is_8bit(s, n) && ((flags & ADDR_UTF8) == 0 ||
	    !addr_utf8_ok(s, n) || !in_labels(s, n)))
		return false;
	for (i = 0; i < n; i++) {
		char c = s[i];

		if (c == '.') {
			if (last == '.' || last == '-')
				return false;
			label = 0;
			all_digits = true;
		} else if (c == '-') {
			if (last == '.')
				return false;
			all_digits = false;
			label++;
		} else if (alnum(c) || (uint8_t)c >= 0x80) {
			if (c < '0' || c > '9')
				all_digits = false;
			label++;
		} else
			return false;
		if (label > LABEL_MAX)
			return false;
		last = c;
	}
	return last != '.' && last != '-' && !all_digits;
}

/*
 * RFC 5321 4.1.3: "::" stands for two groups at least, so beside it there are
 * six at most; an IPv4 tail counts as two. text is an IPv6 address.
 */
static bool
strict_ipv6(const char *text)
{
	size_t groups = strchr(text, '.') != NULL;
	const char *p;

	if (strstr(text, "::") == NULL)
		return true;
	for (p = text; *p != '\0'; p++)
		if (*p != ':' && (p == text || p[-1] == ':'))
			groups++;
	return groups <= 6;
}

/* No tag but IPv6 was ever registered: others are refused, not guessed. */
bool
addr_is_literal(const char *s, size_t n)
{
	char text[INET6_ADDRSTRLEN];
	uint8_t bytes[16];
	int family = AF_INET;

	if (n < 2 || s[0] != '[' || s[n - 1] != ']')
		return false;
	s++;
	n -= 2;
	if (n > IPV6_TAG_LEN && strncasecmp(s, ipv6_tag, IPV6_TAG_LEN) == 0) {
		family = AF_INET6;
		s += IPV6_TAG_LEN;
		n -= IPV6_TAG_LEN;
	}
	if (n >= sizeof(text) || memchr(s, '\0', n) != NULL)
		return false;
	memcpy(text, s, n);
	text[n] = '\0';
	return inet_pton(family, text, bytes) == 1 &&
	    (family == AF_INET || strict_ipv6(text));
}

/* --- local parts -------------------------------------------------------------------- */

/* A quoted string from s[0] == '"'; the length of it, 0 when ill-formed. */
static size_t
quoted_len(const char *s, size_t n, int flags)
{
	size_t i;

	for (i = 1; i < n; i++) {
		uint8_t c = (uint8_t)s[i];

		if (c == '"')
			return i + 1;
		if (c == '\\') {	/* quoted-pairSMTP: %d92 %d32-126 */
			c = ++i < n ? (uint8_t)s[i] : 0;
			if (c >= 0x80)	/* RFC 6531 3.3 leaves it so */
				return 0;
		}
		if (c < 0x20 || c == 0x7f ||
		    (c >= 0x80 && !(flags & ADDR_UTF8)))
			return 0;
	}
	return 0;
}

static size_t
dot_string_len(const char *s, size_t n, int flags)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (atext(s[i], flags))
			continue;
		if (s[i] != '.' || i == 0 || s[i - 1] == '.' || i + 1 == n ||
		    s[i + 1] == '@')
			break;
	}
	return i;
}

const char *
addr_parse(const char *s, size_t n, int flags, struct addr *a)
{
	struct addr out;

	if (n == 0)
		return "address is empty";
	if (n > ADDR_MAX)
		return "address is longer than 254 bytes";
	out.local = s;
	out.local_len = s[0] == '"' ? quoted_len(s, n, flags) :
	    dot_string_len(s, n, flags);
	if (out.local_len == 0)
		return "local part is malformed";
	if (out.local_len == n)
		return "address has no domain";
	if (s[out.local_len] != '@')
		return "local part is malformed";
	if (out.local_len > ADDR_LOCAL_MAX)
		return "local part is longer than 64 bytes";
	if (addr_is_8bit(s, n) && !addr_utf8_ok(s, n))
		return "address is not valid UTF-8";
	out.domain = s + out.local_len + 1;
	out.domain_len = n - out.local_len - 1;
	if (addr_is_domain(out.domain, out.domain_len, flags))
		out.kind = ADDR_DOMAIN;
	else if (addr_is_literal(out.domain, out.domain_len))
		out.kind = ADDR_LITERAL;
	else
		return "domain is malformed";
	if (a != NULL)
		*a = out;
	return NULL;
}

/* --- comparing ------------------------------------------------------------------------ */

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

char *
addr_lower(char *s)
{
	char *p;

	for (p = s; *p != '\0'; p++)
		*p = lower(*p);
	return s;
}

/* Takes quotes and backslashes off; the bare text never grows. */
static size_t
unquote(const struct addr *a, char out[ADDR_LOCAL_MAX])
{
	size_t i, n = 0;

	if (a->local[0] != '"') {
		memcpy(out, a->local, a->local_len);
		return a->local_len;
	}
	for (i = 1; i + 1 < a->local_len; i++) {
		if (a->local[i] == '\\')
			i++;
		out[n++] = a->local[i];
	}
	return n;
}

void
addr_canonical(const struct addr *a, char out[ADDR_MAX + 2])
{
	char bare[ADDR_LOCAL_MAX], *o = out;
	size_t i, n = unquote(a, bare), tag = 0;
	bool quote = n == 0 || dot_string_len(bare, n, ADDR_UTF8) != n;

	if (quote)
		*o++ = '"';
	for (i = 0; i < n; i++) {
		if (quote && (bare[i] == '"' || bare[i] == '\\'))
			*o++ = '\\';
		*o++ = bare[i];
	}
	if (quote)
		*o++ = '"';
	*o++ = '@';
	if (a->kind == ADDR_LITERAL && a->domain_len > IPV6_TAG_LEN &&
	    strncasecmp(a->domain + 1, ipv6_tag, IPV6_TAG_LEN) == 0)
		tag = IPV6_TAG_LEN;
	for (i = 0; i < a->domain_len; i++)
		*o++ = i > 0 && i <= tag ? ipv6_tag[i - 1] :
		    lower(a->domain[i]);
	*o = '\0';
}

const char *
addr_domain_of(const char *address)
{
	const char *at = strrchr(address, '@');

	return at == NULL ? "" : at + 1;
}

bool
addr_match(const char *pattern, const char *address)
{
	if (pattern[0] == '@')
		return pattern[1] != '\0' &&
		    strcasecmp(pattern + 1, addr_domain_of(address)) == 0;
	return strcasecmp(pattern, address) == 0;
}

/* A quoted local part has no tag: its quote would stand in the middle. */
bool
addr_covers(const char *pattern, char plus, const char *address)
{
	const char *at = strrchr(pattern, '@');
	size_t n;

	if (addr_match(pattern, address))
		return true;
	if (plus == '\0' || at == NULL || at == pattern || *pattern == '"')
		return false;
	n = (size_t)(at - pattern);
	return strncasecmp(pattern, address, n) == 0 && address[n] == plus &&
	    strchr(address + n, '"') == NULL &&
	    strcasecmp(at + 1, addr_domain_of(address)) == 0;
}
