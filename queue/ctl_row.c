#include "lib/prelude.h"

#include "lib/addr.h"
#include "queue/clock.h"
#include "queue/ctl_row.h"
#include "queue/life.h"
#include "queue/route.h"

#define TO_MAX		(ENVELOPE_RCPT_MAX * (ADDR_MAX + 1))

static const char *const holds[] = {
	[HOLD_NONE] = "held", [HOLD_ADMIN] = "held by admin",
	[HOLD_CAP] = "held by cap", [HOLD_TRIPWIRE] = "held by tripwire",
};

/*
 * An admin has had it held: by hand, by a restore or by an import, which its
 * history tells.
 */
static const char *
held_by(const struct store_msg *m)
{
	size_t i = m->nevents;
	const char *what;

	while (m->hold == HOLD_ADMIN && i-- > 0) {
		what = m->events[i].what;
		if (strncmp(what, RESTORED_NOTE, strlen(RESTORED_NOTE)) == 0)
			return "held by restore";
		if (strncmp(what, DOUBTED_NOTE, strlen(DOUBTED_NOTE)) == 0)
			return "held by import";
		if (strncmp(what, "held by", strlen("held by")) == 0)
			return strstr(what, TO_BE_REMOVED) != NULL ?
			    "held, was to be removed" : holds[HOLD_ADMIN];
	}
	return m->hold < nitems(holds) ? holds[m->hold] : "held";
}

/* An order that came while it was at a next hop is obeyed behind that. */
static const char *
sending_words(const struct live_msg *lm)
{
	if (lm->removing)
		return "sending, then removed";
	return lm->m.hold != HOLD_NONE ? "sending, then held" : "sending";
}

static const char *
state_words(const struct queue *q, const struct store_msg *m)
{
	const char *state = filter_state(q, m);

	if (strcmp(state, "held") == 0)
		return held_by(m);
	if (strcmp(state, "sending") == 0)
		return sending_words(live_find(q->live, m->id));
	return strcmp(state, "line") == 0 ? "in line" : state;
}

/* What was said last; of mail that was not tried yet, what keeps it back. */
static const char *
reason(const struct queue *q, const struct store_msg *m)
{
	static char text[128];
	const char *said = filter_reason(q, m);
	const char *state = filter_state(q, m);
	const struct conf_queue_route *r = route_of(q->conf, m, 0);

	if (*said != '\0' || r == NULL || r->per_minute == 0 ||
	    (strcmp(state, "line") != 0 && (strcmp(state, "waiting") != 0 ||
	    m->due_ms > clock_due_ms())) || !sched_waits(q->sched, r->name))
		return said;
	snprintf(text, sizeof(text), "route %s may begin no more than %u a "
	    "minute", r->name, r->per_minute);
	return text;
}

/* Those who have not got it; people see the first, and how many they are. */
static void
put_shown(const struct store_msg *m)
{
	enum rcpt_state shown = filter_shown(m);
	size_t i, n = 0;
	struct buf to;

	buf_init(&to, TO_MAX);
	for (i = 0; i < m->env.nrcpts; i++)
		if (m->rcpts[i].state == shown) {
			child_ctl_item(&to, m->env.rcpts[i].addr);
			n++;
		}
	child_ctl_first("to", &to);
	child_ctl_num("recipients", n);
}

void
ctl_row(struct asked *a, const struct store_msg *m)
{
	char id[STORE_ID_LEN + 1];

	store_id_text(m->id, id);
	child_ctl_row(a->id, 13);
	child_ctl_kind("message");
	child_ctl_str("id", id);
	child_ctl_time("arrived", m->arrived_ms);
	child_ctl_str("account", m->account);
	child_ctl_str("from", m->env.return_path);
	put_shown(m);
	child_ctl_num("size", m->size);
	child_ctl_str("state", state_words(a->q, m));
	child_ctl_num("attempts", m->attempts);
	child_ctl_time("next_try", m->hold == HOLD_NONE ? m->due_ms : 0);
	child_ctl_str("next_hop", filter_hop(a->q, m));
	child_ctl_str("reason", reason(a->q, m));
	asked_send(a);
}
