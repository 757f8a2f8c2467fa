#include "lib/prelude.h"

#include "lib/log.h"
#include "lib/xalloc.h"
#include "queue/clock.h"
#include "queue/life.h"
#include "queue/life_admin.h"
#include "queue/life_digest.h"
#include "queue/life_round.h"
#include "queue/life_step.h"
#include "queue/life_times.h"
#include "queue/life_try.h"
#include "queue/reserve.h"
#include "queue/route.h"

/* Orders about many messages leave the rest of them to feed from here on. */
#define ROOM_UNITS	(LIVE_UNITS_MAX / 4)

/*
 * Due at once, or when its sender wants it to go; a crowd goes by way of feed,
 * which lets in what there is room for.
 */
static enum life_did
go_now(struct live_msg *lm, bool force)
{
	bool later = life_kept_ms(&lm->m) > 0;

	if (lm->m.attempts > 0 && lm->m.due_ms > clock_due_ms())
		lm->early_ms = lm->m.due_ms;
	lm->m.due_ms = life_first_due_ms(&lm->m);
	if (live_fuller(lm->q->live, ROOM_UNITS)) {
		life_park(lm);
		return later ? LIFE_LATER : LIFE_DONE;
	}
	if (later) {
		life_redate(lm);
		return LIFE_LATER;
	}
	life_write(lm, NULL);
	life_try(lm, force);
	return LIFE_DONE;
}

/* What has it in hand goes first; a next hop may take it then, others do not. */
static enum life_did
soon(const struct live_msg *lm)
{
	return lm->nsent > 0 ? LIFE_SOON : LIFE_DONE;
}

/* ... and whoever ordered it is answered: it is so after a crash, too. */
static enum life_did
write_down(struct live_msg *lm)
{
	life_write_progress(lm);
	return soon(lm);
}

/*
 * Its jobs may have ended with failures that want a report, for which the body is
 * read first: what was ordered does not wait for that.
 */
static void
end_round(struct live_msg *lm)
{
	life_write(lm, NULL);
	life_round_over(lm);
}

/* --- the orders --------------------------------------------------------------------- */

static bool
goes_so(const struct store_msg *m, const char *route)
{
	return strcmp(m->route == NULL ? "" : m->route, route) == 0;
}

/* Of nobody it is tried any more, and its sender hears so in a report to come. */
static bool
has_failed(const struct store_msg *m, const struct live_msg *lm)
{
	bool owed = false;
	size_t i;

	if (lm != NULL && lm->state == LIVE_GATHERED)
		return true;
	if ((lm != NULL && lm->state != LIVE_RESTING) || m->hold != HOLD_NONE)
		return false;
	for (i = 0; i < m->env.nrcpts; i++) {
		if (m->rcpts[i].state == RCPT_PENDING)
			return false;
		owed |= m->rcpts[i].state == RCPT_OWED;
	}
	return owed;
}

/* Whether there is anything to do about it: LIFE_DONE, or why there is not. */
static enum life_did
to_do(const struct store_msg *m, const struct live_msg *lm,
    const struct life_order *o)
{
	bool so = false;

	if (o->kind != LIFE_REMOVE && has_failed(m, lm))
		return LIFE_FAILED;
	if (o->kind == LIFE_HOLD)
		so = m->hold == o->hold;
	else if (o->kind == LIFE_RELEASE)
		so = m->hold == HOLD_NONE;
	else if (o->kind == LIFE_REDIRECT)
		so = goes_so(m, o->route);
	else if (o->kind == LIFE_REMOVE)
		return LIFE_DONE;
	else if (m->hold != HOLD_NONE)
		return LIFE_HELD;
	else if (o->kind == LIFE_RETRY && life_kept_ms(m) > 0)
		return LIFE_KEPT;
	else
		so = lm != NULL && lm->state != LIVE_RESTING;
	return so ? LIFE_WAS_SO : LIFE_DONE;
}

static enum life_did
hold(struct live_msg *lm, const struct life_order *o)
{
	lm->m.hold = o->hold;
	life_note(lm, "held by %s", o->by);
	if (lm->state == LIVE_TRYING)
		life_cancel_waiting(lm);
	if (life_in_hand(lm))
		return write_down(lm);
	if (lm->state == LIVE_TRYING && !life_untouched(lm))
		end_round(lm);
	else {
		life_as_scheduled(lm);
		life_park(lm);
	}
	return LIFE_DONE;
}

static enum life_did
release(struct live_msg *lm, const struct life_order *o)
{
	/* Written down, or its cap would hold it again at its next turn. */
	if (lm->m.hold == HOLD_CAP)
		lm->m.env.hold_until_ms = 0;
	lm->m.hold = HOLD_NONE;
	life_note(lm, "released by %s", o->by);
	if (lm->state == LIVE_RESTING)
		return go_now(lm, false);
	/* It is at a next hop, and on hold on disk. */
	lm->again = true;
	life_write_progress(lm);
	return LIFE_DONE;
}

