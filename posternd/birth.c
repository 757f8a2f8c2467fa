/*
 * How a child comes into being: a process that first checks its slice of the
 * configuration and, once all are fit, is launched; and how it is made to end.
 */
#include "lib/prelude.h"

#include <sys/random.h>
#include <fcntl.h>
#include <signal.h>

#include "lib/child.h"
#include "posternd/children_private.h"
#include "posternd/slices.h"

#define PATIENCE_MS	(5 * 60 * 1000)	/* recovery of a large queue included */
#define TLS_KEY_LIFE_MS	(60 * 60 * 1000)

struct child *children;
size_t children_n;
const struct children_ops *children_hooks;

static const struct config *config;
static const struct listeners *listeners;
static const struct ipc_ops *control_ops;	/* of who hears them */
static uint8_t tls_key[TLS_KEY_LEN];
static struct ev_timer tls_key_timer;

static const struct { enum role a, b; } links[] = {
	{ ROLE_SMTPD, ROLE_AUTH },
	{ ROLE_SMTPD, ROLE_KEYS },
	{ ROLE_SMTPD, ROLE_QUEUE },
	{ ROLE_AUTH, ROLE_QUEUE },
	{ ROLE_QUEUE, ROLE_RELAY },
	{ ROLE_AUTH, ROLE_SOURCE },
	{ ROLE_AUTH, ROLE_FETCH },
};

static const char *const state_names[CHILD_STATES] = { "down", "starting",
    "starting", "starting", "serving", "stopping", "absent" };

void
child_set_state(struct child *c, enum child_state state)
{
	log_debug("children", "%s %s -> %s", c->name, state_names[c->state],
	    state_names[state]);
	c->state = state;
	c->since_ms = ev_wall_ms();
}

void
children_use(const struct config *cfg, const struct listeners *ls)
{
	config = cfg;
	listeners = ls;
}

const struct config *
children_config(void)
{
	return config;
}

const struct listeners *
children_listeners(void)
{
	return listeners;
}

const char *
child_state_name(const struct child *c)
{
	return state_names[c->state];
}

/* --- birth ------------------------------------------------------------------------ */

/* In the new process: five descriptors, then the program. */
static void NORETURN
become(const char *program, const char *name, int control_fd, int log_fd)
{
	char *argv[] = { (char *)(uintptr_t)name, NULL };
	int null = open("/dev/null", O_RDWR);

	/* Out of the way first: dup2() must not close one with another. */
	control_fd = fcntl(control_fd, F_DUPFD, 16);
	log_fd = fcntl(log_fd, F_DUPFD, 16);
	if (null != -1 && control_fd != -1 && log_fd != -1 &&
	    dup2(null, 0) != -1 && dup2(null, 1) != -1 &&
	    dup2(control_fd, CHILD_CONTROL_FD) != -1 &&
	    dup2(log_fd, CHILD_LOG_FD) != -1 &&
	    close_range(CHILD_LOG_FD + 1, ~0u, 0) != -1)
		execv(program, argv);
	_exit(127);
}

static int
child_sockets(struct child *c, int control_fd[2], int *log_fd)
{
	if (ipc_pair(control_fd) == -1)
		return -1;
	c->log = logsource_new(c->name, log_fd);
	if (c->log == NULL) {
		close(control_fd[0]);
		close(control_fd[1]);
		return -1;
	}
	return 0;
}

/* -1: errno; the others go on, as if it had never been tried. */
static int
child_fork(struct child *c, int *control_fd)
{
	char program[PATH_MAX];
	int fd[2], log_fd, saved_errno;

	snprintf(program, sizeof(program), "%s/postern-%s", config->program_dir,
	    slices_role_name(c->role));
	if (child_sockets(c, fd, &log_fd) == -1)
		return -1;
	c->pid = fork();
	if (c->pid == 0)
		become(program, strrchr(program, '/') + 1, fd[1], log_fd);
	saved_errno = errno;
	close(fd[1]);
	close(log_fd);
	*control_fd = fd[0];
	if (c->pid != -1)
		return 0;
	c->pid = 0;
	close(fd[0]);
	logsource_free(&c->log);
	errno = saved_errno;
	return -1;
}

