/*
 * Devices log in: by which name and mechanism, with what typed how; what an
 * expired, removed or misplaced one hears; what strangers and the guard see of
 * it; that many of them cost no more than one; when they were used last.
 */
#include "lib/prelude.h"

#include "auth/lastuse.h"
#include "auth/password.h"
#include "auth/watch.h"
#include "tests/tap.h"
#include "tests/unit/scram_client.h"

#define ALICE	"alice@example.org"
#define ALL	(1U << SCRAM_SHA_1 | 1U << SCRAM_SHA_512)
#define HERE	"192.0.2.7"	/* where the rig's clients are */

static uint64_t id = 1;
static char said[1024];		/* the last line about a failed login */

static void
listen_in(enum log_level level, const char *proc, const char *line)
{
	if (strstr(line, "login=failed") != NULL)
		snprintf(said, sizeof(said), "%s", line);
}

/* --- the world ------------------------------------------------------------------------ */

static enum accounts_result
put(struct account *a, void *arg)
{
	return account_add_device(a, arg) ? ACCOUNTS_OK : ACCOUNTS_REFUSED;
}

static enum accounts_result
take(struct account *a, void *arg)
{
	return account_drop_device(a, arg) ? ACCOUNTS_OK : ACCOUNTS_REFUSED;
}

/* With a password that is returned, until the next call. */
static const char *
add_device(const char *account, const char *label, const char *cap,
    const char *network, uint64_t expires_ms, uint32_t hashes)
{
	static char password[DEVICE_PASSWORD_LEN + 1];
	struct device d;

	memset(&d, 0, sizeof(d));
	snprintf(d.label, sizeof(d.label), "%s", label);
	snprintf(d.cap, sizeof(d.cap), "%s", cap);
	d.created_ms = ev_wall_ms();
	d.expires_ms = expires_ms;
	if (network != NULL && device_network(network,
	    &d.networks[d.nnetworks++]) != NULL)
		abort();
	device_password(password);
	password_set_device(rig_accounts, account, &d, password,
	    VERIFIER_ITERATIONS_MIN, hashes);
	if (accounts_change(rig_accounts, account, put, &d) != ACCOUNTS_OK)
		abort();
	return password;
}

static void
drop_device(const char *account, const char *label)
{
	if (accounts_change(rig_accounts, account, take,
	    (void *)(uintptr_t)label) != ACCOUNTS_OK)
		abort();
}

static struct rig_reply *
by_plain(const char *name, const char *password)
{
	char message[512];
	int n = snprintf(message, sizeof(message), "%c%s%c%s", '\0', name,
	    '\0', password);

	*said = '\0';
	return rig_begin(++id, "PLAIN", message, (size_t)n);
}

static struct rig_reply *
by_login(const char *name, const char *password)
{
	struct rig_reply *r;

	*said = '\0';
	r = rig_begin(++id, "LOGIN", NULL, 0);
	if (r->type == M_AUTH_CHALLENGE)
		r = rig_step(id, name, strlen(name));
	if (r->type == M_AUTH_CHALLENGE)
		r = rig_step(id, password, strlen(password));
	return r;
}

static const struct rig_reply *
by_scram(const char *mechanism, const char *name, const char *password)
{
	const struct rig_reply *r;
	struct scram_client s;

	*said = '\0';
	scram_begin(&s, ++id, mechanism, "n,,", name);
	r = scram_finish(&s, id, password, NULL, 0);
	return r->type == M_AUTH_CHALLENGE ? rig_step(id, "", 0) : r;
}

static void
is_in(const struct rig_reply *r, const char *device, const char *cap,
    const char *what)
{
	ok(r->type == M_AUTH_OK, "%s: in", what);
	is_str(r->ticket.account, ALICE, "as the account");
	is_str(r->ticket.device, device, "with its label");
	is_str(r->ticket.device_cap, cap, "and its cap");
	is_str(r->ticket.cap, "staff", "beside the account's");
	ok(ticket_valid(&rig_conf.ticket_key, 0, &r->ticket, ev_now_ms()),
	    "sealed");
}

static void
is_out(const struct rig_reply *r, const char *why, const char *what)
{
	ok(r->type == M_AUTH_NO && r->no == AUTH_NO_CREDENTIALS,
	    "%s: as a wrong password (%u, %d)", what, r->type, r->no);
	if (!ok(strstr(said, why) != NULL, "and the log knows: %s", why))
		printf("# %s\n", said);
}

/* --- tests ----------------------------------------------------------------------------- */

