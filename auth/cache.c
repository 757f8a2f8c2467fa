#include "lib/prelude.h"

#include <sys/random.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>

#include "auth/account.h"
#include "auth/cache.h"
#include "lib/log.h"

#define SLOTS	4096		/* a newcomer takes the place of an older one */
#define MAC_LEN	32

struct slot {
	uint8_t	 mac[MAC_LEN];
	uint64_t until_ms;
};

static struct slot slots[SLOTS];	/* under lock */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint8_t key[32];

void
cache_init(void)
{
	if (getrandom(key, sizeof(key), 0) != sizeof(key))
		fatal("getrandom");
}

static bool
mac_of(const char *name, const struct verifier *v, const void *password,
    size_t len, uint8_t mac[MAC_LEN])
{
	uint8_t in[ACCOUNT_MAX + 1 + VERIFIER_KEY_LEN + ACCOUNT_PASSWORD_MAX];
	size_t n = strlen(name) + 1;	/* its NUL parts it from the rest */
	unsigned int mac_len = MAC_LEN;
	bool made;

	if (n > ACCOUNT_MAX + 1 || len > ACCOUNT_PASSWORD_MAX)
		return false;
	memcpy(in, name, n);
	memcpy(in + n, v->stored_key, VERIFIER_KEY_LEN);
	n += VERIFIER_KEY_LEN;
	memcpy(in + n, password, len);
	n += len;
	made = HMAC(EVP_sha256(), key, sizeof(key), in, n, mac, &mac_len) !=
	    NULL;
	OPENSSL_cleanse(in, sizeof(in));
	return made;
}

static struct slot *
slot_of(const uint8_t mac[MAC_LEN])
{
	return &slots[(mac[0] << 8 | mac[1]) % SLOTS];
}

bool
cache_knows(const char *name, const struct verifier *v, const void *password,
    size_t len, uint64_t now_ms)
{
	uint8_t mac[MAC_LEN];
	struct slot *slot;
	bool known;

	if (!mac_of(name, v, password, len, mac))
		return false;
	slot = slot_of(mac);
	pthread_mutex_lock(&lock);
	known = now_ms < slot->until_ms &&
	    CRYPTO_memcmp(slot->mac, mac, MAC_LEN) == 0;
	pthread_mutex_unlock(&lock);
	return known;
}

void
cache_learn(const char *name, const struct verifier *v, const void *password,
    size_t len, uint64_t now_ms, uint32_t keep_sec)
{
	uint8_t mac[MAC_LEN];
	struct slot *slot;

	if (keep_sec == 0 || !mac_of(name, v, password, len, mac))
		return;
	slot = slot_of(mac);
	pthread_mutex_lock(&lock);
	memcpy(slot->mac, mac, MAC_LEN);
	slot->until_ms = now_ms + (uint64_t)keep_sec * 1000;
	pthread_mutex_unlock(&lock);
}