bool
child_spawn(struct child *c, const struct config *cfg)
{
	int fd;

	if (child_fork(c, &fd) == -1) {
		log_warn("cannot start %s", c->name);
		return false;
	}
	c->born_ms = ev_now_ms();
	c->why = NULL;
	c->control = ipc_new(fd, control_ops, c);
	ev_timer_set(&c->patience, PATIENCE_MS);
	child_set_state(c, CHILD_ASKED);
	slices_send(cfg, c->role, c->control);
	return true;
}

bool
child_begin(struct child *c, const struct config *cfg)
{
	c->failures = c->restarts = 0;
	return child_spawn(c, cfg);
}

bool
child_linked(enum role a, enum role b)
{
	size_t i;

	for (i = 0; i < nitems(links); i++)
		if ((links[i].a == a && links[i].b == b) ||
		    (links[i].a == b && links[i].b == a))
			return true;
	return false;
}

static void
send_peer(struct child *to, const struct child *peer, int fd)
{
	ipc_begin(M_PEER, 0);
	ipc_put_u32(peer->role);
	ipc_put_u32(peer->index);
	ipc_send(to->control, fd);
	close(fd);
}

/*
 * A channel to everybody who has been launched; the others follow suit. False:
 * there is none to be had; those who have got theirs will see its end.
 */
static bool
connect_peers(struct child *c)
{
	size_t i;
	int fd[2];

	for (i = 0; i < children_n; i++) {
		struct child *d = &children[i];

		if (!child_linked(c->role, d->role) || (d->state != CHILD_LAUNCHED &&
		    d->state != CHILD_READY))
			continue;
		if (ipc_pair(fd) == -1) {
			log_warn("cannot make a channel from %s to %s",
			    c->name, d->name);
			return false;
		}
		send_peer(c, d, fd[0]);
		send_peer(d, c, fd[1]);
	}
	return true;
}

/* --- TLS session tickets ------------------------------------------------------------ */

/*
 * One key for all workers, so that a client may resume with any; a new one
 * each hour and whenever a worker died. So what a captured worker knows is of
 * no use against sessions of before or after it.
 */
static void
send_tls_key(struct child *c)
{
	ipc_begin(M_TLS_KEY, 0);
	ipc_put_bytes(tls_key, sizeof(tls_key));
	ipc_send(c->control, -1);
	ipc_forget();
}

void
children_renew_tls_key(void)
{
	size_t i;

	if (getrandom(tls_key, sizeof(tls_key), 0) != sizeof(tls_key))
		fatal("no random numbers");
	for (i = 0; i < children_n; i++)
		if (children[i].role == ROLE_SMTPD &&
		    (children[i].state == CHILD_LAUNCHED ||
		    children[i].state == CHILD_READY))
			send_tls_key(&children[i]);
	ev_timer_set(&tls_key_timer, TLS_KEY_LIFE_MS);
}

static void
renew_cb(void *arg)
{
	children_renew_tls_key();
}

void
children_births(const struct ipc_ops *ops)
{
	control_ops = ops;
	ev_timer_init(&tls_key_timer, renew_cb, NULL);
	children_renew_tls_key();
}

/* --- launch ------------------------------------------------------------------------- */

static void
launch(struct child *c)
{
	const struct config_user *u = &config->users[c->role];
	char root[PATH_MAX];

	ipc_begin(M_CONF_USE, 0);
	ipc_send(c->control, -1);
	ipc_begin(M_STATS, 0);
	ipc_send(c->control, c->stats_fd);
	child_set_state(c, CHILD_LAUNCHED);
	if (!connect_peers(c)) {
		child_kill(c, "ended: it cannot reach the others");
		return;
	}
	if (c->role == ROLE_SMTPD) {
		send_tls_key(c);
		listeners_send(listeners, NULL, c->control, c->index);
	}
	slices_root(config, c->role, root);
	ipc_begin(M_START, 0);
	ipc_put_u32(u->uid);
	ipc_put_u32(u->gid);
	ipc_put_str(root);
	ipc_put_bool(config->sandbox);
	ipc_send(c->control, -1);
}

void
children_launch_fit(bool workers_too)
{
	size_t i;

	for (i = 0; i < children_n; i++)
		if (children[i].state == CHILD_FIT &&
		    (workers_too || children[i].role != ROLE_SMTPD))
			launch(&children[i]);
}

/* --- death ---------------------------------------------------------------------------- */

void
child_kill(struct child *c, const char *why)
{
	if (c->pid == 0)
		return;
	if (c->why == NULL)
		c->why = why;
	if (kill(c->pid, SIGKILL) == -1)
		log_warn("cannot kill %s", c->name);
}
