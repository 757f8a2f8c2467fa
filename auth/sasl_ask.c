/*
 * What libsasl2 asks about an account: how a name is written, whether a
 * password is right (PLAIN, LOGIN), who may act as whom and, by way of an
 * auxprop plugin, the verifier (SCRAM).
 */
#include "lib/prelude.h"

#include "auth/accounts.h"
#include "auth/cache.h"
#include "auth/password.h"
#include "auth/pins.h"
#include "auth/sasl_private.h"

#define NO_NAME		"?"	/* account_name() takes none like this */

static struct accounts *accounts;

void
sasl_login_accounts(struct accounts *a)
{
	accounts = a;
}

bool
sasl_pinned(struct sasl_login *l, char name[ACCOUNT_MAX + 1])
{
	enum accounts_result r = accounts == NULL ? ACCOUNTS_ERROR :
	    pins_find(accounts_records(accounts), l->p.external_pin, name);

	l->trouble = r == ACCOUNTS_ERROR;
	return r == ACCOUNTS_OK;
}

uint64_t
sasl_hash(const char *secret, size_t len)
{
	return accounts_hash(accounts, secret, len);
}

/* Nobody's: only the passwords that its devices once had are remembered. */
static void
forget_all_but_gone(struct account *a)
{
	struct device_gone *gone = a->gone;
	size_t n = a->ngone;

	a->gone = NULL;
	account_clear(a);
	a->gone = gone;
	a->ngone = n;
}

/* The account of that name, or of "account/label" if it has such a device. */
static enum accounts_result
find(struct sasl_login *l, const char *name)
{
	char account[ACCOUNT_MAX + 1];
	const char *label = device_split(name, account);
	enum accounts_result r = accounts == NULL ? ACCOUNTS_ERROR :
	    accounts_get(accounts, account, &l->account);

	if (r != ACCOUNTS_OK || *label == '\0')
		return r;
	l->device = account_device(&l->account, label);
	if (l->device != NULL)
		return ACCOUNTS_OK;
	forget_all_but_gone(&l->account);
	return ACCOUNTS_NONE;
}

/* Keeps the account that goes with a name in the login. */
void
sasl_look_up(struct sasl_login *l, const char *name)
{
	enum accounts_result r;

	if (strcmp(l->tried, name) == 0 && *name != '\0')
		return;
	account_clear(&l->account);
	l->device = NULL;
	snprintf(l->tried, sizeof(l->tried), "%s", name);
	r = find(l, name);
	l->known = r == ACCOUNTS_OK;
	l->trouble = r == ACCOUNTS_ERROR;
	if (!l->known && !l->trouble)
		accounts_fake(accounts, name, l->p.iterations,
		    &l->account.verifier);
}

/*
 * A name as accounts are stored: ASCII in lower case. What could be no name
 * becomes one that nobody has, and goes the way of all wrong names: libsasl2's
 * LOGIN forgets to free the password when told that a name is bad, and takes
 * one with a space in front for such.
 */
void
sasl_canonical(const char *in, size_t len, char out[ACCOUNT_MAX + 1])
{
	if (len == 0 || len > ACCOUNT_MAX || in[0] == ' ' ||
	    in[len - 1] == ' ' || !addr_utf8_ok(in, len)) {
		in = NO_NAME;
		len = sizeof(NO_NAME) - 1;
	}
	memcpy(out, in, len);
	out[len] = '\0';
	addr_lower(out);
}

int
sasl_canon_user_cb(sasl_conn_t *conn, void *context, const char *in,
    unsigned int len, unsigned int flags, const char *realm, char *out,
    unsigned int out_max, unsigned int *out_len)
{
	char name[ACCOUNT_MAX + 1];

	sasl_canonical(in, len, name);
	*out_len = (unsigned int)strlen(name);
	if (*out_len >= out_max)
		return SASL_BUFOVER;
	memcpy(out, name, *out_len + 1);
	return SASL_OK;
}

static void
bar(struct sasl_login *l, const char *why, const char *label)
{
	l->barred = why;
	snprintf(l->label, sizeof(l->label), "%s", label);
}

/*
 * Whose password that is, where the name does not say it: one look at the
 * marks, so that many devices cost no more than none. That of a device which
 * was removed is no guess.
 */
