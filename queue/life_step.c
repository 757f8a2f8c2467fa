#include "lib/prelude.h"

#include "lib/log.h"
#include "lib/num.h"
#include "lib/stats.h"
#include "lib/xalloc.h"
#include "queue/clock.h"
#include "queue/dsn.h"
#include "queue/life_step.h"
#include "queue/life_times.h"
#include "queue/reserve.h"

/* --- in memory ------------------------------------------------------------------ */

const char *
life_name(const struct live_msg *lm)
{
	static char text[4][STORE_ID_LEN + 1];
	static unsigned int turn;
	char *t = text[turn++ % nitems(text)];

	store_id_text(lm->m.id, t);
	return t;
}

void
life_note(struct live_msg *lm, const char *fmt, ...)
{
	char what[STORE_EVENT_LEN_MAX + 1];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	store_msg_note(&lm->m, ev_wall_ms(), what);
}

static void
keep(char **to, const char *from, size_t max)
{
	free(*to);
	*to = *from == '\0' ? NULL : xstrndup(from, max);
}

void
life_set_word(struct live_msg *lm, uint32_t i, enum live_word word,
    const char *status, const char *diag, const char *remote)
{
	struct store_rcpt *r = &lm->m.rcpts[i];

	live_keep(lm);		/* until that is written */
	lm->words[i] = word;
	keep(&r->status, status, STORE_STATUS_MAX);
	keep(&r->diag, diag, LIFE_DIAG_MAX);
	keep(&r->remote, remote, LIFE_DIAG_MAX);
	if (word == WORD_DELIVERED)
		r->state = RCPT_DELIVERED;
	if (word == WORD_FAILED)
		r->state = dsn_wanted(&lm->m, i, DSN_FAILED) ? RCPT_OWED :
		    RCPT_FAILED;
	if (word == WORD_DEFERRED)
		lm->not_before_ms = 0;
}

bool
life_untouched(const struct live_msg *lm)
{
	size_t i;

	for (i = 0; i < lm->m.env.nrcpts; i++)
		if (lm->words[i] != WORD_NONE)
			return false;
	return lm->nsent == 0;
}

bool
life_in_hand(const struct live_msg *lm)
{
	return lm->state == LIVE_STORING || lm->state == LIVE_SETTLING ||
	    lm->state == LIVE_GATHERED || lm->njobs > 0;
}

void
life_cancel_waiting(struct live_msg *lm)
{
	struct live_job *j, *next;

	for (j = TAILQ_FIRST(&lm->jobs); j != NULL; j = next) {
		next = TAILQ_NEXT(j, link);
		if (j->sched.state == SCHED_WAITING)
			live_job_free(j);
	}
}

void
life_await_by_time(struct live_msg *lm)
{
	uint64_t now = ev_wall_ms(), by = lm->m.env.by_ms;

	if ((lm->m.env.by == BY_RETURN && !life_by_over(lm)) ||
	    (lm->m.env.by == BY_NOTIFY && !lm->m.env.by_told))
		ev_timer_set(&lm->due, by > now ? by - now : 0);
}

/* --- on disk -------------------------------------------------------------------- */

void
life_count(struct queue *q)
{
	stats_set(STAT_QUEUED_NOW, store_count(q->store));
}

/* As the store takes them: NULL for none. */
static const struct store_bounces *
together(const struct live_msg *first, struct store_bounces *b)
{
	b->n = 0;
	for (; first != NULL; first = first->born_with)
		b->v[b->n++] = &first->m;
	return b->n == 0 ? NULL : b;
}

void
life_write(struct live_msg *lm, struct live_msg *bounces)
{
	struct store_bounces b;

	live_set_indexed(lm, false);
	reserve_hold(lm->q, &lm->reserved, 0);
	store_update(lm->q->store, &lm->m, together(bounces, &b),
	    bounces == NULL ? NULL : lm->q->live->on_stored, bounces);
}

void
life_write_progress(struct live_msg *lm)
{
	ev_timer_cancel(&lm->due);
	lm->progress_ms = ev_now_ms();
	if (lm->state == LIVE_TRYING)
		life_await_by_time(lm);
	life_write(lm, NULL);
}

void
life_park(struct live_msg *lm)
{
	ev_timer_cancel(&lm->due);
	live_set_state(lm, LIVE_RESTING);
	life_write(lm, NULL);
	live_forget(lm);
}

void
life_as_scheduled(struct live_msg *lm)
{
	if (lm->early_ms != 0)
		lm->m.due_ms = lm->early_ms;
	lm->early_ms = 0;
}

/* Nothing is tried before the hour that the client has named. */
void
life_await_release(struct live_msg *lm)
{
	uint64_t in_ms = lm->m.due_ms - clock_due_ms();
	char wait[NUM_TEXT_LEN];

	log_info("%s waits for=release next_try=\"in %s\"", life_name(lm),
	    num_print_wait((in_ms + 999) / 1000, wait));
	live_set_state(lm, LIVE_RESTING);
	live_drop_body(lm);
	ev_timer_set(&lm->due, in_ms);
}

void
life_redate(struct live_msg *lm)
{
	lm->m.due_ms = life_first_due_ms(&lm->m);
	life_write(lm, NULL);
	life_await_release(lm);
}

void
life_finish(struct live_msg *lm, struct live_msg *bounces)
{
	struct queue *q = lm->q;
	struct store_bounces b;

	store_remove(q->store, &lm->m, together(bounces, &b),
	    bounces == NULL ? NULL : q->live->on_stored, bounces);
	life_count(q);
	live_drop(lm);
}

void
life_remove(struct live_msg *lm)
{
	if (lm->state == LIVE_TRYING)
		life_cancel_waiting(lm);
	if (life_in_hand(lm))
		return;
	log_info("%s removed by=admin", life_name(lm));
	life_finish(lm, NULL);
}

void
life_remove_last(struct live_msg *lm)
{
	log_info("%s removed by=admin", life_name(lm));
	store_remove(lm->q->store, &lm->m, NULL, NULL, NULL);
}
