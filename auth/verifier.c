#include "lib/prelude.h"

#include <sys/random.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "auth/verifier.h"
#include "lib/base64.h"
#include "lib/log.h"

static void
hmac(const uint8_t *key, size_t key_len, const void *data, size_t n,
    uint8_t out[VERIFIER_KEY_LEN])
{
	unsigned int len = VERIFIER_KEY_LEN;

	if (HMAC(EVP_sha256(), key, (int)key_len, data, n, out, &len) == NULL)
		fatalx("cannot compute an HMAC");
}

/* RFC 5802 3: the keys that follow from a password, a salt and a count. */
void
verifier_derive(struct verifier *v, const void *password, size_t len)
{
	uint8_t salted[VERIFIER_KEY_LEN], client[VERIFIER_KEY_LEN];

	if (PKCS5_PBKDF2_HMAC(password, (int)len, v->salt, v->salt_len,
	    (int)v->iterations, EVP_sha256(), sizeof(salted), salted) != 1)
		fatalx("cannot derive a key");
	hmac(salted, sizeof(salted), "Client Key", 10, client);
	hmac(salted, sizeof(salted), "Server Key", 10, v->server_key);
	if (EVP_Digest(client, sizeof(client), v->stored_key, NULL,
	    EVP_sha256(), NULL) != 1)
		fatalx("cannot compute a digest");
	OPENSSL_cleanse(salted, sizeof(salted));
	OPENSSL_cleanse(client, sizeof(client));
}

void
verifier_make(struct verifier *v, const void *password, size_t len,
    uint32_t iterations)
{
	memset(v, 0, sizeof(*v));
	v->iterations = iterations;
	v->salt_len = VERIFIER_SALT_LEN;
	if (getrandom(v->salt, v->salt_len, 0) != v->salt_len)
		fatal("getrandom");
	verifier_derive(v, password, len);
}

bool
verifier_check(const struct verifier *v, const void *password, size_t len)
{
	struct verifier mine = *v;
	bool same;

	verifier_derive(&mine, password, len);
	same = CRYPTO_memcmp(mine.stored_key, v->stored_key,
	    VERIFIER_KEY_LEN) == 0;
	OPENSSL_cleanse(&mine, sizeof(mine));
	return same;
}

void
verifier_fake(struct verifier *v, const uint8_t secret[VERIFIER_SECRET_LEN],
    const char *name, uint32_t iterations)
{
	uint8_t salt[VERIFIER_KEY_LEN], of_name[VERIFIER_KEY_LEN];
	char what[32];

	memset(v, 0, sizeof(*v));
	v->iterations = iterations;
	v->salt_len = VERIFIER_SALT_LEN;
	hmac(secret, VERIFIER_SECRET_LEN, name, strlen(name), of_name);
	snprintf(what, sizeof(what), "salt %u", iterations);
	hmac(of_name, sizeof(of_name), what, strlen(what), salt);
	memcpy(v->salt, salt, v->salt_len);
	hmac(of_name, sizeof(of_name), "stored", 6, v->stored_key);
	hmac(of_name, sizeof(of_name), "server", 6, v->server_key);
}

uint64_t
verifier_draw(const uint8_t secret[VERIFIER_SECRET_LEN], const char *name)
{
	uint8_t of_name[VERIFIER_KEY_LEN], out[VERIFIER_KEY_LEN];
	uint64_t draw;

	hmac(secret, VERIFIER_SECRET_LEN, name, strlen(name), of_name);
	hmac(of_name, sizeof(of_name), "count", 5, out);
	memcpy(&draw, out, sizeof(draw));
	return draw;
}

uint64_t
verifier_hash(const uint8_t secret[VERIFIER_SECRET_LEN], const void *p,
    size_t n)
{
	uint8_t out[VERIFIER_KEY_LEN];
	uint64_t h;

	hmac(secret, VERIFIER_SECRET_LEN, p, n, out);
	memcpy(&h, out, sizeof(h));
	return h != 0 ? h : 1;
}

const char *
verifier_text(const struct verifier *v, char text[VERIFIER_TEXT_MAX])
{
	struct buf b;

	buf_init(&b, VERIFIER_TEXT_MAX - 1);
	if (buf_addf(&b, "SCRAM-SHA-256$%u:", v->iterations) == -1 ||
	    base64_encode(v->salt, v->salt_len, &b) == -1 ||
	    buf_addc(&b, '$') == -1 ||
	    base64_encode(v->stored_key, VERIFIER_KEY_LEN, &b) == -1 ||
	    buf_addc(&b, ':') == -1 ||
	    base64_encode(v->server_key, VERIFIER_KEY_LEN, &b) == -1)
		fatalx("a verifier outgrew its text");
	snprintf(text, VERIFIER_TEXT_MAX, "%s", buf_str(&b));
	buf_wipe(&b);
	return text;
}
