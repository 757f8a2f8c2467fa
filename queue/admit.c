#include "lib/prelude.h"

#include "lib/date.h"
#include "lib/log.h"
#include "lib/num.h"
#include "lib/stats.h"
#include "queue/admit.h"
#include "queue/charge.h"
#include "queue/lane.h"

/* A refusal that holds for so long names its end by the clock, too. */
#define CLOCK_FROM_SEC	300

/* --- what is said ------------------------------------------------------------------ */

static bool
refuse(struct admit_no *no, uint32_t code, const char *status,
    const char *fmt, ...) PRINTFLIKE(4, 5);

static bool
refuse(struct admit_no *no, uint32_t code, const char *status,
    const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(no->text, sizeof(no->text), fmt, ap);
	va_end(ap);
	no->fault = NULL;
	no->code = code;
	no->status = status;
	return false;
}

static bool
fault(struct admit_no *no, const char *what)
{
	no->fault = what;
	return false;
}

/* --- the session ------------------------------------------------------------------- */

static bool
revoked(const struct queue *q, const struct ticket *t)
{
	char login[LOGIN_MAX + 1];

	return revoked_has(&q->revoked, t->account, t->begun_ms) ||
	    revoked_has(&q->revoked, ticket_login(t, login), t->begun_ms);
}

/*
 * A seal that is wrong was forged, or belongs to another session or worker.
 * One that was right and has run out is no fault: sessions may be long.
 */
bool
admit_session(const struct queue *q, uint32_t worker, uint64_t session,
    const struct ticket *t, struct admit_no *no)
{
	if (t->session != session)
		return fault(no, "a ticket of another session");
	if (!ticket_valid(&q->conf->ticket_key, worker, t, 0))
		return fault(no, "a ticket that auth has not sealed");
	/* RFC 5321 3.8: 421 ends the session; a new one logs in anew. */
	if (t->expires_ms <= ev_now_ms())
		return refuse(no, 421, "4.7.0", "Your login has expired; "
		    "please connect and log in again");
	/* It may be void, and who would say so is not here yet. */
	if (!q->told)
		return refuse(no, 451, "4.3.2", "The accounts are not there "
		    "yet; please try again in a minute");
	if (revoked(q, t))
		return refuse(no, 421, "4.7.0", "Your account has changed; "
		    "please connect and log in again");
	if (q->stopping)
		return refuse(no, 451, "4.3.2", "The queue is restarting; "
		    "please try again in a minute");
	if (*t->lane != '\0' && lane_of(q->conf, t) == NULL)
		return refuse(no, 421, "4.7.0", "This device is not "
		    "configured as it was; please connect again");
	if (!store_has_room(q->store))
		return refuse(no, 452, "4.3.1", "The server's disk is nearly "
		    "full; please try again later");
	return true;
}

/* An honest worker has asked the same before. */
bool
admit_sender(const struct queue *q, const struct ticket *t,
    const char *return_path, struct admit_no *no)
{
	return ticket_may_send(&q->conf->ticket_key, t, return_path) ||
	    fault(no, "a return path that is not the account's");
}

/* A reload may have changed what a device may, so it is no fault of smtpd's. */
bool
admit_device(const struct queue *q, const struct ticket *t,
    const char *return_path, const struct envelope *e, struct admit_no *no)
{
	const struct conf_lane *lane = *t->lane == '\0' ? NULL :
	    lane_of(q->conf, t);
	const char *foreign = lane == NULL || e == NULL ? NULL :
	    lane_foreign(lane, e);

	if (lane != NULL && !lane_is_sender(lane, return_path))
		return refuse(no, 550, "5.7.1", "This device sends as %s "
		    "alone", lane->sender);
	if (foreign != NULL)
		return refuse(no, 550, "5.7.1", "<%s> is not among the "
		    "recipients of this device", foreign);
	return true;
}

/* --- its caps ---------------------------------------------------------------------- */

/*
 * RFC 3463 3.8, X.7.1: a policy, but one that lifts by itself. A time on the
 * clock helps whoever reads this later; below some minutes it would not.
 */
