/*
 * fetch/questions, provider and introspect: who waits for whom, what is looked
 * at how often, what counts while the provider is away. Time is stepped.
 */
#include "lib/prelude.h"

#include "fetch/introspect.h"
#include "fetch/provider.h"
#include "tests/tap.h"
#include "tests/unit/fetch_vectors.h"
#include "tests/unit/fetch_world.h"

#define DAY_MS	(24 * 3600 * 1000ULL)

static void
begin(bool introspects)
{
	questions_stop();
	world_introspects(introspects);
	questions_conf(&world_conf, NULL, world_answered);
	questions_start();
	buf_reset(&world_log);
	world_answers = 0;
}

static void
keys_come(void)
{
	world_says(WORLD_DISCOVERY);
	world_says(VECTOR_KEYS);
}

static void
is_good(const char *name)
{
	if (!ok(world_id != 0 && world_verdict.good &&
	    strcmp(world_verdict.name, "alice@example.org") == 0, "%s", name))
		printf("# %s\n", world_verdict.why);
}

static void
is_bad(enum token_no no, const char *why, const char *name)
{
	if (!ok(world_id != 0 && !world_verdict.good &&
	    world_verdict.no == no && strstr(world_verdict.why, why) != NULL,
	    "%s", name))
		printf("# %d %s\n", world_verdict.no, world_verdict.why);
}

/* A good signature and kid, in a set without that key. */
#define ONE_KEY "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"a" \
	"\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}"

static void
test_first_look(void)
{
	begin(false);
	is_int(world_nasks, 1, "it looks at once");
	is_str(world_asks[0]->url, "https://id.example.org/.well-known/"
	    "openid-configuration", "where the issuer says");
	world_ask(1, VECTOR_ES256);
	is_int(world_id, 0, "who comes meanwhile waits");
	world_says(WORLD_DISCOVERY);
	is_str(world_asks[0]->url, "https://keys.example.org/jwks",
	    "then where its keys are");
	world_says(VECTOR_KEYS);
	is_int(world_id, 1, "and is answered then");
	is_good("a good token");
	ok(world_logged("keys=5"), "the log has the keys");
	world_ask(2, VECTOR_EDDSA);
	is_good("the next one is answered at once");
	world_ask(3, "opaque");
	is_bad(TOKEN_NO_INVALID, "introspection", "one that is no JWT");
	ev_clock_step(3600 * 1000);
	is_int(world_nasks, 1, "an hour later it looks again");
	world_ask(4, VECTOR_PS256);
	is_bad(TOKEN_NO_EXPIRED, "ended", "an expired one");
	keys_come();
	ok(!world_logged("keys="), "nothing new, nothing in the log");
}

static void
test_slash(void)
{
	questions_stop();
	world_set(&world_conf.issuer, "https://id.example.org/realm/");
	begin(false);
	is_str(world_asks[0]->url, "https://id.example.org/realm/.well-known/"
	    "openid-configuration", "an issuer that ends with a slash");
	world_says("{\"issuer\":\"https://id.example.org/realm\","
	    "\"jwks_uri\":\"https://x/\"}");
	ok(world_logged("is not what tokens.issuer says"),
	    "which it must say, too");
	questions_stop();
	world_set(&world_conf.issuer, "https://id.example.org");
}

static void
test_unknown_key(void)
{
	begin(false);
	world_says(WORLD_DISCOVERY);
	world_says(ONE_KEY);
	world_ask(1, VECTOR_ES256);
	is_bad(TOKEN_NO_INVALID, "kid='es256'",
	    "an unknown key, just after a look");
	is_int(world_nasks, 0, "and it does not look again at once");
	ev_clock_step(PROVIDER_REST_MS);
	world_ask(2, VECTOR_ES256);
	world_ask(3, VECTOR_ES256);
	is_int(world_nasks, 1, "ten seconds later it looks, once");
	keys_come();
	is_int(world_answers, 3, "both are answered");
	is_good("by the new key");
	ev_clock_step(PROVIDER_REST_MS);
	world_ask(4, VECTOR_ES256);
	is_int(world_nasks, 0, "what is known needs no look");
}

