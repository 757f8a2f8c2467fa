#include "lib/prelude.h"

#include "auth/accounts.h"
#include "auth/ctl.h"
#include "auth/revoke.h"
#include "auth/watch.h"
#include "auth/worker.h"
#include "lib/child.h"
#include "lib/ev.h"
#include "lib/log.h"
#include "lib/xalloc.h"

#define LIST_BATCH	200	/* accounts read per turn */
#define BACKLOG_HIGH	(1024 * 1024)
#define BACKLOG_WAIT_MS	10

/* A verb being carried out. */
struct request {
	struct job job;		/* first: the job is the request */
	uint64_t id;
	const struct verb *verb;
	uint32_t iterations;
	struct account account;	/* name and, when adding, all the rest */
	struct buf password;
	enum accounts_result result;
	struct account *listed;	/* of one batch; damaged ones have no cap */
	size_t	 nlisted;
	struct ev_timer timer;
};

struct verb {
	const char *word;
	size_t	 args;		/* names, behind the words */
	bool	 options, password;
	void	(*run)(struct job *);
	void	(*done)(struct job *);
};

static struct accounts *accounts;
static const struct auth_conf *conf;

/* --- life ----------------------------------------------------------------------- */

static struct request *
request_new(uint64_t id, const struct verb *verb)
{
	struct request *r = xcalloc(1, sizeof(*r));

	r->id = id;
	r->verb = verb;
	r->iterations = conf->iterations;
	r->job.run = verb->run;
	r->job.done = verb->done;
	buf_init(&r->password, ACCOUNT_PASSWORD_MAX);
	return r;
}

static void
listed_clear(struct request *r)
{
	size_t i;

	for (i = 0; i < r->nlisted; i++)
		account_clear(&r->listed[i]);
	r->nlisted = 0;
}

static void
request_free(struct request *r)
{
	account_clear(&r->account);
	buf_wipe(&r->password);
	listed_clear(r);
	free(r->listed);
	free(r);
}

/* Ends a request that was not carried out, with the reason. */
static void
refuse(const struct request *r)
{
	switch (r->result) {
	case ACCOUNTS_NONE:
		child_ctl_end(r->id, CTL_NOT_FOUND, "there is no account %s; "
		    "see posternctl account list", r->account.name);
		break;
	case ACCOUNTS_EXISTS:
		child_ctl_end(r->id, CTL_FAILED, "account %s exists already; "
		    "posternctl account passwd changes its password",
		    r->account.name);
		break;
	case ACCOUNTS_DAMAGED:
		child_ctl_end(r->id, CTL_FAILED, "account %s is damaged; "
		    "remove it and add it again", r->account.name);
		break;
	default:
		child_ctl_end(r->id, CTL_FAILED, "the accounts database "
		    "failed; the log says why");
	}
}

/* --- add, passwd, remove ------------------------------------------------------------ */

static void
run_add(struct job *job)
{
	struct request *r = (struct request *)job;

	verifier_make(&r->account.verifier, r->password.data, r->password.len,
	    r->iterations);
	r->result = accounts_add(accounts, &r->account);
}

static void
run_passwd(struct job *job)
{
	struct request *r = (struct request *)job;

	verifier_make(&r->account.verifier, r->password.data, r->password.len,
	    r->iterations);
	r->result = accounts_set_verifier(accounts, r->account.name,
	    &r->account.verifier, r->account.changed_ms);
}

static void
run_remove(struct job *job)
{
	struct request *r = (struct request *)job;

	r->result = accounts_remove(accounts, r->account.name);
}

static void
done_change(struct job *job)
{
	struct request *r = (struct request *)job;

	if (r->result == ACCOUNTS_OK) {
		watch_unlock(r->account.name);
		/* A new account may have the name of an old one. */
		revoke_account(r->account.name, conf->ticket_sec);
		log_info("account=\"%s\" done=%s", r->account.name,
		    r->verb->word);
		child_ctl_end(r->id, CTL_OK, "%s", "");
	} else
		refuse(r);
	request_free(r);
}

/* --- show, list ----------------------------------------------------------------------- */

