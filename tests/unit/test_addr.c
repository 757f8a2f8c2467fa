/* lib/addr: what RFC 5321 4.1.2 allows is taken, everything else refused. */
#include "lib/prelude.h"

#include "lib/addr.h"
#include "tests/show.h"
#include "tests/tap.h"

#define LOCAL	"local part is malformed"
#define DOMAIN	"domain is malformed"
#define NO_DOMAIN "address has no domain"

struct good {
	const char *text;
	const char *canonical;	/* NULL: as written */
	int	 flags;
};

static const struct good good[] = {
	{ "a@b", NULL, 0 },
	{ "alice@example.org", NULL, 0 },
	{ "Alice@Example.ORG", "Alice@example.org", 0 },
	{ "a.b.c@example.org", NULL, 0 },
	{ "a+tag@example.org", NULL, 0 },
	{ "!#$%&'*+-/=?^_`{|}~@example.org", NULL, 0 },
	{ "a%b.example@example.org", NULL, 0 },
	{ "host!user@example.org", NULL, 0 },
	{ "-@example.org", NULL, 0 },
	{ "-f@example.org", NULL, 0 },
	{ "|cat@example.org", NULL, 0 },
	{ "`id`@example.org", NULL, 0 },
	{ "$HOME@example.org", NULL, 0 },
	{ "a@1.example", NULL, 0 },
	{ "a@123.example.org", NULL, 0 },
	{ "a@3com.com", NULL, 0 },
	{ "a@a-b.c", NULL, 0 },
	{ "a@a--b.c", NULL, 0 },
	{ "a@xn--bcher-kva.example", NULL, 0 },
	{ "a@b.c1", NULL, 0 },
	{ "a@b.1c", NULL, 0 },
	{ "a@localhost", NULL, 0 },
	{ "\"a\"@b", "a@b", 0 },
	{ "\"a.b\"@b", "a.b@b", 0 },
	{ "\"\"@b", NULL, 0 },
	{ "\" \"@b", NULL, 0 },
	{ "\"a b\"@b", NULL, 0 },
	{ "\"a\\ b\"@b", "\"a b\"@b", 0 },
	{ "\"\\a\"@b", "a@b", 0 },
	{ "\"\\\"\"@b", NULL, 0 },
	{ "\"\\\\\"@b", NULL, 0 },
	{ "\"a@b\"@c", NULL, 0 },
	{ "\"a>b\"@c", NULL, 0 },
	{ "\"<>\"@c", NULL, 0 },
	{ "\"(c)\"@c", NULL, 0 },
	{ "\"a,b\"@c", NULL, 0 },
	{ "\".a\"@c", NULL, 0 },
	{ "\"a.\"@c", NULL, 0 },
	{ "\"a..b\"@c", NULL, 0 },
	{ "\"a\"@[127.0.0.1]", "a@[127.0.0.1]", 0 },
	{ "a@[192.0.2.1]", NULL, 0 },
	{ "a@[0.0.0.0]", NULL, 0 },
	{ "a@[255.255.255.255]", NULL, 0 },
	{ "a@[IPv6:::1]", "a@[IPv6:::1]", 0 },
	{ "a@[IPV6:2001:DB8::1]", "a@[IPv6:2001:db8::1]", 0 },
	{ "a@[IPv6:1:2:3:4:5:6:7:8]", "a@[IPv6:1:2:3:4:5:6:7:8]", 0 },
	{ "a@[IPv6:::ffff:192.0.2.1]", "a@[IPv6:::ffff:192.0.2.1]", 0 },
	{ "a@[IPv6:1:2:3:4:5:6::]", NULL, 0 },
	{ "a@[IPv6:::1:2:3:4:5:6]", NULL, 0 },
	{ "a@[IPv6:1:2:3::4:5:6]", NULL, 0 },
	{ "a@[IPv6:::]", NULL, 0 },
	{ "a@[IPv6:1:2:3:4:5:6:192.0.2.1]", NULL, 0 },
	{ "a@[IPv6:1:2::3:4:192.0.2.1]", NULL, 0 },
	{ "a@[ipv6:2001:DB8::1]", "a@[IPv6:2001:db8::1]", 0 },
	/* RFC 5321 4.1.2, 4.1.3, Appendix D; RFC 5322 A.1.2; RFC 3696 3 */
	{ "Smith@bar.com", NULL, 0 },
	{ "\"Joe\\\\Blow\"@bar.com", NULL, 0 },
	{ "\"Abc\\@def\"@example.com", "\"Abc@def\"@example.com", 0 },
	{ "\"Fred\\ Bloggs\"@example.com", "\"Fred Bloggs\"@example.com", 0 },
	{ "\"Joe.\\\\Blow\"@example.com", NULL, 0 },
	{ "\"Abc@def\"@example.com", NULL, 0 },
	{ "user+mailbox@example.com", NULL, 0 },
	{ "customer/department=shipping@example.com", NULL, 0 },
	{ "$A12345@example.com", NULL, 0 },
	{ "!def!xyz%abc@example.com", NULL, 0 },
	{ "_somename@example.com", NULL, 0 },
	{ "fred@[123.255.37.2]", NULL, 0 },
	{ "JOE@[IPv6:2001:db8::ff]", NULL, 0 },
	{ "j\xc3\xbcrg@example.org", NULL, ADDR_UTF8 },
	{ "a@b\xc3\xbc" "cher.example", NULL, ADDR_UTF8 },
	{ "\"j\xc3\xbc rg\"@example.org", NULL, ADDR_UTF8 },
	{ "\"j\xc3\xbcrg\"@example.org", "j\xc3\xbcrg@example.org", ADDR_UTF8 },
	{ "\xe7\x94\xa8\xe6\x88\xb7@\xe4\xbe\x8b\xe5\xad\x90.example", NULL,
	    ADDR_UTF8 },
	{ "\xf0\x9f\x90\x93@example.org", NULL, ADDR_UTF8 },
	/* RFC 6530's and EAI's usual examples */
	{ "\xce\xb4\xce\xbf\xce\xba\xce\xb9\xce\xbc\xce\xae@\xcf\x80\xce"
	    "\xb1\xcf\x81\xce\xac\xce\xb4\xce\xb5\xce\xb9\xce\xb3\xce\xbc"
	    "\xce\xb1.\xce\xb4\xce\xbf\xce\xba\xce\xb9\xce\xbc\xce\xae", NULL,
	    ADDR_UTF8 },
	{ "a@\xd0\xbf\xd1\x80\xd0\xb8\xd0\xbc\xd0\xb5\xd1\x80.\xd1\x80\xd1"
	    "\x84", NULL, ADDR_UTF8 },
	{ "a@stra\xc3\x9f" "e.example", NULL, ADDR_UTF8 },
	{ "a@B\xc3\x9c" "CHER.example", "a@b\xc3\x9c" "cher.example",
	    ADDR_UTF8 },
	{ "a@\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88.example", NULL, ADDR_UTF8 },
	{ "a@l\xc2\xb7l.example", NULL, ADDR_UTF8 },
	{ "a@\xe0\xa4\x95\xe0\xa5\x8d\xe2\x80\x8d\xe0\xa4\xb7.example", NULL,
	    ADDR_UTF8 },
	{ "\xf4\x8f\xbf\xbd@example.org", NULL, ADDR_UTF8 },
};