static void
test_ways(void)
{
	static const char *const scram[] = { "SCRAM-SHA-256", "SCRAM-SHA-512",
	    "SCRAM-SHA-1" };
	char phone[32], grouped[64], other[32];
	size_t i;

	snprintf(phone, sizeof(phone), "%s", add_device(ALICE, "phone", "small",
	    NULL, 0, ALL));
	snprintf(other, sizeof(other), "%s", add_device(ALICE, "laptop", "",
	    NULL, 0, ALL));
	snprintf(grouped, sizeof(grouped), "%.5s-%.5s %.5s-%s ", phone,
	    phone + 5, phone + 10, phone + 15);
	grouped[0] -= 'a' - 'A';
	is_in(by_plain(ALICE, phone), "phone", "small", "PLAIN");
	is_in(by_plain(ALICE, phone), "phone", "small", "from the cache");
	is_in(by_plain(ALICE, grouped), "phone", "small", "as a phone types");
	is_in(by_login(ALICE, grouped), "phone", "small", "LOGIN");
	is_in(by_login("Alice@Example.org/Phone", phone), "phone", "small",
	    "LOGIN, by its name");
	is_in(by_plain(ALICE "/phone", grouped), "phone", "small", "PLAIN");
	is_in(by_plain(ALICE, other), "laptop", "", "another");
	is_in(by_plain(ALICE, RIG_PASSWORD), "", "", "the account itself");
	for (i = 0; i < nitems(scram); i++) {
		is_in(by_scram(scram[i], ALICE "/phone", phone), "phone",
		    "small", scram[i]);
		is_out(by_scram(scram[i], ALICE "/phone", other),
		    "why=credentials", "another's password");
		is_out(by_scram(scram[i], ALICE "/phone", RIG_PASSWORD),
		    "why=credentials", "the account's");
		is_out(by_scram(scram[i], ALICE "/tablet", phone),
		    "why=credentials", "no such label");
		is_out(by_scram(scram[i], "bob/phone", phone),
		    "why=credentials", "another account");
	}
	is_in(by_scram("SCRAM-SHA-256", ALICE, RIG_PASSWORD), "", "",
	    "SCRAM for the account");
	is_out(by_scram("SCRAM-SHA-256", ALICE, phone), "why=credentials",
	    "SCRAM wants the label");
	is_out(by_plain(ALICE "/phone", other), "why=credentials",
	    "PLAIN, another's password");
	is_out(by_plain(ALICE "/phone", RIG_PASSWORD), "why=credentials",
	    "the account's");
	is_out(by_plain("bob", phone), "why=credentials", "another account");
	is_out(by_plain(ALICE "/", phone), "why=credentials", "no label");
	is_out(by_plain(ALICE "/", RIG_PASSWORD), "why=credentials",
	    "no label");
	is_out(by_plain(ALICE "//phone", phone), "why=credentials", "too many");
	is_out(by_plain(ALICE "/phone/", phone), "why=credentials", "too many");
	is_out(by_plain("/phone", phone), "why=credentials", "no account");
	watch_unlock(ALICE);
	watch_unlock("bob");
}

/* Made where only SCRAM-SHA-256 was offered: a login by PLAIN adds the rest. */
static void
test_completed(void)
{
	char old[32];

	snprintf(old, sizeof(old), "%s", add_device(ALICE, "old", "", NULL, 0,
	    0));
	is_out(by_scram("SCRAM-SHA-512", ALICE "/old", old), "why=no-verifier",
	    "no verifier yet");
	is_in(by_plain(ALICE, old), "old", "", "PLAIN");
	is_in(by_scram("SCRAM-SHA-512", ALICE "/old", old), "old", "",
	    "SCRAM-SHA-512 now");
	is_in(by_scram("SCRAM-SHA-1", ALICE "/old", old), "old", "",
	    "SCRAM-SHA-1, too");
	is_in(by_plain(ALICE, RIG_PASSWORD), "", "", "the account's own stays");
}

