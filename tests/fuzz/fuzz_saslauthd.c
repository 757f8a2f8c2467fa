/*
 * What comes back from saslauthd: a reply is the same however it arrives, and
 * nothing but "OK" lets anybody in.
 */
#include "lib/prelude.h"

#include "source/saslauthd.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	enum saslauthd_reply r = SASLAUTHD_MORE, whole;
	char why[SOURCE_WHY_MAX], whole_why[SOURCE_WHY_MAX];
	size_t have = 0;

	whole = saslauthd_parse(p, n, whole_why);
	while (r == SASLAUTHD_MORE && have < n)
		r = saslauthd_parse(p, ++have, why);
	/* Bytes behind a reply make it none; in pieces they are not seen. */
	MUST(r == whole || (whole == SASLAUTHD_BAD && have < n));
	if (whole == SASLAUTHD_OK)
		MUST(n >= 4 && p[2] == 'O' && p[3] == 'K' &&
		    n == ((size_t)p[0] << 8 | p[1]) + 2);
	MUST(memchr(whole_why, '\0', sizeof(whole_why)) != NULL);
	return 0;
}
