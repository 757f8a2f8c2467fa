/*
 * A client's messages in a login, through libsasl2: pieces that end at 0xff, the
 * mechanism from the last byte. Nobody gets in who does not know the password.
 */
#include "lib/prelude.h"

#include "tests/fuzz/fuzz.h"
#include "tests/unit/auth_rig.h"

const unsigned long fuzz_replay_runs = 2000;

/* Berkeley DB finds its memory by offsets, which look like nothing. */
const char *__lsan_default_suppressions(void);

const char *
__lsan_default_suppressions(void)
{
	return "leak:libdb-5.3";
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *why = NULL;

	log_set_sink(rig_quiet);
	rig_make_dir();
	why = sasl_login_init();
	if (why == NULL)
		rig_accounts = accounts_open(rig_dir, &why);
	if (why != NULL) {
		fprintf(stderr, "%s\n", why);
		abort();
	}
	rig_add("bob", NULL);
	rig_remove_dir();		/* it works without its name */
	sasl_login_accounts(rig_accounts);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const char *const mechanisms[] = { "SCRAM-SHA-256", "PLAIN",
	    "LOGIN", "SCRAM-SHA-256-PLUS" };
	struct sasl_login_params params = { .hostname = "relay.example.org",
	    .tls_bits = 256, .iterations = VERIFIER_ITERATIONS_MIN,
	    .plus = true };
	struct steer s = { p, n };
	struct sasl_login *login;
	struct sasl_result r;
	const uint8_t *end;
	size_t len;
	bool first = true;

	snprintf(params.mechanism, sizeof(params.mechanism), "%s",
	    mechanisms[steer(&s) % nitems(mechanisms)]);
	params.bindings[BINDING_EXPORTER].n = 32;
	params.bindings[BINDING_END_POINT].n = 48;
	login = sasl_login_new(&params);
	MUST(login != NULL);
	sasl_result_init(&r);
	do {
		end = s.n == 0 ? NULL : memchr(s.p, 0xff, s.n);
		len = end == NULL ? s.n : (size_t)(end - s.p);
		if (first)
			sasl_login_start(login, s.p, len, 1, &r);
		else
			sasl_login_step(login, s.p, len, 1, &r);
		MUST(r.answer != SASL_ANSWER_OK);
		first = false;
		len += end != NULL;
		s.p += len;
		s.n -= len;
	} while (r.answer == SASL_ANSWER_CHALLENGE && end != NULL);
	sasl_result_clear(&r);
	sasl_login_free(&login);
	return 0;
}
