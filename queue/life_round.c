#include "lib/prelude.h"

#include "lib/date.h"
#include "lib/flood.h"
#include "lib/log.h"
#include "lib/num.h"
#include "lib/stats.h"
#include "lib/xalloc.h"
#include "queue/clock.h"
#include "queue/life_digest.h"
#include "queue/life_report.h"
#include "queue/life_round.h"
#include "queue/life_step.h"
#include "queue/life_times.h"

static void	settle(struct live_msg *, const uint8_t *, size_t, bool whole);
static void	put_off(struct live_msg *);

static bool
any_pending(const struct live_msg *lm)
{
	size_t i;

	for (i = 0; i < lm->m.env.nrcpts; i++)
		if (lm->m.rcpts[i].state == RCPT_PENDING)
			return true;
	return false;
}

#define HAD_MAX	(DATE_LEN + 32)

/*
 * Where its time began, that is over. What its sender wanted held, or what lay in
 * a backup, has no more of it than other mail: what is not its own would be
 * expected of its tries as well.
 */
static uint64_t
time_began(const struct live_msg *lm)
{
	uint64_t end = lm->m.expires_ms, begun = life_begun_ms(&lm->m);
	uint64_t own = life_expiry_ms(lm->q, &lm->m) - begun;

	return end > begun + own ? end - own : begun;
}

/*
 * What time it had, and with which status it goes back when that is over. A
 * by-time counts from MAIL at the first server, so it is said as an hour.
 */
static bool
time_over(const struct live_msg *lm, char had[HAD_MAX], const char **status)
{
	const struct store_msg *m = &lm->m;
	struct retry retry = life_retry(lm->q, m);
	char text[DATE_LEN + NUM_TEXT_LEN];
	uint64_t end = m->expires_ms, wall = ev_wall_ms();
	uint64_t begun = life_begun_ms(m);
	uint64_t from = wall < end ? m->arrived_ms : time_began(lm);

	if (life_by_over(lm)) {
		*status = "5.4.7";	/* RFC 2852 4.1.3 */
		snprintf(had, HAD_MAX, "by %s, as was asked for",
		    date_rfc5322(m->env.by_ms, text));
		return true;
	}
	if (!retry_expired(&retry, m->attempts, from, end, wall))
		return false;
	*status = "4.4.7";		/* RFC 3463 3.5, X.4.7 */
	snprintf(had, HAD_MAX, "within %s", num_print_wait(end > begun ?
	    (end - begun) / 1000 : 0, text));
	return true;
}

static void
expire(struct live_msg *lm)
{
	char diag[LIFE_DIAG_MAX + HAD_MAX + 64], had[HAD_MAX];
	const char *status;
	struct store_rcpt *r;
	uint32_t i;

	if (!time_over(lm, had, &status))
		return;
	for (i = 0; i < lm->m.env.nrcpts; i++) {
		r = &lm->m.rcpts[i];
		if (r->state != RCPT_PENDING)
			continue;
		snprintf(diag, sizeof(diag), "not delivered %s; the last try "
		    "ended with: %s", had, r->diag != NULL ? r->diag :
		    "no answer");
		log_info("%s failed to=<%s> status=%s why=\"%s\"",
		    life_name(lm), log_escs(lm->m.env.rcpts[i].addr), status,
		    log_escs(diag));
		stats_add(STAT_FAILED, 1);
		/* The words are ours, not a remote MTA's. */
		life_set_word(lm, i, WORD_FAILED, status, diag, "");
	}
}

static void
log_unreported(const struct live_msg *lm)
{
	size_t i, n = 0;

	for (i = 0; i < lm->m.env.nrcpts; i++)
		n += lm->words[i] == WORD_FAILED &&
		    lm->m.rcpts[i].state == RCPT_FAILED &&
		    !dsn_wanted(&lm->m, i, DSN_FAILED);
	if (n > 0)
		log_info("%s unreported recipients=%zu why=\"%s\"", life_name(lm),
		    n, *lm->m.env.return_path == '\0' ?
		    "a bounce is never bounced" : "NOTIFY asks for none");
}

/*
 * For a report the beginning of a large body is read here, in the loop: one
 * read of some kilobytes that were written or sent not long ago, on the rare
 * way of a failure, is cheaper than a thread for it.
 */
static void
body_cb(const uint8_t *body, size_t len, int fd, uint32_t crc,
    const char *errstr, void *arg)
{
	struct live_msg *lm = arg;
	uint8_t *head;
	ssize_t n;

	if (errstr != NULL)
		log_warnx("%s body=unreadable why=\"%s\"; the report goes "
		    "without it", life_name(lm), errstr);
	if (fd == -1) {
		settle(lm, body, body == NULL ? 0 : len, true);
		return;
	}
	head = xmalloc(DSN_FULL_MAX);
	n = pread(fd, head, DSN_FULL_MAX, 0);
	close(fd);
	settle(lm, head, n == -1 ? 0 : (size_t)n,
	    n != -1 && (uint64_t)n == lm->m.size);
	free(head);
}

/*
 * One before its time leaves the schedule as it was. When that is not known any
 * more, since the order was given to a crowd or before a restart, it is what it
 * would be without dice.
 */
