#include "lib/prelude.h"

#include "lib/flood.h"
#include "lib/log.h"
#include "lib/stats.h"
#include "queue/dsn.h"
#include "queue/life_round.h"
#include "queue/life_step.h"
#include "queue/life_times.h"
#include "queue/life_try.h"
#include "queue/reserve.h"
#include "queue/route.h"

/* A message that took so many relays with it waits like a failed one. */
#define LOSSES_MAX	3
/* Envelopes of so many recipients are small enough to be written at any time. */
#define PROGRESS_AT_ONCE 32
#define PROGRESS_EVERY_MS 1000

/* --- a round of attempts -------------------------------------------------------------- */

static struct live_job *
find_job(const struct live_msg *lm, uint64_t hash, const char *route,
    const char *domain)
{
	struct live_job *j;

	TAILQ_FOREACH(j, &lm->jobs, link)
		if (j->hop_hash == hash && j->n < LIFE_JOB_RCPTS &&
		    strcmp(j->route, route) == 0 &&
		    strcmp(j->domain, domain) == 0)
			return j;
	return NULL;
}

bool
life_answer_has(const char *answer, const char *status)
{
	size_t n = strlen(status);

	return strlen(answer) >= 4 && strncmp(answer + 4, status, n) == 0 &&
	    (answer[4 + n] == ' ' || answer[4 + n] == '\0');
}

static void
no_route(struct live_msg *lm, uint32_t i)
{
	char diag[ENVELOPE_PATH_MAX + 64];

	snprintf(diag, sizeof(diag), "no route is configured for mail from %s",
	    *lm->m.env.return_path != '\0' ? lm->m.env.return_path :
	    lm->m.account);
	log_warnx("%s deferred to=<%s> status=4.4.4 why=\"%s\"; add a route "
	    "without senders to postern.conf", life_name(lm),
	    log_escs(lm->m.env.rcpts[i].addr), log_escs(diag));
	stats_add(STAT_DEFERRED, 1);
	life_set_word(lm, i, WORD_DEFERRED, "4.4.4", diag, "");
}

/* The admin has sent it by a route that is gone: he is told, it goes on. */
static void
tell_gone_route(const struct live_msg *lm)
{
	static struct flood gone = FLOOD("messages whose route is gone", 20);
	const struct conf_queue_route *r = route_of(lm->q->conf, &lm->m, 0);

	if (lm->m.route == NULL || (r != NULL && strcmp(r->name, lm->m.route)
	    == 0) || !flood_log(&gone))
		return;
	log_warnx("%s route=%s is gone from postern.conf; it goes by %s: "
	    "posternctl queue redirect sends it by another", life_name(lm),
	    log_escs(lm->m.route), r == NULL ? "none" : r->name);
}

/* Adds recipient i to the job for its next hop. */
static void
assign(struct live_msg *lm, uint32_t i, struct buf *domain, struct buf *hop)
{
	const struct conf_queue_route *r = route_for(lm->q->conf, &lm->m, i,
	    domain, hop);
	struct live_job *j;
	uint64_t hash;

	if (r == NULL) {
		no_route(lm, i);
		return;
	}
	hash = table_hash(buf_str(hop), hop->len);
	j = find_job(lm, hash, r->name, buf_str(domain));
	if (j == NULL)
		j = live_job_add(lm, r->name, buf_str(domain), hash);
	live_job_rcpt(j, i);
}

/*
 * Mail with REQUIRETLS (RFC 8689) has a line of its own: what stops it, a server
 * without TLS or without a certificate that can be believed, stops no other. So
 * do reports about it, which ask for it as well (5).
 */
void
life_hop(const struct live_job *j, struct buf *hop)
{
	route_hop(j->route, j->domain, hop);
	if (j->msg->m.env.require_tls)
		buf_addc(hop, '!');
}

static void
enqueue(struct live_job *j, bool first, bool force)
{
	struct queue *q = j->msg->q;
	const struct store_msg *m = &j->msg->m;
	const struct conf_queue_route *r = route_named(&q->conf->routes,
	    j->route);
	struct sched_place place = {
		.account = m->account, .at_once = r == NULL ? 1 : r->connections,
		.route = j->route, .per_minute = r == NULL ? 0 : r->per_minute,
		.retry = life_retry(q, m), .load = &j->msg->load,
		/* Our reports share a line, in which none is anybody's own. */
		.priority = *m->account == '\0' ? 0 : m->env.priority,
	};
	struct buf hop;

	buf_init(&hop, ROUTE_HOP_MAX);
	life_hop(j, &hop);
	place.hop = buf_str(&hop);
	sched_add(q->sched, &j->sched, &place, first);
	if (force)
		sched_unblock(q->sched, buf_str(&hop));
	buf_clear(&hop);
}

