/*
 * auth/revoke: what an admin has made void stays so, whenever auth is killed:
 * the test runs a verb's change without what comes behind it, and starts anew.
 */
#include "lib/prelude.h"

#include "auth/ctl_private.h"
#include "auth/revoke.h"
#include "auth/voids.h"
#include "tests/tap.h"
#include "tests/unit/auth_rig.h"

#define ALICE "alice@example.org"
#define PIN "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static uint8_t other_bytes[TICKET_KEY_LEN] = "another key, of another parent.";
static const struct conf_bytes other_key = { other_bytes,
    sizeof(other_bytes) };
static int queue_fd = -1;

/* A channel to a queue that the test plays. */
static void
queue_connect(void)
{
	int fd[2];

	if (queue_fd != -1)
		close(queue_fd);
	if (ipc_pair(fd) == -1)
		abort();
	revoke_peer(fd[1]);
	queue_fd = fd[0];
}

/* The next word to queue; 0: there is none. */
static uint16_t
heard(char whose[LOGIN_MAX + 1], uint64_t *before, uint64_t *until)
{
	struct pollfd p = { .fd = queue_fd, .events = POLLIN };
	struct ipc_in in;
	int turns;

	*whose = '\0';
	for (turns = 0; turns < 20 && poll(&p, 1, 0) == 0; turns++)
		ev_loop_once(1);
	if (poll(&p, 1, 0) == 0 || ipc_recv_sync(queue_fd, 1000, &in) != 1)
		return 0;
	if (in.type == M_REVOKE) {
		snprintf(whose, LOGIN_MAX + 1, "%s", ipc_get_str(&in,
		    LOGIN_MAX));
		*before = ipc_get_u64(&in);
		*until = ipc_get_u64(&in);
	}
	if (!ipc_in_end(&in))
		abort();
	return in.type;
}

/* All that queue hears, " alice bob"; then the end, or "none". */
static const char *
all_heard(void)
{
	static char text[2048];
	char whose[LOGIN_MAX + 1];
	uint64_t before, until;
	uint16_t type;

	*text = '\0';
	while ((type = heard(whose, &before, &until)) == M_REVOKE)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
		    " %s", whose);
	return type == M_REVOKE_END ? text : "none";
}

/* auth and queue are killed, and others take their places. */
static const char *
die(const struct conf_bytes *key)
{
	const char *why;

	revoke_stop();
	queue_connect();
	why = revoke_start(rig_accounts, key);
	if (why != NULL)
		return why;
	return all_heard();
}

/* --- the verbs ------------------------------------------------------------------------ */

/* As far as the thread goes. */
static enum accounts_result
run(const char *words, const char *name, const char *label,
    const char *option)
{
	static const struct verb *const rooms[] = { ctl_account_verbs,
	    ctl_cert_verbs, ctl_device_verbs, ctl_sender_verbs };
	const struct verb *v = NULL;
	struct request r = { .iterations = VERIFIER_ITERATIONS_MIN };
	enum accounts_result result;
	size_t i;

	for (i = 0; i < nitems(rooms) && (v == NULL || v->words == NULL); i++)
		for (v = rooms[i]; v->words != NULL; v++)
			if (strcmp(v->words, words) == 0)
				break;
	if (v == NULL || v->words == NULL)
		abort();
	r.verb = v;
	r.void_until_ms = revoke_until_ms();
	snprintf(r.account.name, sizeof(r.account.name), "%s", name);
	snprintf(r.label, sizeof(r.label), "%s", label);
	buf_init(&r.password, ACCOUNT_PASSWORD_MAX);
	buf_adds(&r.password, "new horse");
	if (option != NULL && v->option(&r, option) != NULL)
		abort();
	v->run(&r.job);
	result = r.result;
	free(r.pins);
	buf_wipe(&r.password);
	account_clear(&r.account);
	return result;
}

static enum accounts_result
add_device(struct account *a, void *arg)
{
	struct device d = { .label = "phone" };

	verifier_make(&d.verifier, RIG_PASSWORD, strlen(RIG_PASSWORD),
	    VERIFIER_ITERATIONS_MIN);
	return account_add_device(a, &d) ? ACCOUNTS_OK : ACCOUNTS_REFUSED;
}

