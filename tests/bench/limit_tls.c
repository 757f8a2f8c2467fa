#include "lib/prelude.h"

#include <malloc.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <time.h>

#include "tests/bench/limit_tls.h"

#define DAY	(24 * 60 * 60)
#define PIPE	(16 * 1024)	/* more than a flight: nobody waits for room */

static double
cpu_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static int
certify(SSL_CTX *ctx)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	X509_NAME *name = x == NULL ? NULL : X509_get_subject_name(x);
	int r = -1;

	if (key != NULL && name != NULL &&
	    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	    (const unsigned char *)"bench.example", -1, -1, 0) == 1 &&
	    X509_set_issuer_name(x, name) == 1 &&
	    X509_gmtime_adj(X509_getm_notBefore(x), 0) != NULL &&
	    X509_gmtime_adj(X509_getm_notAfter(x), DAY) != NULL &&
	    X509_set_pubkey(x, key) == 1 &&
	    X509_sign(x, key, EVP_sha256()) > 0 &&
	    SSL_CTX_use_certificate(ctx, x) == 1 &&
	    SSL_CTX_use_PrivateKey(ctx, key) == 1)
		r = 0;
	X509_free(x);
	EVP_PKEY_free(key);
	return r;
}

/* One step of one end; adds what it cost. Whether that end is done. */
static bool
step(SSL *ssl, double *us)
{
	double start = cpu_us();
	bool done = SSL_do_handshake(ssl) == 1;

	*us += cpu_us() - start;
	return done;
}

static double
held_kb(void)
{
	return (double)mallinfo2().uordblks / 1024;
}

static int
shake(SSL_CTX *server_ctx, SSL_CTX *client_ctx, struct limit_tls *l)
{
	SSL *server = SSL_new(server_ctx), *client = SSL_new(client_ctx);
	BIO *a = NULL, *b = NULL;
	bool done = false;
	double held;
	int turns;

	if (server != NULL && client != NULL &&
	    BIO_new_bio_pair(&a, PIPE, &b, PIPE) == 1) {
		SSL_set_bio(server, a, a);
		SSL_set_bio(client, b, b);
		SSL_set_accept_state(server);
		SSL_set_connect_state(client);
		for (turns = 0; !done && turns < 8; turns++) {
			done = step(client, &l->client_us);
			done = step(server, &l->server_us) && done;
		}
	}
	held = held_kb();
	SSL_free(server);	/* and its end of the wire, which is no socket's */
	l->session_kb += held - held_kb() - (double)PIPE / 1024;
	SSL_free(client);
	return done ? 0 : -1;
}

int
limit_tls(int handshakes, struct limit_tls *l)
{
	SSL_CTX *server = SSL_CTX_new(TLS_server_method());
	SSL_CTX *client = SSL_CTX_new(TLS_client_method());
	int n = 0;

	memset(l, 0, sizeof(*l));
	if (server != NULL && client != NULL && certify(server) == 0) {
		SSL_CTX_set_session_cache_mode(server, SSL_SESS_CACHE_OFF);
		SSL_CTX_set_mode(server, SSL_MODE_RELEASE_BUFFERS |
		    SSL_MODE_NO_AUTO_CHAIN);
		/* As Postern, to strangers. */
		SSL_CTX_set_num_tickets(server, 0);
		SSL_CTX_set_ciphersuites(server, "TLS_AES_128_GCM_SHA256");
		while (n < handshakes && shake(server, client, l) == 0)
			n++;
	}
	SSL_CTX_free(server);
	SSL_CTX_free(client);
	if (n == 0 || n < handshakes)
		return -1;
	l->server_us /= n;
	l->client_us /= n;
	l->session_kb /= n;
	return 0;
}
