#include "lib/prelude.h"

#include <sys/wait.h>
#include <signal.h>

#include "lib/child.h"
#include "lib/xalloc.h"
#include "posternd/children_private.h"
#include "posternd/slices.h"

#define PAUSE_FIRST_MS	250		/* before the second start in a row */
#define PAUSE_MAX_MS	30000
#define WELL_MS		10000		/* who lived as long died of something new */

/* The first start has an order, so that smtpd finds everybody serving. */
static enum {
	BIRTH,			/* slices are being checked */
	SERVANTS,		/* all but smtpd are being launched */
	WORKERS,		/* smtpd is */
	RUNNING
} phase;

static bool check_only;

/*
 * Who may have whom replaced. Those that strangers talk to rank below those
 * that hold passwords, keys and mail: a captured worker must not be able to
 * have the queue killed again and again.
 */
static const int ranks[ROLES] = { [ROLE_SMTPD] = 1, [ROLE_RELAY] = 1,
    [ROLE_SOURCE] = 1, [ROLE_FETCH] = 1, [ROLE_AUTH] = 2, [ROLE_KEYS] = 2,
    [ROLE_QUEUE] = 2 };

static int	on_msg(struct ipc *, struct ipc_in *, void *);
static void	on_gone(struct ipc *, const char *, void *);
static void	again_cb(void *);
static void	patience_cb(void *);

static const struct ipc_ops control_ops = { on_msg, on_gone };

/* --- the order of the first start ---------------------------------------------------- */

static bool
all_in(enum child_state state, bool workers_too)
{
	size_t i;

	for (i = 0; i < children_n; i++)
		if (children[i].state != state &&
		    children[i].state != CHILD_ABSENT &&
		    (workers_too || children[i].role != ROLE_SMTPD))
			return false;
	return true;
}

static void
advance(void)
{
	if (rollout_stopping())
		return;
	if (check_only && all_in(CHILD_FIT, true))
		children_hooks->ready();
	else if (check_only)
		return;
	else if (phase == BIRTH && all_in(CHILD_FIT, true)) {
		phase = SERVANTS;
		children_launch_fit(false);
	} else if (phase == SERVANTS && all_in(CHILD_READY, false)) {
		phase = WORKERS;
		children_launch_fit(true);
	} else if (phase == WORKERS && all_in(CHILD_READY, true)) {
		phase = RUNNING;
		children_hooks->ready();
	} else if (phase == RUNNING)
		children_launch_fit(true);
}

static void
add_role(enum role role, uint32_t count)
{
	uint32_t i;

	children = xreallocarray(children, children_n + count,
	    sizeof(*children));
	for (i = 0; i < count; i++) {
		struct child *c = &children[children_n++];

		memset(c, 0, sizeof(*c));
		c->role = role;
		c->index = i;
		snprintf(c->name, sizeof(c->name), count > 1 ? "%s/%u" : "%s",
		    slices_role_name(role), i);
		c->stats = stats_make(&c->stats_fd);
		c->state = slices_wanted(children_config(), role) ? CHILD_DOWN :
		    CHILD_ABSENT;
	}
}

static void	sigchld_cb(int, void *);

void
children_check_only(void)
{
	check_only = true;
}

void
children_start(const struct config *cfg, const struct listeners *ls,
    const struct children_ops *ops)
{
	size_t i;

	children_hooks = ops;
	children_use(cfg, ls);
	ev_signal(SIGCHLD, sigchld_cb, NULL);
	add_role(ROLE_KEYS, 1);
	add_role(ROLE_AUTH, 1);
	add_role(ROLE_SOURCE, 1);
	add_role(ROLE_FETCH, 1);
	add_role(ROLE_QUEUE, 1);
	add_role(ROLE_RELAY, cfg->relays);
	add_role(ROLE_SMTPD, cfg->workers);
	children_births(&control_ops);
	/* The array stays where it is from here on. */
	for (i = 0; i < children_n; i++) {
		ev_timer_init(&children[i].again, again_cb, &children[i]);
		ev_timer_init(&children[i].patience, patience_cb,
		    &children[i]);
		if (children[i].state != CHILD_ABSENT &&
		    !child_spawn(&children[i], cfg))
			fatalx("not all processes can be started");
	}
}

/* --- death ---------------------------------------------------------------------------- */

static void
patience_cb(void *arg)
{
	struct child *c = arg;

	child_kill(c, c->state == CHILD_STOPPING ? "it took too long to end" :
	    "it took too long to start");
}

static uint64_t	pause_before_next(struct child *);