struct bad {
	const char *text;
	const char *why;
	int	 flags;
};

static const struct bad bad[] = {
	{ "", "address is empty", 0 },
	{ " ", LOCAL, 0 },
	{ "@", LOCAL, 0 },
	{ "@b", LOCAL, 0 },
	{ "a", NO_DOMAIN, 0 },
	{ "a@", DOMAIN, 0 },
	{ "postmaster", NO_DOMAIN, 0 },
	{ "\"a\"", NO_DOMAIN, 0 },
	{ ".", LOCAL, 0 },
	{ ".a@b", LOCAL, 0 },
	{ "a.@b", LOCAL, 0 },
	{ "a..b@c", LOCAL, 0 },
	{ "a...b@c", LOCAL, 0 },
	{ "a b@c", LOCAL, 0 },
	{ " a@b", LOCAL, 0 },
	{ "a @b", LOCAL, 0 },
	{ "a@b ", DOMAIN, 0 },
	{ "a@ b", DOMAIN, 0 },
	{ "a@b c", DOMAIN, 0 },
	{ "a@b@c", DOMAIN, 0 },
	{ "a@@b", DOMAIN, 0 },
	{ "<a@b>", LOCAL, 0 },
	{ "a@b>", DOMAIN, 0 },
	{ "a@<b>", DOMAIN, 0 },
	{ "a@b,c@d", DOMAIN, 0 },
	{ "a,b@c", LOCAL, 0 },
	{ "a@b;c", DOMAIN, 0 },
	{ "a;b@c", LOCAL, 0 },
	{ "a:b@c", LOCAL, 0 },
	{ "@a:b@c", LOCAL, 0 },
	{ "(c)a@b", LOCAL, 0 },
	{ "a(c)@b", LOCAL, 0 },
	{ "a@b(c)", DOMAIN, 0 },
	{ "a\\b@c", LOCAL, 0 },
	{ "a[b@c", LOCAL, 0 },
	{ "a]b@c", LOCAL, 0 },
	{ "Alice <a@b>", LOCAL, 0 },
	{ "\"a", LOCAL, 0 },
	{ "\"", LOCAL, 0 },
	{ "\"\\\"@b", LOCAL, 0 },
	{ "\"a\\", LOCAL, 0 },
	{ "\"a\"b@c", LOCAL, 0 },
	{ "\"a\".b@c", LOCAL, 0 },
	{ "a.\"b\"@c", LOCAL, 0 },
	{ "a\"b\"@c", LOCAL, 0 },
	{ "\"a\"\"b\"@c", LOCAL, 0 },
	{ "\"a\" @c", LOCAL, 0 },
	{ "\"a\tb\"@c", LOCAL, 0 },
	{ "\"a\rb\"@c", LOCAL, 0 },
	{ "\"a\nb\"@c", LOCAL, 0 },
	{ "\"a\r\nb\"@c", LOCAL, 0 },
	{ "\"a\\\nb\"@c", LOCAL, 0 },
	{ "a@.", DOMAIN, 0 },
	{ "a@.b", DOMAIN, 0 },
	{ "a@b.", DOMAIN, 0 },
	{ "a@b..c", DOMAIN, 0 },
	{ "a@-b", DOMAIN, 0 },
	{ "a@b-", DOMAIN, 0 },
	{ "a@-", DOMAIN, 0 },
	{ "a@b.-c", DOMAIN, 0 },
	{ "a@b-.c", DOMAIN, 0 },
	{ "a@b_c.d", DOMAIN, 0 },
	{ "a@b/c", DOMAIN, 0 },
	{ "a@b#25", DOMAIN, 0 },
	{ "a@b:25", DOMAIN, 0 },
	{ "a@\"b\"", DOMAIN, 0 },
	{ "a@1", DOMAIN, 0 },
	{ "a@127.0.0.1", DOMAIN, 0 },
	{ "a@192.0.2.1", DOMAIN, 0 },
	{ "a@b.123", DOMAIN, 0 },
	{ "a@0x7f000001.1", DOMAIN, 0 },
	{ "a@2130706433", DOMAIN, 0 },
	{ "a@[", DOMAIN, 0 },
	{ "a@]", DOMAIN, 0 },
	{ "a@[]", DOMAIN, 0 },
	{ "a@[ ]", DOMAIN, 0 },
	{ "a@[1]", DOMAIN, 0 },
	{ "a@[1.2.3]", DOMAIN, 0 },
	{ "a@[1.2.3.4.5]", DOMAIN, 0 },
	{ "a@[1.2.3.256]", DOMAIN, 0 },
	{ "a@[1.2.3.-4]", DOMAIN, 0 },
	{ "a@[1.2.3.04]", DOMAIN, 0 },
	{ "a@[01.2.3.4]", DOMAIN, 0 },
	{ "a@[0x7f.0.0.1]", DOMAIN, 0 },
	{ "a@[1.2.3.4", DOMAIN, 0 },
	{ "a@1.2.3.4]", DOMAIN, 0 },
	{ "a@[1.2.3.4]b", DOMAIN, 0 },
	{ "a@[1.2.3.4].b", DOMAIN, 0 },
	{ "a@b[1.2.3.4]", DOMAIN, 0 },
	{ "a@[[1.2.3.4]]", DOMAIN, 0 },
	{ "a@[ 1.2.3.4]", DOMAIN, 0 },
	{ "a@[1.2.3.4 ]", DOMAIN, 0 },
	{ "a@[1.2.3.4/32]", DOMAIN, 0 },
	{ "a@[::1]", DOMAIN, 0 },
	{ "a@[IPv6:]", DOMAIN, 0 },
	{ "a@[IPv6]", DOMAIN, 0 },
	{ "a@[IPv6::]x", DOMAIN, 0 },
	{ "a@[IPv6:1.2.3.4]", DOMAIN, 0 },
	{ "a@[IPv6:1]", DOMAIN, 0 },
	{ "a@[IPv6:1:2:3:4:5:6:7]", DOMAIN, 0 },
	{ "a@[IPv6:1:2:3:4:5:6:7:8:9]", DOMAIN, 0 },
	{ "a@[IPv6:1::2::3]", DOMAIN, 0 },
	{ "a@[IPv6:1:2:3:4:5:6:7::]", DOMAIN, 0 },
	{ "a@[IPv6:::2:3:4:5:6:7:8]", DOMAIN, 0 },
	{ "a@[IPv6:1::3:4:5:6:7:8]", DOMAIN, 0 },
	{ "a@[IPv6:1:2:3::4:5:192.0.2.1]", DOMAIN, 0 },
	{ "a@[IPv6:1:2:3:4:5:6:7:192.0.2.1]", DOMAIN, 0 },
	{ "a@[IPv6::1]", DOMAIN, 0 },
	{ "a@[ IPv6:::1]", DOMAIN, 0 },
	{ "a@[IPv6: ::1]", DOMAIN, 0 },
	{ "a@[IPv6:::1]]", DOMAIN, 0 },
	{ "a@[tag:content]", DOMAIN, 0 },
	{ "Abc\\@def@example.com", LOCAL, 0 },
	{ "Fred\\ Bloggs@example.com", LOCAL, 0 },
	{ "a@[IPv6:12345::1]", DOMAIN, 0 },
	{ "a@[IPv6:g::1]", DOMAIN, 0 },
	{ "a@[IPv6:fe80::1%eth0]", DOMAIN, 0 },
	{ "a@[IPv6:[::1]]", DOMAIN, 0 },
	{ "a@[IPv4:1.2.3.4]", DOMAIN, 0 },
	{ "a@[x400:c=de]", DOMAIN, 0 },
	{ "a@[\\1.2.3.4]", DOMAIN, 0 },
	{ "../../etc/passwd", LOCAL, 0 },
	{ "a@../b", DOMAIN, 0 },
	{ "a@b;rm -rf /", DOMAIN, 0 },
	{ "a@$(id)", DOMAIN, 0 },
	{ "a@`id`", DOMAIN, 0 },
	{ "a@b|c", DOMAIN, 0 },
	{ "a@b&c", DOMAIN, 0 },
	{ "a@%s%n", DOMAIN, 0 },
	{ "a@b\r\nRCPT TO:<c@d>", DOMAIN, 0 },
	{ "a\r\n@b", LOCAL, 0 },
	{ "a@b\n", DOMAIN, 0 },
	{ "a@b\r", DOMAIN, 0 },
	{ "j\xc3\xbcrg@example.org", LOCAL, 0 },
	{ "\"j\xc3\xbcrg\"@example.org", LOCAL, 0 },
	{ "a@b\xc3\xbc" "cher.example", DOMAIN, 0 },
	{ "\"j\\\xc3\xbcrg\"@example.org", LOCAL, ADDR_UTF8 },
	/* domains that can be read as others: dots, slashes, digits, nothing */
	{ "a@b\xe3\x80\x82" "example", DOMAIN, ADDR_UTF8 },	/* U+3002 */
	{ "a@b\xef\xbc\x8e" "example", DOMAIN, ADDR_UTF8 },	/* U+ff0e */
	{ "a@b\xef\xbd\xa1" "example", DOMAIN, ADDR_UTF8 },	/* U+ff61 */
	{ "a@\xe2\x92\x88" "example", DOMAIN, ADDR_UTF8 },	/* U+2488 1. */
	{ "a@\xe2\x84\x80.example", DOMAIN, ADDR_UTF8 },	/* U+2100 a/c */
	{ "a@\xef\xbd\x85xample.org", DOMAIN, ADDR_UTF8 },	/* U+ff45 e */
	{ "a@\xef\xbc\x91\xef\xbc\x92.example", DOMAIN, ADDR_UTF8 },
	{ "a@\xf0\x9d\x90\x80.example", DOMAIN, ADDR_UTF8 },	/* U+1d400 A */
	{ "a@exa\xc2\xadmple.org", DOMAIN, ADDR_UTF8 },	/* soft hyphen */
	{ "a@exa\xe2\x80\x8bmple.org", DOMAIN, ADDR_UTF8 },	/* U+200b */
	{ "a@exa\xe2\x80\xaemple.org", DOMAIN, ADDR_UTF8 },	/* U+202e */
	{ "a@exa\xef\xb8\x8fmple.org", DOMAIN, ADDR_UTF8 },	/* U+fe0f */
	{ "a@exa\xef\xbb\xbfmple.org", DOMAIN, ADDR_UTF8 },	/* U+feff */
	{ "a@exa\xc2\xa0mple.org", DOMAIN, ADDR_UTF8 },	/* U+00a0 */
	{ "a@b\xe2\x88\x95" "c.example", DOMAIN, ADDR_UTF8 },	/* U+2215 / */
	{ "a@b\xe2\x80\xa4" "c.example", DOMAIN, ADDR_UTF8 },	/* U+2024 . */
	{ "a@\xee\x80\x80.example", DOMAIN, ADDR_UTF8 },	/* U+e000 */
	{ "a@\xf3\xa0\x81\xa1.example", DOMAIN, ADDR_UTF8 },	/* U+e0061 */
	{ "a@\xf4\x8f\xbf\xbd.example", DOMAIN, ADDR_UTF8 },
	{ "a@\xe2\x9d\xa4.example", DOMAIN, ADDR_UTF8 },	/* U+2764 */
	{ "a@b\xc3\x97" "c.example", DOMAIN, ADDR_UTF8 },	/* U+00d7 x */
};

