#include "lib/prelude.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <strings.h>

#include "lib/base64.h"
#include "lib/num.h"
#include "lib/xalloc.h"
#include "source/stored.h"

/* Each is about a second on a machine of 2020, or 128 MB. */
#define SCRAM_COUNT_MAX	2000000
#define SHA_ROUNDS_MAX	2000000
#define BCRYPT_COST_MAX	15
#define SCRYPT_LOG2_MAX	15	/* of N */
#define SCRYPT_R_MAX	32
#define SCRYPT_P_MAX	4

static const char *const bad_form = "it is none of the forms that are taken, "
    "see postern.conf(5)";
static const char *const too_costly = "its cost is beyond what is computed "
    "here";

/* --- SCRAM ------------------------------------------------------------------------ */

/* Up to that character, decoded; NULL, or behind it. */
static const char *
decode(const char *at, char end, uint8_t *out, size_t max, size_t *len)
{
	size_t n = strcspn(at, (const char[]){ end, '\0' });
	struct buf b;
	bool good;

	buf_init(&b, max);
	good = at[n] == end && base64_decode(at, n, &b) == 0 && b.len > 0;
	if (good) {
		memcpy(out, b.data, b.len);
		*len = b.len;
	}
	buf_wipe(&b);
	return !good ? NULL : end == '\0' ? at + n : at + n + 1;
}

/* RFC 5803 2, behind the mechanism: count:salt$StoredKey:ServerKey */
static const char *
parse_scram(const char *at, struct verifier *v)
{
	size_t n = strcspn(at, ":"), salt, stored, server;
	uint64_t count;

	if (at[n] != ':' || num_parse(at, n, 1, UINT32_MAX, &count) == -1)
		return bad_form;
	if (count > SCRAM_COUNT_MAX)
		return too_costly;
	memset(v, 0, sizeof(*v));
	v->hash = SCRAM_SHA_256;
	v->iterations = (uint32_t)count;
	at = decode(at + n + 1, '$', v->salt, sizeof(v->salt), &salt);
	if (at != NULL)
		at = decode(at, ':', v->stored_key, VERIFIER_KEY_LEN, &stored);
	if (at != NULL)
		at = decode(at, '\0', v->server_key, VERIFIER_KEY_LEN,
		    &server);
	if (at == NULL || stored != VERIFIER_KEY_LEN ||
	    server != VERIFIER_KEY_LEN)
		return bad_form;
	v->salt_len = (uint8_t)salt;
	return NULL;
}

/* --- crypt(5) --------------------------------------------------------------------- */

/* crypt's own 64 digits; -1: none. */
static int
digit(char c)
{
	static const char digits[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz";
	const char *at = c == '\0' ? NULL : strchr(digits, c);

	return at == NULL ? -1 : (int)(at - digits);
}

static const char *
cost_of_sha(const char *at)
{
	uint64_t rounds;
	size_t n;

	if (strncmp(at, "rounds=", 7) != 0)
		return NULL;
	at += 7;
	n = strcspn(at, "$");
	if (at[n] != '$' || num_parse(at, n, 1, UINT32_MAX, &rounds) == -1)
		return bad_form;
	return rounds > SHA_ROUNDS_MAX ? too_costly : NULL;
}

static const char *
cost_of_bcrypt(const char *at)
{
	uint64_t cost;

	if (strnlen(at, 3) < 3 || at[2] != '$' ||
	    num_parse(at, 2, 4, 31, &cost) == -1)
		return bad_form;
	return cost > BCRYPT_COST_MAX ? too_costly : NULL;
}

/* Flavour, N and r, a digit each; other ways to write them are not in use. */
static const char *
cost_of_yescrypt(const char *at)
{
	if (digit(at[0]) == -1 || digit(at[1]) == -1 || digit(at[2]) == -1)
		return bad_form;
	return at[3] != '$' || digit(at[1]) + 1 > SCRYPT_LOG2_MAX ||
	    digit(at[2]) + 1 > SCRYPT_R_MAX ? too_costly : NULL;
}

/* Thirty bits, the lowest first; -1: none. */
static int64_t
five_digits(const char *at)
{
	int64_t n = 0;
	int i, d;

	for (i = 0; i < 5; i++) {
		d = digit(at[i]);
		if (d == -1)
			return -1;
		n |= (int64_t)d << (6 * i);
	}
	return n;
}

static const char *
cost_of_scrypt(const char *at)
{
	int64_t r, p;

	if (strnlen(at, 11) < 11 || digit(at[0]) == -1)
		return bad_form;
	r = five_digits(at + 1);
	p = five_digits(at + 6);
	if (r < 1 || p < 1)
		return bad_form;
	return digit(at[0]) > SCRYPT_LOG2_MAX || r > SCRYPT_R_MAX ||
	    p > SCRYPT_P_MAX ? too_costly : NULL;
}

static const char *
parse_crypt(const char *text)
{
	static const struct {
		const char *prefix;
		const char *(*cost)(const char *);
	} rows[] = {
		{ "$y$", cost_of_yescrypt }, { "$gy$", cost_of_yescrypt },
		{ "$7$", cost_of_scrypt },
		{ "$2b$", cost_of_bcrypt }, { "$2a$", cost_of_bcrypt },
		{ "$2y$", cost_of_bcrypt },
		{ "$6$", cost_of_sha }, { "$5$", cost_of_sha },
	};
	size_t i;

	if (strlen(text) >= CRYPT_OUTPUT_SIZE)
		return bad_form;
	for (i = 0; i < nitems(rows); i++)
		if (strncmp(text, rows[i].prefix, strlen(rows[i].prefix)) == 0)
			return rows[i].cost(text + strlen(rows[i].prefix));
	return bad_form;
}

static bool
fits_crypt(const char *text, const char *password)
{
	struct crypt_data *data = xcalloc(1, sizeof(*data));
	/* Not crypt_r(), which AddressSanitizer takes for its own. */
	const char *mine = crypt_rn(password, text, data, sizeof(*data));
	size_t n = strlen(text);
	bool same = mine != NULL && strlen(mine) == n &&
	    CRYPTO_memcmp(mine, text, n) == 0;

	xfree_secret(data, sizeof(*data));
	return same;
}

/* --- all of them ------------------------------------------------------------------ */

const char *
stored_parse(const char *text, bool plaintext, struct stored *s)
{
	static const char scram[] = "SCRAM-SHA-256$";

	s->text = NULL;
	if (strncmp(text, scram, sizeof(scram) - 1) == 0) {
		s->form = STORED_SCRAM;
		return parse_scram(text + sizeof(scram) - 1, &s->verifier);
	}
	if (strncasecmp(text, "{PLAIN}", 7) == 0) {
		s->form = STORED_PLAIN;
		s->text = text + 7;
		return !plaintext ? "it is no hash; plaintext = on would take "
		    "it" : *s->text == '\0' ? "the password is empty" : NULL;
	}
	s->form = STORED_CRYPT;
	s->text = strncasecmp(text, "{CRYPT}", 7) == 0 ? text + 7 : text;
	return parse_crypt(s->text);
}

bool
stored_fits(const struct stored *s, const char *password)
{
	size_t n = strlen(password);

	switch (s->form) {
	case STORED_SCRAM:
		return verifier_check(&s->verifier, password, n);
	case STORED_CRYPT:
		return fits_crypt(s->text, password);
	case STORED_PLAIN:
		return n == strlen(s->text) &&
		    CRYPTO_memcmp(s->text, password, n) == 0;
	}
	return false;
}
