/*
 * keyring: the private keys of one configuration and the signatures made with
 * them. Keys are immutable; a new configuration is a new keyring. Their secret
 * numbers live in OpenSSL's secure heap: locked, in no core dump.
 */
#ifndef KEYS_KEYRING_H
#define KEYS_KEYRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/conf.h"
#include "lib/ipc_msgs.h"

#define KEYRING_SIGNATURE_MAX 1024	/* RSA with 8192 bits */

struct keyring;

/* Once per process, before the first key and before rights are dropped. */
void	 keyring_start(void);
/*
 * Loads all keys and wipes their PEM. NULL when one is not usable: *why is then
 * a sentence that names the file, valid until the next call, and *cert whether
 * that is the certificate's.
 */
struct keyring *keyring_new(const struct keys_conf *, const char **why,
	    bool *cert);
void	 keyring_free(struct keyring **);

/*
 * Says what clients will hold against the certificates, each in a sentence:
 * over, nearly over, not begun, for another name than this, or out of order.
 */
void	 keyring_look(const struct keyring *, const char *hostname,
	    uint64_t wall_ms, void (*say)(const char *));

/*
 * The i-th certificate, how long it is valid (wall clock) and where it is from
 * (borrowed); false behind the last.
 */
bool	 keyring_cert(const struct keyring *, size_t i, const char **file,
	    uint64_t *from_ms, uint64_t *until_ms);

/*
 * A reload must not take a certificate away that is valid now for one that is
 * not. NULL, or a sentence, valid until the next call.
 */
const char *keyring_worse(const struct keyring *, const struct keyring *next,
	    uint64_t wall_ms);

/*
 * Signs the n bytes of a well-formed request (keys/request.h) with the key of
 * that index. NULL, with the signature in sig and its length in *sig_len; else
 * why not.
 */
const char *keyring_sign(const struct keyring *, uint32_t index,
	    enum sign_as, const uint8_t *tbs, size_t n,
	    uint8_t sig[KEYRING_SIGNATURE_MAX], size_t *sig_len);

#endif
