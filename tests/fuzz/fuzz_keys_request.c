/* What postern-keys signs: nothing but the two forms of a TLS handshake. */
#include "lib/prelude.h"

#include "keys/request.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const char context[] = "TLS 1.3, server CertificateVerify";

	switch (request_kind_of(p, n)) {
	case REQUEST_NONE:
		break;
	case REQUEST_TLS13_VERIFY:
		MUST(n == 64 + sizeof(context) + 32 ||
		    n == 64 + sizeof(context) + 48);
		MUST(memmem(p, n, context, sizeof(context)) == p + 64);
		break;
	case REQUEST_TLS12_KEY_EXCHANGE:
		/* Two randoms, and a point on a named curve to the end. */
		MUST(n > 68 && p[64] == 3 && p[65] == 0 && n == 68U + p[67]);
		break;
	}
	return 0;
}