/* Patterns as one text, comma between; freed by the caller. */
static char *
senders_of(const struct account *a)
{
	struct buf b;
	size_t i, len;

	buf_init(&b, ACCOUNT_RECORD_MAX);
	for (i = 0; i < a->nsenders; i++)
		if ((i > 0 && buf_adds(&b, ", ") == -1) ||
		    buf_adds(&b, a->senders[i]) == -1)
			fatalx("an account outgrew its record");
	return buf_steal(&b, &len);
}

static void
send_row(uint64_t id, const struct account *a, bool full)
{
	char *senders = senders_of(a);

	uint64_t locked = watch_locked_until(a->name);

	child_ctl_row(id, full ? 8 : 5);
	child_ctl_str("account", a->name);
	child_ctl_str("cap", a->cap);
	child_ctl_str("senders", senders);
	child_ctl_time("changed", a->changed_ms);
	child_ctl_time("locked_until", locked);
	if (full) {
		child_ctl_time("created", a->created_ms);
		child_ctl_str("verifier", "SCRAM-SHA-256");
		child_ctl_num("iterations", a->verifier.iterations);
	}
	child_ctl_send();
	free(senders);
}

static void
run_show(struct job *job)
{
	struct request *r = (struct request *)job;
	struct account found;

	r->result = accounts_get(accounts, r->account.name, &found);
	if (r->result != ACCOUNTS_OK)
		return;
	account_clear(&r->account);
	r->account = found;
}

static void
done_show(struct job *job)
{
	struct request *r = (struct request *)job;

	if (r->result == ACCOUNTS_OK) {
		send_row(r->id, &r->account, true);
		child_ctl_end(r->id, CTL_OK, "%s", "");
	} else
		refuse(r);
	request_free(r);
}

static void
done_unlock(struct job *job)
{
	struct request *r = (struct request *)job;

	if (r->result == ACCOUNTS_OK) {
		watch_unlock(r->account.name);
		log_info("account=\"%s\" done=unlock", r->account.name);
		child_ctl_end(r->id, CTL_OK, "%s", "");
	} else
		refuse(r);
	request_free(r);
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
		r->result = accounts_next(accounts, r->account.name, a);
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
		send_row(r->id, &r->listed[i], false);
	listed_clear(r);
	if (r->result == ACCOUNTS_OK || r->result == ACCOUNTS_DAMAGED) {
		ev_timer_init(&r->timer, list_on_cb, r);
		list_on_cb(r);
		return;
	}
	if (r->result == ACCOUNTS_NONE)		/* the end was reached */
		child_ctl_end(r->id, CTL_OK, "%s", "");
	else
		refuse(r);
	request_free(r);
}

/* --- caps that are gone ------------------------------------------------------------------ */

struct look {
	struct job job;		/* first */
	char	**caps;		/* those there are; a reload may come meanwhile */
	size_t	 n;
	size_t	 missing;	/* accounts whose cap is none of them */
	char	 account[ACCOUNT_MAX + 1], cap[CAP_NAME_MAX + 1];
};

static void
run_look(struct job *job)
{
	struct look *l = (struct look *)job;
	char last[ACCOUNT_MAX + 1] = "";
	enum accounts_result r;
	struct account a;
	size_t i;

	while ((r = accounts_next(accounts, last, &a)) == ACCOUNTS_OK ||
	    r == ACCOUNTS_DAMAGED) {
		memcpy(last, a.name, sizeof(last));
		for (i = 0; i < l->n && strcmp(l->caps[i], a.cap) != 0; i++)
			;
		if (r == ACCOUNTS_OK && i == l->n && l->missing++ == 0) {
			memcpy(l->account, a.name, sizeof(l->account));
			memcpy(l->cap, a.cap, sizeof(l->cap));
		}
		account_clear(&a);
	}
}

static void
done_look(struct job *job)
{
	struct look *l = (struct look *)job;
	size_t i;

	if (l->missing > 0)
		log_warnx("account=\"%s\" cap=\"%s\" is not in postern.conf; "
		    "the cap default counts for it%s; name the cap again, or "
		    "remove and add the account", log_escs(l->account),
		    log_escs(l->cap), l->missing > 1 ? " and others" : "");
	for (i = 0; i < l->n; i++)
		free(l->caps[i]);
	free(l->caps);
	free(l);
}

