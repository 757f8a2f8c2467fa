/*
 * source/stored: the forms of a password that are taken, those that are not,
 * and that right and wrong ones are told apart by the real libcrypt.
 */
#include "lib/prelude.h"

#include "source/stored.h"
#include "tests/tap.h"

#define KEY "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY="

static const struct {
	const char *text;
	bool	 plaintext;
	bool	 good;
	const char *what;
} forms[] = {
	{ "SCRAM-SHA-256$4096:c2FsdA==$" KEY ":" KEY, 0, 1, "SCRAM" },
	{ "SCRAM-SHA-256$1:c2FsdA==$" KEY ":" KEY, 0, 1, "a count of one" },
	{ "SCRAM-SHA-256$2000000:c2FsdA==$" KEY ":" KEY, 0, 1, "the most" },
	{ "SCRAM-SHA-256$2000001:c2FsdA==$" KEY ":" KEY, 0, 0, "one more" },
	{ "SCRAM-SHA-256$0:c2FsdA==$" KEY ":" KEY, 0, 0, "no count" },
	{ "SCRAM-SHA-256$-1:c2FsdA==$" KEY ":" KEY, 0, 0, "a count below" },
	{ "SCRAM-SHA-256$99999999999:c2FsdA==$" KEY ":" KEY, 0, 0, "a bomb" },
	{ "SCRAM-SHA-256$4096c2FsdA==$" KEY ":" KEY, 0, 0, "no colon" },
	{ "SCRAM-SHA-256$4096:$" KEY ":" KEY, 0, 0, "no salt" },
	{ "SCRAM-SHA-256$4096:c2Fsd$" KEY ":" KEY, 0, 0, "half a salt" },
	{ "SCRAM-SHA-256$4096:c2FsdA==$" KEY, 0, 0, "one key" },
	{ "SCRAM-SHA-256$4096:c2FsdA==$" KEY ":", 0, 0, "an empty key" },
	{ "SCRAM-SHA-256$4096:c2FsdA==$" KEY ":c2FsdA==", 0, 0, "a short key" },
	{ "SCRAM-SHA-256$4096:c2FsdA==$" KEY ":" KEY "x", 0, 0, "more behind" },
	{ "SCRAM-SHA-256$4096:c2FsdA==$" KEY ":" KEY " ", 0, 0, "a space" },
	{ "SCRAM-SHA-256$4096:c2FsdA==$" KEY "QUJD:" KEY, 0, 0, "a long key" },
	{ "SCRAM-SHA-256$", 0, 0, "nothing behind" },
	{ "SCRAM-SHA-1$4096:c2FsdA==$" KEY ":" KEY, 0, 0, "another SCRAM" },
	{ "scram-sha-256$4096:c2FsdA==$" KEY ":" KEY, 0, 0, "small letters" },
	{ "$6$saltsalt$abc", 0, 1, "SHA-512" },
	{ "$5$saltsalt$abc", 0, 1, "SHA-256" },
	{ "$6$rounds=2000000$salt$abc", 0, 1, "rounds" },
	{ "$6$rounds=2000001$salt$abc", 0, 0, "too many rounds" },
	{ "$6$rounds=999999999$salt$abc", 0, 0, "far too many" },
	{ "$6$rounds=x$salt$abc", 0, 0, "rounds that are none" },
	{ "$6$rounds=5000", 0, 0, "rounds without an end" },
	{ "$2b$05$abcdefghijklmnopqrstuu", 0, 1, "bcrypt" },
	{ "$2a$15$abcdefghijklmnopqrstuu", 0, 1, "2a, the most" },
	{ "$2y$16$abcdefghijklmnopqrstuu", 0, 0, "2y, one more" },
	{ "$2b$31$abcdefghijklmnopqrstuu", 0, 0, "hours of bcrypt" },
	{ "$2b$3$abc", 0, 0, "a cost of one digit" },
	{ "$2b$", 0, 0, "no cost" }, { "$2b$5", 0, 0, "half a cost" },
	{ "$2x$05$abcdefghijklmnopqrstuu", 0, 0, "2x, which was a bug" },
	{ "$y$j9T$salt$hash", 0, 1, "yescrypt" },
	{ "$gy$j9T$salt$hash", 0, 1, "gost-yescrypt" },
	{ "$y$jCT$salt$hash", 0, 1, "yescrypt, the most" },
	{ "$y$jDT$salt$hash", 0, 0, "one more" },
	{ "$y$jzT$salt$hash", 0, 0, "more memory than there is" },
	{ "$y$j9U$salt$hash", 0, 0, "a larger r" },
	{ "$y$j9Tx$salt$hash", 0, 0, "further parameters" },
	{ "$y$", 0, 0, "none" }, { "$y$j", 0, 0, "one" },
	{ "$7$CU..../....salt$hash", 0, 1, "scrypt" },
	{ "$7$zU..../....salt$hash", 0, 0, "scrypt of a large N" },
	{ "$7$Czzzz/0....salt$hash", 0, 0, "of a large r" },
	{ "$7$C6....zzzzzsalt$hash", 0, 0, "of a large p" },
	{ "$7$C6...........salt", 0, 0, "p of zero" },
	{ "$7$C6....", 0, 0, "scrypt cut off" },
	{ "{CRYPT}$6$saltsalt$abc", 0, 1, "with its name" },
	{ "{crypt}$6$saltsalt$abc", 0, 1, "in small letters" },
	{ "{CRYPT}{CRYPT}$6$saltsalt$abc", 0, 0, "twice" },
	{ "{CRYPT}", 0, 0, "its name alone" },
	{ "$1$saltsalt$abc", 0, 0, "MD5" },
	{ "$sha1$1$salt$abc", 0, 0, "SHA-1" },
	{ "abJnggxhB/yWI", 0, 0, "DES" }, { "_J9..rasm", 0, 0, "BSDi" },
	{ "*", 0, 0, "a locked one" }, { "!", 0, 0, "the other way" },
	{ "", 0, 0, "nothing" }, { "hunter2", 0, 0, "a password" },
	{ "hunter2", 1, 0, "a password without a word about it" },
	{ "{PLAIN}hunter2", 0, 0, "one that says so, unasked" },
	{ "{PLAIN}hunter2", 1, 1, "and asked for" },
	{ "{plain}x", 1, 1, "in small letters" },
	{ "{PLAIN}", 1, 0, "an empty one" },
	{ "{SSHA}abc", 1, 0, "a form of LDAP" },
};

