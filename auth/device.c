#include "lib/prelude.h"

#include <sys/random.h>

#include "auth/device.h"
#include "lib/log.h"

/* Without i, l and o, which look like others, on one layer of any keyboard. */
static const char letters[] = "abcdefghjkmnpqrstuvwxyz";

#define LETTERS		(sizeof(letters) - 1)

const char *
device_label(const char *given, char label[DEVICE_MAX + 1])
{
	static const char may[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t i, n = strlen(given);

	if (n == 0)
		return "a label is missing: a name for the device, \"phone\"";
	if (n > DEVICE_MAX)
		return "a label has at most 32 characters";
	for (i = 0; i <= n; i++)
		label[i] = given[i] >= 'A' && given[i] <= 'Z' ?
		    (char)(given[i] - 'A' + 'a') : given[i];
	if (strspn(label, may) != n || strchr("._-", *label) != NULL)
		return "a label is letters, digits and \"._-\" alone, and "
		    "begins with a letter or digit";
	return NULL;
}

const char *
device_network(const char *given, struct net *net)
{
	static const uint8_t any4[16] = { [10] = 0xff, [11] = 0xff };

	if (!net_parse(given, net))
		return "a network is an address or \"10.1.0.0/16\", "
		    "\"2001:db8::/32\", without bits behind its prefix";
	if (net->bits == 0 || (net->bits == 96 &&
	    memcmp(net->bytes, any4, sizeof(any4)) == 0))
		return "a network of prefix /0 holds every address; leave "
		    "--network out to let the device in from anywhere";
	return NULL;
}

/* Bytes beyond the last whole round are thrown away, so that none is likelier. */
static uint8_t
draw(void)
{
	uint8_t r;

	do {
		if (getrandom(&r, 1, 0) != 1)
			fatal("getrandom");
	} while (r >= 256 / LETTERS * LETTERS);
	return r % LETTERS;
}

void
device_password(char password[DEVICE_PASSWORD_LEN + 1])
{
	size_t i;

	for (i = 0; i < DEVICE_PASSWORD_LEN; i++)
		password[i] = letters[draw()];
	password[i] = '\0';
}

bool
device_typed(const void *typed, size_t len,
    char password[DEVICE_PASSWORD_LEN + 1])
{
	const char *p = typed;
	size_t i, n = 0;
	char c;

	for (i = 0; i < len; i++) {
		c = p[i] >= 'A' && p[i] <= 'Z' ? (char)(p[i] - 'A' + 'a') :
		    p[i];
		if (c == ' ' || c == '-')
			continue;
		if (c == '\0' || strchr(letters, c) == NULL ||
		    n == DEVICE_PASSWORD_LEN)
			return false;
		password[n++] = c;
	}
	password[n] = '\0';
	return n == DEVICE_PASSWORD_LEN;
}

struct verifier *
device_verifier(struct device *d, enum scram_hash hash)
{
	return hash == SCRAM_SHA_256 ? &d->verifier : &d->further[hash - 1];
}

const char *
device_barred(const struct device *d, const char *peer, uint64_t wall_ms)
{
	struct net net;
	size_t i;

	if (d->expires_ms != 0 && d->expires_ms <= wall_ms)
		return "device-expired";
	if (d->nnetworks == 0)
		return NULL;
	for (i = 0; net_parse(peer, &net) && i < d->nnetworks; i++)
		if (net_covers(&d->networks[i], &net))
			return NULL;
	return "device-network";
}

/*
 * No name of an account has a '/' behind its last '@', or without one any. With
 * nothing behind the '/' it is no login's name, and nobody's.
 */
const char *
device_split(const char *login, char account[ACCOUNT_MAX + 1])
{
	const char *at = strrchr(login, '@');
	const char *slash = strchr(at == NULL ? login : at, '/');
	size_t n = strlen(login);

	if (slash == NULL || slash[1] == '\0')
		slash = NULL;
	else
		n = (size_t)(slash - login);
	snprintf(account, ACCOUNT_MAX + 1, "%.*s", (int)n, login);
	return slash == NULL ? "" : slash + 1;
}

const char *
device_login(const char *account, const char *label, char out[LOGIN_MAX + 1])
{
	snprintf(out, LOGIN_MAX + 1, "%s/%s", account, label);
	return out;
}
