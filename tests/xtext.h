/*
 * A writer of xtext (RFC 3461 4), which the programs do not need: what must be
 * written as +XX is, and of the rest what dice say.
 */
#ifndef TESTS_XTEXT_H
#define TESTS_XTEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* text holds 3 n + 1 bytes; returns how many were written. */
__attribute__((unused)) static size_t
xtext_encode(const uint8_t *p, size_t n, bool more, char *text)
{
	size_t i, len = 0;

	for (i = 0; i < n; i++)
		if (p[i] < '!' || p[i] > '~' || p[i] == '+' || p[i] == '=' ||
		    (more && p[i] % 3 == 0))
			len += (size_t)snprintf(text + len, 4, "+%02X", p[i]);
		else
			text[len++] = (char)p[i];
	text[len] = '\0';
	return len;
}

#endif