static void
find_device(struct sasl_login *l, const char *typed)
{
	struct account *a = &l->account;
	uint64_t mark = password_mark(accounts, typed);
	size_t i;

	for (i = 0; l->device == NULL && i < a->ndevices; i++)
		if (a->devices[i].mark == mark)
			l->device = &a->devices[i];
	for (i = 0; l->device == NULL && i < a->ngone; i++)
		if (a->gone[i].mark == mark) {
			l->harmless = true;
			bar(l, "device-removed", a->gone[i].label);
		}
}

/* Costs the same whether or not it is, and whoever is asked for. */
static bool
is_right(struct sasl_login *l, const char *pass, size_t len)
{
	const struct verifier *v = l->device != NULL ? &l->device->verifier :
	    &l->account.verifier;
	const char *name = l->account.name;
	bool quick = l->known && !l->account.suspended;

	if (quick && cache_knows(name, v, pass, len, l->now_ms))
		return true;
	if (len > ACCOUNT_PASSWORD_MAX || !verifier_check(v, pass, len) ||
	    !l->known)
		return false;
	if (!quick)
		return true;
	cache_learn(name, v, pass, len, l->now_ms, l->p.cache_sec);
	password_complete(accounts, &l->account, l->device, pass, len,
	    l->p.hashes);
	return true;
}

/*
 * A right password from the wrong place, or too late: no guess either. But that
 * of a suspended account is as good as a wrong one, in all that follows: who
 * guesses at it must not hear that he has it.
 */
static bool
may_come(struct sasl_login *l)
{
	const char *why = l->device == NULL ? NULL : device_barred(l->device,
	    l->p.peer, l->p.wall_ms);

	if (l->account.suspended) {
		bar(l, "suspended", "");
		return false;
	}
	if (why == NULL)
		return true;
	l->harmless = true;
	bar(l, why, l->device->label);
	return false;
}

/* What cannot be an account's name and password is asked nobody. */
static bool
may_ask(const struct sasl_login *l, const char *name, const char *pass,
    size_t len)
{
	char proper[ACCOUNT_MAX + 1];

	return l->p.sources && len > 0 && len <= ACCOUNT_PASSWORD_MAX &&
	    memchr(pass, '\0', len) == NULL &&
	    account_name(name, proper) == NULL && strcmp(name, proper) == 0;
}

/* Others are asked; what they say comes to heard(). */
static int
ask(struct sasl_login *l, const char *name, const char *pass, size_t len)
{
	l->ask = SASL_ASK_SOURCE;
	l->asks = buf_add(&l->question, name, strlen(name) + 1) == 0 &&
	    buf_add(&l->question, pass, len) == 0;
	return SASL_BADAUTH;
}

/*
 * The name has an account here and the password is wrong, which strangers must
 * not be able to tell from a name that others were asked about: not by the time
 * that these took, nor by their being out of order. So they are asked about
 * nobody in the same domain, which shows them neither name nor password.
 */
static int
ask_about_nobody(struct sasl_login *l, const char *name)
{
	const char *at = strrchr(name, '@');
	char nobody[ACCOUNT_MAX + 1];

	snprintf(nobody, sizeof(nobody), "%016llx%s",
	    (unsigned long long)sasl_hash(name, strlen(name)),
	    at == NULL ? "" : at);
	return ask(l, nobody, nobody, 16);
}

/*
 * The answer. For a name with an account, whose password was looked at before,
 * it is never yes; for another "no" takes as long as that.
 */
static int
heard(struct sasl_login *l, const char *pass, size_t len)
{
	struct sasl_verdict *v = l->verdict;

	if (!l->known)
		snprintf(l->why, sizeof(l->why), "%s", v->why);
	else if (v->temporary)
		snprintf(l->why, sizeof(l->why), "the %s; it hears what names "
		    "without an account here do: %.100s", l->barred != NULL ?
		    "account is suspended" : "password is wrong", v->why);
	if (v->good && !l->known) {
		account_clear(&l->account);
		l->account = v->account;
		memset(&v->account, 0, sizeof(v->account));
		l->known = true;
		return SASL_OK;
	}
	if (!l->known)
		(void)verifier_check(&l->account.verifier, pass, len);
	l->trouble = v->temporary;
	l->judged = true;
	l->wrong = sasl_hash(pass, len);
	return v->temporary ? SASL_UNAVAIL : SASL_BADAUTH;
}

