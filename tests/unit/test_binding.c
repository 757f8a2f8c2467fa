/*
 * smtpd/tls_binding: both ends of a session compute the same, whatever version
 * and certificate, resumed or not; and a session that binds to nothing says so.
 */
#include "lib/prelude.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "smtpd/tls.h"
#include "smtpd/tls_binding.h"
#include "tests/tap.h"
#include "tests/unit/tls_pairs.h"

static SSL_SESSION *kept;	/* the client's */

static int
keep_cb(SSL *ssl, SSL_SESSION *session)
{
	SSL_SESSION_free(kept);
	kept = session;
	return 1;
}

static SSL_CTX *
server_of(X509 *cert, EVP_PKEY *key)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	SSL_CTX_set_security_level(ctx, 0);	/* SHA-1 certificates */
	SSL_CTX_use_certificate(ctx, cert);
	SSL_CTX_use_PrivateKey(ctx, key);
	tls_binding_remember(ctx);
	return ctx;
}

struct pair {
	SSL	*server, *client;
};

/* In memory; both sides say a word, which brings the client its ticket. */
static bool
shake_hands(struct pair *p, SSL_CTX *server, SSL_CTX *client,
    SSL_SESSION *resume)
{
	BIO *a, *b;
	char c;
	int i, r = 0;

	p->server = SSL_new(server);
	p->client = SSL_new(client);
	BIO_new_bio_pair(&a, 0, &b, 0);
	SSL_set_bio(p->server, a, a);
	SSL_set_bio(p->client, b, b);
	if (resume != NULL)
		SSL_set_session(p->client, resume);
	SSL_set_accept_state(p->server);
	SSL_set_connect_state(p->client);
	for (i = 0; i < 10; i++) {
		SSL_do_handshake(p->client);
		r = SSL_do_handshake(p->server);
	}
	SSL_write(p->server, "x", 1);
	SSL_read(p->client, &c, 1);
	ERR_clear_error();
	return r == 1;
}

static void
part(struct pair *p)
{
	SSL_shutdown(p->client);	/* or it would forget the session */
	SSL_free(p->server);
	SSL_free(p->client);
}

static SSL_CTX *
client_of(int version, bool extended)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT);
	SSL_CTX_sess_set_new_cb(ctx, keep_cb);
	SSL_CTX_set_max_proto_version(ctx, version);
	if (!extended)
		SSL_CTX_set_options(ctx, SSL_OP_NO_EXTENDED_MASTER_SECRET);
	return ctx;
}

/* What the client has; cert is the one that it saw when the session began. */
static size_t
theirs(SSL *ssl, enum auth_binding kind, X509 *cert, const EVP_MD *md,
    uint8_t *data)
{
	unsigned int n = 0;

	switch (kind) {
	case BINDING_EXPORTER:
		return SSL_export_keying_material(ssl, data, 32,
		    "EXPORTER-Channel-Binding", 24, (const uint8_t *)"", 0, 1)
		    == 1 ? 32 : 0;
	case BINDING_UNIQUE:
		return SSL_get_finished(ssl, data, BINDING_MAX);
	default:
		return md != NULL && X509_digest(cert, md, data, &n) == 1 ? n :
		    0;
	}
}

static void
compare(const struct pair *p, X509 *cert, const EVP_MD *md, const char *name)
{
	static const char *const names[] = { "tls-exporter", "tls-unique",
	    "tls-server-end-point" };
	bool tls13 = SSL_version(p->client) >= TLS1_3_VERSION;
	uint8_t a[BINDING_MAX], b[BINDING_MAX];
	size_t na, nb;
	int kind;

	ok(tls_binds(p->server), "%s: it binds", name);
	for (kind = 0; kind < AUTH_BINDINGS; kind++) {
		na = tls_binding(p->server, (enum auth_binding)kind, a);
		nb = kind == BINDING_UNIQUE && tls13 ? 0 : theirs(p->client,
		    (enum auth_binding)kind, cert, md, b);
		ok(na == nb && memcmp(a, b, na) == 0, "%s: %s, %zu bytes (%zu)",
		    name, names[kind], na, nb);
	}
}

static const struct kind {
	const char *key, *hash;		/* that signs */
	const char *binds;		/* what end-point takes, or NULL */
} kinds[] = {
	{ "P-256", "SHA256", "SHA256" }, { "P-384", "SHA384", "SHA384" },
	{ "RSA", "SHA512", "SHA512" }, { "RSA", "SHA1", "SHA256" },
	{ "RSA", "MD5", "SHA256" }, { "ED25519", NULL, NULL },
};

