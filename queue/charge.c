#include "lib/prelude.h"

#include "queue/charge.h"
#include "queue/clock.h"

/* One of the caps that count: the account's, then perhaps the device's. */
struct payer {
	const struct conf_cap *cap;
	const char *whose;
};

struct payers {
	struct payer v[2];
	size_t	 n;
	char	 login[LOGIN_MAX + 1];
};

static void
payers_of(struct payers *p, const struct queue *q, const struct ticket *t)
{
	p->n = 0;
	p->v[p->n++] = (struct payer){ caps_find(q->caps, t->cap), t->account };
	if (*t->device_cap != '\0')
		p->v[p->n++] = (struct payer){ caps_find(q->caps,
		    t->device_cap), ticket_login(t, p->login) };
}

enum caps_verdict
charge_check(const struct queue *q, const struct ticket *t,
    const uint64_t amount[LIMIT_KINDS], struct charge_refusal *no)
{
	enum caps_verdict verdict = CAPS_OK;
	struct payers p;
	size_t i;

	payers_of(&p, q, t);
	for (i = 0; verdict == CAPS_OK && i < p.n; i++) {
		no->cap = p.v[i].cap;
		no->by_device = i > 0;
		verdict = caps_check(q->caps, no->cap, p.v[i].whose, amount,
		    clock_steady_ms(), &no->why);
	}
	return verdict;
}

uint64_t
charge_take(struct queue *q, const struct ticket *t,
    const uint64_t amount[LIMIT_KINDS])
{
	const char *cap = *t->device_cap == '\0' ? t->cap : t->device_cap;
	uint64_t now = clock_steady_ms();
	char login[LOGIN_MAX + 1];

	caps_charge(q->caps, caps_find(q->caps, t->cap), t->account, amount,
	    now);
	if (*t->device != '\0')
		caps_charge(q->caps, caps_find(q->caps, cap),
		    ticket_login(t, login), amount, now);
	return now;
}

void
charge_take_back(struct queue *q, const struct store_msg *m,
    uint64_t charged_ms)
{
	char login[LOGIN_MAX + 1];

	caps_take_back(q->caps, m->account, m->charge, charged_ms);
	if (store_msg_login(m, login) != NULL)
		caps_take_back(q->caps, login, m->charge, charged_ms);
}

uint32_t
charge_rcpts_max(const struct queue *q, const struct ticket *t)
{
	uint32_t most = 0, one;
	struct payers p;
	size_t i;

	payers_of(&p, q, t);
	for (i = 0; i < p.n; i++) {
		one = p.v[i].cap->recipients_per_message;
		if (one > 0 && (most == 0 || one < most))
			most = one;
	}
	return most;
}

int8_t
charge_priority_max(const struct queue *q, const struct ticket *t)
{
	uint32_t most = ENVELOPE_PRIORITY_MAX;
	struct payers p;
	size_t i;

	payers_of(&p, q, t);
	for (i = 0; i < p.n; i++)
		if (p.v[i].cap->max_priority < most)
			most = p.v[i].cap->max_priority;
	return (int8_t)most;
}

uint32_t
charge_recipients_left(const struct queue *q, const struct ticket *t)
{
	uint32_t left = charge_rcpts_max(q, t);
	struct payers p;
	size_t i;

	if (left == 0 || left > ENVELOPE_RCPT_MAX)
		left = ENVELOPE_RCPT_MAX;
	payers_of(&p, q, t);
	for (i = 0; i < p.n; i++)
		left = caps_recipients_left(q->caps, p.v[i].cap, p.v[i].whose,
		    clock_steady_ms(), left);
	return left;
}
