#include "lib/prelude.h"

#include <time.h>

#include "lib/xalloc.h"
#include "tests/bench/tally.h"

uint64_t
tally_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

void
tally_add(struct tally *t, uint64_t us)
{
	if (t->n == t->size) {
		t->size = t->size == 0 ? 1024 : t->size * 2;
		t->us = xreallocarray(t->us, t->size, sizeof(*t->us));
	}
	t->us[t->n++] = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

void
tally_clear(struct tally *t)
{
	free(t->us);
	memset(t, 0, sizeof(*t));
}

static int
by_length(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static uint32_t
percentile(const struct tally *t, size_t percent)
{
	return t->n == 0 ? 0 : t->us[(t->n - 1) * percent / 100];
}

void
tally_print(struct tally *t)
{
	if (t->n > 1)
		qsort(t->us, t->n, sizeof(*t->us), by_length);
	printf("{\"n\": %zu, \"p50\": %u, \"p95\": %u, \"p99\": %u, \"max\": %u}",
	    t->n, percentile(t, 50), percentile(t, 95), percentile(t, 99),
	    percentile(t, 100));
}
