/*
 * keyprov: private keys that are not here. An OpenSSL provider, built in, whose
 * keys know their public half from the certificate and have every signature
 * made by postern-keys (smtpd/signer.h), in the middle of the handshake.
 */
#ifndef SMTPD_KEYPROV_H
#define SMTPD_KEYPROV_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Adds the provider to a library context (NULL: the default one) and loads it
 * behind OpenSSL's own. Once per process. 0, or -1 with OpenSSL's error queue.
 */
int	 keyprov_init(OSSL_LIB_CTX *);

/*
 * A key for SSL_CTX_use_PrivateKey(): that of the certificate, which keys holds
 * under cert_index. The caller ends it with EVP_PKEY_free(). NULL when the
 * certificate's key is none that keys signs with: RSA, P-256, P-384, Ed25519.
 */
EVP_PKEY *keyprov_key(uint32_t cert_index, X509 *);

/* Whether a handshake may be a job that steps aside while keys signs. */
bool	 keyprov_jobs(void);

#endif
