#include "lib/prelude.h"

#include "auth/accounts.h"
#include "auth/lanes.h"
#include "auth/revoke.h"
#include "lib/conf.h"
#include "lib/ev.h"
#include "lib/flood.h"
#include "lib/ipc_msgs.h"
#include "lib/log.h"
#include "lib/net.h"
#include "lib/ticket.h"

#define LISTENER_MAX 256

static struct accounts *accounts;
static const struct auth_conf *conf;
static struct flood missing = FLOOD("devices without an account", 60);

/* A read of one cached page: worth no thread. */
static enum accounts_result
account_of(const struct conf_lane *lane, struct account *a)
{
	return accounts == NULL ? ACCOUNTS_ERROR :
	    accounts_get(accounts, lane->account, a);
}

void
lanes_conf(struct accounts *a, const struct auth_conf *c)
{
	struct account found;
	size_t i;

	accounts = a;
	conf = c;
	for (i = 0; a != NULL && i < c->lanes.n; i++) {
		const struct conf_lane *lane = CONF_AT(c->lanes,
		    struct conf_lane, i);

		if (account_of(lane, &found) == ACCOUNTS_OK)
			account_clear(&found);
		else
			log_warnx("device=%s account=\"%s\" missing; "
			    "posternctl account add %s", lane->name,
			    log_escs(lane->account), log_escs(lane->account));
	}
}

static bool
has(const struct conf_strs *s, const char *what)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (strcmp(s->v[i], what) == 0)
			return true;
	return false;
}

static const struct conf_lane *
find(const char *listener, const char *peer)
{
	size_t i;

	for (i = 0; i < conf->lanes.n; i++) {
		const struct conf_lane *lane = CONF_AT(conf->lanes,
		    struct conf_lane, i);

		if (has(&lane->listeners, listener) &&
		    has(&lane->addresses, peer))
			return lane;
	}
	return NULL;
}

static void
send_no(struct ipc *ipc, uint64_t session, bool temporary)
{
	ipc_begin(M_LANE_NO, session);
	ipc_put_bool(temporary);
	ipc_send(ipc, -1);
}

static void
send_ok(struct ipc *ipc, uint32_t worker, uint64_t session,
    const struct conf_lane *lane, const struct account *a)
{
	struct ticket t;
	size_t i;

	memset(&t, 0, sizeof(t));
	t.session = session;
	t.begun_ms = revoke_begun_ms();
	t.expires_ms = t.begun_ms + (uint64_t)conf->ticket_sec * 1000;
	snprintf(t.account, sizeof(t.account), "%s", a->name);
	snprintf(t.cap, sizeof(t.cap), "%s", a->cap);
	/* Counted as a device of the account, beside what that may in all. */
	snprintf(t.device, sizeof(t.device), "%s", lane->name);
	snprintf(t.device_cap, sizeof(t.device_cap), "%s", lane->cap);
	snprintf(t.lane, sizeof(t.lane), "%s", lane->name);
	ticket_seal(&conf->ticket_key, worker, &t);
	snprintf(t.sender, sizeof(t.sender), "%s", lane->sender);
	ticket_seal_sender(&conf->ticket_key, &t, t.sender, t.sender_mac);
	ipc_begin(M_LANE_OK, session);
	ticket_put(&t);
	ipc_put_bool(lane->rewrite);
	ipc_put_u32((uint32_t)lane->recipients.n);
	for (i = 0; i < lane->recipients.n; i++)
		ipc_put_str(lane->recipients.v[i]);
	ipc_send(ipc, -1);
}

/* A reload may have taken the device away since smtpd let it in. */
int
lanes_ask(struct ipc *ipc, uint32_t worker, struct ipc_in *in)
{
	const char *listener = ipc_get_str(in, LISTENER_MAX);
	const char *peer = ipc_get_str(in, NET_TEXT_LEN);
	const struct conf_lane *lane;
	enum accounts_result r;
	struct account a;

	if (!ipc_in_end(in))
		return -1;
	lane = find(listener, peer);
	r = lane == NULL ? ACCOUNTS_NONE : account_of(lane, &a);
	if (r == ACCOUNTS_OK) {
		send_ok(ipc, worker, in->id, lane, &a);
		account_clear(&a);
		return 0;
	}
	if (lane != NULL && flood_log(&missing))
		log_warnx("%s device=%s peer=%s account=\"%s\" %s%s",
		    log_session(in->id), lane->name, log_escs(peer),
		    log_escs(lane->account), r == ACCOUNTS_NONE ?
		    "missing; posternctl account add " : "unreadable",
		    r == ACCOUNTS_NONE ? log_escs(lane->account) : "");
	send_no(ipc, in->id, r == ACCOUNTS_ERROR);
	return 0;
}
