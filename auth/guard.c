#include "lib/prelude.h"

#include <sys/queue.h>
#include <sys/random.h>
#include <arpa/inet.h>
#include <openssl/evp.h>

#include "auth/guard.h"
#include "lib/buf.h"
#include "lib/flood.h"
#include "lib/log.h"
#include "lib/xalloc.h"

#define KEY_LEN		16
#define SEED_LEN	16
#define SUM_LEN		32
#define BUCKETS		4096
#define HOUR_MS		(3600 * 1000ull)
#define DAY_MS		(24 * HOUR_MS)
#define WINDOW_MS	HOUR_MS		/* failures within it add up */
#define TRUST_MS	(30 * DAY_MS)	/* a good login is remembered */
#define LOCK_MAX_MS	DAY_MS
#define UNSEEN_PER_ONE	10	/* failures without a password count as one */
#define MAGIC		"postern guard 1\n"
#define MAGIC_LEN	16
#define PACK_MAX	(64 * 1024 * 1024)

enum kind { ACCOUNT, PAIR, NETWORK, ADDRESS, KINDS };

/* What is known of one thing, whatever it is. */
struct memo {
	LIST_ENTRY(memo) bucket;
	TAILQ_ENTRY(memo) by_use;
	uint8_t	 kind;
	uint8_t	 key[KEY_LEN];	/* a pair's begins like its account's */
	uint64_t since_ms;	/* when the failures began to be counted */
	uint64_t locked_ms;	/* until then */
	uint64_t last_lock_ms;
	uint64_t good_ms;	/* of the last good login; 0: none */
	uint32_t locks;		/* in a row */
	uint32_t unseen;	/* failures that showed no password */
	uint32_t n;
	uint64_t seen[GUARD_LIMIT_MAX];	/* hashes of what failed */
};

TAILQ_HEAD(uses, memo);

struct guard {
	LIST_HEAD(, memo) buckets[BUCKETS];
	struct uses uses[KINDS];	/* least lately used first */
	size_t	 n[KINDS];
	uint32_t limit;
	uint64_t lock_ms;
	uint8_t	 seed[SEED_LEN];	/* nobody aims at a bucket */
	bool	 changed;
};

static struct flood locks = FLOOD("locks", 60);

/* --- keys -------------------------------------------------------------------- */

/* An address with its family in front; a network is so many bytes of it. */
struct place {
	uint8_t	 v[1 + 16];
	size_t	 len, network_len;	/* 0: no address */
};

