#include "lib/prelude.h"

#include "lib/flood.h"
#include "lib/log.h"
#include "lib/net.h"
#include "lib/proxy.h"
#include "lib/stats.h"
#include "lib/xalloc.h"
#include "smtpd/proxied.h"
#include "smtpd/server.h"

#define WAIT_MS 10000		/* the header comes with the connection */

struct proxied {
	LIST_ENTRY(proxied) link;
	struct server *server;
	int	 fd;
	unsigned int how;
	proxied_admit *admit;
	struct sockaddr_storage balancer;
	struct ev_fd ev;
	struct ev_timer timer;
	uint8_t	 header[PROXY_MAX];
	size_t	 n;
};

static struct flood faults = FLOOD("connections without a PROXY header", 60);

static void
let_go(struct proxied *px)
{
	ev_timer_cancel(&px->timer);
	ev_fd_clear(&px->ev);
	LIST_REMOVE(px, link);
	px->server->proxied_n--;
	free(px);
}

static void
give_up(struct proxied *px, const char *why)
{
	char text[NET_TEXT_LEN];

	if (flood_log(&faults))
		log_info("proxy=refused peer=%s why=\"%s\"", net_text(
		    (const struct sockaddr *)&px->balancer, text), why);
	stats_add(STAT_REFUSED, 1);
	if (close(px->fd) == -1)
		log_warn("close");
	let_go(px);
}

static void
timer_cb(void *arg)
{
	give_up(arg, "no PROXY header came");
}

static void
done(struct proxied *px, const struct proxy *found)
{
	struct server *srv = px->server;
	proxied_admit *admit = px->admit;
	struct proxy source = *found;
	struct sockaddr_storage balancer = px->balancer;
	unsigned int how = px->how;
	int fd = px->fd;

	let_go(px);
	admit(srv, fd, how, source.has_source ?
	    &source.source.sa : (struct sockaddr *)&balancer);
}

/* Takes n bytes that have been seen already. */
static bool
consume(struct proxied *px, size_t n)
{
	return n == 0 || recv(px->fd, px->header + px->n, n, 0) == (ssize_t)n;
}

static void
readable_cb(void *arg, int what)
{
	struct proxied *px = arg;
	struct proxy found;
	size_t used = 0;
	ssize_t n = recv(px->fd, px->header + px->n,
	    sizeof(px->header) - px->n, MSG_PEEK);

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		give_up(px, "closed before a PROXY header");
		return;
	}
	switch (proxy_parse(px->header, px->n + (size_t)n, &used, &found)) {
	case PROXY_MORE:
		if (!consume(px, (size_t)n))
			give_up(px, "closed in a PROXY header");
		else
			px->n += (size_t)n;
		break;
	case PROXY_DONE:
		if (!consume(px, used - px->n))
			give_up(px, "closed in a PROXY header");
		else
			done(px, &found);
		break;
	case PROXY_BAD:
		give_up(px, "that is no PROXY header");
		break;
	}
}

void
proxied_new(struct server *srv, int fd, unsigned int how,
    const struct sockaddr *balancer, proxied_admit *admit)
{
	struct proxied *px = xcalloc(1, sizeof(*px));

	px->server = srv;
	px->fd = fd;
	px->how = how;
	px->admit = admit;
	memcpy(&px->balancer, balancer, balancer->sa_family == AF_INET6 ?
	    sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
	LIST_INSERT_HEAD(&srv->proxied, px, link);
	srv->proxied_n++;
	ev_timer_init(&px->timer, timer_cb, px);
	ev_timer_set(&px->timer, WAIT_MS);
	ev_fd_init(&px->ev, fd, readable_cb, px);
	ev_fd_want(&px->ev, EV_IN);
}

void
proxied_clear(struct server *srv)
{
	struct proxied *px;

	while ((px = LIST_FIRST(&srv->proxied)) != NULL) {
		close(px->fd);
		let_go(px);
	}
}
