/* The verbs about an account's devices: add, list, remove. */
#include "lib/prelude.h"

#include "auth/ctl_private.h"
#include "auth/lastuse.h"
#include "auth/password.h"
#include "auth/revoke.h"
#include "auth/watch.h"
#include "lib/log.h"
#include "lib/num.h"
#include "lib/xalloc.h"

#define GROUP_LEN	5	/* letters, for who reads it out */

static const char *
login_of(const struct request *r, const char *label, char out[LOGIN_MAX + 1])
{
	return device_login(r->account.name, label, out);
}

/* --- add -------------------------------------------------------------------------------- */

static const char *
take_network(struct device *d, const char *given)
{
	if (d->nnetworks == DEVICE_NETWORKS_MAX)
		return "a device has at most 16 networks";
	return device_network(given, &d->networks[d->nnetworks++]);
}

static const char *
take_expiry(struct device *d, const char *given)
{
	uint64_t sec;

	if (num_parse_duration(given, &sec) == -1 || sec == 0 ||
	    sec > DEVICE_LIFE_MAX_SEC)
		return "--expires is the time until then, \"90d\" or \"12h\", "
		    "ten years at most";
	d->expires_ms = ev_wall_ms() + sec * 1000;
	return NULL;
}

static const char *
take_option(struct request *r, const char *option)
{
	if (strncmp(option, "cap=", 4) == 0)
		return ctl_take_cap(r->device.cap, option + 4);
	if (strncmp(option, "network=", 8) == 0)
		return take_network(&r->device, option + 8);
	if (strncmp(option, "expires=", 8) == 0)
		return take_expiry(&r->device, option + 8);
	return "the options are --cap, --network and --expires";
}

static enum accounts_result
add(struct account *a, void *arg)
{
	struct request *r = arg;

	if (account_device(a, r->label) != NULL)
		return ctl_refused(r, CTL_FAILED, "the account has a device "
		    "of that label; remove it first, or take another label");
	if (!account_add_device(a, &r->device))
		return ctl_refused(r, CTL_FAILED, "an account has at most 100 "
		    "devices; remove those that are not used any more");
	return ACCOUNTS_OK;
}

static void
run_add(struct job *job)
{
	struct request *r = (struct request *)job;
	char password[DEVICE_PASSWORD_LEN + 1];

	device_password(password);
	memcpy(r->device.label, r->label, sizeof(r->device.label));
	r->device.created_ms = r->account.created_ms;
	password_set_device(ctl_accounts(), r->account.name, &r->device,
	    password, r->iterations, r->hashes);
	buf_adds(&r->password, password);
	explicit_bzero(password, sizeof(password));
	r->result = accounts_change(ctl_accounts(), r->account.name, add, r);
}

/* "abcde fghjk ...": blanks where the eye wants them. */
static void
in_groups(const char *password, char out[2 * DEVICE_PASSWORD_LEN])
{
	size_t i, n = 0;

	for (i = 0; password[i] != '\0'; i++) {
		if (i > 0 && i % GROUP_LEN == 0)
			out[n++] = ' ';
		out[n++] = password[i];
	}
	out[n] = '\0';
}

static void
put_networks(const struct device *d)
{
	char text[NET_PREFIX_LEN];
	struct buf b;
	size_t i;

	buf_init(&b, DEVICE_NETWORKS_MAX * (NET_PREFIX_LEN + 1));
	for (i = 0; i < d->nnetworks; i++)
		child_ctl_item(&b, net_print_prefix(&d->networks[i], text));
	child_ctl_list("networks", &b);
}

/* The one time that it is shown. */
static void
show_new(struct request *r)
{
	char login[LOGIN_MAX + 1], spelt[2 * DEVICE_PASSWORD_LEN];

	in_groups(buf_str(&r->password), spelt);
	child_ctl_row(r->id, 8);
	child_ctl_str("account", r->account.name);
	child_ctl_str("device", r->device.label);
	child_ctl_str("user_name", login_of(r, r->device.label, login));
	child_ctl_str("password", buf_str(&r->password));
	child_ctl_str("spelt", spelt);
	child_ctl_str("cap", r->device.cap);
	put_networks(&r->device);
	child_ctl_time("expires", r->device.expires_ms);
	child_ctl_send();
	ipc_forget();
	explicit_bzero(spelt, sizeof(spelt));
}

