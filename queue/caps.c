/*
 * A slot holds the account's total up to and including itself, so the use
 * within a window is one subtraction after a binary search, however many
 * limits there are and whatever a reload makes of them.
 */
#include "lib/prelude.h"

#include "lib/ticket.h"
#include "lib/xalloc.h"
#include "queue/caps.h"
#include "queue/table.h"

#define SECOND_MS	1000ULL
#define MINUTE_MS	60000ULL
#define LONG_WINDOW_SEC	3600	/* from here on minutes are fine enough */
/* Kept even if no limit looks back so far: `usage` shows a day, and a reload
 * may bring limits that find what they need. */
#define KEEP_LONG_SEC	(24 * 3600)
#define KEEP_SHORT_SEC	60

struct slot {
	uint64_t start_ms;
	uint64_t total[LIMIT_KINDS];
};

struct series {			/* slots in order of time, empty ones left out */
	struct slot *v;
	size_t	 first, end, size;
	uint64_t base[LIMIT_KINDS]; /* total before v[first] */
};

struct usage {
	struct table_node node;
	struct series seconds, minutes;
	char	 cap[CAP_NAME_MAX + 1];	/* the last; "" after a restart */
	char	 account[];
};

struct caps {
	struct table usages;
	const struct conf_list *conf;
	uint32_t long_sec, short_sec;	/* longest windows of either sort */
};

const char *const caps_kinds[LIMIT_KINDS] = {
	[LIMIT_MESSAGES] = "messages",
	[LIMIT_RECIPIENTS] = "recipients",
	[LIMIT_NEW_RECIPIENTS] = "new-recipients",
	[LIMIT_BYTES] = "bytes",
	[LIMIT_FAILURES] = "failures",
};

const char *
caps_amount(uint32_t kind, uint64_t n, char text[NUM_TEXT_LEN])
{
	static const char *const nouns[LIMIT_KINDS] = {
		[LIMIT_MESSAGES] = "message", [LIMIT_RECIPIENTS] = "recipient",
		[LIMIT_NEW_RECIPIENTS] = "new recipient",
		[LIMIT_FAILURES] = "failure",
	};

	return kind == LIMIT_BYTES ? num_print_bytes(n, text) :
	    num_print_count(n, nouns[kind], text);
}

/* --- a series of slots --------------------------------------------------------- */

static void
add_all(uint64_t to[LIMIT_KINDS], const uint64_t amount[LIMIT_KINDS])
{
	int k;

	for (k = 0; k < LIMIT_KINDS; k++)
		to[k] += amount[k];
}

static const uint64_t *
series_total(const struct series *s)
{
	return s->end == s->first ? s->base : s->v[s->end - 1].total;
}

/* Drops slots that began before keep_ms. */
static void
series_prune(struct series *s, uint64_t keep_ms)
{
	while (s->first < s->end && s->v[s->first].start_ms < keep_ms) {
		memcpy(s->base, s->v[s->first].total, sizeof(s->base));
		s->first++;
	}
}

static struct slot *
series_new_slot(struct series *s)
{
	if (s->end == s->size && s->first > s->size / 2) {
		memmove(s->v, s->v + s->first,
		    (s->end - s->first) * sizeof(*s->v));
		s->end -= s->first;
		s->first = 0;
	} else if (s->end == s->size) {
		s->size = s->size == 0 ? 4 : s->size * 2;
		s->v = xreallocarray(s->v, s->size, sizeof(*s->v));
	}
	return &s->v[s->end++];
}

static void
series_add(struct series *s, uint64_t at_ms, uint64_t slot_ms,
    const uint64_t amount[LIMIT_KINDS])
{
	uint64_t start = at_ms - at_ms % slot_ms;
	uint64_t total[LIMIT_KINDS];
	struct slot *last = s->end == s->first ? NULL : &s->v[s->end - 1];

	if (last == NULL || last->start_ms < start) {
		memcpy(total, series_total(s), sizeof(total));
		last = series_new_slot(s);
		last->start_ms = start;
		memcpy(last->total, total, sizeof(total));
	}
	add_all(last->total, amount);
}

/* From that slot on; there is nothing to do when no window reaches it. */
static void
series_take(struct series *s, uint64_t at_ms, uint64_t slot_ms,
    const uint64_t amount[LIMIT_KINDS])
{
	uint64_t start = at_ms - at_ms % slot_ms;
	size_t i = s->end;
	int k;

	while (i > s->first && s->v[i - 1].start_ms >= start)
		i--;
	if (i == s->end || s->v[i].start_ms != start)
		return;
	for (; i < s->end; i++)
		for (k = 0; k < LIMIT_KINDS; k++)
			s->v[i].total[k] -= amount[k];
}

