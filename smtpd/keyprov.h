/*
 * keyprov: private keys that are not here. An OpenSSL provider, built in, whose
 * keys know their public half from the certificate and ask postern-keys for
 * every signature (M_SIGN) over a blocking channel, in the middle of the
 * handshake. The wait is bounded; a handshake without its signature fails and
 * the session ends, the worker does not.
 *
 * Signing uses the buffers of lib/ipc, so let no handshake run between
 * ipc_begin() and ipc_send(), nor while a received message is still read.
 */
#ifndef SMTPD_KEYPROV_H
#define SMTPD_KEYPROV_H

#include <openssl/types.h>
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

/*
 * The channel to keys (takes fd, closes the one before); -1: there is none for
 * now and handshakes fail at once.
 */
void	 keyprov_channel(int fd);

#endif
