#include "lib/prelude.h"

#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "lib/ev.h"
#include "lib/log.h"
#include "lib/seldom.h"
#include "lib/xalloc.h"
#include "posternd/children.h"
#include "posternd/control.h"
#include "posternd/status.h"

#define CLIENTS_MAX	64
#define ASKED_MAX	256
#define REPORT_MAX	(64 * 1024)
#define FULL_BYTES	(1024 * 1024)	/* unread by a client: others wait */
#define PAUSE_LOOK_MS	20
#define PAUSE_MAX_MS	30000	/* after that it is cut off */
#define REST_MS		1000	/* when there are no descriptors */

struct client {
	LIST_ENTRY(client) link;
	struct ipc *ipc;
};

/* What has been asked and not been answered to the end. */
struct asked {
	LIST_ENTRY(asked) link;
	uint64_t id;		/* ours */
	uint64_t client_id;	/* the asker's own */
	struct client *client;	/* NULL once it has gone */
	enum role role;		/* who answers */
	bool	 reload, stop;	/* of the parent's own */
};

static LIST_HEAD(, client) clients = LIST_HEAD_INITIALIZER(clients);
static LIST_HEAD(, asked) askings = LIST_HEAD_INITIALIZER(askings);
static size_t nclients, nasked;
static uint64_t last_id;
static const struct control_ops *ops;
static struct ev_fd door;
static struct ev_timer door_rest;
static char path[sizeof(((struct sockaddr_un *)0)->sun_path)];

static struct client *paused_for;	/* the slow one */
static enum role paused_role;
static uint64_t paused_ms;
static struct ev_timer pause_timer;

static int	on_msg(struct ipc *, struct ipc_in *, void *);
static void	on_gone(struct ipc *, const char *, void *);

static const struct ipc_ops client_ops = { on_msg, on_gone };

/* --- answers --------------------------------------------------------------------- */

static void
end_answer(struct client *c, uint64_t id, enum ctl_exit code,
    const char *text)
{
	ipc_begin(M_CTL_END, id);
	ipc_put_u8(code);
	ipc_put_str(text);
	ipc_send(c->ipc, -1);
}

static void
asked_free(struct asked *a)
{
	LIST_REMOVE(a, link);
	nasked--;
	free(a);
}

static void
asked_end(struct asked *a, enum ctl_exit code, const char *text)
{
	if (a->client != NULL)
		end_answer(a->client, a->client_id, code, text);
	asked_free(a);
}

static void
resume(void)
{
	children_pause(paused_role, false);
	ev_timer_cancel(&pause_timer);
	paused_for = NULL;
}

static void
drop(struct client *c)
{
	struct asked *a;

	LIST_FOREACH(a, &askings, link) {
		if (a->client != c)
			continue;
		a->client = NULL;
		if (a->role != ROLE_PARENT)
			children_gone(a->role, a->id);
	}
	if (paused_for == c)
		resume();
	LIST_REMOVE(c, link);
	nclients--;
	ipc_free(&c->ipc);
	free(c);
}

static void
pause_cb(void *arg)
{
	if (ipc_backlog(paused_for->ipc) < FULL_BYTES / 2) {
		resume();
	} else if (ev_now_ms() - paused_ms > PAUSE_MAX_MS) {
		log_warnx("control: a client does not read its answer; it is "
		    "cut off");
		drop(paused_for);
	} else
		ev_timer_set(&pause_timer, PAUSE_LOOK_MS);
}

/* The process that answers rests, and with it whoever else asks it. */
static void
pause_for(struct client *c, enum role role)
{
	if (paused_for != NULL)
		return;
	paused_for = c;
	paused_role = role;
	paused_ms = ev_now_ms();
	children_pause(role, true);
	ev_timer_set(&pause_timer, PAUSE_LOOK_MS);
}

void
control_answer(enum role role, struct ipc_in *in)
{
	struct asked *a;

	LIST_FOREACH(a, &askings, link)
		if (a->id == in->id)
			break;
	if (a == NULL || a->role != role)	/* it may not speak for others */
		return;
	if (a->client != NULL) {
		ipc_forward(a->client->ipc, a->client_id, in, -1);
		if (ipc_backlog(a->client->ipc) > FULL_BYTES)
			pause_for(a->client, a->role);
	}
	if (in->type == M_CTL_END)
		asked_free(a);
}

void
control_mute(enum role role)
{
	struct asked *a, *next;

	if (paused_for != NULL && paused_role == role)
		resume();
	for (a = LIST_FIRST(&askings); a != NULL; a = next) {
		next = LIST_NEXT(a, link);
		if (a->role == role)
			asked_end(a, CTL_TEMPORARY, "the process that was "
			    "asked has ended; it is replaced, try again");
	}
}

