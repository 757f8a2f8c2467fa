/*
 * libsasl2 asks through callbacks: options (there are no files of settings),
 * which plugins may be loaded, how a name is written, whether a password is
 * right (PLAIN, LOGIN), who may act as whom; and, by way of an auxprop plugin
 * that lives in here, for the verifier (SCRAM). A callback finds its login in a
 * variable of the thread, set around each call into the library.
 */
#include "lib/prelude.h"

#include <sys/random.h>
#include <pthread.h>
#include <sasl/sasl.h>
#include <sasl/saslplug.h>
#include <sasl/saslutil.h>
#include <strings.h>

#include "auth/accounts.h"
#include "auth/cache.h"
#include "auth/sasl.h"
#include "lib/base64.h"
#include "lib/log.h"
#include "lib/xalloc.h"

#define PLUGIN		"postern"
#define NO_NAME		"?"	/* account_name() takes none like this */
#define CHALLENGE_MAX	8192	/* RFC 4954 4: 12288 as base64, at most */
#define CB(f)		((int (*)(void))(uintptr_t)(f))

struct sasl_login {
	struct sasl_login_params p;
	sasl_conn_t *conn;
	uint64_t now_ms;
	struct account account;	/* the one that was asked for, if any */
	char	 tried[ACCOUNT_MAX + 1];
	bool	 known;		/* account is filled */
	bool	 trouble;	/* the database failed */
	bool	 judged;	/* a password was looked at */
	uint64_t wrong;		/* a hash of it, if it was wrong */
	unsigned int said;	/* messages of the client, empty ones apart */
	struct buf binding;	/* how SCRAM's final message has to begin */
};

static struct accounts *accounts;
static __thread struct sasl_login *current;
static char complaint[256];

/* --- what libsasl2 would do badly itself ------------------------------------------ */

/*
 * Takes the place of the library's own, which in a confined process falls back
 * to the time and the process id (RFC 5802 5.1 wants an unpredictable nonce).
 */
void
sasl_rand(sasl_rand_t *rpool, char *buf, unsigned int len)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = getrandom(buf + done, len - done, 0);
		if (n == -1 && errno != EINTR)
			fatal("getrandom");
		if (n > 0)
			done += (size_t)n;
	}
}

static void *
mutex_new(void)
{
	pthread_mutex_t *m = xmalloc(sizeof(*m));

	pthread_mutex_init(m, NULL);
	return m;
}

static int
mutex_lock(void *m)
{
	return pthread_mutex_lock(m) == 0 ? SASL_OK : SASL_FAIL;
}

static int
mutex_unlock(void *m)
{
	return pthread_mutex_unlock(m) == 0 ? SASL_OK : SASL_FAIL;
}

static void
mutex_free(void *m)
{
	if (m == NULL)
		return;
	pthread_mutex_destroy(m);
	free(m);
}

/* --- callbacks: settings, plugins, log ---------------------------------------------- */

static int
getopt_cb(void *context, const char *plugin, const char *option,
    const char **result, unsigned int *len)
{
	static const struct {
		const char *option, *value;
	} options[] = {
		{ "auxprop_plugin", PLUGIN },
		{ "canon_user_plugin", "INTERNAL" },
		/* After our own check has said no there is no other way in. */
		{ "pwcheck_method", "none" },
		{ "auto_transition", "no" },
	};
	size_t i;

	for (i = 0; i < nitems(options); i++)
		if (strcmp(option, options[i].option) == 0) {
			*result = options[i].value;
			if (len != NULL)
				*len = (unsigned int)strlen(*result);
			return SASL_OK;
		}
	return SASL_FAIL;
}

/* The plugins of these mechanisms and no others, and no files of settings. */
static int
verifyfile_cb(void *context, const char *file, sasl_verify_type_t type)
{
	static const char *const names[] = {
		"libplain.so", "liblogin.so", "libscram.so"
	};
	const char *base = strrchr(file, '/');
	size_t i;

	base = base == NULL ? file : base + 1;
	for (i = 0; type == SASL_VRFY_PLUGIN && i < nitems(names); i++)
		if (strncmp(base, names[i], strlen(names[i])) == 0)
			return SASL_OK;
	return SASL_CONTINUE;
}

static int
log_cb(void *context, int level, const char *message)
{
	if (message != NULL && level <= SASL_LOG_FAIL)
		log_debug("sasl", "sasl level=%d said=\"%s\"", level,
		    log_escs(message));
	return SASL_OK;
}

