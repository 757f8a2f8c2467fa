/* Headers: fields lie side by side, and the end does not depend on arrival. */
#include "lib/prelude.h"

#include "lib/header.h"
#include "tests/fuzz/fuzz.h"

static void
all_fields(const char *text, size_t n)
{
	struct header_field f;
	size_t at = 0, before = 0;

	while (header_next(text, n, &at, &f) == HEADER_FIELD) {
		MUST(at > before && at <= n && f.whole == text + before &&
		    f.whole_len == at - before);
		MUST(f.name_len > 0 && f.name == f.whole &&
		    f.value > f.name + f.name_len - 1 &&
		    f.value + f.value_len == text + at);
		MUST(memchr(f.name, ' ', f.name_len) == NULL);
		header_is(&f, "Bcc");
		before = at;
	}
	MUST(at <= n && at - before <= 2);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct steer s = { p, n };
	uint32_t seed = steer(&s);
	const char *text = (const char *)p;
	size_t len, grown = 0, have, from = 0;
	bool found = header_find_end(text, s.n, 0, &len), there = false;

	MUST(len <= s.n && (found || len == 0));
	all_fields(text, s.n);
	if (found)
		all_fields(text, len);
	for (have = 0; have < s.n && !there; from = have) {
		have += steer_piece(&seed, s.n - have);
		there = header_find_end(text, have, from, &grown);
	}
	MUST(there == found && (!found || grown == len));
	return 0;
}
