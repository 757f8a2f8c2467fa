/* lib/mailboxes: every address of a list, or bad as a whole. */
#include "lib/prelude.h"

#include "lib/mailboxes.h"
#include "tests/show.h"
#include "tests/tap.h"

/* What is found, joined by '|'; '!' at the end when the rest is bad. */
static const struct {
	const char *text, *found;
} cases[] = {
	{ "", "" }, { " ", "" }, { "\r\n", "" }, { "(c)", "" }, { ",,", "" },
	{ "a@b", "a@b" }, { " a@b\r\n", "a@b" }, { "<a@b>", "a@b" },
	{ "A@B.Org", "A@b.org" }, { "\"a b\"@c", "\"a b\"@c" },
	{ "\"a\"@c", "a@c" }, { "a@b,c@d", "a@b|c@d" },
	{ "a@b ,\r\n\tc@d\r\n", "a@b|c@d" }, { ",a@b,,c@d,", "a@b|c@d" },
	{ "Alice <a@b>", "a@b" }, { "Alice A. <a@b>", "a@b" },
	{ "\"Alice, A.\" <a@b>", "a@b" }, { "\"<x@y>\" <a@b>", "a@b" },
	{ "\"x@y, \\\"z\" <a@b>", "a@b" }, { "Alice<a@b>", "a@b" },
	{ "=?utf-8?q?J=C3=BCrg?= <j@b>", "j@b" },
	{ "J\xc3\xbcrg <j@b>", "j@b" }, { "J\xfcrg <j@b>", "j@b" },
	{ "j\xc3\xbcrg@b\xc3\xbc.example", "j\xc3\xbcrg@b\xc3\xbc.example" },
	{ "a@b (Alice)", "a@b" }, { "(x@y) a@b", "a@b" },
	{ "a@b (<x@y>)", "a@b" }, { "a@b (a (b) c)", "a@b" },
	{ "a@b (\\))", "a@b" }, { "a(x)@(y)b", "a@b" },
	{ "a @ b", "a@b" }, { "a . b @ c . d", "a.b@c.d" },
	{ "a\r\n @b", "a@b" }, { "a@[192.0.2.1]", "a@[192.0.2.1]" },
	{ "<@x:a@b>", "a@b" }, { "<@x,@y:a@b>", "a@b" },
	{ "G: a@b, c@d;", "a@b|c@d" }, { "G:;", "" }, { "G: ;, a@b", "a@b" },
	{ "G: A <a@b>;, B <c@d>", "a@b|c@d" }, { "\"G H\": a@b;", "a@b" },

	/* RFC 5322 A.1 to A.6 */
	{ "John Doe <jdoe@machine.example>", "jdoe@machine.example" },
	{ "\"Joe Q. Public\" <john.q.public@example.com>",
	    "john.q.public@example.com" },
	{ "Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
	    "mary@x.test|jdoe@example.org|one@y.test" },
	{ "<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" "
	    "<sysservices@example.net>",
	    "boss@nil.test|sysservices@example.net" },
	{ "A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
	    "c@a.test|joe@where.test|jdoe@one.test" },
	{ "Undisclosed recipients:;", "" },
	{ "Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
	    "pete@silly.test" },
	{ "A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)"
	    "public.example>,\r\n         joe@example.org,\r\n  John "
	    "<jdoe@one.test> (my dear friend); (the end of the group)",
	    "c@public.example|joe@example.org|jdoe@one.test" },
	{ "(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;",
	    "" },
	{ "Joe Q. Public <john.q.public@example.com>",
	    "john.q.public@example.com" },
	{ "Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example",
	    "mary@example.net|jdoe@test.example" },
	{ "John Doe <jdoe@machine(comment).  example>",
	    "jdoe@machine.example" },

	/* a name that is an address comes, too: some show it as the sender */
	{ "x@y <a@b>", "x@y|a@b" }, { "a@b <a@b>", "a@b|a@b" },
	{ "a@b (c) <a@b>, c@d", "a@b|a@b|c@d" },
	{ "x@y z <a@b>", "!" }, { "x@y, <a@b>", "x@y|a@b" },

	/* what no grammar allows */
	{ "a", "!" }, { "a b", "!" }, { "Alice", "!" }, { "@", "!" },
	{ "@b", "!" }, { "a@", "!" }, { "<>", "!" }, { "<a>", "!" },
	{ "<a@b", "!" }, { "a@b>", "!" }, { "<<a@b>>", "!" },
	{ "<a@b> <c@d>", "!" }, { "<a@b> c@d", "!" }, { "<a@b> c", "!" },
	{ "a@b c@d", "!" }, { "a@b c", "!" }, { "a b@c", "!" },
	{ "a@b;c@d", "!" }, { "a@b;", "!" }, { ";", "!" }, { ":", "!" },
	{ ": a@b;", "!" }, { "G: a@b", "!" }, { "G:", "!" },
	{ "G: H: a@b;;", "!" }, { "G: a@b; c@d", "a@b!" },
	{ "G: a@b;;", "a@b!" }, { "\"a", "!" }, { "\"a\\", "!" },
	{ "\"a\" b\"@c", "!" }, { "a@b (", "!" }, { "a@b (c", "!" },
	{ "a@b (c <x@y>", "!" }, { "a@b )", "!" }, { "(a@b", "!" },
	{ "a@b (\\)", "!" }, { "a@b (\\", "!" },
	{ "a@b, c", "a@b!" }, { "a..b@c", "!" }, { ".a@b", "!" },
	{ "a.@b", "!" }, { "a@b..c", "!" }, { "a@b.", "!" }, { "a@.b", "!" },
	{ "a@[1.2.3", "!" }, { "a@[1.2.3]", "!" }, { "a@[\\1.2.3.4]", "!" },
	{ "a@\"b\"", "!" }, { "a@b@c", "!" }, { "a@b:c", "!" },
	{ "mailto:a@b", "!" }, { "a\x01@b", "!" }, { "\x7f@b", "!" },
	{ "a@b\x01", "!" }, { "a@b\\", "!" }, { "\\a@b", "!" },
	{ "[a@b]", "!" }, { "{a}@b", "{a}@b" }, { "a@b_c", "!" },
	{ "\"a\".b@c", "!" }, { "j\xfcrg@b", "!" }, { "<@x a@b>", "!" },
	{ "<@x@y:a@b>", "!" }, { "<@x,,@y,:a@b>", "a@b" },
	{ "<@x (c) @y:a@b>", "!" }, { "<@x, (c) ,@y:a@b>", "a@b" },
	{ "<@:a@b>", "!" }, { "<@x>", "!" }, { "<@x:@y:a@b>", "!" },
	{ "((((((((((((((((((x)))))))))))))))))) a@b", "!" },
};

