/* PROXY headers: what is seen does not depend on how much follows or is here. */
#include "lib/prelude.h"

#include "lib/proxy.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct proxy px, again;
	size_t used = 0, i, u = 0;
	enum proxy_got got = proxy_parse(p, n, &used, &px), before;

	if (got == PROXY_DONE) {
		MUST(used > 0 && used <= n && used <= PROXY_MAX);
		MUST(!px.has_source || px.source.sa.sa_family == AF_INET ||
		    px.source.sa.sa_family == AF_INET6);
		MUST(proxy_parse(p, used, &u, &again) == PROXY_DONE);
		MUST(u == used && memcmp(&px, &again, sizeof(px)) == 0);
	}
	MUST(got != PROXY_MORE || n < PROXY_MAX);
	/* Once it is no header, no further byte makes it one. */
	for (i = 0; i < n && i < 300; i++) {
		before = proxy_parse(p, i, &u, &again);
		MUST(before != PROXY_BAD || got == PROXY_BAD);
		MUST(before != PROXY_DONE || (got == PROXY_DONE && u == used));
	}
	return 0;
}