/* --- callbacks: names, passwords, verifiers ------------------------------------------- */

/* Keeps the account that goes with a name in the login. */
static void
look_up(struct sasl_login *l, const char *name)
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
static void
canonical(const char *in, size_t len, char out[ACCOUNT_MAX + 1])
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

static int
canon_user_cb(sasl_conn_t *conn, void *context, const char *in,
    unsigned int len, unsigned int flags, const char *realm, char *out,
    unsigned int out_max, unsigned int *out_len)
{
	char name[ACCOUNT_MAX + 1];

	canonical(in, len, name);
	*out_len = (unsigned int)strlen(name);
	if (*out_len >= out_max)
		return SASL_BUFOVER;
	memcpy(out, name, *out_len + 1);
	return SASL_OK;
}

static int
checkpass_cb(sasl_conn_t *conn, void *context, const char *user,
    const char *pass, unsigned int len, struct propctx *propctx)
{
	struct sasl_login *l = current;
	const struct verifier *v = &l->account.verifier;
	char name[ACCOUNT_MAX + 1];
	bool right;

	canonical(user, strlen(user), name);
	look_up(l, name);
	if (l->trouble)
		return SASL_UNAVAIL;
	if (l->known && cache_knows(name, v, pass, len, l->now_ms)) {
		l->judged = true;
		return SASL_OK;
	}
	right = len <= ACCOUNT_PASSWORD_MAX && verifier_check(v, pass, len) &&
	    l->known;
	if (right)
		cache_learn(name, v, pass, len, l->now_ms, l->p.cache_sec);
	else
		l->wrong = accounts_hash(accounts, pass, len);
	l->judged = true;
	return right ? SASL_OK : SASL_BADAUTH;
}

/* Nobody acts as somebody else; names are canonical by now. */
static int
proxy_policy_cb(sasl_conn_t *conn, void *context, const char *requested,
    unsigned int rlen, const char *authenticated, unsigned int alen,
    const char *realm, unsigned int urlen, struct propctx *propctx)
{
	return rlen == alen && memcmp(requested, authenticated, alen) == 0 ?
	    SASL_OK : SASL_NOAUTHZ;
}

static int
auxprop_lookup(void *glob, sasl_server_params_t *sparams, unsigned int flags,
    const char *user, unsigned int len)
{
	const struct propval *p = sparams->utils->prop_get(sparams->propctx);
	struct sasl_login *l = current;
	char name[ACCOUNT_MAX + 1], text[VERIFIER_TEXT_MAX];

	for (; p != NULL && p->name != NULL; p++) {
		/* A star: wanted of who logs in, not of whom he acts for. */
		if (strcmp(p->name, "*authPassword") != 0 ||
		    (flags & SASL_AUXPROP_AUTHZID) || l == NULL)
			continue;
		canonical(user, len, name);
		look_up(l, name);
		if (l->trouble)
			return SASL_UNAVAIL;
		l->judged = true;
		verifier_text(&l->account.verifier, text);
		sparams->utils->prop_set(sparams->propctx, p->name, text,
		    (int)strlen(text));
		explicit_bzero(text, sizeof(text));
	}
	return SASL_OK;
}

static int
auxprop_init(const sasl_utils_t *utils, int max_version, int *out_version,
    sasl_auxprop_plug_t **plug, const char *name)
{
	static char plugin_name[] = PLUGIN;
	static sasl_auxprop_plug_t plugin = {
		.auxprop_lookup = auxprop_lookup, .name = plugin_name
	};

	if (max_version < SASL_AUXPROP_PLUG_VERSION)
		return SASL_BADVERS;
	*out_version = SASL_AUXPROP_PLUG_VERSION;
	*plug = &plugin;
	return SASL_OK;
}

static const sasl_callback_t callbacks[] = {
	{ SASL_CB_GETOPT, CB(getopt_cb), NULL },
	{ SASL_CB_LOG, CB(log_cb), NULL },
	{ SASL_CB_VERIFYFILE, CB(verifyfile_cb), NULL },
	{ SASL_CB_CANON_USER, CB(canon_user_cb), NULL },
	{ SASL_CB_PROXY_POLICY, CB(proxy_policy_cb), NULL },
	{ SASL_CB_SERVER_USERDB_CHECKPASS, CB(checkpass_cb), NULL },
	{ SASL_CB_LIST_END, NULL, NULL }
};

