/*
 * A name in a filter or DN of the configuration: the text up to the first NUL,
 * the name behind it. Whatever the name is, the result has the brackets,
 * commas and equals signs of the text and no others, and reads back.
 */
#include "lib/prelude.h"

#include "lib/fill.h"
#include "source/quote.h"
#include "tests/fuzz/fuzz.h"

#define OUT_MAX 4096

static size_t
count(const char *s, size_t n, const char *set)
{
	size_t i, found = 0;

	for (i = 0; i < n; i++)
		found += s[i] != '\0' && strchr(set, s[i]) != NULL;
	return found;
}

/* RFC 4515 3, RFC 4514 2.4: two hex digits behind a backslash are a byte. */
static void
reads_back(const char *name, size_t n)
{
	struct buf out, back;
	size_t i;

	buf_init(&out, 3 * OUT_MAX);
	buf_init(&back, OUT_MAX);
	MUST(quote_ldap(&out, name, n) == 0);
	for (i = 0; i < out.len; i++) {
		unsigned int byte = out.data[i];

		if (byte == '\\') {
			MUST(i + 2 < out.len && sscanf(
			    (const char *)out.data + i + 1, "%2x", &byte) ==
			    1);
			i += 2;
		}
		MUST(buf_addc(&back, (uint8_t)byte) == 0);
	}
	MUST(back.len == n && (n == 0 || memcmp(back.data, name, n) == 0));
	buf_clear(&out);
	buf_clear(&back);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const char special[] = "()*,+=<>;\"# &|!~:/";
	char *text = strndup((const char *)p, n), *name;
	size_t len = strlen(text);
	struct buf out;

	if (n > OUT_MAX) {
		free(text);
		return 0;
	}
	name = len < n ? strndup((const char *)p + len + 1, n - len - 1) :
	    strdup("");
	reads_back(name, strlen(name));
	buf_init(&out, OUT_MAX);
	if (fill_check(text) == NULL && fill_in(&out, text, name, quote_ldap)
	    == 0)
		MUST(count(buf_str(&out), out.len, special) ==
		    count(text, len, special));
	buf_clear(&out);
	free(text);
	free(name);
	return 0;
}
