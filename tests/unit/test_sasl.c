/*
 * auth/sasl against clients that do not play by the rules of RFC 4616 (PLAIN),
 * of LOGIN as it is spoken, of RFC 5802 and RFC 7677 (SCRAM). None may get in,
 * and none may learn who is there.
 */
#include "lib/prelude.h"

#include <sys/wait.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "auth/watch.h"
#include "lib/base64.h"
#include "tests/tap.h"
#include "tests/unit/auth_rig.h"

static uint64_t id = 1;

#define NO_CRED	(1 << AUTH_NO_CREDENTIALS)
#define NO_SYN	(1 << AUTH_NO_SYNTAX)

static void
expect_no(const struct rig_reply *r, int which, const char *what,
    const char *name)
{
	ok(r->type == M_AUTH_NO && (which & (1 << r->no)) != 0,
	    "%s: %s (type %u, no %d)", what, name, r->type, r->no);
}

/* --- PLAIN -------------------------------------------------------------------------- */

#define S(s) s, sizeof(s) - 1

static void
test_plain(void)
{
	static const struct {
		const char *name, *first;
		size_t len;
		int want;
	} rows[] = {
		{ "nothing", S(""), NO_SYN },
		{ "one NUL", S("\0"), NO_SYN },
		{ "two NULs", S("\0\0"), NO_SYN | NO_CRED },
		{ "three NULs", S("\0\0\0"), NO_SYN | NO_CRED },
		{ "ten NULs", S("\0\0\0\0\0\0\0\0\0\0"), NO_SYN | NO_CRED },
		{ "no NUL", S("bob correct horse"), NO_SYN },
		{ "one NUL only", S("bob\0correct horse"), NO_SYN },
		{ "one NUL in front", S("\0bob"), NO_SYN },
		{ "no password", S("\0bob\0"), NO_CRED | NO_SYN },
		{ "no name", S("\0\0correct horse"), NO_CRED | NO_SYN },
		{ "NUL behind the password", S("\0bob\0correct horse\0"),
		    NO_SYN | NO_CRED },
		{ "a fourth field", S("\0bob\0correct horse\0x"),
		    NO_SYN | NO_CRED },
		{ "NUL in the password", S("\0bob\0correct\0horse"),
		    NO_SYN | NO_CRED },
		{ "right up to a NUL", S("\0bob\0correct horse\0\0"),
		    NO_SYN | NO_CRED },
		{ "space behind the name", S("\0bob \0correct horses"),
		    NO_CRED },
		{ "LF behind the password", S("\0bob\0correct horse\n"),
		    NO_CRED },
		{ "CRLF behind the password", S("\0bob\0correct horse\r\n"),
		    NO_CRED },
		{ "LF behind the name", S("\0bob\n\0correct horse"), NO_CRED },
		{ "tab in front of the name", S("\0\tbob\0correct horse"),
		    NO_CRED },
		{ "DEL in the name", S("\0bo\177b\0correct horse"), NO_CRED },
		{ "bad UTF-8 in the name", S("\0bo\377b\0correct horse"),
		    NO_CRED },
		{ "overlong UTF-8", S("\0bo\300\342b\0correct horse"),
		    NO_CRED },
		{ "C1 control in the name", S("\0bo\302\205b\0correct horse"),
		    NO_CRED },
		{ "a surrogate", S("\0bo\355\240\200b\0correct horse"),
		    NO_CRED },
		{ "bad UTF-8 in the password", S("\0bob\0correct\377horse"),
		    NO_CRED },
		{ "as somebody else", S("alice@example.org\0bob\0"
		    "correct horse"), NO_CRED },
		{ "as nobody", S("nobody\0bob\0correct horse"), NO_CRED },
		{ "as root", S("root\0bob\0correct horse"), NO_CRED },
		{ "as a prefix of oneself", S("bo\0bob\0correct horse"),
		    NO_CRED },
		{ "as oneself and more", S("bobb\0bob\0correct horse"),
		    NO_CRED },
		{ "as oneself with a domain", S("bob@example.org\0bob\0"
		    "correct horse"), NO_CRED },
		{ "as a control", S("\001\0bob\0correct horse"), NO_CRED },
		{ "right name as oneself, wrong password", S("bob\0bob\0wrong"),
		    NO_CRED },
		{ "name and password swapped", S("\0correct horse\0bob"),
		    NO_CRED },
		{ "fields in another order", S("bob\0correct horse\0"),
		    NO_CRED | NO_SYN },
		{ "a realm", S("\0bob@\0correct horse"), NO_CRED },
		{ "UTF-16", S("\0\0b\0o\0b\0\0c\0o\0r"), NO_CRED | NO_SYN },
		{ "LOGIN's first answer", S("bob"), NO_SYN },
		{ "SCRAM's first message", S("n,,n=bob,r=abcdef"), NO_SYN },
		{ "SQL", S("\0' or 1=1 --\0x' or 'x'='x"), NO_CRED },
		{ "a format", S("\0%s%s%n\0%s%s%n%n"), NO_CRED },
		{ "a path", S("\0../../etc/passwd\0correct horse"), NO_CRED },
		{ "a key of the database's own", S("\0msecret\0secret12"),
		    NO_CRED },
		{ "nothing but an authzid", S("bob\0\0"), NO_CRED | NO_SYN },
	};
	size_t i;

	for (i = 0; i < nitems(rows); i++)
		expect_no(rig_begin(++id, "PLAIN", rows[i].first, rows[i].len),
		    rows[i].want, "PLAIN", rows[i].name);
	/* The same as an answer to the empty challenge. */
	for (i = 0; i < nitems(rows); i++) {
		ok(rig_begin(++id, "PLAIN", NULL, 0)->len == 0, "PLAIN asks");
		expect_no(rig_step(id, rows[i].first, rows[i].len),
		    rows[i].want, "PLAIN, second line", rows[i].name);
	}
}