/* A kernel that has no process or descriptor for us now is asked again. */
static void
again_cb(void *arg)
{
	struct child *c = arg;

	if (!child_spawn(c, children_config())) {
		ev_timer_set(&c->again, pause_before_next(c));
		return;
	}
	c->restarts++;
}

static const char *
how(const struct child *c, int status, char *text, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(text, size, "ended by SIG%s%s",
		    sigabbrev_np(WTERMSIG(status)),
		    WTERMSIG(status) == SIGSYS ? ": a system call outside its "
		    "table, see posternd(8)" : "");
	else if (WEXITSTATUS(status) == 127 && c->state == CHILD_ASKED)
		snprintf(text, size, "its program in %s cannot be run",
		    children_config()->program_dir);
	else
		snprintf(text, size, "ended with exit code %d",
		    WEXITSTATUS(status));
	return c->why != NULL ? c->why : text;
}

static void
forget(struct child *c)
{
	static const enum stat_id gauges[] = { STAT_SESSIONS_NOW,
	    STAT_QUEUED_NOW, STAT_CONNECTIONS_NOW };
	size_t i;

	c->pid = 0;
	c->offered = false;
	ipc_free(&c->control);
	logsource_free(&c->log);
	ev_timer_cancel(&c->patience);
	for (i = 0; i < nitems(gauges); i++)
		c->stats[gauges[i]] = 0;
	child_set_state(c, CHILD_DOWN);
	children_hooks->mute(c->role);
}

static uint64_t
pause_before_next(struct child *c)
{
	uint64_t ms;

	/* Once for each that was born. */
	if (c->born_ms != 0 && ev_now_ms() - c->born_ms >= WELL_MS)
		c->failures = 0;
	c->born_ms = 0;
	if (c->failures++ == 0)
		return 0;
	if (c->failures > 16)
		return PAUSE_MAX_MS;
	ms = (uint64_t)PAUSE_FIRST_MS << (c->failures - 2);
	return ms < PAUSE_MAX_MS ? ms : PAUSE_MAX_MS;
}

static void
died(struct child *c, int status)
{
	char text[PATH_MAX + 64];
	const char *why = how(c, status, text, sizeof(text));
	uint64_t pause;

	/* Its own last words come before ours about them. */
	forget(c);
	if (rollout_stopping()) {
		if (!rollout_hard() && status != 0)
			log_warnx("%s %s", c->name, why);
		rollout_gone(c);
		return;
	}
	if (phase != RUNNING) {
		children_hooks->failed(c->name, why);
		return;
	}
	if (!slices_wanted(children_config(), c->role)) {
		if (status != 0)
			log_warnx("%s %s", c->name, why);
		child_set_state(c, CHILD_ABSENT);
		rollout_gone(c);
		return;
	}
	if (c->role == ROLE_SMTPD)
		children_renew_tls_key();
	pause = pause_before_next(c);
	log_warnx("%s %s; the next one starts %s", c->name, why,
	    pause == 0 ? "now" : pause < 1000 ? "in a moment" :
	    "after a pause");
	ev_timer_set(&c->again, pause);
	rollout_gone(c);
}

static void
sigchld_cb(int signo, void *arg)
{
	size_t i;
	int status;

	for (i = 0; i < children_n; i++)
		if (children[i].pid != 0 &&
		    waitpid(children[i].pid, &status, WNOHANG) ==
		    children[i].pid)
			died(&children[i], status);
}

/* --- what children say -------------------------------------------------------------------- */

static int
on_conf_answer(struct child *c, const char *option, const char *why)
{
	char *text;

	if (c->offered)
		return rollout_answer(c, option, why) ? 0 : -1;
	if (c->state == CHILD_STOPPING)
		return 0;	/* said before it heard that */
	if (c->state != CHILD_ASKED)
		return -1;
	if (why == NULL) {
		child_set_state(c, CHILD_FIT);
		advance();
		return 0;
	}
	text = config_sentence(children_config(), option, why);
	if (phase != RUNNING)
		children_hooks->failed(NULL, text);
	else {
		log_warnx("%s refuses its configuration: %s", c->name, text);
		child_kill(c, "refused its configuration");
	}
	free(text);
	return 0;
}

static int
on_conf_doubt(struct child *c, const char *option, const char *what)
{
	const struct config *cfg = c->offered ? rollout_config() :
	    children_config();
	char *text;

	if (c->state != CHILD_ASKED && !c->offered)
		return c->state == CHILD_STOPPING ? 0 : -1;
	if (cfg == NULL)
		return 0;		/* refused already */
	text = config_sentence(cfg, option, what);
	children_hooks->doubt(text);
	free(text);
	return 0;
}

