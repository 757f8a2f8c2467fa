#include "lib/prelude.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include "lib/conf.h"
#include "lib/ipc_msgs.h"
#include "lib/log.h"
#include "lib/xalloc.h"
#include "smtpd/keyprov.h"
#include "smtpd/tls.h"
#include "smtpd/tls_binding.h"
#include "smtpd/tls_client.h"

/* TLS 1.2: forward secrecy and AEAD, nothing else. TLS 1.3 has only such. */
#define CIPHERS		"ECDHE+AESGCM:ECDHE+CHACHA20"
/*
 * As strong as X25519 and P-256, which make the keys, and the one that RFC 8446
 * 9.1 asks of everybody: a handshake with SHA-256 costs a tenth less CPU time.
 */
#define SUITES		"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:" \
			"TLS_CHACHA20_POLY1305_SHA256"
#define CURVES		"X25519:P-256:P-384"
#define TICKET_LIFE_SEC	7200
#define SESSION_CONTEXT	"postern"

/*
 * A peer that tears the connection down without close_notify is an ordinary
 * end: SMTP says by itself where a message ends.
 */
#define OPTIONS		(SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | \
			SSL_OP_CIPHER_SERVER_PREFERENCE | \
			SSL_OP_PRIORITIZE_CHACHA | SSL_OP_IGNORE_UNEXPECTED_EOF)

struct tls {
	SSL_CTX	*ctx;
};

/* What OpenSSL last complained about, for a sentence. */
static const char *
openssl_error(void)
{
	static char text[256];

	ERR_error_string_n(ERR_peek_last_error(), text, sizeof(text));
	ERR_clear_error();
	return text;
}

static const char *
explain(const char *what, const char *file)
{
	static char text[1024];

	snprintf(text, sizeof(text), "%s%s%s: %s", what,
	    *file == '\0' ? "" : " ", file, openssl_error());
	return text;
}

void
tls_init(void)
{
	static bool done;
	uint8_t warm;

	if (done)
		return;
	done = true;
	if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG |
	    OPENSSL_INIT_LOAD_SSL_STRINGS | OPENSSL_INIT_LOAD_CRYPTO_STRINGS,
	    NULL) != 1 || keyprov_init(NULL) == -1 ||
	    RAND_bytes(&warm, 1) != 1)
		fatalx("cannot start OpenSSL: %s", openssl_error());
}

/* --- certificates ------------------------------------------------------------------ */

static void
free_chain(STACK_OF(X509) *chain)
{
	sk_X509_pop_free(chain, X509_free);
}

/* Of a text: to PEM that is an error like any other. */
static bool
at_end(void)
{
	return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

/*
 * The certificates of a PEM text, leaf first; NULL when there is none, or one is
 * damaged: without it most clients could not get to a root that they know.
 */
static STACK_OF(X509) *
read_chain(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	STACK_OF(X509) *chain = sk_X509_new_null();
	X509 *cert;

	while (bio != NULL && chain != NULL &&
	    (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL)
		if (sk_X509_push(chain, cert) == 0)
			X509_free(cert);
	BIO_free(bio);
	if (chain != NULL && sk_X509_num(chain) > 0 && at_end()) {
		ERR_clear_error();
		return chain;
	}
	free_chain(chain);
	return NULL;
}

static const char *
add_cert(SSL_CTX *ctx, const struct conf_cert *conf, uint32_t index)
{
	STACK_OF(X509) *chain = read_chain(conf->chain_pem);
	EVP_PKEY *key;
	X509 *leaf;
	const char *why = NULL;

	if (chain == NULL)
		return at_end() ? explain("no certificate in PEM form "
		    "(BEGIN CERTIFICATE; the server's own should be the "
		    "first) in", conf->file) : explain("a damaged "
		    "certificate, is the file complete? in", conf->file);
	leaf = sk_X509_shift(chain);
	key = keyprov_key(index, leaf);
	if (key == NULL)
		why = explain("unsupported key (RSA, P-256, P-384 and Ed25519 "
		    "are) in", conf->file);
	else if (SSL_CTX_use_cert_and_key(ctx, leaf, key, chain, 1) != 1)
		why = explain("cannot use the certificate", conf->file);
	EVP_PKEY_free(key);
	X509_free(leaf);
	free_chain(chain);
	return why;
}

/*
 * Under TLS 1.2 a ticket holds what opens the whole session's record, forward
 * secrecy or not, to who learns the key later: none for those clients. RFC 8446
 * 4.2.1: clients that know TLS 1.3 say so in this extension.
 */
static int
hello_cb(SSL *ssl, int *alert, void *arg)
{
	const uint8_t *p;
	size_t n, i;

	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_supported_versions, &p,
	    &n) == 1)
		for (i = 1; i + 1 < n; i += 2)
			if (p[i] == 3 && p[i + 1] == 4)
				return SSL_CLIENT_HELLO_SUCCESS;
	SSL_set_options(ssl, SSL_OP_NO_TICKET);
	return SSL_CLIENT_HELLO_SUCCESS;
}