static void
unblock(const struct live_msg *lm)
{
	struct live_job *j;
	struct buf hop;

	buf_init(&hop, ROUTE_HOP_MAX);
	TAILQ_FOREACH(j, &lm->jobs, link) {
		life_hop(j, &hop);
		sched_unblock(lm->q->sched, buf_str(&hop));
	}
	buf_clear(&hop);
}

static enum life_did
retry(struct live_msg *lm, const struct life_order *o)
{
	life_note(lm, "tried early by %s", o->by);
	return go_now(lm, true);
}

/* Its sender does not want it yet; the admin does, and names it. */
static enum life_did
retry_kept(struct live_msg *lm, const struct life_order *o)
{
	if (life_kept_ms(&lm->m) > 0) {
		lm->m.env.hold_until_ms = ev_wall_ms();
		lm->m.expires_ms = life_expiry_ms(lm->q, &lm->m);
	}
	return retry(lm, o);
}

static enum life_did
redirect(struct live_msg *lm, const struct life_order *o)
{
	free(lm->m.route);
	lm->m.route = *o->route == '\0' ? NULL : xstrdup(o->route);
	life_note(lm, "sent to route %s by %s", *o->route == '\0' ?
	    "of the configuration" : o->route, o->by);
	/* What it waited for was the other route. */
	lm->early_ms = 0;
	lm->m.due_ms = clock_due_ms();
	lm->again = true;
	if (lm->state == LIVE_TRYING)
		life_cancel_waiting(lm);
	if (life_in_hand(lm))
		return write_down(lm);
	if (lm->state == LIVE_TRYING && !life_untouched(lm)) {
		end_round(lm);
		return LIFE_DONE;
	}
	if (lm->m.hold == HOLD_NONE)
		return go_now(lm, false);
	life_park(lm);
	return LIFE_DONE;
}

/*
 * Should we die before what has it in hand has done, it is on hold. On a full
 * disk that takes the room which was kept for what next hops say of it.
 */
static void
hold_meanwhile(struct live_msg *lm, const struct life_order *o)
{
	struct live_job *j;

	TAILQ_FOREACH(j, &lm->jobs, link)
		reserve_hold(lm->q, &j->reserved, STORE_LEAST_BYTES);
	lm->m.hold = HOLD_ADMIN;
	life_note(lm, "held by %s" TO_BE_REMOVED, o->by);
	log_info("%s to be removed by=%s, when its next hop has done",
	    life_name(lm), o->by);
	life_write_progress(lm);
}

static enum life_did
remove_it(struct live_msg *lm, const struct life_order *o)
{
	enum life_did did = soon(lm);

	lm->removing = true;
	if (lm->state == LIVE_GATHERED)
		life_ungather(lm);
	if (lm->state == LIVE_TRYING)
		life_cancel_waiting(lm);
	if (lm->njobs > 0)
		hold_meanwhile(lm, o);
	life_remove(lm);
	return did;
}

static const struct {
	const char *word;		/* for the log; NULL: logged elsewhere */
	enum life_did (*obey)(struct live_msg *, const struct life_order *);
} orders[LIFE_ORDERS] = {
	[LIFE_HOLD] = { "held", hold },
	[LIFE_RELEASE] = { "released", release },
	[LIFE_RETRY] = { "retried", retry },
	[LIFE_RETRY_KEPT] = { "retried", retry_kept },
	[LIFE_REDIRECT] = { "redirected", redirect },
	[LIFE_REMOVE] = { NULL, remove_it },
};

enum life_did
life_would(const struct queue *q, const struct store_msg *m,
    const struct life_order *o)
{
	const struct live_msg *lm = live_find(q->live, m->id);

	return to_do(lm == NULL ? m : &lm->m, lm, o);
}

static void
log_order(const struct live_msg *lm, const struct life_order *o)
{
	const char *word = orders[o->kind].word;

	if (word != NULL)
		log_info("%s %s by=%s%s%s", life_name(lm), word, o->by,
		    o->kind == LIFE_REDIRECT ? " route=" : "",
		    o->kind == LIFE_REDIRECT ? o->route : "");
}

enum life_did
life_obey(struct queue *q, const struct store_msg *m,
    const struct life_order *o)
{
	enum life_did did = life_would(q, m, o);
	struct live_msg *lm;

	if (did == LIFE_DONE)
		life_resume(q, m);
	lm = live_find(q->live, m->id);
	if (did == LIFE_WAS_SO && (o->kind == LIFE_RETRY ||
	    o->kind == LIFE_RETRY_KEPT))
		unblock(lm);
	if (did != LIFE_DONE)
		return did;
	log_order(lm, o);
	return orders[o->kind].obey(lm, o);
}
