#include "lib/prelude.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <signal.h>

#include "lib/ev.h"
#include "lib/log.h"
#include "lib/xalloc.h"
#include "posternd/children.h"
#include "posternd/control.h"
#include "posternd/ground.h"
#include "posternd/listeners.h"
#include "posternd/logsink.h"
#include "posternd/notify.h"
#include "posternd/posternd.h"
#include "posternd/slices.h"
#include "posternd/status.h"

#define REPORT_MAX (64 * 1024)

static struct config *config, *next_config;
static struct listeners *sockets, *next_sockets;
static struct buf problems, warnings;
static bool foreground, checking, reloading, ready, stopping, doubted;
static int exit_code;
static int starter = -1;	/* whoever waits at the terminal for our start */
static FILE *terminal;		/* what people see of the start */

/* --- what people read -------------------------------------------------------------- */

/* Each line of the report on its own, so that a log keeps its form. */
static void
say(const struct buf *report, enum log_level level, bool to_log)
{
	const char *p = buf_str(report);

	while (*p != '\0') {
		int n = (int)strcspn(p, "\n");

		if (!to_log)
			fprintf(terminal, "posternd: %s%.*s\n",
			    level == LOG_LVL_WARN ? "warning: " : "", n, p);
		else
			log_warnx("%s%.*s", level == LOG_LVL_ERR ?
			    "not used: " : "", n, p);
		p += n + (p[n] == '\n');
	}
}

static struct config *
load(const char *file)
{
	struct config *cfg;

	buf_reset(&problems);
	buf_reset(&warnings);
	cfg = config_load(file, &problems, &warnings);
	if (cfg != NULL && ground_programs(cfg, &problems) == -1)
		config_free(&cfg);
	return cfg;
}

/* --- children ------------------------------------------------------------------------ */

/* Lets go of the terminal: stderr is a log only where it is a file. */
static void
leave_terminal(void)
{
	enum config_log where = config->log;

	if (write(starter, "", 1) == -1)
		log_warn("nobody waited for the start");
	if (terminal != stderr && where == CONFIG_LOG_STDERR) {
		fputs("posternd: the log goes to syslog from here on, since "
		    "stderr ends with the terminal; postern.conf(5), log, has "
		    "the choices\n", terminal);
		where = CONFIG_LOG_SYSLOG;
	}
	if (terminal != stderr)
		fclose(terminal);
	terminal = stderr;
	close(starter);
	starter = -1;
	config->log = where;
	logsink_open(where, stderr);
}

static void
started(void)
{
	ready = true;
	if (checking) {
		children_stop(false);
		return;
	}
	status_serving(config);
	notify("READY=1");
	log_info("Postern " PACKAGE_VERSION " serves as %s, %u worker%s",
	    config->hostname, config->workers, config->workers == 1 ? "" :
	    "s");
	if (!foreground)
		leave_terminal();
}

/* Where the other warnings of that moment are. */
static void
doubt(const char *what)
{
	doubted = true;
	if (reloading)
		buf_addf(&warnings, "%s\n", what);
	else if (ready)
		log_warnx("%s", what);
	else
		fprintf(terminal, "posternd: warning: %s\n", what);
}

static void
failed(const char *proc, const char *why)
{
	if (exit_code != 0)
		return;			/* the first reason is the reason */
	exit_code = 1;
	if (proc == NULL)
		fprintf(terminal, "posternd: %s\n", why);
	else
		fprintf(terminal, "posternd: postern-%s could not start: %s; "
		    "the lines above say why\n", proc, why);
	children_stop(true);
}

/* Who hears that it has stopped may start another at once. */
static void
stopped(void)
{
	listeners_free(&sockets);
	control_close();
	ground_leave();
	control_stopped();
	ev_stop();
}

/* --- reload ------------------------------------------------------------------------------ */

