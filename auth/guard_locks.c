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

size_t
guard_unlock_net(struct guard *g, const struct net *net, uint64_t now_ms)
{
	static const enum kind kinds[] = { NETWORK, ADDRESS, SITE };
	struct memo *m, *next;
	size_t i, w, n = 0;

	for (i = 0; i < nitems(kinds); i++)
		for (w = 0; w < WORTHS; w++)
			for (m = TAILQ_FIRST(&g->uses[kinds[i]][w]); m != NULL;
			    m = next) {
				next = TAILQ_NEXT(m, by_use);
				if (m->from.bits == 0 || !meet(net, &m->from))
					continue;
				n += guard_wait_of(m, now_ms) > 0;
				guard_forgive(g, m);
			}
	return n;
}
