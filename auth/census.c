#include "lib/prelude.h"

#include "auth/census.h"
#include "lib/xalloc.h"

/* The first row with this count or more. */
static size_t
place(const struct census *c, uint32_t iterations)
{
	size_t i;

	for (i = 0; i < c->n && c->rows[i].iterations < iterations; i++)
		;
	return i;
}

void
census_add(struct census *c, uint32_t iterations)
{
	size_t i = place(c, iterations);

	if (i == c->n || c->rows[i].iterations != iterations) {
		c->rows = xreallocarray(c->rows, c->n + 1, sizeof(*c->rows));
		memmove(c->rows + i + 1, c->rows + i,
		    (c->n++ - i) * sizeof(*c->rows));
		c->rows[i] = (struct census_row){ iterations, 0 };
	}
	c->rows[i].accounts++;
	c->accounts++;
}

void
census_take(struct census *c, uint32_t iterations)
{
	size_t i = place(c, iterations);

	if (i == c->n || c->rows[i].iterations != iterations)
		return;
	c->accounts--;
	if (--c->rows[i].accounts == 0)
		memmove(c->rows + i, c->rows + i + 1,
		    (--c->n - i) * sizeof(*c->rows));
}

void
census_clear(struct census *c)
{
	free(c->rows);
	memset(c, 0, sizeof(*c));
}

uint32_t
census_draw(const struct census *c, uint64_t draw)
{
	uint64_t at = (uint64_t)((unsigned __int128)draw * c->accounts >> 64);
	size_t i;

	for (i = 0; i < c->n; i++) {
		if (at < c->rows[i].accounts)
			return c->rows[i].iterations;
		at -= c->rows[i].accounts;
	}
	return 0;
}