static void
test_long(void)
{
	static const size_t lens[] = { 255, 256, 319, 320, 321, 512, 1023, 1024,
	    1025, 2048, 4096, 8192, 12000 };
	uint8_t text[12288];
	size_t i, n;

	for (i = 0; i < nitems(lens); i++) {
		n = lens[i];
		memset(text, 'a', sizeof(text));
		memcpy(text, "\0bob\0", 5);
		expect_no(rig_begin(++id, "PLAIN", text, n), NO_CRED | NO_SYN,
		    "PLAIN", "a long password");
		memset(text, 'a', sizeof(text));
		text[0] = 0;
		memcpy(text + n - 14, "\0correct horse", 14);
		expect_no(rig_begin(++id, "PLAIN", text, n), NO_CRED | NO_SYN,
		    "PLAIN", "a long name");
		memset(text, 'a', sizeof(text));
		memcpy(text + n - 18, "\0bob\0correct horse", 18);
		expect_no(rig_begin(++id, "PLAIN", text, n), NO_CRED | NO_SYN,
		    "PLAIN", "a long authzid");
		memset(text, 'a', sizeof(text));
		ok(rig_begin(++id, "LOGIN", NULL, 0)->type == M_AUTH_CHALLENGE,
		    "LOGIN asks");
		if (rig_step(id, text, n)->type == M_AUTH_CHALLENGE)
			expect_no(rig_step(id, S(RIG_PASSWORD)),
			    NO_CRED | NO_SYN, "LOGIN", "a long name");
		else
			ok(true, "a long name is refused at once");
		rig_begin(++id, "LOGIN", NULL, 0);
		rig_step(id, S("bob"));
		expect_no(rig_step(id, text, n), NO_CRED | NO_SYN, "LOGIN",
		    "a long password");
	}
}

/* --- LOGIN -------------------------------------------------------------------------- */

static void
test_login(void)
{
	static const struct {
		const char *name, *user;
		size_t user_len;
		const char *password;
		size_t password_len;
		int want;
	} rows[] = {
		{ "nothing at all", S(""), S(""), NO_CRED | NO_SYN },
		{ "no name", S(""), S(RIG_PASSWORD), NO_CRED | NO_SYN },
		{ "no password", S("bob"), S(""), NO_CRED | NO_SYN },
		{ "NUL behind the name", S("bob\0"), S(RIG_PASSWORD),
		    NO_CRED | NO_SYN },
		{ "NUL in the name", S("b\0ob"), S(RIG_PASSWORD),
		    NO_CRED | NO_SYN },
		{ "NUL behind the password", S("bob"), S(RIG_PASSWORD "\0"),
		    NO_CRED | NO_SYN },
		{ "right up to a NUL", S("bob"), S(RIG_PASSWORD "\0x"),
		    NO_CRED | NO_SYN },
		{ "LF behind the password", S("bob"), S(RIG_PASSWORD "\n"),
		    NO_CRED },
		{ "swapped", S(RIG_PASSWORD), S("bob"), NO_CRED },
		{ "PLAIN's message as name", S("\0bob\0correct horse"), S("x"),
		    NO_CRED | NO_SYN },
		{ "bad UTF-8", S("bob\377"), S(RIG_PASSWORD), NO_CRED },
		{ "a control", S("bob\001"), S(RIG_PASSWORD), NO_CRED },
		{ "space in front", S(" bob"), S(RIG_PASSWORD), NO_CRED },
		{ "space behind", S("bob "), S(RIG_PASSWORD), NO_CRED },
		{ "the challenge back", S("Username:"), S("Password:"),
		    NO_CRED },
	};
	const struct rig_reply *r;
	size_t i;

	for (i = 0; i < nitems(rows); i++) {
		rig_begin(++id, "LOGIN", NULL, 0);
		r = rig_step(id, rows[i].user, rows[i].user_len);
		if (r->type == M_AUTH_CHALLENGE)
			r = rig_step(id, rows[i].password,
			    rows[i].password_len);
		expect_no(r, rows[i].want, "LOGIN", rows[i].name);
	}
	/* The name as initial response, as some clients have it. */
	r = rig_begin(++id, "LOGIN", S("bob"));
	ok(r->type == M_AUTH_CHALLENGE &&
	    rig_step(id, S(RIG_PASSWORD))->type == M_AUTH_OK,
	    "LOGIN with the name at once");
	rig_begin(++id, "LOGIN", S("bob"));
	expect_no(rig_step(id, S("wrong horse")), NO_CRED, "LOGIN",
	    "with the name at once, wrong password");
}

