/* jwks: one key, between jwks.c and jwk.c. */
#ifndef FETCH_JWKS_PRIVATE_H
#define FETCH_JWKS_PRIVATE_H

#include <openssl/evp.h>

#include "fetch/jwt.h"

struct jwk {
	EVP_PKEY *pkey;
	unsigned int algs;		/* bits: 1 << enum jwt_alg */
	bool	 has_kid;
	char	 kid[JWT_KID_MAX + 1];
};

/* NULL; else why it cannot be used, and nothing to clear. */
const char *jwk_read(const json_t *, struct jwk *);
void	 jwk_clear(struct jwk *);
bool	 jwk_does(const struct jwk *, enum jwt_alg);
bool	 jwk_signed(const struct jwk *, const struct jwt *);

#endif