void
ctl_look_for_caps(void)
{
	struct look *l = xcalloc(1, sizeof(*l));

	l->caps = xcalloc(conf->caps.n, sizeof(*l->caps));
	for (; l->n < conf->caps.n; l->n++)
		l->caps[l->n] = xstrdup(conf->caps.v[l->n]);
	l->job.run = run_look;
	l->job.done = done_look;
	l->job.lane = worker_lane(true);
	worker_submit(&l->job);
}

/* --- the request ------------------------------------------------------------------------ */

static const struct verb verbs[] = {
	{ "add", 1, true, true, run_add, done_change },
	{ "passwd", 1, false, true, run_passwd, done_change },
	{ "remove", 1, false, false, run_remove, done_change },
	{ "unlock", 1, false, false, run_show, done_unlock },
	{ "show", 1, false, false, run_show, done_show },
	{ "list", 0, false, false, run_list, done_list },
};

/* A name that no cap has would count as "default": a typo is not for that. */
static const char *
take_cap(struct account *a, const char *given)
{
	static char why[512];
	const char *bad = account_cap(given, a->cap);
	size_t i;
	int n;

	if (bad != NULL)
		return bad;
	for (i = 0; i < conf->caps.n; i++)
		if (strcmp(conf->caps.v[i], a->cap) == 0)
			return NULL;
	n = snprintf(why, sizeof(why), "there is no cap \"%s\" in "
	    "postern.conf; there is", a->cap);
	for (i = 0; i < conf->caps.n && n < (int)sizeof(why); i++)
		n += snprintf(why + n, sizeof(why) - (size_t)n, "%s %s",
		    i == 0 ? "" : ",", conf->caps.v[i]);
	return why;
}

static const char *
take_option(struct account *a, const char *option)
{
	char pattern[ACCOUNT_MAX + 1];
	const char *why;

	if (strncmp(option, "cap=", 4) == 0)
		return take_cap(a, option + 4);
	if (strncmp(option, "sender=", 7) != 0)
		return "the options are --cap and --sender";
	why = account_sender(option + 7, pattern);
	if (why != NULL)
		return why;
	return account_add_sender(a, pattern) ? NULL :
	    "an account has at most 256 senders";
}

/* Fills the request from its arguments; a sentence when they are wrong. */
static const char *
parse(struct request *r, size_t argc, const char *const *argv,
    const uint8_t *secret, size_t secret_len)
{
	const struct verb *v = r->verb;
	const char *why = NULL;
	size_t i;

	if (argc < v->args || (argc > v->args && !v->options))
		return v->args == 0 ? "no arguments are wanted" :
		    "one name is wanted";
	if (v->args > 0)
		why = account_name(argv[0], r->account.name);
	snprintf(r->account.cap, sizeof(r->account.cap), "%s",
	    ACCOUNT_CAP_DEFAULT);
	for (i = v->args; why == NULL && i < argc; i++)
		why = take_option(&r->account, argv[i]);
	if (why == NULL && v->password)
		why = account_password(secret, secret_len);
	if (why == NULL && v->password && buf_add(&r->password, secret,
	    secret_len) == -1)
		why = "the password is too long";
	r->account.created_ms = r->account.changed_ms = ev_wall_ms();
	return why;
}

void
ctl_conf(struct accounts *a, const struct auth_conf *c)
{
	accounts = a;
	conf = c;
}

void
ctl_request(uint64_t id, size_t argc, const char *const *argv,
    const uint8_t *secret, size_t secret_len)
{
	const struct verb *v = NULL;
	struct request *r;
	const char *why;
	size_t i;

	for (i = 0; argc >= 2 && strcmp(argv[0], "account") == 0 &&
	    i < nitems(verbs); i++)
		if (strcmp(argv[1], verbs[i].word) == 0)
			v = &verbs[i];
	if (v == NULL) {
		child_ctl_end(id, CTL_USAGE, "account add, passwd, list, show, "
		    "unlock and remove are what there is");
		return;
	}
	if (accounts == NULL) {
		child_ctl_end(id, CTL_TEMPORARY, "auth is still starting; try "
		    "again");
		return;
	}
	r = request_new(id, v);
	why = parse(r, argc - 2, argv + 2, secret, secret_len);
	if (why != NULL) {
		child_ctl_end(id, CTL_USAGE, "%s", why);
		request_free(r);
		return;
	}
	r->job.lane = worker_lane(true);
	worker_submit(&r->job);
}