static bool
say_later(const struct charge_refusal *refusal, struct admit_no *no)
{
	const struct caps_refusal *why = &refusal->why;
	const struct conf_limit *l = why->limit;
	char limit[NUM_TEXT_LEN], used[NUM_TEXT_LEN], window[NUM_TEXT_LEN];
	char wait[NUM_TEXT_LEN], at[DATE_LEN];
	uint64_t now = ev_wall_ms();
	bool soon = why->retry_sec < CLOCK_FROM_SEC;
	/* The clock has the minute by which long windows slide. */
	uint64_t about_sec = soon || why->retry_sec < l->window_sec ?
	    why->retry_sec : l->window_sec;

	return refuse(no, 451, "4.7.1", "This would pass %s limit of %s "
	    "within %s (%s used). Try again in %s%s%s",
	    refusal->by_device ? "this device's" : "your",
	    caps_amount(l->what, l->count, limit),
	    num_print_wait(l->window_sec, window),
	    caps_amount(l->what, why->used, used),
	    num_print_wait(about_sec, wait), soon ? "" : ", at ", soon ?
	    "" : date_soon(now + why->retry_sec * 1000 + 59999, now, at));
}

/* No waiting helps: the message alone is more than a whole window holds. */
static bool
say_never(const struct charge_refusal *refusal, struct admit_no *no)
{
	const struct conf_limit *l = refusal->why.limit;
	char limit[NUM_TEXT_LEN], window[NUM_TEXT_LEN];

	caps_amount(l->what, l->count, limit);
	num_print_wait(l->window_sec, window);
	if (l->what == LIMIT_BYTES)
		return refuse(no, 552, "5.3.4", "This message is larger than "
		    "all you may send within %s, %s", window, limit);
	if (l->what == LIMIT_RECIPIENTS && l->count > 0)
		return refuse(no, 452, "4.5.3", "Too many recipients: you may "
		    "address %s within %s", limit, window);
	return refuse(no, 550, "5.7.1", "You may not send mail here: "
		    "your limit is %s within %s", limit, window);
}

bool
admit_caps(struct queue *q, const struct ticket *t,
    const uint64_t amount[LIMIT_KINDS], struct admit_no *no)
{
	struct charge_refusal refusal;
	const struct caps_refusal *why = &refusal.why;
	enum caps_verdict v = charge_check(q, t, amount, &refusal);

	if (v == CAPS_OK)
		return true;
	stats_add(STAT_OVER_CAP, 1);
	log_info("%s over_cap account=%s%s%s cap=%s limit=%s "
	    "used=%llu of=%llu window_sec=%u retry_sec=%llu",
	    log_session(t->session), log_escs(t->account),
	    refusal.by_device ? " device=" : "",
	    refusal.by_device ? t->device : "",
	    refusal.cap->name, caps_kinds[why->limit->what],
	    (unsigned long long)why->used,
	    (unsigned long long)why->limit->count, why->limit->window_sec,
	    (unsigned long long)why->retry_sec);
	return v == CAPS_LATER ? say_later(&refusal, no) :
	    say_never(&refusal, no);
}

bool
admit_message(struct queue *q, const struct ticket *t, struct store_msg *m,
    struct admit_no *no)
{
	uint32_t rcpts_max = charge_rcpts_max(q, t);
	char most[NUM_TEXT_LEN];

	if (m->size > q->conf->max_message_bytes + ADMIT_FIXUPS_MAX)
		return refuse(no, 552, "5.3.4", "The message is larger than "
		    "this server takes, %s",
		    num_print_bytes(q->conf->max_message_bytes, most));
	if (rcpts_max > 0 && m->env.nrcpts > rcpts_max)
		return refuse(no, 452, "4.5.3", "Too many recipients: a "
		    "message may have %s",
		    num_print_count(rcpts_max, "recipient", most));
	m->charge[LIMIT_MESSAGES] = 1;
	m->charge[LIMIT_RECIPIENTS] = m->env.nrcpts;
	m->charge[LIMIT_BYTES] = m->size;
	return admit_caps(q, t, m->charge, no);
}