static void
test_verbs(void)
{
	static const struct {
		const char *words, *label, *option;
		const char *whose;
	} rows[] = {
		{ "account sender add", "", "sender=@example.org", ALICE },
		{ "account sender remove", "", "sender=@example.org", ALICE },
		{ "account set", "", "plus=on", ALICE },
		{ "account passwd", "", NULL, ALICE "/" },
		{ "account device remove", "phone", NULL, ALICE "/phone" },
		{ "account cert remove", "", "01234567", ALICE },
		{ "account suspend", "", NULL, ALICE },
		{ "account logout", "", NULL, ALICE },
		{ "account remove", "", NULL, ALICE },
	};
	char expected[LOGIN_MAX + 2], name[ACCOUNT_MAX + 1] = ALICE;
	size_t i;

	if (accounts_change(rig_accounts, ALICE, add_device, NULL) !=
	    ACCOUNTS_OK || accounts_add_pin(rig_accounts, PIN, name) !=
	    ACCOUNTS_OK)
		abort();
	for (i = 0; i < nitems(rows); i++) {
		is_int(run(rows[i].words, ALICE, rows[i].label,
		    rows[i].option), ACCOUNTS_OK, "%s", rows[i].words);
		snprintf(expected, sizeof(expected), " %s", rows[i].whose);
		is_str(die(&rig_conf.ticket_key), expected,
		    "killed behind it: the next auth says so");
		is_str(die(&rig_conf.ticket_key), expected, "and the next");
		is_str(die(&other_key), "", "another parent's tickets are not "
		    "meant");
		is_str(die(&rig_conf.ticket_key), "", "and it is forgotten");
	}
}

/* --- what is said when ----------------------------------------------------------------- */

static void
test_start(void)
{
	queue_connect();
	is_str(all_heard(), "none", "before the accounts are open queue hears "
	    "nothing, and waits");
	is_int((long long)(uintptr_t)revoke_start(rig_accounts,
	    &rig_conf.ticket_key), 0, "started");
	is_str(all_heard(), "", "there was nothing");
	queue_connect();
	is_str(all_heard(), "", "a new queue hears so, too");
	revoke_account("bob");
	queue_connect();
	is_str(all_heard(), " bob", "or what there was");
}

/* Who logged in before the start is out, and nobody behind it. */
static void
test_times(void)
{
	char whose[LOGIN_MAX + 1];
	uint64_t begun = revoke_begun_ms(), before = 0, until = 0;

	is_int(revoke_will("bob", revoke_until_ms()), ACCOUNTS_OK,
	    "about to change");
	ok(revoke_begun_ms() == begun, "which is not said yet");
	revoke_stop();
	queue_connect();
	ok(revoke_start(rig_accounts, &rig_conf.ticket_key) == NULL &&
	    heard(whose, &before, &until) == M_REVOKE && begun <= before,
	    "who was in is out after the next start");
	ok(revoke_begun_ms() > before, "who comes then is in, in the same "
	    "millisecond");
	ok(until == ev_now_ms() + TICKET_LIFE_MAX_SEC * 1000ull, "as long as any "
	    "ticket may live");
	(void)all_heard();
	ev_clock_step(TICKET_LIFE_MAX_SEC * 1000ull - 1);
	is_str(die(&rig_conf.ticket_key), " bob", "till its last millisecond");
	ev_clock_step(1);
	is_str(die(&rig_conf.ticket_key), "", "and no longer");
	is_int(voids_put(rig_records(), "bob", 1, UINT64_MAX), ACCOUNTS_OK,
	    "one of a life long ago");
	is_str(die(&rig_conf.ticket_key), "", "means nobody");
}

/* Many, some of them over; and what others have written is no harm. */
static void
test_many(void)
{
	const struct record odd = { (uint8_t *)(uintptr_t)"odd", 3 };
	char whose[LOGIN_MAX + 1], name[32];
	uint64_t before, until, said = 0;
	size_t i;

	for (i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "u%zu", i);
		if (revoke_will(name, ev_now_ms() + (i % 4 == 0 ? 1000 :
		    5000)) != ACCOUNTS_OK)
			abort();
	}
	if (records_put(rig_records(), 'v', "odd", &odd, true) != ACCOUNTS_OK)
		abort();
	ev_clock_step(2000);
	revoke_stop();
	queue_connect();
	if (revoke_start(rig_accounts, &rig_conf.ticket_key) != NULL)
		abort();
	while (heard(whose, &before, &until) == M_REVOKE)
		said += *whose == 'u' && until > ev_now_ms();
	is_int(said, 750, "those that matter");
	is_int(voids_each(rig_records(), 0, 0, NULL), ACCOUNTS_OK,
	    "all are dropped by another life");
}

int
main(void)
{
	rig_start(1);
	rig_add(ALICE, NULL);
	ctl_conf(rig_accounts, &rig_conf);
	test_start();
	test_verbs();
	test_times();
	test_many();
	revoke_stop();
	close(queue_fd);
	rig_stop();
	return tap_done();
}
