/* auth/device: labels, networks, passwords, and who may come from where. */
#include "lib/prelude.h"

#include "auth/device.h"
#include "tests/tap.h"

#define LONG32	"abcdefghijklmnopqrstuvwxyz012345"

static void
test_labels(void)
{
	static const struct {
		const char *given, *label;
	} rows[] = {
		{ "phone", "phone" }, { "Phone", "phone" }, { "7", "7" },
		{ "old.lap-top_2", "old.lap-top_2" }, { LONG32, LONG32 },
		{ "", NULL }, { LONG32 "6", NULL }, { "a b", NULL },
		{ LONG32 LONG32 "x", NULL }, { "a/b", NULL }, { "/", NULL },
		{ "-a", NULL }, { ".", NULL }, { "..", NULL }, { "_x", NULL },
		{ "a@b", NULL }, { "t\xc3\xa9l\xc3\xa9phone", NULL },
		{ "a\n", NULL }, { "a\"", NULL }, { "a=b", NULL },
		{ "\xff", NULL }, { "a\\", NULL },
	};
	char label[DEVICE_MAX + 1];
	size_t i;

	for (i = 0; i < nitems(rows); i++)
		is_str(device_label(rows[i].given, label) == NULL ? label :
		    NULL, rows[i].label, "label, row %zu", i);
}

static void
test_networks(void)
{
	static const struct {
		const char *given, *print;
	} rows[] = {
		{ "192.0.2.7", "192.0.2.7" }, { "10.0.0.0/8", "10.0.0.0/8" },
		{ "0.0.0.0/1", "0.0.0.0/1" },
		{ "2001:DB8::/32", "2001:db8::/32" }, { "::1", "::1" },
		{ "::ffff:192.0.2.0/120", "192.0.2.0/24" },
		{ "::ffff:192.0.2.7", "192.0.2.7" },
		{ "0.0.0.0/0", NULL }, { "::/0", NULL },
		{ "::ffff:0:0/96", NULL }, { "10.0.0.1/8", NULL },
		{ "10.0.0.0/33", NULL }, { "home", NULL }, { "", NULL },
		{ "10.0.0.0/8,11.0.0.0/8", NULL },
	};
	char print[NET_PREFIX_LEN];
	struct net net;
	size_t i;

	for (i = 0; i < nitems(rows); i++)
		is_str(device_network(rows[i].given, &net) == NULL ?
		    net_print_prefix(&net, print) : NULL, rows[i].print,
		    "network, row %zu", i);
}

static void
test_passwords(void)
{
	char last[DEVICE_PASSWORD_LEN + 1] = "", now[DEVICE_PASSWORD_LEN + 1];
	char typed[DEVICE_PASSWORD_LEN + 1];
	unsigned int seen[256] = { 0 }, least = UINT32_MAX, most = 0;
	int i, k, same = 0, letters = 0;

	for (i = 0; i < 2000; i++) {
		device_password(now);
		same += strcmp(last, now) == 0;
		memcpy(last, now, sizeof(last));
		for (k = 0; k < DEVICE_PASSWORD_LEN; k++)
			seen[(uint8_t)now[k]]++;
		if (!device_typed(now, DEVICE_PASSWORD_LEN, typed) ||
		    strcmp(typed, now) != 0)
			break;
	}
	is_int(i, 2000, "a password is one, as it is");
	is_int(same, 0, "none comes twice");
	for (k = 'a'; k <= 'z'; k++) {
		if (seen[k] == 0)
			continue;
		letters++;
		least = seen[k] < least ? seen[k] : least;
		most = seen[k] > most ? seen[k] : most;
	}
	is_int(letters, 23, "of 23 letters");
	ok(seen['i'] + seen['l'] + seen['o'] == 0, "without those that mislead");
	/* 1739 expected of each, 41 is their deviation */
	ok(least > 1450 && most < 2030, "each about as often (%u to %u)",
	    least, most);
}

