/* posternctl/json: RFC 8259, strictly, and nothing that is not text. */
#include "lib/prelude.h"

#include "posternctl/json.h"
#include "tests/tap.h"

static const char *const good[] = {
	"null", "true", "false", "0", "-1.5e+3", "\"\"", "[]", "{}", " [ 1 , 2 ]\n",
	"{\"a\":{\"b\":[null,\"\\u00e9\\ud83d\\ude00\\n\"]},\"a\":1}",
	"\"\xc3\xa9\x7f\"", "[[[[[[[1]]]]]]]",
};

static const struct {
	const char *text;
	size_t	 at;
} bad[] = {
	{ "", 0 }, { " ", 1 }, { "nul", 0 }, { "truex", 4 }, { "01", 1 },
	{ "1.", 2 }, { ".5", 0 }, { "1e", 2 }, { "+1", 0 }, { "-", 1 },
	{ "\"", 1 }, { "\"a\nb\"", 2 }, { "\"\\x\"", 3 }, { "\"\\u12g4\"", 5 },
	{ "\"\\u0000\"", 7 }, { "\"\\ud800\"", 7 }, { "\"\\udc00\"", 7 },
	{ "\"\\ud800\\u0041\"", 13 }, { "[1,]", 3 }, { "[1 2]", 3 },
	{ "[1", 2 }, { "{\"a\"}", 4 }, { "{\"a\":1,}", 7 }, { "{a:1}", 1 },
	{ "{\"a\":1", 6 }, { "{1:2}", 1 }, { "1 2", 2 },
	{ "[[[[[[[[1]]]]]]]]", 8 }, { "\"\\", 2 },
};

static const struct {
	const char *text, *json;
} puts_[] = {
	{ "", "\"\"" }, { "a\"b\\c", "\"a\\\"b\\\\c\"" },
	{ "\r\n\x01\x7f", "\"\\u000d\\u000a\\u0001\\u007f\"" },
	{ "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
	    "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"" },
	{ "\xff" "a\xc3", "\"\\ufffda\\ufffd\"" },
	{ "\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"" },
};

int
main(void)
{
	const struct json *m;
	struct json *j;
	size_t i, at, len;
	char *text;
	FILE *f;

	for (i = 0; i < nitems(good); i++) {
		j = json_parse(good[i], strlen(good[i]), &at);
		ok(j != NULL, "%s", good[i]);
		json_free(j);
	}
	for (i = 0; i < nitems(bad); i++) {
		j = json_parse(bad[i].text, strlen(bad[i].text), &at);
		ok(j == NULL, "not: %s", bad[i].text);
		is_int(at, bad[i].at, "from there on");
		json_free(j);
	}
	ok(json_parse("\"a\0b\"", 5, &at) == NULL, "not: a NUL");
	j = json_parse(good[9], strlen(good[9]), &at);
	m = json_member(j, "a");
	ok(m != NULL && m->kind == JSON_OBJECT, "a member, the first of two");
	m = json_member(m, "b");
	ok(m != NULL && m->child->kind == JSON_NULL, "an array in it");
	is_str(m->child->next->text, "\xc3\xa9\xf0\x9f\x98\x80\n",
	    "a string without its escapes");
	ok(json_member(m, "x") == NULL && json_member(NULL, "x") == NULL,
	    "no members where there is no object");
	json_free(j);
	for (i = 0; i < nitems(puts_); i++) {
		f = open_memstream(&text, &len);
		json_put(f, puts_[i].text, strlen(puts_[i].text));
		fclose(f);
		is_str(text, puts_[i].json, "written");
		free(text);
	}
	return tap_done();
}
