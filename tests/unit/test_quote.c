/* source/quote: a name in a filter or DN is a value and nothing else. */
#include "lib/prelude.h"

#include "lib/fill.h"
#include "source/quote.h"
#include "tests/tap.h"

static const struct {
	const char *text, *name, *want;	/* NULL: it does not fit */
} cases[] = {
	{ "(mail=%u)", "alice@example.org", "(mail=alice@example.org)" },
	{ "(uid=%n)", "alice@example.org", "(uid=alice)" },
	{ "(uid=%n)", "alice", "(uid=alice)" },
	{ "uid=%n,dc=%d", "a@b.example", "uid=a,dc=b.example" },
	{ "uid=%n,dc=%d", "a", "uid=a,dc=" },
	{ "(mail=%u)", "*", "(mail=\\2a)" },
	{ "(mail=%u)", "a)(uid=*", "(mail=a\\29\\28uid\\3d\\2a)" },
	{ "(mail=%u)", "a\\2a", "(mail=a\\5c2a)" },
	{ "(mail=%u)", "\"a b\"@c", "(mail=\\22a\\20b\\22@c)" },
	{ "uid=%n", "a,ou=admins@b", "uid=a\\2cou\\3dadmins" },
	{ "uid=%n", "a+cn=b", "uid=a\\2bcn\\3db" },
	{ "uid=%n", "#04024869", "uid=\\2304024869" },
	{ "uid=%n", " a ", "uid=\\20a\\20" },
	{ "uid=%n", "a<b>;c", "uid=a\\3cb\\3e\\3bc" },
	{ "uid=%n", "d\xc3\xa4nn", "uid=d\xc3\xa4nn" },
	{ "uid=%n", "a\nb\x7f", "uid=a\\0ab\\7f" },
	{ "uid=%n", "%u%n%d%%", "uid=\\25u\\25n\\25d\\25\\25" },
	{ "%%%u", "a", "%a" },
	{ "(|(mail=%u)(uid=%n))", "********************************",
	    NULL },
};

int
main(void)
{
	struct buf out;
	size_t i;

	for (i = 0; i < nitems(cases); i++) {
		buf_init(&out, 100);
		if (fill_in(&out, cases[i].text, cases[i].name, quote_ldap) ==
		    -1)
			ok(cases[i].want == NULL, "%s is too long",
			    cases[i].name);
		else
			is_str(buf_str(&out), cases[i].want, "case %zu", i);
		buf_clear(&out);
	}
	buf_init(&out, 100);
	ok(quote_ldap(&out, "a\0b", 3) == 0 && strcmp(buf_str(&out),
	    "a\\00b") == 0, "NUL");
	buf_clear(&out);
	return tap_done();
}
