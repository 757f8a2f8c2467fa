/*
 * What guard remembers: memos by key, bounded by kind and worth, and all of it
 * to disk and back.
 */
#include "lib/prelude.h"

#include <sys/random.h>
#include <openssl/evp.h>

#include "auth/guard_private.h"
#include "lib/buf.h"
#include "lib/le.h"
#include "lib/log.h"
#include "lib/xalloc.h"

#define SUM_LEN		32
#define MAGIC		"postern guard 2\n"
#define MAGIC_1		"postern guard 1\n"	/* locks without names */
#define MAGIC_LEN	16
#define NAME_LEN_MAX	1024
#define PACK_MAX	(64 * 1024 * 1024)

#define LOOKED_AT	16	/* of the oldest */

/* The share of the room that is sure to each worth. */
static const size_t shares[WORTHS] = {
	GUARD_ROOM / 4, GUARD_ROOM / 4, GUARD_ROOM / 2
};

/* --- memos --------------------------------------------------------------------- */

static size_t
bucket(const uint8_t key[KEY_LEN])
{
	return ((size_t)key[KEY_LEN - 1] << 8 | key[KEY_LEN - 2]) % GUARD_BUCKETS;
}

bool
guard_is_trust(const struct memo *m)
{
	return m->kind == PAIR && m->name != NULL && m->from.bits == 0;
}

struct memo *
guard_find(struct guard *g, enum kind kind, const uint8_t key[KEY_LEN])
{
	struct memo *m;

	LIST_FOREACH(m, &g->buckets[bucket(key)], bucket)
		if (m->kind == kind && memcmp(m->key, key, KEY_LEN) == 0)
			return m;
	return NULL;
}

static void
leave(struct guard *g, struct memo *m)
{
	TAILQ_REMOVE(&g->uses[m->kind][m->worth], m, by_use);
	g->n[m->kind][m->worth]--;
}

/* Becomes the most lately used of what is worth as much. */
static void
join(struct guard *g, struct memo *m)
{
	m->worth = m->good_ms != 0 ? GOOD : m->last_lock_ms != 0 ? LOCKED :
	    FRESH;
	TAILQ_INSERT_TAIL(&g->uses[m->kind][m->worth], m, by_use);
	g->n[m->kind][m->worth]++;
}

void
guard_use(struct guard *g, struct memo *m)
{
	leave(g, m);
	join(g, m);
	g->changed = true;
}

void
guard_forget(struct guard *g, struct memo *m)
{
	LIST_REMOVE(m, bucket);
	leave(g, m);
	g->changed = true;
	free(m->name);
	free(m);
}

/*
 * Of fresh failures the oldest, but one that has added up to more stays longer:
 * whoever flushes it with made-up names has to fail as often for each.
 */
static struct memo *
least(const struct guard *g, enum kind kind, enum worth w)
{
	struct memo *m = TAILQ_FIRST(&g->uses[kind][w]), *best = m;
	int i;

	for (i = 0; w == FRESH && m != NULL && i < LOOKED_AT; i++) {
		if (m->n < best->n)
			best = m;
		m = TAILQ_NEXT(m, by_use);
	}
	return best;
}

/* When all is taken at least one kind of worth has its share or more. */
static void
make_room(struct guard *g, enum kind kind)
{
	const size_t *n = g->n[kind];
	enum worth w = FRESH;

	if (n[FRESH] + n[LOCKED] + n[GOOD] < GUARD_ROOM)
		return;
	while (n[w] < shares[w])
		w++;
	guard_forget(g, least(g, kind, w));
}

static void
insert(struct guard *g, struct memo *m)
{
	make_room(g, m->kind);
	LIST_INSERT_HEAD(&g->buckets[bucket(m->key)], m, bucket);
	join(g, m);
}

struct memo *
guard_make(struct guard *g, enum kind kind, const uint8_t key[KEY_LEN])
{
	struct memo *m = guard_find(g, kind, key);

	if (m != NULL) {
		guard_use(g, m);
		return m;
	}
	m = xcalloc(1, sizeof(*m));
	m->kind = (uint8_t)kind;
	memcpy(m->key, key, KEY_LEN);
	insert(g, m);
	g->changed = true;
	return m;
}

