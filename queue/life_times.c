#include "lib/prelude.h"

#include "queue/clock.h"
#include "queue/life_times.h"
#include "queue/route.h"

struct retry
life_retry(const struct queue *q, const struct store_msg *m)
{
	const struct conf_queue_route *r = route_of(q->conf, m, 0);

	if (r == NULL)
		return (struct retry){ q->conf->retry_first_sec * 1000ULL,
		    q->conf->retry_max_sec * 1000ULL };
	return (struct retry){ r->retry_first_sec * 1000ULL,
	    r->retry_max_sec * 1000ULL };
}

/* FUTURERELEASE is no delay. */
uint64_t
life_begun_ms(const struct store_msg *m)
{
	return m->env.hold_until_ms > m->arrived_ms ? m->env.hold_until_ms :
	    m->arrived_ms;
}

uint64_t
life_kept_ms(const struct store_msg *m)
{
	uint64_t now = ev_wall_ms(), release = m->env.hold_until_ms;

	return m->attempts == 0 && release > now ? release - now : 0;
}

uint64_t
life_first_due_ms(const struct store_msg *m)
{
	return clock_due_ms() + life_kept_ms(m);
}

uint64_t
life_expiry_ms(const struct queue *q, const struct store_msg *m)
{
	const struct conf_queue_route *r = route_of(q->conf, m, 0);

	return life_begun_ms(m) + (r == NULL ? q->conf->expire_sec :
	    r->expire_sec) * 1000ULL;
}

uint64_t
life_longest_wait_ms(const struct queue *q, const struct store_msg *m)
{
	struct retry retry = life_retry(q, m);
	uint64_t backoff = retry_longest_ms(&retry);
	uint64_t kept = life_kept_ms(m);

	/*
	 * The clock of due times goes ahead of the wall's whenever that is set
	 * back, be it by a millisecond, and begins anew with each process.
	 */
	return (kept > backoff ? kept : backoff) + LIFE_HORIZON_MS;
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
	struct retry retry = life_retry(lm->q, &lm->m);
	uint64_t at = life_warning_at(lm);

	return at != 0 && retry_expired(&retry, lm->m.attempts,
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