static void
fails(const char *name, const char *body, const char *why)
{
	ev_clock_step(PROVIDER_AGAIN_MS);
	world_says(body);
	if (!ok(world_nasks == 0 && strstr(provider_trouble(), why) != NULL,
	    "%s", name))
		printf("# %s\n", provider_trouble());
}

static void
test_bad_answers(void)
{
	char *long_url = xasprintf("{\"issuer\":\"https://id.example.org\","
	    "\"jwks_uri\":\"https://%01100d\"}", 0);

	begin(false);
	world_answer("cannot resolve", 0, NULL, 0);
	ok(world_logged("cannot resolve"), "no connection");
	world_ask(1, VECTOR_ES256);
	is_bad(TOKEN_NO_UNAVAILABLE, "cannot resolve", "no keys: try again");
	is_int(world_nasks, 0, "without a storm");
	ev_clock_step(PROVIDER_REST_MS);
	world_ask(2, VECTOR_ES256);
	is_int(world_nasks, 1, "after a rest who comes has it looked for");
	world_answer(NULL, 503, "", 0);
	is_bad(TOKEN_NO_UNAVAILABLE, "answers 503", "an error");
	ev_clock_step(PROVIDER_AGAIN_MS);
	world_answer(NULL, 302, "", 0);
	ok(world_logged("redirects"), "a redirect");
	fails("no JSON", "<html>", "is not one");
	fails("no issuer", "{\"jwks_uri\":\"https://x\"}", "is not one");
	fails("another issuer", "{\"issuer\":\"https://evil.example\","
	    "\"jwks_uri\":\"https://x\"}", "issuer='https://evil.example'");
	fails("two issuers", "{\"issuer\":\"https://id.example.org\","
	    "\"issuer\":\"https://evil.example\",\"jwks_uri\":\"https://x\"}",
	    "is not one");
	fails("no keys' place", "{\"issuer\":\"https://id.example.org\"}",
	    "no https:// jwks_uri");
	fails("in the clear", "{\"issuer\":\"https://id.example.org\","
	    "\"jwks_uri\":\"http://x\"}", "no https:// jwks_uri");
	fails("a file", "{\"issuer\":\"https://id.example.org\","
	    "\"jwks_uri\":\"file:///etc/passwd\"}", "no https:// jwks_uri");
	fails("a long place", long_url, "no https:// jwks_uri");
	ev_clock_step(PROVIDER_AGAIN_MS);
	world_says(WORLD_DISCOVERY);
	world_says("{\"keys\":[]}");
	ok(world_logged("there is no key in it"), "no keys");
	ev_clock_step(PROVIDER_AGAIN_MS);
	world_says(WORLD_DISCOVERY);
	world_says("{\"keys\":[]}");
	ok(!world_logged("keys=failed"), "the same trouble is told once");
	ev_clock_step(PROVIDER_AGAIN_MS);
	keys_come();
	ok(world_logged("keys=5"), "it is well again, and that is told");
	free(long_url);
}

static void
test_kept(void)
{
	unsigned int i;

	/* The token itself is good for an hour: the wall clock stands. */
	begin(false);
	keys_come();
	ev_clock_step(PROVIDER_EVERY_MS);
	world_answer("down", 0, NULL, 0);
	ok(world_logged("the keys of before count"), "down: told, and kept");
	for (i = 0; i < 22 * 60; i++) {
		ev_clock_step(PROVIDER_AGAIN_MS);
		ev_clock_jump_wall(-(int64_t)PROVIDER_AGAIN_MS);
		world_answer("down", 0, NULL, 0);
	}
	ev_clock_jump_wall(-(int64_t)PROVIDER_EVERY_MS);
	world_ask(1, VECTOR_ES256);
	is_good("23 hours later its keys still count");
	for (i = 0; i < 60; i++) {
		ev_clock_step(PROVIDER_AGAIN_MS);
		ev_clock_jump_wall(-(int64_t)PROVIDER_AGAIN_MS);
		world_answer("down", 0, NULL, 0);
	}
	world_ask(2, VECTOR_ES256);
	is_bad(TOKEN_NO_UNAVAILABLE, "down", "a day later no more");
	ev_clock_step(PROVIDER_AGAIN_MS);
	ev_clock_jump_wall(-(int64_t)PROVIDER_AGAIN_MS);
	keys_come();
	world_ask(3, VECTOR_ES256);
	is_good("until it is back");
}