/* --- SCRAM --------------------------------------------------------------------------- */

/* A client that can be told to misbehave. Texts are printf formats. */
struct scram {
	char	 gs2[64], bare[256], nonce[64];
	char	 server_first[512], salt[64];
	size_t	 salt_len;
	unsigned int iterations;
	uint8_t	 server_key[32];
	char	 auth_message[2048];
};

static void
hmac(const uint8_t *key, size_t key_len, const char *text, uint8_t out[32])
{
	unsigned int len = 32;

	HMAC(EVP_sha256(), key, (int)key_len, (const uint8_t *)text,
	    strlen(text), out, &len);
}

static void
encode(const void *p, size_t n, char *out, size_t size)
{
	struct buf b;

	buf_init(&b, 1024);
	base64_encode(p, n, &b);
	snprintf(out, size, "%s", buf_str(&b));
	buf_clear(&b);
}

/* Sends the first message; keeps what the server said. */
static const struct rig_reply *
scram_first(struct scram *s, const char *gs2, const char *bare)
{
	const struct rig_reply *r;
	char first[512], salt64[128];
	struct buf b;

	memset(s, 0, sizeof(*s));
	snprintf(s->gs2, sizeof(s->gs2), "%s", gs2);
	snprintf(s->bare, sizeof(s->bare), "%s", bare);
	snprintf(first, sizeof(first), "%s%s", gs2, bare);
	r = rig_begin(++id, "SCRAM-SHA-256", first, strlen(first));
	if (r->type != M_AUTH_CHALLENGE)
		return r;
	snprintf(s->server_first, sizeof(s->server_first), "%.*s", (int)r->len,
	    (const char *)r->bytes);
	if (sscanf(s->server_first, "r=%63[^,],s=%127[^,],i=%u", s->nonce,
	    salt64, &s->iterations) != 3)
		return r;
	buf_init(&b, sizeof(s->salt));
	base64_decode(salt64, strlen(salt64), &b);
	memcpy(s->salt, b.data, b.len);
	s->salt_len = b.len;
	buf_clear(&b);
	return r;
}

/* The proof for a final message without it, under a password. */
static void
scram_proof(struct scram *s, const char *password, const char *without,
    uint8_t proof[32])
{
	uint8_t salted[32], client[32], stored[32], signature[32];
	int i;

	PKCS5_PBKDF2_HMAC(password, (int)strlen(password),
	    (const uint8_t *)s->salt, (int)s->salt_len, (int)s->iterations,
	    EVP_sha256(), 32, salted);
	hmac(salted, 32, "Client Key", client);
	hmac(salted, 32, "Server Key", s->server_key);
	EVP_Digest(client, 32, stored, NULL, EVP_sha256(), NULL);
	snprintf(s->auth_message, sizeof(s->auth_message), "%s,%s,%s", s->bare,
	    s->server_first, without);
	hmac(stored, 32, s->auth_message, signature);
	for (i = 0; i < 32; i++)
		proof[i] = client[i] ^ signature[i];
}

/* The final message: binding and nonce as given, proof right for them. */
static const struct rig_reply *
scram_final(struct scram *s, const char *password, const char *binding,
    const char *nonce)
{
	char without[512], message[1024], proof64[64], c64[128];
	uint8_t proof[32];

	encode(binding, strlen(binding), c64, sizeof(c64));
	snprintf(without, sizeof(without), "c=%s,r=%s", c64, nonce);
	scram_proof(s, password, without, proof);
	encode(proof, 32, proof64, sizeof(proof64));
	snprintf(message, sizeof(message), "%s,p=%s", without, proof64);
	return rig_step(id, message, strlen(message));
}

/* Whether the server's last word proves that it knows the account. */
static bool
scram_server_proves(struct scram *s, const struct rig_reply *r)
{
	uint8_t signature[32];
	char want[72], text[64];

	hmac(s->server_key, 32, s->auth_message, signature);
	encode(signature, 32, text, sizeof(text));
	snprintf(want, sizeof(want), "v=%s", text);
	return r->len == strlen(want) && memcmp(r->bytes, want, r->len) == 0;
}

