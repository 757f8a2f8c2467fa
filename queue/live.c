#include "lib/prelude.h"

#include "lib/log.h"
#include "lib/xalloc.h"
#include "queue/live.h"
#include "queue/reserve.h"

static const char *const state_names[] = {
	[LIVE_STORING] = "storing", [LIVE_TRYING] = "trying",
	[LIVE_SETTLING] = "settling", [LIVE_RESTING] = "resting",
	[LIVE_GATHERED] = "gathered",
	[LIVE_GONE] = "gone",
};

struct live *
live_new(void (*stored)(void *), void (*due)(void *))
{
	struct live *l = xcalloc(1, sizeof(*l));

	l->on_stored = stored;
	l->on_due = due;
	table_init(&l->msgs);
	table_init(&l->shares[LIVE_BY_ACCOUNT]);
	table_init(&l->shares[LIVE_BY_HOP]);
	TAILQ_INIT(&l->ages[0].leaving);
	TAILQ_INIT(&l->ages[1].leaving);
	return l;
}

size_t
live_count(const struct live *l)
{
	return l->msgs.n;
}

bool
live_fuller(const struct live *l, size_t units)
{
	return l->units > units;
}

/* --- messages ------------------------------------------------------------------- */

struct live_msg *
live_add(struct queue *q, struct store_msg *m)
{
	struct live_msg *lm = xcalloc(1, sizeof(*lm));

	lm->q = q;
	lm->m = *m;
	store_msg_init(m);
	lm->words = xcalloc(lm->m.env.nrcpts, sizeof(*lm->words));
	TAILQ_INIT(&lm->jobs);
	ev_timer_init(&lm->due, q->live->on_due, lm);
	lm->units = store_msg_units(&lm->m);
	q->live->units += lm->units;
	lm->load.bytes = (lm->m.in_spool ? 0 : lm->m.size) +
	    lm->m.env.nrcpts * LIVE_RCPT_BYTES;
	table_add(&q->live->msgs, &lm->node, &lm->m.id, sizeof(lm->m.id));
	return lm;
}

struct live_msg *
live_find(const struct live *l, uint64_t id)
{
	return (struct live_msg *)table_find(&l->msgs, &id, sizeof(id));
}

void
live_set_state(struct live_msg *lm, enum live_state state)
{
	char id[STORE_ID_LEN + 1];

	if (lm->state == state)
		return;
	live_keep(lm);
	store_id_text(lm->m.id, id);
	log_debug("queue", "%s %s -> %s", id, state_names[lm->state],
	    state_names[state]);
	lm->state = state;
}

/* --- shares ---------------------------------------------------------------------- */

static struct live_share *
share_find(const struct live *l, enum live_by by, const char *name)
{
	return (struct live_share *)table_find(&l->shares[by], name,
	    strlen(name));
}

size_t
live_share(const struct live *l, enum live_by by, const char *name)
{
	const struct live_share *s = share_find(l, by, name);

	return s == NULL ? 0 : s->units;
}

static struct live_share *
share_take(struct live *l, enum live_by by, const char *name, size_t units)
{
	struct live_share *s = share_find(l, by, name);
	size_t len = strlen(name);

	if (s == NULL) {
		s = xcalloc(1, sizeof(*s) + len + 1);
		memcpy(s->name, name, len);
		table_add(&l->shares[by], &s->node, s->name, len);
	}
	s->units += units;
	return s;
}

void
live_take_share(struct live_msg *lm, const char *hop)
{
	struct live *l = lm->q->live;

	l->fed += lm->units;
	lm->share[LIVE_BY_ACCOUNT] = share_take(l, LIVE_BY_ACCOUNT,
	    lm->m.account, lm->units);
	lm->share[LIVE_BY_HOP] = share_take(l, LIVE_BY_HOP, hop, lm->units);
}

static void
give_shares_back(struct live_msg *lm)
{
	struct live_share *s;
	enum live_by by;

	if (lm->share[LIVE_BY_ACCOUNT] != NULL)
		lm->q->live->fed -= lm->units;
	for (by = 0; by < LIVE_BYS; by++) {
		s = lm->share[by];
		lm->share[by] = NULL;
		if (s == NULL || (s->units -= lm->units) > 0)
			continue;
		table_remove(&lm->q->live->shares[by], &s->node);
		free(s);
	}
}

void
live_set_indexed(struct live_msg *lm, bool indexed)
{
	lm->indexed = indexed;
	if (indexed)
		return;
	live_keep(lm);
	give_shares_back(lm);
}

static bool
being_read(const struct live *l)
{
	return l->ages[0].reads + l->ages[1].reads > 0;
}

static void
await_reads(struct live_msg *lm)
{
	struct live *l = lm->q->live;

	lm->leaves = &l->ages[l->age];
	TAILQ_INSERT_TAIL(&lm->leaves->leaving, lm, leaving);
}

void
live_keep(struct live_msg *lm)
{
	if (lm->leaves == NULL)
		return;
	TAILQ_REMOVE(&lm->leaves->leaving, lm, leaving);
	lm->leaves = NULL;
}

