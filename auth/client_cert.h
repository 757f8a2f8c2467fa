/*
 * client_cert: whose a client's TLS certificate is. smtpd has seen that the
 * client holds the key; all else is judged here: a chain to the configured CA,
 * valid now, for TLS clients, and one rfc822Name (RFC 5280 4.2.1.6), which is
 * the account. Nothing is guessed from other names. Or its public key is pinned
 * to an account (auth/accounts.h): then its dates and purpose count, and nobody
 * need have signed it. Any thread may ask.
 */
#ifndef AUTH_CLIENT_CERT_H
#define AUTH_CLIENT_CERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ticket.h"

#define CLIENT_CERT_WHY_MAX 160
#define CLIENT_CERT_PIN_LEN 64	/* hexadecimal: SHA-256 of the public key */

struct client_ca;

/*
 * CA certificates, and perhaps CRLs, from which on certificates need one that
 * lists them not. NULL and a sentence when there are none.
 */
struct client_ca *client_ca_new(const char *pem, const char **why);
void	 client_ca_free(struct client_ca **);
/* From now on; takes it over. NULL: nobody has a certificate. Main thread. */
void	 client_ca_use(struct client_ca *);

/*
 * The first finds what the key would be pinned by, also when it is false: then
 * the certificate has expired or the like. The second goes by the CA.
 *
 * Certificates in DER, one behind the other, the client's first; now is the wall
 * clock's. False: why, for the log, may hold a stranger's words.
 */
bool	 client_cert_pin(const uint8_t *chain, size_t len, uint64_t now_ms,
	    char pin[CLIENT_CERT_PIN_LEN + 1], char why[CLIENT_CERT_WHY_MAX]);
bool	 client_cert_name(const uint8_t *chain, size_t len, uint64_t now_ms,
	    char name[ACCOUNT_MAX + 1], char why[CLIENT_CERT_WHY_MAX]);

#endif
