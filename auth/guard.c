#include "lib/prelude.h"

#include "auth/device.h"
#include "auth/guard_private.h"
#include "lib/xalloc.h"

#define TRUST_MS	(30 * DAY_MS)	/* a good login is remembered */
/*
 * Somebody with an account and all addresses of a /48 pushes out no others'
 * memory: so many networks of an account, addresses and networks of a /48.
 */
#define PAIRS_MAX	128
#define ADDRESSES_MAX	1024

static bool
is_good(const struct memo *m, uint64_t now_ms)
{
	return m != NULL && m->good_ms != 0 && (m->good_ms > now_ms ||
	    now_ms - m->good_ms < TRUST_MS);
}

/* Good, and not only until it was locked for what it did itself. */
static bool
is_trusted(const struct memo *m, uint64_t now_ms)
{
	return is_good(m, now_ms) && m->good_ms >= m->last_lock_ms;
}

/* --- what others ask and tell -------------------------------------------------------- */

void
guard_configure(struct guard *g, uint32_t limit, uint64_t lock_ms)
{
	g->limit = limit < GUARD_LIMIT_MAX ? limit : GUARD_LIMIT_MAX;
	g->lock_ms = lock_ms;
}

static struct memo *
address_of(struct guard *g, const struct place *p)
{
	uint8_t key[KEY_LEN];

	guard_digest(g, ADDRESS, p->v, p->len, key);
	return guard_find(g, ADDRESS, key);
}

static struct memo *
pair_of(struct guard *g, const char *name, const struct place *p)
{
	uint8_t key[KEY_LEN];

	guard_pair_key(g, name, p, key);
	return guard_find(g, PAIR, key);
}

/*
 * Who has an account can make known as many addresses as he has. So what fails
 * at any of them counts for his name, too, in its trust: as much as locks one
 * address, and none of them is spared what its neighbours do.
 */
static bool
is_spared(struct guard *g, const struct place *p, const struct place *at,
    uint64_t now_ms)
{
	const struct memo *m = address_of(g, p);
	uint8_t key[KEY_LEN];

	if (!is_trusted(m, now_ms))
		return false;
	guard_trust_key(g, m, at, key);
	return guard_wait_of(guard_find(g, PAIR, key), now_ms) == 0;
}

/*
 * What is held against all who come from p, be it by passwords (at is the same)
 * or by tokens.
 */
static uint64_t
place_wait(struct guard *g, const struct place *p, const struct place *at,
    uint64_t now_ms)
{
	uint64_t wait = guard_wait_of(address_of(g, at), now_ms);
	uint8_t key[KEY_LEN];

	if (wait > 0 || is_spared(g, p, at, now_ms))
		return wait;
	guard_digest(g, SITE, at->v, at->site_len, key);
	wait = at->site_len == 0 ? 0 :
	    guard_wait_of(guard_find(g, SITE, key), now_ms);
	if (wait > 0)
		return wait;
	guard_digest(g, NETWORK, at->v, at->network_len, key);
	return guard_wait_of(guard_find(g, NETWORK, key), now_ms);
}

uint64_t
guard_peer_wait(struct guard *g, const char *peer, uint64_t now_ms)
{
	struct place p = guard_place(peer);
	uint8_t key[KEY_LEN];

	if (p.len == 0 || g->limit == 0)
		return 0;
	guard_digest(g, NETWORK, p.v, p.network_len, key);
	return is_good(address_of(g, &p), now_ms) ||
	    is_good(guard_find(g, NETWORK, key), now_ms) ? 0 :
	    place_wait(g, &p, &p, now_ms);
}

uint64_t
guard_token_wait(struct guard *g, const char *name, const char *peer,
    uint64_t now_ms)
{
	struct place p = guard_place(peer), at = guard_token_place(peer);

	if (p.len == 0 || g->limit == 0 ||
	    (is_good(pair_of(g, name, &p), now_ms) &&
	    guard_wait_of(pair_of(g, name, &at), now_ms) == 0))
		return 0;
	return place_wait(g, &p, &at, now_ms);
}

uint64_t
guard_account_wait(struct guard *g, const char *name, const char *peer,
    uint64_t now_ms)
{
	struct place p = guard_place(peer);
	struct memo *pair = pair_of(g, name, &p);
	uint8_t key[KEY_LEN];
	uint64_t wait, there;

	if (g->limit == 0)
		return 0;
	if (is_good(pair, now_ms))
		return guard_wait_of(pair, now_ms);
	guard_account_key(g, name, key);
	wait = guard_wait_of(guard_find(g, ACCOUNT, key), now_ms);
	there = p.len == 0 ? 0 : place_wait(g, &p, &p, now_ms);
	return wait > there ? wait : there;
}

