/*
 * sasl: logging in to a next hop (RFC 4954, client side) by libsasl2. The only
 * file of the relay that knows libsasl2.
 */
#ifndef RELAY_SASL_H
#define RELAY_SASL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"

struct sasl;

/* Once, before confinement: loads the mechanisms. NULL, or a sentence. */
const char *sasl_setup(void);

/*
 * host names the server; the strings are borrowed. offered is its AUTH line's
 * list. NULL with *errstr when no mechanism that we use is in it.
 */
struct sasl *sasl_begin(const char *host, const char *user,
	    const char *password, const char *offered, const char **errstr);
void	 sasl_free(struct sasl **);

const char *sasl_mechanism(const struct sasl *);
/* The initial response, NULL for none; valid until the next call. */
const uint8_t *sasl_initial(const struct sasl *, size_t *len);
/* Answers a challenge. 0, or -1: give up, the server does not know the secret
 * or speaks nonsense. */
int	 sasl_step_on(struct sasl *, const uint8_t *, size_t, struct buf *out);
/* Whether the exchange is complete on our side: a SCRAM server has proved
 * that it knows the password too. */
bool	 sasl_complete(const struct sasl *);

#endif