static X509 *
cert_of(const struct kind *k, EVP_PKEY *key)
{
	X509 *cert = pair_cert(key);

	if (k->hash != NULL && X509_sign(cert, key,
	    EVP_get_digestbyname(k->hash)) == 0)
		abort();
	return cert;
}

static void
test_kinds(int version)
{
	SSL_CTX *server, *client;
	const EVP_MD *md;
	struct pair p;
	EVP_PKEY *key;
	X509 *cert;
	char name[64];
	size_t i;

	for (i = 0; i < nitems(kinds); i++) {
		key = pair_key(kinds[i].key);
		cert = cert_of(&kinds[i], key);
		server = server_of(cert, key);
		client = client_of(version, true);
		md = kinds[i].binds == NULL ? NULL :
		    EVP_get_digestbyname(kinds[i].binds);
		ok(shake_hands(&p, server, client, NULL), "a handshake");
		snprintf(name, sizeof(name), "%s %s %s", SSL_get_version(
		    p.client), kinds[i].key, kinds[i].hash == NULL ? "" :
		    kinds[i].hash);
		compare(&p, cert, md, name);
		part(&p);
		SSL_CTX_free(client);
		SSL_CTX_free(server);
		X509_free(cert);
		EVP_PKEY_free(key);
	}
}

/*
 * The server has another certificate by now, as after a reload: the client still
 * binds to that of the first handshake, and so on through later tickets.
 */
static void
test_resumed(void)
{
	EVP_PKEY *old = pair_key("P-256"), *new = pair_key("P-384");
	X509 *old_cert = pair_cert(old), *new_cert = pair_cert(new);
	SSL_CTX *first = server_of(old_cert, old);
	SSL_CTX *second = server_of(new_cert, new);
	SSL_CTX *client = client_of(TLS1_3_VERSION, true);
	uint8_t seal[80] = "a key of eighty bytes", a[BINDING_MAX],
	    b[BINDING_MAX];
	struct pair p;
	int i;

	SSL_CTX_set_tlsext_ticket_keys(first, seal, sizeof(seal));
	SSL_CTX_set_tlsext_ticket_keys(second, seal, sizeof(seal));
	shake_hands(&p, first, client, NULL);
	tls_binding(p.server, BINDING_EXPORTER, a);
	part(&p);
	for (i = 0; i < 3; i++) {
		shake_hands(&p, second, client, kept);
		ok(SSL_session_reused(p.server) == 1, "resumed");
		compare(&p, old_cert, EVP_sha256(), "resumed");
		tls_binding(p.server, BINDING_EXPORTER, b);
		ok(memcmp(a, b, 32) != 0, "each session is another channel");
		memcpy(a, b, sizeof(a));
		part(&p);
	}
	SSL_SESSION_free(kept);
	kept = NULL;
	shake_hands(&p, second, client, NULL);
	ok(SSL_session_reused(p.server) == 0, "not resumed");
	compare(&p, new_cert, EVP_sha256(), "a new session");
	part(&p);
	SSL_CTX_free(client);
	SSL_CTX_free(first);
	SSL_CTX_free(second);
	X509_free(old_cert);
	X509_free(new_cert);
	EVP_PKEY_free(old);
	EVP_PKEY_free(new);
}

static void
test_none(void)
{
	EVP_PKEY *key = pair_key("P-256");
	X509 *cert = pair_cert(key);
	SSL_CTX *server = server_of(cert, key);
	SSL_CTX *client = client_of(TLS1_2_VERSION, false);
	uint8_t data[BINDING_MAX];
	struct pair p;
	int kind;

	ok(shake_hands(&p, server, client, NULL), "TLS 1.2 of old");
	ok(!tls_binds(p.server), "without the extended master secret");
	for (kind = 0; kind < AUTH_BINDINGS; kind++)
		is_int(tls_binding(p.server, (enum auth_binding)kind, data), 0,
		    "nothing binds");
	ok(!tls_binds(NULL), "nor without TLS");
	is_int(tls_binding(NULL, BINDING_EXPORTER, data), 0, "nothing at all");
	part(&p);
	SSL_CTX_free(client);
	SSL_CTX_free(server);
	X509_free(cert);
	EVP_PKEY_free(key);
}

int
main(void)
{
	test_kinds(TLS1_3_VERSION);
	test_kinds(TLS1_2_VERSION);
	test_resumed();
	test_none();
	SSL_SESSION_free(kept);
	return tap_done();
}
