/*
 * claims: what a token says about itself, or the provider about it, held
 * against the settings: who made it, for whom, until when, for what, and whose
 * it is. Pure.
 */
#ifndef FETCH_CLAIMS_H
#define FETCH_CLAIMS_H

#include <jansson.h>
#include <stdint.h>

#include "fetch/verdict.h"

struct fetch_conf;

#define CLAIMS_SKEW_SEC	30	/* that clocks may differ */

enum claims_from {
	CLAIMS_SIGNED,		/* in a JWT: iss and exp must be there */
	CLAIMS_INTROSPECTED	/* RFC 7662 2.2: both may be missing */
};

/* now_ms on the wall clock. Always a verdict; returns whether it is good. */
bool	 claims_judge(const struct fetch_conf *, enum claims_from,
	    const json_t *claims, uint64_t now_ms, struct verdict *);
/* Until when they hold, wall ms, without skew; UINT64_MAX: they don't say. */
uint64_t claims_end_ms(const json_t *claims);

#endif