/* --- the library ------------------------------------------------------------------------ */

const char *
sasl_login_init(void)
{
	int r;

	cache_init();
	sasl_set_mutex(mutex_new, mutex_lock, mutex_unlock, mutex_free);
	r = sasl_server_init(callbacks, NULL);
	if (r == SASL_OK)
		r = sasl_auxprop_add_plugin(PLUGIN, auxprop_init);
	if (r == SASL_OK)
		return NULL;
	snprintf(complaint, sizeof(complaint), "libsasl2 does not start: %s",
	    sasl_errstring(r, NULL, NULL));
	return complaint;
}

void
sasl_login_done(void)
{
	sasl_server_done();
}

void
sasl_login_accounts(struct accounts *a)
{
	accounts = a;
}

bool
sasl_login_has(const char *mechanism)
{
	static const struct sasl_login_params nobody = { .hostname = "localhost",
	    .tls_bits = 128 };
	struct sasl_login *l = sasl_login_new(&nobody);
	const char *list = NULL;
	size_t len = strlen(mechanism);
	bool has = false;

	if (l != NULL && sasl_listmech(l->conn, NULL, " ", " ", " ", &list, NULL,
	    NULL) == SASL_OK)
		for (; !has && list != NULL && *list != '\0';
		    list = strchr(list + 1, ' '))
			has = strncasecmp(list + 1, mechanism, len) == 0 &&
			    list[1 + len] == ' ';
	sasl_login_free(&l);
	return has;
}

/* --- a login ------------------------------------------------------------------------------ */

void
sasl_result_init(struct sasl_result *r)
{
	memset(r, 0, sizeof(*r));
	buf_init(&r->challenge, CHALLENGE_MAX);
}

void
sasl_result_clear(struct sasl_result *r)
{
	buf_wipe(&r->challenge);
	account_clear(&r->account);
}

struct sasl_login *
sasl_login_new(const struct sasl_login_params *p)
{
	sasl_security_properties_t props = {
		.security_flags = SASL_SEC_NOANONYMOUS |
		    (p->tls_bits == 0 ? SASL_SEC_NOPLAINTEXT : 0)
	};
	struct sasl_login *l = xcalloc(1, sizeof(*l));
	sasl_ssf_t ssf = p->tls_bits;

	l->p = *p;
	buf_init(&l->binding, CHALLENGE_MAX);
	current = l;
	if (sasl_server_new("smtp", l->p.hostname, NULL, NULL, NULL, NULL, 0,
	    &l->conn) != SASL_OK ||
	    sasl_setprop(l->conn, SASL_SSF_EXTERNAL, &ssf) != SASL_OK ||
	    sasl_setprop(l->conn, SASL_SEC_PROPS, &props) != SASL_OK)
		sasl_login_free(&l);
	current = NULL;
	return l;
}

void
sasl_login_free(struct sasl_login **lp)
{
	struct sasl_login *l = *lp;

	if (l == NULL)
		return;
	*lp = NULL;
	if (l->conn != NULL)
		sasl_dispose(&l->conn);
	account_clear(&l->account);
	buf_clear(&l->binding);
	free(l);
}

/* Why not, as smtpd will say it; after a password was looked at: always one. */
static enum auth_no
reason(const struct sasl_login *l, int r)
{
	static const struct {
		int r;
		enum auth_no no;
	} rows[] = {
		{ SASL_BADAUTH, AUTH_NO_CREDENTIALS },
		{ SASL_NOUSER, AUTH_NO_CREDENTIALS },
		{ SASL_NOAUTHZ, AUTH_NO_CREDENTIALS },
		{ SASL_NOVERIFY, AUTH_NO_CREDENTIALS },
		{ SASL_BADBINDING, AUTH_NO_CREDENTIALS },
		{ SASL_TOOWEAK, AUTH_NO_WEAK },
		{ SASL_ENCRYPT, AUTH_NO_PLAINTEXT },
		{ SASL_NOMECH, AUTH_NO_MECHANISM },
		{ SASL_BADPROT, AUTH_NO_SYNTAX },
		{ SASL_BADPARAM, AUTH_NO_SYNTAX },
		{ SASL_BUFOVER, AUTH_NO_SYNTAX },
	};
	size_t i;

	if (l->trouble)
		return AUTH_NO_TEMPORARY;
	for (i = 0; i < nitems(rows); i++)
		if (rows[i].r == r && !(l->judged && r == SASL_NOMECH))
			return rows[i].no;
	return l->judged ? AUTH_NO_CREDENTIALS : AUTH_NO_TEMPORARY;
}

