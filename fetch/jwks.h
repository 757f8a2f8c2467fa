/*
 * jwks: a provider's public keys, a JSON Web Key Set (RFC 7517), and whether
 * one of them signed a token. Weak keys, keys for other uses and those that are
 * not public are left out.
 */
#ifndef FETCH_JWKS_H
#define FETCH_JWKS_H

#include <stddef.h>

#include "fetch/jwt.h"

#define JWKS_BYTES_MAX	(128 * 1024)
#define JWKS_KEYS_MAX	100
#define JWKS_WHY_MAX	256

struct jwks;

/* NULL, with a sentence, when there is no key in it that can be used. */
struct jwks *jwks_parse(const char *, size_t, char why[JWKS_WHY_MAX]);
void	 jwks_free(struct jwks **);
/* How many of its keys can be used, and how many were left out. */
size_t	 jwks_count(const struct jwks *, size_t *left_out);
/* Why the first of those left out was; "" when none was. */
const char *jwks_left_out(const struct jwks *);

enum jwks_answer {
	JWKS_SIGNED,
	JWKS_FORGED,		/* with a verdict */
	JWKS_UNKNOWN		/* with a verdict; a newer set might have the key */
};

enum jwks_answer jwks_verify(const struct jwks *, const struct jwt *,
	    struct verdict *);

#endif