/* The first slot of which a moment is still inside the window. */
static size_t
series_window(const struct series *s, uint64_t window_ms, uint64_t slot_ms,
    uint64_t now_ms)
{
	size_t lo = s->first, hi = s->end, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (s->v[mid].start_ms + slot_ms + window_ms > now_ms)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

static uint64_t
series_before(const struct series *s, size_t i, int kind)
{
	return i == s->first ? s->base[kind] : s->v[i - 1].total[kind];
}

/* The first slot from i on whose leaving brings the use down by `excess`. */
static size_t
series_freeing(const struct series *s, size_t i, int kind, uint64_t excess)
{
	uint64_t goal = series_before(s, i, kind) + excess;
	size_t lo = i, hi = s->end - 1, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (s->v[mid].total[kind] >= goal)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

/* --- accounts -------------------------------------------------------------------- */

static struct usage *
usage_find(const struct caps *c, const char *account)
{
	return (struct usage *)table_find(&c->usages, account,
	    strlen(account));
}

static struct usage *
usage_make(struct caps *c, const char *account)
{
	struct usage *u = usage_find(c, account);
	size_t len = strlen(account);

	if (u != NULL)
		return u;
	u = xcalloc(1, sizeof(*u) + len + 1);
	memcpy(u->account, account, len);
	table_add(&c->usages, &u->node, u->account, len);
	return u;
}

static void
usage_free(struct usage *u)
{
	free(u->seconds.v);
	free(u->minutes.v);
	free(u);
}

static void
usage_prune(const struct caps *c, struct usage *u, uint64_t now_ms)
{
	uint64_t back = c->short_sec * SECOND_MS + SECOND_MS;

	series_prune(&u->seconds, now_ms > back ? now_ms - back : 0);
	back = c->long_sec * SECOND_MS + MINUTE_MS;
	series_prune(&u->minutes, now_ms > back ? now_ms - back : 0);
}

/* Which series answers for a window, and how wide its slots are. */
static const struct series *
series_for(const struct usage *u, uint32_t window_sec, uint64_t *slot_ms)
{
	*slot_ms = window_sec < LONG_WINDOW_SEC ? SECOND_MS : MINUTE_MS;
	return window_sec < LONG_WINDOW_SEC ? &u->seconds : &u->minutes;
}

static uint64_t
used_of(const struct usage *u, uint32_t window_sec, int kind, uint64_t now_ms)
{
	const struct series *s;
	uint64_t slot_ms;
	size_t i;

	if (u == NULL)
		return 0;
	s = series_for(u, window_sec, &slot_ms);
	i = series_window(s, window_sec * SECOND_MS, slot_ms, now_ms);
	return series_total(s)[kind] - series_before(s, i, kind);
}

/* --- the room ------------------------------------------------------------------------ */

struct caps *
caps_new(void)
{
	struct caps *c = xcalloc(1, sizeof(*c));

	table_init(&c->usages);
	c->long_sec = KEEP_LONG_SEC;
	c->short_sec = KEEP_SHORT_SEC;
	return c;
}

void
caps_free(struct caps **cp)
{
	struct caps *c = *cp;
	struct table_node *n, *next;

	if (c == NULL)
		return;
	*cp = NULL;
	for (n = table_next(&c->usages, NULL); n != NULL; n = next) {
		next = table_next(&c->usages, n);
		usage_free((struct usage *)n);
	}
	table_clear(&c->usages);
	free(c);
}

void
caps_configure(struct caps *c, const struct conf_list *conf)
{
	size_t i, j;

	c->conf = conf;
	c->long_sec = KEEP_LONG_SEC;
	c->short_sec = KEEP_SHORT_SEC;
	for (i = 0; i < conf->n; i++) {
		const struct conf_cap *cap = CONF_AT(*conf, struct conf_cap, i);

		for (j = 0; j < cap->limits.n; j++) {
			uint32_t w = CONF_AT(cap->limits, struct conf_limit,
			    j)->window_sec;
			uint32_t *longest = w < LONG_WINDOW_SEC ?
			    &c->short_sec : &c->long_sec;

			if (w > *longest)
				*longest = w;
		}
	}
}

uint32_t
caps_back_sec(const struct caps *c)
{
	return c->long_sec + MINUTE_MS / SECOND_MS;
}

void
caps_replay(struct caps *c, const char *account, uint64_t start_ms,
    const uint64_t used[LIMIT_KINDS], uint64_t now_ms)
{
	struct usage *u = usage_make(c, account);
	uint64_t last_ms = start_ms + MINUTE_MS - SECOND_MS;

	/*
	 * When within the minute is not known: take its end. The clock may have
	 * been set back since: what is "to come" was used now at the latest.
	 */
	series_add(&u->minutes, start_ms < now_ms ? start_ms : now_ms,
	    MINUTE_MS, used);
	series_add(&u->seconds, last_ms < now_ms ? last_ms : now_ms,
	    SECOND_MS, used);
	usage_prune(c, u, now_ms);
}

const struct conf_cap *
caps_find(const struct caps *c, const char *name)
{
	const struct conf_cap *fallback = NULL, *cap;
	size_t i;

	for (i = 0; i < c->conf->n; i++) {
		cap = CONF_AT(*c->conf, struct conf_cap, i);
		if (strcmp(cap->name, name) == 0)
			return cap;
		if (strcmp(cap->name, CAPS_DEFAULT) == 0)
			fallback = cap;
	}
	return fallback;
}

static enum caps_verdict
check_limit(const struct usage *u, const struct conf_limit *l, uint64_t amount,
    uint64_t now_ms, struct caps_refusal *why)
{
	uint64_t slot_ms, free_ms, used, window_ms = l->window_sec * SECOND_MS;
	const struct series *s;
	size_t i;

	if (amount == 0)
		return CAPS_OK;
	used = used_of(u, l->window_sec, (int)l->what, now_ms);
	if (amount <= l->count && used <= l->count - amount)
		return CAPS_OK;
	why->limit = l;
	why->used = used;
	why->retry_sec = l->window_sec;
	if (amount > l->count)
		return CAPS_NEVER;
	s = series_for(u, l->window_sec, &slot_ms);
	i = series_window(s, window_ms, slot_ms, now_ms);
	i = series_freeing(s, i, (int)l->what, used - (l->count - amount));
	free_ms = s->v[i].start_ms + slot_ms + window_ms;
	why->retry_sec = (free_ms - now_ms + SECOND_MS - 1) / SECOND_MS;
	return CAPS_LATER;
}

enum caps_verdict
caps_check(const struct caps *c, const struct conf_cap *cap,
    const char *account, const uint64_t amount[LIMIT_KINDS], uint64_t now_ms,
    struct caps_refusal *why)
{
	const struct usage *u = usage_find(c, account);
	enum caps_verdict worst = CAPS_OK, v;
	struct caps_refusal one;
	size_t i;

	for (i = 0; i < cap->limits.n; i++) {
		const struct conf_limit *l = CONF_AT(cap->limits,
		    struct conf_limit, i);

		v = check_limit(u, l, amount[l->what], now_ms, &one);
		if (v == CAPS_OK || v < worst || (v == worst &&
		    one.retry_sec <= why->retry_sec))
			continue;
		worst = v;
		*why = one;
	}
	return worst;
}

uint32_t
caps_recipients_left(const struct caps *c, const struct conf_cap *cap,
    const char *account, uint64_t now_ms, uint32_t max)
{
	const struct usage *u = usage_find(c, account);
	uint64_t used, left;
	size_t i;

	for (i = 0; i < cap->limits.n; i++) {
		const struct conf_limit *l = CONF_AT(cap->limits,
		    struct conf_limit, i);

		if (l->what != LIMIT_RECIPIENTS)
			continue;
		used = used_of(u, l->window_sec, LIMIT_RECIPIENTS, now_ms);
		left = used < l->count ? l->count - used : 0;
		if (left < max)
			max = (uint32_t)left;
	}
	return max;
}

void
caps_charge(struct caps *c, const struct conf_cap *cap, const char *account,
    const uint64_t amount[LIMIT_KINDS], uint64_t now_ms)
{
	struct usage *u = usage_make(c, account);

	snprintf(u->cap, sizeof(u->cap), "%s", cap->name);
	usage_prune(c, u, now_ms);
	series_add(&u->minutes, now_ms, MINUTE_MS, amount);
	series_add(&u->seconds, now_ms, SECOND_MS, amount);
}

void
caps_take_back(struct caps *c, const char *account,
    const uint64_t amount[LIMIT_KINDS], uint64_t charged_ms)
{
	struct usage *u = usage_find(c, account);

	if (u == NULL)
		return;
	series_take(&u->minutes, charged_ms, MINUTE_MS, amount);
	series_take(&u->seconds, charged_ms, SECOND_MS, amount);
}

void
caps_used(const struct caps *c, const char *account, uint32_t window_sec,
    uint64_t now_ms, uint64_t used[LIMIT_KINDS])
{
	const struct usage *u = usage_find(c, account);
	int k;

	for (k = 0; k < LIMIT_KINDS; k++)
		used[k] = used_of(u, window_sec, k, now_ms);
}

const char *
caps_last(const struct caps *c, const char *account)
{
	const struct usage *u = usage_find(c, account);

	return u == NULL ? NULL : u->cap;
}

void
caps_each(const struct caps *c, void (*each)(const char *, void *), void *arg)
{
	const struct table_node *n = NULL;

	while ((n = table_next(&c->usages, n)) != NULL)
		each(((const struct usage *)n)->account, arg);
}

void
caps_sweep(struct caps *c, uint64_t now_ms)
{
	struct table_node *n, *next;
	struct usage *u;

	for (n = table_next(&c->usages, NULL); n != NULL; n = next) {
		next = table_next(&c->usages, n);
		u = (struct usage *)n;
		usage_prune(c, u, now_ms);
		if (u->seconds.first < u->seconds.end ||
		    u->minutes.first < u->minutes.end)
			continue;
		table_remove(&c->usages, n);
		usage_free(u);
	}
}