static void
test_typed(void)
{
	static const char want[] = "abcdefghjkmnpqrstuvw";
	static const struct {
		const char *typed;
		bool good;
	} rows[] = {
		{ "abcdefghjkmnpqrstuvw", true },
		{ "abcde fghjk mnpqr stuvw", true },
		{ "Abcde-fghjk-mnpqr-stuvw ", true },
		{ "ABCDEFGHJKMNPQRSTUVW", true },
		{ " - abcdefghjkmnpqrstuvw--", true },
		{ "abcdefghjkmnpqrstuv", false },
		{ "abcdefghjkmnpqrstuvwx", false },
		{ "abcdefghijkmnpqrstuv", false },
		{ "abcdefghjkmnpqrstuv1", false },
		{ "abcde\tfghjk mnpqr stuvw", false },
		{ "abcde_fghjk_mnpqr_stuvw", false }, { "", false },
		{ "                    ", false },
		{ "abcdefghjkmnpqrstuv\xc3\xb6", false },
	};
	char typed[DEVICE_PASSWORD_LEN + 1];
	size_t i;

	for (i = 0; i < nitems(rows); i++)
		ok(device_typed(rows[i].typed, strlen(rows[i].typed), typed) ==
		    rows[i].good && (!rows[i].good ||
		    strcmp(typed, want) == 0), "typed, row %zu", i);
	ok(!device_typed("abcdefghjkmnpqrstuv\0w", 21, typed), "a NUL is none");
}

static void
test_barred(void)
{
	static const struct {
		const char *networks[2];
		uint64_t expires_ms;
		const char *peer, *why;
	} rows[] = {
		{ { NULL }, 0, "192.0.2.7", NULL },
		{ { NULL }, 0, "local", NULL },
		{ { NULL }, 1001, "192.0.2.7", NULL },
		{ { NULL }, 1000, "192.0.2.7", "device-expired" },
		{ { NULL }, 1, "192.0.2.7", "device-expired" },
		{ { "192.0.2.0/24" }, 0, "192.0.2.7", NULL },
		{ { "192.0.2.0/24" }, 0, "::ffff:192.0.2.7", NULL },
		{ { "::ffff:192.0.2.0/120" }, 0, "192.0.2.7", NULL },
		{ { "192.0.2.0/24" }, 0, "192.0.3.7", "device-network" },
		{ { "192.0.2.0/24" }, 0, "::c000:207", "device-network" },
		{ { "192.0.2.0/24" }, 0, "local", "device-network" },
		{ { "192.0.2.0/24" }, 0, "", "device-network" },
		{ { "192.0.2.0/24" }, 0, "192.0.2.0/24x", "device-network" },
		{ { "192.0.2.0/24", "2001:db8::/32" }, 0, "2001:db8:1::7",
		    NULL },
		{ { "192.0.2.0/24", "2001:db8::/32" }, 0, "2001:db9::",
		    "device-network" },
		{ { "192.0.2.0/24" }, 500, "192.0.2.7", "device-expired" },
	};
	struct device d;
	size_t i, k;

	for (i = 0; i < nitems(rows); i++) {
		memset(&d, 0, sizeof(d));
		d.expires_ms = rows[i].expires_ms;
		for (k = 0; k < 2 && rows[i].networks[k] != NULL; k++)
			if (device_network(rows[i].networks[k],
			    &d.networks[d.nnetworks++]) != NULL)
				abort();
		is_str(device_barred(&d, rows[i].peer, 1000), rows[i].why,
		    "barred, row %zu", i);
	}
}

static void
test_split(void)
{
	static const struct {
		const char *login, *account, *label;
	} rows[] = {
		{ "alice@example.org", "alice@example.org", "" },
		{ "alice@example.org/phone", "alice@example.org", "phone" },
		{ "bob/phone", "bob", "phone" }, { "bob", "bob", "" },
		{ "a/b@example.org", "a/b@example.org", "" },
		{ "a/b@example.org/c", "a/b@example.org", "c" },
		{ "\"x@y/z\"@example.org/c", "\"x@y/z\"@example.org", "c" },
		{ "bob/a/b", "bob", "a/b" }, { "bob/", "bob/", "" },
		{ "alice@example.org/", "alice@example.org/", "" },
		{ "/phone", "", "phone" }, { "/", "/", "" }, { "", "", "" },
		{ "bob/a@b", "bob/a@b", "" },
	};
	char account[ACCOUNT_MAX + 1], login[LOGIN_MAX + 1];
	const char *label;
	size_t i;

	for (i = 0; i < nitems(rows); i++) {
		label = device_split(rows[i].login, account);
		is_str(label, rows[i].label, "label of \"%s\"", rows[i].login);
		is_str(account, rows[i].account, "and its account");
		if (*label != '\0')
			is_str(device_login(account, label, login),
			    rows[i].login, "put together again");
	}
}

int
main(void)
{
	test_labels();
	test_networks();
	test_passwords();
	test_typed();
	test_barred();
	test_split();
	return tap_done();
}