/* A report, each of its lines begun with that word. */
static void
send_report(const struct asked *a, const char *word, const char *p)
{
	struct buf text;

	buf_init(&text, REPORT_MAX);
	for (; *p != '\0'; p += strcspn(p, "\n"), p += *p == '\n')
		buf_addf(&text, "%s%.*s\n", word, (int)strcspn(p, "\n"), p);
	if (text.len > 0) {
		ipc_begin(M_CTL_TEXT, a->client_id);
		ipc_put_bytes(text.data, text.len);
		ipc_send(a->client->ipc, -1);
	}
	buf_clear(&text);
}

void
control_reloaded(const char *problems, const char *warnings)
{
	struct asked *a, *next;
	bool good = *problems == '\0';

	for (a = LIST_FIRST(&askings); a != NULL; a = next) {
		next = LIST_NEXT(a, link);
		if (!a->reload)
			continue;
		if (a->client != NULL)
			send_report(a, good ? "warning: " : "",
			    good ? warnings : problems);
		asked_end(a, good ? CTL_OK : CTL_FAILED, good ? "the new "
		    "configuration is in use" : "the old configuration stays "
		    "in use");
	}
}

void
control_stopped(void)
{
	struct asked *a, *next;

	for (a = LIST_FIRST(&askings); a != NULL; a = next) {
		next = LIST_NEXT(a, link);
		if (a->stop)
			asked_end(a, CTL_OK, "");
		else
			asked_end(a, CTL_TEMPORARY, "Postern is stopping");
	}
}

/* --- verbs ----------------------------------------------------------------------- */

static void
verb_status(struct client *c, uint64_t id)
{
	const char *trouble = status_send(c->ipc, id);

	if (trouble == NULL)
		end_answer(c, id, CTL_TEMPORARY, "Postern is starting; try "
		    "again in a moment");
	else
		end_answer(c, id, CTL_OK, trouble);
}

static const struct {
	const char *word;
	enum role role;		/* who owns the verb */
	void	(*here)(struct client *, uint64_t id);
	bool	 reload, stop;
} verbs[] = {
	{ "status", ROLE_PARENT, verb_status, false, false },
	{ "reload", ROLE_PARENT, NULL, true, false },
	{ "stop", ROLE_PARENT, NULL, false, true },
	{ "account", ROLE_AUTH, NULL, false, false },
	{ "queue", ROLE_QUEUE, NULL, false, false },
	{ "usage", ROLE_QUEUE, NULL, false, false },
	{ "cap", ROLE_QUEUE, NULL, false, false },
	{ "tokens", ROLE_FETCH, NULL, false, false },
};

static struct asked *
remember(struct client *c, uint64_t id, size_t verb)
{
	struct asked *a = xcalloc(1, sizeof(*a));

	a->id = ++last_id;
	a->client = c;
	a->client_id = id;
	a->role = verbs[verb].role;
	a->reload = verbs[verb].reload;
	a->stop = verbs[verb].stop;
	LIST_INSERT_HEAD(&askings, a, link);
	nasked++;
	return a;
}

static void
do_verb(struct client *c, const struct ipc_in *in, const char *word)
{
	struct asked *a;
	size_t i;

	for (i = 0; i < nitems(verbs); i++)
		if (strcmp(verbs[i].word, word) == 0)
			break;
	if (i == nitems(verbs)) {
		end_answer(c, in->id, CTL_USAGE, "the running posternd does "
		    "not know this; is it older than posternctl?");
		return;
	}
	if (nasked >= ASKED_MAX) {
		end_answer(c, in->id, CTL_TEMPORARY, "too many questions are "
		    "open; try again");
		return;
	}
	if (verbs[i].here != NULL) {
		verbs[i].here(c, in->id);
		return;
	}
	a = remember(c, in->id, i);
	if (a->reload)
		ops->reload();
	else if (a->stop)
		ops->stop();
	else if (children_ask(a->role, a->id, in) == -1)
		asked_end(a, children_wanted(a->role) ? CTL_TEMPORARY :
		    CTL_FAILED, children_wanted(a->role) ? "the process that "
		    "knows is not serving now; try again" : "postern.conf has "
		    "no tokens { ... }, so no process serves them");
}

static int
on_request(struct client *c, struct ipc_in *in)
{
	struct ipc_in look = *in;
	const char *word = NULL, *s;
	size_t len;
	uint32_t i, n = ipc_get_u32(&look);

	if (n == 0 || n > CTL_ARGS_MAX)
		return -1;
	for (i = 0; i < n; i++) {
		s = ipc_get_str(&look, CTL_ARG_LEN_MAX);
		if (i == 0)
			word = s;
	}
	ipc_get_bytes(&look, CTL_SECRET_MAX, &len);
	if (!ipc_in_end(&look))
		return -1;
	do_verb(c, in, word);
	if (len > 0)
		ipc_forget();	/* the password is auth's business */
	return 0;
}

