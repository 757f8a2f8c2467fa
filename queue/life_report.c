/* Names, and the reports about what failed; the rest of life is in life.c. */
#include "lib/prelude.h"

#include <sys/random.h>

#include "lib/addr.h"
#include "lib/log.h"
#include "lib/stats.h"
#include "lib/xalloc.h"
#include "queue/clock.h"
#include "queue/dsn.h"
#include "queue/life_private.h"
#include "queue/route.h"

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

/* --- its route's times ---------------------------------------------------------------- */

/* FUTURERELEASE is no delay. */
uint64_t
life_begun_ms(const struct store_msg *m)
{
	return m->env.hold_until_ms > m->arrived_ms ? m->env.hold_until_ms :
	    m->arrived_ms;
}

struct sched_retry
life_retry(const struct queue *q, const struct store_msg *m)
{
	const struct conf_queue_route *r = route_of(q->conf, m, 0);

	if (r == NULL)
		return (struct sched_retry){ q->conf->retry_first_sec * 1000ULL,
		    q->conf->retry_max_sec * 1000ULL };
	return (struct sched_retry){ r->retry_first_sec * 1000ULL,
	    r->retry_max_sec * 1000ULL };
}

uint64_t
life_expiry_ms(const struct queue *q, const struct store_msg *m)
{
	const struct conf_queue_route *r = route_of(q->conf, m, 0);

	return life_begun_ms(m) + (r == NULL ? q->conf->expire_sec :
	    r->expire_sec) * 1000ULL;
}

/* --- what there is to report ------------------------------------------------------- */

static enum dsn_action
action_for(const struct live_msg *lm, size_t i)
{
	switch (lm->m.rcpts[i].state) {
	case RCPT_OWED:
		return DSN_FAILED;
	case RCPT_RELAYED:
		return DSN_RELAYED;
	case RCPT_PENDING:
		return (lm->warn || lm->late) && dsn_wanted(&lm->m, i, DSN_DELAYED) ?
		    DSN_DELAYED : DSN_NONE;
	default:
		return DSN_NONE;
	}
}

bool
life_report_due(const struct live_msg *lm, size_t from)
{
	size_t i;

	for (i = from; i < lm->m.env.nrcpts; i++)
		if (action_for(lm, i) != DSN_NONE)
			return true;
	return false;
}

uint64_t
life_warning_at(const struct live_msg *lm)
{
	const struct conf_queue_route *r = route_of(lm->q->conf, &lm->m, 0);
	uint64_t warn_ms = (r == NULL ? lm->q->conf->warn_sec :
	    r->warn_sec) * 1000ULL;

	return warn_ms == 0 || lm->m.warned ? 0 : life_begun_ms(&lm->m) + warn_ms;
}

bool
life_warning_due(const struct live_msg *lm)
{
	struct sched_retry retry = life_retry(lm->q, &lm->m);
	uint64_t at = life_warning_at(lm);

	return at != 0 && sched_expired(&retry, lm->m.attempts,
	    life_begun_ms(&lm->m), at, ev_wall_ms());
}

bool
life_by_over(const struct live_msg *lm)
{
	return lm->m.env.by == BY_RETURN && ev_wall_ms() >= lm->m.env.by_ms;
}

bool
life_by_late(const struct live_msg *lm)
{
	return lm->m.env.by == BY_NOTIFY && !lm->m.env.by_told &&
	    ev_wall_ms() >= lm->m.env.by_ms;
}

/* Those before told are. A crash before the last report repeats warnings. */
static void
settle_up(struct live_msg *lm, size_t told)
{
	struct store_rcpt *r;
	size_t i;

	for (i = 0; i < told; i++) {
		r = &lm->m.rcpts[i];
		if (r->state == RCPT_OWED)
			r->state = RCPT_FAILED;
		if (r->state == RCPT_RELAYED)
			r->state = RCPT_DELIVERED;
	}
	if (life_report_due(lm, told))
		return;
	lm->m.warned |= lm->warn;
	lm->m.env.by_told |= lm->late;
	lm->warn = lm->late = false;
}

/* --- the report ---------------------------------------------------------------------- */

void
life_dsn(const struct queue *q, const struct live_msg *bounce,
    struct dsn *d)
{
	static char boundary[DSN_BOUNDARY_MAX];
	uint64_t dice[2];

	if (getrandom(dice, sizeof(dice), 0) != sizeof(dice))
		fatal("getrandom");
	snprintf(boundary, sizeof(boundary), "=_%016llx%016llx",
	    (unsigned long long)dice[0], (unsigned long long)dice[1]);
	*d = (struct dsn){ .hostname = q->conf->hostname,
	    .postmaster = q->conf->postmaster, .id = life_name(bounce),
	    .boundary = boundary, .now_ms = bounce->m.arrived_ms };
}

struct live_msg *
life_new_bounce(struct queue *q, const char *to)
{
	struct live_msg *b;
	struct store_msg m;

	store_msg_init(&m);
	m.id = store_new_id(q->store);
	m.arrived_ms = ev_wall_ms();
	m.due_ms = clock_due_ms();
	m.account = xstrdup("");
	m.cap = xstrdup("");
	m.env.return_path = xstrdup("");
	envelope_add_rcpt(&m.env, to, NULL, NOTIFY_NEVER);
	m.expires_ms = life_expiry_ms(q, &m);
	store_msg_fit(&m);
	b = live_add(q, &m);
	ev_timer_init(&b->due, life_due_cb, b);
	stats_add(STAT_BOUNCES, 1);
	return b;
}