static void
test_time_out(void)
{
	begin(false);
	world_ask(1, VECTOR_ES256);
	ev_clock_step(4999);
	is_int(world_id, 0, "it waits");
	ev_clock_step(1);
	is_bad(TOKEN_NO_UNAVAILABLE, "in time", "and no longer");
	keys_come();
	is_int(world_answers, 1, "one answer is enough");
	world_ask(2, VECTOR_ES256);
	questions_forget();
	is_good("what is known has its answer, whoever leaves");
}

/* Clients that leave: what costs the provider nothing more ends with them. */
static void
test_cancel(void)
{
	begin(false);
	world_ask(1, VECTOR_ES256);
	world_ask(2, VECTOR_ES256);
	questions_cancel(1);
	ok(world_id == 1, "one that waits for keys ends at once");
	is_bad(TOKEN_NO_UNAVAILABLE, "nothing", "as if nobody was there");
	is_int(questions_waiting(), 1, "the other one waits");
	questions_cancel(1);
	questions_cancel(77);
	is_int(world_answers, 1, "once is enough");
	keys_come();
	is_good("the other one is answered");
	begin(true);
	world_ask(3, "same");
	world_ask(4, "same");
	questions_cancel(4);
	is_int(world_id, 4, "one that another asks, too, ends at once");
	questions_cancel(3);
	is_int(world_answers, 1, "one that the provider was asked about waits");
	world_says("{\"active\":false}");
	ok(world_id == 3, "for its word");
	is_bad(TOKEN_NO_INVALID, "not active", "which tells of a guess");
}

static void
test_crowd(void)
{
	unsigned int i;

	begin(false);
	for (i = 1; i <= QUESTIONS_MAX; i++)
		world_ask(i, VECTOR_ES256);
	is_int(world_answers, 0, "a thousand may wait");
	world_ask(i, VECTOR_ES256);
	is_bad(TOKEN_NO_UNAVAILABLE, "too many", "one more may not");
	keys_come();
	is_int(world_answers, QUESTIONS_MAX + 1, "all are answered");
	is_good("well");
}

static void
test_reload(void)
{
	char why[JWKS_WHY_MAX];

	begin(false);
	keys_come();
	questions_conf(&world_conf, NULL, world_answered);
	is_int(world_nasks, 1, "a reload looks");
	world_ask(1, VECTOR_ES256);
	is_good("with the keys of before at hand");
	world_answer("down", 0, NULL, 0);
	world_ask(2, VECTOR_ES256);
	is_good("also when it is down just now");
	world_set(&world_conf.issuer, "https://other.example.org");
	questions_conf(&world_conf, NULL, world_answered);
	world_ask(3, VECTOR_ES256);
	is_int(world_id, 0, "but not with those of another issuer");
	world_set(&world_conf.issuer, "https://id.example.org");
	questions_conf(&world_conf, jwks_parse(VECTOR_KEYS,
	    strlen(VECTOR_KEYS), why), world_answered);
	is_int(world_id, 3, "who waited is judged by the new settings");
	is_good("a file of keys");
	is_int(world_nasks, 0, "and nobody is asked");
	questions_conf(&world_conf, jwks_parse(ONE_KEY, strlen(ONE_KEY), why),
	    world_answered);
	world_ask(4, VECTOR_ES256);
	is_bad(TOKEN_NO_INVALID, "kid='es256'", "a key that the file lacks");
	is_int(world_nasks, 0, "nobody is asked for it");
	questions_conf(&world_conf, NULL, world_answered);
	world_ask(5, VECTOR_ES256);
	is_int(world_id, 0, "no file any more: the issuer's");
	keys_come();
	is_good("count then");
	world_set(&world_conf.issuer, "");
	questions_conf(&world_conf, NULL, world_answered);
	ev_clock_step(PROVIDER_EVERY_MS);
	is_int(world_nasks, 0, "no tokens section any more: nobody is asked");
	world_set(&world_conf.issuer, "https://id.example.org");
}

