#include "lib/prelude.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "lib/addr.h"
#include "lib/log.h"
#include "lib/ticket.h"

/*
 * As HMAC() does it, but what that looks up and allocates for each call costs
 * more than the hashing. For the main thread alone.
 */
static bool
hmac(const struct conf_bytes *key, const uint8_t *in, size_t n,
    uint8_t mac[TICKET_MAC_LEN])
{
	static EVP_MAC_CTX *ctx;
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_string(OSSL_MAC_PARAM_DIGEST, digest,
		    sizeof(digest) - 1),
		OSSL_PARAM_END
	};
	bool begun = ctx != NULL;
	EVP_MAC *of;
	size_t len;

	if (!begun) {
		of = EVP_MAC_fetch(NULL, "HMAC", NULL);
		ctx = of == NULL ? NULL : EVP_MAC_CTX_new(of);
		EVP_MAC_free(of);	/* ctx has its own */
	}
	return ctx != NULL && key->n == TICKET_KEY_LEN &&
	    EVP_MAC_init(ctx, key->v, key->n, begun ? NULL : params) == 1 &&
	    EVP_MAC_update(ctx, in, n) == 1 &&
	    EVP_MAC_final(ctx, mac, &len, TICKET_MAC_LEN) == 1 &&
	    len == TICKET_MAC_LEN;
}

/* Lengths go in front of the strings so that no two tickets share an input. */
static void
mac_of(const struct conf_bytes *key, uint32_t worker, const struct ticket *t,
    uint8_t mac[TICKET_MAC_LEN])
{
	uint8_t in[64 + ACCOUNT_MAX + DEVICE_MAX + 3 * CAP_NAME_MAX], *p = in;
	const char *const strings[] = { t->account, t->cap, t->device,
	    t->device_cap, t->lane };
	uint32_t n;
	size_t i;

#define ADD(from, n) (memcpy(p, from, n), p += (n))
	ADD("postern2", 8);
	ADD(&worker, sizeof(worker));
	ADD(&t->session, sizeof(t->session));
	ADD(&t->expires_ms, sizeof(t->expires_ms));
	ADD(&t->begun_ms, sizeof(t->begun_ms));
	ADD(&t->plus, sizeof(t->plus));
	for (i = 0; i < nitems(strings); i++) {
		n = (uint32_t)strlen(strings[i]);
		ADD(&n, sizeof(n));
		ADD(strings[i], n);
	}
#undef ADD
	if (!hmac(key, in, (size_t)(p - in), mac))
		fatalx("cannot compute a ticket's seal");
}

void
ticket_seal(const struct conf_bytes *key, uint32_t worker, struct ticket *t)
{
	mac_of(key, worker, t, t->mac);
}

void
ticket_seal_sender(const struct conf_bytes *key, const struct ticket *t,
    const char *pattern, uint8_t mac[TICKET_MAC_LEN])
{
	uint8_t in[7 + TICKET_MAC_LEN + ACCOUNT_MAX];
	size_t n = strnlen(pattern, ACCOUNT_MAX);

	/* The ticket's own seal stands for all that it says. */
	memcpy(in, "sender1", 7);
	memcpy(in + 7, t->mac, TICKET_MAC_LEN);
	memcpy(in + 7 + TICKET_MAC_LEN, pattern, n);
	if (!hmac(key, in, 7 + TICKET_MAC_LEN + n, mac))
		fatalx("cannot compute a sender's seal");
}

bool
ticket_may_send(const struct conf_bytes *key, const struct ticket *t,
    const char *return_path)
{
	uint8_t mac[TICKET_MAC_LEN];

	if (*return_path == '\0' ||
	    addr_covers(t->account, t->plus, return_path))
		return true;
	if (*t->sender == '\0' ||
	    !addr_covers(t->sender, t->plus, return_path))
		return false;
	ticket_seal_sender(key, t, t->sender, mac);
	return CRYPTO_memcmp(mac, t->sender_mac, sizeof(mac)) == 0;
}

bool
ticket_valid(const struct conf_bytes *key, uint32_t worker,
    const struct ticket *t, uint64_t now_ms)
{
	uint8_t mac[TICKET_MAC_LEN];

	mac_of(key, worker, t, mac);
	return CRYPTO_memcmp(mac, t->mac, sizeof(mac)) == 0 &&
	    now_ms < t->expires_ms;
}

const char *
ticket_login(const struct ticket *t, char out[LOGIN_MAX + 1])
{
	snprintf(out, LOGIN_MAX + 1, "%s/%s", t->account, t->device);
	return out;
}

void
ticket_put(const struct ticket *t)
{
	ipc_put_u64(t->session);
	ipc_put_u64(t->expires_ms);
	ipc_put_u64(t->begun_ms);
	ipc_put_str(t->account);
	ipc_put_str(t->cap);
	ipc_put_str(t->device);
	ipc_put_str(t->device_cap);
	ipc_put_u8((uint8_t)t->plus);
	ipc_put_str(t->lane);
	ipc_put_bytes(t->mac, sizeof(t->mac));
	ipc_put_str(t->sender);
	ipc_put_bytes(t->sender_mac, *t->sender == '\0' ? 0 :
	    sizeof(t->sender_mac));
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
	snprintf(t->device, sizeof(t->device), "%s",
	    ipc_get_str(in, DEVICE_MAX));
	snprintf(t->device_cap, sizeof(t->device_cap), "%s",
	    ipc_get_str(in, CAP_NAME_MAX));
	t->plus = (char)ipc_get_u8(in);
	snprintf(t->lane, sizeof(t->lane), "%s", ipc_get_str(in, CAP_NAME_MAX));
	mac = ipc_get_bytes(in, sizeof(t->mac), &len);
	if (len != sizeof(t->mac))
		in->bad = true;
	else
		memcpy(t->mac, mac, len);
	snprintf(t->sender, sizeof(t->sender), "%s",
	    ipc_get_str(in, ACCOUNT_MAX));
	mac = ipc_get_bytes(in, sizeof(t->sender_mac), &len);
	if (len != (*t->sender == '\0' ? 0 : sizeof(t->sender_mac)))
		in->bad = true;
	else if (len > 0)
		memcpy(t->sender_mac, mac, len);
}
