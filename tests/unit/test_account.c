/* auth/account: records there and back, and what may be called what. */
#include "lib/prelude.h"

#include "auth/account.h"
#include "tests/tap.h"

static struct account
sample(size_t senders)
{
	struct account a;
	char pattern[64];
	size_t i;

	memset(&a, 0, sizeof(a));
	snprintf(a.name, sizeof(a.name), "alice@example.org");
	snprintf(a.cap, sizeof(a.cap), "staff");
	a.created_ms = 1700000000000ULL;
	a.changed_ms = 1700000000001ULL;
	a.verifier.iterations = 4096;
	a.verifier.salt_len = 16;
	memset(a.verifier.salt, 1, 16);
	memset(a.verifier.stored_key, 2, VERIFIER_KEY_LEN);
	memset(a.verifier.server_key, 3, VERIFIER_KEY_LEN);
	for (i = 0; i < senders; i++) {
		snprintf(pattern, sizeof(pattern), "a%zu@example.org", i);
		account_add_sender(&a, pattern);
	}
	return a;
}

static void
test_round_trip(void)
{
	static const size_t counts[] = { 0, 1, 2, ACCOUNT_SENDERS_MAX };
	struct account a, back;
	struct buf b, again;
	size_t i;

	for (i = 0; i < nitems(counts); i++) {
		a = sample(counts[i]);
		a.suspended = i % 2 == 1;
		memset(&back, 0, sizeof(back));
		buf_init(&b, ACCOUNT_RECORD_MAX);
		buf_init(&again, ACCOUNT_RECORD_MAX);
		account_encode(&a, &b);
		ok(account_decode(&back, b.data, b.len) == 0,
		    "%zu senders are read", counts[i]);
		ok(back.suspended == a.suspended, "suspended or not");
		account_encode(&back, &again);
		ok(again.len == b.len && memcmp(again.data, b.data, b.len) == 0,
		    "and are the same");
		ok(account_add_sender(&back, "@x.example") ==
		    (counts[i] < ACCOUNT_SENDERS_MAX), "256 is the limit");
		account_clear(&a);
		account_clear(&back);
		buf_clear(&b);
		buf_clear(&again);
	}
}

/* As each Postern has written it since the first; 's', 'k' and 'v' are keys. */
static const char of_before[] = "\001" "\0\0\0\0"
    "\0\0\x01\x8b\xcf\xe5\x68\0" "\0\0\x01\x8b\xcf\xe5\x68\001"
    "\0\005staff" "\001" "\0\0\x10\0" "\020" "ssssssssssssssss"
    "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk" "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv"
    "\0\001" "\0\014@example.org";

/* Nobody is suspended by an upgrade, and who was resumed may go back. */
static void
test_upgrade(void)
{
	const size_t n = sizeof(of_before) - 1;
	struct account a;
	struct buf b;

	memset(&a, 0, sizeof(a));
	buf_init(&b, ACCOUNT_RECORD_MAX);
	ok(account_decode(&a, (const uint8_t *)of_before, n) == 0 &&
	    !a.suspended, "a record of before is read: not suspended");
	is_str(a.cap, "staff", "with all it has");
	is_int(a.changed_ms, 1700000000001, "and when it changed");
	a.suspended = true;
	account_encode(&a, &b);
	ok(b.len == n && b.data[4] == 1, "suspended, by one flag, which those "
	    "of before refuse with the record");
	account_clear(&a);
	ok(account_decode(&a, (const uint8_t *)b.data, b.len) == 0 &&
	    a.suspended, "it is read so");
	a.suspended = false;
	buf_reset(&b);
	account_encode(&a, &b);
	ok(b.len == n && memcmp(b.data, of_before, n) == 0,
	    "resumed it is what those of before read");
	buf_clear(&b);
	account_clear(&a);
}

