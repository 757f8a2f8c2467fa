#include "lib/prelude.h"

#include <strings.h>

#include "auth/exchange.h"
#include "auth/failure.h"
#include "auth/lanes.h"
#include "auth/password.h"
#include "auth/peers.h"
#include "lib/child.h"
#include "lib/ev.h"
#include "lib/log.h"
#include "lib/xalloc.h"

#define RESPONSE_MAX	EXCHANGE_RESPONSE_MAX

struct peer {
	LIST_ENTRY(peer) link;
	struct exchange_peer at;
};

static const struct auth_conf *conf;
static uint32_t hashes;		/* of conf's mechanisms */
static LIST_HEAD(, peer) peers = LIST_HEAD_INITIALIZER(peers);

/* --- messages ---------------------------------------------------------------- */

static bool
offered(const char *mechanism)
{
	size_t i;

	for (i = 0; i < conf->mechanisms.n; i++)
		if (strcasecmp(conf->mechanisms.v[i], mechanism) == 0)
			return true;
	return false;
}

/* Whether its -PLUS was offered beside it: there is something to bind to. */
static bool
offered_plus(const char *mechanism, const struct sasl_binding *bindings)
{
	char plus[SASL_LOGIN_MECH_MAX + sizeof("-PLUS")];
	int kind;

	snprintf(plus, sizeof(plus), "%s-PLUS", mechanism);
	for (kind = 0; kind < AUTH_BINDINGS; kind++)
		if (bindings[kind].n > 0)
			return offered(plus);
	return false;
}

static void
get_bindings(struct ipc_in *in, struct sasl_binding *bindings)
{
	const uint8_t *data;
	int kind;

	for (kind = 0; kind < AUTH_BINDINGS; kind++) {
		data = ipc_get_bytes(in, BINDING_MAX, &bindings[kind].n);
		if (bindings[kind].n > 0)
			memcpy(bindings[kind].data, data, bindings[kind].n);
	}
}

/* What a login needs to know, but for what the certificate says. */
static void
get_params(struct sasl_login_params *p, const char *mechanism,
    const char *from, uint32_t bits)
{
	snprintf(p->mechanism, sizeof(p->mechanism), "%s", mechanism);
	snprintf(p->peer, sizeof(p->peer), "%s", from);
	snprintf(p->hostname, sizeof(p->hostname), "%s", conf->hostname);
	p->tls_bits = bits;
	p->plus = offered_plus(mechanism, p->bindings);
	p->iterations = conf->iterations;
	p->cache_sec = conf->cache_sec;
	p->wall_ms = ev_wall_ms();
	p->hashes = hashes;
	p->sources = conf->grants.n > 0;
	snprintf(p->token_issuer, sizeof(p->token_issuer), "%s",
	    conf->token_issuer);
	snprintf(p->token_scope, sizeof(p->token_scope), "%s",
	    conf->token_scope);
	snprintf(p->external_why, sizeof(p->external_why),
	    "no certificate was shown");
}

static int
on_start(struct exchange_peer *peer, struct ipc_in *in)
{
	const char *mechanism = ipc_get_str(in, 64), *from;
	bool has_input = ipc_get_bool(in);
	struct sasl_login_params params;
	const uint8_t *input, *certs;
	size_t len, certs_len;
	uint64_t wait_ms;
	uint32_t bits;

	memset(&params, 0, sizeof(params));
	input = ipc_get_bytes(in, RESPONSE_MAX, &len);
	from = ipc_get_str(in, SASL_LOGIN_PEER_MAX);
	bits = ipc_get_u32(in);
	get_bindings(in, params.bindings);
	certs = ipc_get_bytes(in, CLIENT_CERTS_LEN, &certs_len);
	if (!ipc_in_end(in) || exchange_under_way(peer, in->id) ||
	    (!has_input && len > 0))
		return -1;
	/* RFC 4954 4: a mechanism that was not offered, or not without TLS. */
	if (bits == 0 || !offered(mechanism) || exchange_full(peer)) {
		failure_send(peer->ipc, in->id, bits == 0 ?
		    AUTH_NO_PLAINTEXT : !offered(mechanism) ?
		    AUTH_NO_MECHANISM : AUTH_NO_TEMPORARY, 0);
		return 0;
	}
	wait_ms = failure_peer_wait(mechanism, from);
	if (wait_ms > 0) {
		failure_send(peer->ipc, in->id, AUTH_NO_LOCKED, wait_ms);
		return 0;
	}
	get_params(&params, mechanism, from, bits);
	exchange_begin(peer, in->id, &params, certs, certs_len, !has_input ?
	    NULL : input == NULL ? (const uint8_t *)"" : input, len);
	return 0;
}

static int
on_step(struct exchange_peer *peer, struct ipc_in *in)
{
	size_t len;
	const uint8_t *input = ipc_get_bytes(in, RESPONSE_MAX, &len);

	return ipc_in_end(in) ? exchange_step(peer, in->id, input, len) : -1;
}

static int
on_cancel(struct exchange_peer *peer, struct ipc_in *in)
{
	if (!ipc_in_end(in))
		return -1;
	exchange_cancel(peer, in->id);
	return 0;
}

static int
on_msg(struct ipc *ipc, struct ipc_in *in, void *arg)
{
	struct exchange_peer *at = &((struct peer *)arg)->at;
	int r = in->type == M_AUTH_START ? on_start(at, in) :
	    in->type == M_AUTH_STEP ? on_step(at, in) :
	    in->type == M_AUTH_CANCEL ? on_cancel(at, in) :
	    in->type == M_LANE ? lanes_ask(ipc, at->index, in) : -1;

	ipc_forget();		/* passwords come this way */
	return r;
}

/* --- channels ------------------------------------------------------------------------------------------- */

static void
peer_free(struct peer *peer)
{
	exchange_leave(&peer->at);
	LIST_REMOVE(peer, link);
	ipc_free(&peer->at.ipc);
	free(peer);
}

static void
on_gone(struct ipc *ipc, const char *why, void *arg)
{
	struct peer *peer = arg;

	if (why != NULL) {
		log_warnx("smtpd=%u channel=closed why=\"%s\"", peer->at.index,
		    why);
		child_peer_bad(ROLE_SMTPD, peer->at.index, why);
	}
	peer_free(peer);
}

void
peers_add(uint32_t index, int fd)
{
	static const struct ipc_ops ops = { on_msg, on_gone };
	struct peer *peer, *next;

	for (peer = LIST_FIRST(&peers); peer != NULL; peer = next) {
		next = LIST_NEXT(peer, link);
		if (peer->at.index == index)
			peer_free(peer);
	}
	peer = xcalloc(1, sizeof(*peer));
	peer->at.index = index;
	peer->at.ipc = ipc_new(fd, &ops, peer);
	LIST_INIT(&peer->at.exchanges);
	LIST_INSERT_HEAD(&peers, peer, link);
}

void
peers_conf(const struct auth_conf *c)
{
	conf = c;
	exchange_conf(c);
	hashes = password_hashes(&c->mechanisms);
}

void
peers_stop(void)
{
	while (!LIST_EMPTY(&peers))
		peer_free(LIST_FIRST(&peers));
}