void
life_try(struct live_msg *lm, bool force)
{
	struct buf domain, hop;
	struct live_job *j;
	uint32_t i;

	ev_timer_cancel(&lm->due);
	live_set_state(lm, LIVE_TRYING);
	memset(lm->words, WORD_NONE, lm->m.env.nrcpts);
	lm->losses = 0;
	lm->again = false;
	lm->not_before_ms = UINT64_MAX;
	if (life_by_over(lm)) {
		life_round_over(lm);
		return;
	}
	life_await_by_time(lm);
	tell_gone_route(lm);
	buf_init(&domain, ROUTE_HOP_MAX);
	buf_init(&hop, ROUTE_HOP_MAX);
	for (i = 0; i < lm->m.env.nrcpts; i++)
		if (lm->m.rcpts[i].state == RCPT_PENDING)
			assign(lm, i, &domain, &hop);
	buf_clear(&domain);
	buf_clear(&hop);
	TAILQ_FOREACH(j, &lm->jobs, link)
		enqueue(j, false, force);
	if (lm->njobs == 0)
		life_round_over(lm);
}

/* --- words of a job ---------------------------------------------------------------------- */

static const struct {
	const char *name;
	const char *status;		/* when the relay gave none */
	enum live_word word;
	enum stat_id stat;
} outcomes[OUTCOMES] = {
	[OUTCOME_DELIVERED] = { "delivered", "2.0.0", WORD_DELIVERED,
	    STAT_DELIVERED },
	[OUTCOME_DEFERRED] = { "deferred", "4.0.0", WORD_DEFERRED,
	    STAT_DEFERRED },
	[OUTCOME_FAILED] = { "failed", "5.0.0", WORD_FAILED, STAT_FAILED },
};

void
life_result(struct live_job *j, uint32_t i, enum outcome o, const char *status,
    const char *diag, const char *remote)
{
	struct live_msg *lm = j->msg;
	uint64_t now = ev_wall_ms();

	if (*status == '\0')
		status = outcomes[o].status;
	stats_add(outcomes[o].stat, 1);
	log_info("%s %s to=<%s> route=%s relay=%s status=%s after_ms=%llu "
	    "answer=\"%s\"", life_name(lm), outcomes[o].name,
	    log_escs(lm->m.env.rcpts[i].addr), j->route,
	    *remote == '\0' ? "none" : log_escs(remote), log_escs(status),
	    (unsigned long long)(now > lm->m.arrived_ms ?
	    now - lm->m.arrived_ms : 0), log_escs(diag));
	life_set_word(lm, i, outcomes[o].word, status, diag, remote);
	if (o != OUTCOME_DELIVERED)
		life_note(lm, "%s%s%s%s%s: %s", outcomes[o].name,
		    life_answer_has(diag, status) ? "" : " ",
		    life_answer_has(diag, status) ? "" : status,
		    *remote == '\0' ? "" : " by ", remote, diag);
}

/*
 * Puts what was delivered on disk while other jobs are still under way. That
 * writes the whole envelope: a large one is written once in a while only, or a
 * thousand recipients in a thousand places would be a million on disk.
 */
static void
progress(struct live_msg *lm)
{
	uint64_t next = lm->progress_ms + PROGRESS_EVERY_MS;
	uint64_t now = ev_now_ms();

	if (lm->m.env.nrcpts <= PROGRESS_AT_ONCE || now >= next)
		life_write_progress(lm);
	else if (!ev_timer_armed(&lm->due) || lm->m.env.by != BY_NONE) {
		reserve_hold(lm->q, &lm->reserved, store_msg_bytes(&lm->m));
		ev_timer_set(&lm->due, next - now);
	}
}

static bool
job_delivered(const struct live_job *j)
{
	size_t k;

	for (k = 0; k < j->n; k++)
		if (j->msg->words[j->rcpts[k]] == WORD_DELIVERED)
			return true;
	return false;
}

/* Drops the recipients that have had their word; true if any is left. */
static bool
only_wordless(struct live_job *j)
{
	size_t k, n = 0;

	for (k = 0; k < j->n; k++)
		if (j->msg->words[j->rcpts[k]] == WORD_NONE)
			j->rcpts[n++] = j->rcpts[k];
	j->n = n;
	return n > 0;
}

static void
job_end(struct live_job *j)
{
	struct live_msg *lm = j->msg;
	bool delivered = job_delivered(j);

	live_job_free(j);
	if (lm->njobs == 0)
		life_round_over(lm);
	else if (delivered && !lm->removing)
		progress(lm);
	/* Should we die it is on hold, and may be let go. */
	else if (delivered && reserve_may_write(lm->q,
	    store_msg_bytes(&lm->m)))
		life_write_progress(lm);
}