static struct place
place_of(const char *peer)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct place p = { .len = 0 };
	uint8_t a[16];

	if (inet_pton(AF_INET6, peer, a) == 1 && memcmp(a, mapped, 12) != 0) {
		p = (struct place){ .v = { 6 }, .len = 17, .network_len = 9 };
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

static void
digest(const struct guard *g, uint8_t kind, const void *p, size_t n,
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

static uint64_t
hash_of(const struct guard *g, const void *p, size_t n)
{
	uint8_t key[KEY_LEN];
	uint64_t h;

	digest(g, KINDS, p, n, key);
	memcpy(&h, key, sizeof(h));
	return h;
}

static void
account_key(const struct guard *g, const char *name, uint8_t key[KEY_LEN])
{
	digest(g, ACCOUNT, name, strlen(name), key);
}

static void
pair_key(const struct guard *g, const char *name, const struct place *p,
    uint8_t key[KEY_LEN])
{
	uint8_t network[KEY_LEN];

	account_key(g, name, key);
	digest(g, NETWORK, p->v, p->network_len, network);
	memcpy(key + KEY_LEN / 2, network, KEY_LEN / 2);
}

/* --- memos --------------------------------------------------------------------- */

static size_t
bucket(const uint8_t key[KEY_LEN])
{
	return ((size_t)key[KEY_LEN - 1] << 8 | key[KEY_LEN - 2]) % BUCKETS;
}

static struct memo *
find(struct guard *g, enum kind kind, const uint8_t key[KEY_LEN])
{
	struct memo *m;

	LIST_FOREACH(m, &g->buckets[bucket(key)], bucket)
		if (m->kind == kind && memcmp(m->key, key, KEY_LEN) == 0)
			return m;
	return NULL;
}

static void
forget(struct guard *g, struct memo *m)
{
	LIST_REMOVE(m, bucket);
	TAILQ_REMOVE(&g->uses[m->kind], m, by_use);
	g->n[m->kind]--;
	g->changed = true;
	free(m);
}

static void
insert(struct guard *g, struct memo *m)
{
	if (g->n[m->kind] >= GUARD_ROOM)
		forget(g, TAILQ_FIRST(&g->uses[m->kind]));
	LIST_INSERT_HEAD(&g->buckets[bucket(m->key)], m, bucket);
	TAILQ_INSERT_TAIL(&g->uses[m->kind], m, by_use);
	g->n[m->kind]++;
}

/* The one with this key, made if need be, as the most lately used. */
static struct memo *
make(struct guard *g, enum kind kind, const uint8_t key[KEY_LEN])
{
	struct memo *m = find(g, kind, key);

	g->changed = true;
	if (m != NULL) {
		TAILQ_REMOVE(&g->uses[kind], m, by_use);
		TAILQ_INSERT_TAIL(&g->uses[kind], m, by_use);
		return m;
	}
	m = xcalloc(1, sizeof(*m));
	m->kind = (uint8_t)kind;
	memcpy(m->key, key, KEY_LEN);
	insert(g, m);
	return m;
}

/* A clock that was set back does not lock for longer than a lock lasts. */
static uint64_t
wait_of(const struct memo *m, uint64_t now_ms)
{
	if (m == NULL || m->locked_ms <= now_ms)
		return 0;
	return m->locked_ms - now_ms < LOCK_MAX_MS ? m->locked_ms - now_ms :
	    LOCK_MAX_MS;
}

static bool
is_good(const struct memo *m, uint64_t now_ms)
{
	return m != NULL && m->good_ms != 0 && (m->good_ms > now_ms ||
	    now_ms - m->good_ms < TRUST_MS);
}

/* --- counting -------------------------------------------------------------------- */

static void
lock(struct guard *g, struct memo *m, const char *what, uint64_t now_ms)
{
	uint64_t ms;

	if (now_ms > m->last_lock_ms + LOCK_MAX_MS)
		m->locks = 0;
	ms = m->locks < 16 ? g->lock_ms << m->locks : LOCK_MAX_MS;
	ms = ms < LOCK_MAX_MS ? ms : LOCK_MAX_MS;
	m->locks++;
	m->last_lock_ms = m->locked_ms = now_ms + ms;
	m->n = m->unseen = 0;
	if (flood_log(&locks))
		log_warnx("%s locked minutes=%llu time=%u why=\"%u different "
		    "failures\"", what, (unsigned long long)(ms + 59999) /
		    60000, m->locks, g->limit);
}

/* One more failure; true when that is one that was not seen yet. */
static bool
count(struct guard *g, struct memo *m, uint64_t seen, const char *what,
    uint64_t now_ms)
{
	uint32_t i;

	if (now_ms - m->since_ms > WINDOW_MS) {
		m->since_ms = now_ms;
		m->n = m->unseen = 0;
	}
	for (i = 0; i < m->n; i++)
		if (m->seen[i] == seen)
			return false;
	if (m->n < GUARD_LIMIT_MAX)
		m->seen[m->n++] = seen;
	if (g->limit != 0 && m->n >= g->limit)
		lock(g, m, what, now_ms);
	return true;
}

/*
 * What tells one wrong password from another. SCRAM shows none: a device with
 * an old password and somebody who guesses look the same, so of one address
 * every tenth failure counts.
 */
static uint64_t
password_mark(const struct guard *g, struct memo *m, const struct place *p,
    uint64_t secret)
{
	struct {
		uint8_t	 v[17];
		uint32_t turn;
	} in;

	if (secret != 0)
		return secret;
	memset(&in, 0, sizeof(in));
	memcpy(in.v, p->v, p->len);
	in.turn = m->unseen++ / UNSEEN_PER_ONE;
	return hash_of(g, &in, sizeof(in));
}

static uint32_t
count_password(struct guard *g, enum kind kind, const uint8_t key[KEY_LEN],
    const struct place *p, uint64_t secret, const char *what, uint64_t now_ms)
{
	struct memo *m = make(g, kind, key);

	(void)count(g, m, password_mark(g, m, p, secret), what, now_ms);
	return m->n;
}

static uint32_t
count_name(struct guard *g, enum kind kind, const uint8_t key[KEY_LEN],
    const char *name, const char *what, uint64_t now_ms)
{
	struct memo *m = make(g, kind, key);

	if (count(g, m, hash_of(g, name, strlen(name)), what, now_ms) &&
	    kind == ADDRESS && wait_of(m, now_ms) > 0)
		m->good_ms = 0;		/* it is no victim of neighbours */
	return m->n;
}

/* --- what others ask and tell -------------------------------------------------------- */

struct guard *
guard_new(void)
{
	struct guard *g = xcalloc(1, sizeof(*g));
	size_t i;

	if (getrandom(g->seed, sizeof(g->seed), 0) != sizeof(g->seed))
		fatal("getrandom");
	for (i = 0; i < KINDS; i++)
		TAILQ_INIT(&g->uses[i]);
	return g;
}

static void
empty(struct guard *g)
{
	size_t i;

	for (i = 0; i < KINDS; i++)
		while (!TAILQ_EMPTY(&g->uses[i]))
			forget(g, TAILQ_FIRST(&g->uses[i]));
}

void
guard_free(struct guard **gp)
{
	if (*gp == NULL)
		return;
	empty(*gp);
	free(*gp);
	*gp = NULL;
}

void
guard_configure(struct guard *g, uint32_t limit, uint64_t lock_ms)
{
	g->limit = limit < GUARD_LIMIT_MAX ? limit : GUARD_LIMIT_MAX;
	g->lock_ms = lock_ms;
}

uint64_t
guard_peer_wait(struct guard *g, const char *peer, uint64_t now_ms)
{
	struct place p = place_of(peer);
	uint8_t key[KEY_LEN];
	struct memo *address;

	if (p.len == 0 || g->limit == 0)
		return 0;
	digest(g, ADDRESS, p.v, p.len, key);
	address = find(g, ADDRESS, key);
	if (wait_of(address, now_ms) > 0)
		return wait_of(address, now_ms);
	if (is_good(address, now_ms))
		return 0;
	digest(g, NETWORK, p.v, p.network_len, key);
	return wait_of(find(g, NETWORK, key), now_ms);
}

uint64_t
guard_account_wait(struct guard *g, const char *name, const char *peer,
    uint64_t now_ms)
{
	struct place p = place_of(peer);
	uint8_t key[KEY_LEN];
	struct memo *pair;

	if (g->limit == 0)
		return 0;
	pair_key(g, name, &p, key);
	pair = find(g, PAIR, key);
	if (is_good(pair, now_ms))
		return wait_of(pair, now_ms);
	account_key(g, name, key);
	return wait_of(find(g, ACCOUNT, key), now_ms);
}

bool
guard_is_known(struct guard *g, const char *peer, uint64_t now_ms)
{
	struct place p = place_of(peer);
	uint8_t key[KEY_LEN];

	digest(g, ADDRESS, p.v, p.len, key);
	return p.len > 0 && is_good(find(g, ADDRESS, key), now_ms);
}

uint32_t
guard_failed(struct guard *g, const char *name, const char *peer,
    uint64_t secret, uint64_t now_ms)
{
	struct place p = place_of(peer);
	uint8_t key[KEY_LEN], pair[KEY_LEN];
	uint32_t most, n;
	char what[512];

	snprintf(what, sizeof(what), "account=\"%s\"", log_escs(name));
	pair_key(g, name, &p, pair);
	account_key(g, name, key);
	if (is_good(find(g, PAIR, pair), now_ms)) {
		snprintf(what + strlen(what), sizeof(what) - strlen(what),
		    " network-of=%s", log_escs(peer));
		most = count_password(g, PAIR, pair, &p, secret, what, now_ms);
	} else
		most = count_password(g, ACCOUNT, key, &p, secret, what,
		    now_ms);
	if (p.len == 0)
		return most;
	snprintf(what, sizeof(what), "network-of=%s", log_escs(peer));
	digest(g, NETWORK, p.v, p.network_len, key);
	n = count_name(g, NETWORK, key, name, what, now_ms);
	most = n > most ? n : most;
	snprintf(what, sizeof(what), "address=%s", log_escs(peer));
	digest(g, ADDRESS, p.v, p.len, key);
	(void)count_name(g, ADDRESS, key, name, what, now_ms);
	return most;
}

void
guard_succeeded(struct guard *g, const char *name, const char *peer,
    uint64_t now_ms)
{
	struct place p = place_of(peer);
	uint8_t key[KEY_LEN];
	struct memo *m;

	if (p.len == 0)
		return;
	pair_key(g, name, &p, key);
	m = make(g, PAIR, key);
	m->good_ms = now_ms;
	m->n = m->unseen = 0;
	digest(g, ADDRESS, p.v, p.len, key);
	make(g, ADDRESS, key)->good_ms = now_ms;
}

uint64_t
guard_locked_until(struct guard *g, const char *name, uint64_t now_ms)
{
	uint8_t key[KEY_LEN];
	uint64_t wait;

	account_key(g, name, key);
	wait = wait_of(find(g, ACCOUNT, key), now_ms);
	return wait == 0 ? 0 : now_ms + wait;
}

void
guard_unlock(struct guard *g, const char *name)
{
	uint8_t key[KEY_LEN];
	struct memo *m, *next;

	account_key(g, name, key);
	m = find(g, ACCOUNT, key);
	if (m != NULL)
		forget(g, m);
	for (m = TAILQ_FIRST(&g->uses[PAIR]); m != NULL; m = next) {
		next = TAILQ_NEXT(m, by_use);
		if (memcmp(m->key, key, KEY_LEN / 2) == 0) {
			m->locked_ms = 0;
			m->locks = m->n = m->unseen = 0;
			g->changed = true;
		}
	}
}

/* --- to disk and back ------------------------------------------------------------------ */

static void
put(struct buf *b, uint64_t v)
{
	uint8_t le[8];
	size_t i;

	for (i = 0; i < sizeof(le); i++)
		le[i] = (uint8_t)(v >> i * 8);
	buf_add(b, le, sizeof(le));
}

static void
sum_of(const uint8_t *p, size_t n, uint8_t sum[SUM_LEN])
{
	if (EVP_Digest(p, n, sum, NULL, EVP_sha256(), NULL) != 1)
		fatalx("cannot compute a digest");
}

static void
pack_memo(struct buf *b, const struct memo *m)
{
	uint32_t i;

	buf_addc(b, (char)m->kind);
	buf_add(b, m->key, KEY_LEN);
	put(b, m->since_ms);
	put(b, m->locked_ms);
	put(b, m->last_lock_ms);
	put(b, m->good_ms);
	put(b, m->locks);
	put(b, m->unseen);
	put(b, m->n);
	for (i = 0; i < m->n; i++)
		put(b, m->seen[i]);
}

uint8_t *
guard_pack(struct guard *g, size_t *len)
{
	const struct memo *m;
	uint8_t sum[SUM_LEN];
	struct buf b;
	size_t i;

	buf_init(&b, PACK_MAX);
	buf_adds(&b, MAGIC);
	buf_add(&b, g->seed, SEED_LEN);
	for (i = 0; i < KINDS; i++)
		TAILQ_FOREACH(m, &g->uses[i], by_use)
			pack_memo(&b, m);
	sum_of((const uint8_t *)b.data, b.len, sum);
	if (buf_add(&b, sum, SUM_LEN) == -1)
		fatalx("the guard's memory outgrew its limit");
	g->changed = false;
	return (uint8_t *)buf_steal(&b, len);
}

/* The sum was right, so only a bug of ours can have made nonsense. */
static uint64_t
take(const uint8_t **p, const uint8_t *end)
{
	uint64_t v = 0;
	size_t i;

	if (end - *p < 8) {
		*p = end;
		return 0;
	}
	for (i = 0; i < 8; i++)
		v |= (uint64_t)(*p)[i] << i * 8;
	*p += 8;
	return v;
}

static bool
unpack_memo(struct guard *g, const uint8_t **p, const uint8_t *end)
{
	struct memo *m;
	uint32_t i;

	if (end - *p < 1 + KEY_LEN + 7 * 8 || **p >= KINDS)
		return false;
	m = xcalloc(1, sizeof(*m));
	m->kind = *(*p)++;
	memcpy(m->key, *p, KEY_LEN);
	*p += KEY_LEN;
	m->since_ms = take(p, end);
	m->locked_ms = take(p, end);
	m->last_lock_ms = take(p, end);
	m->good_ms = take(p, end);
	m->locks = (uint32_t)take(p, end);
	m->unseen = (uint32_t)take(p, end);
	m->n = (uint32_t)take(p, end);
	if (m->n > GUARD_LIMIT_MAX || end - *p < (ptrdiff_t)m->n * 8 ||
	    find(g, m->kind, m->key) != NULL) {
		free(m);
		return false;
	}
	for (i = 0; i < m->n; i++)
		m->seen[i] = take(p, end);
	insert(g, m);
	return true;
}

bool
guard_unpack(struct guard *g, const uint8_t *p, size_t len)
{
	const uint8_t *end;
	uint8_t sum[SUM_LEN];

	if (len < MAGIC_LEN + SEED_LEN + SUM_LEN ||
	    memcmp(p, MAGIC, MAGIC_LEN) != 0)
		return false;
	end = p + len - SUM_LEN;
	sum_of(p, len - SUM_LEN, sum);
	if (memcmp(sum, end, SUM_LEN) != 0)
		return false;
	empty(g);
	memcpy(g->seed, p + MAGIC_LEN, SEED_LEN);
	p += MAGIC_LEN + SEED_LEN;
	while (p < end)
		if (!unpack_memo(g, &p, end)) {
			empty(g);
			return false;
		}
	g->changed = false;
	return true;
}

bool
guard_changed(const struct guard *g)
{
	return g->changed;
}