static void
reloaded(const char *why)
{
	struct config *old = config;

	reloading = false;
	notify("READY=1");
	if (why != NULL) {
		if (*why != '\0')
			buf_addf(&problems, "%s\n", why);
		say(&problems, LOG_LVL_ERR, true);
		log_warnx("reload: the old configuration stays in use");
		config_free(&next_config);
		listeners_free(&next_sockets);
	} else {
		config = next_config;
		next_config = NULL;
		listeners_free(&sockets);
		sockets = next_sockets;
		next_sockets = NULL;
		status_serving(config);
		config_free(&old);
		if (!foreground)
			logsink_open(config->log, stderr);
		say(&warnings, LOG_LVL_WARN, true);
		log_info("reload: the new configuration is in use");
	}
	control_reloaded(buf_str(&problems), buf_str(&warnings));
}

static void
fixed(const char *option, bool same)
{
	if (!same)
		config_problem(&problems, next_config, option, "%s cannot "
		    "change while Postern runs; restart it, or change it back",
		    option);
}

static bool
same_strs(const struct conf_strs *a, const struct conf_strs *b)
{
	size_t i;

	for (i = 0; i < a->n && i < b->n; i++)
		if (strcmp(a->v[i], b->v[i]) != 0)
			return false;
	return a->n == b->n;
}

/* What processes, directories and sockets in use depend on. */
static void
check_fixed(void)
{
	const struct config *a = config, *b = next_config;
	bool users = true;
	enum role r;

	for (r = ROLE_SMTPD; r < ROLE_CTL; r++)
		users = users && (!slices_wanted(a, r) ||
		    !slices_wanted(b, r) ||
		    (a->users[r].uid == b->users[r].uid &&
		    a->users[r].gid == b->users[r].gid));
	fixed("state-dir", strcmp(a->state_dir, b->state_dir) == 0);
	fixed("control-socket", strcmp(a->control_socket, b->control_socket)
	    == 0);
	fixed("program-dir", strcmp(a->program_dir, b->program_dir) == 0);
	fixed("workers", a->workers == b->workers);
	fixed("relays", a->relays == b->relays);
	fixed("sandbox", a->sandbox == b->sandbox);
	fixed("users", users);
	fixed("dns.resolvers", same_strs(&a->relay.resolvers,
	    &b->relay.resolvers));
	fixed("dns.trust-anchor", strcmp(a->relay.trust_anchor,
	    b->relay.trust_anchor) == 0);
}

static void
reload(void)
{
	if (reloading || !ready || stopping) {
		control_reloaded("Postern is starting, stopping or reloading "
		    "already; try again in a moment\n", "");
		return;
	}
	log_info("reload: reading %s", config->file);
	reloading = true;
	notify_reloading();
	next_config = load(config->file);
	if (next_config != NULL) {
		check_fixed();
		slices_secrets(next_config, config);
		if (problems.len == 0)
			next_sockets = listeners_open(next_config, sockets,
			    &problems);
	}
	if (problems.len > 0)
		reloaded("");
	else
		children_reload(next_config, next_sockets);
}

/* --- the end ------------------------------------------------------------------------------ */

static void
stop(void)
{
	stopping = true;
	ground_stopping();
	notify("STOPPING=1");
	children_stop(false);
}

static void
stop_signal_cb(int signo, void *arg)
{
	log_info("stopping%s: SIG%s", stopping ? " at once" : "",
	    sigabbrev_np(signo));
	if (stopping)
		children_stop(true);
	else
		stop();
}

static void
reload_signal_cb(int signo, void *arg)
{
	reload();
}

/* --- the beginning ---------------------------------------------------------------------------- */

static const struct children_ops child_hooks = { started, failed,
    doubt, control_answer, control_mute, status_certificates, reloaded, stopped };
static const struct control_ops control_hooks = { reload, stop };

/* The starter waits: a byte means that all serve, an end that they don't. */
static int
wait_for_start(int fd, pid_t pid)
{
	char byte;
	int status;

	if (read(fd, &byte, 1) == 1)
		return 0;
	if (waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	    WEXITSTATUS(status) != 0)
		return WEXITSTATUS(status);
	return 1;
}

/*
 * The children inherit descriptor 2: a terminal or a pipe would be kept open
 * by them for ever, a file is where somebody wants to read of their crashes.
 */
