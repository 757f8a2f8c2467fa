/*
 * password: from a password to what an account keeps of it: the verifier of
 * SCRAM-SHA-256 always, those of other hashes where their mechanism is offered.
 * Takes milliseconds: not for the main loop. Any thread.
 */
#ifndef AUTH_PASSWORD_H
#define AUTH_PASSWORD_H

#include "auth/accounts.h"

struct conf_strs;

/* Sets of further hashes are bits, 1 << enum scram_hash. */
uint32_t password_hashes(const struct conf_strs *mechanisms);
/* Those of the set that there is no verifier of. */
uint32_t password_missing(const struct verifier further[SCRAM_HASHES - 1],
	    uint32_t hashes);

/* All verifiers of *acc, whose name is there; nothing is stored. */
void	 password_set(const struct accounts *, struct account *acc,
	    const void *password, size_t len, uint32_t iterations,
	    uint32_t hashes);
/* The same for a device of that account, from what device_typed() gives. */
void	 password_set_device(const struct accounts *, const char *account,
	    struct device *, const char *password, uint32_t iterations,
	    uint32_t hashes);
/* By which a device is found among many; not 0. */
uint64_t password_mark(const struct accounts *, const char *password);
/*
 * The account's right password is at hand, or its device's (else NULL), and
 * there are not all verifiers of the set: makes and stores them. What fails is
 * logged; a later login tries again.
 */
void	 password_complete(struct accounts *, struct account *acc,
	    struct device *, const void *password, size_t len, uint32_t hashes);

#endif
