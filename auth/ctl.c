#include "lib/prelude.h"

#include "auth/ctl_private.h"
#include "auth/password.h"
#include "auth/revoke.h"
#include "lib/log.h"
#include "lib/xalloc.h"

static struct accounts *accounts;
static const struct auth_conf *conf;

/* A line for each room. */
static const struct verb *const rooms[] = {
	ctl_account_verbs, ctl_cert_verbs, ctl_device_verbs, ctl_list_verbs,
	ctl_lock_verbs,
	ctl_sender_verbs, ctl_test_verbs,
};

/* --- life ----------------------------------------------------------------------- */

static struct request *
request_new(uint64_t id, const struct verb *verb)
{
	struct request *r = xcalloc(1, sizeof(*r));

	r->id = id;
	r->verb = verb;
	r->iterations = conf->iterations;
	r->hashes = password_hashes(&conf->mechanisms);
	r->void_until_ms = revoke_until_ms();
	r->job.run = verb->run;
	r->job.done = verb->done;
	buf_init(&r->password, ACCOUNT_PASSWORD_MAX);
	return r;
}

void
ctl_free(struct request *r)
{
	size_t i;

	for (i = 0; i < r->nlisted; i++)
		account_clear(&r->listed[i]);
	free(r->listed);
	free(r->uses);
	explicit_bzero(&r->device, sizeof(r->device));
	account_clear(&r->account);
	buf_wipe(&r->password);
	free(r->pins);
	free(r->whom);
	free(r);
}

void
ctl_refuse(const struct request *r)
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
	case ACCOUNTS_REFUSED:
		child_ctl_end(r->id, r->refusal_code, "%s", r->refusal);
		break;
	default:
		if (r->ends)
			child_ctl_end(r->id, CTL_FAILED, "the accounts "
			    "database failed, the log says why, and nothing "
			    "was changed; posternctl account suspend %s works "
			    "all the same", r->account.name);
		else
			child_ctl_end(r->id, CTL_FAILED, "the accounts "
			    "database failed; the log says why");
	}
}

void
ctl_done(struct request *r)
{
	if (r->result == ACCOUNTS_OK)
		child_ctl_end(r->id, CTL_OK, "%s", "");
	else
		ctl_refuse(r);
	ctl_free(r);
}

enum accounts_result
ctl_refused(struct request *r, enum ctl_exit code, const char *why)
{
	r->refusal = why;
	r->refusal_code = code;
	return ACCOUNTS_REFUSED;
}

bool
ctl_revokes(struct request *r, const char *whose)
{
	r->ends = true;
	r->result = revoke_will(whose, r->void_until_ms);
	return r->result == ACCOUNTS_OK;
}

void
ctl_run_nothing(struct job *job)
{
	struct request *r = (struct request *)job;

	r->result = ACCOUNTS_OK;
}

void
ctl_run_get(struct job *job)
{
	struct request *r = (struct request *)job;
	struct account found;

	r->result = accounts_get(accounts, r->account.name, &found);
	if (r->result != ACCOUNTS_OK)
		return;
	account_clear(&r->account);
	r->account = found;
}

/* --- the request ------------------------------------------------------------------------ */

/* A name that no cap has would count as "default": a typo is not for that. */
const char *
ctl_take_cap(char cap[CAP_NAME_MAX + 1], const char *given)
{
	static char why[512];
	const char *bad = account_cap(given, cap);
	size_t i;
	int n;

	if (bad != NULL)
		return bad;
	for (i = 0; i < conf->caps.n; i++)
		if (strcmp(conf->caps.v[i], cap) == 0)
			return NULL;
	n = snprintf(why, sizeof(why), "there is no cap \"%s\" in "
	    "postern.conf; there is", cap);
	for (i = 0; i < conf->caps.n && n < (int)sizeof(why); i++)
		n += snprintf(why + n, sizeof(why) - (size_t)n, "%s %s",
		    i == 0 ? "" : ",", conf->caps.v[i]);
	return why;
}

static const char *
take_name(struct request *r, const char *given)
{
	static char text[512];
	const char *why = account_name(given, r->account.name);

	if (why == NULL || *given == '\0')
		return why;
	snprintf(text, sizeof(text), "\"%.200s\" is no name: %s",
	    log_escs(given), why);
	return text;
}

/* Fills the request from its arguments; a sentence when they are wrong. */
static const char *
parse(struct request *r, size_t argc, const char *const *argv,
    const uint8_t *secret, size_t secret_len)
{
	const struct verb *v = r->verb;
	const char *why = NULL;
	size_t i;

	if (argc < v->args || (argc > v->args && v->option == NULL))
		return v->args == 0 ? "no arguments are wanted" :
		    v->args == 1 ? "one name is wanted" :
		    "an account's name and a device's label are wanted";
	if (v->args > 0)
		why = take_name(r, argv[0]);
	if (why == NULL && v->args > 1)
		why = device_label(argv[1], r->label);
	snprintf(r->account.cap, sizeof(r->account.cap), "%s",
	    ACCOUNT_CAP_DEFAULT);
	for (i = v->args; why == NULL && i < argc; i++)
		why = v->option(r, argv[i]);
	if (why == NULL && v->password == CTL_NEW_PASSWORD)
		why = account_password(secret, secret_len);
	if (why == NULL && v->password == CTL_ANY_PASSWORD &&
	    (secret_len == 0 || memchr(secret, '\0', secret_len) != NULL))
		why = "a password is wanted";
	if (why == NULL && v->password != CTL_NO_PASSWORD &&
	    buf_add(&r->password, secret, secret_len) == -1)
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

struct accounts *
ctl_accounts(void)
{
	return accounts;
}

const struct auth_conf *
ctl_settings(void)
{
	return conf;
}

/* How many words of argv are the verb's; 0 unless all of it are there. */
static size_t
words_of(const struct verb *v, size_t argc, const char *const *argv)
{
	const char *w = v->words;
	size_t n = 0, len;

	while (*w != '\0') {
		len = strcspn(w, " ");
		if (n == argc || strlen(argv[n]) != len ||
		    strncmp(argv[n], w, len) != 0)
			return 0;
		n++;
		w += len + (w[len] == ' ');
	}
	return n;
}

static const struct verb *
find(size_t argc, const char *const *argv, size_t *words)
{
	const struct verb *v;
	size_t i;

	for (i = 0; i < nitems(rooms); i++)
		for (v = rooms[i]; v->words != NULL; v++)
			if ((*words = words_of(v, argc, argv)) > 0)
				return v;
	return NULL;
}

void
ctl_request(uint64_t id, size_t argc, const char *const *argv,
    const uint8_t *secret, size_t secret_len)
{
	size_t words = 0;
	const struct verb *v = find(argc, argv, &words);
	struct request *r;
	const char *why;

	if (v == NULL) {
		child_ctl_end(id, CTL_USAGE, "there is no such verb; see "
		    "posternctl --help");
		return;
	}
	if (accounts == NULL) {
		child_ctl_end(id, CTL_TEMPORARY, "auth is still starting; try "
		    "again");
		return;
	}
	r = request_new(id, v);
	why = parse(r, argc - words, argv + words, secret, secret_len);
	if (why != NULL) {
		child_ctl_end(id, CTL_USAGE, "%s", why);
		ctl_free(r);
		return;
	}
	r->job.lane = worker_lane(WORK_LONG, true);
	worker_submit(&r->job);
}