static void
keep_terminal_apart(int null)
{
	struct stat st;
	int fd;

	if (fstat(STDERR_FILENO, &st) == 0 && S_ISREG(st.st_mode))
		return;
	fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	terminal = fd == -1 ? NULL : fdopen(fd, "w");
	if (terminal == NULL || dup2(null, STDERR_FILENO) == -1)
		fatal("cannot keep the terminal apart");
	setvbuf(terminal, NULL, _IOLBF, 0);
}

/* Returns in the new process; the old one ends in here. */
static void
detach(void)
{
	int fd[2], null;
	pid_t pid;

	if (pipe2(fd, O_CLOEXEC) == -1 || (pid = fork()) == -1)
		fatal("cannot start in the background");
	if (pid != 0) {
		close(fd[1]);
		_exit(wait_for_start(fd[0], pid));
	}
	close(fd[0]);
	starter = fd[1];
	null = open("/dev/null", O_RDWR);
	if (setsid() == -1 || chdir("/") == -1 || null == -1 ||
	    dup2(null, STDIN_FILENO) == -1 || dup2(null, STDOUT_FILENO) == -1)
		fatal("cannot go into the background");
	keep_terminal_apart(null);
	if (null > STDERR_FILENO)
		close(null);
}

/* Descriptors 0 to 2 must be taken, or a socket of ours would become stderr. */
static void
fill_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd == -1)
		fatal("/dev/null");
	close(fd);
}

static void
raise_limits(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == -1)
		return;
	rl.rlim_cur = rl.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &rl) == -1)
		log_warn("cannot raise the limit of descriptors");
}

static int
run_loop(void)
{
	ev_signal(SIGTERM, stop_signal_cb, NULL);
	ev_signal(SIGINT, stop_signal_cb, NULL);
	slices_secrets(config, NULL);
	children_start(config, sockets, &child_hooks);
	ev_loop();
	return exit_code;
}

static void
begin(void)
{
	fill_standard_descriptors();
	terminal = stderr;
	log_init("posternd", -1);
	umask(077);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);	/* nothing to be read again yet */
	buf_init(&problems, REPORT_MAX);
	buf_init(&warnings, REPORT_MAX);
}

static int
give_up(void)
{
	say(&problems, LOG_LVL_ERR, false);
	return 1;
}

int
posternd_check(const char *file)
{
	bool good;
	int r;

	begin();
	checking = true;
	config = load(file);
	good = config != NULL && ground_look(config, &problems, &warnings) == 0;
	doubted = warnings.len > 0;
	say(&warnings, LOG_LVL_WARN, false);
	if (!good)
		return give_up();
	ev_init();
	logsink_open(CONFIG_LOG_STDERR, terminal);
	children_check_only();
	r = run_loop();
	if (r == 0)
		printf(doubted ? "%s can be used; mind the warnings\n" :
		    "%s is fine\n", file);
	config_free(&config);
	return r;
}

/* A relative name would not survive chdir(), and a reload needs it. */
static char *
absolute(const char *file)
{
	char *real = realpath(file, NULL);

	return real != NULL ? real : xstrdup(file);
}

int
posternd_run(const char *name, bool stay)
{
	char *file = absolute(name);
	int r;

	begin();
	notify_init();
	foreground = stay;
	if (geteuid() != 0) {	/* what it cannot read is no second matter */
		buf_adds(&problems, "posternd must be started by root, to open "
		    "ports and to become other users; -n checks a "
		    "configuration without it, but for what root alone may "
		    "read\n");
		free(file);
		return give_up();
	}
	config = load(file);
	free(file);
	say(&warnings, LOG_LVL_WARN, false);
	if (config == NULL)
		return give_up();
	if (!foreground)
		detach();
	ev_init();
	logsink_open(CONFIG_LOG_STDERR, terminal);
	raise_limits();
	buf_reset(&warnings);
	r = ground_prepare(config, &problems, &warnings);
	say(&warnings, LOG_LVL_WARN, false);
	if (r == 0)
		sockets = listeners_open(config, NULL, &problems);
	if (r == -1 || sockets == NULL ||
	    control_open(config, &control_hooks, &problems) == -1)
		return give_up();
	ev_signal(SIGHUP, reload_signal_cb, NULL);
	r = run_loop();
	control_close();
	listeners_free(&sockets);
	config_free(&config);
	if (r == 0)
		log_info("stopped");
	return r;
}
