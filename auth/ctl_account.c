/*
 * The verbs about one account: add, passwd, remove, suspend, resume, logout,
 * show.
 */
#include "lib/prelude.h"

#include "auth/ctl_private.h"
#include "auth/groups.h"
#include "auth/password.h"
#include "auth/revoke.h"
#include "auth/sources.h"
#include "auth/watch.h"
#include "lib/log.h"
#include "lib/num.h"

#define SENDS_AS_MAX	(192 * 1024)	/* half of what fits a row */
#define NAMES_MAX	(16 * 1024)

static void
log_done(const struct request *r)
{
	log_info("account=\"%s\" done=%s", r->account.name,
	    strchr(r->verb->words, ' ') + 1);
}

/* --- add, passwd --------------------------------------------------------------------- */

static void
run_add(struct job *job)
{
	struct request *r = (struct request *)job;

	if (r->account.rewrite && account_own_address(&r->account) == NULL) {
		r->result = ctl_refused(r, CTL_USAGE, "rewriting needs an "
		    "address of the account's own: a name that is one, or "
		    "--sender with one");
		return;
	}
	password_set(ctl_accounts(), &r->account, r->password.data,
	    r->password.len, r->iterations, r->hashes);
	r->result = accounts_add(ctl_accounts(), &r->account);
}

static void
run_passwd(struct job *job)
{
	struct request *r = (struct request *)job;
	char own[LOGIN_MAX + 1];

	password_set(ctl_accounts(), &r->account, r->password.data,
	    r->password.len, r->iterations, r->hashes);
	if (ctl_revokes(r, device_login(r->account.name, "", own)))
		r->result = accounts_set_password(ctl_accounts(),
		    &r->account);
}

/* A new account may have the name of an old one. */
static void
changed(const struct request *r)
{
	watch_unlock(r->account.name);
	revoke_account(r->account.name);
	log_done(r);
}

/* A device has its sender in the settings. */
static bool
is_device(const struct auth_conf *conf, const char *account)
{
	size_t i;

	for (i = 0; i < conf->lanes.n; i++)
		if (strcmp(CONF_AT(conf->lanes, struct conf_lane, i)->account,
		    account) == 0)
			return true;
	return false;
}

/* An account that has no address may log in and send nothing: seldom meant. */
static void
done_add(struct job *job)
{
	struct request *r = (struct request *)job;
	const char *senders[GROUPS_SENDERS_MAX];

	if (r->result == ACCOUNTS_OK)
		changed(r);
	if (r->result != ACCOUNTS_OK || strchr(r->account.name, '@') != NULL ||
	    is_device(ctl_settings(), r->account.name) ||
	    groups_senders(ctl_settings(), &r->account, senders) > 0) {
		ctl_done(r);
		return;
	}
	child_ctl_end(r->id, CTL_OK, "%s may send as nobody yet: posternctl "
	    "account sender add %s ADDRESS", r->account.name, r->account.name);
	ctl_free(r);
}

/* Devices have passwords of their own, and go on. */
static void
done_passwd(struct job *job)
{
	struct request *r = (struct request *)job;
	char own[LOGIN_MAX + 1];

	if (r->result == ACCOUNTS_OK) {
		watch_unlock(r->account.name);
		revoke_account(device_login(r->account.name, "", own));
		log_done(r);
	}
	ctl_done(r);
}

/* --- remove, suspend, resume, logout -------------------------------------------------- */

/*
 * What keeps somebody out is done even if the disk takes nothing: in memory,
 * where it ends with this process.
 */
static void
withhold(struct request *r)
{
	if (r->result != ACCOUNTS_ERROR)
		return;
	r->result = accounts_withhold(ctl_accounts(), r->account.name);
	r->unwritten = r->result == ACCOUNTS_OK;
}

/* how: what it is now. */
static void
done_as(struct request *r, const char *how)
{
	if (!r->unwritten) {
		ctl_done(r);
		return;
	}
	log_warnx("account=\"%s\" %s, which is not on disk, so it lasts until "
	    "auth ends", r->account.name, how);
	child_ctl_end(r->id, CTL_IN_PART, "%s is %s, but only until auth starts "
	    "anew: it could not be written down, the log says why. Mend that, "
	    "then say this again", r->account.name, how);
	ctl_free(r);
}