/* What a record may hold beside the base, whatever an older Postern wrote. */
static void
test_sending(void)
{
	static const struct {
		enum account_plus plus;
		bool rewrite;
		uint8_t version;
	} rows[] = {
		{ ACCOUNT_PLUS_CONF, false, 1 }, { ACCOUNT_PLUS_ON, false, 2 },
		{ ACCOUNT_PLUS_OFF, false, 2 }, { ACCOUNT_PLUS_CONF, true, 2 },
		{ ACCOUNT_PLUS_ON, true, 2 },
	};
	struct account a, back;
	struct buf b;
	size_t i, k;

	for (i = 0; i < nitems(rows); i++) {
		a = sample(1);
		a.plus = rows[i].plus;
		a.rewrite = rows[i].rewrite;
		memset(&back, 0, sizeof(back));
		buf_init(&b, ACCOUNT_RECORD_MAX);
		account_encode(&a, &b);
		is_int(b.data[0], rows[i].version, "version, row %zu", i);
		ok(account_decode(&back, b.data, b.len) == 0 &&
		    back.plus == a.plus && back.rewrite == a.rewrite,
		    "there and back");
		account_clear(&back);
		for (k = 1; k < b.len; k++) {
			memset(&back, 0, sizeof(back));
			if (account_decode(&back, b.data, k) != -1)
				break;
		}
		is_int(k, b.len, "every cut is refused");
		if (rows[i].version == 2) {
			b.data[b.len - 2] = ACCOUNT_PLUSES;
			memset(&back, 0, sizeof(back));
			ok(account_decode(&back, b.data, b.len) == -1,
			    "a choice that there is not");
		}
		buf_clear(&b);
		account_clear(&a);
	}
}

static struct device
a_device(size_t i)
{
	struct device d;

	memset(&d, 0, sizeof(d));
	snprintf(d.label, sizeof(d.label), "d%zu", i);
	snprintf(d.cap, sizeof(d.cap), "%s", i % 2 == 0 ? "" : "small");
	d.created_ms = 1700000000000ULL + i;
	d.expires_ms = i % 3 == 0 ? 0 : 1800000000000ULL;
	d.mark = 0x1122334455667788ULL + i;
	for (; d.nnetworks < i % (DEVICE_NETWORKS_MAX + 1); d.nnetworks++)
		if (device_network(i % 2 == 0 ? "10.0.0.0/8" : "2001:db8::/32",
		    &d.networks[d.nnetworks]) != NULL)
			abort();
	d.verifier.iterations = 4096 + (uint32_t)i;
	d.verifier.salt_len = 16;
	memset(d.verifier.stored_key, (int)i, VERIFIER_KEY_LEN);
	if (i % 4 == 1) {
		d.further[SCRAM_SHA_512 - 1] = d.verifier;
		d.further[SCRAM_SHA_512 - 1].hash = SCRAM_SHA_512;
	}
	return d;
}

/* There and back: nothing of a device is lost. */
static void
test_devices(void)
{
	static const size_t counts[] = { 1, 2, 17, DEVICES_MAX };
	struct account a, back;
	struct buf b, again;
	struct device d;
	size_t i, k;

	for (i = 0; i < nitems(counts); i++) {
		a = sample(ACCOUNT_SENDERS_MAX);
		for (k = 0; k < counts[i]; k++) {
			d = a_device(k);
			account_add_device(&a, &d);
		}
		memset(&back, 0, sizeof(back));
		buf_init(&b, ACCOUNT_RECORD_MAX);
		buf_init(&again, ACCOUNT_RECORD_MAX);
		account_encode(&a, &b);
		ok(account_decode(&back, b.data, b.len) == 0 &&
		    back.ndevices == counts[i], "%zu devices are read",
		    counts[i]);
		ok(memcmp(a.devices, back.devices, counts[i] * sizeof(d)) == 0,
		    "as they were");
		account_encode(&back, &again);
		ok(again.len == b.len && memcmp(again.data, b.data, b.len) == 0,
		    "and written the same");
		while (back.ndevices > 0)
			account_drop_device(&back, back.devices[0].label);
		is_int(back.ngone, counts[i], "those that went are remembered");
		buf_reset(&again);
		account_encode(&back, &again);
		account_clear(&a);
		memset(&a, 0, sizeof(a));
		ok(account_decode(&a, again.data, again.len) == 0 &&
		    a.ngone == counts[i] && a.ndevices == 0 && memcmp(a.gone,
		    back.gone, a.ngone * sizeof(*a.gone)) == 0,
		    "on disk, too");
		account_clear(&a);
		account_clear(&back);
		buf_clear(&b);
		buf_clear(&again);
	}
}

