/*
 * cache: passwords that were right a moment ago, so that a client which opens
 * a connection per message does not cost thousands of hash rounds each time.
 * What is kept is an HMAC under a key of this process's life, over name,
 * password and the account's StoredKey: a changed account matches nothing. Any
 * thread.
 */
#ifndef AUTH_CACHE_H
#define AUTH_CACHE_H

#include "lib/verifier.h"

/* Makes the key; once, before the first use. */
void	 cache_init(void);
bool	 cache_knows(const char *name, const struct verifier *,
	    const void *password, size_t len, uint64_t now_ms);
/* now_ms is monotonic; keep_sec 0 keeps nothing. */
void	 cache_learn(const char *name, const struct verifier *,
	    const void *password, size_t len, uint64_t now_ms,
	    uint32_t keep_sec);

#endif