static void
run_remove(struct job *job)
{
	struct request *r = (struct request *)job;

	if (ctl_revokes(r, r->account.name))
		r->result = accounts_remove(ctl_accounts(), r->account.name);
	withhold(r);
}

static void
done_remove(struct job *job)
{
	struct request *r = (struct request *)job;

	if (r->result == ACCOUNTS_OK && !r->unwritten)
		changed(r);
	else if (r->result == ACCOUNTS_OK)
		revoke_account(r->account.name);
	done_as(r, "suspended, not removed");
}

static enum accounts_result
set_suspended(struct account *a, void *arg)
{
	const struct request *r = arg;

	a->suspended = r->account.suspended;
	a->changed_ms = r->account.changed_ms;
	return ACCOUNTS_OK;
}

static void
run_suspend(struct job *job)
{
	struct request *r = (struct request *)job;

	r->account.suspended = true;
	if (ctl_revokes(r, r->account.name))
		r->result = accounts_change(ctl_accounts(), r->account.name,
		    set_suspended, r);
	withhold(r);
}

static void
done_suspend(struct job *job)
{
	struct request *r = (struct request *)job;

	if (r->result == ACCOUNTS_OK) {
		revoke_account(r->account.name);
		log_done(r);
	}
	done_as(r, "suspended");
}

/* Nobody is logged in whom this could end. */
static void
run_resume(struct job *job)
{
	struct request *r = (struct request *)job;

	r->result = accounts_change(ctl_accounts(), r->account.name,
	    set_suspended, r);
}

static void
done_resume(struct job *job)
{
	struct request *r = (struct request *)job;

	if (r->result == ACCOUNTS_OK)
		log_done(r);
	ctl_done(r);
}

/* Of whomever a source lets in, too, who need not have an account here. */
static void
run_logout(struct job *job)
{
	struct request *r = (struct request *)job;

	r->unwritten = !ctl_revokes(r, r->account.name);
	r->result = ACCOUNTS_OK;
}

static void
done_logout(struct job *job)
{
	struct request *r = (struct request *)job;

	sources_forget(r->account.name);
	revoke_account(r->account.name);
	log_done(r);
	done_as(r, "logged out");
}

/* --- show ------------------------------------------------------------------------------- */

static void
put_senders(const struct account *a)
{
	struct buf b;
	size_t i;

	buf_init(&b, ACCOUNT_RECORD_MAX);
	for (i = 0; i < a->nsenders; i++)
		if (child_ctl_item(&b, a->senders[i]) == -1)
			fatalx("an account outgrew its record");
	child_ctl_list("senders", &b);
}

/* "a@b", and with tags "a+...@b" too. -1: there is no room. */
static int
add_address(struct buf *b, const char *pattern, char plus)
{
	const char *at = strrchr(pattern, '@');
	size_t had = b->len;

	if (child_ctl_item(b, pattern) == -1 ||
	    (plus != '\0' && at != NULL && at != pattern && buf_addf(b,
	    "%.*s%c...%s\n", (int)(at - pattern), pattern, plus, at) == -1)) {
		b->len = had;
		return -1;
	}
	return 0;
}

/* All that it may send as: by its name, its senders, its groups and its tags. */
static void
put_sends_as(const struct account *a)
{
	static const char *all[GROUPS_SENDERS_MAX];
	const struct auth_conf *conf = ctl_settings();
	size_t n = groups_senders(conf, a, all), i;
	char plus = groups_plus(conf, a);
	struct buf b;

	buf_init(&b, SENDS_AS_MAX);
	if (strchr(a->name, '@') != NULL)
		add_address(&b, a->name, plus);
	for (i = 0; i < n && add_address(&b, all[i], plus) == 0; i++)
		;
	b.max += NUM_TEXT_LEN;
	if (i < n)
		buf_addf(&b, "and %zu more\n", n - i);
	child_ctl_list("sends_as", &b);
}

static void
put_verifiers(const struct account *a)
{
	struct buf b;
	int i;

	buf_init(&b, NAMES_MAX);
	child_ctl_item(&b, verifier_mechanism(SCRAM_SHA_256));
	for (i = 0; i < SCRAM_HASHES - 1; i++)
		if (a->further[i].iterations != 0)
			child_ctl_item(&b, verifier_mechanism(
			    a->further[i].hash));
	child_ctl_list("verifier", &b);
}