bool
guard_is_known(struct guard *g, const char *peer, uint64_t now_ms)
{
	struct place p = guard_place(peer);

	return p.len > 0 && is_spared(g, &p, &p, now_ms);
}

/* How many of what it has seen came from that network. */
static uint32_t
seen_from(const struct memo *m, uint32_t network)
{
	uint32_t i, n = 0;

	for (i = 0; i < m->n; i++)
		n += m->where[i] == network;
	return n;
}

/*
 * *fresh: nobody tried that before. *others: so many other ones came from the
 * same network. How many different ones it is by now.
 */
static uint32_t
account_failed(struct guard *g, const struct try *t, uint64_t secret,
    bool *fresh, uint32_t *others, uint64_t now_ms)
{
	bool home = is_good(pair_of(g, t->name, &t->p), now_ms);
	uint8_t key[KEY_LEN];
	struct memo *m;

	if (home)
		guard_pair_key(g, t->name, &t->p, key);
	else
		guard_account_key(g, t->name, key);
	m = guard_noted(g, home ? PAIR : ACCOUNT, key, now_ms);
	*fresh = false;
	*others = 0;
	if (m == NULL)
		return g->limit;
	*others = seen_from(m, (uint32_t)guard_network(g, t->peer));
	*fresh = guard_count(g, m, guard_password_mark(g, m, &t->p, secret), t, now_ms);
	return guard_failures(g, m, now_ms);
}

/*
 * False: the address is not known, or what was tried is a password of who is at
 * home there. Else what counts for who made it known.
 */
static bool
trusted_by(struct guard *g, const struct try *t, struct try *who,
    uint8_t key[KEY_LEN], uint64_t now_ms)
{
	struct place p = guard_place(t->peer);
	const struct memo *m = address_of(g, &p);

	if (!is_good(m, now_ms) || ((t->p.v[0] & OF_TOKENS) == 0 &&
	    is_good(pair_of(g, t->name, &p), now_ms)))
		return false;
	guard_trust_key(g, m, &t->p, key);
	*who = (struct try){ t->name, t->peer, guard_nowhere(&t->p),
	    m->name == NULL ? "" : m->name };
	return true;
}

/* How many different ones its network has tried by now. */
static uint32_t
peer_failed(struct guard *g, const struct try *t, uint64_t tried,
    uint64_t now_ms)
{
	uint8_t key[KEY_LEN];
	struct try who;
	uint32_t n;
	bool fresh;

	if (t->p.len == 0)
		return 0;
	guard_digest(g, NETWORK, t->p.v, t->p.network_len, key);
	fresh = guard_count_try(g, NETWORK, key, tried, t, now_ms);
	n = guard_failures(g, guard_find(g, NETWORK, key), now_ms);
	if (fresh)
		guard_count_site(g, t, DOUBTS_PER_ONE, now_ms);
	guard_digest(g, ADDRESS, t->p.v, t->p.len, key);
	(void)guard_count_try(g, ADDRESS, key, tried, t, now_ms);
	if (trusted_by(g, t, &who, key, now_ms))
		(void)guard_count_try(g, PAIR, key, tried, &who, now_ms);
	return n;
}

uint32_t
guard_failed(struct guard *g, const char *name, const char *peer,
    uint64_t secret, uint64_t now_ms)
{
	struct try t = { name, peer, guard_place(peer), NULL };
	uint32_t passwords, names, others;
	bool fresh;

	passwords = account_failed(g, &t, secret, &fresh, &others, now_ms);
	names = peer_failed(g, &t, guard_name_mark(g, &t), now_ms);
	return passwords > names ? passwords : names;
}

static void
peer_doubted(struct guard *g, const struct try *t, uint64_t secret,
    uint64_t now_ms)
{
	uint8_t key[KEY_LEN];
	struct try who;
	bool again;

	if (t->p.len == 0 || is_good(pair_of(g, t->name, &t->p), now_ms))
		return;
	guard_digest(g, NETWORK, t->p.v, t->p.network_len, key);
	again = guard_count_doubt(g, NETWORK, key, secret, t, now_ms);
	guard_count_site(g, t, again ? DOUBTS_PER_ONE : 1, now_ms);
	guard_digest(g, ADDRESS, t->p.v, t->p.len, key);
	(void)guard_count_doubt(g, ADDRESS, key, secret, t, now_ms);
	if (trusted_by(g, t, &who, key, now_ms))
		(void)guard_count_doubt(g, PAIR, key, secret, &who, now_ms);
}