/* Ill-formed UTF-8 (RFC 3629 10; Unicode 3.9 D92) and controls. */
static const char *const bad_utf8[] = {
	"\x80", "\xbf", "\xc0\x80", "\xc0\xaf", "\xc1\xbf", "\xc2", "\xc2\x41",
	"\xc2\xc2", "\xc3\x28", "\xdf", "\xe0\x80\x80", "\xe0\x80\xaf",
	"\xe0\x9f\xbf", "\xe0\xa0", "\xe1\x80", "\xe1\x80\x41", "\xe1\x41\x80",
	"\xec\x80\xc0", "\xed\xa0\x80", "\xed\xad\xbf", "\xed\xae\x80",
	"\xed\xaf\xbf", "\xed\xb0\x80", "\xed\xbf\xbf", "\xee\x80", "\xef\xbf",
	"\xf0\x80\x80\x80", "\xf0\x80\x80\xaf", "\xf0\x8f\xbf\xbf",
	"\xf0\x90\x80", "\xf0\x90", "\xf0", "\xf1\x80\x80\x41", "\xf3\x80\x41\x80",
	"\xf4\x90\x80\x80", "\xf4\xbf\xbf\xbf", "\xf5\x80\x80\x80",
	"\xf7\xbf\xbf\xbf", "\xf8\x88\x80\x80\x80", "\xfb\xbf\xbf\xbf\xbf",
	"\xfc\x84\x80\x80\x80\x80", "\xfe", "\xff", "\xfe\xff", "\xff\xfe",
	"\xc2\x80", "\xc2\x85", "\xc2\x9f", "\xe2\x28\xa1", "\xf0\x28\x8c\xbc",
};

