#include "lib/prelude.h"

#include "source/quote.h"

int
quote_ldap(struct buf *out, const char *p, size_t n)
{
	static const char harmless[] = "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@";
	size_t i;
	int r = 0;

	for (i = 0; i < n && r == 0; i++) {
		uint8_t c = (uint8_t)p[i];

		if (c >= 0x80 || (c != '\0' && strchr(harmless, c) != NULL))
			r = buf_addc(out, c);
		else
			r = buf_addf(out, "\\%02x", c);
	}
	return r;
}
