/* posternctl/render: tables align, JSON is JSON, no byte reaches a terminal. */
#include "lib/prelude.h"

#include "lib/ipc.h"
#include "lib/ipc_msgs.h"
#include "posternctl/render.h"
#include "tests/tap.h"

struct field {
	const char *key;
	char	 kind;
	const char *value;
};

static int
row(struct render *r, const struct field *f, uint32_t n)
{
	struct ipc_in in;
	const uint8_t *p;
	size_t len;
	uint32_t i;

	ipc_begin(M_CTL_ROW, 1);
	ipc_put_u32(n);
	for (i = 0; i < n; i++) {
		ipc_put_str(f[i].key);
		ipc_put_u8((uint8_t)f[i].kind);
		ipc_put_str(f[i].value);
	}
	p = ipc_built(&len);
	return ipc_parse(p, len, &in) ? render_row(r, &in) : -1;
}

static const struct field rows[][3] = {
	{ { "id", 's', "abc" }, { "size", 'n', "5" }, { "ok", 'b', "true" } },
	{ { "id", 's', "long one" }, { "size", 'n', "12345" },
	    { "ok", 'b', "false" } },
	{ { "id", 's', "\033[31m\"x\\" }, { "size", 'n', "1" },
	    { "ok", 'b', "true" } },
};

static void
check(enum view view, bool json, const char *want, const char *name)
{
	char *text = NULL;
	size_t i, len;
	FILE *f = open_memstream(&text, &len);
	struct render *r = render_new(f, view, json);

	for (i = 0; i < nitems(rows); i++)
		row(r, rows[i], 3);
	render_free(&r);
	fclose(f);
	is_str(text, want, "%s", name);
	free(text);
}

static void
test_malformed(void)
{
	static const struct field bad[] = {
		{ "a", 'x', "unknown kind" }, { "a", 'n', "12x" },
		{ "a", 'n', "" }, { "a", 'b', "maybe" }, { "a", 't', "-1" },
		{ "a", 'd', "1m" }, { "a", 'l', "cut" }, { "a", 'f', "a\nb" },
	};
	char *text = NULL;
	size_t i, len;
	FILE *f = open_memstream(&text, &len);
	struct render *r = render_new(f, VIEW_TABLE, true);

	for (i = 0; i < nitems(bad); i++)
		ok(row(r, &bad[i], 1) == -1, "kind %c, value \"%s\" is refused",
		    bad[i].kind, bad[i].value);
	ok(row(r, bad, 0) == -1, "a row without fields is refused");
	render_free(&r);
	fclose(f);
	is_str(text, "", "and nothing of it is printed");
	free(text);
}

/* What programs alone get, and what is none. */
static void
test_programs(void)
{
	static const struct field fields[] = { { "kind", 'k', "message" },
	    { "by", 's', "" }, { "n", 'n', "0" }, { "last", 't', "0" } };
	static const char *const want[] = { "by  n  last\n-   0  -\n",
		"{\"kind\":\"message\",\"by\":null,\"n\":0,\"last\":null}\n" };
	char *text = NULL;
	struct render *r;
	size_t i, len;
	FILE *file;

	for (i = 0; i < nitems(want); i++) {
		file = open_memstream(&text, &len);
		r = render_new(file, VIEW_TABLE, i == 1);
		row(r, fields, 4);
		render_free(&r);
		fclose(file);
		is_str(text, want[i], "none, %s", i == 1 ? "JSON" : "a table");
		free(text);
	}
}

/* Lists and spans of time: each form for who reads it. */
static void
test_lists(void)
{
	static const struct field fields[][4] = {
		{ { "senders", 'l', "a@b\n\"c d\"@e\n" }, { "to", 'f', "x@y\nz@y\n" },
		    { "up", 'd', "27" }, { "n", 'n', "2" } },
		{ { "senders", 'l', "" }, { "to", 'f', "" },
		    { "up", 'd', "7200" }, { "n", 'n', "0" } },
	};
	static const char *const want[] = {
		"senders       to   up          n\n"
		"a@b, \"c d\"@e  x@y  27 seconds  2\n"
		"-             -    2 hours     0\n",
		"{\"senders\":[\"a@b\",\"\\\"c d\\\"@e\"],\"to\":[\"x@y\",\"z@y\"],"
		"\"up\":27,\"n\":2}\n"
		"{\"senders\":[],\"to\":[],\"up\":7200,\"n\":0}\n",
	};
	char *text = NULL, *many;
	struct field f = { "all", 'l', NULL };
	struct render *r;
	size_t i, k, len;
	FILE *file;

	for (i = 0; i < nitems(want); i++) {
		file = open_memstream(&text, &len);
		r = render_new(file, VIEW_TABLE, i == 1);
		for (k = 0; k < nitems(fields); k++)
			row(r, fields[k], 4);
		render_free(&r);
		fclose(file);
		is_str(text, want[i], "lists, %s", i == 1 ? "JSON" : "a table");
		free(text);
	}
	many = calloc(9999, 4);
	for (i = 0; i < 9998; i++)
		memcpy(many + 4 * i, "abc\n", 4);
	f.value = many;
	file = open_memstream(&text, &len);
	r = render_new(file, VIEW_CARD, false);
	row(r, &f, 1);
	render_free(&r);
	fclose(file);
	ok(len < 20000 && strstr(text, ", abc and 6720 more\n") != NULL,
	    "people are shown a part of a long one: %s", text + len - 30);
	free(text);
	free(many);
}

