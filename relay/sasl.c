#include "lib/prelude.h"

#include <sys/random.h>
#include <netdb.h>
#include <sasl/sasl.h>
#include <strings.h>

#include "lib/xalloc.h"
#include "relay/sasl.h"

/* Best first; libsasl2 chooses the strongest of those that both sides have. */
static const char our_mechanisms[] = "SCRAM-SHA-256 PLAIN LOGIN";
#define MECH_LIST_MAX 256

typedef int callback(void);	/* libsasl2's untyped function pointer */

struct sasl {
	sasl_conn_t *conn;
	const char *user, *password;
	sasl_secret_t *secret;
	const char *mechanism, *initial;
	unsigned int initial_len;
	bool	 complete;
	sasl_callback_t callbacks[5];
};

/*
 * libsasl2's own random numbers fall back to pid and time where there is no
 * /dev/urandom, as in our root directory; ours come from the kernel. The names
 * are libsasl2's, whose calls these definitions take over.
 */
void	 sasl_rand(sasl_rand_t *, char *, unsigned int);

void
sasl_rand(sasl_rand_t *pool, char *out, unsigned int len)
{
	while (len > 0) {
		ssize_t n = getrandom(out, len, 0);

		if (n == -1 && errno != EINTR)
			abort();
		if (n > 0) {
			out += n;
			len -= (unsigned int)n;
		}
	}
}

/*
 * sasl_client_new() resolves our own host name by way of /etc/nsswitch.conf
 * and nscd, which a confined process must not touch. Without an answer it
 * takes the plain name, which no mechanism of ours sends. Nothing else in
 * relay resolves names so: relay/dns.h does.
 */
int
getaddrinfo(const char *node, const char *service,
    const struct addrinfo *hints, struct addrinfo **list)
{
	return EAI_NONAME;
}

static int
getopt_cb(void *context, const char *plugin, const char *option,
    const char **result, unsigned int *len)
{
	static const struct {
		const char *name, *value;
	} options[] = {
		{ "client_mech_list", our_mechanisms },
		{ "log_level", "0" },
	};
	size_t i;

	for (i = 0; i < nitems(options); i++)
		if (strcmp(option, options[i].name) == 0) {
			*result = options[i].value;
			if (len != NULL)
				*len = (unsigned int)strlen(*result);
			return SASL_OK;
		}
	return SASL_FAIL;
}

/* What is not needed is not loaded. */
static int
verify_cb(void *context, const char *file, sasl_verify_type_t type)
{
	static const char *const wanted[] = { "libscram", "libplain",
	    "liblogin" };
	const char *base = strrchr(file, '/');
	size_t i;

	if (type != SASL_VRFY_PLUGIN)
		return SASL_OK;
	base = base == NULL ? file : base + 1;
	for (i = 0; i < nitems(wanted); i++)
		if (strncmp(base, wanted[i], strlen(wanted[i])) == 0)
			return SASL_OK;
	return SASL_CONTINUE;
}

static int
log_cb(void *context, int level, const char *message)
{
	return SASL_OK;		/* what matters comes back as a result */
}

static int
user_cb(void *context, int id, const char **result, unsigned int *len)
{
	struct sasl *s = context;

	/* No authorization identity: the server takes the user's (RFC 4616). */
	*result = id == SASL_CB_USER ? "" : s->user;
	if (len != NULL)
		*len = (unsigned int)strlen(*result);
	return SASL_OK;
}

static int
pass_cb(sasl_conn_t *conn, void *context, int id, sasl_secret_t **secret)
{
	struct sasl *s = context;
	size_t len = strlen(s->password);

	if (s->secret == NULL) {
		s->secret = xcalloc(1, sizeof(*s->secret) + len + 1);
		s->secret->len = len;
		memcpy(s->secret->data, s->password, len);
	}
	*secret = s->secret;
	return SASL_OK;
}

