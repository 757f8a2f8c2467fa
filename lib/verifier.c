#include "lib/prelude.h"

#include <sys/random.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <strings.h>

#include "lib/verifier.h"
#include "lib/base64.h"
#include "lib/log.h"

static const struct {
	const char *mechanism;
	const EVP_MD *(*md)(void);
	size_t	 len;
} hashes[SCRAM_HASHES] = {
	[SCRAM_SHA_256] = { "SCRAM-SHA-256", EVP_sha256, 32 },
	[SCRAM_SHA_1] = { "SCRAM-SHA-1", EVP_sha1, 20 },
	[SCRAM_SHA_512] = { "SCRAM-SHA-512", EVP_sha512, 64 },
};

const char *
verifier_mechanism(enum scram_hash hash)
{
	return hashes[hash].mechanism;
}

int
verifier_hash_of(const char *mechanism)
{
	size_t len;
	int i;

	for (i = 0; i < SCRAM_HASHES; i++) {
		len = strlen(hashes[i].mechanism);
		if (strncasecmp(mechanism, hashes[i].mechanism, len) == 0 &&
		    (mechanism[len] == '\0' ||
		    strcasecmp(mechanism + len, "-PLUS") == 0))
			return i;
	}
	return -1;
}

size_t
verifier_key_len(enum scram_hash hash)
{
	return hashes[hash].len;
}

/* out is as long as the hash. */
static void
hmac_by(const EVP_MD *md, const uint8_t *key, size_t key_len, const void *data,
    size_t n, uint8_t *out)
{
	if (HMAC(md, key, (int)key_len, data, n, out, NULL) == NULL)
		fatalx("cannot compute an HMAC");
}

static void
hmac(const uint8_t *key, size_t key_len, const void *data, size_t n,
    uint8_t out[VERIFIER_KEY_LEN])
{
	hmac_by(EVP_sha256(), key, key_len, data, n, out);
}

/* RFC 5802 3: the keys that follow from a password, a salt and a count. */
void
verifier_derive(struct verifier *v, const void *password, size_t len)
{
	uint8_t salted[VERIFIER_KEY_MAX], client[VERIFIER_KEY_MAX];
	const EVP_MD *md = hashes[v->hash].md();
	size_t n = hashes[v->hash].len;

	if (PKCS5_PBKDF2_HMAC(password, (int)len, v->salt, v->salt_len,
	    (int)v->iterations, md, (int)n, salted) != 1)
		fatalx("cannot derive a key");
	hmac_by(md, salted, n, "Client Key", 10, client);
	hmac_by(md, salted, n, "Server Key", 10, v->server_key);
	if (EVP_Digest(client, n, v->stored_key, NULL, md, NULL) != 1)
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
	    hashes[v->hash].len) == 0;
	OPENSSL_cleanse(&mine, sizeof(mine));
	return same;
}

void
verifier_fake(struct verifier *v, const uint8_t secret[VERIFIER_SECRET_LEN],
    const char *name, enum scram_hash hash, uint32_t iterations)
{
	uint8_t salt[VERIFIER_KEY_LEN], of_name[VERIFIER_KEY_LEN];
	const EVP_MD *md = hashes[hash].md();
	char what[64];

	memset(v, 0, sizeof(*v));
	v->iterations = iterations;
	v->hash = hash;
	v->salt_len = VERIFIER_SALT_LEN;
	hmac(secret, VERIFIER_SECRET_LEN, name, strlen(name), of_name);
	snprintf(what, sizeof(what), "salt %u%s%s", iterations,
	    hash == SCRAM_SHA_256 ? "" : " ",
	    hash == SCRAM_SHA_256 ? "" : hashes[hash].mechanism);
	hmac(of_name, sizeof(of_name), what, strlen(what), salt);
	memcpy(v->salt, salt, v->salt_len);
	hmac_by(md, of_name, sizeof(of_name), "stored", 6, v->stored_key);
	hmac_by(md, of_name, sizeof(of_name), "server", 6, v->server_key);
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
	if (buf_addf(&b, "%s$%u:", hashes[v->hash].mechanism,
	    v->iterations) == -1 ||
	    base64_encode(v->salt, v->salt_len, &b) == -1 ||
	    buf_addc(&b, '$') == -1 ||
	    base64_encode(v->stored_key, hashes[v->hash].len, &b) == -1 ||
	    buf_addc(&b, ':') == -1 ||
	    base64_encode(v->server_key, hashes[v->hash].len, &b) == -1)
		fatalx("a verifier outgrew its text");
	snprintf(text, VERIFIER_TEXT_MAX, "%s", buf_str(&b));
	buf_wipe(&b);
	return text;
}
