/*
 * What libsasl2 asks about an account: how a name is written, whether a
 * password is right (PLAIN, LOGIN), who may act as whom and, by way of an
 * auxprop plugin, the verifier (SCRAM).
 */
#include "lib/prelude.h"

#include "auth/accounts.h"
#include "auth/cache.h"
#include "auth/password.h"
#include "auth/sasl_private.h"

#define NO_NAME		"?"	/* account_name() takes none like this */

static struct accounts *accounts;

void
sasl_login_accounts(struct accounts *a)
{
	accounts = a;
}

uint64_t
sasl_hash(const char *secret, size_t len)
{
	return accounts_hash(accounts, secret, len);
}

/* Keeps the account that goes with a name in the login. */
void
sasl_look_up(struct sasl_login *l, const char *name)
{
	enum accounts_result r = ACCOUNTS_ERROR;

	if (strcmp(l->tried, name) == 0 && *name != '\0')
		return;
	account_clear(&l->account);
	snprintf(l->tried, sizeof(l->tried), "%s", name);
	if (accounts != NULL)
		r = accounts_get(accounts, name, &l->account);
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

int
sasl_checkpass_cb(sasl_conn_t *conn, void *context, const char *user,
    const char *pass, unsigned int len, struct propctx *propctx)
{
	struct sasl_login *l = sasl_current;
	const struct verifier *v = &l->account.verifier;
	char name[ACCOUNT_MAX + 1];
	bool right;

	sasl_canonical(user, strlen(user), name);
	sasl_look_up(l, name);
	if (l->trouble)
		return SASL_UNAVAIL;
	if (l->known && cache_knows(name, v, pass, len, l->now_ms)) {
		l->judged = true;
		return SASL_OK;
	}
	right = len <= ACCOUNT_PASSWORD_MAX && verifier_check(v, pass, len) &&
	    l->known;
	if (right) {
		cache_learn(name, v, pass, len, l->now_ms, l->p.cache_sec);
		password_complete(accounts, &l->account, pass, len,
		    l->p.hashes);
	} else
		l->wrong = sasl_hash(pass, len);
	l->judged = true;
	return right ? SASL_OK : SASL_BADAUTH;
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

/* What SCRAM is told of the name that was looked up. */
static void
show(struct sasl_login *l, const char *name, char text[VERIFIER_TEXT_MAX])
{
	int hash = verifier_hash_of(l->p.mechanism);
	const struct verifier *v = hash == -1 ? NULL :
	    account_verifier(&l->account, (enum scram_hash)hash);
	struct verifier decoy;

	if (hash != -1 && v == NULL) {
		l->lacks = l->known;
		accounts_decoy(accounts, name, (enum scram_hash)hash,
		    l->account.verifier.iterations, &decoy);
		v = &decoy;
	}
	verifier_text(v != NULL ? v : &l->account.verifier, text);
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
