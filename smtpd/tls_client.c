#include "lib/prelude.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "lib/buf.h"
#include "smtpd/tls.h"
#include "smtpd/tls_client.h"

#define SESSION_CONTEXT	"postern certificates"

static int
verify_cb(X509_STORE_CTX *ctx, void *arg)
{
	X509_STORE_CTX_set_error(ctx, X509_V_OK);	/* auth's to judge */
	return 1;
}

void
tls_client_prepare(SSL_CTX *ctx)
{
	SSL_CTX_set_cert_verify_callback(ctx, verify_cb, NULL);
	SSL_CTX_set_max_cert_list(ctx, CLIENT_CERTS_LEN);
}

/*
 * The context of its own keeps out tickets of sessions where nobody asked, in
 * which the client could not show its certificate any more.
 */
void
tls_client_ask(SSL *ssl)
{
	SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	SSL_set_session_id_context(ssl, (const uint8_t *)SESSION_CONTEXT,
	    strlen(SESSION_CONTEXT));
}

bool
tls_has_client(SSL *ssl)
{
	X509 *cert = ssl == NULL ? NULL : SSL_get0_peer_certificate(ssl);

	return cert != NULL && SSL_session_reused(ssl) == 0 &&
	    X509_cmp_current_time(X509_get0_notBefore(cert)) < 0 &&
	    X509_cmp_current_time(X509_get0_notAfter(cert)) > 0 &&
	    X509_check_purpose(cert, X509_PURPOSE_SSL_CLIENT, 0) == 1;
}

static int
put(X509 *cert, struct buf *out)
{
	uint8_t *der = NULL;
	int n = i2d_X509(cert, &der), r;

	if (n <= 0)
		return -1;
	r = buf_add(out, der, (size_t)n);
	OPENSSL_free(der);
	return r;
}

int
tls_put_client(SSL *ssl, struct buf *out)
{
	STACK_OF(X509) *chain;
	int i;

	if (!tls_has_client(ssl) ||
	    put(SSL_get0_peer_certificate(ssl), out) == -1)
		return -1;
	chain = SSL_get_peer_cert_chain(ssl);
	if (sk_X509_num(chain) >= CLIENT_CERTS_MAX)
		return -1;
	for (i = 0; i < sk_X509_num(chain); i++)
		if (put(sk_X509_value(chain, i), out) == -1)
			return -1;
	return 0;
}
