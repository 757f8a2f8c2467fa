/* The verbs that change what an account may send as, and its cap. */
#include "lib/prelude.h"

#include "auth/ctl_private.h"
#include "auth/revoke.h"
#include "lib/log.h"

/* --- what is asked for ------------------------------------------------------------------ */

const char *
ctl_take_sending(struct request *r, const char *option)
{
	static const char *const pluses[ACCOUNT_PLUSES] = {
		[ACCOUNT_PLUS_CONF] = "default", [ACCOUNT_PLUS_ON] = "on",
		[ACCOUNT_PLUS_OFF] = "off",
	};
	int i;

	if (strncmp(option, "cap=", 4) == 0) {
		r->sets |= REQUEST_CAP;
		return ctl_take_cap(r->account.cap, option + 4);
	}
	if (strncmp(option, "rewrite=", 8) == 0) {
		r->sets |= REQUEST_REWRITE;
		r->account.rewrite = strcmp(option + 8, "on") == 0;
		return r->account.rewrite || strcmp(option + 8, "off") == 0 ?
		    NULL : "--rewrite is on or off";
	}
	if (strncmp(option, "plus=", 5) != 0)
		return "the options are --cap, --plus and --rewrite";
	for (i = 0; i < ACCOUNT_PLUSES; i++)
		if (strcmp(option + 5, pluses[i]) == 0) {
			r->sets |= REQUEST_PLUS;
			r->account.plus = (enum account_plus)i;
			return NULL;
		}
	return "--plus is on, off or default";
}

const char *
ctl_take_sender(struct request *r, const char *given)
{
	char pattern[ACCOUNT_MAX + 1];
	static char text[512];
	const char *why = account_sender(given, pattern);

	if (why != NULL) {
		snprintf(text, sizeof(text), "\"%.200s\" is no sender, which is "
		    "an address or \"@\" and a domain: %s", log_escs(given),
		    why);
		return text;
	}
	return account_add_sender(&r->account, pattern) ? NULL :
	    "an account has at most 256 senders";
}

/* --- set ------------------------------------------------------------------------------------ */

/* Rewriting needs something to write. */
static enum accounts_result
still_good(struct request *r, const struct account *a)
{
	return a->rewrite && account_own_address(a) == NULL ? ctl_refused(r,
	    CTL_FAILED, "rewriting needs an address of the account's own: its "
	    "name, or a sender that is no domain") : ACCOUNTS_OK;
}

static enum accounts_result
set(struct account *a, void *arg)
{
	struct request *r = arg;

	if (r->sets & REQUEST_CAP)
		memcpy(a->cap, r->account.cap, sizeof(a->cap));
	if (r->sets & REQUEST_PLUS)
		a->plus = r->account.plus;
	if (r->sets & REQUEST_REWRITE)
		a->rewrite = r->account.rewrite;
	a->changed_ms = r->account.changed_ms;
	return still_good(r, a);
}

static enum accounts_result
change(struct request *r, accounts_changer *changer)
{
	return !ctl_revokes(r, r->account.name) ? r->result :
	    accounts_change(ctl_accounts(), r->account.name, changer, r);
}

static void
run_set(struct job *job)
{
	struct request *r = (struct request *)job;

	r->result = r->sets == 0 ? ctl_refused(r, CTL_USAGE, "nothing to set: "
	    "--cap, --plus or --rewrite says what") :
	    change(r, set);
}

/* --- senders ----------------------------------------------------------------------------- */

static bool
has(const struct account *a, const char *pattern)
{
	size_t i;

	for (i = 0; i < a->nsenders; i++)
		if (strcmp(a->senders[i], pattern) == 0)
			return true;
	return false;
}

/* What is there already may be said again. */
static enum accounts_result
add(struct account *a, void *arg)
{
	struct request *r = arg;
	size_t i;

	for (i = 0; i < r->account.nsenders; i++)
		if (!has(a, r->account.senders[i]) &&
		    !account_add_sender(a, r->account.senders[i]))
			return ctl_refused(r, CTL_FAILED, "an account has at "
			    "most 256 senders; a group has room for more");
	a->changed_ms = r->account.changed_ms;
	return ACCOUNTS_OK;
}

static enum accounts_result
drop(struct account *a, void *arg)
{
	struct request *r = arg;
	size_t i;

	for (i = 0; i < r->account.nsenders; i++)
		if (!account_drop_sender(a, r->account.senders[i]))
			return ctl_refused(r, CTL_NOT_FOUND, "the account has "
			    "no such sender, and nothing was changed; see "
			    "posternctl account show");
	a->changed_ms = r->account.changed_ms;
	return still_good(r, a);
}

static void
run_sender(struct request *r, accounts_changer *changer)
{
	r->result = r->account.nsenders == 0 ? ctl_refused(r, CTL_USAGE,
	    "a sender is missing: an address, or \"@\" and a domain") :
	    change(r, changer);
}

static void
run_add(struct job *job)
{
	run_sender((struct request *)job, add);
}

static void
run_drop(struct job *job)
{
	run_sender((struct request *)job, drop);
}

/* A session that is open knows the account as it was. */
static void
done(struct job *job)
{
	struct request *r = (struct request *)job;

	if (r->result == ACCOUNTS_OK) {
		revoke_account(r->account.name);
		log_info("account=\"%s\" done=\"%s\"", r->account.name,
		    strchr(r->verb->words, ' ') + 1);
	}
	ctl_done(r);
}

const struct verb ctl_sender_verbs[] = {
	{ "account set", 1, CTL_NO_PASSWORD, ctl_take_sending, run_set, done },
	{ "account sender add", 1, CTL_NO_PASSWORD, ctl_take_sender, run_add, done },
	{ "account sender remove", 1, CTL_NO_PASSWORD, ctl_take_sender, run_drop, done },
	{ NULL, 0, CTL_NO_PASSWORD, NULL, NULL, NULL }
};