/* --- introspection ----------------------------------------------------------------- */

#define ACTIVE "{\"active\":true,\"aud\":\"smtp\",\"email\":" \
	"\"alice@example.org\",\"email_verified\":true"

static void
test_introspection(void)
{
	begin(true);
	is_int(world_nasks, 0, "nothing to look at before");
	world_ask(1, "to+ken/==");
	is_str(world_asks[0]->url, "https://id.example.org/introspect",
	    "it asks");
	is_str(world_asks[0]->form, "token_type_hint=access_token&"
	    "token=to%2Bken%2F%3D%3D", "in a form");
	is_str(world_asks[0]->user, "postern", "with our name");
	is_str(world_asks[0]->password, "se%3Acr%20et%25", "and secret");
	world_ask(2, "to+ken/==");
	world_ask(3, "another");
	is_int(world_nasks, 2, "once for equal tokens");
	world_says(ACTIVE "}");
	is_int(world_answers, 2, "both hear it");
	is_good("it is good");
	world_says("{\"active\":false}");
	is_bad(TOKEN_NO_INVALID, "not active", "the other is not");
	world_ask(4, "to+ken/==");
	is_good("remembered");
	world_ask(5, "another");
	is_bad(TOKEN_NO_INVALID, "not active", "this, too");
	ev_clock_step(INTROSPECT_KEPT_MS - 1);
	world_ask(6, "to+ken/==");
	is_good("for a minute");
	ev_clock_step(1);
	world_ask(7, "to+ken/==");
	is_int(world_nasks, 1, "then it asks again");
	world_says("{\"active\":false}");
	is_bad(TOKEN_NO_INVALID, "not active", "it was revoked meanwhile");
}

static void
test_introspected_end(void)
{
	char *body = xasprintf(ACTIVE ",\"exp\":%llu}",
	    (unsigned long long)(ev_wall_ms() / 1000 + 20));

	begin(true);
	world_ask(1, "token");
	world_says(body);
	is_good("twenty seconds are left");
	ev_clock_step(19000);
	world_ask(2, "token");
	is_good("remembered until then");
	ev_clock_step(2000);
	world_ask(3, "token");
	is_int(world_nasks, 1, "and no longer");
	world_says(body);
	is_good("clocks may differ by 30 s");
	ev_clock_step(30000);
	world_ask(4, "token");
	world_says(body);
	is_bad(TOKEN_NO_EXPIRED, "ended", "but not by more");
	free(body);
}

static void
asked_again(const char *token)
{
	world_ask(99, token);
	ok(world_id == 0 && world_nasks == 1, "a trouble is not remembered");
	world_says(ACTIVE "}");
	is_good("and passes");
}