static void
test_scram_good(void)
{
	struct scram s;
	const struct rig_reply *r;

	r = scram_first(&s, "n,,", "n=bob,r=fyko+d2lbbFgONRv9qkxdawL");
	ok(r->type == M_AUTH_CHALLENGE && s.iterations == 4096 &&
	    s.salt_len == VERIFIER_SALT_LEN, "SCRAM: %s", s.server_first);
	ok(strncmp(s.nonce, "fyko+d2lbbFgONRv9qkxdawL", 24) == 0 &&
	    strlen(s.nonce) >= 24 + 18, "the nonce is ours and theirs");
	r = scram_final(&s, RIG_PASSWORD, "n,,", s.nonce);
	ok(r->type == M_AUTH_CHALLENGE && scram_server_proves(&s, r),
	    "the server proves itself");
	ok(rig_step(id, "", 0)->type == M_AUTH_OK, "in");
	scram_first(&s, "y,,", "n=bob,r=fyko+d2lbbFgONRv9qkxdawL");
	r = scram_final(&s, RIG_PASSWORD, "y,,", s.nonce);
	ok(r->type == M_AUTH_CHALLENGE && rig_step(id, "", 0)->type ==
	    M_AUTH_OK, "a client that could bind, and was not asked to");
	scram_first(&s, "n,a=bob,", "n=bob,r=fyko+d2lbbFgONRv9qkxdawL");
	r = scram_final(&s, RIG_PASSWORD, "n,a=bob,", s.nonce);
	ok(r->type == M_AUTH_CHALLENGE && rig_step(id, "", 0)->type ==
	    M_AUTH_OK, "as oneself");
	r = rig_begin(++id, "SCRAM-SHA-256", NULL, 0);
	ok(r->type == M_AUTH_CHALLENGE && r->len == 0,
	    "without initial response: an empty challenge");
	rig_cancel(id);
}

/* Nor does SCRAM's last word tell the right password when there is a lock. */
static void
test_scram_locked(void)
{
	struct auth_conf conf = { .lock_after = 2, .lock_sec = 900 };
	struct scram s;
	size_t i;

	rig_begin(++id, "PLAIN", S("\0bob\0correct horse"));
	ev_clock_step(3601 * 1000);	/* what others guessed is forgiven */
	watch_conf(&conf);
	rig_begin(++id, "PLAIN", S("\0bob\0wrong horse1"));
	rig_begin(++id, "PLAIN", S("\0bob\0wrong horse2"));
	for (i = 0; i < 2; i++) {
		scram_first(&s, "n,,", "n=bob,r=fyko+d2lbbFgONRv9qkxdawL");
		expect_no(scram_final(&s, i ? "wrong" : RIG_PASSWORD, "n,,",
		    s.nonce), 1 << AUTH_NO_LOCKED, "locked", i ? "-" : "right");
	}
	conf.lock_after = 0;
	watch_conf(&conf);
}

static enum accounts_result
flip(struct account *a, void *arg)
{
	a->suspended = !a->suspended;
	return ACCOUNTS_OK;
}

/* Whatever shows the right password gets no further than a wrong one. */
static void
test_suspended(void)
{
	struct auth_conf conf = { .lock_after = 2, .lock_sec = 900 };
	struct scram s;
	int i;

	if (accounts_change(rig_accounts, "bob", flip, NULL) != ACCOUNTS_OK)
		abort();
	expect_no(rig_begin(++id, "PLAIN", S("\0bob\0correct horse")),
	    NO_CRED, "suspended", "PLAIN");
	for (i = 0; i < 2; i++) {
		scram_first(&s, "n,,", "n=bob,r=fyko+d2lbbFgONRv9qkxdawL");
		expect_no(scram_final(&s, i ? "wrong" : RIG_PASSWORD, "n,,",
		    s.nonce), NO_CRED, "suspended", i ? "wrong" : "right");
	}
	watch_conf(&conf);
	for (i = 0; i < 4; i++) {
		watch_unlock("bob");
		if (i % 2 == 0)
			rig_begin(++id, "PLAIN", S("\0bob\0correct horse"));
		else {
			scram_first(&s, "n,,", "n=bob,r=fyko+d2lbbFgONRv9qkx");
			scram_final(&s, RIG_PASSWORD, "n,,", s.nonce);
		}
		rig_begin(++id, "PLAIN", i < 2 ? "\0bob\0wrong horse12" :
		    "\0bob\0correct horse", 18);
		expect_no(rig_begin(++id, "PLAIN", S("\0bob\0correct horse")),
		    i == 2 ? NO_CRED : 1 << AUTH_NO_LOCKED, "suspended",
		    "the right one counts, the same one once");
	}
	conf.lock_after = 0;
	watch_conf(&conf);
	if (accounts_change(rig_accounts, "bob", flip, NULL) != ACCOUNTS_OK)
		abort();
	ok(rig_begin(++id, "PLAIN", S("\0bob\0correct horse"))->type ==
	    M_AUTH_OK, "resumed");
}

