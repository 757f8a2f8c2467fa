#include "lib/prelude.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "lib/buf.h"
#include "lib/log.h"
#include "relay/tlspolicy.h"

#define SYSTEM_CA_MAX (4 * 1024 * 1024)
#define NAMES_SHOWN	4	/* of a certificate */
#define TROUBLE_MAX	400

struct tlspolicy
tlspolicy_of(const struct conf_relay_route *r)
{
	switch ((enum conf_route_tls)r->tls) {
	case ROUTE_TLS_IMPLICIT:
		return (struct tlspolicy){ .implicit = true, .required = true,
		    .verified = true, .secrets_ok = true };
	case ROUTE_TLS_STARTTLS:
		return (struct tlspolicy){ .starttls = true, .required = true,
		    .verified = true, .secrets_ok = true };
	case ROUTE_TLS_MAY:
		return (struct tlspolicy){ .starttls = true };
	case ROUTE_TLS_NONE:	/* asked for by name: its user knows */
		return (struct tlspolicy){ .secrets_ok = true };
	}
	return (struct tlspolicy){ .required = true, .verified = true };
}

struct tlspolicy
tlspolicy_strict(const struct conf_relay_route *r)
{
	bool implicit = r->tls == ROUTE_TLS_IMPLICIT;

	return (struct tlspolicy){ .implicit = implicit, .starttls = !implicit,
	    .required = true, .verified = true, .secrets_ok = true,
	    .onwards = true };
}

const char *
tlspolicy_text(const struct tlspolicy *p)
{
	return p->onwards ? "required and verified, to the end" :
	    p->required && p->verified ? "required and verified" :
	    p->required ? "required" : p->starttls ? "where offered" : "none";
}

static bool
add_ca(X509_STORE *store, const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *cert;
	int n = 0;

	while (bio != NULL &&
	    (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		n += X509_STORE_add_cert(store, cert);
		X509_free(cert);
	}
	BIO_free(bio);
	ERR_clear_error();	/* the end of the text is one to PEM */
	return n > 0;
}

static bool
read_file(const char *file, struct buf *text)
{
	char part[16384];
	size_t n;
	FILE *f = fopen(file, "re");

	if (f == NULL)
		return false;
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		if (buf_add(text, part, n) == -1)
			break;
	fclose(f);
	return n == 0 && text->len > 0;
}

/*
 * The system's certificates are read in whole before the sandbox closes: a
 * reload may bring the first route that needs them. They are taken apart when
 * a route does, once for all.
 */
static struct buf system_pem;
static X509_STORE *system_store;

void
tlspolicy_setup(void)
{
	if (system_pem.len > 0)
		return;
	buf_init(&system_pem, SYSTEM_CA_MAX);
	if (!read_file("/etc/ssl/certs/ca-certificates.crt", &system_pem)) {
		buf_clear(&system_pem);
		if (!read_file(X509_get_default_cert_file(), &system_pem))
			buf_clear(&system_pem);
	}
}

static bool
use_system_ca(SSL_CTX *ctx)
{
	tlspolicy_setup();
	if (system_store == NULL) {
		X509_STORE *store = X509_STORE_new();

		if (store == NULL || !add_ca(store, buf_str(&system_pem))) {
			X509_STORE_free(store);
			return false;
		}
		system_store = store;
	}
	SSL_CTX_set1_cert_store(ctx, system_store);
	return true;
}

struct ssl_ctx_st *
tlspolicy_ctx(bool verify, const char *ca_pem, const char **errstr)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx == NULL ||
	    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1)
		fatalx("cannot make a TLS client context");
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS |
	    SSL_MODE_ENABLE_PARTIAL_WRITE |
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION |
	    SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	if (!verify)
		return ctx;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	if (*ca_pem != '\0' ? add_ca(SSL_CTX_get_cert_store(ctx), ca_pem) :
	    use_system_ca(ctx)) {
		ERR_clear_error();
		return ctx;
	}
	ERR_clear_error();
	*errstr = *ca_pem != '\0' ? "the ca-file holds no certificate" :
	    "the system's CA certificates cannot be read; install "
	    "ca-certificates or give the route a ca-file";
	SSL_CTX_free(ctx);
	return NULL;
}

