/* lib/base64: strict both ways, and exact about the space it needs. */
#include "lib/prelude.h"

#include "lib/base64.h"
#include "tests/show.h"
#include "tests/tap.h"

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* RFC 4648 10, and what SASL exchanges are made of. */
static const struct {
	const char *bytes;
	size_t	 n;
	const char *text;
} good[] = {
	{ "", 0, "" }, { "f", 1, "Zg==" }, { "fo", 2, "Zm8=" },
	{ "foo", 3, "Zm9v" }, { "foob", 4, "Zm9vYg==" },
	{ "fooba", 5, "Zm9vYmE=" }, { "foobar", 6, "Zm9vYmFy" },
	{ "\0", 1, "AA==" }, { "\0\0", 2, "AAA=" }, { "\0\0\0", 3, "AAAA" },
	{ "\xff", 1, "/w==" }, { "\xff\xff\xff", 3, "////" },
	{ "\xfb\xef\xbe", 3, "++++" },
	{ "\0user\0pencil", 12, "AHVzZXIAcGVuY2ls" },
	{ "Username:", 9, "VXNlcm5hbWU6" }, { "Password:", 9, "UGFzc3dvcmQ6" },
	{ "n,,n=user,r=rOprNGfwEbeRWgbNEkqO", 32,
	  "biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=" },
};

static const char *const bad[] = {
	"=", "==", "===", "====", "A", "AA", "AAA", "A=", "A==", "A===", "AA=",
	"AAA==", "AAAA=", "AAAA==", "AAAA===", "AAAA====", "=AAA", "A=AA",
	"AA=A", "==AA", "A==A", "=A==", "AA==AA==", "AAA=AAA=", "AA==AAAA",
	"AAAAAA==AAAA", "Zg=", "Zg", "Zm8", "Zm9vYg", "Zm9vYg=", "Zh==", "Zi==",
	"Zv==", "Z/==", "Zm9=", "Zm+=", "Zm//Zm/=", "AB==", "AAB=", "AAD=",
	" AAA", "AAA ", "AA A", "AAAA ", " AAAA", "AA\r\n", "AAAA\r\n", "AAAA\n",
	"AAAA\r", "\r\nAAAA", "AA\nAA", "AA\tA", "AAAA\t", "AA-A", "AA_A", "----",
	"____", "AA.A", "AA,A", "AA*A", "*", "****", "=\r\n", "AA!A", "AA\xc3\xbc",
	"\xff\xff\xff\xff", "\x80" "AAA", "AAA\x80", "AA\x7f" "A", "\"AA\"",
	"<AA>", "AA%3D", "AA%3", "AA\\=", "AA:A", "AA@A", "AA[A", "AA`A",
	"AA{A", "AA#A", "AA&A", "AA;A", "AA?A",
};

static int
decode(const char *s, size_t n, size_t max, struct buf *out)
{
	buf_init(out, max);
	return base64_decode(s, n, out);
}

static void
test_tables(void)
{
	struct buf out;
	size_t i;

	for (i = 0; i < nitems(good); i++) {
		ok(decode(good[i].text, strlen(good[i].text), 64, &out) == 0 &&
		    out.len == good[i].n && (out.len == 0 ||
		    memcmp(out.data, good[i].bytes, out.len) == 0),
		    "decodes %s", good[i].text);
		buf_reset(&out);
		ok(base64_encode(good[i].bytes, good[i].n, &out) == 0,
		    "encodes %s", good[i].text);
		is_str(buf_str(&out), good[i].text, "into %s", good[i].text);
		buf_clear(&out);
	}
	for (i = 0; i < nitems(bad); i++) {
		is_int(decode(bad[i], strlen(bad[i]), 64, &out), -1,
		    "refused: %s", show(bad[i], strlen(bad[i])));
		buf_clear(&out);
	}
	is_int(decode("AA\0A", 4, 64, &out), -1, "refused: NUL inside");
	buf_clear(&out);
}

