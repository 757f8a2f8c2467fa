/*
 * Accounts as they are stored: a record that is taken, written again, is the
 * same bytes. And what names may look like: their stored form is its own.
 */
#include "lib/prelude.h"

#include "auth/account.h"
#include "tests/fuzz/fuzz.h"

static void
as_record(const uint8_t *p, size_t n)
{
	struct account a;
	struct buf out;
	size_t i;

	memset(&a, 0, sizeof(a));
	if (account_decode(&a, p, n) == -1) {
		MUST(a.senders == NULL && a.nsenders == 0);
		return;
	}
	MUST(a.nsenders <= ACCOUNT_SENDERS_MAX && *a.cap != '\0' &&
	    a.verifier.iterations >= VERIFIER_ITERATIONS_MIN &&
	    a.verifier.iterations <= VERIFIER_ITERATIONS_MAX &&
	    a.verifier.salt_len <= VERIFIER_SALT_MAX);
	for (i = 0; i < a.nsenders; i++)
		MUST(strlen(a.senders[i]) <= ACCOUNT_MAX);
	buf_init(&out, ACCOUNT_RECORD_MAX);
	account_encode(&a, &out);
	MUST(out.len == n && memcmp(out.data, p, n) == 0);
	buf_clear(&out);
	account_clear(&a);
}

static void
as_name(const char *given, const char *form(const char *, char *))
{
	char once[ACCOUNT_MAX + 1], twice[ACCOUNT_MAX + 1];

	if (form(given, once) != NULL)
		return;
	MUST(strlen(once) <= strlen(given));
	MUST(form(once, twice) == NULL && strcmp(once, twice) == 0);
	MUST(strpbrk(once, "\r\n") == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	char *text = strndup((const char *)p, n);

	as_record(p, n);
	as_name(text, account_name);
	as_name(text, account_sender);
	if (strlen(text) <= CAP_NAME_MAX)
		as_name(text, account_cap);
	if (account_password(p, n) == NULL)
		MUST(n >= ACCOUNT_PASSWORD_MIN && n <= ACCOUNT_PASSWORD_MAX &&
		    memchr(p, '\0', n) == NULL);
	free(text);
	return 0;
}
