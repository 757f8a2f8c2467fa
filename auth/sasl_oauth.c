/*
 * OAUTHBEARER and XOAUTH2 as mechanisms of libsasl2, which has neither. The
 * token is judged elsewhere: the first step ends with a question, the answer
 * is the second, and a client that is refused says one more word, which
 * changes nothing (RFC 7628 3.2.3).
 */
#include "lib/prelude.h"

#include "auth/accounts.h"
#include "auth/oauth.h"
#include "auth/sasl_private.h"

static const struct mechanism {
	enum oauth_form form;
	const char *name;
} mechanisms[] = {
	{ OAUTH_BEARER, "OAUTHBEARER" },
	{ OAUTH_XOAUTH2, "XOAUTH2" },
};

static int
refuse(struct sasl_login *l, const struct mechanism *m, const char *why,
    const char **out, unsigned int *out_len)
{
	l->judged = true;
	l->refused = true;
	snprintf(l->why, sizeof(l->why), "%s", why);
	oauth_refusal(m->form, l->p.token_issuer, l->p.token_scope,
	    l->refusal);
	*out = l->refusal;
	*out_len = (unsigned int)strlen(l->refusal);
	return SASL_CONTINUE;
}

static int
first_step(struct sasl_login *l, const struct mechanism *m, const char *in,
    unsigned int len, const char **out, unsigned int *out_len)
{
	struct oauth_message msg;
	char name[ACCOUNT_MAX + 1];

	if (oauth_parse(m->form, in, len, &msg) == -1)
		return SASL_BADPROT;
	l->claims_name = *msg.name != '\0';
	if (l->claims_name) {
		sasl_canonical(msg.name, strlen(msg.name), name);
		sasl_look_up(l, name);
	}
	if (l->trouble)
		return SASL_UNAVAIL;
	if (msg.token_len == 0) {
		l->harmless = true;
		return refuse(l, m, "it has no token yet", out, out_len);
	}
	buf_add(&l->question, msg.token, msg.token_len);
	l->wrong = sasl_hash(msg.token, msg.token_len);
	l->asks = true;
	return SASL_CONTINUE;
}

/* Whether the token belongs to the account that the client named, if any. */
static bool
is_owner(struct sasl_login *l, const char *name)
{
	char canonical[ACCOUNT_MAX + 1];

	sasl_canonical(name, strlen(name), canonical);
	if (l->claims_name && strcmp(l->tried, canonical) != 0)
		return false;
	sasl_look_up(l, canonical);
	return true;
}

static int
second_step(struct sasl_login *l, const struct mechanism *m,
    sasl_server_params_t *params, const char **out, unsigned int *out_len,
    sasl_out_params_t *oparams)
{
	const struct sasl_verdict *v = l->verdict;
	bool owner;
	int r;

	snprintf(l->why, sizeof(l->why), "%s", v->why);
	if (!v->good && v->temporary) {
		l->trouble = true;
		return SASL_UNAVAIL;
	}
	l->harmless = v->harmless;
	if (!v->good)
		return refuse(l, m, v->why, out, out_len);
	owner = is_owner(l, v->name);
	/* The token is good: what may be guessed by it is names. */
	l->wrong = sasl_hash(l->tried, strlen(l->tried));
	if (!owner)
		return refuse(l, m, "the token is another's", out, out_len);
	if (l->trouble)
		return SASL_UNAVAIL;
	if (!l->known || strcmp(l->account.name, l->tried) != 0)
		return refuse(l, m, "there is no such account here", out,
		    out_len);
	r = params->canon_user(params->utils->conn, l->tried, 0,
	    SASL_CU_AUTHID | SASL_CU_AUTHZID, oparams);
	if (r == SASL_OK) {
		l->wrong = 0;
		oparams->doneflag = 1;
	}
	return r;
}

static int
mech_step(void *context, sasl_server_params_t *params, const char *in,
    unsigned int len, const char **out, unsigned int *out_len,
    sasl_out_params_t *oparams)
{
	const struct mechanism *m = context;
	struct sasl_login *l = sasl_current;

	*out = NULL;	/* with text, success would wait for one more word */
	*out_len = 0;
	if (l == NULL)
		return SASL_FAIL;
	if (l->refused)
		return SASL_BADAUTH;
	if (l->verdict == NULL)
		return first_step(l, m, in, len, out, out_len);
	return second_step(l, m, params, out, out_len, oparams);
}

static int
mech_new(void *glob, sasl_server_params_t *params, const char *challenge,
    unsigned int len, void **context)
{
	*context = glob;
	return SASL_OK;
}

/* The library calls it without looking whether it is there. */
static void
mech_dispose(void *context, const sasl_utils_t *utils)
{
}

int
sasl_oauth_plugin(const sasl_utils_t *utils, int max_version,
    int *out_version, sasl_server_plug_t **list, int *count)
{
	static sasl_server_plug_t plugins[nitems(mechanisms)];
	size_t i;

	if (max_version < SASL_SERVER_PLUG_VERSION)
		return SASL_BADVERS;
	for (i = 0; i < nitems(mechanisms); i++)
		plugins[i] = (sasl_server_plug_t){
			.mech_name = mechanisms[i].name,
			.security_flags = SASL_SEC_NOANONYMOUS,
			.features = SASL_FEAT_WANT_CLIENT_FIRST |
			    SASL_FEAT_ALLOWS_PROXY,
			.glob_context = (void *)(uintptr_t)&mechanisms[i],
			.mech_new = mech_new,
			.mech_step = mech_step,
			.mech_dispose = mech_dispose,
		};
	*out_version = SASL_SERVER_PLUG_VERSION;
	*list = plugins;
	*count = (int)nitems(mechanisms);
	return SASL_OK;
}
