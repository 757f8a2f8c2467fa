/* Addresses: what is taken has one canonical form, which is an address too. */
#include "lib/prelude.h"

#include "lib/addr.h"
#include "tests/fuzz/fuzz.h"

static void
one_address(const char *s, size_t n, int flags)
{
	char out[ADDR_MAX + 2], again[ADDR_MAX + 2], pattern[ADDR_MAX + 2];
	struct addr a;

	if (addr_parse(s, n, flags, &a) != NULL)
		return;
	MUST(n <= ADDR_MAX && a.local_len <= ADDR_LOCAL_MAX &&
	    a.local == s && a.domain + a.domain_len == s + n);
	addr_canonical(&a, out);
	MUST(strlen(out) <= n && strpbrk(out, "\r\n") == NULL);
	MUST((flags & ADDR_UTF8) != 0 || addr_parse(out, strlen(out),
	    ADDR_UTF8, NULL) == NULL);
	MUST(addr_parse(out, strlen(out), flags, &a) == NULL);
	addr_canonical(&a, again);
	MUST(strcmp(out, again) == 0);
	MUST(strlen(addr_domain_of(out)) == a.domain_len);
	snprintf(pattern, sizeof(pattern), "@%s", addr_domain_of(out));
	MUST(addr_match(out, out) && addr_match(pattern, out));
	MUST(addr_match(addr_lower(again), out));
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	const char *s = (const char *)p;
	bool domain = addr_is_domain(s, n, 0);

	one_address(s, n, 0);
	one_address(s, n, ADDR_UTF8);
	MUST(!domain || (addr_is_domain(s, n, ADDR_UTF8) &&
	    !addr_is_literal(s, n)));
	return 0;
}
