/*
 * How much waits for whom, and why. Messages are counted in one walk; groups
 * are bounded, and what is beyond them is one group of its own.
 */
#include "lib/prelude.h"

#include "lib/addr.h"
#include "lib/xalloc.h"
#include "queue/ctl_shape.h"
#include "queue/ctl_verbs.h"
#include "queue/ctl_walk.h"
#include "queue/route.h"
#include "queue/table.h"

#define GROUPS_MAX	10000
#define OTHERS		"(others)"

struct group {
	struct table_node node;	/* first */
	uint64_t messages, recipients, bytes, oldest_ms;
	uint64_t last_id;	/* counted already */
	const char *reason;	/* into key */
	char	 key[];		/* what, NUL, reason */
};

enum by { BY_DESTINATION, BY_HOP, BY_ACCOUNT, BY_REASON, BYS };

static const char *const by_names[BYS] = {
	[BY_DESTINATION] = "destination", [BY_HOP] = "hop",
	[BY_ACCOUNT] = "account", [BY_REASON] = "reason",
};

struct stats {
	enum by by;
	struct table groups;
	struct group **sorted;
	size_t	 next;
	struct buf domain, hop;
};

static void
stats_clear(struct asked *a)
{
	struct stats *s = a->own;
	struct table_node *n, *next;

	for (n = table_next(&s->groups, NULL); n != NULL; n = next) {
		next = table_next(&s->groups, n);
		free(n);
	}
	table_clear(&s->groups);
	buf_clear(&s->domain);
	buf_clear(&s->hop);
	free(s->sorted);
	free(s);
}

/* --- which group --------------------------------------------------------------------- */

static struct group *
group_at(struct stats *s, const char *what, const char *reason)
{
	size_t n = strlen(what) + 1, len = n + strlen(reason);
	struct group *g = xcalloc(1, sizeof(*g) + len + 1);
	struct table_node *old;

	memcpy(g->key, what, n);
	memcpy(g->key + n, reason, len - n);
	old = table_find(&s->groups, g->key, len);
	if (old == NULL && s->groups.n >= GROUPS_MAX &&
	    strcmp(what, OTHERS) != 0) {
		free(g);
		return group_at(s, OTHERS, "");
	}
	if (old != NULL) {
		free(g);
		return (struct group *)old;
	}
	g->reason = g->key + n;
	g->oldest_ms = UINT64_MAX;
	table_add(&s->groups, &g->node, g->key, len);
	return g;
}

static struct group *
group_of(struct asked *a, const struct store_msg *m, size_t i)
{
	struct stats *s = a->own;
	char reason[SHAPE_MAX + 1];
	const char *domain = addr_domain_of(m->env.rcpts[i].addr);
	char lower[ADDR_DOMAIN_MAX + 1];

	ctl_shape(&m->rcpts[i], reason);
	if (*reason == '\0')
		snprintf(reason, sizeof(reason), "%s", filter_kept(m));
	switch (s->by) {
	case BY_REASON:
		return group_at(s, reason, "");
	case BY_ACCOUNT:
		return group_at(s, m->account, "");
	case BY_HOP:
		route_for(a->q->conf, m, i, &s->domain, &s->hop);
		return group_at(s, buf_str(&s->hop), reason);
	default:
		snprintf(lower, sizeof(lower), "%s", *domain == '\0' ?
		    "(local)" : domain);
		return group_at(s, addr_lower(lower), reason);
	}
}

static void
add_up(struct asked *a, const struct store_msg *m)
{
	enum rcpt_state shown = filter_shown(m);
	struct group *g;
	size_t i;

	for (i = 0; i < m->env.nrcpts; i++) {
		if (m->rcpts[i].state != shown)
			continue;
		g = group_of(a, m, i);
		g->recipients++;
		if (g->last_id == m->id)
			continue;
		g->last_id = m->id;
		g->messages++;
		g->bytes += m->size;
		if (m->arrived_ms < g->oldest_ms)
			g->oldest_ms = m->arrived_ms;
	}
}

/* --- the rows -------------------------------------------------------------------------- */

static int
larger(const void *x, const void *y)
{
	const struct group *a = *(struct group *const *)x;
	const struct group *b = *(struct group *const *)y;

	if (a->messages != b->messages)
		return a->messages > b->messages ? -1 : 1;
	return strcmp(a->key, b->key);
}

static void
group_row(struct asked *a, const struct group *g)
{
	struct stats *s = a->own;

	bool reasons = s->by != BY_REASON && s->by != BY_ACCOUNT;

	child_ctl_row(a->id, reasons ? 6 : 5);
	child_ctl_str(by_names[s->by], g->key);
	child_ctl_num("messages", g->messages);
	child_ctl_num("recipients", g->recipients);
	child_ctl_num("bytes", g->bytes);
	child_ctl_time("oldest", g->oldest_ms);
	if (reasons)
		child_ctl_str("reason", g->reason);
	asked_send(a);
}

static void
rows(struct asked *a)
{
	struct stats *s = a->own;
	char n[NUM_TEXT_LEN];

	while (s->next < s->groups.n && !a->gone) {
		if (!asked_room(a)) {
			asked_wait(a, rows);
			return;
		}
		group_row(a, s->sorted[s->next++]);
	}
	if (a->seen == 0 && a->filter.any)
		asked_end(a, CTL_OK, CTL_NOTHING);
	else
		asked_end(a, CTL_OK, "%s in all.", num_print_count(a->seen,
		    "message", n));
}

static void
stats_done(struct asked *a)
{
	struct stats *s = a->own;
	struct table_node *n = NULL;
	size_t i = 0;

	s->sorted = xcalloc(s->groups.n + 1, sizeof(*s->sorted));
	while ((n = table_next(&s->groups, n)) != NULL)
		s->sorted[i++] = (struct group *)n;
	qsort(s->sorted, s->groups.n, sizeof(*s->sorted), larger);
	rows(a);
}

static enum by
by_of(const char *name)
{
	enum by by;

	if (name == NULL)
		return BY_DESTINATION;
	for (by = 0; by < BYS; by++)
		if (strcmp(by_names[by], name) == 0)
			break;
	return by;
}

void
ctl_stats(struct asked *a, size_t argc, const char *const *argv)
{
	const char *why = filter_parse(&a->filter, argc, argv);
	enum by by = by_of(a->filter.by);
	struct stats *s;

	if (why == NULL && by == BYS)
		why = "by what? destination, hop, account or reason";
	if (!ctl_may(a, why))
		return;
	s = xcalloc(1, sizeof(*s));
	s->by = by;
	table_init(&s->groups);
	buf_init(&s->domain, ROUTE_HOP_MAX);
	buf_init(&s->hop, ROUTE_HOP_MAX);
	a->own = s;
	a->clear = stats_clear;
	ctl_walk(a, add_up, stats_done);
}
