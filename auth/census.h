/*
 * census: how many accounts have which iteration count. SCRAM tells a stranger
 * the count of any name he asks for; a name that nobody has must get one that
 * could as well be an account's. Pure; not for several threads at once.
 */
#ifndef AUTH_CENSUS_H
#define AUTH_CENSUS_H

#include <stddef.h>
#include <stdint.h>

struct census {
	struct census_row {
		uint32_t iterations;
		uint64_t accounts;
	} *rows;			/* rising */
	size_t	 n;
	uint64_t accounts;		/* of all rows */
};

void	 census_add(struct census *, uint32_t iterations);
void	 census_take(struct census *, uint32_t iterations);
void	 census_clear(struct census *);
/*
 * The count for a name that nobody has, whose draw is a number from the whole
 * range of 64 bits, always the same. When accounts move on to a new count,
 * names that nobody has do so too, in the same share, each once. 0 when there
 * are no accounts.
 */
uint32_t census_draw(const struct census *, uint64_t draw);

#endif