const char *
sasl_setup(void)
{
	static const sasl_callback_t callbacks[] = {
		{ SASL_CB_GETOPT, (callback *)(void *)getopt_cb, NULL },
		{ SASL_CB_VERIFYFILE, (callback *)(void *)verify_cb, NULL },
		{ SASL_CB_LOG, (callback *)(void *)log_cb, NULL },
		{ SASL_CB_LIST_END, NULL, NULL }
	};

	if (sasl_client_init(callbacks) != SASL_OK)
		return "libsasl2 does not start; install libsasl2-modules";
	return NULL;
}

/* Those of ours that the server offers, in our order. */
static bool
common(const char *offered, char list[MECH_LIST_MAX])
{
	const char *m = our_mechanisms;
	size_t used = 0;

	list[0] = '\0';
	while (*m != '\0') {
		size_t len = strcspn(m, " ");
		const char *o = offered;

		while (*o != '\0') {
			size_t n = strcspn(o, " ");

			if (n == len && strncasecmp(o, m, n) == 0) {
				used += (size_t)snprintf(list + used,
				    MECH_LIST_MAX - used, "%.*s ", (int)n, m);
				break;
			}
			o += n + (o[n] == ' ');
		}
		m += len + (m[len] == ' ');
	}
	return used > 0;
}

struct sasl *
sasl_begin(const char *host, const char *user, const char *password,
    const char *offered, const char **errstr)
{
	struct sasl *s;
	char list[MECH_LIST_MAX];
	int r;

	if (!common(offered, list)) {
		*errstr = "the server offers no mechanism that we know "
		    "(SCRAM-SHA-256, PLAIN, LOGIN)";
		return NULL;
	}
	s = xcalloc(1, sizeof(*s));
	s->user = user;
	s->password = password;
	s->callbacks[0] = (sasl_callback_t){ SASL_CB_USER,
	    (callback *)(void *)user_cb, s };
	s->callbacks[1] = (sasl_callback_t){ SASL_CB_AUTHNAME,
	    (callback *)(void *)user_cb, s };
	s->callbacks[2] = (sasl_callback_t){ SASL_CB_PASS,
	    (callback *)(void *)pass_cb, s };
	s->callbacks[3] = (sasl_callback_t){ SASL_CB_LIST_END, NULL, NULL };
	r = sasl_client_new("smtp", host, NULL, NULL, s->callbacks, 0,
	    &s->conn);
	if (r == SASL_OK)
		r = sasl_client_start(s->conn, list, NULL, &s->initial,
		    &s->initial_len, &s->mechanism);
	if (r == SASL_OK || r == SASL_CONTINUE) {
		s->complete = r == SASL_OK;
		return s;
	}
	*errstr = "libsasl2 cannot begin a login; is libsasl2-modules "
	    "installed?";
	sasl_free(&s);
	return NULL;
}

void
sasl_free(struct sasl **sp)
{
	struct sasl *s = *sp;

	if (s == NULL)
		return;
	*sp = NULL;
	if (s->conn != NULL)
		sasl_dispose(&s->conn);
	if (s->secret != NULL)
		xfree_secret(s->secret, sizeof(*s->secret) + s->secret->len);
	free(s);
}

const char *
sasl_mechanism(const struct sasl *s)
{
	return s->mechanism;
}

const uint8_t *
sasl_initial(const struct sasl *s, size_t *len)
{
	*len = s->initial_len;
	return (const uint8_t *)s->initial;
}

int
sasl_step_on(struct sasl *s, const uint8_t *challenge, size_t len,
    struct buf *out)
{
	const char *answer = NULL;
	unsigned int n = 0;
	int r;

	if (s->complete && len == 0)
		return 0;		/* an empty step where none is needed */
	r = sasl_client_step(s->conn, (const char *)challenge,
	    (unsigned int)len, NULL, &answer, &n);
	if (r != SASL_OK && r != SASL_CONTINUE)
		return -1;
	s->complete = r == SASL_OK;
	return buf_add(out, answer, answer == NULL ? 0 : n);
}

bool
sasl_complete(const struct sasl *s)
{
	return s->complete;
}
