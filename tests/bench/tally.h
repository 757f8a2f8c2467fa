/*
 * tally: durations in microseconds, and what share of them was how long.
 */
#ifndef TESTS_BENCH_TALLY_H
#define TESTS_BENCH_TALLY_H

#include <stddef.h>
#include <stdint.h>

struct tally {
	uint32_t *us;		/* owned */
	size_t	 n, size;
};

/* Microseconds on the monotonic clock. */
uint64_t tally_now_us(void);

/* A zeroed tally is empty. */
void	 tally_add(struct tally *, uint64_t us);
void	 tally_clear(struct tally *);
/* Prints {"n": ..., "p50": ..., "p95": ..., "p99": ..., "max": ...}; sorts. */
void	 tally_print(struct tally *);

#endif
