#include "lib/prelude.h"

#include "auth/groups.h"
#include "auth/lastuse.h"
#include "auth/success.h"
#include "auth/watch.h"
#include "lib/ev.h"
#include "lib/log.h"

void
success_note(uint64_t session, const struct sasl_login_params *p,
    const struct sasl_result *r)
{
	char login[LOGIN_MAX + 1];

	watch_succeeded(r->tried, p->peer);
	if (*r->why != '\0')
		log_info("%s account=\"%s\" source=%s", log_session(session),
		    log_escs(r->tried), log_escs(r->why));
	if (r->device != NULL)
		lastuse_note(device_login(r->account.name, r->device->label,
		    login), p->peer, ev_wall_ms());
}

void
success_send(struct ipc *ipc, uint32_t worker, uint64_t session,
    uint64_t begun_ms, const struct auth_conf *conf,
    const struct sasl_result *r)
{
	static const char *senders[GROUPS_SENDERS_MAX];
	const struct account *a = &r->account;
	uint8_t seal[TICKET_MAC_LEN];
	size_t i, n = groups_senders(conf, a, senders);
	struct ticket t;

	memset(&t, 0, sizeof(t));
	t.session = session;
	t.begun_ms = begun_ms;
	t.expires_ms = t.begun_ms + (uint64_t)conf->ticket_sec * 1000;
	snprintf(t.account, sizeof(t.account), "%s", a->name);
	snprintf(t.cap, sizeof(t.cap), "%s", groups_cap(conf, a));
	t.plus = groups_plus(conf, a);
	if (r->device != NULL) {
		snprintf(t.device, sizeof(t.device), "%s",
		    r->device->label);
		snprintf(t.device_cap, sizeof(t.device_cap), "%s",
		    r->device->cap);
	}
	ticket_seal(&conf->ticket_key, worker, &t);
	ipc_begin(M_AUTH_OK, session);
	ticket_put(&t);
	ipc_put_str(account_rewrite(a));
	ipc_put_u32((uint32_t)n);
	for (i = 0; i < n; i++) {
		ticket_seal_sender(&conf->ticket_key, &t, senders[i], seal);
		ipc_put_str(senders[i]);
		ipc_put_bytes(seal, sizeof(seal));
	}
	ipc_send(ipc, -1);
}
