/*
 * introspect: asks the provider about one token (RFC 7662), with our name and
 * secret. What it said is remembered for a minute, under the token's hash.
 */
#ifndef FETCH_INTROSPECT_H
#define FETCH_INTROSPECT_H

#include <stddef.h>
#include <stdint.h>

#include "fetch/verdict.h"

struct fetch_conf;

#define INTROSPECT_HASH_LEN	32	/* SHA-256 */
#define INTROSPECT_KEPT_MS	(60 * 1000)

/*
 * The settings from now on, borrowed; forgets all, and what was asked is not
 * answered any more. answered is called from the loop, once for each ask.
 */
void	 introspect_conf(const struct fetch_conf *,
	    void (*answered)(const uint8_t *hash, const struct verdict *));
void	 introspect_stop(void);
/* Whether the verdict is remembered. */
bool	 introspect_known(const uint8_t *hash, struct verdict *);
/* What went wrong the last time; "" when it went well. */
const char *introspect_trouble(void);
void	 introspect_ask(const char *token, size_t len, const uint8_t *hash);
/* For the fuzzer: what an answer of the provider's says. */
void	 introspect_read(const char *body, size_t len, struct verdict *,
	    uint64_t *until_wall_ms);

#endif