int
sasl_checkpass_cb(sasl_conn_t *conn, void *context, const char *user,
    const char *pass, unsigned int len, struct propctx *propctx)
{
	struct sasl_login *l = sasl_current;
	char name[ACCOUNT_MAX + 1], typed[DEVICE_PASSWORD_LEN + 1];
	bool good, elsewhere;

	if (l->verdict != NULL)
		return heard(l, pass, len);
	sasl_canonical(user, strlen(user), name);
	sasl_look_up(l, name);
	if (l->trouble)
		return SASL_UNAVAIL;
	elsewhere = may_ask(l, name, pass, len);
	if (!l->known && elsewhere)
		return ask(l, name, pass, len);
	if (device_typed(pass, len, typed))
		find_device(l, typed);
	if (l->device != NULL && device_typed(pass, len, typed)) {
		pass = typed;
		len = DEVICE_PASSWORD_LEN;
	}
	good = is_right(l, pass, len) && may_come(l);
	if (!good)
		l->wrong = sasl_hash(pass, len);
	l->judged = true;
	explicit_bzero(typed, sizeof(typed));
	if (!good && elsewhere && !l->harmless)
		return ask_about_nobody(l, name);
	return good ? SASL_OK : SASL_BADAUTH;
}

/* Nobody acts as somebody else; names are canonical by now. */
int
sasl_proxy_policy_cb(sasl_conn_t *conn, void *context, const char *requested,
    unsigned int rlen, const char *authenticated, unsigned int alen,
    const char *realm, unsigned int urlen, struct propctx *propctx)
{
	return rlen == alen && memcmp(requested, authenticated, alen) == 0 ?
	    SASL_OK : SASL_NOAUTHZ;
}

/*
 * What SCRAM is told of the name that was looked up. A device that may not come
 * is shown what no password fits: it must not hear that its own is right.
 */
static void
show(struct sasl_login *l, const char *name, char text[VERIFIER_TEXT_MAX])
{
	int hash = verifier_hash_of(l->p.mechanism);
	const struct verifier *main = l->device != NULL ?
	    &l->device->verifier : &l->account.verifier;
	const struct verifier *v = hash == -1 ? NULL : l->device != NULL ?
	    device_verifier(l->device, (enum scram_hash)hash) :
	    account_verifier(&l->account, (enum scram_hash)hash);
	const char *why = l->device == NULL ? NULL : device_barred(l->device,
	    l->p.peer, l->p.wall_ms);
	struct verifier decoy;

	if (why != NULL)
		bar(l, why, l->device->label);
	if (hash != -1 && (v == NULL || v->iterations == 0 || why != NULL)) {
		l->lacks = l->known && why == NULL;
		accounts_decoy(accounts, name, (enum scram_hash)hash,
		    main->iterations, &decoy);
		v = &decoy;
	}
	verifier_text(v != NULL ? v : main, text);
}

int
sasl_auxprop_cb(void *glob, sasl_server_params_t *sparams, unsigned int flags,
    const char *user, unsigned int len)
{
	const struct propval *p = sparams->utils->prop_get(sparams->propctx);
	struct sasl_login *l = sasl_current;
	char name[ACCOUNT_MAX + 1], text[VERIFIER_TEXT_MAX];

	for (; p != NULL && p->name != NULL; p++) {
		/* A star: wanted of who logs in, not of whom he acts for. */
		if (strcmp(p->name, "*authPassword") != 0 ||
		    (flags & SASL_AUXPROP_AUTHZID) || l == NULL)
			continue;
		sasl_canonical(user, len, name);
		sasl_look_up(l, name);
		if (l->trouble)
			return SASL_UNAVAIL;
		l->judged = true;
		show(l, name, text);
		sparams->utils->prop_set(sparams->propctx, p->name, text,
		    (int)strlen(text));
		explicit_bzero(text, sizeof(text));
	}
	return SASL_OK;
}
