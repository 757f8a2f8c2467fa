/*
 * What a login costs postern-auth in CPU time, by mechanism, beside one raw
 * PBKDF2 of the same count in the same run:
 *
 *	bench_login [LOGINS [ITERATIONS]]
 *
 * "thread": libsasl2 and what it asks, in one thread. "whole": the process, with
 * channel, loop and hand-over between threads; the test's own side of the
 * channel is in it, too, and a client's proof is not.
 */
#include "lib/prelude.h"

#include <sys/resource.h>

#include "lib/num.h"
#include "tests/unit/scram_client.h"

#define ROUNDS		5		/* the best of them counts */
#define NAME		"alice@example.org"
#define PLAIN		"\0" NAME "\0" RIG_PASSWORD

static unsigned int logins = 400;
static uint32_t iterations = VERIFIER_ITERATIONS_MIN;
static uint64_t id;
static uint64_t now_ms = 1;	/* of the logins that need no loop */

static double
thread_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double
process_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void
need(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "bench_login: %s did not log in\n", what);
	exit(1);
}

/* --- one login in this thread ------------------------------------------------------ */

static void
params(struct sasl_login_params *p, const char *mechanism, uint32_t cache_sec)
{
	memset(p, 0, sizeof(*p));
	snprintf(p->mechanism, sizeof(p->mechanism), "%s", mechanism);
	snprintf(p->hostname, sizeof(p->hostname), "relay.example.org");
	snprintf(p->peer, sizeof(p->peer), "192.0.2.7");
	p->tls_bits = 256;
	p->iterations = iterations;
	p->cache_sec = cache_sec;
	p->bindings[BINDING_EXPORTER].n = 32;
}

static void
plain(uint32_t cache_sec)
{
	struct sasl_login_params p;
	struct sasl_login *l;
	struct sasl_result r;

	params(&p, "PLAIN", cache_sec);
	l = sasl_login_new(&p);
	sasl_result_init(&r);
	sasl_login_start(l, (const uint8_t *)PLAIN, sizeof(PLAIN) - 1, now_ms,
	    &r);
	need(r.answer == SASL_ANSWER_OK, "PLAIN");
	sasl_result_clear(&r);
	sasl_login_free(&l);
}

static void
plain_first(void)
{
	plain(0);
}

static void
plain_cached(void)
{
	plain(1000000);
}

static void
pbkdf2(void)
{
	static const uint8_t salt[VERIFIER_SALT_LEN];
	uint8_t out[VERIFIER_KEY_LEN];

	if (PKCS5_PBKDF2_HMAC(RIG_PASSWORD, strlen(RIG_PASSWORD), salt,
	    sizeof(salt), (int)iterations, EVP_sha256(), sizeof(out), out)
	    != 1)
		abort();
}

/* --- a client that need not think --------------------------------------------------- */

/* Salt and count are the account's: it hashes its password but once. */
static struct {
	uint8_t	 client[32], stored[32];
} keys;

static void
know_keys(const struct scram_client *s)
{
	uint8_t salted[32];

	PKCS5_PBKDF2_HMAC(RIG_PASSWORD, strlen(RIG_PASSWORD), s->salt,
	    (int)s->salt_len, (int)s->iterations, EVP_sha256(), 32, salted);
	HMAC(EVP_sha256(), salted, 32, (const uint8_t *)"Client Key", 10,
	    keys.client, NULL);
	EVP_Digest(keys.client, 32, keys.stored, NULL, EVP_sha256(), NULL);
}

static size_t
final(struct scram_client *s, char *message, size_t size)
{
	uint8_t signature[32], c[64];
	char c64[96], without[512], proof64[64];
	size_t i, n = strlen(s->gs2);

	memcpy(c, s->gs2, n);
	memset(c + n, 0, 32);
	scram_encode(c, n + (s->gs2[0] == 'p' ? 32 : 0), c64, sizeof(c64));
	snprintf(without, sizeof(without), "c=%s,r=%s", c64, s->nonce);
	snprintf(s->auth_message, sizeof(s->auth_message), "%s,%s,%s", s->bare,
	    s->server_first, without);
	HMAC(EVP_sha256(), keys.stored, 32, (const uint8_t *)s->auth_message,
	    strlen(s->auth_message), signature, NULL);
	for (i = 0; i < 32; i++)
		signature[i] ^= keys.client[i];
	scram_encode(signature, 32, proof64, sizeof(proof64));
	return (size_t)snprintf(message, size, "%s,p=%s", without, proof64);
}

