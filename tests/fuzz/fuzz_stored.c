/*
 * What a database keeps of passwords: what is taken has one of the forms and a
 * bounded cost, and cheap ones are compared with a password for real.
 */
#include "lib/prelude.h"

#include "source/stored.h"
#include "tests/fuzz/fuzz.h"

const unsigned long fuzz_replay_runs = 20000;

static bool
is_cheap(const struct stored *s)
{
	return s->form == STORED_PLAIN || (s->form == STORED_SCRAM &&
	    s->verifier.iterations < 100) || (s->form == STORED_CRYPT &&
	    strncmp(s->text, "$5$rounds=1000$", 15) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	char *text = strndup((const char *)p, n);
	struct stored s;
	bool plaintext;

	for (plaintext = false;; plaintext = true) {
		if (stored_parse(text, plaintext, &s) == NULL) {
			MUST(plaintext || s.form != STORED_PLAIN);
			if (s.form == STORED_SCRAM)
				MUST(s.verifier.iterations >= 1 &&
				    s.verifier.iterations <= 2000000 &&
				    s.verifier.salt_len >= 1 &&
				    s.verifier.salt_len <= VERIFIER_SALT_MAX);
			else
				MUST(s.text >= text &&
				    s.text <= text + strlen(text));
			if (is_cheap(&s))
				MUST(!stored_fits(&s, "no such password"));
		}
		if (plaintext)
			break;
	}
	free(text);
	return 0;
}