/* Not if it is to go no more, or not so. */
static bool
may_go_on(const struct live_msg *lm)
{
	return !lm->removing && !lm->again && lm->m.hold == HOLD_NONE &&
	    !life_by_over(lm);
}

/*
 * RFC 5321 4.5.3.1.10: a next hop that takes some recipients and has too many
 * with the others gets those at once in a transaction of their own. It took at
 * least one, so this comes to an end.
 */
static bool
too_many_at_once(struct live_job *j)
{
	struct live_msg *lm = j->msg;
	const struct store_rcpt *r;
	size_t k, left = 0;

	if (!may_go_on(lm) || !job_delivered(j))
		return false;
	for (k = 0; k < j->n; k++) {
		r = &lm->m.rcpts[j->rcpts[k]];
		if (lm->words[j->rcpts[k]] != WORD_DEFERRED ||
		    r->status == NULL || strcmp(r->status, "4.5.3") != 0)
			continue;
		lm->words[j->rcpts[k]] = WORD_NONE;
		left++;
	}
	if (left == 0)
		return false;
	only_wordless(j);
	progress(lm);
	enqueue(j, true, false);
	return true;
}

/* What a dead relay had not answered goes to the front of its line again. */
static bool
try_again(struct live_job *j)
{
	struct live_msg *lm = j->msg;
	bool delivered = job_delivered(j);

	if (!may_go_on(lm) || lm->losses >= LOSSES_MAX || !only_wordless(j))
		return false;
	if (delivered)
		progress(lm);
	enqueue(j, true, false);
	return true;
}

/*
 * RFC 3461 5.2.2: a next hop that knows no DSN will not tell of success; who
 * asked for that hears that it was relayed. RFC 2852 4.1.4: so does who follows
 * a message's way, or wants to hear of delay, before there is any, from a next
 * hop that knows nothing of by-times; unless he wants to hear nothing at all.
 */
static bool
relayed_wanted(const struct live_job *j, uint32_t i)
{
	const struct store_msg *m = &j->msg->m;

	if (!j->dsn && dsn_wanted(m, i, DSN_RELAYED))
		return true;
	return (m->env.by_trace || (m->env.by == BY_NOTIFY && !j->by &&
	    !m->env.by_told)) &&
	    *m->env.return_path != '\0' &&
	    m->env.rcpts[i].notify != NOTIFY_NEVER;
}

static void
owe_relayed(struct live_job *j)
{
	struct store_msg *m = &j->msg->m;
	uint32_t i;
	size_t k;

	for (k = 0; k < j->n; k++) {
		i = j->rcpts[k];
		if (m->rcpts[i].state == RCPT_DELIVERED &&
		    relayed_wanted(j, i))
			m->rcpts[i].state = RCPT_RELAYED;
	}
}

void
life_over(struct live_job *j, enum sched_end end, const char *why)
{
	struct live_msg *lm = j->msg;
	size_t k;

	lm->nsent--;
	sched_done(lm->q->sched, &j->sched, end, why, ev_now_ms());
	if (end == SCHED_LOST) {
		lm->losses++;
		if (try_again(j))
			return;
	}
	for (k = 0; k < j->n; k++)
		if (lm->words[j->rcpts[k]] == WORD_NONE)
			life_result(j, j->rcpts[k], OUTCOME_DEFERRED, "4.4.2",
			    why, "");
	owe_relayed(j);
	if (!too_many_at_once(j))
		job_end(j);
}

void
life_put_back(struct live_job *j)
{
	if (j->sched.state == SCHED_RUNNING)
		sched_done(j->msg->q->sched, &j->sched, SCHED_UNSENT, "",
		    ev_now_ms());
	enqueue(j, false, false);
}

void
life_blocked(struct live_job *j, uint64_t until_ms)
{
	struct live_msg *lm = j->msg;
	uint64_t not_before = lm->not_before_ms;
	const char *why = sched_why(&j->sched);
	size_t k;

	log_info("%s deferred recipients=%zu route=%s%s%s status=4.4.1 "
	    "why=\"%s\" (next hop not reached lately, not tried)", life_name(lm),
	    j->n, j->route, *j->domain == '\0' ? "" : " domain=",
	    log_escs(j->domain), log_escs(why));
	stats_add(STAT_DEFERRED, (int64_t)j->n);
	life_note(lm, "not tried, %s%s%s was not reached lately: %s", j->route,
	    *j->domain == '\0' ? "" : "/", j->domain, why);
	for (k = 0; k < j->n; k++)
		life_set_word(lm, j->rcpts[k], WORD_DEFERRED, "4.4.1", why, "");
	lm->not_before_ms = not_before < until_ms ? not_before : until_ms;
	job_end(j);
}
