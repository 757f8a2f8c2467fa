#include "lib/prelude.h"

#include "lib/flood.h"
#include "lib/log.h"
#include "lib/num.h"
#include "queue/clock.h"
#include "queue/life_release.h"
#include "queue/life_report.h"
#include "queue/life_step.h"
#include "queue/life_times.h"
#include "queue/life_try.h"

/*
 * A wait that is only prolonged, and not for long, is no change to write down:
 * of two thousand that wait for a cap of ten, each is looked at two hundred
 * times. Memory keeps these, as long as they are no crowd.
 */
#define PROLONG_MS	(10 * 60 * 1000)
#define PROLONG_UNITS	(LIVE_UNITS_MAX / 4)

static struct flood kept = FLOOD("messages that a cap keeps from release", 60);

static bool
has_said(const struct live_msg *lm, const char *text)
{
	const struct store_rcpt *r = lm->m.rcpts;
	uint32_t i;

	for (i = 0; i < lm->m.env.nrcpts; i++)
		if (r[i].state == RCPT_PENDING &&
		    (r[i].diag == NULL || strcmp(r[i].diag, text) != 0))
			return false;
	return true;
}

/* False: it has been said before, and nothing is new. */
static bool
say_why(struct live_msg *lm, const struct caps_refusal *why,
    char text[LIFE_DIAG_MAX])
{
	const struct conf_limit *l = why->limit;
	char limit[NUM_TEXT_LEN], window[NUM_TEXT_LEN];
	uint32_t i;

	snprintf(text, LIFE_DIAG_MAX, "was held as its sender asked, and its "
	    "account's cap lets go of %s within %s",
	    caps_amount(l->what, l->count, limit),
	    num_print_wait(l->window_sec, window));
	if (has_said(lm, text))
		return false;
	for (i = 0; i < lm->m.env.nrcpts; i++)
		if (lm->m.rcpts[i].state == RCPT_PENDING)
			life_set_word(lm, i, WORD_DEFERRED, "4.7.1", text, "");
	life_note(lm, "waits: it %s", text);
	return true;
}

/* No waiting helps: the message alone is more than a window may hold now. */
static void
give_to_admin(struct live_msg *lm, const char *why)
{
	log_warnx("%s held account=%s why=\"it %s\"; posternctl queue release "
	    "or remove", life_name(lm), log_escs(lm->m.account), why);
	lm->m.hold = HOLD_CAP;
	life_park(lm);
}

/* Nor does the index name it again before it is written. */
static bool
stays_unwritten(struct live_msg *lm, uint64_t in_ms)
{
	if (in_ms > PROLONG_MS || live_fuller(lm->q->live, PROLONG_UNITS))
		return false;
	live_set_indexed(lm, false);
	return true;
}

static void
wait(struct live_msg *lm, uint64_t retry_sec, const char *why, bool changed)
{
	struct retry retry = life_retry(lm->q, &lm->m);
	uint64_t in_ms = retry_sec * 1000, wall = ev_wall_ms();
	uint64_t most = retry_longest_ms(&retry);
	char text[NUM_TEXT_LEN];

	/* RFC 2852 4.1.3: whatever it waits for when its time is over. */
	if (life_by_late(lm)) {
		life_tell_late(lm);
		changed = true;
	}
	in_ms = in_ms < most ? in_ms : most;
	if (lm->m.env.by_ms > wall && wall + in_ms > lm->m.env.by_ms)
		in_ms = lm->m.env.by_ms - wall;
	if (flood_log(&kept))
		log_info("%s waits for=cap account=%s why=\"it %s\" next_try="
		    "\"in %s\"", life_name(lm), log_escs(lm->m.account), why,
		    num_print_wait((in_ms + 999) / 1000, text));
	ev_timer_set(&lm->due, in_ms);
	live_set_state(lm, LIVE_RESTING);
	live_drop_body(lm);
	if (!changed && stays_unwritten(lm, in_ms))
		return;
	lm->m.due_ms = clock_due_ms() + in_ms;
	life_write(lm, NULL);
}

/* By a clock that was ahead of the wall's it seemed due. */
static void
not_yet(struct live_msg *lm)
{
	uint64_t in_ms = life_kept_ms(&lm->m);

	if (in_ms > LIFE_HORIZON_MS) {
		life_redate(lm);
		return;
	}
	live_set_state(lm, LIVE_RESTING);
	ev_timer_set(&lm->due, in_ms);
}

void
life_release(struct live_msg *lm)
{
	struct caps *released = lm->q->released;
	const struct store_msg *m = &lm->m;
	uint64_t now = clock_steady_ms();
	char why[LIFE_DIAG_MAX];
	const struct conf_cap *cap;
	struct caps_refusal no;
	enum caps_verdict v;
	bool changed;

	if (m->env.hold_until_ms == 0 || m->attempts > 0 || life_by_over(lm)) {
		life_try(lm, false);
		return;
	}
	if (life_kept_ms(m) > 0) {
		not_yet(lm);
		return;
	}
	cap = caps_find(released, m->cap);
	v = caps_check(released, cap, m->account, m->charge, now, &no);
	if (v == CAPS_OK) {
		caps_charge(released, cap, m->account, m->charge, now);
		life_try(lm, false);
		return;
	}
	changed = say_why(lm, &no, why);
	if (v == CAPS_NEVER)
		give_to_admin(lm, why);
	else
		wait(lm, no.retry_sec, why, changed);
}
