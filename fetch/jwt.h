/*
 * jwt: a signed token in its compact form (RFC 7519; RFC 7515 7.1), taken
 * apart. Nothing in it is believed here. What its header says about keys, but
 * for the name of one, is not even read (RFC 8725 3.10). Pure.
 */
#ifndef FETCH_JWT_H
#define FETCH_JWT_H

#include <jansson.h>

#include "fetch/verdict.h"
#include "lib/buf.h"

/* The signatures that count (RFC 8725 3.1); all are of public keys. */
enum jwt_alg {
	JWT_RS256, JWT_PS256, JWT_ES256, JWT_ES384, JWT_EDDSA, JWT_ALGS
};

#define JWT_KID_MAX	255

struct jwt {
	enum jwt_alg alg;
	bool	 has_kid;
	char	 kid[JWT_KID_MAX + 1];
	const char *signed_text;	/* in the token, which must outlive this */
	size_t	 signed_len;
	struct buf signature;
	json_t	*claims;		/* an object */
};

/* "RS256" and so on. */
const char *jwt_alg_name(enum jwt_alg);
/* The algorithm of that name; -1: none of these. */
int	 jwt_alg(const char *name);

/*
 * 0, ended by jwt_clear(); or -1 with a verdict: it is no JWT, or one of a kind
 * that is not taken.
 */
int	 jwt_parse(const char *, size_t, struct jwt *, struct verdict *);
void	 jwt_clear(struct jwt *);

#endif
