/*
 * The guard's file, its sum made right: what is taken is packed again, and that
 * is taken and packed the same; and whatever times it holds, nobody is locked
 * for longer than a day.
 */
#include "lib/prelude.h"

#include <openssl/evp.h>

#include "auth/guard.h"
#include "lib/log.h"
#include "lib/net.h"
#include "tests/fuzz/fuzz.h"

#define SUM_LEN	32
#define MAGIC_LEN	16
#define DAY_MS	(24 * 3600 * 1000ull)

static void
quiet(enum log_level level, const char *proc, const char *line)
{
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	log_set_sink(quiet);
	return 0;
}

static void
see_cb(const struct guard_lock *lock, void *arg)
{
	char from[NET_PREFIX_LEN];

	MUST(*lock->what != '\0' && strlen(lock->name) <= 1024);
	MUST(lock->until_ms > 1000 && lock->until_ms <= 1000 + DAY_MS);
	if (lock->from != NULL)
		MUST(*net_print_prefix(lock->from, from) != '\0');
}

static void
try(struct guard *g, uint64_t now_ms)
{
	const struct net all = { .bits = 0 };
	static const char *const peers[] = { "192.0.2.1", "2001:db8::1", "" };
	size_t i;

	for (i = 0; i < 3; i++) {
		MUST(guard_peer_wait(g, peers[i], now_ms) <= DAY_MS);
		MUST(guard_account_wait(g, "a", peers[i], now_ms) <= DAY_MS);
		guard_failed(g, "a", peers[i], now_ms, now_ms);
		guard_succeeded(g, "a", peers[i], now_ms);
	}
	guard_unlock_net(g, &all, now_ms);
	guard_unlock(g, "a");
	MUST(guard_locked_until(g, "a", now_ms) == 0);
}

static void
take(const uint8_t *p, size_t n)
{
	struct guard *g = guard_new();
	uint8_t *once, *twice;
	size_t n1, n2;

	guard_configure(g, 10, 1000);
	if (guard_unpack(g, p, n)) {
		once = guard_pack(g, &n1);
		/* What version 1 has not is added. */
		MUST(n1 == n || p[MAGIC_LEN - 2] == '1');
		guard_locks(g, 1000, see_cb, NULL);
		MUST(guard_unpack(g, once, n1));
		twice = guard_pack(g, &n2);
		MUST(n1 == n2 && memcmp(once, twice, n1) == 0);
		free(once);
		free(twice);
		try(g, n == 0 ? 0 : p[n - 1] * 0x0101010101ull);
		try(g, UINT64_MAX / 2);
	}
	guard_free(&g);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	uint8_t *whole = malloc(n + SUM_LEN);

	take(p, n);
	if (whole != NULL && n > 0) {
		memcpy(whole, p, n);
		MUST(EVP_Digest(p, n, whole + n, NULL, EVP_sha256(), NULL) ==
		    1);
		take(whole, n + SUM_LEN);
	}
	free(whole);
	return 0;
}