static int
on_ready(struct child *c)
{
	if (c->state == CHILD_STOPPING)
		return 0;	/* said before it heard that */
	if (c->state != CHILD_LAUNCHED)
		return -1;
	ev_timer_cancel(&c->patience);
	child_set_state(c, CHILD_READY);
	if (phase == RUNNING)
		log_info("%s serves%s", c->name, c->restarts > 0 ? " again" :
		    "");
	advance();
	return 0;
}

static struct child *
find(enum role role, uint32_t index)
{
	size_t i;

	for (i = 0; i < children_n; i++)
		if (children[i].role == role && children[i].index == index)
			return &children[i];
	return NULL;
}

static int
on_peer_bad(struct child *c, struct ipc_in *in)
{
	uint32_t role = ipc_get_u32(in), index = ipc_get_u32(in);
	const char *why = ipc_get_str(in, 1024);
	struct child *bad;

	if (!ipc_in_end(in) || role >= ROLES || !child_linked(c->role, role) ||
	    (bad = find(role, index)) == NULL)
		return -1;
	log_warnx("%s says that %s broke the protocol: %s", c->name, bad->name,
	    log_escs(why));
	if (ranks[bad->role] > ranks[c->role])
		child_kill(c, "ended: it accused a process that it may not "
		    "judge");
	else
		child_kill(bad, "ended for breaking the protocol");
	return 0;
}

static int
on_msg(struct ipc *ipc, struct ipc_in *in, void *arg)
{
	struct child *c = arg;
	const char *option, *why;

	switch (in->type) {
	case M_CONF_OK:
		return ipc_in_end(in) ? on_conf_answer(c, "", NULL) : -1;
	case M_CONF_BAD:
		option = ipc_get_str(in, CHILD_ABOUT_MAX);
		why = ipc_get_str(in, 4096);
		return ipc_in_end(in) ? on_conf_answer(c, option, why) : -1;
	case M_CONF_DOUBT:
		option = ipc_get_str(in, CHILD_ABOUT_MAX);
		why = ipc_get_str(in, 4096);
		return ipc_in_end(in) ? on_conf_doubt(c, option, why) : -1;
	case M_READY:
		return ipc_in_end(in) ? on_ready(c) : -1;
	case M_PEER_BAD:
		return on_peer_bad(c, in);
	case M_CERTS:
		return c->role != ROLE_KEYS ? -1 :
		    children_hooks->certificates(in);
	case M_CTL_ROW:
	case M_CTL_TEXT:
	case M_CTL_END:
		if (c->role != ROLE_AUTH && c->role != ROLE_QUEUE &&
		    c->role != ROLE_FETCH)
			return -1;
		children_hooks->answer(c->role, in);
		return 0;
	default:
		return -1;
	}
}

/* A channel that ends without its process: that would be out of control. */
static void
on_gone(struct ipc *ipc, const char *why, void *arg)
{
	struct child *c = arg;

	if (c->state == CHILD_STOPPING && why == NULL)
		return;
	if (why != NULL)
		log_warnx("%s: %s", c->name, why);
	child_kill(c, why != NULL ? "ended for breaking the protocol" : NULL);
}

/* --- for control ------------------------------------------------------------------------------ */

int
children_ask(enum role role, uint64_t id, const struct ipc_in *in)
{
	struct child *c = find(role, 0);

	if (c == NULL || c->state != CHILD_READY)
		return -1;
	ipc_forward(c->control, id, in, in->fd);
	return 0;
}

bool
children_wanted(enum role role)
{
	return slices_wanted(children_config(), role);
}

void
children_gone(enum role role, uint64_t id)
{
	struct child *c = find(role, 0);

	if (c == NULL || c->state != CHILD_READY)
		return;
	ipc_begin(M_CTL_GONE, id);
	ipc_send(c->control, -1);
}

void
children_pause(enum role role, bool paused)
{
	struct child *c = find(role, 0);

	if (c != NULL && c->control != NULL)
		ipc_pause(c->control, paused);
}

bool
children_info(size_t i, struct child_info *info)
{
	const struct child *c = &children[i];

	if (i >= children_n)
		return false;
	info->name = c->name;
	info->absent = c->state == CHILD_ABSENT;
	info->state = child_state_name(c);
	info->pid = c->pid;
	info->since_ms = c->since_ms;
	info->restarts = c->restarts;
	info->stats = c->stats;
	return true;
}
