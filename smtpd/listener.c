#include "lib/prelude.h"

#include <sys/socket.h>
#include <netinet/in.h>
#include <fcntl.h>

#include "lib/buf.h"
#include "lib/ev.h"
#include "lib/log.h"
#include "lib/stats.h"
#include "lib/xalloc.h"
#include "smtpd/crowd.h"
#include "smtpd/listener.h"
#include "smtpd/reply.h"
#include "smtpd/session.h"

#define ACCEPTS_PER_WAKE 32	/* sessions that are open want their turn, too */
#define REST_MS		1000	/* when there are no descriptors */

struct listener {
	struct server *server;
	char	*name;		/* owned */
	bool	 tls_first;
	int	 fd;
	struct ev_fd ev;
	struct ev_timer rest;
	bool	 resting;	/* and has said so */
};

static void	accept_cb(void *, int);
static void	rest_cb(void *);

struct listener *
listener_new(struct server *srv, const char *name, int fd, bool tls_first)
{
	struct listener *l = xcalloc(1, sizeof(*l));
	int fl = fcntl(fd, F_GETFL);

	if (fl == -1 || fcntl(fd, F_SETFL, fl | O_NONBLOCK) == -1)
		fatal("listener %s", name);
	l->server = srv;
	l->name = xstrdup(name);
	l->tls_first = tls_first;
	l->fd = fd;
	ev_fd_init(&l->ev, fd, accept_cb, l);
	ev_timer_init(&l->rest, rest_cb, l);
	return l;
}

void
listener_free(struct listener **lp)
{
	struct listener *l = *lp;

	if (l == NULL)
		return;
	*lp = NULL;
	ev_timer_cancel(&l->rest);
	ev_fd_clear(&l->ev);
	if (close(l->fd) == -1)
		log_warn("closing listener %s", l->name);
	free(l->name);
	free(l);
}

void
listener_start(struct listener *l)
{
	ev_fd_want(&l->ev, EV_IN);
}

const char *
listener_name(const struct listener *l)
{
	return l->name;
}

void
listener_set_tls_first(struct listener *l, bool tls_first)
{
	l->tls_first = tls_first;
}

/* --- limits ------------------------------------------------------------------------ */

/*
 * A fresh socket's buffer takes one line without waiting; if it does not, the
 * client learns as much from the close. Under TLS there is nobody to tell yet.
 */
static void
turn_away(const struct listener *l, int fd, enum reply r)
{
	struct buf space;
	const char *line;

	if (!l->tls_first) {
		buf_init(&space, REPLY_MAX);
		line = reply_line(r, l->server->conf->hostname, NULL, &space);
		if (send(fd, line, strlen(line), MSG_DONTWAIT | MSG_NOSIGNAL)
		    == -1)
			log_debug("listener", "a client was gone already");
		buf_clear(&space);
	}
	stats_add(STAT_REFUSED, 1);
	if (close(fd) == -1)
		log_warn("close");
}

static void
admit(struct listener *l, int fd, const struct sockaddr *peer)
{
	struct server *srv = l->server;
	struct crowd_key key = crowd_key_of(peer);

	if (srv->sessions >= srv->conf->max_sessions)
		turn_away(l, fd, REPLY_CROWDED);
	else if (!crowd_enter(srv->crowd, key,
	    srv->conf->max_sessions_per_address))
		turn_away(l, fd, REPLY_CROWDED_ADDRESS);
	else
		session_new(srv, fd, l->tls_first, peer);
}

/* --- accepting ------------------------------------------------------------------------ */

static void
rest(struct listener *l)
{
	if (!l->resting)
		log_warn("listener %s cannot accept, %zu sessions are open; "
		    "it tries again every second", l->name,
		    l->server->sessions);
	l->resting = true;
	ev_fd_want(&l->ev, 0);
	ev_timer_set(&l->rest, REST_MS);
}

static void
rest_cb(void *arg)
{
	struct listener *l = arg;

	ev_fd_want(&l->ev, EV_IN);
}

/* False when there is nothing more to accept now. */
static bool
accept_one(struct listener *l)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int fd;

	memset(&ss, 0, sizeof(ss));
	fd = accept4(l->fd, (struct sockaddr *)&ss, &len,
	    SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd == -1) {
		/* accept(2): errors of the connection itself come here, too. */
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
		    errno == ENOMEM)
			rest(l);
		return errno == ECONNABORTED || errno == EINTR;
	}
	if (l->resting)
		log_info("listener %s accepts again", l->name);
	l->resting = false;
	admit(l, fd, (struct sockaddr *)&ss);
	return true;
}

static void
accept_cb(void *arg, int what)
{
	struct listener *l = arg;
	int i;

	for (i = 0; i < ACCEPTS_PER_WAKE && accept_one(l); i++)
		;
}
