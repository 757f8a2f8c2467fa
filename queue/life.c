#include "lib/prelude.h"

#include "queue/clock.h"
#include "queue/life.h"
#include "queue/life_release.h"
#include "queue/life_report.h"
#include "queue/life_round.h"
#include "queue/life_step.h"
#include "queue/life_times.h"
#include "queue/reserve.h"

/* --- birth ------------------------------------------------------------------------ */

/* The body is lent for the call, which copies it. */
static void
accept_body(struct queue *q, struct store_msg *m, const uint8_t *body,
    size_t len, int spool_fd, store_done *done, store_done *full, void *arg)
{
	m->body.v = (uint8_t *)(uintptr_t)body;
	m->body.n = len;
	store_accept(q->store, m, spool_fd, done, full, arg);
	m->body = (struct conf_bytes){ 0 };
}

struct live_msg *
life_accept(struct queue *q, struct store_msg *m, const uint8_t *body,
    size_t len, int spool_fd, store_done *done, store_done *full, void *arg)
{
	struct live_msg *lm = live_add(q, m);

	accept_body(q, &lm->m, body, len, spool_fd, done, full, arg);
	if (spool_fd == -1)
		live_keep_body(lm, body, len);
	return lm;
}

enum life_place
life_place(struct queue *q, const struct store_msg *m,
    struct store_msg *const *found, size_t n)
{
	const struct live_msg *lm = live_find(q->live, m->id);

	if (lm != NULL && lm->state == LIVE_STORING)
		return LIFE_UNCERTAIN;
	if (n > 0)
		return store_msg_likeness(found[0]) == store_msg_likeness(m) ?
		    LIFE_TAKEN : LIFE_ANOTHER;
	return lm != NULL || store_leaving(q->store, m->id) ? LIFE_UNCERTAIN :
	    LIFE_FREE;
}

/* A queue seldom gives these. */
uint64_t
life_beside(uint64_t id)
{
	const uint64_t elsewhere = STORE_IDS_A_MS / 2;

	return (id & elsewhere) == 0 ? id | elsewhere : id + 1;
}

struct live_msg *
life_restore(struct queue *q, struct store_msg *m, const uint8_t *body,
    size_t len, int spool_fd, const char *why, store_done *done,
    store_done *full, void *arg)
{
	struct live_msg *lm;

	m->hold = HOLD_ADMIN;
	m->due_ms = clock_due_ms();
	memset(m->charge, 0, sizeof(m->charge));
	store_msg_note(m, ev_wall_ms(), why);
	lm = live_add(q, m);
	accept_body(q, &lm->m, body, len, spool_fd, done, full, arg);
	return lm;
}

void
life_stored(struct live_msg *lm)
{
	life_count(lm->q);
	live_set_state(lm, LIVE_TRYING);
	if (lm->m.hold != HOLD_NONE) {
		live_set_state(lm, LIVE_RESTING);
		live_forget(lm);
	} else if (lm->m.due_ms > clock_due_ms())
		life_await_release(lm);
	else
		life_release(lm);
}

void
life_refused(struct live_msg *lm)
{
	struct queue *q = lm->q;

	live_drop(lm);
	life_count(q);
}

/* Reports of ours begin their own ways. */
void
life_stored_cb(void *arg)
{
	struct live_msg *lm = arg, *next;

	for (; lm != NULL; lm = next) {
		next = lm->born_with;
		lm->born_with = NULL;
		life_stored(lm);
	}
}

void
life_resume(struct queue *q, const struct store_msg *stored)
{
	uint64_t now = clock_due_ms(), wait_ms;
	struct store_msg m;
	struct live_msg *lm;

	if (live_find(q->live, stored->id) != NULL)
		return;
	store_msg_copy(&m, stored);
	lm = live_add(q, &m);
	live_set_indexed(lm, true);
	live_set_state(lm, LIVE_RESTING);
	if (lm->m.hold != HOLD_NONE)
		return;
	wait_ms = lm->m.due_ms > now ? lm->m.due_ms - now : 0;
	/*
	 * We never set it so far off: the clock was wrong then, or is now. It
	 * goes at once, or at its hour if its sender has set one.
	 */
	if (wait_ms > life_longest_wait_ms(q, &lm->m)) {
		if (life_kept_ms(&lm->m) > 0) {
			life_redate(lm);
			return;
		}
		wait_ms = 0;
	}
	ev_timer_set(&lm->due, wait_ms);
}

/* --- its timer --------------------------------------------------------------------- */

void
life_due_cb(void *arg)
{
	struct live_msg *lm = arg;

	/* Nobody is told, and nothing written, of what is on its way out. */
	if (lm->removing)
		return;
	if (lm->state != LIVE_TRYING)
		life_release(lm);
	else if (life_by_late(lm))
		life_tell_late(lm);
	else if (!life_by_over(lm))
		life_write_progress(lm);
	else {
		/* What relays have they will not begin any more. */
		life_cancel_waiting(lm);
		if (lm->njobs == 0)
			life_round_over(lm);
	}
}

/* --- a stop in order ----------------------------------------------------------------- */

/* What was delivered has room; other words do not take that. */
static bool
is_unwritten(const struct live_msg *lm)
{
	if (lm->state != LIVE_SETTLING && (lm->state != LIVE_TRYING ||
	    life_untouched(lm)))
		return false;
	return lm->reserved > 0 || reserve_may_write(lm->q,
	    store_msg_bytes(&lm->m));
}

void
life_stop(struct queue *q)
{
	struct table_node *n;
	struct live_msg *lm;

	for (n = table_next(&q->live->msgs, NULL); n != NULL;
	    n = table_next(&q->live->msgs, n)) {
		lm = (struct live_msg *)n;
		if (lm->removing && lm->state == LIVE_TRYING)
			life_remove_last(lm);
		else if (is_unwritten(lm))
			life_write(lm, NULL);
	}
}

/* --- what may leave memory -------------------------------------------------------- */

/* When memory is full, feed may be some seconds late with what is due very soon. */
bool
life_may_forget(const struct live_msg *lm)
{
	if (lm->removing)
		return false;
	if (lm->state == LIVE_RESTING &&
	    lm->m.due_ms > clock_due_ms() + LIFE_HORIZON_MS)
		return true;
	return live_fuller(lm->q->live, LIVE_UNITS_MAX) &&
	    (lm->state == LIVE_RESTING ||
	    (lm->state == LIVE_TRYING && life_untouched(lm)));
}

void
life_settled(struct queue *q, const uint64_t *ids, size_t n)
{
	struct live_msg *lm;
	size_t i;

	for (i = 0; i < n; i++) {
		lm = live_find(q->live, ids[i]);
		if (lm == NULL || lm->state == LIVE_GONE)
			continue;
		live_set_indexed(lm, true);
		if (life_may_forget(lm))
			live_forget(lm);
	}
}
