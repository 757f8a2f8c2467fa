#include "lib/prelude.h"

#include <sys/socket.h>
#include <netinet/in.h>
#include <fcntl.h>

#include "lib/buf.h"
#include "lib/ev.h"
#include "lib/flood.h"
#include "lib/log.h"
#include "lib/net.h"
#include "lib/seldom.h"
#include "lib/stats.h"
#include "lib/xalloc.h"
#include "smtpd/crowd.h"
#include "smtpd/listener.h"
#include "smtpd/proxied.h"
#include "smtpd/reply.h"
#include "smtpd/session.h"

#define ACCEPTS_PER_WAKE 32	/* sessions that are open want their turn, too */
#define REST_MS		1000	/* when there are no descriptors */
#define SITE_SHARE	4	/* of all sessions one IPv6 /48 has so much */

struct listener {
	struct server *server;
	char	*name;		/* owned */
	unsigned int how;	/* enum session_how */
	bool	 no_tls;
	struct net *devices;	/* owned; none: clients log in */
	size_t	 ndevices;
	struct net *proxies;	/* owned; none: clients come by themselves */
	size_t	 nproxies;
	int	 fd;
	struct ev_fd ev;
	struct ev_timer rest;
	bool	 resting;	/* and has said so */
};

static struct flood strangers = FLOOD("strangers at a listener for devices",
    60);
static struct flood untrusted = FLOOD("connections past the proxies", 60);

static void	accept_cb(void *, int);
static void	rest_cb(void *);

struct listener *
listener_new(struct server *srv, const struct conf_listener *conf, int fd)
{
	struct listener *l = xcalloc(1, sizeof(*l));
	int fl = fcntl(fd, F_GETFL);

	if (fl == -1 || fcntl(fd, F_SETFL, fl | O_NONBLOCK) == -1)
		fatal("listener %s", conf->name);
	l->server = srv;
	l->name = xstrdup(conf->name);
	listener_configure(l, conf);
	l->fd = fd;
	net_no_delay(fd);
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
	free(l->proxies);
	free(l->devices);
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

/* The parent has seen to it that they are networks. */
static void
take_nets(const struct conf_strs *from, struct net **to, size_t *n)
{
	size_t i;

	free(*to);
	*to = from->n == 0 ? NULL : xcalloc(from->n, sizeof(**to));
	*n = from->n;
	for (i = 0; i < *n; i++)
		if (!net_parse(from->v[i], &(*to)[i]))
			fatalx("\"%s\" is no network", from->v[i]);
}

void
listener_configure(struct listener *l, const struct conf_listener *conf)
{
	l->how = (conf->tls == CONF_TLS_IMPLICIT ? SESSION_TLS_FIRST : 0u) |
	    (conf->certificates ? SESSION_CERTIFICATES : 0u);
	l->no_tls = conf->tls == CONF_TLS_NONE;
	take_nets(&conf->proxies, &l->proxies, &l->nproxies);
	take_nets(&conf->devices, &l->devices, &l->ndevices);
}

/* --- limits ------------------------------------------------------------------------ */

/*
 * A fresh socket's buffer takes one line without waiting; if it does not, the
 * client learns as much from the close. Under TLS there is nobody to tell yet.
 */
static void
turn_away(const struct server *srv, int fd, unsigned int how, enum reply r)
{
	struct buf space;
	const char *line;

	if ((how & SESSION_TLS_FIRST) == 0) {
		buf_init(&space, REPLY_MAX);
		line = reply_line(r, srv->conf->hostname, NULL, &space);
		if (send(fd, line, strlen(line), MSG_DONTWAIT | MSG_NOSIGNAL)
		    == -1)
			log_debug("listener", "a client was gone already");
		buf_clear(&space);
	}
	stats_add(STAT_REFUSED, 1);
	if (close(fd) == -1)
		log_warn("close");
}

/* Where TLS comes first nobody else says so. */
static void
log_turned_away(const struct sockaddr *peer, const char *why)
{
	static struct seldom told;
	char text[NET_TEXT_LEN];

	if (seldom_due(&told))
		log_warnx("client=%s turned away why=\"%s\"%s", net_text(peer,
		    text), why, seldom_more(&told));
}

/* Whether there is room; if not the client is told, and fd is closed. */
static bool
has_room(struct server *srv, int fd, unsigned int how,
    const struct sockaddr *peer)
{
	uint32_t max = srv->conf->max_sessions_per_address;
	uint32_t site_max = srv->conf->max_sessions / SITE_SHARE;
	enum crowd_verdict v;

	if (server_full(srv)) {
		log_turned_away(peer, "sessions");
		turn_away(srv, fd, how, REPLY_CROWDED);
		return false;
	}
	v = crowd_enter(srv->crowd, crowd_key_of(peer), max,
	    site_max > max ? site_max : max);
	if (v == CROWD_OK)
		return true;
	log_turned_away(peer, v == CROWD_ADDRESS ? "sessions-per-address" :
	    "sessions, too many of them from its network");
	turn_away(srv, fd, how, v == CROWD_ADDRESS ? REPLY_CROWDED_ADDRESS :
	    REPLY_CROWDED_SITE);
	return false;
}

void
listener_admit(struct server *srv, int fd, unsigned int how,
    const struct sockaddr *peer)
{
	if (has_room(srv, fd, how, peer))
		session_new(srv, fd, how, peer);
}

static bool
among(const struct net *nets, size_t n, const struct sockaddr *peer)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (net_holds(&nets[i], peer))
			return true;
	return false;
}

static void
admit_device(struct listener *l, int fd, const struct sockaddr *peer)
{
	char text[NET_TEXT_LEN];

	if (!among(l->devices, l->ndevices, peer)) {
		if (flood_log(&strangers))
			log_info("device=unknown peer=%s listener=%s",
			    net_text(peer, text), l->name);
		turn_away(l->server, fd, 0, REPLY_NOT_A_DEVICE);
	} else if (has_room(l->server, fd, 0, peer))
		session_new_lane(l->server, fd, l->no_tls, l->name, peer);
}

/*
 * Where proxies come in nobody else may: he could say that he is anybody, and
 * who he is would depend on whether he says something.
 */
static void
admit(struct listener *l, int fd, const struct sockaddr *peer)
{
	struct server *srv = l->server;
	char text[NET_TEXT_LEN];

	if (l->ndevices > 0)
		admit_device(l, fd, peer);
	else if (l->nproxies == 0)
		listener_admit(srv, fd, l->how, peer);
	else if (!among(l->proxies, l->nproxies, peer)) {
		if (flood_log(&untrusted))
			log_info("proxy=untrusted peer=%s listener=%s",
			    net_text(peer, text), l->name);
		turn_away(srv, fd, l->how, REPLY_NOT_A_PROXY);
	} else if (server_full(srv))
		turn_away(srv, fd, l->how, REPLY_CROWDED);
	else
		proxied_new(srv, fd, l->how, peer, listener_admit);
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
