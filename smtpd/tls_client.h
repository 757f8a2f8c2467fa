/*
 * tls_client: what smtpd/tls.h needs for the certificates of clients.
 */
#ifndef SMTPD_TLS_CLIENT_H
#define SMTPD_TLS_CLIENT_H

#include <openssl/types.h>

/* Any certificate will do for the handshake, which proves whose key it is. */
void	 tls_client_prepare(SSL_CTX *);
/* Asks the client of this session, before its handshake. */
void	 tls_client_ask(SSL *);

#endif
