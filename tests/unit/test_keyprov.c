/*
 * smtpd/keyprov with a real keys at the other end of the channel, in a process
 * of its own: whole handshakes, and what happens when keys is not well.
 */
#include "lib/prelude.h"

#include <sys/socket.h>
#include <sys/wait.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <event2/event.h>
#include <signal.h>
#include <time.h>

#include "keys/keys.h"
#include "lib/ev.h"
#include "lib/log.h"
#include "smtpd/keyprov.h"
#include "smtpd/signer.h"
#include "tests/tap.h"
#include "tests/unit/tls_pairs.h"

static const char *const types[] = { "P-256", "P-384", "RSA", "ED25519" };

#define TYPES nitems(types)

static X509 *certs[TYPES];
static struct conf_key conf_keys[TYPES];

static void
quiet(enum log_level level, const char *proc, const char *line)
{
}

/* --- the other end -------------------------------------------------------------------- */

static void
run_keys(int fd)
{
	struct keys_conf conf = { .keys = { conf_keys, TYPES } };
	void *ring = NULL;
	const char *why;

	log_set_sink(quiet);
	if (event_reinit(ev_base()) == -1)
		_exit(1);
	why = keys_ops.conf_check(&conf, &ring);
	if (why != NULL)
		_exit(1);
	keys_ops.conf_use(&conf, ring);
	keys_ops.peer(ROLE_SMTPD, 0, fd);
	ev_loop();
	_exit(0);
}

/* Starts a keys and gives keyprov its channel. */
static pid_t
start_keys(void)
{
	pid_t pid;
	int fd[2];

	signer_channel(-1);	/* the child inherits no watch */
	if (ipc_pair(fd) == -1)
		abort();
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		close(fd[0]);
		run_keys(fd[1]);
	}
	close(fd[1]);
	signer_channel(fd[0]);
	return pid;
}

static void
end_keys(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* --- handshakes in memory ----------------------------------------------------------------- */

static SSL_CTX *
server_context(size_t i)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = keyprov_key((uint32_t)i, certs[i]);

	if (key == NULL || SSL_CTX_use_certificate(ctx, certs[i]) != 1 ||
	    SSL_CTX_use_PrivateKey(ctx, key) != 1 ||
	    SSL_CTX_check_private_key(ctx) != 1) {
		ERR_print_errors_fp(stderr);
		SSL_CTX_free(ctx);
		ctx = NULL;
	}
	EVP_PKEY_free(key);
	return ctx;
}

static SSL_CTX *
client_context(size_t i, int version, const char *sigalgs)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	SSL_CTX_set_min_proto_version(ctx, version);
	SSL_CTX_set_max_proto_version(ctx, version);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), certs[i]);
	if (sigalgs != NULL && SSL_CTX_set1_sigalgs_list(ctx, sigalgs) != 1)
		abort();
	return ctx;
}

/* True when both sides reach the end, with the certificate verified. */
static bool
shake(SSL_CTX *sctx, SSL_CTX *cctx)
{
	SSL *s = SSL_new(sctx), *c = SSL_new(cctx);
	BIO *a, *b;
	bool done;
	int i;

	BIO_new_bio_pair(&a, 65536, &b, 65536);
	SSL_set_bio(s, a, a);
	SSL_set_bio(c, b, b);
	SSL_set_accept_state(s);
	SSL_set_connect_state(c);
	for (i = 0; i < 10; i++) {
		SSL_do_handshake(c);
		SSL_do_handshake(s);
	}
	done = SSL_is_init_finished(s) && SSL_is_init_finished(c) &&
	    SSL_get_verify_result(c) == X509_V_OK;
	SSL_free(s);
	SSL_free(c);
	ERR_clear_error();
	return done;
}

static bool
handshake(size_t i, int version, const char *sigalgs)
{
	SSL_CTX *s = server_context(i), *c = client_context(i, version, sigalgs);
	bool done = s != NULL && shake(s, c);

	SSL_CTX_free(s);
	SSL_CTX_free(c);
	return done;
}