void
life_fill_bounce(struct live_msg *b, struct buf *report, bool eightbit)
{
	const char *to = b->m.env.rcpts[0].addr;

	b->m.env.utf8 = addr_is_8bit(to, strlen(to));
	b->m.env.body_8bit = eightbit;
	b->m.size = report->len;
	b->m.body.v = (uint8_t *)buf_steal(report, &b->m.body.n);
}

struct live_msg *
life_make_bounce(struct live_msg *lm, const uint8_t *original, size_t len,
    bool whole, size_t *told)
{
	struct live_msg *b = life_new_bounce(lm->q, lm->m.env.return_path);
	uint8_t *report = xcalloc(lm->m.env.nrcpts, 1);
	bool eightbit;
	struct buf out;
	struct dsn d;
	size_t i;

	for (i = *told; i < lm->m.env.nrcpts; i++)
		report[i] = (uint8_t)action_for(lm, i);
	life_dsn(lm->q, b, &d);
	d.msg = &lm->m;
	d.msg_id = life_name(lm);
	d.report = report;
	d.original = original;
	d.original_len = len;
	d.original_whole = whole && *told == 0;
	d.late = lm->late;
	b->m.env.priority = lm->m.env.priority;	/* RFC 6710 4.6 */
	b->m.env.require_tls = lm->m.env.require_tls;	/* RFC 8689 5 */
	buf_init(&out, DSN_MAX);
	*told = dsn_write(&d, &out, &eightbit);
	life_fill_bounce(b, &out, eightbit);
	log_info("%s %s as=%s to=<%s>", life_name(lm), lm->warn || lm->late ? "warned" :
	    "bounced", life_name(b), log_escs(lm->m.env.return_path));
	settle_up(lm, *told);
	free(report);
	return b;
}

/* --- a report that a next hop did not take -------------------------------------------- */

static bool
failed_as(const struct store_msg *m, const char *status)
{
	return m->rcpts[0].status != NULL &&
	    strncmp(m->rcpts[0].status, status, strlen(status)) == 0;
}

/* RFC 8689 5: there was no way to its reader that keeps REQUIRETLS. */
static bool
lacks_tls(const struct store_msg *m)
{
	return m->env.require_tls && (failed_as(m, "5.7.10") ||
	    failed_as(m, "5.7.30") || failed_as(m, "4.4.7"));
}

/* A report of ours has no account; a null return path may be anybody's. */
bool
life_may_cut(const struct live_msg *lm)
{
	const struct store_msg *m = &lm->m;

	return *m->account == '\0' && *m->env.return_path == '\0' &&
	    m->env.nrcpts == 1 && m->rcpts[0].state == RCPT_FAILED &&
	    ((m->env.body_8bit && failed_as(m, "5.6.")) || lacks_tls(m));
}

/*
 * RFC 8689 5: no report is dropped for want of REQUIRETLS, and what goes without
 * is redacted: its reader hears which message, and nothing of what was in it.
 */
static struct live_msg *
redact(struct live_msg *lm, const uint8_t *report, size_t len)
{
	const char *to = lm->m.env.rcpts[0].addr;
	struct live_msg *b;
	struct buf out;
	struct dsn d;

	if (report == NULL)
		return NULL;
	b = life_new_bounce(lm->q, to);
	life_dsn(lm->q, b, &d);
	buf_init(&out, DSN_MAX);
	dsn_redact(&d, to, report, len, &out);
	life_fill_bounce(b, &out, dsn_has_8bit(out.data, out.len));
	log_info("%s redacted as=%s to=<%s> why=\"no way to its reader keeps "
	    "REQUIRETLS: it names the message by its Message-ID alone\"",
	    life_name(lm), life_name(b), log_escs(to));
	return b;
}

struct live_msg *
life_cut(struct live_msg *lm, const uint8_t *report, size_t len)
{
	struct live_msg *b;
	bool eightbit;
	struct buf out;

	if (lacks_tls(&lm->m))
		return redact(lm, report, len);
	buf_init(&out, DSN_MAX);
	if (report == NULL || !dsn_cut(report, len, &out, &eightbit) ||
	    eightbit) {
		buf_clear(&out);
		return NULL;
	}
	b = life_new_bounce(lm->q, lm->m.env.rcpts[0].addr);
	b->m.env.priority = lm->m.env.priority;
	b->m.env.require_tls = lm->m.env.require_tls;	/* RFC 8689 5 */
	life_fill_bounce(b, &out, eightbit);
	log_info("%s again as=%s to=<%s> why=\"the next hop does not take the "
	    "whole of what it returns: its header alone goes along\"",
	    life_name(lm), life_name(b), log_escs(b->m.env.rcpts[0].addr));
	return b;
}

/* After the store has copied it. */
void
life_keep_bounce(struct live_msg *b)
{
	struct conf_bytes body = b->m.body;

	b->m.body = (struct conf_bytes){ 0 };
	live_keep_body(b, body.v, body.n);
	free(body.v);
}