struct ssl_st *
tlspolicy_ssl(struct ssl_ctx_st *ctx, const struct tlspolicy *p,
    const char *host)
{
	SSL *ssl = SSL_new(ctx);
	uint8_t bytes[16];
	bool ip = inet_pton(AF_INET, host, bytes) == 1 ||
	    inet_pton(AF_INET6, host, bytes) == 1;
	X509_VERIFY_PARAM *param;

	if (ssl == NULL)
		fatalx("out of memory for a TLS session");
	if (!ip && SSL_set_tlsext_host_name(ssl, host) != 1)
		fatalx("out of memory for a TLS session");
	if (!p->verified)
		return ssl;
	param = SSL_get0_param(ssl);
	X509_VERIFY_PARAM_set_hostflags(param,
	    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if ((ip ? X509_VERIFY_PARAM_set1_ip_asc(param, host) :
	    X509_VERIFY_PARAM_set1_host(param, host, 0)) != 1)
		fatalx("cannot demand the name %s of a certificate",
		    log_escs(host));
	return ssl;
}

/* --- why a handshake failed ------------------------------------------------------- */

/* The names that a certificate is good for, as an admin would want to see them. */
static void
add_names(struct buf *text, X509 *cert)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name,
	    NULL, NULL);
	int i, n = names == NULL ? 0 : sk_GENERAL_NAME_num(names), shown = 0;

	for (i = 0; i < n && shown < NAMES_SHOWN; i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type != GEN_DNS)
			continue;
		buf_addf(text, "%s%s", shown++ > 0 ? ", " : "", log_esc(
		    (const char *)ASN1_STRING_get0_data(name->d.dNSName),
		    (size_t)ASN1_STRING_length(name->d.dNSName)));
	}
	if (i < n)
		buf_adds(text, ", ...");
	if (shown == 0)
		buf_adds(text, "no host at all");
	GENERAL_NAMES_free(names);
}

static void
add_issuer(struct buf *text, X509 *cert)
{
	char issuer[200];

	X509_NAME_oneline(X509_get_issuer_name(cert), issuer, sizeof(issuer));
	buf_addf(text, "it goes back to \"%s\", who is not trusted "
	    "here (ca-file)", log_escs(issuer));
}

static void
add_date(struct buf *text, const char *what, const ASN1_TIME *when)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(when, &tm) != 1)
		buf_adds(text, what);
	else
		buf_addf(text, "%s %04d-%02d-%02d", what, tm.tm_year + 1900,
		    tm.tm_mon + 1, tm.tm_mday);
}

static void
add_dates(struct buf *text, X509 *cert)
{
	if (X509_cmp_current_time(X509_get0_notAfter(cert)) < 0)
		add_date(text, "it expired on", X509_get0_notAfter(cert));
	else if (X509_cmp_current_time(X509_get0_notBefore(cert)) > 0)
		add_date(text, "it is not valid before",
		    X509_get0_notBefore(cert));
	else
		buf_adds(text, "one above it has expired or is not valid yet");
}

/* err is what OpenSSL found wrong with the chain, the server's own first. */
static void
add_flaw(struct buf *text, long err, const STACK_OF(X509) *chain,
    const char *host)
{
	X509 *cert = sk_X509_value(chain, 0);

	switch (err) {
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		buf_addf(text, "it does not name %s, but ", log_escs(host));
		add_names(text, cert);
		break;
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		add_dates(text, cert);
		break;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		buf_adds(text, "it is self-signed");
		break;
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		add_issuer(text, sk_X509_value(chain, sk_X509_num(chain) - 1));
		break;
	default:
		buf_adds(text, X509_verify_cert_error_string(err));
	}
}

bool
tlspolicy_untrusted(struct ssl_st *ssl)
{
	return ssl != NULL && SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE &&
	    SSL_get_verify_result(ssl) != X509_V_OK;
}

const char *
tlspolicy_trouble(struct ssl_st *ssl, const char *host, const char *otherwise)
{
	static char sentence[TROUBLE_MAX];
	STACK_OF(X509) *chain = tlspolicy_untrusted(ssl) ?
	    SSL_get_peer_cert_chain(ssl) : NULL;
	struct buf text;

	if (sk_X509_num(chain) <= 0) {
		snprintf(sentence, sizeof(sentence), "%s", log_escs(otherwise));
		return sentence;
	}
	buf_init(&text, sizeof(sentence) - 1);
	buf_adds(&text, "the server's certificate is not accepted: ");
	add_flaw(&text, SSL_get_verify_result(ssl), chain, host);
	snprintf(sentence, sizeof(sentence), "%s", buf_str(&text));
	buf_clear(&text);
	return sentence;
}

const char *
tlspolicy_outcome(struct ssl_st *ssl)
{
	static char text[128];

	if (ssl == NULL)
		return "none";
	snprintf(text, sizeof(text), "%s %s %s", SSL_get_version(ssl),
	    SSL_get_cipher_name(ssl),
	    SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE &&
	    SSL_get_verify_result(ssl) == X509_V_OK ? "verified" :
	    "unverified");
	return text;
}