static void
done_add(struct job *job)
{
	struct request *r = (struct request *)job;

	if (r->result != ACCOUNTS_OK) {
		ctl_done(r);
		return;
	}
	show_new(r);
	log_info("account=\"%s\" device=%s done=\"device add\"",
	    r->account.name, r->device.label);
	child_ctl_end(r->id, CTL_OK, "The password is not shown again. Blanks, "
	    "dashes and capitals in it do not matter, but for programs that "
	    "use SCRAM; these also need the user name as it stands here.");
	ctl_free(r);
}

/* --- list --------------------------------------------------------------------------------- */

static void
run_list(struct job *job)
{
	struct request *r = (struct request *)job;
	char login[LOGIN_MAX + 1];
	size_t i;

	ctl_run_get(job);
	if (r->result != ACCOUNTS_OK || r->account.ndevices == 0)
		return;
	r->uses = xcalloc(r->account.ndevices, sizeof(*r->uses));
	for (i = 0; i < r->account.ndevices; i++)
		(void)uses_get(accounts_records(ctl_accounts()), login_of(r,
		    r->account.devices[i].label, login), &r->uses[i]);
}

/* What was noted before it was made belongs to one that had its label. */
static void
device_row(struct request *r, const struct device *d, struct use *use)
{
	char login[LOGIN_MAX + 1];
	bool used;

	login_of(r, d->label, login);
	lastuse_newer(login, use);
	used = use->ms >= d->created_ms;
	child_ctl_row(r->id, 8);
	child_ctl_str("device", d->label);
	child_ctl_str("cap", d->cap);
	put_networks(d);
	child_ctl_time("created", d->created_ms);
	child_ctl_time("expires", d->expires_ms);
	child_ctl_time("last_use", used ? use->ms : 0);
	child_ctl_str("from", used ? use->peer : "");
	child_ctl_time("locked_until", watch_locked_until(login));
	child_ctl_send();
}

static void
done_list(struct job *job)
{
	struct request *r = (struct request *)job;
	size_t i;

	if (r->result != ACCOUNTS_OK) {
		ctl_done(r);
		return;
	}
	for (i = 0; i < r->account.ndevices; i++)
		device_row(r, &r->account.devices[i], &r->uses[i]);
	child_ctl_end(r->id, CTL_OK, "%s", r->account.ndevices > 0 ? "" :
	    "The account has no devices with a password of their own.");
	ctl_free(r);
}

/* --- remove ----------------------------------------------------------------------------------- */

static enum accounts_result
drop(struct account *a, void *arg)
{
	struct request *r = arg;

	return account_drop_device(a, r->label) ? ACCOUNTS_OK : ctl_refused(r,
	    CTL_NOT_FOUND, "the account has no such device; see posternctl "
	    "account device list");
}

static void
run_remove(struct job *job)
{
	struct request *r = (struct request *)job;
	char login[LOGIN_MAX + 1];

	if (!ctl_revokes(r, login_of(r, r->label, login)))
		return;
	r->result = accounts_change(ctl_accounts(), r->account.name, drop, r);
	if (r->result == ACCOUNTS_OK)
		(void)uses_drop(accounts_records(ctl_accounts()),
		    login_of(r, r->label, login));
}

static void
done_remove(struct job *job)
{
	struct request *r = (struct request *)job;
	char login[LOGIN_MAX + 1];

	if (r->result == ACCOUNTS_OK) {
		login_of(r, r->label, login);
		revoke_account(login);
		lastuse_forget(login);
		watch_unlock(login);
		log_info("account=\"%s\" device=%s done=\"device remove\"",
		    r->account.name, r->label);
	}
	ctl_done(r);
}

const struct verb ctl_device_verbs[] = {
	{ "account device add", 2, CTL_NO_PASSWORD, take_option, run_add, done_add },
	{ "account device list", 1, CTL_NO_PASSWORD, NULL, run_list, done_list },
	{ "account device remove", 2, CTL_NO_PASSWORD, NULL, run_remove, done_remove },
	{ NULL, 0, CTL_NO_PASSWORD, NULL, NULL, NULL }
};