/* --- the context ---------------------------------------------------------------------- */

static const char *
set_up(SSL_CTX *ctx, const struct smtpd_conf *conf)
{
	const char *why;
	size_t i;

	SSL_CTX_set_options(ctx, OPTIONS);
	/* The file's chain is sent; OpenSSL would look for one every time. */
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS |
	    SSL_MODE_NO_AUTO_CHAIN | (keyprov_jobs() ? SSL_MODE_ASYNC : 0));
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_timeout(ctx, TICKET_LIFE_SEC);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_cipher_list(ctx, CIPHERS) != 1 ||
	    SSL_CTX_set_ciphersuites(ctx, SUITES) != 1 ||
	    SSL_CTX_set1_groups_list(ctx, CURVES) != 1 ||
	    SSL_CTX_set_num_tickets(ctx, 0) != 1 ||	/* tls_give_ticket() */
	    SSL_CTX_set_session_id_context(ctx,
	    (const uint8_t *)SESSION_CONTEXT, strlen(SESSION_CONTEXT)) != 1)
		return explain("cannot set up TLS", "");
	SSL_CTX_set_client_hello_cb(ctx, hello_cb, NULL);
	tls_binding_remember(ctx);
	tls_client_prepare(ctx);
	for (i = 0; i < conf->certs.n; i++) {
		why = add_cert(ctx, CONF_AT(conf->certs, struct conf_cert, i),
		    (uint32_t)i);
		if (why != NULL)
			return why;
	}
	return NULL;
}

struct tls *
tls_new(const struct smtpd_conf *conf, const char **why)
{
	struct tls *tls;
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	*why = ctx == NULL ? explain("cannot set up TLS", "") :
	    conf->certs.n == 0 ? "no certificate is configured" :
	    set_up(ctx, conf);
	if (*why != NULL) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	tls = xmalloc(sizeof(*tls));
	tls->ctx = ctx;
	return tls;
}

void
tls_set_ticket_key(struct tls *tls, const uint8_t key[TLS_KEY_LEN])
{
	if (SSL_CTX_set_tlsext_ticket_keys(tls->ctx, (void *)(uintptr_t)key,
	    TLS_KEY_LEN) != 1)
		fatalx("cannot set the key of TLS tickets");
}

void
tls_free(struct tls **tlsp)
{
	struct tls *tls = *tlsp;

	if (tls == NULL)
		return;
	*tlsp = NULL;
	SSL_CTX_free(tls->ctx);
	free(tls);
}

/* --- sessions -------------------------------------------------------------------------- */

struct ssl_st *
tls_accept(struct tls *tls, bool ask_certificate)
{
	SSL *ssl = SSL_new(tls->ctx);

	if (ssl == NULL)
		log_warnx("cannot begin a TLS session: %s", openssl_error());
	else if (ask_certificate)
		tls_client_ask(ssl);
	return ssl;
}

void
tls_give_ticket(struct ssl_st *ssl)
{
	if (ssl == NULL || SSL_get0_peer_certificate(ssl) != NULL)
		return;
	/* TLS 1.2 gives none, and says so by failing. */
	if (SSL_new_session_ticket(ssl) != 1)
		ERR_clear_error();
}

const char *
tls_version(struct ssl_st *ssl)
{
	return ssl == NULL ? "none" : SSL_get_version(ssl);
}

uint32_t
tls_bits(struct ssl_st *ssl)
{
	return ssl == NULL ? 0 : (uint32_t)SSL_get_cipher_bits(ssl, NULL);
}