static void
test_scram_first(void)
{
	static const struct {
		const char *name, *gs2, *bare;
	} rows[] = {
		{ "nothing", "", "" },
		{ "header alone", "n,,", "" },
		{ "one comma", "n,", "n=bob,r=abcdefgh" },
		{ "no header", "", "n=bob,r=abcdefgh" },
		{ "no flag", ",,", "n=bob,r=abcdefgh" },
		{ "unknown flag", "x,,", "n=bob,r=abcdefgh" },
		{ "flag in capitals", "N,,", "n=bob,r=abcdefgh" },
		{ "binding without PLUS", "p=tls-unique,,",
		    "n=bob,r=abcdefgh" },
		{ "binding by exporter", "p=tls-exporter,,",
		    "n=bob,r=abcdefgh" },
		{ "binding by end point", "p=tls-server-end-point,,",
		    "n=bob,r=abcdefgh" },
		{ "binding by nothing", "p=,,", "n=bob,r=abcdefgh" },
		{ "p without a name", "p,,", "n=bob,r=abcdefgh" },
		{ "no user", "n,,", "r=abcdefgh" },
		{ "empty user", "n,,", "n=,r=abcdefgh" },
		{ "no nonce", "n,,", "n=bob" },
		{ "nonce is empty", "n,,", "n=bob,r=" },
		{ "wrong order", "n,,", "r=abcdefgh,n=bob" },
		{ "a mandatory extension", "n,,", "m=x,n=bob,r=abcdefgh" },
		{ "equals unescaped", "n,,", "n=b=b,r=abcdefgh" },
		{ "escape cut", "n,,", "n=bob=,r=abcdefgh" },
		{ "escape cut later", "n,,", "n=bob=2,r=abcdefgh" },
		{ "unknown escape", "n,,", "n=bo=41b,r=abcdefgh" },
		{ "escape in lower case", "n,,", "n=bo=2cb,r=abcdefgh" },
		{ "control in the user", "n,,", "n=bo\001b,r=abcdefgh" },
		{ "bad UTF-8 in the user", "n,,", "n=bo\377b,r=abcdefgh" },
		{ "control in the nonce", "n,,", "n=bob,r=abc\001defgh" },
		{ "DEL in the nonce", "n,,", "n=bob,r=abc\177defgh" },
		{ "8-bit nonce", "n,,", "n=bob,r=abc\377defgh" },
		{ "tab in the nonce", "n,,", "n=bob,r=abc\tdefgh" },
		{ "a later message", "", "c=biws,r=abcdefgh,p=AAAA" },
		{ "a server's message", "", "r=abcdefgh,s=AAAA,i=4096" },
		{ "commas alone", ",,,,", ",,,," },
		{ "PLAIN in SCRAM", "", "bob correct horse" },
		{ "authzid without a=", "n,bob,", "n=bob,r=abcdefgh" },
		{ "authzid is empty", "n,a=,", "n=bob,r=abcdefgh" },
		{ "authzid badly escaped", "n,a=b=zz,", "n=bob,r=abcdefgh" },
		{ "user without n=", "n,,", "bob,r=abcdefgh" },
		{ "N in capitals", "n,,", "N=bob,r=abcdefgh" },
	};
	const struct rig_reply *r;
	struct scram s;
	size_t i;

	for (i = 0; i < nitems(rows); i++) {
		r = scram_first(&s, rows[i].gs2, rows[i].bare);
		/* What libsasl2 lets pass must fail at the proof's step. */
		if (r->type == M_AUTH_CHALLENGE) {
			printf("# %s passes the first step\n", rows[i].name);
			r = scram_final(&s, RIG_PASSWORD, "n,,", "bad");
		}
		expect_no(r, NO_CRED | NO_SYN, "SCRAM first", rows[i].name);
	}
	r = rig_begin(++id, "SCRAM-SHA-256", "n,,n=b\0b,r=abcdefgh", 19);
	if (r->type == M_AUTH_CHALLENGE)
		r = rig_step(id, "c=biws,r=abcdefgh,p=AAAA", 24);
	expect_no(r, NO_CRED | NO_SYN, "SCRAM first", "NUL in the user");
	r = rig_begin(++id, "SCRAM-SHA-256", "n,,n=bob,r=abcdefgh\0", 20);
	if (r->type == M_AUTH_CHALLENGE)
		r = rig_step(id, "c=biws,r=abcdefgh,p=AAAA", 24);
	expect_no(r, NO_CRED | NO_SYN, "SCRAM first", "NUL behind the nonce");
}