/* A stranger's name in a table: what is not seen is not let through. */
static void
test_invisible(void)
{
	static const struct { const char *name, *want; } cases[] = {
		{ "m\303\274ller@example.org", "m\303\274ller@example.org" },
		{ "a\342\200\256b", "a\\xe2\\x80\\xaeb" },	/* U+202E */
		{ "a\342\200\213b", "a\\xe2\\x80\\x8bb" },	/* U+200B */
		{ "a\342\201\246b", "a\\xe2\\x81\\xa6b" },	/* U+2066 */
		{ "a\357\273\277b", "a\\xef\\xbb\\xbfb" },	/* U+FEFF */
		{ "a\302\233b", "a\\xc2\\x9bb" },		/* C1: CSI */
		{ "a\363\240\201\201b", "a\\xf3\\xa0\\x81\\x81b" },
		{ "\346\274\242\345\255\227", "\346\274\242\345\255\227" },
	};
	struct field f = { "name", 's', NULL };
	struct render *r;
	char *text = NULL;
	size_t i, len;
	FILE *file;

	for (i = 0; i < nitems(cases); i++) {
		file = open_memstream(&text, &len);
		r = render_new(file, VIEW_TABLE, false);
		f.value = cases[i].name;
		row(r, &f, 1);
		render_free(&r);
		fclose(file);
		ok(strstr(text, cases[i].want) != NULL, "name %zu as %s", i,
		    cases[i].want);
		free(text);
	}
}

/* Bytes of a message, as a terminal may see them. */
static void
test_text(void)
{
	static const char from[] = "a\tb\r\nc\rd\x1b[2J\x7f\x00\n"
	    "\xc3\xa9\xc2\x9b" "31m\x9b\xc3\xe2\x82\xac\xc3";
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	struct render *r = render_new(f, VIEW_TABLE, false);
	struct field field = { "k", 's', "\xc3\xa9\xc2\x9b\x9b\xff" };
	struct ipc_in in;
	const uint8_t *p;

	ipc_begin(M_CTL_TEXT, 1);
	ipc_put_bytes(from, sizeof(from) - 1);
	p = ipc_built(&len);
	ok(ipc_parse(p, len, &in) && render_text(r, &in) == 0, "text");
	ok(row(r, &field, 1) == 0, "and a row");
	render_free(&r);
	fclose(f);
	is_str(text, "a\tb\nc\\x0dd\\x1b[2J\\x7f\\x00\n"
	    "\xc3\xa9\\xc2\\x9b31m\\x9b\\xc3\xe2\x82\xac\\xc3"
	    "k\n\xc3\xa9\\xc2\\x9b\\x9b\\xff\n",
	    "controls are made visible, C1 too");
	free(text);
}

int
main(void)
{
	test_text();
	check(VIEW_TABLE, false,
	    "id            size  ok\n"
	    "abc              5  yes\n"
	    "long one     12345  no\n"
	    "\\x1b[31m\"x\\      1  yes\n", "a table");
	check(VIEW_CARD, false,
	    "id:   abc\nsize: 5\nok:   yes\n\n"
	    "id:   long one\nsize: 12345\nok:   no\n\n"
	    "id:   \\x1b[31m\"x\\\nsize: 1\nok:   yes\n", "cards");
	check(VIEW_TABLE, true,
	    "{\"id\":\"abc\",\"size\":5,\"ok\":true}\n"
	    "{\"id\":\"long one\",\"size\":12345,\"ok\":false}\n"
	    "{\"id\":\"\\u001b[31m\\\"x\\\\\",\"size\":1,\"ok\":true}\n",
	    "JSON");
	test_malformed();
	test_lists();
	test_programs();
	test_invisible();
	return tap_done();
}
