/* posternctl/import_envelope: what a file may say, and what the queue is told. */
#include "lib/prelude.h"

#include "lib/buf.h"
#include "posternctl/import_envelope.h"
#include "tests/tap.h"

#define TO	"\"recipients\":[{\"to\":\"b@example.net\"}]"
#define FROM	"\"from\":\"a@example.org\""

static const struct {
	const char *json;
	const char *wrong;	/* a part of it; NULL: nothing is */
	const char *args;	/* as the queue is told, each with a blank */
} cases[] = {
	{ "{" FROM "," TO "}", NULL, "from=a@example.org to=b@example.net " },
	{ "{\"from\":\"\"," TO "}", NULL, "to=b@example.net " },
	{ "{\"from\":\"<>\"," TO "}", NULL, "to=b@example.net " },
	{ "{\"from\":null," TO "}", NULL, "to=b@example.net " },
	{ "{" FROM ",\"recipients\":[]}", NULL, "from=a@example.org " },
	{ "{" FROM "," TO ",\"hold\":true,\"warned\":false,\"route\":null,"
	    "\"attempts\":3,\"priority\":\"-2\",\"expires_ms\":\"1796069740000\","
	    "\"8bit\":true,\"size\":12}", NULL,
	    "from=a@example.org expires=1796069740000 attempts=3 hold=1 "
	    "priority=-2 to=b@example.net " },
	{ "{" FROM ",\"recipients\":[{\"to\":\"b@x\",\"pending\":false},"
	    "{\"orcpt\":\"rfc822;C@x\",\"notify\":\"success,failure\","
	    "\"to\":\"c@x\",\"pending\":true},{\"to\":\"d@x\","
	    "\"pending\":null}]}", NULL, "from=a@example.org to=c@x "
	    "notify=success,failure orcpt=rfc822;C@x to=d@x " },

	{ "[]", "it is no envelope", NULL },
	{ "\"from\"", "it is no envelope", NULL },
	{ "{}", "there is no \"from\"", NULL },
	{ "{" TO "}", "there is no \"from\"", NULL },
	{ "{" FROM "}", "there is no \"recipients\"", NULL },
	{ "{" FROM ",\"recipients\":null}", "there is no \"recipients\"", NULL },
	{ "{\"From\":\"a@x\"," TO "}", "nothing is known of \"From\"", NULL },
	{ "{\"from\":[\"a@x\"]," TO "}", "\"from\" is not one word in quotes",
	    NULL },
	{ "{\"from\":true," TO "}", "\"from\" is not one word", NULL },
	{ "{\"from\":1," TO "}", "\"from\" is not one word", NULL },
	{ "{" FROM "," FROM "," TO "}", "\"from\" stands there twice", NULL },
	{ "{" FROM "," TO "," TO "}", "\"recipients\" stands there twice",
	    NULL },
	{ "{" FROM "," TO ",\"hold\":[true]}", "\"hold\" is neither true nor "
	    "false", NULL },
	{ "{" FROM "," TO ",\"hold\":\"true\"}", "\"hold\" is neither", NULL },
	{ "{" FROM "," TO ",\"hold\":1}", "\"hold\" is neither", NULL },
	{ "{" FROM "," TO ",\"attempts\":true}", "\"attempts\" is no number",
	    NULL },
	{ "{" FROM "," TO ",\"by_ms\":{}}", "\"by_ms\" is no number", NULL },
	{ "{" FROM ",\"recipients\":\"b@x\"}", "\"recipients\" is no list",
	    NULL },
	{ "{" FROM ",\"recipients\":{\"to\":\"b@x\"}}",
	    "\"recipients\" is no list", NULL },
	{ "{" FROM ",\"recipients\":[\"b@x\"]}", "not written as", NULL },
	{ "{" FROM ",\"recipients\":[{\"to\":\"b@x\"},[\"c@x\"]]}",
	    "not written as", NULL },
	{ "{" FROM ",\"recipients\":[null]}", "not written as", NULL },
	{ "{" FROM ",\"recipients\":[{}]}", "not written as", NULL },
	{ "{" FROM ",\"recipients\":[{\"to\":\"\"}]}", "not written as", NULL },
	{ "{" FROM ",\"recipients\":[{\"to\":[\"b@x\"]}]}", "not written as",
	    NULL },
	{ "{" FROM ",\"recipients\":[{\"to\":\"b@x\"},{\"to\":null}]}",
	    "not written as", NULL },
	{ "{" FROM ",\"recipients\":[{\"to\":\"b@x\",\"to\":\"c@x\"}]}",
	    "\"to\" stands there twice", NULL },
	{ "{" FROM ",\"recipients\":[{\"to\":\"b@x\",\"notfy\":\"never\"}]}",
	    "nothing is known of \"notfy\"", NULL },
	{ "{" FROM ",\"recipients\":[{\"to\":\"b@x\",\"notify\":[\"never\"]}]}",
	    "\"notify\" is not one word", NULL },
	{ "{" FROM ",\"recipients\":[{\"to\":\"b@x\",\"pending\":\"no\"}]}",
	    "\"pending\" is neither", NULL },
};

static void
joined(const struct envelope_args *a, struct buf *out)
{
	size_t i;

	buf_reset(out);
	for (i = 0; i < a->n; i++)
		buf_addf(out, "%s ", a->v[i]);
}

/* As many as the queue takes, and place for what the import adds. */
static void
test_many(struct buf *text)
{
	struct envelope_args args = { .n = 0 };
	struct json *j;
	size_t at, i;

	buf_reset(text);
	buf_addf(text, "{" FROM ",\"recipients\":[");
	for (i = 0; i < CTL_ARGS_MAX; i++)
		buf_addf(text, "%s{\"to\":\"b%zu@example.net\"}", i == 0 ? "" :
		    ",", i);
	buf_addf(text, "]}");
	j = json_parse(buf_str(text), text->len, &at);
	ok(j != NULL && import_envelope_wrong(j) == NULL, "very many");
	import_envelope_args(&args, j);
	ok(args.full && args.n == CTL_ARGS_MAX - 6, "are too many: %zu",
	    args.n);
	args.full = false;
	for (i = 0; i < 4; i++)
		import_envelope_add(&args, "as", "x");
	ok(!args.full, "but what an import adds has its place");
	import_envelope_add(&args, "as", "x");
	ok(args.full && args.n == CTL_ARGS_MAX - 2, "and no more has");
	import_envelope_clear(&args);
	is_int(args.n, 0, "all is given back");
	json_free(j);
}

int
main(void)
{
	struct buf out, text;
	size_t i, at;

	buf_init(&out, 65536);
	buf_init(&text, 1 << 20);
	for (i = 0; i < nitems(cases); i++) {
		struct envelope_args args = { .n = 0 };
		struct json *j = json_parse(cases[i].json,
		    strlen(cases[i].json), &at);
		const char *why;

		ok(j != NULL, "%s", cases[i].json);
		why = import_envelope_wrong(j);
		if (cases[i].wrong == NULL) {
			is_str(why == NULL ? "" : why, "", "nothing is wrong");
			import_envelope_args(&args, j);
			joined(&args, &out);
			is_str(buf_str(&out), cases[i].args, "as it is told");
			import_envelope_clear(&args);
		} else
			ok(why != NULL && strstr(why, cases[i].wrong) != NULL,
			    "is wrong: %s", why == NULL ? "no" : why);
		json_free(j);
	}
	test_many(&text);
	buf_clear(&out);
	buf_clear(&text);
	return tap_done();
}