/* Bytes of a device's section that no Postern writes. */
static void
test_bad_devices(void)
{
	static const struct {
		const char *name;
		size_t at;		/* behind "\2d1" */
		uint8_t to;
	} rows[] = {
		{ "label with a slash", 1, '/' }, { "label in capitals", 1, 'D' },
		{ "label with a NUL", 2, 0 }, { "label too long", 0, 200 },
		{ "label empty", 0, 0 }, { "cap too long", 3, 65 },
		{ "networks too many", 33, 17 }, { "network of /0", 34, 0 },
		{ "network of /129", 34, 129 }, { "another scheme", 51, 2 },
	};
	struct account a = sample(0), back;
	struct device d = a_device(1);
	uint8_t *p, was;
	struct buf b;
	size_t i;

	account_add_device(&a, &d);
	buf_init(&b, ACCOUNT_RECORD_MAX);
	account_encode(&a, &b);
	p = memmem(b.data, b.len, "\2d1\5small", 9);
	if (!ok(p != NULL, "a device in its record"))
		return;
	for (i = 0; i < nitems(rows); i++) {
		was = p[rows[i].at];
		p[rows[i].at] = rows[i].to;
		memset(&back, 0, sizeof(back));
		ok(was != rows[i].to && account_decode(&back, b.data, b.len) ==
		    -1 && back.devices == NULL, "refused: %s", rows[i].name);
		p[rows[i].at] = was;
	}
	for (i = 1; i < b.len; i++) {
		memset(&back, 0, sizeof(back));
		if (account_decode(&back, b.data, i) != -1)
			break;
	}
	is_int(i, b.len, "every cut is refused");
	buf_clear(&b);
	account_add_device(&a, &d);
	buf_init(&b, ACCOUNT_RECORD_MAX);
	account_encode(&a, &b);
	memset(&back, 0, sizeof(back));
	ok(account_decode(&back, b.data, b.len) == -1, "a label twice");
	buf_clear(&b);
	account_clear(&a);
}

static void
test_own_address(void)
{
	struct account a = sample(0);

	is_str(account_own_address(&a), "alice@example.org", "its name");
	snprintf(a.name, sizeof(a.name), "alice");
	is_str(account_own_address(&a), NULL, "which may be none");
	account_add_sender(&a, "@example.org");
	is_str(account_own_address(&a), NULL, "a domain is none");
	a.rewrite = true;
	is_str(account_rewrite(&a), "", "nothing to rewrite to");
	account_add_sender(&a, "b@example.org");
	account_add_sender(&a, "c@example.org");
	is_str(account_own_address(&a), "b@example.org", "the first that is");
	ok(account_drop_sender(&a, "b@example.org") &&
	    !account_drop_sender(&a, "b@example.org"), "dropped once");
	is_str(account_own_address(&a), "c@example.org", "then the next");
	is_str(account_rewrite(&a), "c@example.org", "that takes others' place");
	a.rewrite = false;
	is_str(account_rewrite(&a), "", "if it was chosen");
	is_int(a.nsenders, 2, "two are left");
	account_clear(&a);
}

static void
test_damage(void)
{
	/* Where a byte changes what a record is; others are values. */
	static const struct {
		const char *name;
		size_t at;
		uint8_t to;
	} rows[] = {
		{ "version 0", 0, 0 }, { "version 2 without sections", 0, 2 },
		{ "version 3", 0, 3 },
		{ "a flag", 4, 2 }, { "another flag", 1, 0x80 },
		{ "cap longer than the record", 21, 0xff },
		{ "cap empty", 22, 0 }, { "NUL in the cap", 24, 0 },
		{ "another scheme", 28, 2 }, { "count too small", 31, 0x0f },
		{ "count too large", 29, 1 }, { "no salt", 33, 0 },
		{ "salt too long", 33, 65 }, { "salt longer", 33, 17 },
		{ "salt shorter", 33, 15 }, { "more senders", 115, 2 },
		{ "fewer senders", 115, 0 }, { "sender longer", 117, 200 },
		{ "sender shorter", 117, 3 }, { "sender empty", 117, 0 },
	};
	struct account a = sample(1), back;
	struct buf b;
	uint8_t was;
	size_t i;

	buf_init(&b, ACCOUNT_RECORD_MAX);
	account_encode(&a, &b);
	for (i = 0; i < nitems(rows); i++) {
		memset(&back, 0, sizeof(back));
		was = b.data[rows[i].at];
		b.data[rows[i].at] = rows[i].to;
		ok(was != rows[i].to && account_decode(&back, b.data, b.len) ==
		    -1 && back.senders == NULL, "refused: %s", rows[i].name);
		b.data[rows[i].at] = was;
	}
	for (i = 0; i < b.len; i++) {
		memset(&back, 0, sizeof(back));
		if (account_decode(&back, b.data, i) != -1)
			break;
	}
	ok(i == b.len, "every cut is refused");
	buf_addc(&b, 0);
	memset(&back, 0, sizeof(back));
	ok(account_decode(&back, b.data, b.len) == -1, "a byte behind");
	buf_clear(&b);
	account_clear(&a);
}

