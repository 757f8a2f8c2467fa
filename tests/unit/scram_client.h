/*
 * scram_client: SCRAM as a client speaks it (RFC 5802), with any of its hashes
 * and with channel binding, to the auth of tests/unit/auth_rig.h.
 */
#ifndef TESTS_UNIT_SCRAM_CLIENT_H
#define TESTS_UNIT_SCRAM_CLIENT_H

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "lib/base64.h"
#include "tests/unit/auth_rig.h"

#define SCRAM_NONCE	"fyko+d2lbbFgONRv9qkxdawL"

struct scram_client {
	const EVP_MD *md;
	size_t	 len;			/* of the hash */
	char	 gs2[128], bare[256], nonce[128];
	char	 server_first[512];
	uint8_t	 salt[64];
	size_t	 salt_len;
	unsigned int iterations;
	uint8_t	 server_key[64];
	char	 auth_message[2048];
};

__attribute__((unused)) static void
scram_encode(const void *p, size_t n, char *out, size_t size)
{
	struct buf b;

	buf_init(&b, 4096);
	base64_encode(p, n, &b);
	snprintf(out, size, "%s", buf_str(&b));
	buf_clear(&b);
}

__attribute__((unused)) static size_t
scram_decode(const char *text, uint8_t *out, size_t size)
{
	struct buf b;
	size_t n;

	buf_init(&b, size);
	if (base64_decode(text, strlen(text), &b) == -1)
		abort();
	n = b.len;
	memcpy(out, b.data, n);
	buf_clear(&b);
	return n;
}

__attribute__((unused)) static void
scram_init(struct scram_client *s, const char *mechanism)
{
	memset(s, 0, sizeof(*s));
	s->md = strncmp(mechanism, "SCRAM-SHA-512", 13) == 0 ? EVP_sha512() :
	    strncmp(mechanism, "SCRAM-SHA-256", 13) == 0 ? EVP_sha256() :
	    EVP_sha1();
	s->len = (size_t)EVP_MD_get_size(s->md);
}

/* What the server said first; false when that is no challenge of SCRAM. */
__attribute__((unused)) static bool
scram_heard(struct scram_client *s, const struct rig_reply *r)
{
	char salt64[128];

	if (r->type != M_AUTH_CHALLENGE)
		return false;
	snprintf(s->server_first, sizeof(s->server_first), "%.*s", (int)r->len,
	    (const char *)r->bytes);
	if (sscanf(s->server_first, "r=%127[^,],s=%127[^,],i=%u", s->nonce,
	    salt64, &s->iterations) != 3)
		return false;
	s->salt_len = scram_decode(salt64, s->salt, sizeof(s->salt));
	return true;
}

/* The first message, as initial response; keeps what the server says. */
__attribute__((unused)) static const struct rig_reply *
scram_begin(struct scram_client *s, uint64_t id, const char *mechanism,
    const char *gs2, const char *name)
{
	const struct rig_reply *r;
	char first[512];

	scram_init(s, mechanism);
	snprintf(s->gs2, sizeof(s->gs2), "%s", gs2);
	snprintf(s->bare, sizeof(s->bare), "n=%s,r=" SCRAM_NONCE, name);
	snprintf(first, sizeof(first), "%s%s", gs2, s->bare);
	r = rig_begin(id, mechanism, first, strlen(first));
	scram_heard(s, r);
	return r;
}

/* RFC 5802 3, over bare and server_first, which are there. */
__attribute__((unused)) static void
scram_prove(struct scram_client *s, const char *password, const char *without,
    uint8_t *proof)
{
	uint8_t salted[64], client[64], stored[64], signature[64];
	size_t i;

	PKCS5_PBKDF2_HMAC(password, (int)strlen(password), s->salt,
	    (int)s->salt_len, (int)s->iterations, s->md, (int)s->len, salted);
	HMAC(s->md, salted, (int)s->len, (const uint8_t *)"Client Key", 10,
	    client, NULL);
	HMAC(s->md, salted, (int)s->len, (const uint8_t *)"Server Key", 10,
	    s->server_key, NULL);
	EVP_Digest(client, s->len, stored, NULL, s->md, NULL);
	snprintf(s->auth_message, sizeof(s->auth_message), "%s,%s,%s", s->bare,
	    s->server_first, without);
	HMAC(s->md, stored, (int)s->len, (const uint8_t *)s->auth_message,
	    strlen(s->auth_message), signature, NULL);
	for (i = 0; i < s->len; i++)
		proof[i] = client[i] ^ signature[i];
}

/* The final message; data is the channel's binding, behind the header. */
__attribute__((unused)) static const struct rig_reply *
scram_finish(struct scram_client *s, uint64_t id, const char *password,
    const void *data, size_t n)
{
	uint8_t c[512], proof[64];
	char c64[700], without[1024], proof64[96], message[1200];
	size_t len = strlen(s->gs2);

	memcpy(c, s->gs2, len);
	if (n > 0)
		memcpy(c + len, data, n);
	scram_encode(c, len + n, c64, sizeof(c64));
	snprintf(without, sizeof(without), "c=%s,r=%s", c64, s->nonce);
	scram_prove(s, password, without, proof);
	scram_encode(proof, s->len, proof64, sizeof(proof64));
	snprintf(message, sizeof(message), "%s,p=%s", without, proof64);
	return rig_step(id, message, strlen(message));
}

/* What the server has to say at last. */
__attribute__((unused)) static void
scram_signature(const struct scram_client *s, char *text, size_t size)
{
	uint8_t signature[64];
	char sig64[96];

	HMAC(s->md, s->server_key, (int)s->len,
	    (const uint8_t *)s->auth_message, strlen(s->auth_message),
	    signature, NULL);
	scram_encode(signature, s->len, sig64, sizeof(sig64));
	snprintf(text, size, "v=%s", sig64);
}

/* From the server's last word to the end: did it prove itself, are we in? */
__attribute__((unused)) static bool
scram_in(const struct scram_client *s, uint64_t id, const struct rig_reply *r)
{
	char want[128];

	scram_signature(s, want, sizeof(want));
	return r->type == M_AUTH_CHALLENGE && r->len == strlen(want) &&
	    memcmp(r->bytes, want, r->len) == 0 &&
	    rig_step(id, "", 0)->type == M_AUTH_OK;
}

#endif
