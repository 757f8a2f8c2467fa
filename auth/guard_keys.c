/*
 * What memos are found by: digests of names and places, so that nobody aims at a
 * bucket.
 */
#include "lib/prelude.h"

#include <arpa/inet.h>
#include <openssl/evp.h>

#include "auth/guard_private.h"
#include "lib/log.h"

#define SUM_LEN		32

struct place
guard_place(const char *peer)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct place p = { .len = 0 };
	uint8_t a[16];

	if (inet_pton(AF_INET6, peer, a) == 1 && memcmp(a, mapped, 12) != 0) {
		p = (struct place){ .v = { 6 }, .len = 17, .network_len = 9,
		    .site_len = 7 };
		memcpy(p.v + 1, a, 16);
		return p;
	}
	if (inet_pton(AF_INET6, peer, a) == 1)
		memmove(a, a + 12, 4);
	else if (inet_pton(AF_INET, peer, a) != 1)
		return p;
	p = (struct place){ .v = { 4 }, .len = 5, .network_len = 4 };
	memcpy(p.v + 1, a, 4);
	return p;
}

struct place
guard_token_place(const char *peer)
{
	struct place p = guard_place(peer);

	p.v[0] |= OF_TOKENS;
	return p;
}

struct place
guard_nowhere(const struct place *p)
{
	return (struct place){ .v = { p->v[0] & OF_TOKENS },
	    .network_len = 1 };
}

void
guard_digest(const struct guard *g, uint8_t kind, const void *p, size_t n,
    uint8_t out[KEY_LEN])
{
	uint8_t in[SEED_LEN + 1 + 512], sum[SUM_LEN];

	n = n < 512 ? n : 512;
	memcpy(in, g->seed, SEED_LEN);
	in[SEED_LEN] = kind;
	memcpy(in + SEED_LEN + 1, p, n);
	if (EVP_Digest(in, SEED_LEN + 1 + n, sum, NULL, EVP_sha256(), NULL)
	    != 1)
		fatalx("cannot compute a digest");
	memcpy(out, sum, KEY_LEN);
}

uint64_t
guard_hash(const struct guard *g, const void *p, size_t n)
{
	uint8_t key[KEY_LEN];
	uint64_t h;

	guard_digest(g, KINDS, p, n, key);
	memcpy(&h, key, sizeof(h));
	return h;
}

void
guard_account_key(const struct guard *g, const char *name, uint8_t key[KEY_LEN])
{
	guard_digest(g, ACCOUNT, name, strlen(name), key);
}

void
guard_pair_key(const struct guard *g, const char *name, const struct place *p,
    uint8_t key[KEY_LEN])
{
	uint8_t network[KEY_LEN];

	guard_account_key(g, name, key);
	guard_digest(g, NETWORK, p->v, p->network_len, network);
	memcpy(key + KEY_LEN / 2, network, KEY_LEN / 2);
}

void
guard_trust_key(const struct guard *g, const struct memo *address,
    const struct place *at, uint8_t key[KEY_LEN])
{
	const struct place nowhere = guard_nowhere(at);

	guard_pair_key(g, address->name == NULL ? "" : address->name, &nowhere,
	    key);
}

struct net
guard_net(const struct place *p, size_t n)
{
	struct net net = { .bits = 0 };

	if (n == 0)
		return net;
	if ((p->v[0] & ~OF_TOKENS) == 4) {
		memset(net.bytes + 10, 0xff, 2);
		memcpy(net.bytes + 12, p->v + 1, n - 1);
		net.bits = 96 + 8 * (unsigned int)(n - 1);
	} else {
		memcpy(net.bytes, p->v + 1, n - 1);
		net.bits = 8 * (unsigned int)(n - 1);
	}
	return net;
}

uint64_t
guard_network(const struct guard *g, const char *peer)
{
	struct place p = guard_place(peer);

	return p.len == 0 ? 0 : 1 | guard_hash(g, p.v, p.site_len > 0 ?
	    p.site_len : p.network_len);
}