/* Every byte at every place of a group. */
static void
test_bytes(void)
{
	struct buf out;
	char text[9];
	int c, at, want;

	for (c = 0; c < 256; c++)
		for (at = 0; at < 8; at++) {
			snprintf(text, sizeof(text), "AAAAAAAA");
			text[at] = (char)c;
			want = (c != '\0' && strchr(alphabet, c)) ||
			    (c == '=' && at == 7) ? 0 : -1;
			is_int(decode(text, 8, 64, &out), want,
			    "byte %02x at %d", c, at);
			buf_clear(&out);
		}
}

/* The bits that padding cuts off must be zero: one text per value. */
static void
test_stray_bits(void)
{
	struct buf out;
	char text[5];
	int v;

	for (v = 0; v < 64; v++) {
		snprintf(text, sizeof(text), "A%c==", alphabet[v]);
		is_int(decode(text, 4, 8, &out), v % 16 == 0 ? 0 : -1, "%s",
		    text);
		buf_clear(&out);
		snprintf(text, sizeof(text), "AA%c=", alphabet[v]);
		is_int(decode(text, 4, 8, &out), v % 4 == 0 ? 0 : -1, "%s",
		    text);
		buf_clear(&out);
	}
}

/* Exactly enough room is enough, a byte less is not (CVE-2018-6789). */
static void
test_room(void)
{
	struct buf text, out;
	char bytes[64];
	size_t n, i;

	for (n = 0; n <= sizeof(bytes); n++) {
		for (i = 0; i < n; i++)
			bytes[i] = (char)rnd(256);
		buf_init(&text, (n + 2) / 3 * 4);
		is_int(base64_encode(bytes, n, &text), 0,
		    "%zu bytes encode into what they need", n);
		ok(decode(buf_str(&text), text.len, n, &out) == 0 &&
		    out.len == n && (n == 0 ||
		    memcmp(out.data, bytes, n) == 0),
		    "%zu bytes decode into what they need", n);
		buf_clear(&out);
		if (n > 0) {
			is_int(decode(buf_str(&text), text.len, n - 1, &out),
			    -1, "%zu bytes do not fit into less", n);
			ok(out.len < n, "and nothing is written beyond");
			buf_clear(&out);
		}
		for (i = 1; i < 4 && i < text.len; i++) {
			is_int(decode(buf_str(&text), text.len - i, n, &out),
			    -1, "%zu bytes, text cut by %zu", n, i);
			buf_clear(&out);
		}
		buf_clear(&text);
		buf_init(&text, n == 0 ? 0 : (n + 2) / 3 * 4 - 1);
		is_int(base64_encode(bytes, n, &text), n == 0 ? 0 : -1,
		    "%zu bytes do not encode into less", n);
		buf_clear(&text);
	}
}

/* RFC 4648 5, without padding. */
static const struct {
	const char *in;
	const char *out;		/* NULL: none */
} urls[] = {
	{ "", "" }, { "Zg", "f" }, { "Zm8", "fo" }, { "Zm9v", "foo" },
	{ "-_-_", "\xfb\xff\xbf" }, { "Zh", NULL }, { "Zm9", NULL },
	{ "Zg==", NULL }, { "Zm8=", NULL }, { "Z", NULL }, { "Zm9vZ", NULL },
	{ "Zm+v", NULL }, { "Zm/v", NULL }, { "Zm9v\n", NULL },
	{ " Zm9v", NULL }, { "Zm 9", NULL }, { "Zm\xc3\xa4", NULL },
};

static void
test_base64url(void)
{
	struct buf b;
	size_t i;

	for (i = 0; i < nitems(urls); i++) {
		int r;

		buf_init(&b, 100);
		r = base64url_decode(urls[i].in, strlen(urls[i].in), &b);
		ok(r == (urls[i].out == NULL ? -1 : 0) && (r == -1 ||
		    strcmp(buf_str(&b), urls[i].out) == 0),
		    "base64url \"%s\"", urls[i].in);
		buf_clear(&b);
	}
	buf_init(&b, 2);
	is_int(base64url_decode("Zm9v", 4, &b), -1, "more than there is room for");
	buf_clear(&b);
}

int
main(void)
{
	test_tables();
	test_base64url();
	test_bytes();
	test_stray_bits();
	test_room();
	return tap_done();
}