static void
read_all(const char *text, size_t n, char *out, size_t max)
{
	struct mailboxes m;
	enum mailboxes_next r;
	char one[ADDR_MAX + 2];
	size_t len = 0;

	out[0] = '\0';
	mailboxes_init(&m, text, n);
	while ((r = mailboxes_next(&m, one)) == MAILBOXES_ONE && len < max)
		len += (size_t)snprintf(out + len, max - len, "%s%s",
		    len == 0 ? "" : "|", one);
	if (r == MAILBOXES_BAD && len < max)
		snprintf(out + len, max - len, "!");
}

static void
test_cases(void)
{
	char out[1024];
	size_t i;

	for (i = 0; i < nitems(cases); i++) {
		size_t n = strlen(cases[i].text);

		read_all(cases[i].text, n, out, sizeof(out));
		is_str(out, cases[i].found, "%s", show(cases[i].text, n));
	}
}

/* Longer than any address, in every part that has a length. */
static void
test_long(void)
{
	static char text[8192], many[70000];
	char out[1024];
	struct mailboxes m;
	size_t n = 0, found = 0;

	snprintf(text, sizeof(text), "\"%0*d\" <a@b>", 5000, 0);
	read_all(text, strlen(text), out, sizeof(out));
	is_str(out, "a@b", "a name of 5,000 bytes");
	snprintf(text, sizeof(text), "%0*d@b", 300, 0);
	read_all(text, strlen(text), out, sizeof(out));
	is_str(out, "!", "a local part of 300");
	snprintf(text, sizeof(text), "a@%0*d.b", 300, 0);
	read_all(text, strlen(text), out, sizeof(out));
	is_str(out, "!", "a domain of 300");
	snprintf(text, sizeof(text), "(%0*d) a@b", 5000, 0);
	read_all(text, strlen(text), out, sizeof(out));
	is_str(out, "a@b", "a comment of 5,000");
	while (n + 8 < sizeof(many))
		n += (size_t)snprintf(many + n, sizeof(many) - n, "a@b,");
	mailboxes_init(&m, many, n);
	while (mailboxes_next(&m, out) == MAILBOXES_ONE)
		found++;
	is_int(found, n / 4, "%zu addresses", n / 4);
}

int
main(void)
{
	test_cases();
	test_long();
	return tap_done();
}
