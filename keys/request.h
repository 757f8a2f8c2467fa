/*
 * request: what postern-keys is willing to sign. A worker may be in a stranger's
 * hands, so the content itself must show that it can only serve a TLS handshake
 * of this server: a TLS 1.3 CertificateVerify or a TLS 1.2 ServerKeyExchange
 * with an ephemeral elliptic curve key, to the byte. Pure functions.
 */
#ifndef KEYS_REQUEST_H
#define KEYS_REQUEST_H

#include <stddef.h>
#include <stdint.h>

enum request_kind {
	REQUEST_NONE,
	REQUEST_TLS13_VERIFY,		/* RFC 8446 4.4.3 */
	REQUEST_TLS12_KEY_EXCHANGE	/* RFC 8422 5.4 */
};

/* REQUEST_NONE when the n bytes are neither. */
enum request_kind request_kind_of(const uint8_t *, size_t n);

#endif