static void
test_barred(void)
{
	struct auth_conf strict = { .lock_after = 1, .lock_sec = 900 };
	struct auth_conf mild = { .lock_after = 0 };
	uint64_t now = ev_wall_ms(), i;
	char late[32], far[32], near[32], gone[32];

	snprintf(late, sizeof(late), "%s", add_device(ALICE, "late", "", NULL,
	    now + 3600 * 1000, 0));
	snprintf(far, sizeof(far), "%s", add_device(ALICE, "far", "",
	    "192.0.3.0/24", 0, 0));
	snprintf(near, sizeof(near), "%s", add_device(ALICE, "near", "",
	    "::ffff:192.0.2.0/120", 0, 0));
	snprintf(gone, sizeof(gone), "%s", add_device(ALICE, "gone", "", NULL,
	    0, 0));
	is_in(by_plain(ALICE, late), "late", "", "before it expires");
	is_in(by_plain(ALICE, near), "near", "", "from its network");
	is_in(by_scram("SCRAM-SHA-256", ALICE "/near", near), "near", "",
	    "by SCRAM, too");
	is_in(by_plain(ALICE, gone), "gone", "", "while it is there");
	ev_clock_step(3600 * 1000);
	drop_device(ALICE, "gone");
	is_out(by_plain(ALICE, late), "why=device-expired device=late",
	    "expired, though cached");
	is_out(by_plain(ALICE "/late", late), "why=device-expired", "by name");
	is_out(by_scram("SCRAM-SHA-256", ALICE "/late", late),
	    "why=device-expired device=late", "by SCRAM");
	is_out(by_plain(ALICE, far), "why=device-network device=far",
	    "from elsewhere");
	is_out(by_login(ALICE, far), "why=device-network", "by LOGIN");
	is_out(by_scram("SCRAM-SHA-256", ALICE "/far", far),
	    "why=device-network", "by SCRAM");
	is_out(by_plain(ALICE, gone), "why=device-removed device=gone",
	    "removed, though cached");
	is_out(by_plain(ALICE "/gone", gone), "why=device-removed device=gone",
	    "by name");
	is_out(by_plain("bob", gone), "why=credentials", "another's never");
	/* None of these is a guess: where one would do, nobody is locked out. */
	watch_unlock(ALICE);
	watch_conf(&strict);
	for (i = 0; i < 3; i++) {
		by_plain(ALICE, late);
		by_plain(ALICE, far);
		by_plain(ALICE, gone);
	}
	is_in(by_plain(ALICE, RIG_PASSWORD), "", "", "the owner is not locked out");
	is_in(by_plain(ALICE, near), "near", "", "nor are other devices");
	watch_conf(&mild);
	snprintf(gone, sizeof(gone), "%s", add_device(ALICE, "gone", "", NULL,
	    0, 0));
	is_in(by_plain(ALICE, gone), "gone", "", "the label may be used again");
}

/* Wrong passwords under a device's name lock that name, and no other. */
static void
test_guard(void)
{
	struct auth_conf conf = { .lock_after = 16, .lock_sec = 900 };
	char wrong[32];
	int i;

	watch_unlock(ALICE "/phone");
	watch_conf(&conf);
	for (i = 0; i < 16; i++) {
		snprintf(wrong, sizeof(wrong), "wrong horse %d", i);
		by_plain(ALICE "/phone", wrong);
	}
	ok(by_plain(ALICE "/phone", "wrong horse")->no == AUTH_NO_LOCKED,
	    "the name is locked");
	is_in(by_plain(ALICE, RIG_PASSWORD), "", "", "its account is not");
	watch_unlock(ALICE "/phone");
	conf.lock_after = 0;
	watch_conf(&conf);
}

/* What SCRAM shows of a name, for strangers to compare. */
static void
shown(const char *name, char *out, size_t size)
{
	struct scram_client s;
	const char *salt;

	scram_begin(&s, ++id, "SCRAM-SHA-256", "n,,", name);
	rig_cancel(id);
	salt = strstr(s.server_first, ",s=");
	snprintf(out, size, "%s", salt == NULL ? s.server_first : salt);
}

static void
test_strangers(void)
{
	char before[512], with[512], after[512], nobody[512];

	shown(ALICE "/secret", before, sizeof(before));
	shown("nobody@example.org/secret", nobody, sizeof(nobody));
	add_device(ALICE, "secret", "", NULL, ev_wall_ms() + 1000, 0);
	shown(ALICE "/secret", with, sizeof(with));
	is_str(with, before, "a label that comes to be shows nothing");
	ev_clock_step(2000);
	shown(ALICE "/secret", after, sizeof(after));
	is_str(after, before, "nor one that expires");
	drop_device(ALICE, "secret");
	shown(ALICE "/secret", after, sizeof(after));
	is_str(after, before, "nor one that goes");
	ok(strcmp(nobody, before) != 0 && strstr(nobody, ",i=4096") != NULL,
	    "nobody's look the same");
}

static double
cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Of one look at one wrong password: hash rounds dominate it. */
static double
wrong_us(const char *name)
{
	double begun = cpu_us();
	int i;

	for (i = 0; i < 20; i++)
		by_plain(name, "abcdefghjkmnpqrstuvx");
	return (cpu_us() - begun) / 20;
}

