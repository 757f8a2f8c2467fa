/*
 * All accounts, piece by piece: to list them, and to see what they lack, for the
 * log or for posternctl reload.
 */
#include "lib/prelude.h"

#include "auth/ctl_private.h"
#include "auth/password.h"
#include "lib/log.h"
#include "lib/xalloc.h"

#define LIST_BATCH	200	/* accounts read per turn */
#define BACKLOG_HIGH	(1024 * 1024)
#define BACKLOG_WAIT_MS	10

/* --- list ------------------------------------------------------------------------- */

static void
listed_clear(struct request *r)
{
	size_t i;

	for (i = 0; i < r->nlisted; i++)
		account_clear(&r->listed[i]);
	r->nlisted = 0;
}

/* The next batch behind r->account.name. */
static void
run_list(struct job *job)
{
	struct request *r = (struct request *)job;
	struct account *a;

	if (r->listed == NULL)
		r->listed = xcalloc(LIST_BATCH, sizeof(*r->listed));
	while (r->nlisted < LIST_BATCH) {
		a = &r->listed[r->nlisted];
		r->result = accounts_next(ctl_accounts(), r->account.name, a);
		if (r->result != ACCOUNTS_OK && r->result != ACCOUNTS_DAMAGED)
			return;
		snprintf(r->account.name, sizeof(r->account.name), "%s",
		    a->name);
		r->nlisted++;
	}
}

static void
list_on_cb(void *arg)
{
	struct request *r = arg;

	if (child_ctl_backlog() > BACKLOG_HIGH)
		ev_timer_set(&r->timer, BACKLOG_WAIT_MS);
	else
		worker_submit(&r->job);
}

static void
done_list(struct job *job)
{
	struct request *r = (struct request *)job;
	size_t i;

	for (i = 0; i < r->nlisted; i++)
		ctl_account_row(r, &r->listed[i], false);
	listed_clear(r);
	if (r->result == ACCOUNTS_OK || r->result == ACCOUNTS_DAMAGED) {
		ev_timer_init(&r->timer, list_on_cb, r);
		list_on_cb(r);
		return;
	}
	if (r->result == ACCOUNTS_NONE)		/* the end was reached */
		r->result = ACCOUNTS_OK;
	ctl_done(r);
}

/* --- what does not fit the configuration ------------------------------------------- */

struct look {
	struct job job;		/* first */
	uint64_t asked;		/* the request it answers; 0: the log hears it */
	char	**caps;		/* those there are; a reload may come meanwhile */
	size_t	 n;
	size_t	 missing;	/* accounts whose cap is none of them */
	char	 account[ACCOUNT_MAX + 1], cap[CAP_NAME_MAX + 1];
	uint32_t hashes;	/* of mechanisms that are offered */
	size_t	 without[SCRAM_HASHES]; /* accounts that have no verifier */
};

static void
count_missing(struct look *l, const struct account *a)
{
	uint32_t missing = password_missing(a->further, l->hashes);
	int hash;

	for (hash = 0; hash < SCRAM_HASHES; hash++)
		l->without[hash] += missing >> hash & 1;
}

static void
run_look(struct job *job)
{
	struct look *l = (struct look *)job;
	char last[ACCOUNT_MAX + 1] = "";
	enum accounts_result r;
	struct account a;
	size_t i;

	while ((r = accounts_next(ctl_accounts(), last, &a)) == ACCOUNTS_OK ||
	    r == ACCOUNTS_DAMAGED) {
		memcpy(last, a.name, sizeof(last));
		for (i = 0; i < l->n && strcmp(l->caps[i], a.cap) != 0; i++)
			;
		if (r == ACCOUNTS_OK && i == l->n && l->missing++ == 0) {
			memcpy(l->account, a.name, sizeof(l->account));
			memcpy(l->cap, a.cap, sizeof(l->cap));
		}
		if (r == ACCOUNTS_OK)
			count_missing(l, &a);
		account_clear(&a);
	}
}

/* Who reloads is told of what he has just taken away, and of no more. */
static void
answer(const struct look *l)
{
	if (l->missing == 0)
		child_ctl_end(l->asked, CTL_OK, "%s", "");
	else
		child_ctl_end(l->asked, CTL_OK, "the cap %s of account %s%s is "
		    "not in postern.conf, so default counts: name it again, or "
		    "posternctl account set NAME --cap CAP", l->cap,
		    l->account, l->missing == 1 ? "" : ", or those of others,");
}

static void
log_look(const struct look *l)
{
	size_t i;

	if (l->missing > 0)
		log_warnx("account=\"%s\" cap=\"%s\" is not in postern.conf; "
		    "the cap default counts for it%s; name the cap again, or "
		    "posternctl account set NAME --cap CAP", log_escs(l->account),
		    log_escs(l->cap), l->missing > 1 ? " and others" : "");
	for (i = 0; i < SCRAM_HASHES; i++)
		if (l->without[i] > 0)
			log_warnx("mechanism=%s accounts=%zu have no verifier "
			    "for it, and programs that choose it cannot log "
			    "in; a login by PLAIN or LOGIN adds it, and so "
			    "does posternctl account passwd",
			    verifier_mechanism((enum scram_hash)i),
			    l->without[i]);
}

static void
done_look(struct job *job)
{
	struct look *l = (struct look *)job;
	size_t i;

	if (l->asked != 0)
		answer(l);
	else
		log_look(l);
	for (i = 0; i < l->n; i++)
		free(l->caps[i]);
	free(l->caps);
	free(l);
}

static void
look_over(uint64_t asked)
{
	const struct auth_conf *conf = ctl_settings();
	struct look *l = xcalloc(1, sizeof(*l));

	l->asked = asked;
	l->caps = xcalloc(conf->caps.n, sizeof(*l->caps));
	for (; l->n < conf->caps.n; l->n++)
		l->caps[l->n] = xstrdup(conf->caps.v[l->n]);
	l->hashes = password_hashes(&conf->mechanisms);
	l->job.run = run_look;
	l->job.done = done_look;
	l->job.lane = worker_lane(WORK_LONG, true);
	worker_submit(&l->job);
}

void
ctl_look_over(void)
{
	look_over(0);
}

static void
done_look_over(struct job *job)
{
	struct request *r = (struct request *)job;

	look_over(r->id);
	ctl_free(r);
}

const struct verb ctl_list_verbs[] = {
	{ "account list", 0, CTL_NO_PASSWORD, NULL, run_list, done_list },
	{ "account look-over", 0, CTL_NO_PASSWORD, NULL, ctl_run_nothing,
	    done_look_over },
	{ NULL, 0, CTL_NO_PASSWORD, NULL, NULL, NULL }
};
