/*
 * What concerns all processes at once: a new configuration, offered to all and
 * used only if none refuses, and the end, role by role.
 */
#include "lib/prelude.h"

#include "lib/log.h"
#include "lib/xalloc.h"
#include "posternd/children_private.h"
#include "posternd/slices.h"

#define ANSWER_MS	30000	/* to check a slice */
#define STOP_MS		10000	/* to end, once a child is not needed */

/* --- reload -------------------------------------------------------------------- */

static const struct config *next_config;
static const struct listeners *next_listeners;
static struct ev_timer answer_timer;
static char *refusal;		/* the first; the others' answers are awaited */

static void
tell_all(enum msg type)
{
	size_t i;

	for (i = 0; i < children_n; i++) {
		if (children[i].state != CHILD_READY)
			continue;
		ipc_begin((uint16_t)type, 0);
		ipc_send(children[i].control, -1);
	}
}

/* Answers that are still under way find `next_config` gone and count for nothing. */
static void
refuse(const char *why)
{
	size_t i;

	ev_timer_cancel(&answer_timer);
	next_config = NULL;
	for (i = 0; i < children_n; i++)
		if (children[i].state == CHILD_ASKED ||
		    children[i].state == CHILD_FIT)
			child_kill(&children[i], "ended: it is not needed "
			    "after all");
	tell_all(M_CONF_DROP);
	children_hooks->reloaded(why);
	free(refusal);
	refusal = NULL;
}

static void
late_cb(void *arg)
{
	size_t i;

	for (i = 0; i < children_n; i++)
		if (children[i].offered)
			child_kill(&children[i], "ended: it did not answer");
	refuse("a process did not answer in time; it is replaced, try again");
}

/* After the others use what does without it. */
static void
stop_unwanted(const struct config *cfg)
{
	size_t i;

	for (i = 0; i < children_n; i++) {
		if (children[i].state != CHILD_READY ||
		    slices_wanted(cfg, children[i].role))
			continue;
		ipc_begin(M_STOP, 0);
		ipc_send(children[i].control, -1);
		child_set_state(&children[i], CHILD_STOPPING);
		ev_timer_set(&children[i].patience, STOP_MS);
	}
}

static void
commit(void)
{
	const struct listeners *had = children_listeners();
	const struct config *cfg = next_config;
	size_t i;

	ev_timer_cancel(&answer_timer);
	tell_all(M_CONF_USE);
	children_use(cfg, next_listeners);
	next_config = NULL;
	children_launch_fit(true);
	stop_unwanted(cfg);
	for (i = 0; i < children_n; i++)
		if (children[i].role == ROLE_SMTPD &&
		    children[i].state == CHILD_READY)
			listeners_send(next_listeners, had,
			    children[i].control, children[i].index);
	children_hooks->reloaded(NULL);
}

static bool
anybody_offered(void)
{
	size_t i;

	for (i = 0; i < children_n; i++)
		if (children[i].offered)
			return true;
	return false;
}

void
children_reload(const struct config *cfg, const struct listeners *ls)
{
	size_t i;

	for (i = 0; i < children_n; i++)
		if (children[i].offered || (children[i].state != CHILD_READY &&
		    children[i].state != CHILD_ABSENT)) {
			children_hooks->reloaded("a process is being "
			    "replaced; try again in a moment");
			return;
		}
	next_config = cfg;
	next_listeners = ls;
	for (i = 0; i < children_n; i++) {
		struct child *c = &children[i];

		if (c->state == CHILD_ABSENT) {
			if (!slices_wanted(cfg, c->role))
				continue;
			if (!child_begin(c, cfg)) {
				refuse("a process cannot be started; try "
				    "again");
				return;
			}
		} else
			slices_send(cfg, c->role, c->control);
		c->offered = true;
	}
	ev_timer_init(&answer_timer, late_cb, NULL);
	ev_timer_set(&answer_timer, ANSWER_MS);
}

const struct config *
rollout_config(void)
{
	return next_config;
}

bool
rollout_answer(struct child *c, const char *option, const char *why)
{
	c->offered = false;
	if (next_config == NULL)
		return true;		/* refused already */
	if (c->state == CHILD_ASKED && why == NULL)
		child_set_state(c, CHILD_FIT);
	if (why != NULL && refusal == NULL)
		refusal = config_sentence(next_config, option, why);
	if (anybody_offered())
		return true;
	if (refusal != NULL)
		refuse(refusal);
	else
		commit();
	return true;
}

/* --- the end ---------------------------------------------------------------------- */

/*
 * smtpd may still submit what it is receiving and queue may still hear from
 * relay, so each goes before those it needs.
 */
static const struct {
	enum role role;
	uint64_t deadline_ms;
} order[] = {
	{ ROLE_SMTPD, 20000 },
	{ ROLE_RELAY, 40000 },	/* see relay/pool.c */
	{ ROLE_QUEUE, 30000 },
	{ ROLE_AUTH, 5000 },
	{ ROLE_SOURCE, 2000 },
	{ ROLE_FETCH, 2000 },
	{ ROLE_KEYS, 2000 },
};

static bool stopping, hard;
static size_t step;
static struct ev_timer deadline;

bool
rollout_stopping(void)
{
	return stopping;
}

bool
rollout_hard(void)
{
	return hard;
}

static bool
role_alive(enum role role)
{
	size_t i;

	for (i = 0; i < children_n; i++)
		if (children[i].role == role && children[i].pid != 0)
			return true;
	return false;
}

static void
stop_role(enum role role)
{
	size_t i;

	for (i = 0; i < children_n; i++) {
		struct child *c = &children[i];

		if (c->role != role || c->pid == 0)
			continue;
		if (hard) {
			child_kill(c, "ended at once, as asked");
			continue;
		}
		/* It may wait for room on the disk, and would not hear us. */
		if (c->state == CHILD_LAUNCHED && c->role == ROLE_QUEUE) {
			child_kill(c, "ended while it was starting");
			continue;
		}
		ipc_begin(M_STOP, 0);
		ipc_send(c->control, -1);
		child_set_state(c, CHILD_STOPPING);
	}
}

static void
next_step(void)
{
	while (step < nitems(order) && !role_alive(order[step].role))
		step++;
	if (step == nitems(order)) {
		ev_timer_cancel(&deadline);
		children_hooks->stopped();
		return;
	}
	stop_role(order[step].role);
	ev_timer_set(&deadline, order[step].deadline_ms);
}

static void
deadline_cb(void *arg)
{
	size_t i;

	for (i = 0; i < children_n; i++)
		if (children[i].role == order[step].role)
			child_kill(&children[i], "ended: it did not stop in "
			    "time");
}

void
children_stop(bool at_once)
{
	size_t i;

	if (stopping && (hard || !at_once))
		return;
	if (!stopping) {
		ev_timer_init(&deadline, deadline_cb, NULL);
		for (i = 0; i < children_n; i++)
			ev_timer_cancel(&children[i].again);
	}
	stopping = true;
	hard = at_once;
	next_step();
}

void
rollout_gone(struct child *c)
{
	if (stopping) {
		if (!role_alive(order[step].role))
			next_step();
	} else if (next_config != NULL)
		refuse("a process died meanwhile; try again");
}
