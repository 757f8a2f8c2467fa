#include "lib/prelude.h"

#include <sys/queue.h>

#include "keys/keyring.h"
#include "keys/keys.h"
#include "lib/ev.h"
#include "lib/flood.h"
#include "lib/log.h"
#include "lib/stats.h"
#include "lib/xalloc.h"

/* The longest honest request has 201 bytes; more is read to be refused kindly. */
#define TBS_MAX		4096
#define FILES_MAX	256
#define LOOK_EVERY_MS	(24 * 3600 * 1000)

struct peer {
	LIST_ENTRY(peer) link;
	uint32_t index;
	struct ipc *ipc;
};

static LIST_HEAD(, peer) peers = LIST_HEAD_INITIALIZER(peers);
static struct keyring *ring;
static const struct keys_conf *conf;
static struct ev_timer look;	/* at the certificates, once a day */
static struct flood refusals = FLOOD("signatures refused", 60);

/* --- the channels of the workers --------------------------------------------------- */

static void
peer_free(struct peer *peer)
{
	LIST_REMOVE(peer, link);
	ipc_free(&peer->ipc);
	free(peer);
}

static int
on_sign(struct peer *peer, struct ipc_in *in)
{
	uint8_t sig[KEYRING_SIGNATURE_MAX];
	uint32_t index = ipc_get_u32(in);
	uint8_t as = ipc_get_u8(in);
	size_t tbs_len, sig_len;
	const uint8_t *tbs = ipc_get_bytes(in, TBS_MAX, &tbs_len);
	const char *why;

	if (!ipc_in_end(in) || in->fd != -1)
		return -1;
	why = keyring_sign(ring, index, (enum sign_as)as, tbs, tbs_len, sig,
	    &sig_len);
	ipc_begin(why == NULL ? M_SIGNED : M_SIGN_NO, in->id);
	if (why == NULL) {
		stats_add(STAT_SIGNATURES, 1);
		ipc_put_bytes(sig, sig_len);
	} else {
		stats_add(STAT_SIGNATURES_REFUSED, 1);
		if (flood_log(&refusals))
			log_warnx("smtpd=%u signature=refused cert=%u "
			    "scheme=%u bytes=%zu why=\"%s\"", peer->index,
			    index, as, tbs_len, why);
		ipc_put_str(why);
	}
	ipc_send(peer->ipc, -1);
	return 0;
}

static int
on_msg(struct ipc *ipc, struct ipc_in *in, void *arg)
{
	return in->type == M_SIGN ? on_sign(arg, in) : -1;
}

static void
on_gone(struct ipc *ipc, const char *why, void *arg)
{
	struct peer *peer = arg;

	if (why != NULL) {
		log_warnx("smtpd=%u channel=closed why=\"%s\"", peer->index,
		    why);
		child_peer_bad(ROLE_SMTPD, peer->index, why);
	}
	peer_free(peer);
}

static void
add_peer(enum role role, uint32_t index, int fd)
{
	static const struct ipc_ops ops = { on_msg, on_gone };
	struct peer *peer, *next;

	if (role != ROLE_SMTPD) {
		log_warnx("peer=%u: no business here", (unsigned int)role);
		close(fd);
		return;
	}
	for (peer = LIST_FIRST(&peers); peer != NULL; peer = next) {
		next = LIST_NEXT(peer, link);
		if (peer->index == index)
			peer_free(peer);
	}
	peer = xcalloc(1, sizeof(*peer));
	peer->index = index;
	peer->ipc = ipc_new(fd, &ops, peer);
	ipc_gather(peer->ipc);
	LIST_INSERT_HEAD(&peers, peer, link);
}

/* --- the configuration ---------------------------------------------------------------- */

static const char *
conf_check(const void *slice, void **prepared)
{
	static bool begun;
	const char *why = NULL;
	struct keyring *next;
	bool cert = false;

	if (!begun)
		keyring_start();
	begun = true;
	next = keyring_new(slice, &why, &cert);
	child_conf_about("tls", NULL, why == NULL || cert ? "certificate" :
	    "key");
	if (why == NULL && ring != NULL)
		why = keyring_worse(ring, next, ev_wall_ms());
	if (why != NULL) {
		keyring_free(&next);
		return why;
	}
	keyring_look(next, ((const struct keys_conf *)slice)->hostname,
	    ev_wall_ms(), child_conf_doubt);
	*prepared = next;
	return NULL;
}

static void
log_doubt(const char *what)
{
	log_warnx("%s", what);
}

static void
look_cb(void *arg)
{
	keyring_look(ring, conf->hostname, ev_wall_ms(), log_doubt);
	ev_timer_set(&look, LOOK_EVERY_MS);
}

/* For posternctl status. */
static void
tell_certs(void)
{
	uint64_t from_ms, until_ms;
	uint32_t n = 0, i;
	const char *file;

	while (keyring_cert(ring, n, &file, &from_ms, &until_ms))
		n++;
	ipc_begin(M_CERTS, 0);
	ipc_put_u32(n);
	for (i = 0; i < n; i++) {
		keyring_cert(ring, i, &file, &from_ms, &until_ms);
		ipc_put_str(file);
		ipc_put_u64(from_ms);
		ipc_put_u64(until_ms);
	}
	child_tell();
}

static void
conf_use(const void *slice, void *prepared)
{
	conf = slice;
	ev_timer_cancel(&look);
	ev_timer_init(&look, look_cb, NULL);
	ev_timer_set(&look, LOOK_EVERY_MS);
	keyring_free(&ring);
	ring = prepared;
	tell_certs();
}

static void
conf_drop(void *prepared)
{
	struct keyring *unused = prepared;

	keyring_free(&unused);
}

static void
stop(void)
{
	while (!LIST_EMPTY(&peers))
		peer_free(LIST_FIRST(&peers));
	ev_timer_cancel(&look);
	keyring_free(&ring);
	child_exit();
}

/* The base is enough: keys come in messages, OpenSSL seeds by getrandom. */
static const char *const syscalls[] = { NULL };

static const struct sandbox sandbox = {
	.syscalls = syscalls,
	.max_files = FILES_MAX,
	.no_processes = true,
};

const struct child_ops keys_ops = {
	.role = ROLE_KEYS,
	.name = "keys",
	.sandbox = &sandbox,
	.conf_fields = keys_conf_fields,
	.conf_size = sizeof(struct keys_conf),
	.conf_check = conf_check,
	.conf_use = conf_use,
	.conf_drop = conf_drop,
	.peer = add_peer,
	.stop = stop,
};