static void
test_many(void)
{
	char label[16], last[32] = "";
	struct account a;
	double few, many;
	size_t i, n;

	rig_add("many@example.org", NULL);
	few = wrong_us("many@example.org");
	for (n = 0; n < DEVICES_MAX; n++) {
		snprintf(label, sizeof(label), "d%zu", n);
		snprintf(last, sizeof(last), "%s", add_device(
		    "many@example.org", label, "", "10.0.0.0/8", 0, ALL));
	}
	accounts_get(rig_accounts, "many@example.org", &a);
	is_int(a.ndevices, DEVICES_MAX, "a hundred devices");
	ok(!account_add_device(&a, &a.devices[0]), "and no more");
	account_clear(&a);
	many = wrong_us("many@example.org");
	printf("# a wrong password, CPU: %.0f us with no device, %.0f with "
	    "%d\n", few, many, DEVICES_MAX);
	is_out(by_plain("many@example.org", last), "device=d99",
	    "the last is found");
	for (i = 0; i < DEVICES_MAX; i++) {
		snprintf(label, sizeof(label), "d%zu", i);
		drop_device("many@example.org", label);
	}
	is_out(by_plain("many@example.org", last), "why=device-removed "
	    "device=d99", "and remembered");
	for (i = 0; i < 3; i++) {
		add_device("many@example.org", "new", "", NULL, 0, 0);
		drop_device("many@example.org", "new");
	}
	accounts_get(rig_accounts, "many@example.org", &a);
	ok(a.ndevices == 0 && a.ngone == DEVICES_GONE_MAX &&
	    strcmp(a.gone[0].label, "d3") == 0, "the oldest is forgotten");
	account_clear(&a);
}

/* --- when they were used --------------------------------------------------------------- */

static uint64_t
used(const char *login)
{
	struct use use;

	return uses_get(rig_records(), login, &use) == ACCOUNTS_OK ?
	    use.ms : 0;
}

static void
test_last_use(void)
{
	struct use use = { .ms = 0 };
	uint64_t then;
	char pass[32], login[64];
	int i;

	snprintf(pass, sizeof(pass), "%s", add_device(ALICE, "used", "", NULL,
	    0, 0));
	by_plain(ALICE, pass);
	then = ev_wall_ms();
	is_int(used(ALICE "/used"), 0, "not written at once");
	lastuse_newer(ALICE "/used", &use);
	ok(use.ms <= then && use.ms > then - 10000 &&
	    strcmp(use.peer, HERE) == 0, "but known");
	ev_clock_step(61 * 1000);
	for (i = 0; i < 200 && used(ALICE "/used") == 0; i++)
		ev_loop_once(5);
	rig_drain();
	is_int(used(ALICE "/used"), use.ms, "within a minute it is");
	by_plain(ALICE, pass);
	then = ev_wall_ms();
	for (i = 0; i < LASTUSE_ROOM + 100; i++) {
		snprintf(login, sizeof(login), "%s/n%d", ALICE, i);
		lastuse_note(login, HERE, then);
	}
	rig_drain();
	ok(used(ALICE "/used") > use.ms, "full: what there is, is written");
	lastuse_note(ALICE "/used", "2001:db8::1", then + 5);
	lastuse_forget(ALICE "/n7");
	lastuse_stop();
	is_int(used(ALICE "/used"), then + 5, "at the end, too");
	is_int(uses_drop(rig_records(), ALICE "/used"), ACCOUNTS_OK,
	    "dropped");
	is_int(used(ALICE "/used"), 0, "and gone");
	is_int(uses_drop(rig_records(), ALICE "/used"), ACCOUNTS_NONE,
	    "once");
	lastuse_note(ALICE "/used", HERE, then);
	is_int(used(ALICE "/used"), 0, "nothing is kept after the end");
}

static void
test_removed(void)
{
	struct use use = { .ms = 5 };

	snprintf(use.login, sizeof(use.login), ALICE "/laptop");
	uses_put(rig_records(), &use, 1);
	is_int(used(ALICE "/laptop"), 5, "a use");
	accounts_remove(rig_accounts, ALICE);
	is_int(used(ALICE "/laptop"), 0, "goes with its account");
}

int
main(void)
{
	rig_start(2);
	log_set_sink(listen_in);
	rig_offer("SCRAM-SHA-512");
	rig_offer("SCRAM-SHA-1");
	lastuse_start(rig_accounts);
	rig_add(ALICE, NULL);
	rig_add("bob", NULL);
	test_ways();
	test_completed();
	test_barred();
	test_guard();
	test_strangers();
	test_many();
	test_last_use();
	test_removed();
	rig_stop();
	return tap_done();
}