/* The library says yes: is it the account that was looked up? */
static bool
is_who(struct sasl_login *l)
{
	const void *who = NULL, *as = NULL;

	return l->known && sasl_getprop(l->conn, SASL_AUTHUSER, &who) ==
	    SASL_OK && sasl_getprop(l->conn, SASL_USERNAME, &as) == SASL_OK &&
	    who != NULL && as != NULL && strcmp(who, l->account.name) == 0 &&
	    strcmp(as, l->account.name) == 0;
}

static void
answer(struct sasl_login *l, int r, const char *out, unsigned int len,
    struct sasl_result *result)
{
	account_clear(&result->account);
	buf_reset(&result->challenge);
	snprintf(result->tried, sizeof(result->tried), "%s", l->tried);
	result->wrong = l->wrong;
	result->answer = SASL_ANSWER_NO;
	if (r == SASL_CONTINUE) {
		if (out != NULL && buf_add(&result->challenge, out, len) == -1)
			result->no = AUTH_NO_TEMPORARY;
		else
			result->answer = SASL_ANSWER_CHALLENGE;
		return;
	}
	if (r == SASL_OK && is_who(l)) {
		result->answer = SASL_ANSWER_OK;
		result->account = l->account;
		memset(&l->account, 0, sizeof(l->account));
		return;
	}
	result->no = r == SASL_OK ? AUTH_NO_CREDENTIALS : reason(l, r);
}

/* Keeps what the final message has to repeat: "c=", the header, a comma. */
static bool
keep_header(struct sasl_login *l, const uint8_t *in, size_t len)
{
	const uint8_t *comma = memchr(in, ',', len);

	if (comma != NULL)
		comma = memchr(comma + 1, ',', (size_t)(in + len - comma - 1));
	return comma != NULL && buf_adds(&l->binding, "c=") == 0 &&
	    base64_encode(in, (size_t)(comma + 1 - in), &l->binding) == 0 &&
	    buf_addc(&l->binding, ',') == 0;
}

/*
 * What libsasl2 lets pass and RFC 5802 does not: a client that binds to the
 * channel where that was not offered (6), a final message that does not repeat
 * the header exactly (5.1), anything behind that.
 */
static bool
scram_may_pass(struct sasl_login *l, const uint8_t *in, size_t len)
{
	if (l->said == 0)
		return len == 0 || (in[0] != 'p' && keep_header(l, in, len));
	if (l->said == 1)
		return len >= l->binding.len &&
		    memcmp(in, l->binding.data, l->binding.len) == 0;
	return len == 0;
}

/* NUL has its place in PLAIN alone; libsasl2's LOGIN would stop to read there. */
static bool
may_pass(struct sasl_login *l, const uint8_t *in, size_t len)
{
	bool fine = true;

	if (strcasecmp(l->p.mechanism, "PLAIN") == 0)
		return true;
	if (len > 0 && memchr(in, '\0', len) != NULL)
		return false;
	if (strncasecmp(l->p.mechanism, "SCRAM-", 6) == 0)
		fine = scram_may_pass(l, in, len);
	if (len > 0)
		l->said++;
	return fine;
}

void
sasl_login_start(struct sasl_login *l, const uint8_t *in, size_t len,
    uint64_t now_ms, struct sasl_result *result)
{
	const char *out = NULL;
	unsigned int out_len = 0;
	int r;

	current = l;
	l->now_ms = now_ms;
	r = !may_pass(l, in, len) ? SASL_BADPROT :
	    sasl_server_start(l->conn, l->p.mechanism, (const char *)in,
	    (unsigned int)len, &out, &out_len);
	current = NULL;
	answer(l, r, out, out_len, result);
}

void
sasl_login_step(struct sasl_login *l, const uint8_t *in, size_t len,
    uint64_t now_ms, struct sasl_result *result)
{
	const char *out = NULL;
	unsigned int out_len = 0;
	int r;

	current = l;
	l->now_ms = now_ms;
	r = !may_pass(l, in, len) ? SASL_BADPROT :
	    sasl_server_step(l->conn, in == NULL ? "" : (const char *)in,
	    (unsigned int)len, &out, &out_len);
	current = NULL;
	answer(l, r, out, out_len, result);
}