static void
test_handshakes(void)
{
	static const struct {
		size_t type;
		int version;
		const char *sigalgs;
	} rows[] = {
		{ 0, TLS1_3_VERSION, NULL }, { 0, TLS1_2_VERSION, NULL },
		{ 0, TLS1_2_VERSION, "ECDSA+SHA384" },
		{ 1, TLS1_3_VERSION, NULL }, { 1, TLS1_2_VERSION, NULL },
		{ 1, TLS1_2_VERSION, "ECDSA+SHA256" },
		{ 2, TLS1_3_VERSION, NULL }, { 2, TLS1_2_VERSION, NULL },
		{ 2, TLS1_3_VERSION, "RSA-PSS+SHA384:RSA+SHA256" },
		{ 2, TLS1_3_VERSION, "RSA-PSS+SHA512:RSA+SHA256" },
		{ 2, TLS1_2_VERSION, "RSA-PSS+SHA256:RSA+SHA256" },
		{ 2, TLS1_2_VERSION, "RSA+SHA256" },
		{ 2, TLS1_2_VERSION, "RSA+SHA384:RSA+SHA256" },
		{ 2, TLS1_2_VERSION, "RSA+SHA512:RSA+SHA256" },
		{ 3, TLS1_3_VERSION, NULL }, { 3, TLS1_2_VERSION, NULL },
	};
	pid_t pid = start_keys();
	size_t i;

	for (i = 0; i < nitems(rows); i++)
		ok(handshake(rows[i].type, rows[i].version, rows[i].sigalgs),
		    "%s, TLS 1.%d, %s", types[rows[i].type],
		    rows[i].version == TLS1_3_VERSION ? 3 : 2,
		    rows[i].sigalgs == NULL ? "as it comes" : rows[i].sigalgs);
	end_keys(pid);
}

/* The same worker, a new keys: what the parent does after a crash. */
static void
test_restart(void)
{
	SSL_CTX *s = server_context(0);
	SSL_CTX *c = client_context(0, TLS1_3_VERSION, NULL);
	pid_t pid = start_keys();

	ok(shake(s, c), "a handshake");
	end_keys(pid);
	ok(!shake(s, c), "keys is dead: no handshake");
	ok(!shake(s, c), "and no second one");
	signer_channel(-1);
	ok(!shake(s, c), "no channel: no handshake");
	pid = start_keys();
	ok(shake(s, c), "a new keys: a handshake, with the same context");
	end_keys(pid);
	SSL_CTX_free(s);
	SSL_CTX_free(c);
}

/* --- handshakes that step aside --------------------------------------------- */

#define JOBS 16			/* keyprov's */

struct job {
	SSL	*s, *c;
	int	 woken;
};

static int
woken_cb(SSL *ssl, void *arg)
{
	((struct job *)arg)->woken++;
	return 1;
}

/* What the server says to the client's first words. */
static int
job_begin(struct job *j, SSL_CTX *sctx, SSL_CTX *cctx)
{
	BIO *a, *b;

	*j = (struct job){ .s = SSL_new(sctx), .c = SSL_new(cctx) };
	BIO_new_bio_pair(&a, 65536, &b, 65536);
	SSL_set_bio(j->s, a, a);
	SSL_set_bio(j->c, b, b);
	SSL_set_accept_state(j->s);
	SSL_set_connect_state(j->c);
	SSL_set_mode(j->s, SSL_MODE_ASYNC);
	SSL_set_async_callback(j->s, woken_cb);
	SSL_set_async_callback_arg(j->s, j);
	SSL_do_handshake(j->c);
	return SSL_get_error(j->s, SSL_do_handshake(j->s));
}

static bool
job_ends(struct job *j)
{
	int i;

	for (i = 0; i < 500 && j->woken == 0; i++)
		ev_loop_once(20);
	for (i = 0; i < 4; i++) {
		SSL_do_handshake(j->s);
		SSL_do_handshake(j->c);
	}
	return SSL_is_init_finished(j->s) && SSL_is_init_finished(j->c);
}

static void
job_free(struct job *j)
{
	SSL_free(j->s);
	SSL_free(j->c);
	ERR_clear_error();
}

static void
test_jobs(void)
{
	SSL_CTX *s = server_context(0);
	SSL_CTX *c = client_context(0, TLS1_3_VERSION, NULL);
	pid_t pid = start_keys();
	struct job jobs[JOBS], more;
	int i, away = 0, done = 0;

	ok(keyprov_jobs(), "handshakes can step aside");
	for (i = 0; i < JOBS; i++)
		away += job_begin(&jobs[i], s, c) == SSL_ERROR_WANT_ASYNC;
	is_int(away, JOBS, "all wait for keys at once");
	is_int(job_begin(&more, s, c), SSL_ERROR_WANT_ASYNC_JOB,
	    "one more must wait for them");
	ok(SSL_get_error(jobs[0].s, SSL_do_handshake(jobs[0].s)) ==
	    SSL_ERROR_SSL && jobs[0].woken == 0, "who goes on before the answer has given up");
	ok(shake(s, c), "one that cannot step aside gets its signature");
	for (i = 1; i < JOBS; i++)
		done += job_ends(&jobs[i]);
	is_int(done, JOBS - 1, "and so do all the others");
	SSL_do_handshake(more.s);
	ok(job_ends(&more), "and the one more");
	job_free(&more);
	for (i = 0; i < JOBS; i++)
		job_free(&jobs[i]);
	is_int(job_begin(&more, s, c), SSL_ERROR_WANT_ASYNC, "asked");
	end_keys(pid);
	ok(!job_ends(&more) && more.woken == 1, "keys is gone: it hears so");
	job_free(&more);
	SSL_CTX_free(s);
	SSL_CTX_free(c);
}

