/*
 * libsasl2 as a whole: what it would do badly itself, its settings (there are
 * no files of them), which plugins it may load, its start and end.
 */
#include "lib/prelude.h"

#include <sys/random.h>
#include <pthread.h>
#include <sasl/saslutil.h>
#include <strings.h>

#include "auth/cache.h"
#include "auth/sasl_private.h"
#include "lib/log.h"
#include "lib/xalloc.h"

#define PLUGIN		"postern"
#define CB(f)		((int (*)(void))(uintptr_t)(f))

/* --- what libsasl2 would do badly itself ------------------------------------------ */

/*
 * Without memory sasl_server_new() goes on with a null pointer. As our own small
 * objects do, its allocations succeed or end the process.
 */
static void *
alloc_again(void *p, size_t n)
{
	return xreallocarray(p, 1, n);
}

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

static int
auxprop_init(const sasl_utils_t *utils, int max_version, int *out_version,
    sasl_auxprop_plug_t **plug, const char *name)
{
	static char plugin_name[] = PLUGIN;
	static sasl_auxprop_plug_t plugin = {
		.auxprop_lookup = sasl_auxprop_cb, .name = plugin_name
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
	{ SASL_CB_CANON_USER, CB(sasl_canon_user_cb), NULL },
	{ SASL_CB_PROXY_POLICY, CB(sasl_proxy_policy_cb), NULL },
	{ SASL_CB_SERVER_USERDB_CHECKPASS, CB(sasl_checkpass_cb), NULL },
	{ SASL_CB_LIST_END, NULL, NULL }
};

/* --- the library ------------------------------------------------------------------------ */

const char *
sasl_login_init(void)
{
	static char complaint[256];
	int r;

	cache_init();
	sasl_set_alloc(xmalloc, xcalloc, alloc_again, free);
	sasl_set_mutex(mutex_new, mutex_lock, mutex_unlock, mutex_free);
	r = sasl_server_init(callbacks, NULL);
	if (r == SASL_OK)
		r = sasl_auxprop_add_plugin(PLUGIN, auxprop_init);
	if (r == SASL_OK)
		r = sasl_server_add_plugin(PLUGIN, sasl_oauth_plugin);
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

bool
sasl_login_has(const char *mechanism)
{
	static const struct sasl_login_params nobody = { .hostname = "localhost",
	    .tls_bits = 128 };
	static const sasl_channel_binding_t binding = { .name = "any",
	    .len = 1, .data = (const uint8_t *)"" };
	struct sasl_login *l = sasl_login_new(&nobody);
	const char *list = NULL;
	size_t len = strlen(mechanism);
	bool has = false;

	/* Without something to bind to it lists no -PLUS, and so on. */
	if (l != NULL && sasl_setprop(l->conn, SASL_CHANNEL_BINDING, &binding)
	    == SASL_OK && sasl_setprop(l->conn, SASL_AUTH_EXTERNAL, "any") ==
	    SASL_OK && sasl_listmech(l->conn, NULL, " ", " ", " ", &list,
	    NULL, NULL) == SASL_OK)
		for (; !has && list != NULL && *list != '\0';
		    list = strchr(list + 1, ' '))
			has = strncasecmp(list + 1, mechanism, len) == 0 &&
			    list[1 + len] == ' ';
	sasl_login_free(&l);
	return has;
}
