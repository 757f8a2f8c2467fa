/*
 * account test: what a login by PLAIN with this name and password would meet,
 * source by source. Nothing is counted against the name or remembered for it.
 */
#include "lib/prelude.h"

#include "auth/ctl_private.h"
#include "auth/groups.h"
#include "auth/password.h"
#include "auth/sasl.h"
#include "auth/sources.h"
#include "auth/watch.h"
#include "lib/buf.h"
#include "lib/log.h"
#include "lib/xalloc.h"

#define LOCAL		"local"
#define SENDERS_TEXT	4096	/* more are cut off */

struct said {
	char	 source[ACCOUNT_MAX + 1];
	enum source_said said;
	char	 why[SOURCE_WHY_MAX + 1];
	uint32_t ms;
};

/* A test on its way through the sources. */
struct test {
	uint64_t id;		/* the request's */
	char	 name[ACCOUNT_MAX + 1];
	struct said *rows;
	size_t	 n;
};

static void
add_row(struct test *t, const char *source, enum source_said said,
    const char *why, uint32_t ms)
{
	struct said *row;

	t->rows = xreallocarray(t->rows, t->n + 1, sizeof(*t->rows));
	row = &t->rows[t->n++];
	snprintf(row->source, sizeof(row->source), "%s", source);
	row->said = said;
	snprintf(row->why, sizeof(row->why), "%s", why);
	row->ms = ms;
}

/* --- the answer ------------------------------------------------------------------- */

static void
send_row(const struct test *t, const struct said *row,
    const struct account *account)
{
	static const char *const words[SAIDS] = { "no answer", "right",
	    "wrong password", "unknown name", "refused", "not asked" };
	static const char *all[GROUPS_SENDERS_MAX];
	bool in = row->said == SAID_YES && account != NULL;
	struct buf senders;
	size_t i, n = in ? groups_senders(ctl_settings(), account, all) : 0;

	buf_init(&senders, SENDERS_TEXT);
	for (i = 0; i < n; i++)
		child_ctl_item(&senders, all[i]);
	child_ctl_row(t->id, 6);
	child_ctl_str("source", row->source);
	child_ctl_str("says", words[row->said]);
	child_ctl_num("ms", row->ms);
	child_ctl_str("cap", in ? ctl_cap_of(account) : "");
	child_ctl_list("senders", &senders);
	child_ctl_str("why", row->why);
	child_ctl_send();
}

/* account: of whoever is let in, or NULL. */
static void
answer(struct test *t, const struct account *account, bool temporary)
{
	const char *locked = watch_locked_until(t->name) == 0 ? "" :
	    "; but the name is locked for networks that it was never used "
	    "from (posternctl account unlock)";
	size_t i;

	for (i = 0; i < t->n; i++)
		send_row(t, &t->rows[i], account);
	if (account != NULL)
		child_ctl_end(t->id, CTL_OK, "%s is let in%s", t->name,
		    locked);
	else if (temporary)
		child_ctl_end(t->id, CTL_TEMPORARY, "%s is told to try again "
		    "later: not all that might know the name have answered%s",
		    t->name, locked);
	else
		child_ctl_end(t->id, CTL_FAILED, "%s is not let in with this "
		    "password%s", t->name, locked);
	free(t->rows);
	free(t);
}

static void
said(void *arg, const char *source, enum source_said what, const char *why,
    uint32_t ms)
{
	add_row(arg, source, what, why, ms);
}

static void
ended(void *arg, struct sasl_verdict *v)
{
	struct test *t = arg;
	const struct auth_conf *conf = ctl_settings();
	size_t i;

	/* It has not come as far as to a source. */
	for (i = 0; t->n == 1 && v->temporary && i < conf->grants.n; i++)
		add_row(t, CONF_AT(conf->grants, struct conf_grant, i)->source,
		    SAID_NOTHING, *v->why != '\0' ? v->why :
		    "postern-source does not run", 0);
	answer(t, v->good ? &v->account : NULL, v->temporary);
}

/* --- local accounts ---------------------------------------------------------------- */

/* Whether it is that of a device, whose label is kept. */
static bool
is_device(struct request *r)
{
	char typed[DEVICE_PASSWORD_LEN + 1];
	const struct account *a = &r->account;
	uint64_t mark;
	size_t i;

	if (!device_typed(buf_str(&r->password), r->password.len, typed))
		return false;
	mark = password_mark(ctl_accounts(), typed);
	for (i = 0; i < a->ndevices; i++)
		if (a->devices[i].mark == mark && verifier_check(
		    &a->devices[i].verifier, typed, DEVICE_PASSWORD_LEN))
			break;
	explicit_bzero(typed, sizeof(typed));
	if (i < a->ndevices)
		snprintf(r->label, sizeof(r->label), "%s",
		    a->devices[i].label);
	return i < a->ndevices;
}

static void
run_test(struct job *job)
{
	struct request *r = (struct request *)job;

	ctl_run_get(job);
	r->right = r->result == ACCOUNTS_OK && !r->account.suspended && (verifier_check(
	    &r->account.verifier, r->password.data, r->password.len) ||
	    is_device(r));
}

static void
tell_of_local(struct test *t, const struct request *r)
{
	const struct auth_conf *conf = ctl_settings();
	char why[SOURCE_WHY_MAX] = "";
	size_t i;

	if (r->result == ACCOUNTS_OK && r->account.suspended)
		snprintf(why, sizeof(why), "it is suspended: posternctl "
		    "account resume");
	else if (*r->label != '\0')
		snprintf(why, sizeof(why), "the password of its device %s",
		    r->label);
	else if (r->result != ACCOUNTS_OK && r->result != ACCOUNTS_NONE)
		snprintf(why, sizeof(why), "%s", "the accounts database "
		    "failed; the log says why");
	add_row(t, LOCAL, r->right ? SAID_YES : r->result == ACCOUNTS_OK &&
	    r->account.suspended ? SAID_NO : r->result == ACCOUNTS_OK ?
	    SAID_WRONG : r->result == ACCOUNTS_NONE ? SAID_UNKNOWN :
	    SAID_NOTHING, why, 0);
	for (i = 0; r->result != ACCOUNTS_NONE && i < conf->grants.n; i++)
		add_row(t, CONF_AT(conf->grants, struct conf_grant, i)->source,
		    SAID_NOT_ASKED, "not its turn: one above has decided", 0);
}

static void
done_test(struct job *job)
{
	static const struct sources_tester tester = { said, ended };
	struct request *r = (struct request *)job;
	struct test *t = xcalloc(1, sizeof(*t));

	t->id = r->id;
	snprintf(t->name, sizeof(t->name), "%s", r->account.name);
	tell_of_local(t, r);
	if (r->result == ACCOUNTS_NONE)
		sources_test(t->name, r->password.data, r->password.len,
		    &tester, t);
	else
		answer(t, r->right ? &r->account : NULL,
		    r->result != ACCOUNTS_OK);
	ctl_free(r);
}

const struct verb ctl_test_verbs[] = {
	{ "account test", 1, CTL_ANY_PASSWORD, NULL, run_test, done_test },
	{ NULL, 0, CTL_NO_PASSWORD, NULL, NULL, NULL }
};
