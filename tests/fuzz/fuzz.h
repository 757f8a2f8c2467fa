/*
 * fuzz: what all targets share. A target is one function that takes any bytes
 * and must come back: without a crash, without a sanitizer's word, and with
 * every MUST() true. libFuzzer calls it when configured with --enable-fuzz;
 * else tests/fuzz/replay.c does, with the seeds and some mutations of them.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);
/* A target may define it, to run once before all. */
int	 LLVMFuzzerInitialize(int *, char ***) __attribute__((weak));
/* A slow target may define it: how many mutations make check runs. */
extern const unsigned long fuzz_replay_runs __attribute__((weak));

#define MUST(cond) do {							\
	if (!(cond)) {							\
		fprintf(stderr, "%s:%d: not so: %s\n", __FILE__,	\
		    __LINE__, #cond);					\
		abort();						\
	}								\
} while (0)

/*
 * Bytes that steer a target (sizes of pieces, flags) are taken off the end of
 * the input, so that what is parsed begins where the file begins. 0 when none
 * is left.
 */
struct steer {
	const uint8_t *p;
	size_t	 n;
};

__attribute__((unused)) static uint8_t
steer(struct steer *s)
{
	return s->n == 0 ? 0 : s->p[--s->n];
}

/* The size of the next piece of n bytes: 1 .. 16, or all of it. */
__attribute__((unused)) static size_t
steer_piece(uint32_t *seed, size_t n)
{
	size_t piece;

	*seed = *seed * 1664525 + 1013904223;
	piece = 1 + (*seed >> 24) % 16;
	return piece < n ? piece : n;
}

#endif
