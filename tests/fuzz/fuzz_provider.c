/*
 * What a provider answers: its configuration and keys, or what it says about a
 * token. The input's lines are its answers, one after the other; the last byte
 * says which of the two it is, and whether answers come by error. Whoever waits
 * gets one verdict each, and nobody a second one.
 */
#include "lib/prelude.h"

#include "fetch/provider.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/fetch_vectors.h"
#include "tests/unit/fetch_world.h"

const unsigned long fuzz_replay_runs = 5000;

enum { INTROSPECT = 1, TROUBLE = 2, ERROR_500 = 4, REDIRECT = 8 };

static void
begin(int how)
{
	static bool begun;

	if (!begun)
		world_init();
	begun = true;
	ev_clock_step(PROVIDER_REST_MS);
	world_introspects(how & INTROSPECT);
	questions_conf(&world_conf, NULL, world_answered);
	questions_start();
}

static void
answer(int how, const char *line, size_t len)
{
	if (how & TROUBLE)
		world_answer("no answer within 5 s", 0, NULL, 0);
	else
		world_answer(NULL, how & ERROR_500 ? 500 : how & REDIRECT ?
		    302 : 200, line, len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct steer s = { p, n };
	int how = steer(&s);
	const char *at = (const char *)p, *end = at + s.n, *nl;
	unsigned int before;

	begin(how);
	before = world_answers;
	world_ask(1, VECTOR_ES256);
	world_ask(2, VECTOR_ES256);
	world_ask(3, "opaque");
	while (world_nasks > 0) {
		char *line;
		size_t len;

		nl = memchr(at, '\n', (size_t)(end - at));
		len = nl == NULL ? (size_t)(end - at) : (size_t)(nl - at);
		line = xmemdup(at, len);
		answer(how, line, len);
		free(line);
		at += len + (nl != NULL);
		how &= ~(TROUBLE | ERROR_500 | REDIRECT);
	}
	MUST(world_answers == before + 3);
	MUST(world_verdict.good == (*world_verdict.why == '\0'));
	MUST(!world_verdict.good || *world_verdict.name != '\0');
	questions_stop();
	MUST(world_nasks == 0);
	buf_reset(&world_log);
	return 0;
}
