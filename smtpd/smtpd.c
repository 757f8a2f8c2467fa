/*
 * A worker's life: takes slices, channels and sockets from the parent, serves,
 * and at M_STOP lets messages that are under way finish.
 */
#include "lib/prelude.h"

#include "lib/log.h"
#include "lib/xalloc.h"
#include "smtpd/listener.h"
#include "smtpd/proxied.h"
#include "smtpd/session.h"
#include "smtpd/signer.h"
#include "smtpd/smtpd.h"
#include "smtpd/tls.h"

#define LISTENERS_MAX	64
#define GRACE_MS	10000	/* for messages under way at the stop */
#define GOODBYE_MS	300	/* for last replies to leave */
#define FILES_MAX	65536

static struct server server;
static bool server_ready;
/* The parent's; a new context takes it over. */
static uint8_t tls_key[TLS_KEY_LEN];
static bool has_tls_key;
static struct listener *listeners[LISTENERS_MAX];
static size_t nlisteners;
static bool serving;
static struct ev_timer grace, goodbye;

/*
 * What a worker needs beside the base table. It never opens a file, connects,
 * makes a socket or a process.
 */
static const char *const syscalls[] = { "accept4", NULL };

static const struct sandbox sandbox = {
	.syscalls = syscalls,
	.max_files = FILES_MAX,
	.no_processes = true,
};

/* --- configuration ---------------------------------------------------------------- */

static const struct conf_listener *
listener_conf(const struct smtpd_conf *conf, const char *name)
{
	size_t i;

	for (i = 0; i < conf->listeners.n; i++) {
		const struct conf_listener *lc =
		    CONF_AT(conf->listeners, struct conf_listener, i);

		if (strcmp(lc->name, name) == 0)
			return lc;
	}
	return NULL;
}

static const char *
conf_check(const void *slice, void **prepared)
{
	const char *why = NULL;

	tls_init();
	child_conf_about("tls", NULL, "certificate");
	*prepared = tls_new(slice, &why);
	return *prepared == NULL ? why : NULL;
}

/* Those that the new configuration does not name are closed. */
static void
keep_listeners(const struct smtpd_conf *conf)
{
	const struct conf_listener *lc;
	size_t i, kept = 0;

	for (i = 0; i < nlisteners; i++) {
		lc = listener_conf(conf, listener_name(listeners[i]));
		if (lc == NULL) {
			listener_free(&listeners[i]);
			continue;
		}
		listener_configure(listeners[i], lc);
		listeners[kept++] = listeners[i];
	}
	nlisteners = kept;
}

static void
conf_use(const void *slice, void *prepared)
{

	if (!server_ready)
		server_init(&server, slice);
	server_ready = true;
	server.conf = slice;
	tls_free(&server.tls);
	server.tls = prepared;
	if (has_tls_key)
		tls_set_ticket_key(server.tls, tls_key);
	keep_listeners(slice);
}

static void
conf_drop(void *prepared)
{
	struct tls *tls = prepared;

	tls_free(&tls);
}

static void
take_tls_key(const uint8_t *key)
{
	memcpy(tls_key, key, sizeof(tls_key));
	has_tls_key = true;
	tls_set_ticket_key(server.tls, tls_key);
}

/* --- descriptors -------------------------------------------------------------------- */

static void
take_peer(enum role role, uint32_t index, int fd)
{
	switch (role) {
	case ROLE_AUTH:
		upstream_attach(&server.auth, index, fd);
		break;
	case ROLE_QUEUE:
		upstream_attach(&server.queue, index, fd);
		break;
	case ROLE_KEYS:
		signer_channel(fd);
		break;
	default:
		fatalx("a channel to a process of role %d, which smtpd does "
		    "not talk to", role);
	}
}

static void
take_listener(const char *name, int fd)
{
	const struct conf_listener *lc = listener_conf(server.conf, name);

	if (lc == NULL || nlisteners == LISTENERS_MAX)
		fatalx("listener %s is not in the configuration, or there are "
		    "more than %d", name, LISTENERS_MAX);
	listeners[nlisteners] = listener_new(&server, lc, fd);
	if (serving)
		listener_start(listeners[nlisteners]);
	nlisteners++;
}

static const char *
start(void)
{
	size_t i;

	for (i = 0; i < nlisteners; i++)
		listener_start(listeners[i]);
	serving = true;
	return NULL;
}

/* --- the end ---------------------------------------------------------------------------- */

static void
exit_cb(void *arg)
{
	child_exit();
}

static void
stop_one(struct session *s, void *force)
{
	session_stop(s, force != NULL);
}

/* Last replies are in the hands of the streams: give them a moment. */
static void
server_is_empty(struct server *srv)
{
	ev_timer_init(&goodbye, exit_cb, NULL);
	ev_timer_set(&goodbye, GOODBYE_MS);
}

static void
grace_over_cb(void *arg)
{
	server_each(&server, stop_one, &server);
}

static void
stop(void)
{
	size_t i;

	for (i = 0; i < nlisteners; i++)
		listener_free(&listeners[i]);
	nlisteners = 0;
	proxied_clear(&server);
	if (server.sessions == 0)
		child_exit();
	ev_timer_init(&grace, grace_over_cb, NULL);
	ev_timer_set(&grace, GRACE_MS);
	server.empty = server_is_empty;
	server_each(&server, stop_one, NULL);
}

const struct child_ops smtpd_ops = {
	.role = ROLE_SMTPD,
	.name = "smtpd",
	.sandbox = &sandbox,
	.conf_fields = smtpd_conf_fields,
	.conf_size = sizeof(struct smtpd_conf),
	.conf_check = conf_check,
	.conf_use = conf_use,
	.tls_key = take_tls_key,
	.conf_drop = conf_drop,
	.peer = take_peer,
	.listen = take_listener,
	.start = start,
	.stop = stop,
};