static void
test_introspection_troubles(void)
{
	static const struct {
		const char *body, *why;
	} bad[] = {
		{ "", "not one" }, { "{}", "not one" }, { "[true]", "not one" },
		{ "true", "not one" }, { "{\"active\":\"true\"}", "not one" },
		{ "{\"active\":1}", "not one" },
		{ "{\"active\":null}", "not one" },
		{ "{\"active\":false,\"active\":true}", "not one" },
	};
	char token[20];
	size_t i;

	begin(true);
	for (i = 0; i < nitems(bad); i++) {
		snprintf(token, sizeof(token), "t%zu", i);
		world_ask(1, token);
		world_says(bad[i].body);
		is_bad(TOKEN_NO_UNAVAILABLE, bad[i].why, bad[i].body);
	}
	asked_again("t0");
	world_ask(1, "a");
	world_answer(NULL, 401, "{\"active\":true}", 15);
	is_bad(TOKEN_NO_UNAVAILABLE, "client-id", "our secret is refused");
	ev_clock_step(60000);
	world_ask(1, "b");
	world_answer(NULL, 500, ACTIVE "}", strlen(ACTIVE "}"));
	is_bad(TOKEN_NO_UNAVAILABLE, "answers 500", "an error with a body");
	ok(world_logged("introspection=failed"), "the log has it");
	world_ask(1, "c");
	world_answer(NULL, 307, "", 0);
	is_bad(TOKEN_NO_UNAVAILABLE, "redirect", "a redirect");
	world_ask(1, "d");
	world_answer("no answer within 5 s", 0, NULL, 0);
	is_bad(TOKEN_NO_UNAVAILABLE, "no answer", "none");
	world_ask(1, "e");
	ev_clock_step(5000);
	is_bad(TOKEN_NO_UNAVAILABLE, "in time", "none in time");
	world_says(ACTIVE "}");
	world_ask(2, "e");
	is_good("a late one is good for the next");
}

static void
test_introspected_claims(void)
{
	begin(true);
	world_ask(1, "a");
	world_says("{\"active\":true,\"aud\":\"imap\",\"email\":\"a@b\","
	    "\"email_verified\":true}");
	is_bad(TOKEN_NO_UNFIT, "aud='imap'", "for another service");
	world_ask(1, "b");
	world_says("{\"active\":true,\"aud\":\"smtp\",\"iss\":\"https://x\"}");
	is_bad(TOKEN_NO_UNFIT, "another provider", "by another provider");
	world_ask(1, VECTOR_ES256);
	is_int(world_nasks, 1, "a JWT is asked about, too");
	world_says("{\"active\":false}");
	is_bad(TOKEN_NO_INVALID, "not active", "whatever it says");
}

/* Strangers' tokens push out nobody's. */
static void
test_flood(void)
{
	char token[20];
	int i;

	begin(true);
	world_ask(1, "good");
	world_says(ACTIVE "}");
	for (i = 0; i < 3000; i++) {
		snprintf(token, sizeof(token), "bad-%d", i);
		world_ask(2, token);
		world_says("{\"active\":false}");
	}
	world_ask(3, "good");
	is_good("3,000 bad ones later");
	is_int(world_nasks, 0, "it is remembered");
	world_ask(4, "waits");
	questions_conf(&world_conf, NULL, world_answered);
	is_int(world_nasks, 1, "after a reload who waits is asked for again");
	world_says(ACTIVE "}");
	is_int(world_id, 4, "and answered");
	world_ask(5, "good");
	is_int(world_nasks, 1, "nothing is remembered from before");
}

int
main(void)
{
	world_init();
	test_first_look();
	/* The hour of the vectors begins anew. */
	ev_clock_jump_wall(-(int64_t)(ev_wall_ms() - WORLD_WALL_MS));
	test_slash();
	test_unknown_key();
	ev_clock_jump_wall(-(int64_t)(ev_wall_ms() - WORLD_WALL_MS));
	test_bad_answers();
	ev_clock_jump_wall(-(int64_t)(ev_wall_ms() - WORLD_WALL_MS));
	test_kept();
	ev_clock_jump_wall(-(int64_t)(ev_wall_ms() - WORLD_WALL_MS));
	test_time_out();
	test_cancel();
	test_crowd();
	test_reload();
	test_introspection();
	test_introspected_end();
	test_introspection_troubles();
	test_introspected_claims();
	test_flood();
	questions_stop();
	return tap_done();
}