static void
test_forms(void)
{
	static char longest[1024];
	struct stored s;
	size_t i;

	for (i = 0; i < nitems(forms); i++) {
		const char *why = stored_parse(forms[i].text,
		    forms[i].plaintext, &s);

		ok((why == NULL) == forms[i].good, "%s: %s", forms[i].what,
		    why == NULL ? "taken" : why);
	}
	memset(longest, 'a', sizeof(longest) - 1);
	memcpy(longest, "$6$", 3);
	ok(stored_parse(longest, false, &s) != NULL, "longer than any hash");
}

/* All of "correct horse". */
static const char *const hashes[] = {
	"{PLAIN}correct horse",
#include "tests/unit/stored_hashes.h"
};

static void
test_passwords(void)
{
	static const char *const wrong[] = { "correct horse ", "correct hors",
	    "Correct horse", "", "*0", "*1" };
	struct stored s;
	size_t i, j;

	for (i = 0; i < nitems(hashes); i++) {
		const char *why = stored_parse(hashes[i], true, &s);

		ok(why == NULL && stored_fits(&s, "correct horse"),
		    "right: %.20s", hashes[i]);
		for (j = 0; j < nitems(wrong); j++)
			if (stored_fits(&s, wrong[j]))
				break;
		ok(j == nitems(wrong), "and no other");
	}
	ok(stored_parse("$2b$05$short", false, &s) == NULL &&
	    !stored_fits(&s, "*0") && !stored_fits(&s, "*1"),
	    "what libcrypt cannot do with fits nothing");
}

int
main(void)
{
	test_forms();
	test_passwords();
	return tap_done();
}
