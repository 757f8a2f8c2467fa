/*
 * tlspolicy: what TLS a connection must have, computed before it begins as a
 * value that can be printed, and then obeyed.
 */
#ifndef RELAY_TLSPOLICY_H
#define RELAY_TLSPOLICY_H

#include <stdbool.h>

#include "lib/conf.h"

struct ssl_ctx_st;
struct ssl_st;

struct tlspolicy {
	bool	 implicit;	/* TLS before the greeting (RFC 8314 3.3) */
	bool	 starttls;	/* use it where it is offered */
	bool	 required;	/* without TLS nothing is sent */
	bool	 verified;	/* the certificate must name the host */
	bool	 secrets_ok;	/* a password may be sent */
	bool	 onwards;	/* and it must promise as much for the rest of
				   the way: REQUIRETLS (RFC 8689) */
};

struct tlspolicy tlspolicy_of(const struct conf_relay_route *);
/* The same route's for mail that its sender marked REQUIRETLS. */
struct tlspolicy tlspolicy_strict(const struct conf_relay_route *);
/* Whether the session failed for a certificate that is not accepted. */
bool	 tlspolicy_untrusted(struct ssl_st *);
/* "required and verified", for logs and tests. */
const char *tlspolicy_text(const struct tlspolicy *);

/* Reads the system's CA certificates while files can be opened. */
void	 tlspolicy_setup(void);

/*
 * Client contexts: one that verifies, against the PEM certificates in ca_pem
 * or the system's when that is "", and one that does not. NULL with *errstr.
 */
struct ssl_ctx_st *tlspolicy_ctx(bool verify, const char *ca_pem,
	    const char **errstr);
/* A session for host under the policy, for lib/stream. */
struct ssl_st *tlspolicy_ssl(struct ssl_ctx_st *, const struct tlspolicy *,
	    const char *host);
/*
 * Why a handshake with host failed: what is wrong with the certificate where
 * it is that, else otherwise, escaped. Static buffer.
 */
const char *tlspolicy_trouble(struct ssl_st *, const char *host,
	    const char *otherwise);
/* "TLSv1.3 TLS_AES_256_GCM_SHA384 verified", or "none"; static buffer. */
const char *tlspolicy_outcome(struct ssl_st *);

#endif
