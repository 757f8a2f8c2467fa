/*
 * Address lists: reading ends; what is found is an address, and as the only one
 * of a list it is found again, also under a name, in a group and in angles.
 */
#include "lib/prelude.h"

#include "lib/mailboxes.h"
#include "tests/fuzz/fuzz.h"

static void
only(const char *text, const char *want)
{
	struct mailboxes m;
	char out[ADDR_MAX + 2];

	mailboxes_init(&m, text, strlen(text));
	MUST(mailboxes_next(&m, out) == MAILBOXES_ONE);
	MUST(strcmp(out, want) == 0);
	MUST(mailboxes_next(&m, out) == MAILBOXES_END);
	MUST(mailboxes_next(&m, out) == MAILBOXES_END);
}

static void
again(const char *addr)
{
	static const char *const forms[] = { "%s", " %s\r\n", "<%s>",
	    "\"A, B\" (c \\) d) <%s>", "G: %s;", ",%s,\r\n ,", "<@x,@y:%s>" };
	char text[ADDR_MAX + 64];
	size_t i;

	MUST(addr_parse(addr, strlen(addr), ADDR_UTF8, NULL) == NULL);
	for (i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(text, sizeof(text), forms[i], addr);
#pragma GCC diagnostic pop
		only(text, addr);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct mailboxes m;
	enum mailboxes_next r;
	char out[ADDR_MAX + 2];
	size_t found = 0;

	mailboxes_init(&m, (const char *)p, n);
	while ((r = mailboxes_next(&m, out)) == MAILBOXES_ONE) {
		again(out);
		MUST(++found <= n);
	}
	return 0;
}
