/*
 * tls_binding: what tls_binding() of smtpd/tls.h needs of a context.
 */
#ifndef SMTPD_TLS_BINDING_H
#define SMTPD_TLS_BINDING_H

#include <openssl/types.h>

/*
 * Session tickets say by which certificate the session began: a client that
 * resumes it binds to that one, which need not be the one of today.
 */
void	 tls_binding_remember(SSL_CTX *);

#endif