/* It may come late: when the answer has ended meanwhile, nobody waits for it. */
static int
on_read(struct client *c, struct ipc_in *in)
{
	struct ipc_in look = *in;
	struct asked *a;

	ipc_get_u32(&look);
	if (!ipc_in_end(&look))
		return -1;
	LIST_FOREACH(a, &askings, link)
		if (a->client == c && a->client_id == in->id &&
		    a->role != ROLE_PARENT)
			break;
	if (a != NULL)
		children_ask(a->role, a->id, in);
	return 0;
}

/* Checked to the end here: what goes on to a child is well-formed. */
static int
on_msg(struct ipc *ipc, struct ipc_in *in, void *arg)
{
	switch (in->type) {
	case M_CTL_REQ:
		return on_request(arg, in);
	case M_CTL_READ:
		return on_read(arg, in);
	}
	return -1;
}

static void
on_gone(struct ipc *ipc, const char *why, void *arg)
{
	if (why != NULL)
		log_warnx("control: a client was cut off: %s", why);
	drop(arg);
}

/* --- the door ------------------------------------------------------------------------ */

/*
 * The socket's permissions keep others out already; this holds even when an
 * admin has opened them.
 */
static bool
welcome(const struct ipc *ipc)
{
	uint32_t uid;
	int pid;

	if (ipc_peer_cred(ipc, &uid, &pid) == -1)
		return false;
	if (uid == 0 || uid == geteuid())
		return true;
	log_warnx("control: user %u (process %d) may not ask", uid, pid);
	return false;
}

static void
rest_cb(void *arg)
{
	ev_fd_want(&door, EV_IN);
}

/* Who knocks meanwhile waits; else the loop would turn without end. */
static void
no_accept(void)
{
	static struct seldom told;

	if (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR)
		return;
	if (seldom_due(&told))
		log_warn("control: accept%s", seldom_more(&told));
	ev_fd_want(&door, 0);
	ev_timer_set(&door_rest, REST_MS);
}

static void
door_cb(void *arg, int what)
{
	struct client *c;
	int fd = accept4(door.fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd == -1) {
		no_accept();
		return;
	}
	if (nclients == CLIENTS_MAX) {
		log_warnx("control: %d clients are here; one more is sent "
		    "away", CLIENTS_MAX);
		close(fd);
		return;
	}
	ipc_widen(fd);
	c = xcalloc(1, sizeof(*c));
	c->ipc = ipc_new(fd, &client_ops, c);
	LIST_INSERT_HEAD(&clients, c, link);
	nclients++;
	if (!welcome(c->ipc))
		drop(c);
}

/* 0: nobody there (any more), the name is free. */
static int
free_name(struct sockaddr_un *sun)
{
	struct stat st;
	int r, s;

	if (lstat(sun->sun_path, &st) == -1)
		return errno == ENOENT ? 0 : -1;
	if (!S_ISSOCK(st.st_mode)) {
		errno = EEXIST;
		return -1;
	}
	s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (s == -1)
		return -1;
	r = connect(s, (struct sockaddr *)sun, sizeof(*sun));
	close(s);
	if (r == 0) {
		errno = EADDRINUSE;
		return -1;
	}
	return unlink(sun->sun_path);
}

static int
open_door(struct sockaddr_un *sun)
{
	mode_t old;
	int r, s;

	if (free_name(sun) == -1)
		return -1;
	s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s == -1)
		return -1;
	old = umask(0177);
	r = bind(s, (struct sockaddr *)sun, sizeof(*sun));
	umask(old);
	if (r == 0 && listen(s, CLIENTS_MAX) == 0)
		return s;
	close(s);
	return -1;
}

int
control_open(const struct config *cfg, const struct control_ops *control_ops,
    struct buf *problems)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int s;

	ops = control_ops;
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s",
	    cfg->control_socket);
	s = open_door(&sun);
	if (s == -1) {
		config_problem(problems, cfg, "control-socket", "cannot listen "
		    "at %s: %s; %s", sun.sun_path, strerrordesc_np(errno),
		    errno == EADDRINUSE ? "another posternd answers there, "
		    "give this one a control-socket of its own" :
		    "choose another control-socket");
		return -1;
	}
	snprintf(path, sizeof(path), "%s", sun.sun_path);
	ev_timer_init(&pause_timer, pause_cb, NULL);
	ev_timer_init(&door_rest, rest_cb, NULL);
	ev_fd_init(&door, s, door_cb, NULL);
	ev_fd_want(&door, EV_IN);
	return 0;
}

void
control_close(void)
{
	if (path[0] == '\0')
		return;
	if (unlink(path) == -1)
		log_debug("control", "the socket was gone already");
	path[0] = '\0';
	ev_timer_cancel(&door_rest);
	ev_fd_clear(&door);
	close(door.fd);
}
