/* How failures are counted in a memo, and when they lock it. */
#include "lib/prelude.h"

#include "auth/guard_private.h"
#include "lib/flood.h"
#include "lib/log.h"
#include "lib/xalloc.h"

#define LOCK_MAX_MS	DAY_MS
#define WINDOW_MS	HOUR_MS		/* failures within it add up */
/* So many failures that show no password count as one; where it is at home: */
#define UNSEEN_PER_ONE	10
#define UNSEEN_AT_HOME	30
#define GUARD_NAME_MAX	512	/* kept of a name */
/*
 * Nobody pushes out others' locks by making some, of names that are none: so
 * many of a /24 or /48, which is more than it can make in the day that a lock
 * lasts, being locked itself by then; and of this machine, whose webmail all
 * strangers may reach.
 */
#define LOCKS_MAX	512
#define LOCKS_HERE_MAX	1024
#define HERE		2	/* an owner; guard_network()'s are odd, or 0 */
#define NAMES_PER_ONE	4	/* so many names of a /48 do */

static struct flood locked = FLOOD("locks", 60);

/* A clock that was set back does not lock for longer than a lock lasts. */
uint64_t
guard_wait_of(const struct memo *m, uint64_t now_ms)
{
	if (m == NULL || m->locked_ms <= now_ms)
		return 0;
	return m->locked_ms - now_ms < LOCK_MAX_MS ? m->locked_ms - now_ms :
	    LOCK_MAX_MS;
}

static const char *
whose(const struct try *t)
{
	return t->whose != NULL ? t->whose : t->name;
}

static void
remember(struct memo *m, const struct try *t)
{
	const size_t lens[KINDS] = { [PAIR] = t->p.network_len,
	    [NETWORK] = t->p.network_len, [ADDRESS] = t->p.len,
	    [SITE] = t->p.site_len };

	if (m->kind == ACCOUNT || m->kind == PAIR) {
		free(m->name);
		m->name = xstrndup(whose(t), GUARD_NAME_MAX);
	}
	m->from = guard_net(&t->p, lens[m->kind]);
}

static const char *
describe(const struct memo *m, const struct try *t, char *text, size_t size)
{
	static const char *const places[KINDS] = { [PAIR] = " network-of=",
	    [NETWORK] = "network-of=", [ADDRESS] = "address=",
	    [SITE] = "site-of=" };

	*text = '\0';
	if (m->kind == ACCOUNT || m->kind == PAIR)
		snprintf(text, size, "%s=\"%s\"", guard_is_trust(m) ? "trust" :
		    "account", log_escs(whose(t)));
	if (guard_is_trust(m))
		snprintf(text + strlen(text), size - strlen(text),
		    " address=%s", log_escs(t->peer));
	else if (places[m->kind] != NULL)
		snprintf(text + strlen(text), size - strlen(text), "%s%s",
		    places[m->kind], log_escs(t->peer));
	return text;
}

/* Whose last failure made it answers for it. */
static void
charge(struct guard *g, struct memo *m, const struct try *t)
{
	bool here = t->p.len == 0;

	if (m->worth != LOCKED)
		return;
	m->owner = here ? HERE : guard_network(g, t->peer);
	guard_thin(g, m->kind, LOCKED, m->owner, here ? LOCKS_HERE_MAX :
	    LOCKS_MAX);
}

static void
lock(struct guard *g, struct memo *m, const struct try *t, uint64_t now_ms)
{
	char what[512];
	uint64_t ms;

	if (now_ms > m->last_lock_ms + LOCK_MAX_MS)
		m->locks = 0;
	ms = m->locks < 16 ? g->lock_ms << m->locks : LOCK_MAX_MS;
	ms = ms < LOCK_MAX_MS ? ms : LOCK_MAX_MS;
	m->locks++;
	m->last_lock_ms = m->locked_ms = now_ms + ms;
	m->n = m->unseen = 0;
	remember(m, t);
	guard_use(g, m);
	charge(g, m, t);
	if (flood_log(&locked))
		log_warnx("%s locked minutes=%llu time=%u why=\"%u different "
		    "%s\"", describe(m, t, what, sizeof(what)),
		    (unsigned long long)(ms + 59999) / 60000, m->locks,
		    g->limit, t->p.v[0] & OF_TOKENS ? "tokens" : "failures");
}

