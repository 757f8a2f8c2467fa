/*
 * tap: the few lines that make a C program speak TAP. Each ok() is one test;
 * the plan is printed by tap_done(), whose result is main()'s.
 */
#ifndef TESTS_TAP_H
#define TESTS_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int tap_count, tap_failed;

__attribute__((format(printf, 4, 5), unused)) static bool
tap_ok(bool good, const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	tap_count++;
	tap_failed += !good;
	printf("%sok %d - ", good ? "" : "not ", tap_count);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	if (!good)
		printf("# failed at %s:%d\n", file, line);
	fflush(stdout);
	return good;
}

#define ok(cond, ...) tap_ok((cond), __FILE__, __LINE__, __VA_ARGS__)

/* Compares strings and shows both when they differ; NULL equals only NULL. */
#define is_str(got, want, ...) do {					\
	const char *tap_g = (got), *tap_w = (want);			\
	if (!ok(tap_g == tap_w || (tap_g != NULL && tap_w != NULL &&	\
	    strcmp(tap_g, tap_w) == 0), __VA_ARGS__))			\
		printf("#  got: %s\n# want: %s\n",			\
		    tap_g == NULL ? "(null)" : tap_g,			\
		    tap_w == NULL ? "(null)" : tap_w);			\
} while (0)

#define is_int(got, want, ...) do {					\
	long long tap_g = (long long)(got), tap_w = (long long)(want);	\
	if (!ok(tap_g == tap_w, __VA_ARGS__))				\
		printf("#  got: %lld\n# want: %lld\n", tap_g, tap_w);	\
} while (0)

/*
 * So many different inputs of this class, as TESTING's table of bad input has
 * them; tests/protocol/classes.py adds them up.
 */
__attribute__((unused)) static void
tap_inputs(const char *name, size_t n)
{
	printf("# class: %s inputs: %zu\n", name, n);
}

__attribute__((unused)) static int
tap_done(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed == 0 ? 0 : 1;
}

#endif