/* Without the client's share, which the caller takes off. */
static double
scram(const char *mechanism, const char *gs2)
{
	struct rig_reply heard = { .type = M_AUTH_CHALLENGE };
	struct sasl_login_params p;
	struct scram_client s;
	struct sasl_login *l;
	struct sasl_result r;
	char message[1024];
	double client;
	size_t n;

	params(&p, mechanism, 0);
	scram_init(&s, "SCRAM-SHA-256");
	snprintf(s.gs2, sizeof(s.gs2), "%s", gs2);
	snprintf(s.bare, sizeof(s.bare), "n=" NAME ",r=" SCRAM_NONCE);
	n = (size_t)snprintf(message, sizeof(message), "%s%s", gs2, s.bare);
	sasl_result_init(&r);
	l = sasl_login_new(&p);
	sasl_login_start(l, (const uint8_t *)message, n, now_ms, &r);
	need(r.answer == SASL_ANSWER_CHALLENGE, mechanism);
	client = thread_us();
	heard.len = r.challenge.len;
	memcpy(heard.bytes, r.challenge.data, heard.len);
	scram_heard(&s, &heard);
	if (keys.client[0] == 0 && keys.client[1] == 0)
		know_keys(&s);
	n = final(&s, message, sizeof(message));
	client = thread_us() - client;
	sasl_login_step(l, (const uint8_t *)message, n, now_ms, &r);
	need(r.answer == SASL_ANSWER_CHALLENGE, mechanism);
	sasl_login_step(l, (const uint8_t *)"", 0, now_ms, &r);
	need(r.answer == SASL_ANSWER_OK, mechanism);
	sasl_result_clear(&r);
	sasl_login_free(&l);
	return client;
}

/* --- through the channel ---------------------------------------------------------------- */

static void
whole_plain(void)
{
	need(rig_begin(++id, "PLAIN", PLAIN, sizeof(PLAIN) - 1)->type ==
	    M_AUTH_OK, "PLAIN");
}

static void
whole_scram(void)
{
	struct scram_client s;
	char message[1024];
	size_t n;

	scram_begin(&s, ++id, "SCRAM-SHA-256", "n,,", NAME);
	n = final(&s, message, sizeof(message));
	need(rig_step(id, message, n)->type == M_AUTH_CHALLENGE &&
	    rig_step(id, "", 0)->type == M_AUTH_OK, "SCRAM-SHA-256");
}

/* --- the table ------------------------------------------------------------------------------ */

static double
best_of(void (*once)(void), double (*clock)(void), unsigned int n)
{
	double best = 0, t;
	unsigned int i, round;

	for (round = 0; round < ROUNDS; round++) {
		t = clock();
		for (i = 0; i < n; i++)
			once();
		t = (clock() - t) / n;
		if (round == 0 || t < best)
			best = t;
	}
	return best;
}

static double
best_scram(const char *mechanism, const char *gs2)
{
	double best = 0, t, client;
	unsigned int i, round;

	for (round = 0; round < ROUNDS; round++) {
		client = 0;
		t = thread_us();
		for (i = 0; i < logins; i++)
			client += scram(mechanism, gs2);
		t = (thread_us() - t - client) / logins;
		if (round == 0 || t < best)
			best = t;
	}
	return best;
}

static void
row(const char *what, double thread, double whole, double raw)
{
	printf("| %s | %.1f | ", what, thread);
	if (whole > 0)
		printf("%.1f | ", whole);
	else
		printf("| ");
	printf("%.3f |\n", thread / raw);
}

static void
add_account(void)
{
	struct account a;

	memset(&a, 0, sizeof(a));
	snprintf(a.name, sizeof(a.name), NAME);
	snprintf(a.cap, sizeof(a.cap), "default");
	verifier_make(&a.verifier, RIG_PASSWORD, strlen(RIG_PASSWORD),
	    iterations);
	need(accounts_add(rig_accounts, &a) == ACCOUNTS_OK, "an account");
	account_clear(&a);
}

int
main(int argc, char **argv)
{
	uint64_t n;
	double raw, first, cached, by_scram, by_plus, whole_first,
	    whole_cached, whole_by_scram;

	if (argc > 1 && num_parse(argv[1], strlen(argv[1]), 1, 1000000, &n)
	    == 0)
		logins = (unsigned int)n;
	if (argc > 2 && num_parse(argv[2], strlen(argv[2]),
	    VERIFIER_ITERATIONS_MIN, VERIFIER_ITERATIONS_MAX, &n) == 0)
		iterations = (uint32_t)n;
	rig_start(2);
	add_account();
	raw = best_of(pbkdf2, thread_us, logins / 4 + 1);
	first = best_of(plain_first, thread_us, logins / 4 + 1);
	rig_conf.cache_sec = 0;
	whole_first = best_of(whole_plain, process_us, logins / 4 + 1);
	rig_conf.cache_sec = 1000000;
	whole_cached = best_of(whole_plain, process_us, logins);
	cached = best_of(plain_cached, thread_us, logins);
	by_scram = best_scram("SCRAM-SHA-256", "n,,");
	by_plus = best_scram("SCRAM-SHA-256-PLUS", "p=tls-exporter,,");
	whole_by_scram = best_of(whole_scram, process_us, logins);
	rig_stop();
	printf("| login | thread, us | whole, us | thread : one PBKDF2 |\n"
	    "| --- | --- | --- | --- |\n");
	row("one raw PBKDF2", raw, 0, raw);
	row("PLAIN, first", first, whole_first, raw);
	row("PLAIN, cached", cached, whole_cached, raw);
	row("SCRAM-SHA-256", by_scram, whole_by_scram, raw);
	row("SCRAM-SHA-256-PLUS", by_plus, 0, raw);
	return 0;
}
