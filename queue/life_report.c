#include "lib/prelude.h"

#include <sys/random.h>

#include "lib/addr.h"
#include "lib/log.h"
#include "lib/stats.h"
#include "lib/xalloc.h"
#include "queue/clock.h"
#include "queue/life_report.h"
#include "queue/life_step.h"
#include "queue/life_times.h"
#include "queue/reserve.h"

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

/* Who was told that its by-time is over needs no warning besides. */
static void
told_of_delay(struct live_msg *lm)
{
	lm->m.warned |= lm->warn || lm->late;
	lm->m.env.by_told |= lm->late;
	lm->warn = lm->late = false;
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
	told_of_delay(lm);
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

void
life_keep_bounces(struct live_msg *b)
{
	struct conf_bytes body;

	for (; b != NULL; b = b->born_with) {
		body = b->m.body;
		b->m.body = (struct conf_bytes){ 0 };
		live_keep_body(b, body.v, body.n);
		free(body.v);
	}
}

/* --- how many -------------------------------------------------------------------------- */

/*
 * As many as may be written at once with the state, or as there is room for. A
 * warning frees nothing: it leaves a fourth of a segment (twice what is asked
 * for here, see reserve_fits()) to what does.
 */
static uint32_t
room_for(const struct live_msg *lm)
{
	uint64_t state = store_msg_bytes(&lm->m) + (lm->warn || lm->late ?
	    lm->q->conf->segment_bytes / 8 : 0);
	uint32_t n = lm->m.env.nrcpts < STORE_BOUNCES_MAX ?
	    (uint32_t)lm->m.env.nrcpts : STORE_BOUNCES_MAX;

	while (n > 0 && !reserve_fits(lm->q, state + n *
	    (uint64_t)LIFE_REPORT_BYTES))
		n /= 2;
	return n;
}

static void
hold(struct live_msg *lm, uint32_t n)
{
	lm->tells = n;
	reserve_hold(lm->q, &lm->reserved, store_msg_bytes(&lm->m) + n *
	    (uint64_t)LIFE_REPORT_BYTES);
}

bool
life_may_tell(struct live_msg *lm)
{
	uint32_t n = room_for(lm);

	if (n > 0)
		hold(lm, n);
	return n > 0;
}

/* --- telling ------------------------------------------------------------------------- */

/* As the log calls a report, which is by the worst that it tells. */
static const char *const words[DSN_ACTIONS] = {
	[DSN_FAILED] = "bounced", [DSN_DELAYED] = "warned",
	[DSN_RELAYED] = "told",
};

static enum dsn_action
worst_of(const uint8_t *report, size_t n)
{
	enum dsn_action worst = DSN_ACTIONS - 1;
	size_t i;

	for (i = 0; i < n; i++)
		if (report[i] != DSN_NONE && report[i] < worst)
			worst = report[i];
	return worst;
}

/*
 * About what is due from recipient *told on, as far as it goes, which is *told
 * then: those are settled. The original comes back whole with the first.
 */
static struct live_msg *
make_bounce(struct live_msg *lm, const uint8_t *original, size_t len,
    bool whole, size_t *told)
{
	struct live_msg *b = life_new_bounce(lm->q, lm->m.env.return_path);
	uint8_t *report = xcalloc(lm->m.env.nrcpts, 1);
	enum dsn_action worst;
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
	worst = worst_of(report, lm->m.env.nrcpts);
	log_info("%s %s as=%s to=<%s>", life_name(lm), words[worst],
	    life_name(b), log_escs(lm->m.env.return_path));
	if (worst == DSN_FAILED)
		stats_add(STAT_BOUNCES, 1);
	settle_up(lm, *told);
	free(report);
	return b;
}

/* Those that there is room for, in one batch: the state stands there once. */
static struct live_msg *
make_bounces(struct live_msg *lm, const uint8_t *original, size_t len,
    bool whole, size_t *told)
{
	struct live_msg *first = NULL, **last = &first;
	uint32_t n;

	for (n = 0; n < lm->tells && life_report_due(lm, *told); n++) {
		*last = make_bounce(lm, original, len, whole, told);
		last = &(*last)->born_with;
	}
	return first;
}

/* Each is written down together with whom it settles. */
struct live_msg *
life_tell(struct live_msg *lm, const uint8_t *original, size_t len, bool whole)
{
	struct live_msg *bounces;
	size_t told = 0;
	uint32_t n;

	for (;;) {
		bounces = make_bounces(lm, original, len, whole, &told);
		if (!life_report_due(lm, told))
			return bounces;
		n = room_for(lm);	/* beside what these take */
		if (n == 0)
			break;
		life_write(lm, bounces);
		life_keep_bounces(bounces);
		hold(lm, n);
	}
	/* The others' warnings do not come: all would be warned again. */
	told_of_delay(lm);
	return bounces;
}

/* The body is not read for it: a large one's header stays away. */
void
life_tell_late(struct live_msg *lm)
{
	struct live_msg *bounces;

	lm->late = true;
	if (!life_report_due(lm, 0)) {
		lm->m.env.by_told = true;
		lm->late = false;
		return;
	}
	if (!life_may_tell(lm)) {
		lm->late = false;
		ev_timer_set(&lm->due, LIFE_PUT_OFF_MS);
		return;
	}
	bounces = life_tell(lm, lm->m.body.v, lm->m.body.n,
	    lm->m.body.v != NULL);
	life_write(lm, bounces);
	life_keep_bounces(bounces);
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