static void
put_devices(const struct account *a)
{
	struct buf b;
	size_t i;

	buf_init(&b, DEVICES_MAX * (DEVICE_MAX + 1));
	for (i = 0; i < a->ndevices; i++)
		child_ctl_item(&b, a->devices[i].label);
	child_ctl_list("devices", &b);
}

static void
put_groups(const struct account *a)
{
	static const char *names[GROUPS_SENDERS_MAX];
	size_t i, n = groups_names(ctl_settings(), a, names);
	struct buf b;

	buf_init(&b, SENDS_AS_MAX);
	for (i = 0; i < n; i++)
		child_ctl_item(&b, names[i]);
	child_ctl_list("groups", &b);
}

/* What comes of the account's own choice and of its groups. */
static void
sending_cells(const struct account *a)
{
	const struct auth_conf *conf = ctl_settings();
	char plus[2] = { groups_plus(conf, a), '\0' };

	put_groups(a);
	put_sends_as(a);
	child_ctl_str("tags", plus);
	child_ctl_str("others_become", account_rewrite(a));
	put_devices(a);
}

/* One that postern.conf has no more is as none (queue/caps.c). */
const char *
ctl_cap_of(const struct account *a)
{
	const struct auth_conf *conf = ctl_settings();
	const char *cap = groups_cap(conf, a);
	size_t i;

	for (i = 0; i < conf->caps.n; i++)
		if (strcmp(conf->caps.v[i], cap) == 0)
			return cap;
	return *cap == '\0' ? cap : ACCOUNT_CAP_DEFAULT;
}

/* As account cert list shows them, but shorter: enough for cert remove. */
static void
put_certificates(const struct request *r)
{
	struct buf b;
	size_t i;

	buf_init(&b, NAMES_MAX);
	for (i = 0; i < r->npins; i++)
		buf_addf(&b, "%.16s\n", r->pins[i]);
	child_ctl_list("certificates", &b);
}

void
ctl_account_row(const struct request *r, const struct account *a, bool full)
{
	uint64_t locked = watch_locked_until(a->name);

	child_ctl_row(r->id, full ? 15 : 6);
	child_ctl_str("account", a->name);
	child_ctl_str("cap", ctl_cap_of(a));
	put_senders(a);
	child_ctl_time("changed", a->changed_ms);
	child_ctl_time("locked_until", locked);
	child_ctl_bool("suspended", a->suspended);
	if (full) {
		sending_cells(a);
		put_certificates(r);
		child_ctl_time("created", a->created_ms);
		put_verifiers(a);
		child_ctl_num("iterations", a->verifier.iterations);
	}
	child_ctl_send();
}

static void
done_show(struct job *job)
{
	struct request *r = (struct request *)job;

	if (r->result == ACCOUNTS_OK)
		ctl_account_row(r, &r->account, true);
	if (r->result != ACCOUNTS_OK || strcmp(groups_cap(ctl_settings(),
	    &r->account), ctl_cap_of(&r->account)) == 0) {
		ctl_done(r);
		return;
	}
	child_ctl_end(r->id, CTL_OK, "its cap %s is not in postern.conf, so "
	    "default counts: posternctl account set %s --cap CAP",
	    r->account.cap, r->account.name);
	ctl_free(r);
}

/* --- the verbs --------------------------------------------------------------------------- */

static const char *
take_option(struct request *r, const char *option)
{
	return strncmp(option, "sender=", 7) == 0 ?
	    ctl_take_sender(r, option + 7) : ctl_take_sending(r, option);
}

const struct verb ctl_account_verbs[] = {
	{ "account add", 1, CTL_NEW_PASSWORD, take_option, run_add, done_add },
	{ "account passwd", 1, CTL_NEW_PASSWORD, NULL, run_passwd, done_passwd },
	{ "account remove", 1, CTL_NO_PASSWORD, NULL, run_remove, done_remove },
	{ "account suspend", 1, CTL_NO_PASSWORD, NULL, run_suspend,
	    done_suspend },
	{ "account resume", 1, CTL_NO_PASSWORD, NULL, run_resume,
	    done_resume },
	{ "account logout", 1, CTL_NO_PASSWORD, NULL, run_logout, done_logout },
	{ "account show", 1, CTL_NO_PASSWORD, NULL, ctl_run_pins, done_show },
	{ NULL, 0, CTL_NO_PASSWORD, NULL, NULL, NULL }
};