static void
test_tables(void)
{
	char out[ADDR_MAX + 2], again[ADDR_MAX + 2];
	struct addr a;
	size_t i;

	for (i = 0; i < nitems(good); i++) {
		const struct good *g = &good[i];
		size_t n = strlen(g->text);

		is_str(addr_parse(g->text, n, g->flags, &a), NULL,
		    "taken: %s", show(g->text, n));
		addr_canonical(&a, out);
		is_str(out, g->canonical == NULL ? g->text : g->canonical,
		    "canonical: %s", show(g->text, n));
		ok(addr_parse(out, strlen(out), g->flags, &a) == NULL,
		    "canonical is one: %s", show(out, strlen(out)));
		addr_canonical(&a, again);
		is_str(again, out, "canonical twice: %s", show(g->text, n));
	}
	for (i = 0; i < nitems(bad); i++)
		is_str(addr_parse(bad[i].text, strlen(bad[i].text),
		    bad[i].flags, NULL), bad[i].why, "refused: %s",
		    show(bad[i].text, strlen(bad[i].text)));
}

static void
test_utf8(void)
{
	char text[64];
	size_t i, n;

	for (i = 0; i < nitems(bad_utf8); i++) {
		const char *b = bad_utf8[i];

		ok(!addr_utf8_ok(b, strlen(b)), "ill-formed: %s",
		    show(b, strlen(b)));
		n = (size_t)snprintf(text, sizeof(text), "a%sb@c.example", b);
		ok(addr_parse(text, n, ADDR_UTF8, NULL) != NULL,
		    "refused in a local part: %s", show(text, n));
		n = (size_t)snprintf(text, sizeof(text), "\"%s\"@c", b);
		ok(addr_parse(text, n, ADDR_UTF8, NULL) != NULL,
		    "refused in quotes: %s", show(text, n));
		n = (size_t)snprintf(text, sizeof(text), "a@b%sb.example", b);
		ok(addr_parse(text, n, ADDR_UTF8, NULL) != NULL,
		    "refused in a domain: %s", show(text, n));
	}
	ok(!addr_utf8_ok("a\0b", 3), "NUL is a control");
	ok(addr_utf8_ok("", 0), "nothing is well-formed");
	ok(addr_utf8_ok("\xc2\xa0", 2), "U+00a0 is no control");
	ok(!addr_utf8_ok("\xc3\xbc", 1), "cut in the middle");
}

