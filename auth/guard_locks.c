/* The locks there are, for an admin: to be looked through, and lifted by place. */
#include "lib/prelude.h"

#include "auth/guard_private.h"

/* Its key alone tells. */
static bool
is_of_tokens(const struct guard *g, const struct memo *m)
{
	char text[NET_TEXT_LEN];
	struct place p = guard_token_place(net_print(&m->from, text));
	const size_t lens[KINDS] = { [NETWORK] = p.network_len,
	    [ADDRESS] = p.len, [SITE] = p.site_len };
	uint8_t key[KEY_LEN];

	if (m->kind == ACCOUNT)
		return false;
	if (guard_is_trust(m))
		p = guard_nowhere(&p);
	if (m->kind == PAIR && m->name != NULL)
		guard_pair_key(g, m->name, &p, key);
	else
		guard_digest(g, m->kind, p.v, lens[m->kind], key);
	return memcmp(key, m->key, KEY_LEN) == 0;
}

static const char *
what(const struct guard *g, const struct memo *m)
{
	static const char *const whats[2][KINDS] = {
		{ "account", "home", "network", "address", "site" },
		{ "", "home-tokens", "network-tokens",
		    "address-tokens", "site-tokens" },
	};
	bool tokens = is_of_tokens(g, m);

	return guard_is_trust(m) ? tokens ? "trust-tokens" : "trust" :
	    whats[tokens][m->kind];
}

void
guard_locks(struct guard *g, uint64_t now_ms,
    void (*fn)(const struct guard_lock *, void *), void *arg)
{
	const struct memo *m;
	bool named;
	size_t i, w;

	for (i = 0; i < KINDS; i++)
		for (w = 0; w < WORTHS; w++)
			TAILQ_FOREACH_REVERSE(m, &g->uses[i][w], uses, by_use) {
				if (guard_wait_of(m, now_ms) == 0)
					continue;
				named = m->name != NULL && (i == ACCOUNT ||
				    i == PAIR);
				fn(&(struct guard_lock){ what(g, m), named ?
				    m->name : "", m->from.bits == 0 ? NULL :
				    &m->from, now_ms + guard_wait_of(m,
				    now_ms), m->locks }, arg);
			}
}

static bool
meet(const struct net *a, const struct net *b)
{
	return net_covers(a, b) || net_covers(b, a);
}

static size_t
lift_one(struct guard *g, struct memo *m, uint64_t now_ms)
{
	size_t n = guard_wait_of(m, now_ms) > 0;

	guard_forgive(g, m);
	return n;
}

/* What an address did counts for who made it good, too. */
static size_t
lift(struct guard *g, struct memo *m, uint64_t now_ms)
{
	static const struct place ways[] = { { .v = { 0 } },
	    { .v = { OF_TOKENS } } };
	uint8_t key[KEY_LEN];
	struct memo *trust;
	size_t i, n = 0;

	for (i = 0; m->name != NULL && i < nitems(ways); i++) {
		guard_trust_key(g, m, &ways[i], key);
		trust = guard_find(g, PAIR, key);
		n += trust == NULL ? 0 : lift_one(g, trust, now_ms);
	}
	return n + lift_one(g, m, now_ms);
}

/* What has no place is found by its key, if it is this one or around it. */
static size_t
unlock_around(struct guard *g, const struct net *net, uint64_t now_ms)
{
	char text[NET_TEXT_LEN];
	struct place p = guard_place(net_print(net, text));
	const struct { enum kind kind; size_t len; } rows[] = {
		{ NETWORK, p.network_len }, { ADDRESS, p.len },
		{ SITE, p.site_len },
	};
	uint8_t key[KEY_LEN];
	struct memo *m;
	size_t i, n = 0;

	for (i = 0; i < nitems(rows); i++) {
		if (rows[i].len == 0 || guard_net(&p, rows[i].len).bits >
		    net->bits)
			continue;
		guard_digest(g, rows[i].kind, p.v, rows[i].len, key);
		m = guard_find(g, rows[i].kind, key);
		if (m != NULL && m->from.bits == 0)
			n += lift(g, m, now_ms);
	}
	return n;
}

size_t
guard_unlock_net(struct guard *g, const struct net *net, uint64_t now_ms)
{
	static const enum kind kinds[] = { NETWORK, ADDRESS, SITE };
	struct memo *m, *next;
	size_t i, w, n = unlock_around(g, net, now_ms);

	for (i = 0; i < nitems(kinds); i++)
		for (w = 0; w < WORTHS; w++)
			for (m = TAILQ_FIRST(&g->uses[kinds[i]][w]); m != NULL;
			    m = next) {
				next = TAILQ_NEXT(m, by_use);
				if (m->from.bits != 0 && guard_holds(m) &&
				    meet(net, &m->from))
					n += lift(g, m, now_ms);
			}
	return n;
}