/* A key under the wrong index: the client notices. */
static void
test_mismatch(void)
{
	SSL_CTX *s = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = keyprov_key(0, certs[2]), *p384 = keyprov_key(0, certs[1]);
	SSL_CTX *c = client_context(2, TLS1_3_VERSION, NULL);
	pid_t pid = start_keys();

	ok(SSL_CTX_use_certificate(s, certs[0]) == 1 &&
	    SSL_CTX_use_PrivateKey(s, p384) != 1,
	    "another certificate's key is not accepted");
	ERR_clear_error();
	SSL_CTX_free(s);
	s = SSL_CTX_new(TLS_server_method());
	ok(SSL_CTX_use_certificate(s, certs[2]) == 1 &&
	    SSL_CTX_use_PrivateKey(s, key) == 1 && !shake(s, c),
	    "keys refuses a scheme that does not fit: no handshake");
	end_keys(pid);
	EVP_PKEY_free(key);
	EVP_PKEY_free(p384);
	SSL_CTX_free(s);
	SSL_CTX_free(c);
}

/* Malformed messages end the channel, not keys. */
static void
test_malformed(void)
{
	static const struct {
		const char *name;
		uint16_t type;
		int cut;	/* bytes left out at the end, or added when < 0 */
	} rows[] = {
		{ "another message", M_STOP, 0 }, { "an answer", M_SIGNED, 0 },
		{ "cut off", M_SIGN, 1 }, { "bytes behind", M_SIGN, -1 },
	};
	size_t i, len;

	for (i = 0; i < nitems(rows); i++) {
		uint8_t packet[256] = { 0 };
		struct ipc_in in;
		int fd[2];
		pid_t pid;

		if (ipc_pair(fd) == -1)
			abort();
		fflush(stdout);
		pid = fork();
		if (pid == 0) {
			close(fd[0]);
			run_keys(fd[1]);
		}
		close(fd[1]);
		ipc_begin(rows[i].type, 1);
		ipc_put_u32(0);
		ipc_put_u8(SIGN_ECDSA_SHA256);
		ipc_put_bytes("x", 1);
		memcpy(packet, ipc_built(&len), len < 200 ? len : 200);
		len -= (size_t)rows[i].cut;
		packet[4] = (uint8_t)(len - 16);
		ok(send(fd[0], packet, len, 0) == (ssize_t)len &&
		    ipc_recv_sync(fd[0], 5000, &in) == 0, "%s ends the channel",
		    rows[i].name);
		ok(waitpid(pid, NULL, WNOHANG) == 0, "keys is alive");
		end_keys(pid);
		close(fd[0]);
	}
}

static void
measure(void)
{
	struct timespec a, b;
	pid_t pid = start_keys();
	uint8_t tbs[64 + 34 + 32], sig[256];
	EVP_PKEY *key = keyprov_key(0, certs[0]);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int i, n = 200, made = 0;

	memset(tbs, 0x20, sizeof(tbs));
	memcpy(tbs + 64, "TLS 1.3, server CertificateVerify", 34);
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (i = 0; i < n; i++) {
		size_t len = sizeof(sig);

		made += EVP_DigestSignInit_ex(ctx, NULL, "SHA256", NULL, NULL,
		    key, NULL) == 1 && EVP_DigestSign(ctx, sig, &len, tbs,
		    sizeof(tbs)) == 1;
		EVP_MD_CTX_reset(ctx);
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	is_int(made, n, "%d signatures", n);
	printf("# %.0f microseconds each, P-256, both processes\n",
	    ((double)(b.tv_sec - a.tv_sec) * 1e9 +
	    (double)(b.tv_nsec - a.tv_nsec)) / 1e3 / n);
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	end_keys(pid);
}

int
main(void)
{
	EVP_PKEY *key;
	size_t i;

	log_set_sink(quiet);
	signal(SIGPIPE, SIG_IGN);
	ev_init();
	for (i = 0; i < TYPES; i++) {
		key = pair_key(types[i]);
		certs[i] = pair_cert(key);
		conf_keys[i].file = (char *)(uintptr_t)types[i];
		conf_keys[i].cert_file = conf_keys[i].file;
		conf_keys[i].pem.v = (uint8_t *)pair_pem(key, NULL, NULL);
		conf_keys[i].pem.n = strlen((char *)conf_keys[i].pem.v);
		conf_keys[i].chain_pem = pair_pem(NULL, certs[i], NULL);
		EVP_PKEY_free(key);
	}
	ok(keyprov_init(NULL) == 0, "the provider loads");
	test_handshakes();
	test_restart();
	test_jobs();
	test_mismatch();
	test_malformed();
	measure();
	signer_channel(-1);
	for (i = 0; i < TYPES; i++) {
		X509_free(certs[i]);
		free(conf_keys[i].pem.v);
		free(conf_keys[i].chain_pem);
	}
	return tap_done();
}