/* --- every byte at every kind of place ------------------------------------------------ */

static bool
is_alnum(int c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	    (c >= 'a' && c <= 'z');
}

static bool
in_atom(int c)
{
	return is_alnum(c) || (c != 0 && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

static bool
in_atom_or_dot(int c)
{
	return in_atom(c) || c == '.';
}

static bool
in_quotes(int c)
{
	return c >= ' ' && c <= '~' && c != '"';	/* '\' quotes the next */
}

static bool
quotable(int c)
{
	return c >= ' ' && c <= '~';
}

static bool
in_label(int c)
{
	return is_alnum(c) || c == '-' || c == '.';
}

static bool
is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static bool
is_hex(int c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static const struct place {
	const char *text;	/* 'X' is replaced */
	bool	(*taken)(int);
} places[] = {
	{ "Xlice@example.org", in_atom },
	{ "alXce@example.org", in_atom_or_dot },
	{ "alicX@example.org", in_atom },
	{ "\"aXice\"@example.org", in_quotes },
	{ "\"a\\Xice\"@example.org", quotable },
	{ "alice@Xxample.org", is_alnum },
	{ "alice@exaXmple.org", in_label },
	{ "alice@examplX.org", is_alnum },
	{ "alice@example.Xrg", is_alnum },
	{ "alice@example.orX", is_alnum },
	{ "alice@[192.0.2.X]", is_digit },
	{ "alice@[IPv6:2001:db8::X]", is_hex },
};

static void
test_bytes(void)
{
	char text[64];
	size_t i, n;
	int c;

	for (i = 0; i < nitems(places); i++)
		for (c = 0; c < 256; c++) {
			n = strlen(places[i].text);
			memcpy(text, places[i].text, n + 1);
			*(char *)memchr(text, 'X', n) = (char)c;
			is_int(addr_parse(text, n, 0, NULL) == NULL,
			    places[i].taken(c), "%s", show(text, n));
			if (c < 0x80)
				continue;
			ok(addr_parse(text, n, ADDR_UTF8, NULL) != NULL,
			    "half a character: %s", show(text, n));
		}
}

/* --- lengths ------------------------------------------------------------------------- */

/* local_len 'a's, '@', then labels of 40 up to a whole of n bytes. */
static void
build(char *text, size_t local_len, size_t n)
{
	size_t i;

	memset(text, 'a', n);
	text[local_len] = '@';
	for (i = local_len + 41; i + 1 < n; i += 41)
		text[i] = '.';
	text[n] = '\0';
}

static void
test_lengths(void)
{
	char text[1200];
	const char *why;
	size_t n;

	for (n = 1; n <= 130; n++) {
		build(text, n, n + 20);
		why = n <= ADDR_LOCAL_MAX ? NULL :
		    "local part is longer than 64 bytes";
		is_str(addr_parse(text, n + 20, 0, NULL), why,
		    "a local part of %zu bytes", n);
		snprintf(text, sizeof(text), "\"%0*d\"@b", (int)n, 0);
		why = n + 2 <= ADDR_LOCAL_MAX ? NULL :
		    "local part is longer than 64 bytes";
		is_str(addr_parse(text, n + 4, 0, NULL), why,
		    "a quoted local part of %zu bytes", n + 2);
	}
	for (n = 100; n <= 300; n++) {
		build(text, 10, n);
		is_str(addr_parse(text, n, 0, NULL), n <= ADDR_MAX ? NULL :
		    "address is longer than 254 bytes", "%zu bytes", n);
	}
	for (n = 1; n <= 80; n++) {
		snprintf(text, sizeof(text), "a@%.*s.example", (int)n,
		    "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee"
		    "ffffffffffgggggggggghhhhhhhhhh");
		is_int(addr_parse(text, strlen(text), 0, NULL) == NULL,
		    n <= 63, "a label of %zu bytes", n);
	}
	memset(text, 'a', sizeof(text));
	ok(addr_parse(text, sizeof(text), 0, NULL) != NULL, "endless");
	memset(text, '"', sizeof(text));
	ok(addr_parse(text, sizeof(text), 0, NULL) != NULL, "endless quotes");
}

/* --- what comes out goes in ------------------------------------------------------------- */

static size_t
random_text(char *text, size_t max)
{
	static const char alphabet[] = "ab.\"\\@@ -1[]:>\xc3\xbc,";
	size_t i, n = 1 + rnd(max - 1);

	for (i = 0; i < n; i++)
		text[i] = alphabet[rnd(sizeof(alphabet) - 1)];
	return n;
}

/* Short ones, quoted or not, whose domain is good: many are taken. */
static void
test_round_trip(void)
{
	char text[64], out[ADDR_MAX + 2], again[ADDR_MAX + 2];
	size_t i, n, taken = 0, wrong = 0;
	struct addr a;

	for (i = 0; i < 60000; i++) {
		n = 0;
		if (i % 2 == 0)
			text[n++] = '"';
		n += random_text(text + n, 8);
		if (i % 2 == 0)
			text[n++] = '"';
		memcpy(text + n, "@B.c", 4);
		n += 4;
		if (addr_parse(text, n, i & 4 ? ADDR_UTF8 : 0, &a) != NULL)
			continue;
		taken++;
		addr_canonical(&a, out);
		if (strlen(out) > n || addr_parse(out, strlen(out),
		    i & 4 ? ADDR_UTF8 : 0, &a) != NULL)
			wrong++;
		addr_canonical(&a, again);
		wrong += strcmp(out, again) != 0;
	}
	ok(taken > 5000, "many random addresses are taken (%zu)", taken);
	is_int(wrong, 0, "each one's canonical form is one and its own");
}

/* --- comparing -------------------------------------------------------------------------- */

static const struct match {
	const char *pattern, *address;
	bool	 fits;
} matches[] = {
	{ "a@b", "a@b", true },
	{ "a@b", "A@B", true },
	{ "A@b", "a@b", true },
	{ "a@b", "a@bc", false },
	{ "a@b", "a@b.c", false },
	{ "a@b", "aa@b", false },
	{ "a@b", "", false },
	{ "@b", "a@b", true },
	{ "@B", "a@b", true },
	{ "@b", "a@c.b", false },
	{ "@b", "a@bb", false },
	{ "@b", "@b", true },
	{ "@b", "", false },
	{ "@", "a@b", false },
	{ "@", "a@", false },
	{ "@", "", false },
	{ "", "a@b", false },
	{ "b", "a@b", false },
	{ "@c", "\"a@b\"@c", true },
	{ "@b", "\"a@b\"@c", false },
	{ "@[192.0.2.1]", "a@[192.0.2.1]", true },
	{ "@j\xc3\xbc.example", "a@j\xc3\xbc.example", true },
	{ "@j\xc3\x9c.example", "a@j\xc3\xbc.example", false },
};

/* What fits without tags fits with them. */
static const struct {
	const char *pattern, *address;
	bool	 fits;
} covers[] = {
	{ "a@b", "a@b", true }, { "a@b", "a+x@b", true },
	{ "a@b", "A+X@B", true }, { "a@b", "a+@b", true },
	{ "a@b", "a+x+y@b", true }, { "a+x@b", "a+x+y@b", true },
	{ "a+x@b", "a+y@b", false }, { "a+x@b", "a@b", false },
	{ "a@b", "aa+x@b", false }, { "aa@b", "a+x@b", false },
	{ "a@b", "a-x@b", false }, { "a@b", "a+x@c", false },
	{ "a@b", "a+x@b@c", false }, { "a@b", "+x@b", false },
	{ "a@b", "\"a+x\"@b", false }, { "a@b", "a+\"x@c\"@b", false },
	{ "\"a\"@b", "\"a\"+x@b", false }, { "a@b", "a+x", false },
	{ "@b", "x+y@b", true }, { "@b", "x+y@c", false },
	{ "a", "a+x", false }, { "a", "a+x@b", false }, { "a", "a", true },
	{ "", "+x", false }, { "a@b", "", false },
};

static void
test_covers(void)
{
	size_t i;

	for (i = 0; i < nitems(covers); i++) {
		is_int(addr_covers(covers[i].pattern, '+', covers[i].address),
		    covers[i].fits, "%s covers %s", covers[i].pattern,
		    covers[i].address);
		is_int(addr_covers(covers[i].pattern, '\0', covers[i].address),
		    addr_match(covers[i].pattern, covers[i].address),
		    "without a plus it is as before");
	}
}

static void
test_match(void)
{
	char text[] = "AbC@[IPv6:DB8::Z]\xc3\x9c";
	size_t i;

	for (i = 0; i < nitems(matches); i++)
		is_int(addr_match(matches[i].pattern, matches[i].address),
		    matches[i].fits, "%s against %s", matches[i].pattern,
		    matches[i].address);
	is_str(addr_lower(text), "abc@[ipv6:db8::z]\xc3\x9c", "lower case");
	is_str(addr_domain_of("a@b"), "b", "domain");
	is_str(addr_domain_of("\"a@b\"@c"), "c", "domain behind quotes");
	is_str(addr_domain_of("a"), "", "no domain");
	is_str(addr_domain_of(""), "", "nothing");
}

static void
test_domains(void)
{
	ok(addr_is_domain("example.org", 11, 0), "a domain");
	ok(!addr_is_domain("example.org.", 12, 0), "with a final dot");
	ok(!addr_is_domain("", 0, 0), "none");
	ok(!addr_is_domain("[192.0.2.1]", 11, 0), "a literal is none");
	ok(!addr_is_domain("a\0b", 3, 0), "NUL inside");
	ok(!addr_is_literal("[1.2.3.4\0]", 10), "NUL inside a literal");
	ok(addr_is_literal("[192.0.2.1]", 11), "a literal");
	ok(!addr_is_literal("[", 1) && !addr_is_literal("", 0), "too short");
}

int
main(void)
{
	test_tables();
	test_utf8();
	test_bytes();
	test_lengths();
	test_round_trip();
	test_match();
	test_covers();
	test_domains();
	return tap_done();
}
