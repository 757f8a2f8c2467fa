/*
 * Accounts as they are stored: a record that is taken, written again, is the
 * same bytes. And what names may look like: their stored form is its own.
 */
#include "lib/prelude.h"

#include "auth/account.h"
#include "tests/fuzz/fuzz.h"

/* What a login relies on. */
static void
as_device(struct account *a, struct device *d)
{
	char label[DEVICE_MAX + 1], account[ACCOUNT_MAX + 1];
	char login[LOGIN_MAX + 1];
	size_t i;

	MUST(device_label(d->label, label) == NULL);
	MUST(strcmp(d->label, label) == 0);
	MUST(account_device(a, d->label) == d);
	MUST(strlen(d->cap) <= CAP_NAME_MAX);
	MUST(d->verifier.iterations >= VERIFIER_ITERATIONS_MIN &&
	    d->verifier.iterations <= VERIFIER_ITERATIONS_MAX);
	MUST(d->nnetworks <= DEVICE_NETWORKS_MAX);
	for (i = 0; i < d->nnetworks; i++)
		MUST(d->networks[i].bits > 0 && d->networks[i].bits <= 128);
	(void)device_barred(d, "192.0.2.7", 1);
	device_login("a@b", d->label, login);
	MUST(strcmp(device_split(login, account), d->label) == 0 &&
	    strcmp(account, "a@b") == 0);
}

static void
as_record(const uint8_t *p, size_t n)
{
	struct account a;
	struct buf out;
	size_t i;

	memset(&a, 0, sizeof(a));
	if (account_decode(&a, p, n) == -1) {
		MUST(a.senders == NULL && a.nsenders == 0);
		MUST(a.devices == NULL && a.gone == NULL);
		return;
	}
	MUST(a.nsenders <= ACCOUNT_SENDERS_MAX && *a.cap != '\0' &&
	    a.verifier.iterations >= VERIFIER_ITERATIONS_MIN &&
	    a.verifier.iterations <= VERIFIER_ITERATIONS_MAX &&
	    a.verifier.salt_len <= VERIFIER_SALT_MAX);
	for (i = 0; i < a.nsenders; i++)
		MUST(strlen(a.senders[i]) <= ACCOUNT_MAX);
	MUST(a.ndevices <= DEVICES_MAX && a.ngone <= DEVICES_GONE_MAX);
	for (i = 0; i < a.ndevices; i++)
		as_device(&a, &a.devices[i]);
	buf_init(&out, ACCOUNT_RECORD_MAX);
	account_encode(&a, &out);
	MUST(out.len == n && memcmp(out.data, p, n) == 0);
	buf_clear(&out);
	account_clear(&a);
}

static void
as_name(const char *given, const char *form(const char *, char *))
{
	char once[ACCOUNT_MAX + 1], twice[ACCOUNT_MAX + 1];

	if (form(given, once) != NULL)
		return;
	MUST(strlen(once) <= strlen(given));
	MUST(form(once, twice) == NULL && strcmp(once, twice) == 0);
	MUST(strpbrk(once, "\r\n") == NULL);
}

static void
as_network(const char *text)
{
	char print[NET_PREFIX_LEN];
	struct net net, again;

	if (device_network(text, &net) != NULL)
		return;
	net_print_prefix(&net, print);
	MUST(device_network(print, &again) == NULL);
	MUST(net.bits == again.bits &&
	    memcmp(net.bytes, again.bytes, sizeof(net.bytes)) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	char *text = strndup((const char *)p, n);
	char once[ACCOUNT_MAX + 1], twice[ACCOUNT_MAX + 1];

	as_record(p, n);
	as_name(text, account_name);
	as_name(text, account_sender);
	if (strlen(text) <= CAP_NAME_MAX)
		as_name(text, account_cap);
	if (account_name(text, once) == NULL) {
		MUST(*device_split(once, twice) == '\0');
		MUST(strcmp(once, twice) == 0);
	}
	as_network(text);
	if (account_password(p, n) == NULL)
		MUST(n >= ACCOUNT_PASSWORD_MIN && n <= ACCOUNT_PASSWORD_MAX &&
		    memchr(p, '\0', n) == NULL);
	free(text);
	return 0;
}
