#include "lib/prelude.h"

#include "auth/accounts.h"
#include "auth/auth.h"
#include "auth/client_cert.h"
#include "auth/ctl.h"
#include "auth/peers.h"
#include "auth/lanes.h"
#include "auth/lastuse.h"
#include "auth/revoke.h"
#include "auth/sasl.h"
#include "auth/sources.h"
#include "auth/tokens.h"
#include "auth/watch.h"
#include "auth/worker.h"
#include "lib/ev.h"
#include "lib/log.h"

#define FILES_MAX	512	/* the database's, and a channel per worker */

static const struct auth_conf *conf;
static struct accounts *accounts;
static struct ev_wake lost;	/* the accounts' file was replaced */

/* --- the configuration --------------------------------------------------------------- */

static const char *
conf_check(const void *slice, void **prepared)
{
	static char why[256];
	static bool begun;
	const struct auth_conf *c = slice;
	const char *bad;
	size_t i;

	*prepared = NULL;
	/* The plugins are files: the first slice comes before confinement. */
	if (!begun && (bad = sasl_login_init()) != NULL)
		return bad;
	begun = true;
	if (c->ticket_key.n != TICKET_KEY_LEN)
		return "the ticket key has the wrong length";
	child_conf_about("accounts", NULL, "iterations");
	if (c->iterations < VERIFIER_ITERATIONS_MIN ||
	    c->iterations > VERIFIER_ITERATIONS_MAX)
		return "accounts: iterations go from 4096 to 65536";
	child_conf_about("", NULL, "state-dir");
	if (conf != NULL && strcmp(conf->state_dir, c->state_dir) != 0)
		return "state-dir cannot change while Postern runs; stop and "
		    "start it";
	child_conf_about("accounts", NULL, "mechanisms");
	for (i = 0; i < c->mechanisms.n; i++) {
		if (sasl_login_has(c->mechanisms.v[i]))
			continue;
		snprintf(why, sizeof(why), "accounts: libsasl2 does not "
		    "know the mechanism %s; its modules (libsasl2-modules) "
		    "must be installed",
		    log_escs(c->mechanisms.v[i]));
		return why;
	}
	child_conf_about("accounts", NULL, "client-ca-file");
	if (*c->client_ca_pem == '\0')
		return NULL;
	*prepared = client_ca_new(c->client_ca_pem, &bad);
	if (*prepared != NULL)
		return NULL;
	snprintf(why, sizeof(why), "accounts: client-ca-file %s %s",
	    c->client_ca_file, bad);
	return why;
}

static void
conf_drop(void *prepared)
{
	struct client_ca *ca = prepared;

	client_ca_free(&ca);
}

static void
conf_use(const void *slice, void *prepared)
{
	conf = slice;
	client_ca_use(prepared);
	peers_conf(conf);
	tokens_conf(conf);
	sources_conf(conf);
	watch_conf(conf);
	lanes_conf(accounts, conf);
	ctl_conf(accounts, conf);
	if (accounts != NULL)
		ctl_look_over();
}

/* --- life -------------------------------------------------------------------------------- */

static void
peer(enum role role, uint32_t index, int fd)
{
	if (role == ROLE_SMTPD)
		peers_add(index, fd);
	else if (role == ROLE_QUEUE)
		revoke_peer(fd);
	else if (role == ROLE_FETCH)
		tokens_peer(fd);
	else if (role == ROLE_SOURCE)
		sources_peer(fd);
	else if (close(fd) == -1)
		log_warn("close");
}

/* The only directory that is left, once confined. */
static const char *writable[2];

static void
before_confine(void)
{
	writable[0] = conf->state_dir;
}

static void	stop(void);

/* Who comes next starts with what is there now, checked as at any start. */
static void
lost_cb(void *arg)
{
	stop();
}

static void
ring(void)
{
	ev_wake_up(&lost);
}

/* Opened as auth's own user, so that all its files are his. */
static const char *
start(void)
{
	const char *why = NULL;

	accounts = accounts_open(conf->state_dir, &why);
	if (accounts == NULL)
		return why;
	ev_wake_init(&lost, lost_cb, NULL);
	records_on_lost(accounts_records(accounts), ring);
	if ((why = revoke_start(accounts, &conf->ticket_key)) != NULL)
		return why;
	sasl_login_accounts(accounts);
	ctl_conf(accounts, conf);
	watch_start(conf->state_dir);
	lastuse_start(accounts);
	worker_start(conf->workers);
	lanes_conf(accounts, conf);
	ctl_look_over();
	return NULL;
}

static void
stop(void)
{
	peers_stop();
	tokens_stop();		/* what is asked there ends in threads */
	sources_stop();
	worker_stop();
	watch_stop();
	lastuse_stop();
	revoke_stop();
	sasl_login_accounts(NULL);
	lanes_conf(NULL, conf);
	accounts_close(&accounts);
	child_exit();
}

static const struct sandbox sandbox = {
	.writable = writable,
	.max_files = FILES_MAX,
};

const struct child_ops auth_ops = {
	.role = ROLE_AUTH,
	.name = "auth",
	.sandbox = &sandbox,
	.conf_fields = auth_conf_fields,
	.conf_size = sizeof(struct auth_conf),
	.conf_check = conf_check,
	.conf_use = conf_use,
	.conf_drop = conf_drop,
	.peer = peer,
	.before_confine = before_confine,
	.start = start,
	.stop = stop,
	.ctl = ctl_request,
};
