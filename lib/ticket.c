#include "lib/prelude.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "lib/log.h"
#include "lib/ticket.h"

/* Lengths go in front of the strings so that no two tickets share an input. */
static void
mac_of(const struct conf_bytes *key, uint32_t worker, const struct ticket *t,
    uint8_t mac[TICKET_MAC_LEN])
{
	uint8_t in[64 + ACCOUNT_MAX + CAP_NAME_MAX], *p = in;
	uint32_t account_len = (uint32_t)strlen(t->account);
	uint32_t cap_len = (uint32_t)strlen(t->cap);
	unsigned int len = TICKET_MAC_LEN;

#define ADD(from, n) (memcpy(p, from, n), p += (n))
	ADD("postern1", 8);
	ADD(&worker, sizeof(worker));
	ADD(&t->session, sizeof(t->session));
	ADD(&t->expires_ms, sizeof(t->expires_ms));
	ADD(&t->begun_ms, sizeof(t->begun_ms));
	ADD(&account_len, sizeof(account_len));
	ADD(t->account, account_len);
	ADD(&cap_len, sizeof(cap_len));
	ADD(t->cap, cap_len);
#undef ADD
	if (key->n != TICKET_KEY_LEN || HMAC(EVP_sha256(), key->v,
	    (int)key->n, in, (size_t)(p - in), mac, &len) == NULL)
		fatalx("cannot compute a ticket's seal");
}

void
ticket_seal(const struct conf_bytes *key, uint32_t worker, struct ticket *t)
{
	mac_of(key, worker, t, t->mac);
}

bool
ticket_valid(const struct conf_bytes *key, uint32_t worker,
    const struct ticket *t, uint64_t wall_ms)
{
	uint8_t mac[TICKET_MAC_LEN];

	mac_of(key, worker, t, mac);
	return CRYPTO_memcmp(mac, t->mac, sizeof(mac)) == 0 &&
	    wall_ms < t->expires_ms;
}

void
ticket_put(const struct ticket *t)
{
	ipc_put_u64(t->session);
	ipc_put_u64(t->expires_ms);
	ipc_put_u64(t->begun_ms);
	ipc_put_str(t->account);
	ipc_put_str(t->cap);
	ipc_put_bytes(t->mac, sizeof(t->mac));
}

void
ticket_get(struct ipc_in *in, struct ticket *t)
{
	const uint8_t *mac;
	size_t len;

	memset(t, 0, sizeof(*t));
	t->session = ipc_get_u64(in);
	t->expires_ms = ipc_get_u64(in);
	t->begun_ms = ipc_get_u64(in);
	snprintf(t->account, sizeof(t->account), "%s",
	    ipc_get_str(in, ACCOUNT_MAX));
	snprintf(t->cap, sizeof(t->cap), "%s", ipc_get_str(in, CAP_NAME_MAX));
	mac = ipc_get_bytes(in, sizeof(t->mac), &len);
	if (len != sizeof(t->mac))
		in->bad = true;
	else
		memcpy(t->mac, mac, len);
}
