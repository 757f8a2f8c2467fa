/* base64, there and back; and the numbers people write. */
#include "lib/prelude.h"

#include "lib/base64.h"
#include "lib/num.h"
#include "tests/fuzz/fuzz.h"

/* What decodes has exactly one text, this one, and fits where it must. */
static void
as_text(const uint8_t *p, size_t n)
{
	struct buf bytes, text;

	buf_init(&bytes, n / 4 * 3);
	buf_init(&text, n);
	if (base64_decode((const char *)p, n, &bytes) == 0) {
		MUST(base64_encode(bytes.data, bytes.len, &text) == 0);
		MUST(text.len == n && (n == 0 || memcmp(text.data, p, n) == 0));
	}
	buf_clear(&bytes);
	buf_clear(&text);
}

/* What one alphabet takes, the other does, written in it and without padding. */
static void
as_url(const uint8_t *p, size_t n)
{
	struct buf bytes, again, text;
	size_t i;
	int r;

	buf_init(&bytes, n);
	buf_init(&again, n);
	buf_init(&text, n + 3);
	r = base64url_decode((const char *)p, n, &bytes);
	for (i = 0; i < n; i++)
		buf_addc(&text, p[i] == '-' ? '+' : p[i] == '_' ? '/' :
		    p[i] == '+' || p[i] == '/' || p[i] == '=' ? '!' : p[i]);
	while (text.len % 4 != 0 && text.len < n + 3)
		buf_addc(&text, '=');
	if (n % 4 == 1)
		MUST(r == -1);
	else if (base64_decode(buf_str(&text), text.len, &again) == 0)
		MUST(r == 0 && again.len == bytes.len && (bytes.len == 0 ||
		    memcmp(again.data, bytes.data, bytes.len) == 0));
	else
		MUST(r == -1);
	buf_clear(&bytes);
	buf_clear(&again);
	buf_clear(&text);
}

static void
as_bytes(const uint8_t *p, size_t n)
{
	struct buf text, back;

	buf_init(&text, (n + 2) / 3 * 4);
	buf_init(&back, n);
	MUST(base64_encode(p, n, &text) == 0);
	MUST(base64_decode(buf_str(&text), text.len, &back) == 0);
	MUST(back.len == n && (n == 0 || memcmp(back.data, p, n) == 0));
	buf_clear(&text);
	buf_clear(&back);
}

static void
as_number(const uint8_t *p, size_t n)
{
	char text[NUM_TEXT_LEN], *s = strndup((const char *)p, n);
	uint64_t v, back;

	if (num_parse_size(s, &v) == 0)
		MUST(num_parse_size(num_print_size(v, text), &back) == 0 &&
		    back == v);
	if (num_parse_duration(s, &v) == 0)
		MUST(num_parse_duration(num_print_duration(v, text), &back)
		    == 0 && back == v && *num_print_wait(v, text) != '\0');
	free(s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	as_text(p, n);
	as_url(p, n);
	as_bytes(p, n);
	as_number(p, n);
	return 0;
}
