/*
 * verifier: what is stored instead of a password (RFC 5802 3, RFC 7677): salt,
 * iteration count, StoredKey and ServerKey of SCRAM with one of its hashes. It
 * serves SCRAM and, with the password at hand, PLAIN and LOGIN. Any thread.
 */
#ifndef LIB_VERIFIER_H
#define LIB_VERIFIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VERIFIER_KEY_LEN	32	/* with SHA-256 */
#define VERIFIER_KEY_MAX	64
#define VERIFIER_SALT_LEN	16	/* of those made here */
#define VERIFIER_SALT_MAX	64
#define VERIFIER_SECRET_LEN	32
/* RFC 7677 4 asks for the first; Cyrus clients refuse more than the second. */
#define VERIFIER_ITERATIONS_MIN	4096
#define VERIFIER_ITERATIONS_MAX	65536
#define VERIFIER_TEXT_MAX	384

enum scram_hash { SCRAM_SHA_256, SCRAM_SHA_1, SCRAM_SHA_512, SCRAM_HASHES };

struct verifier {
	uint32_t iterations;	/* 0: there is none */
	enum scram_hash hash;
	uint8_t	 salt_len;
	uint8_t	 salt[VERIFIER_SALT_MAX];
	uint8_t	 stored_key[VERIFIER_KEY_MAX];
	uint8_t	 server_key[VERIFIER_KEY_MAX];
};

/* "SCRAM-SHA-256". */
const char *verifier_mechanism(enum scram_hash);
/* Of that mechanism or its -PLUS, in any case; -1: none of ours. */
int	 verifier_hash_of(const char *mechanism);
/* Of StoredKey and ServerKey. */
size_t	 verifier_key_len(enum scram_hash);

/* SCRAM-SHA-256, with a fresh salt. Takes milliseconds: not for the main loop. */
void	 verifier_make(struct verifier *, const void *password, size_t len,
	    uint32_t iterations);
/* The keys, from hash, salt and iteration count, which are in *v already. */
void	 verifier_derive(struct verifier *, const void *password, size_t len);
/* Whether this is the password. The same time whether or not. */
bool	 verifier_check(const struct verifier *, const void *password,
	    size_t len);

/*
 * For a name that has no account: what a stranger sees of it (salt, count) is
 * the same every time, and no password fits. A new count comes with a new salt,
 * as it does with a new password. secret is the installation's.
 */
void	 verifier_fake(struct verifier *,
	    const uint8_t secret[VERIFIER_SECRET_LEN], const char *name,
	    enum scram_hash, uint32_t iterations);

/* A number that goes with the name, for census_draw(). */
uint64_t verifier_draw(const uint8_t secret[VERIFIER_SECRET_LEN],
	    const char *name);

/* Of any bytes; not 0. */
uint64_t verifier_hash(const uint8_t secret[VERIFIER_SECRET_LEN],
	    const void *, size_t);

/*
 * As RFC 5803 2 writes it, "SCRAM-SHA-256$count:salt$StoredKey:ServerKey";
 * returns text.
 */
const char *verifier_text(const struct verifier *,
	    char text[VERIFIER_TEXT_MAX]);

#endif