/* What it has of others goes back. */
static void
empty(struct live_msg *lm)
{
	while (!TAILQ_EMPTY(&lm->jobs))
		live_job_free(TAILQ_FIRST(&lm->jobs));
	ev_timer_cancel(&lm->due);
	live_drop_body(lm);
	reserve_hold(lm->q, &lm->reserved, 0);
	live_set_indexed(lm, false);
}

static void
leave(struct live_msg *lm)
{
	struct live *l = lm->q->live;

	empty(lm);
	table_remove(&l->msgs, &lm->node);
	l->units -= lm->units;
	store_msg_clear(&lm->m);
	free(lm->words);
	free(lm);
	l->some_left = true;
}

static void
tell_room(struct live *l)
{
	if (!l->some_left)
		return;
	l->some_left = false;
	if (l->on_room != NULL)
		l->on_room(l->arg);
}

void
live_drop(struct live_msg *lm)
{
	struct live *l = lm->q->live;

	empty(lm);
	live_set_state(lm, LIVE_GONE);
	if (being_read(l))
		await_reads(lm);
	else
		leave(lm);
	l->some_left = true;		/* its share, if not its memory */
	tell_room(l);
}

void
live_forget(struct live_msg *lm)
{
	struct live *l = lm->q->live;

	if (lm->leaves != NULL)
		return;
	if (being_read(l)) {
		await_reads(lm);
		return;
	}
	leave(lm);
	tell_room(l);
}

void
live_on_room(struct live *l, void (*room)(void *), void *arg)
{
	l->on_room = room;
	l->arg = arg;
}

/* --- bodies ------------------------------------------------------------------------ */

void
live_keep_body(struct live_msg *lm, const uint8_t *body, size_t len)
{
	struct live *l = lm->q->live;

	if (len > LIVE_BODY_BYTES_MAX - l->body_bytes)
		return;
	lm->m.body.v = xmemdup(body, len);
	lm->m.body.n = len;
	l->body_bytes += len;
}

void
live_drop_body(struct live_msg *lm)
{
	if (lm->m.body.v == NULL)
		return;
	lm->q->live->body_bytes -= lm->m.body.n;
	free(lm->m.body.v);
	lm->m.body = (struct conf_bytes){ 0 };
}

/* --- reads in progress --------------------------------------------------------------- */

static void
age_over(struct live_age *a)
{
	struct live_msg *lm;

	while ((lm = TAILQ_FIRST(&a->leaving)) != NULL)
		leave(lm);
}

/*
 * What is to leave now may be known to reads of both ages. When those of the
 * elder have ended, a new age begins; when those of this one have, too, so have
 * all that may know it.
 */
unsigned int
live_read_begin(struct live *l)
{
	unsigned int elder = 1 - l->age;

	if (l->ages[elder].reads == 0) {
		age_over(&l->ages[elder]);
		l->age = elder;
	}
	l->ages[l->age].reads++;
	return l->age;
}

void
live_read_end(struct live *l, unsigned int read)
{
	l->ages[read].reads--;
	if (!being_read(l)) {
		age_over(&l->ages[0]);
		age_over(&l->ages[1]);
	}
	tell_room(l);
}

void
live_free(struct live **lp)
{
	struct live *l = *lp;
	struct table_node *n;

	if (l == NULL)
		return;
	while ((n = table_next(&l->msgs, NULL)) != NULL)
		leave((struct live_msg *)n);
	table_clear(&l->msgs);
	table_clear(&l->shares[LIVE_BY_ACCOUNT]);
	table_clear(&l->shares[LIVE_BY_HOP]);
	free(l);
	*lp = NULL;
}

/* --- jobs -------------------------------------------------------------------------------- */

struct live_job *
live_job_add(struct live_msg *lm, const char *route, const char *domain,
    uint64_t hop_hash)
{
	struct live_job *j = xcalloc(1, sizeof(*j));

	j->msg = lm;
	j->hop_hash = hop_hash;
	j->route = xstrdup(route);
	j->domain = xstrdup(domain);
	TAILQ_INSERT_TAIL(&lm->jobs, j, link);
	lm->njobs++;
	return j;
}

/* Grows at powers of two, so that the size need not be kept. */
void
live_job_rcpt(struct live_job *j, uint32_t index)
{
	if ((j->n & (j->n - 1)) == 0)
		j->rcpts = xreallocarray(j->rcpts, j->n == 0 ? 1 : j->n * 2,
		    sizeof(*j->rcpts));
	j->rcpts[j->n++] = index;
}

void
live_job_free(struct live_job *j)
{
	sched_cancel(j->msg->q->sched, &j->sched);
	TAILQ_REMOVE(&j->msg->jobs, j, link);
	j->msg->njobs--;
	free(j->route);
	free(j->domain);
	free(j->rcpts);
	free(j);
}

struct live_job *
live_job_of(struct table_node *node)
{
	return (struct live_job *)((char *)node -
	    offsetof(struct live_job, node));
}
