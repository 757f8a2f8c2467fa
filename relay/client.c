/*
 * The life of a connection: its limits, its end, and the replies that it hands
 * to whoever the state says. Opening is in client_open.c, what it is for in
 * client_mail.c, its states in client_state.c.
 */
#include "lib/prelude.h"

#include <sys/socket.h>
#include <arpa/inet.h>

#include "lib/log.h"
#include "lib/net.h"
#include "lib/stats.h"
#include "lib/xalloc.h"
#include "relay/client_private.h"
#include "relay/sasl.h"

#define IN_MAX		16384	/* unread input; a reply line fits twice */

static void	readable_cb(struct stream *, void *);
static void	drained_cb(struct stream *, void *);
static void	up_cb(struct stream *, void *);
static void	ended_cb(struct stream *, enum stream_end, const char *, void *);
static void	limit_cb(void *);
static void	over_cb(void *);

static const struct stream_ops stream_ops = { readable_cb, drained_cb, up_cb,
    ended_cb };

/* --- life ------------------------------------------------------------------------- */

static int
connect_socket(struct client *c)
{
	struct sockaddr_storage from;
	struct sockaddr_in *v4 = (struct sockaddr_in *)&from;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&from;
	int family = c->target.addr.ss_family, fd;
	bool bound = true;

	fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	net_no_delay(fd);
	memset(&from, 0, sizeof(from));
	from.ss_family = (sa_family_t)family;
	if (*c->conf->source_address != '\0' && inet_pton(family,
	    c->conf->source_address, family == AF_INET ?
	    (void *)&v4->sin_addr : (void *)&v6->sin6_addr) == 1)
		bound = bind(fd, (struct sockaddr *)&from,
		    c->target.addr_len) == 0;
	if (bound && (connect(fd, (struct sockaddr *)&c->target.addr,
	    c->target.addr_len) == 0 || errno == EINPROGRESS))
		return fd;
	close(fd);
	return -1;
}

struct client *
client_new(const struct client_conf *conf, const struct dns_target *target,
    const struct client_ops *ops, void *arg)
{
	struct client *c = xcalloc(1, sizeof(*c));
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)
	    &target->addr;
	int fd;

	c->conf = conf;
	c->ops = ops;
	c->arg = arg;
	c->target = *target;
	/* The port stands at the same place in both families. */
	snprintf(c->remote, sizeof(c->remote), "%s[%s]:%u", target->host,
	    target->text, ntohs(v4->sin_port));
	snprintf(c->tls_text, sizeof(c->tls_text), "none");
	smtp_reply_init(&c->reply);
	ev_timer_init(&c->limit, limit_cb, c);
	ev_timer_init(&c->over, over_cb, c);
	ev_timer_init(&c->refused, client_mail_refused_cb, c);
	stats_add(STAT_CONNECTIONS_NOW, 1);
	client_enter(c, ST_CONNECT);
	fd = connect_socket(c);
	if (fd == -1)
		client_give_up(c, "4.4.1", "cannot connect: %s",
		    strerrordesc_np(errno));
	else
		c->stream = stream_new(fd, true, IN_MAX, &stream_ops, c);
	return c;
}

void
client_free(struct client **cp)
{
	struct client *c = *cp;

	if (c == NULL)
		return;
	*cp = NULL;
	stats_add(STAT_CONNECTIONS_NOW, -1);
	ev_timer_cancel(&c->limit);
	ev_timer_cancel(&c->over);
	ev_timer_cancel(&c->refused);
	stream_free(&c->stream);
	sasl_free(&c->sasl);
	smtp_reply_clear(&c->reply);
	if (c->d != NULL)
		delivery_end(&c->d, c->remote, c->tls_text, true);
	free(c);
}

/*
 * Settles what the delivery still wants. If nothing of it was answered on a
 * connection that had been idle, the server had closed it meanwhile: give the
 * delivery back.
 */
static void
over_cb(void *arg)
{
	struct client *c = arg;
	struct delivery *unsent = NULL;

	stream_free(&c->stream);
	if (c->d != NULL && c->carried > 1 && c->asked > 0 && c->told == 0 &&
	    *c->status == '4' && !c->d->again) {
		unsent = c->d;
		unsent->again = true;
		c->d = NULL;
	} else if (c->d != NULL) {
		delivery_rest(c->d, false, *c->status == '5' ? OUTCOME_FAILED :
		    OUTCOME_DEFERRED, c->status, c->why, c->target.host);
		delivery_end(&c->d, c->target.host, c->tls_text, true);
	}
	c->ops->over(c, unsent, c->usable, c->arg);
}