static void
test_scram_final(void)
{
	/* %n: the whole nonce, %c: our part, %p: the right proof. */
	static const struct {
		const char *name, *without, *proof;
	} rows[] = {
		{ "empty", "", "" },
		{ "no proof", "c=biws,r=%n", "" },
		{ "proof is empty", "c=biws,r=%n", ",p=" },
		{ "proof is no base64", "c=biws,r=%n", ",p=!!!!" },
		{ "proof is short", "c=biws,r=%n", ",p=AAAA" },
		{ "proof of zeros", "c=biws,r=%n",
		    ",p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" },
		{ "proof of SHA-1's length", "c=biws,r=%n",
		    ",p=AAAAAAAAAAAAAAAAAAAAAAAAAAA=" },
		{ "proof of SHA-512's length", "c=biws,r=%n",
		    ",p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
		    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==" },
		{ "our nonce alone", "c=biws,r=%c", ",p=%p" },
		{ "no nonce", "c=biws", ",p=%p" },
		{ "nonce is empty", "c=biws,r=", ",p=%p" },
		{ "nonce and more", "c=biws,r=%nx", ",p=%p" },
		{ "another nonce", "c=biws,r=abcdefgh", ",p=%p" },
		{ "no binding", "r=%n", ",p=%p" },
		{ "binding is empty", "c=,r=%n", ",p=%p" },
		{ "binding of y", "c=eSws,r=%n", ",p=%p" },
		{ "binding of p", "c=cD10bHMtdW5pcXVlLCw=,r=%n", ",p=%p" },
		{ "binding with an authzid", "c=bixhPWFsaWNlLA==,r=%n",
		    ",p=%p" },
		{ "binding is no base64", "c=####,r=%n", ",p=%p" },
		{ "binding longer", "c=biwsbiws,r=%n", ",p=%p" },
		{ "wrong order", "r=%n,c=biws", ",p=%p" },
		{ "proof first", "p=AAAA,c=biws,r=%n", "" },
		{ "mandatory extension", "m=x,c=biws,r=%n", ",p=%p" },
		{ "two proofs, the first wrong", "c=biws,r=%n",
		    ",p=AAAA,p=%p" },
		{ "something behind the proof", "c=biws,r=%n", ",p=%p,x=y" },
		{ "space behind the proof", "c=biws,r=%n", ",p=%p " },
		{ "the first message again", "n,,n=bob,r=%c", "" },
		{ "the server's message back", "r=%n,s=AAAA,i=4096", "" },
		{ "an error message", "e=other-error", "" },
		{ "a server's signature", "v=AAAA", "" },
		{ "commas", ",,,,,,", "" },
	};
	char without[512], message[1024], proof64[64];
	const char *p, *in, *const mine = "fyko+d2lbbFgONRv9qkxdawL";
	const struct rig_reply *r;
	struct scram s;
	uint8_t proof[32];
	size_t i, n;

	for (i = 0; i < nitems(rows); i++) {
		scram_first(&s, "n,,", "n=bob,r=fyko+d2lbbFgONRv9qkxdawL");
		memset(without, 0, sizeof(without));
		for (in = rows[i].without, n = 0; *in != '\0'; in++) {
			p = in[0] != '%' ? NULL : in[1] == 'n' ? s.nonce : mine;
			if (p == NULL)
				without[n++] = *in;
			else
				n += (size_t)snprintf(without + n,
				    sizeof(without) - n, "%s", p), in++;
		}
		scram_proof(&s, RIG_PASSWORD, without, proof);
		encode(proof, 32, proof64, sizeof(proof64));
		p = strstr(rows[i].proof, "%p");
		if (p == NULL)
			snprintf(message, sizeof(message), "%s%s", without,
			    rows[i].proof);
		else
			snprintf(message, sizeof(message), "%s%.*s%s%s",
			    without, (int)(p - rows[i].proof), rows[i].proof,
			    proof64, p + 2);
		r = rig_step(id, message, strlen(message));
		expect_no(r, NO_CRED | NO_SYN, "SCRAM final", rows[i].name);
	}
}

/* One bit of the proof, the server's nonce or the salt makes all the difference. */
static void
test_scram_bits(void)
{
	struct scram s;
	char nonce[64];
	size_t i;

	for (i = 0; i < 8; i++) {
		scram_first(&s, "n,,", "n=bob,r=fyko+d2lbbFgONRv9qkxdawL");
		s.salt[i] ^= 1;
		expect_no(scram_final(&s, RIG_PASSWORD, "n,,", s.nonce),
		    NO_CRED, "SCRAM final", "proof from another salt");
		scram_first(&s, "n,,", "n=bob,r=fyko+d2lbbFgONRv9qkxdawL");
		snprintf(nonce, sizeof(nonce), "%s", s.nonce);
		nonce[24 + i] = nonce[24 + i] == 'x' ? 'y' : 'x';
		expect_no(scram_final(&s, RIG_PASSWORD, "n,,", nonce),
		    NO_CRED | NO_SYN, "SCRAM final", "a changed nonce");
		scram_first(&s, "n,,", "n=bob,r=fyko+d2lbbFgONRv9qkxdawL");
		s.iterations += (unsigned int)i + 1;
		expect_no(scram_final(&s, RIG_PASSWORD, "n,,", s.nonce),
		    NO_CRED, "SCRAM final", "proof from another count");
	}
	/* Said y in the header, n in the binding: what a downgrade looks like. */
	scram_first(&s, "y,,", "n=bob,r=fyko+d2lbbFgONRv9qkxdawL");
	expect_no(scram_final(&s, RIG_PASSWORD, "n,,", s.nonce),
	    NO_CRED | NO_SYN, "SCRAM final", "y became n");
	scram_first(&s, "n,,", "n=bob,r=fyko+d2lbbFgONRv9qkxdawL");
	expect_no(scram_final(&s, RIG_PASSWORD, "y,,", s.nonce),
	    NO_CRED | NO_SYN, "SCRAM final", "n became y");
	scram_first(&s, "n,a=alice@example.org,",
	    "n=bob,r=fyko+d2lbbFgONRv9qkxdawL");
	expect_no(scram_final(&s, RIG_PASSWORD, "n,a=alice@example.org,",
	    s.nonce), NO_CRED, "SCRAM final", "as somebody else");
	scram_first(&s, "n,,", "n=bob,r=fyko+d2lbbFgONRv9qkxdawL");
	if (scram_final(&s, RIG_PASSWORD, "n,,", s.nonce)->type ==
	    M_AUTH_CHALLENGE)
		expect_no(rig_step(id, "x", 1), NO_CRED | NO_SYN, "SCRAM",
		    "something where nothing is due");
}

/* A recorded exchange is worth nothing: the server's nonce is new. */
static void
test_scram_replay(void)
{
	char recorded[512], proof64[64];
	struct scram s, t;
	uint8_t proof[32];

	scram_first(&s, "n,,", "n=bob,r=fyko+d2lbbFgONRv9qkxdawL");
	rig_cancel(id);
	scram_first(&t, "n,,", "n=bob,r=fyko+d2lbbFgONRv9qkxdawL");
	ok(strcmp(s.nonce, t.nonce) != 0, "every exchange has its nonce");
	ok(s.salt_len == t.salt_len && memcmp(s.salt, t.salt, s.salt_len) == 0,
	    "and the account its salt");
	snprintf(recorded, sizeof(recorded), "c=biws,r=%s", s.nonce);
	scram_proof(&s, RIG_PASSWORD, recorded, proof);
	encode(proof, 32, proof64, sizeof(proof64));
	snprintf(recorded, sizeof(recorded), "c=biws,r=%s,p=%s", s.nonce,
	    proof64);
	expect_no(rig_step(id, recorded, strlen(recorded)), NO_CRED | NO_SYN,
	    "SCRAM", "a replayed proof");
}

/* --- RFC 7677 3: the example, with our derivation ------------------------------------------- */

static void
test_vector(void)
{
	static const char message[] = "n=user,r=rOprNGfwEbeRWgbNEkqO,"
	    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
	    "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
	    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
	struct verifier v = { .iterations = 4096 };
	uint8_t signature[32], proof[32], client[32], stored[32];
	char text[64], full[VERIFIER_TEXT_MAX];
	struct buf b;
	int i;

	buf_init(&b, 64);
	base64_decode(S("W22ZaJ0SNY7soEsUEjb6gQ=="), &b);
	memcpy(v.salt, b.data, b.len);
	v.salt_len = (uint8_t)b.len;
	buf_reset(&b);
	verifier_derive(&v, "pencil", 6);
	hmac(v.server_key, 32, message, signature);
	encode(signature, 32, text, sizeof(text));
	is_str(text, "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
	    "RFC 7677: the server's signature");
	base64_decode(S("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="), &b);
	memcpy(proof, b.data, 32);
	buf_clear(&b);
	hmac(v.stored_key, 32, message, signature);
	for (i = 0; i < 32; i++)
		client[i] = proof[i] ^ signature[i];
	EVP_Digest(client, 32, stored, NULL, EVP_sha256(), NULL);
	ok(memcmp(stored, v.stored_key, 32) == 0, "RFC 7677: the proof");
	ok(verifier_check(&v, "pencil", 6) && !verifier_check(&v, "Pencil", 6),
	    "the password, and no other");
	is_str(verifier_text(&v, full), "SCRAM-SHA-256$4096:"
	    "W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
	    ":wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
	    "RFC 5803: the text form");
}

/* --- who is there? -------------------------------------------------------------------------------- */

static void
test_enumeration(void)
{
	static const char *const unknown[] = { "nobody", "nobody@example.org",
	    "a", "zz-top", "alice", "bobb" };
	struct scram s, again, known;
	struct rig_reply a, b;
	char bare[128];
	size_t i;

	scram_first(&known, "n,,", "n=bob,r=abcdefgh");
	rig_cancel(id);
	for (i = 0; i < nitems(unknown); i++) {
		snprintf(bare, sizeof(bare), "n=%s,r=abcdefgh", unknown[i]);
		scram_first(&s, "n,,", bare);
		a = *scram_final(&s, RIG_PASSWORD, "n,,", s.nonce);
		scram_first(&again, "n,,", bare);
		rig_cancel(id);
		ok(s.salt_len == known.salt_len &&
		    s.iterations == known.iterations &&
		    strlen(s.server_first) == strlen(known.server_first),
		    "%s looks like an account", unknown[i]);
		ok(memcmp(s.salt, again.salt, s.salt_len) == 0,
		    "its salt stays");
		ok(memcmp(s.salt, known.salt, s.salt_len) != 0,
		    "and is its own");
		scram_first(&known, "n,,", "n=bob,r=abcdefgh");
		b = *scram_final(&known, "wrong", "n,,", known.nonce);
		ok(a.type == b.type && a.no == b.no &&
		    a.no == AUTH_NO_CREDENTIALS, "the same answer");
	}
	snprintf(bare, sizeof(bare), "n=NOBODY,r=abcdefgh");
	scram_first(&s, "n,,", bare);
	rig_cancel(id);
	scram_first(&again, "n,,", "n=nobody,r=abcdefgh");
	rig_cancel(id);
	ok(memcmp(s.salt, again.salt, s.salt_len) == 0,
	    "case does not matter, as with accounts");
	a = *rig_begin(++id, "PLAIN", S("\0nobody\0correct horse"));
	b = *rig_begin(++id, "PLAIN", S("\0bob\0wrong horse"));
	ok(a.type == b.type && a.no == b.no, "PLAIN: the same answer");
	rig_begin(++id, "LOGIN", S("nobody"));
	a = *rig_step(id, S("correct horse"));
	rig_begin(++id, "LOGIN", S("bob"));
	b = *rig_step(id, S("wrong horse"));
	ok(a.type == b.type && a.no == b.no, "LOGIN: the same answer");
}

/* --- no memory ----------------------------------------------------------------------- */

#if !defined(POSTERN_SANITIZED)	/* whose heap is its own */
#define MALLOCS	40		/* of a login that begins; more than there are */

extern void *__libc_malloc(size_t);

static int malloc_left;		/* the last of these fails; 0: none */

void *
malloc(size_t n)
{
	return malloc_left > 0 && --malloc_left == 0 ? NULL : __libc_malloc(n);
}

/* Whether a login can be begun whose k-th malloc fails; it may end us. */
static int
begin_without(int k)
{
	struct sasl_login_params p = { .mechanism = "PLAIN" };
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		malloc_left = k;
		_exit(sasl_login_new(&p) == NULL ? 2 : 0);
	}
	if (pid == -1 || waitpid(pid, &status, 0) != pid)
		abort();
	return status;
}

