/* The locks there are, for an admin: to be looked through, and lifted by place. */
#include "lib/prelude.h"

#include "auth/guard_private.h"

static const char *const whats[KINDS] = {
	[ACCOUNT] = "account", [PAIR] = "home", [NETWORK] = "network",
	[ADDRESS] = "address", [SITE] = "site",
};

void
guard_locks(struct guard *g, uint64_t now_ms,
    void (*fn)(const struct guard_lock *, void *), void *arg)
{
	const struct memo *m;
	size_t i, w;

	for (i = 0; i < KINDS; i++)
		for (w = 0; w < WORTHS; w++)
			TAILQ_FOREACH_REVERSE(m, &g->uses[i][w], uses, by_use)
				if (guard_wait_of(m, now_ms) > 0)
					fn(&(struct guard_lock){ whats[i],
					    m->name == NULL ? "" : m->name,
					    m->from.bits == 0 ? NULL :
					    &m->from, now_ms +
					    guard_wait_of(m, now_ms), m->locks
					    }, arg);
}

static bool
meet(const struct net *a, const struct net *b)
{
	return net_covers(a, b) || net_covers(b, a);
}

static size_t
lift(struct guard *g, struct memo *m, uint64_t now_ms)
{
	size_t n = guard_wait_of(m, now_ms) > 0;

	guard_forgive(g, m);
	return n;
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
				if (m->from.bits != 0 && meet(net, &m->from))
					n += lift(g, m, now_ms);
			}
	return n;
}
