#include "lib/prelude.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <netdb.h>
#include <sys/random.h>

#include "fetch/ctl.h"
#include "fetch/fetch.h"
#include "fetch/http.h"
#include "fetch/jwks.h"
#include "fetch/questions.h"
#include "lib/log.h"
#include "lib/xalloc.h"

#define FILES_MAX	256

/* The resolver of the C library: its settings, and what they may name. */
static const char *const readable[] = {
	"/etc/gai.conf", "/etc/host.conf", "/etc/hosts", "/etc/ld.so.cache",
	"/etc/nsswitch.conf", "/etc/resolv.conf", "/etc/services",
	"/run/resolvconf", "/run/systemd/resolve", "/lib", "/lib64",
	"/usr/lib", "/usr/lib64",
	/* whom the system trusts */
	"/etc/pki", "/etc/ssl/certs", "/etc/ssl/openssl.cnf",
	"/usr/local/share/ca-certificates", "/usr/share/ca-certificates",
	NULL
};

/*
 * No table: getaddrinfo() needs threads, files and, from the modules that
 * nsswitch.conf names, anything. So all that nobody needs is forbidden.
 */
static const struct sandbox sandbox = {
	.readable = readable, .connects = true, .max_files = FILES_MAX
};

static struct ipc *auth;
static bool serving;

/* --- the channel with auth ------------------------------------------------------------ */

static void
answered(uint64_t id, const struct verdict *v)
{
	if (auth == NULL)
		return;
	ipc_begin(v->good ? M_TOKEN_OK : M_TOKEN_NO, id);
	if (v->good)
		ipc_put_str(v->name);
	else {
		ipc_put_u8((uint8_t)v->no);
		ipc_put_str(v->why);
	}
	ipc_send(auth, -1);
}

static int
on_msg(struct ipc *ipc, struct ipc_in *in, void *arg)
{
	const uint8_t *token;
	size_t len;

	if (in->type == M_TOKEN_CANCEL && ipc_in_end(in)) {
		questions_cancel(in->id);
		return 0;
	}
	if (in->type != M_TOKEN)
		return -1;
	token = ipc_get_bytes(in, TOKEN_MAX, &len);
	if (!ipc_in_end(in) || len == 0)
		return -1;
	questions_ask(in->id, (const char *)token, len);
	ipc_forget();
	return 0;
}

static void
on_gone(struct ipc *ipc, const char *why, void *arg)
{
	if (why != NULL) {
		log_warnx("auth channel=closed why=\"%s\"", why);
		child_peer_bad(ROLE_AUTH, 0, why);
	}
	ipc_free(&auth);
	questions_forget();
}

/* Before confinement nothing of a stranger's is looked at. */
static void
peer(enum role role, uint32_t index, int fd)
{
	static const struct ipc_ops ops = { on_msg, on_gone };

	if (role != ROLE_AUTH) {
		log_warnx("peer=%u: no business here", (unsigned int)role);
		close(fd);
		return;
	}
	ipc_free(&auth);
	questions_forget();
	auth = ipc_new(fd, &ops, NULL);
	ipc_pause(auth, !serving);
}

/* --- configuration ------------------------------------------------------------------------- */

static bool
has_certificate(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *cert = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, NULL,
	    NULL);
	bool has = cert != NULL;

	X509_free(cert);
	BIO_free(bio);
	ERR_clear_error();
	return has;
}

static const char *
conf_check(const void *slice, void **prepared)
{
	static char text[JWKS_WHY_MAX + 64];
	const struct fetch_conf *conf = slice;
	char why[JWKS_WHY_MAX];

	child_conf_about("tokens", NULL, "ca-file");
	if (*conf->ca_pem != '\0' && !has_certificate(conf->ca_pem))
		return "tokens.ca-file holds no certificate in PEM";
	child_conf_about("tokens", NULL, "jwks-file");
	if (*conf->jwks == '\0')
		return NULL;
	*prepared = jwks_parse(conf->jwks, strlen(conf->jwks), why);
	if (*prepared != NULL)
		return NULL;
	snprintf(text, sizeof(text), "tokens.jwks-file cannot be used: %s",
	    why);
	return text;
}

static void
conf_use(const void *slice, void *prepared)
{
	const struct fetch_conf *conf = slice;
	size_t left_out = 0;

	if (prepared != NULL)
		jwks_count(prepared, &left_out);
	if (left_out > 0)
		log_warnx("tokens.jwks-file: %zu of its keys cannot be used; "
		    "%s", left_out, jwks_left_out(prepared));
	ctl_conf(conf);
	http_trust(conf->ca_pem);
	questions_conf(conf, prepared, answered);
}

static void
conf_drop(void *prepared)
{
	struct jwks *unused = prepared;

	jwks_free(&unused);
}

/* --- life ---------------------------------------------------------------------------------- */

/* What is read once in a process's life is read now. */
static void
before_confine(void)
{
	struct addrinfo *ai = NULL;
	const char *why = http_init();
	size_t seed;

	if (why != NULL)
		fatalx("%s", why);
	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		fatal("no random numbers");
	json_object_seed(seed);
	if (getaddrinfo("localhost", NULL, NULL, &ai) == 0)
		freeaddrinfo(ai);
}

static const char *
start(void)
{
	serving = true;
	questions_start();
	if (auth != NULL)
		ipc_pause(auth, false);
	return NULL;
}

static void
stop(void)
{
	questions_stop();
	ipc_free(&auth);
	child_exit();
}

const struct child_ops fetch_ops = {
	.role = ROLE_FETCH,
	.name = "fetch",
	.sandbox = &sandbox,
	.conf_fields = fetch_conf_fields,
	.conf_size = sizeof(struct fetch_conf),
	.conf_check = conf_check,
	.conf_use = conf_use,
	.conf_drop = conf_drop,
	.peer = peer,
	.before_confine = before_confine,
	.start = start,
	.stop = stop,
	.ctl = ctl_request,
};