/*
 * Whether or not a source was asked, or the name has an account here: a count
 * that depended on it would tell.
 */
uint32_t
guard_undecided(struct guard *g, const char *name, const char *peer,
    uint64_t secret, uint64_t now_ms)
{
	struct try t = { name, peer, guard_place(peer), NULL };
	uint32_t passwords, names = 0, others;
	bool fresh;

	passwords = account_failed(g, &t, secret, &fresh, &others, now_ms);
	if (fresh && others == 0)
		peer_doubted(g, &t, secret, now_ms);
	else if (fresh)
		names = peer_failed(g, &t, guard_name_mark(g, &t), now_ms);
	return passwords > names ? passwords : names;
}

uint32_t
guard_token_failed(struct guard *g, const char *name, const char *peer,
    uint64_t token, uint64_t now_ms)
{
	struct try t = { name, peer, guard_token_place(peer), NULL };
	struct place p = guard_place(peer);
	uint8_t key[KEY_LEN];

	/* Who is at home there is spared, but whoever says so is not him. */
	if (is_good(pair_of(g, name, &p), now_ms)) {
		guard_pair_key(g, name, &t.p, key);
		(void)guard_count_try(g, PAIR, key, token, &t, now_ms);
	}
	return peer_failed(g, &t, token, now_ms);
}

static void
note_good(struct guard *g, struct memo *m, uint64_t owner, size_t max,
    uint64_t now_ms)
{
	bool first = m->good_ms == 0 || m->owner != owner;

	m->good_ms = now_ms;
	m->owner = owner;
	guard_use(g, m);
	if (first)
		guard_thin(g, m->kind, GOOD, owner, max);
}

void
guard_succeeded(struct guard *g, const char *name, const char *peer,
    uint64_t now_ms)
{
	char account[ACCOUNT_MAX + 1];
	struct place p = guard_place(peer);
	uint8_t key[KEY_LEN];
	struct memo *m;

	if (p.len == 0)
		return;
	guard_pair_key(g, name, &p, key);
	m = guard_make(g, PAIR, key);
	m->n = m->unseen = 0;
	note_good(g, m, guard_hash(g, name, strlen(name)), PAIRS_MAX, now_ms);
	if (p.site_len > 0) {
		guard_digest(g, NETWORK, p.v, p.network_len, key);
		note_good(g, guard_make(g, NETWORK, key),
		    guard_network(g, peer), ADDRESSES_MAX, now_ms);
	}
	guard_digest(g, ADDRESS, p.v, p.len, key);
	m = guard_make(g, ADDRESS, key);
	note_good(g, m, guard_network(g, peer), ADDRESSES_MAX, now_ms);
	free(m->name);
	(void)device_split(name, account);
	m->name = xstrdup(account);
}

uint64_t
guard_locked_until(struct guard *g, const char *name, uint64_t now_ms)
{
	uint8_t key[KEY_LEN];
	uint64_t wait;

	guard_account_key(g, name, key);
	wait = guard_wait_of(guard_find(g, ACCOUNT, key), now_ms);
	return wait == 0 ? 0 : now_ms + wait;
}

bool
guard_holds(const struct memo *m)
{
	return m->n > 0 || m->unseen > 0 || m->last_lock_ms > 0;
}

void
guard_forgive(struct guard *g, struct memo *m)
{
	if (m->good_ms == 0) {
		guard_forget(g, m);
		return;
	}
	m->locked_ms = m->last_lock_ms = 0;
	m->locks = m->n = m->unseen = 0;
	guard_use(g, m);
}

void
guard_unlock(struct guard *g, const char *name)
{
	uint8_t key[KEY_LEN];
	struct memo *m, *next;
	size_t w;

	guard_account_key(g, name, key);
	m = guard_find(g, ACCOUNT, key);
	if (m != NULL)
		guard_forget(g, m);
	for (w = 0; w < WORTHS; w++)
		for (m = TAILQ_FIRST(&g->uses[PAIR][w]); m != NULL; m = next) {
			next = TAILQ_NEXT(m, by_use);
			if (guard_holds(m) && memcmp(m->key, key,
			    KEY_LEN / 2) == 0)
				guard_forgive(g, m);
		}
}
