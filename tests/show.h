/*
 * show: bytes as one readable word for the name of a test, and random numbers
 * that are the same in every run.
 */
#ifndef TESTS_SHOW_H
#define TESTS_SHOW_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define SHOW_MAX 96	/* bytes shown; the rest becomes "..." */

/* Valid until four more calls. '#' is escaped: TAP would read a directive. */
__attribute__((unused)) static const char *
show(const void *bytes, size_t n)
{
	static char text[4][SHOW_MAX * 4 + 8];
	static unsigned int turn;
	char *start = text[turn++ % 4], *o = start;
	const uint8_t *p = bytes;
	size_t i;

	for (i = 0; i < n && i < SHOW_MAX; i++)
		if (p[i] < ' ' || p[i] > '~' || p[i] == '#' || p[i] == '\\')
			o += snprintf(o, 5, "\\x%02x", p[i]);
		else
			*o++ = (char)p[i];
	snprintf(o, 4, "%s", i < n ? "..." : "");
	return start;
}

static uint64_t rnd_state = 0x9e3779b97f4a7c15ULL;

/* 0 .. n - 1 */
__attribute__((unused)) static size_t
rnd(size_t n)
{
	rnd_state ^= rnd_state >> 12;
	rnd_state ^= rnd_state << 25;
	rnd_state ^= rnd_state >> 27;
	return (size_t)((rnd_state * 0x2545f4914f6cdd1dULL) >> 33) % n;
}

#endif