void
guard_thin(struct guard *g, enum kind kind, enum worth worth, uint64_t owner,
    size_t max)
{
	struct memo *m, *oldest = NULL;
	size_t n = 0;

	TAILQ_FOREACH(m, &g->uses[kind][worth], by_use)
		if (m->owner == owner && n++ == 0)
			oldest = m;
	if (n > max)
		guard_forget(g, oldest);
}

/* --- life ---------------------------------------------------------------------- */

struct guard *
guard_new(void)
{
	struct guard *g = xcalloc(1, sizeof(*g));
	size_t i, w;

	if (getrandom(g->seed, sizeof(g->seed), 0) != sizeof(g->seed))
		fatal("getrandom");
	for (i = 0; i < KINDS; i++)
		for (w = 0; w < WORTHS; w++)
			TAILQ_INIT(&g->uses[i][w]);
	return g;
}

static void
empty(struct guard *g)
{
	size_t i, w;

	for (i = 0; i < KINDS; i++)
		for (w = 0; w < WORTHS; w++)
			while (!TAILQ_EMPTY(&g->uses[i][w]))
				guard_forget(g, TAILQ_FIRST(&g->uses[i][w]));
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

/* --- to disk and back ------------------------------------------------------------------ */

static void
put(struct buf *b, uint64_t v)
{
	uint8_t le[8];

	put_u64le(le, v);
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
	put(b, m->from.bits);
	buf_add(b, m->from.bytes, sizeof(m->from.bytes));
	put(b, m->name == NULL ? 0 : strlen(m->name));
	if (m->name != NULL)
		buf_adds(b, m->name);
}

uint8_t *
guard_pack(struct guard *g, size_t *len)
{
	const struct memo *m;
	uint8_t sum[SUM_LEN];
	struct buf b;
	size_t i, w;

	buf_init(&b, PACK_MAX);
	buf_adds(&b, MAGIC);
	buf_add(&b, g->seed, SEED_LEN);
	for (i = 0; i < KINDS; i++)
		for (w = 0; w < WORTHS; w++)
			TAILQ_FOREACH(m, &g->uses[i][w], by_use)
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
	uint64_t v;

	if (end - *p < 8) {
		*p = end;
		return 0;
	}
	v = get_u64le(*p);
	*p += 8;
	return v;
}

static bool
unpack_who(struct memo *m, const uint8_t **p, const uint8_t *end)
{
	uint64_t bits = take(p, end), n;

	if (end - *p < (ptrdiff_t)sizeof(m->from.bytes) + 8)
		return false;
	memcpy(m->from.bytes, *p, sizeof(m->from.bytes));
	*p += sizeof(m->from.bytes);
	n = take(p, end);
	if (bits > 128 || n > NAME_LEN_MAX || end - *p < (ptrdiff_t)n ||
	    memchr(*p, '\0', n) != NULL)
		return false;
	m->from.bits = (unsigned int)bits;
	if (n > 0)
		m->name = xstrndup((const char *)*p, n);
	*p += n;
	return true;
}

static bool
unpack_memo(struct guard *g, const uint8_t **p, const uint8_t *end,
    bool has_who)
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
	    guard_find(g, m->kind, m->key) != NULL) {
		free(m);
		return false;
	}
	for (i = 0; i < m->n; i++)
		m->seen[i] = take(p, end);
	if (has_who && !unpack_who(m, p, end)) {
		free(m);
		return false;
	}
	insert(g, m);
	return true;
}

bool
guard_unpack(struct guard *g, const uint8_t *p, size_t len)
{
	const uint8_t *end;
	uint8_t sum[SUM_LEN];
	bool has_who;

	if (len < MAGIC_LEN + SEED_LEN + SUM_LEN)
		return false;
	has_who = memcmp(p, MAGIC, MAGIC_LEN) == 0;
	if (!has_who && memcmp(p, MAGIC_1, MAGIC_LEN) != 0)
		return false;
	end = p + len - SUM_LEN;
	sum_of(p, len - SUM_LEN, sum);
	if (memcmp(sum, end, SUM_LEN) != 0)
		return false;
	empty(g);
	memcpy(g->seed, p + MAGIC_LEN, SEED_LEN);
	p += MAGIC_LEN + SEED_LEN;
	while (p < end)
		if (!unpack_memo(g, &p, end, has_who)) {
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