/*
 * TLS was begun and nothing has been said under it: whatever ends it here, a
 * route that needs no TLS may go without. (Under TLS 1.3 a server refuses us
 * when our side of the handshake is long done.)
 */
static bool
tls_in_doubt(const struct client *c)
{
	return c->state == ST_STARTTLS || c->state == ST_TLS ||
	    (c->tls != NULL && (c->state == ST_EHLO ||
	    c->state == ST_GREETING));
}

static void
limit_cb(void *arg)
{
	struct client *c = arg;

	c->tls_failed = tls_in_doubt(c);
	client_give_up(c, c->tls_failed ? "4.7.5" : "4.4.2",
	    "no answer in time at %s", client_state_name(c));
}

static void
ended_cb(struct stream *s, enum stream_end end, const char *why, void *arg)
{
	struct client *c = arg;

	c->tls_failed = tls_in_doubt(c);
	c->unfit = end == STREAM_TLS_FAILED && tlspolicy_untrusted(c->tls);
	if (end == STREAM_TLS_FAILED)
		client_give_up(c, "4.7.5", "TLS failed: %s",
		    tlspolicy_trouble(c->tls, c->target.host, why));
	else if (c->state == ST_CONNECT)
		client_give_up(c, "4.4.1", "cannot connect: %s", why);
	else
		client_give_up(c, c->tls_failed ? "4.7.5" : "4.4.2",
		    "the connection ended at %s: %s", client_state_name(c),
		    why);
}

/* --- replies ------------------------------------------------------------------------------- */

static void
resp_quit(struct client *c)
{
	client_give_up(c, "4.4.2", "closed after QUIT");
}

static void	(*const resp[])(struct client *) = {
	[ST_CONNECT] = client_unasked,
	[ST_GREETING] = client_open_greeting,
	[ST_EHLO] = client_open_ehlo,
	[ST_HELO] = client_open_ehlo,
	[ST_STARTTLS] = client_open_starttls,
	[ST_TLS] = client_unasked,
	[ST_AUTH] = client_open_auth,
	[ST_READY] = client_unasked,
	[ST_ENVELOPE] = client_mail_envelope,
	[ST_CONTENT] = client_mail_early,
	[ST_DOT] = client_mail_dot,
	[ST_QUIT] = resp_quit,
};

static void
take_reply(struct client *c)
{
	if (log_debugs("smtp"))
		log_debug("smtp", "%s: %s", c->remote,
		    c->state == ST_AUTH ? "***" : reply_diag(&c->reply));
	/* RFC 5321 3.8: 421 may come at any time and closes. */
	if (c->reply.code == 421 && c->state != ST_DOT)
		client_give_up(c, c->reply.status[0] != '\0' ?
		    c->reply.status : "4.3.2", "%s", reply_diag(&c->reply));
	else
		resp[c->state](c);
}

static void
readable_cb(struct stream *s, void *arg)
{
	struct client *c = arg;
	const uint8_t *p;
	size_t n, used;

	while (c->state != ST_OVER && c->state != ST_TLS) {
		enum smtp_reply_got got;

		p = stream_peek(c->stream, &n);
		got = smtp_reply_feed(&c->reply, p, n, &used);
		stream_consume(c->stream, used);
		if (got == SMTP_REPLY_MORE)
			return;
		if (got == SMTP_REPLY_BAD)
			client_give_up(c, "4.5.0", "protocol error: %s",
			    c->reply.why);
		else
			take_reply(c);
		smtp_reply_reset(&c->reply);
	}
}

static void
up_cb(struct stream *s, void *arg)
{
	client_open_up(arg);
}

static void
drained_cb(struct stream *s, void *arg)
{
	client_mail_drained(arg);
}

/* --- its owner ---------------------------------------------------------------- */

bool
client_busy(const struct client *c)
{
	return c->d != NULL;
}

bool
client_in_doubt(const struct client *c)
{
	/* BDAT goes together with the envelope that it waits for. */
	return c->state == ST_DOT || (c->d != NULL && c->bdat &&
	    c->d->at == c->d->size && c->state == ST_ENVELOPE);
}

uint32_t
client_carried(const struct client *c)
{
	return c->carried;
}

const char *
client_why(const struct client *c)
{
	return c->why;
}

const char *
client_status(const struct client *c)
{
	return c->status;
}

bool
client_tls_failed(const struct client *c)
{
	return c->tls_failed;
}

bool
client_unfit(const struct client *c)
{
	return c->unfit;
}