/* want: the stored form, or NULL when it must be refused. */
static void
test_names(void)
{
	static const char long64[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	static const char long65[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	static const struct {
		const char *given, *name, *sender;
	} rows[] = {
		{ "alice@example.org", "alice@example.org",
		    "alice@example.org" },
		{ "Alice@Example.ORG", "alice@example.org",
		    "alice@example.org" },
		{ "\"al ice\"@example.org", "\"al ice\"@example.org",
		    "\"al ice\"@example.org" },
		{ "\"alice\"@example.org", "alice@example.org",
		    "alice@example.org" },
		{ "bob", "bob", NULL }, { "Bob", "bob", NULL },
		{ "b.o-b_7", "b.o-b_7", NULL },
		{ long64, long64, NULL }, { long65, NULL, NULL },
		{ "", NULL, NULL }, { "a b", NULL, NULL },
		{ "a/b", NULL, NULL }, { "?", NULL, NULL },
		{ "a\n", NULL, NULL }, { "a\001", NULL, NULL },
		{ "j\303\266rg", NULL, NULL },
		{ "j\303\266rg@example.org", NULL, NULL },
		{ "@", NULL, NULL }, { "@example.org", NULL, "@example.org" },
		{ "@EXAMPLE.org", NULL, "@example.org" },
		{ "*@example.org", "*@example.org", NULL },
		{ "@*.example.org", NULL, NULL },
		{ "@example..org", NULL, NULL }, { "@-", NULL, NULL },
		{ "alice@", NULL, NULL }, { "a@b@example.org", NULL, NULL },
		{ "alice@example.org ", NULL, NULL },
		{ "<alice@example.org>", NULL, NULL },
		{ "alice@example.org,bob@example.org", NULL, NULL },
	};
	char got[ACCOUNT_MAX + 1];
	size_t i;

	for (i = 0; i < nitems(rows); i++) {
		is_str(account_name(rows[i].given, got) == NULL ? got : NULL,
		    rows[i].name, "name, row %zu", i);
		is_str(account_sender(rows[i].given, got) == NULL ? got : NULL,
		    rows[i].sender, "sender, row %zu", i);
	}
}

static void
test_others(void)
{
	static const struct {
		const char *cap;
		bool good;
	} caps[] = {
		{ "default", true }, { "Staff-2", true }, { "", false },
		{ "two words", false }, { "a\n", false }, { "\"", false },
		{ "caf\303\251", false },
	};
	static const struct {
		const char *name, *password;
		size_t len;
		bool good;
	} passwords[] = {
		{ "eight", "12345678", 8, true },
		{ "seven", "1234567", 7, false },
		{ "none", "", 0, false },
		{ "spaces", "correct horse", 13, true },
		{ "UTF-8", "gr\303\274n gr\303\274n", 11, true },
		{ "bad UTF-8", "gr\374n gr\374n", 9, false },
		{ "NUL", "1234\0005678", 9, false },
		{ "LF", "12345678\n", 9, false },
		{ "tab", "1234\t5678", 9, false },
		{ "DEL", "1234\1775678", 9, false },
		{ "C1", "1234\302\2055678", 10, false },
	};
	static uint8_t longest[ACCOUNT_PASSWORD_MAX + 1];
	char got[CAP_NAME_MAX + 1];
	size_t i;

	for (i = 0; i < nitems(caps); i++)
		ok((account_cap(caps[i].cap, got) == NULL) == caps[i].good,
		    "cap, row %zu", i);
	for (i = 0; i < nitems(passwords); i++)
		ok((account_password((const uint8_t *)passwords[i].password,
		    passwords[i].len) == NULL) == passwords[i].good,
		    "password: %s", passwords[i].name);
	memset(longest, 'x', sizeof(longest));
	ok(account_password(longest, ACCOUNT_PASSWORD_MAX) == NULL &&
	    account_password(longest, ACCOUNT_PASSWORD_MAX + 1) != NULL,
	    "1024 is the limit");
}

int
main(void)
{
	test_round_trip();
	test_upgrade();
	test_damage();
	test_sending();
	test_own_address();
	test_devices();
	test_bad_devices();
	test_names();
	test_others();
	return tap_done();
}
