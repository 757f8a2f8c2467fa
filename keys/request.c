#include "lib/prelude.h"

#include "keys/request.h"

#define RANDOM_LEN	32	/* RFC 5246 7.4.1.2 */
#define NAMED_CURVE	3	/* RFC 8422 5.4: ECCurveType */
#define PADDING_LEN	64

/*
 * RFC 8446 4.4.3: 64 spaces, the context string, a zero byte, the transcript's
 * hash. That hash is the cipher suite's, SHA-256 or SHA-384, whatever digest
 * the signature uses.
 */
static bool
is_tls13_verify(const uint8_t *p, size_t n)
{
	/* The terminating NUL is the separator. */
	static const char context[] = "TLS 1.3, server CertificateVerify";
	size_t i;

	if (n != PADDING_LEN + sizeof(context) + 32 &&
	    n != PADDING_LEN + sizeof(context) + 48)
		return false;
	for (i = 0; i < PADDING_LEN; i++)
		if (p[i] != 0x20)
			return false;
	return memcmp(p + PADDING_LEN, context, sizeof(context)) == 0;
}

/* RFC 8422 5.4: both randoms, then ServerECDHParams, and nothing more. */
static bool
is_tls12_key_exchange(const uint8_t *p, size_t n)
{
	static const struct {
		uint16_t group;
		uint8_t len;
		bool point;		/* RFC 8422 5.4.1: uncompressed, 4 || x || y */
	} groups[] = {
		{ 23, 65, true },	/* secp256r1 */
		{ 24, 97, true },	/* secp384r1 */
		{ 25, 133, true },	/* secp521r1 */
		{ 29, 32, false },	/* x25519 */
		{ 30, 56, false },	/* x448 */
	};
	const size_t params = 2 * RANDOM_LEN, head = params + 4;
	size_t i;

	if (n <= head || p[params] != NAMED_CURVE)
		return false;
	for (i = 0; i < nitems(groups); i++)
		if (groups[i].group == (p[params + 1] << 8 | p[params + 2]))
			return p[params + 3] == groups[i].len &&
			    n == head + groups[i].len &&
			    (!groups[i].point || p[head] == 4);
	return false;
}

enum request_kind
request_kind_of(const uint8_t *p, size_t n)
{
	if (is_tls13_verify(p, n))
		return REQUEST_TLS13_VERIFY;
	if (is_tls12_key_exchange(p, n))
		return REQUEST_TLS12_KEY_EXCHANGE;
	return REQUEST_NONE;
}
