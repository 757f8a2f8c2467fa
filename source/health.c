#include "lib/prelude.h"

#include "source/health.h"

#define FAILURES_MAX	1	/* that are let pass */
#define FIRST_MS	2000
#define LONGEST_MS	30000

bool
health_ask(struct health *h, uint64_t now_ms)
{
	if (h->failures <= FAILURES_MAX)
		return true;
	if (now_ms < h->alone_ms || h->trying)
		return false;
	h->trying = true;
	return true;
}

bool
health_good(struct health *h)
{
	bool was_bad = h->failures > FAILURES_MAX;

	*h = (struct health){ 0 };
	return was_bad;
}

uint64_t
health_bad(struct health *h, uint64_t asked_ms, uint64_t now_ms)
{
	uint64_t pause = FIRST_MS;
	uint32_t i;

	if (h->failures > 0 && asked_ms < h->failed_ms)
		return 0;
	h->trying = false;
	h->failures++;
	h->failed_ms = now_ms;
	if (h->failures <= FAILURES_MAX)
		return 0;
	for (i = FAILURES_MAX + 1; i < h->failures && pause < LONGEST_MS; i++)
		pause *= 2;
	if (pause > LONGEST_MS)
		pause = LONGEST_MS;
	h->alone_ms = now_ms + pause;
	return pause;
}

void
health_untried(struct health *h)
{
	h->trying = false;
}