/*
 * The memo that one more failure is noted in. NULL while it is locked: a lock
 * does not grow by what was under way when it came, nor by who is spared it.
 */
struct memo *
guard_noted(struct guard *g, enum kind kind, const uint8_t key[KEY_LEN],
    uint64_t now_ms)
{
	struct memo *m = guard_make(g, kind, key);

	if (now_ms - m->since_ms > WINDOW_MS) {
		m->since_ms = now_ms;
		m->n = m->unseen = 0;
		memset(m->doubted, 0, sizeof(m->doubted));
	}
	return guard_wait_of(m, now_ms) > 0 ? NULL : m;
}

/* How many different failures there are in it by now. */
uint32_t
guard_failures(const struct guard *g, const struct memo *m, uint64_t now_ms)
{
	return guard_wait_of(m, now_ms) > 0 ? g->limit : m->n;
}

/* One more failure; true when that is one that was not seen yet. */
bool
guard_count(struct guard *g, struct memo *m, uint64_t seen, const struct try *t,
    uint64_t now_ms)
{
	uint32_t i;

	for (i = 0; i < m->n; i++)
		if (m->seen[i] == seen)
			return false;
	if (m->n < GUARD_LIMIT_MAX) {
		m->where[m->n] = (uint32_t)guard_network(g, t->peer);
		m->seen[m->n++] = seen;
	}
	if (g->limit != 0 && m->n >= g->limit)
		lock(g, m, t, now_ms);
	return true;
}

/*
 * What tells one wrong password from another. SCRAM shows none, by design: a
 * device with an old password and somebody who guesses look the same. So of one
 * address every tenth failure counts, and where the account is at home every
 * thirtieth: a device there may try every quarter of a minute for ever without
 * its owner being locked out, and who guesses there has 270 tries an hour.
 */
uint64_t
guard_password_mark(const struct guard *g, struct memo *m, const struct place *p,
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
	in.turn = m->unseen++ / (m->kind == PAIR ? UNSEEN_AT_HOME :
	    UNSEEN_PER_ONE);
	return guard_hash(g, &in, sizeof(in));
}

/* What was tried from there; true when it is one that was not seen yet. */
bool
guard_count_try(struct guard *g, enum kind kind, const uint8_t key[KEY_LEN],
    uint64_t tried, const struct try *t, uint64_t now_ms)
{
	struct memo *m = guard_noted(g, kind, key, now_ms);

	return m != NULL && guard_count(g, m, tried, t, now_ms);
}

/*
 * Who has a /48 has 65,536 networks: one more of them tried one more name, or
 * so many parts of one.
 */
void
guard_count_site(struct guard *g, const struct try *t, uint32_t parts,
    uint64_t now_ms)
{
	uint8_t key[KEY_LEN];
	uint32_t turn;
	struct memo *m;

	if (t->p.site_len == 0)
		return;
	guard_digest(g, SITE, t->p.v, t->p.site_len, key);
	m = guard_noted(g, SITE, key, now_ms);
	if (m == NULL)
		return;
	turn = m->unseen / (NAMES_PER_ONE * DOUBTS_PER_ONE);
	m->unseen += parts;
	(void)guard_count(g, m, guard_hash(g, &turn, sizeof(turn)), t, now_ms);
}

uint64_t
guard_name_mark(const struct guard *g, const struct try *t)
{
	return guard_hash(g, t->name, strlen(t->name));
}

/* Whether it was tried there lately under another name; from now on it was. */
static bool
was_doubted(struct memo *m, uint64_t secret)
{
	size_t i;

	for (i = 0; i < DOUBTED; i++)
		if (secret != 0 && m->doubted[i] == secret)
			return true;
	m->doubted[m->unseen % DOUBTED] = secret;
	return false;
}

/* True when that is no office, each of whom has a password of his own. */
bool
guard_count_doubt(struct guard *g, enum kind kind, const uint8_t key[KEY_LEN],
    uint64_t secret, const struct try *t, uint64_t now_ms)
{
	struct memo *m = guard_noted(g, kind, key, now_ms);
	uint32_t n;
	bool again;

	if (m == NULL)
		return false;
	again = was_doubted(m, secret);
	n = ++m->unseen;
	if (again || n % DOUBTS_PER_ONE == 0)
		(void)guard_count(g, m, again ? guard_name_mark(g, t) : guard_hash(g, &n,
		    sizeof(n)), t, now_ms);
	return again;
}