/* libsasl2 would go on with a null pointer; the process ends, and says why. */
static void
test_no_memory(void)
{
	int k, status, good = 0, ended = 0, bad = 0;

	fflush(stdout);
	for (k = 1; k <= MALLOCS; k++) {
		status = begin_without(k);
		good += WIFEXITED(status) && WEXITSTATUS(status) == 0;
		ended += WIFEXITED(status) && WEXITSTATUS(status) == 1;
		bad += !WIFEXITED(status);
	}
	ok(bad == 0 && ended > 1 && good > 0, "no memory at one of %d places: "
	    "%d ends with a word, %d crashes", MALLOCS - good, ended, bad);
}
#else
static void
test_no_memory(void)
{
}
#endif

int
main(void)
{
	rig_start(2);
	rig_add("alice@example.org", "@example.org");
	rig_add("bob", NULL);
	test_vector();
	test_plain();
	test_long();
	test_login();
	test_scram_good();
	test_scram_locked();
	test_suspended();
	test_scram_first();
	test_scram_final();
	test_scram_bits();
	test_scram_replay();
	test_enumeration();
	ok(rig_begin(++id, "PLAIN", S("\0bob\0correct horse"))->type ==
	    M_AUTH_OK, "after all this: in");
	test_no_memory();
	rig_stop();
	return tap_done();
}
