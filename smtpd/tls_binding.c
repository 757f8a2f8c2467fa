#include "lib/prelude.h"

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "lib/log.h"
#include "smtpd/tls.h"
#include "smtpd/tls_binding.h"

#define EXPORTER_LABEL	"EXPORTER-Channel-Binding"
#define EXPORTER_LEN	32

bool
tls_binds(SSL *ssl)
{
	return ssl != NULL && (SSL_version(ssl) >= TLS1_3_VERSION ||
	    SSL_get_extms_support(ssl) == 1);
}

static size_t
exporter(SSL *ssl, uint8_t data[BINDING_MAX])
{
	/* RFC 9266 2; under TLS 1.2 an empty context is not none. */
	if (SSL_export_keying_material(ssl, data, EXPORTER_LEN, EXPORTER_LABEL,
	    sizeof(EXPORTER_LABEL) - 1, (const uint8_t *)"", 0, 1) != 1)
		return 0;
	return EXPORTER_LEN;
}

/* RFC 5929 3.1: the first Finished, which is the server's when resuming. */
static size_t
unique(SSL *ssl, uint8_t data[BINDING_MAX])
{
	if (SSL_version(ssl) >= TLS1_3_VERSION)
		return 0;
	return SSL_session_reused(ssl) != 0 ?
	    SSL_get_finished(ssl, data, BINDING_MAX) :
	    SSL_get_peer_finished(ssl, data, BINDING_MAX);
}

/* RFC 5929 4.1: the hash of its signature, but nothing older than SHA-256. */
static size_t
digest(const X509 *cert, uint8_t data[BINDING_MAX])
{
	unsigned int n = BINDING_MAX;
	const EVP_MD *md;
	int nid;

	if (cert == NULL || X509_get_signature_info((X509 *)(uintptr_t)cert,
	    &nid, NULL, NULL, NULL) != 1 || nid == NID_undef)
		return 0;
	if (nid == NID_md5 || nid == NID_sha1)
		nid = NID_sha256;
	md = EVP_get_digestbynid(nid);
	return md != NULL && X509_digest(cert, md, data, &n) == 1 ? n : 0;
}

static size_t
end_point(SSL *ssl, uint8_t data[BINDING_MAX])
{
	void *kept = NULL;
	size_t n = 0;

	if (SSL_session_reused(ssl) == 0)
		return digest(SSL_get_certificate(ssl), data);
	if (SSL_SESSION_get0_ticket_appdata(SSL_get_session(ssl), &kept, &n)
	    != 1 || n > BINDING_MAX)
		return 0;
	if (n > 0)
		memcpy(data, kept, n);
	return n;
}

size_t
tls_binding(SSL *ssl, enum auth_binding kind, uint8_t data[BINDING_MAX])
{
	static size_t (*const by[AUTH_BINDINGS])(SSL *, uint8_t *) = {
		[BINDING_EXPORTER] = exporter, [BINDING_UNIQUE] = unique,
		[BINDING_END_POINT] = end_point
	};

	return tls_binds(ssl) ? by[kind](ssl, data) : 0;
}

/* A resumed session has it from its ticket, and hands it on to the next. */
static int
ticket_cb(SSL *ssl, void *arg)
{
	uint8_t data[BINDING_MAX];
	size_t n;

	if (SSL_session_reused(ssl) != 0)
		return 1;
	n = digest(SSL_get_certificate(ssl), data);
	return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), data, n);
}

void
tls_binding_remember(SSL_CTX *ctx)
{
	if (SSL_CTX_set_session_ticket_cb(ctx, ticket_cb, NULL, NULL) != 1)
		fatalx("cannot set the callback of TLS tickets");
}