static void
count_try(struct live_msg *lm)
{
	struct retry retry = life_retry(lm->q, &lm->m);
	uint64_t begun = life_begun_ms(&lm->m), wall = ev_wall_ms();

	/* A report that is still owed is no attempt. */
	if (lm->early_ms > clock_due_ms() || (!any_pending(lm) &&
	    life_untouched(lm)))
		return;
	lm->early_ms = 0;
	if (!retry_counts(&retry, lm->m.attempts, begun, wall))
		lm->early_ms = clock_due_ms() + retry_left_ms(&retry,
		    lm->m.attempts, begun, wall, sched_dice(lm->q->sched));
	else if (lm->m.attempts < UINT32_MAX)
		lm->m.attempts++;
}

void
life_round_over(struct live_msg *lm)
{
	if (lm->removing) {
		life_remove(lm);
		return;
	}
	ev_timer_cancel(&lm->due);
	count_try(lm);
	expire(lm);
	lm->warn = life_warning_due(lm);
	lm->late = life_by_late(lm);
	if (!life_report_due(lm, 0) && !life_may_cut(lm))
		settle(lm, NULL, 0, false);
	else if (!life_may_tell(lm))
		put_off(lm);
	else if (lm->m.body.v == NULL) {
		live_set_state(lm, LIVE_SETTLING);
		store_body(lm->q->store, lm->m.id, body_cb, lm);
	} else
		settle(lm, lm->m.body.v, lm->m.body.n, true);
}

static uint64_t
not_past(uint64_t in_ms, uint64_t wall, uint64_t end)
{
	return wall < end && wall + in_ms > end ? end - wall : in_ms;
}

/*
 * Nothing is due after the expiry but the last try, and a warning of delay
 * comes with a try of its own; so does the end of a by-time.
 */
static void
set_due(struct live_msg *lm)
{
	struct retry retry = life_retry(lm->q, &lm->m);
	uint64_t wall = ev_wall_ms(), now = ev_now_ms();
	uint64_t due = clock_due_ms();
	uint64_t in_ms = retry_wait_ms(&retry, lm->m.attempts,
	    sched_dice(lm->q->sched));

	/* Farther off it is of a route or a configuration that is no more. */
	if (lm->early_ms > due &&
	    lm->early_ms - due <= retry_longest_ms(&retry))
		in_ms = lm->early_ms - due;
	if (lm->not_before_ms != UINT64_MAX && lm->not_before_ms > now + in_ms)
		in_ms = lm->not_before_ms - now;
	if (lm->again)
		in_ms = 0;
	in_ms = not_past(in_ms, wall, lm->m.expires_ms);
	in_ms = not_past(in_ms, wall, life_warning_at(lm));
	in_ms = not_past(in_ms, wall, lm->m.env.by_ms);
	if (!any_pending(lm))
		in_ms = LIFE_PUT_OFF_MS;	/* a report waits for room */
	lm->m.due_ms = due + in_ms;
	ev_timer_set(&lm->due, in_ms);
}

/* Until it is due, or for good when the admin has meanwhile put it on hold. */
static void
rest(struct live_msg *lm, struct live_msg *bounces)
{
	char wait[NUM_TEXT_LEN];

	if (lm->m.hold == HOLD_NONE) {
		set_due(lm);
		log_info("%s waits attempts=%u next_try=\"in %s\"",
		    life_name(lm), lm->m.attempts,
		    num_print_wait((lm->m.due_ms - clock_due_ms() + 999) /
		    1000, wait));
	} else
		life_as_scheduled(lm);
	lm->early_ms = 0;
	live_set_state(lm, LIVE_RESTING);
	live_drop_body(lm);
	life_write(lm, bounces);
	if (lm->m.hold != HOLD_NONE)
		live_forget(lm);
}

/*
 * There is no room for a report. Who is owed one is so on disk, and a warning
 * comes with the next round; what is written already stays as it is.
 */
static void
put_off(struct live_msg *lm)
{
	static struct flood put = FLOOD("reports that wait for room on the disk",
	    20);

	lm->warn = lm->late = false;
	if (flood_log(&put))
		log_info("%s report=waits why=\"the disk is full\"",
		    life_name(lm));
	if (any_pending(lm) || !life_untouched(lm) || lm->m.hold != HOLD_NONE) {
		rest(lm, NULL);
		return;
	}
	live_set_state(lm, LIVE_RESTING);
	live_drop_body(lm);
	ev_timer_set(&lm->due, LIFE_PUT_OFF_MS);
}

static void
settle(struct live_msg *lm, const uint8_t *original, size_t len, bool whole)
{
	struct live_msg *bounces = NULL;

	live_set_state(lm, LIVE_TRYING);
	if (lm->removing) {
		life_remove(lm);
		return;
	}
	if (life_may_cut(lm))
		bounces = life_cut(lm, original, len);
	if (bounces == NULL)
		log_unreported(lm);
	if (life_report_due(lm, 0)) {
		if (life_gather(lm, original, len))
			return;
		bounces = life_tell(lm, original, len, whole);
	}
	if (any_pending(lm) || life_report_due(lm, 0))
		rest(lm, bounces);
	else
		life_finish(lm, bounces);
	life_keep_bounces(bounces);
}
