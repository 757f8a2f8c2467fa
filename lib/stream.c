/*
 * Our own buffers on a descriptor, with OpenSSL straight on the socket. A
 * libevent bufferevent would do the same, but adds and removes an epoll watch
 * for each reply; here output waits for the end of the loop's turn (the kick
 * timer), leaves in one write, and EV_OUT is watched only when the kernel has
 * no room. Idle streams hold no buffers. The other rooms: stream_private.h.
 */
#include "lib/prelude.h"

#include <sys/socket.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "lib/log.h"
#include "lib/stream_private.h"
#include "lib/xalloc.h"

#define OUT_MAX		(64 * 1024 * 1024)

static void	io_cb(void *, int);
static void	kick_cb(void *);
static void	linger_cb(void *);

/* --- life ----------------------------------------------------------------- */

struct stream *
stream_new(int fd, bool connecting, size_t in_max,
    const struct stream_ops *ops, void *arg)
{
	struct stream *st = xcalloc(1, sizeof(*st));

	st->ops = ops;
	st->arg = arg;
	st->fd = fd;
	st->in_max = in_max;
	st->connecting = connecting;
	buf_init(&st->in, in_max);
	buf_init(&st->out, OUT_MAX);
	wire_init(&st->wire, OUT_MAX);
	ev_timer_init(&st->kick, kick_cb, st);
	ev_timer_init(&st->linger, linger_cb, st);
	ev_fd_init(&st->ev, fd, io_cb, st);
	stream_want(st);
	return st;
}

void
stream_answer_after_eof(struct stream *st)
{
	st->after_eof = true;
}

void
stream_free(struct stream **stp)
{
	struct stream *st = *stp;
	void (*closed)(void *), *arg;

	if (st == NULL)
		return;
	*stp = NULL;
	closed = st->closed;
	arg = st->closed_arg;
	if (st->freed != NULL)
		*st->freed = true;
	ev_timer_cancel(&st->kick);
	ev_timer_cancel(&st->linger);
	ev_fd_clear(&st->ev);
	if (st->secure && !st->ended && !st->shut) {
		stream_tls_notify(st);
		stream_tls_push(st, 0);	/* once; whether it leaves is luck */
	}
	stream_job_leave(st);
	SSL_free(st->ssl);
	ERR_clear_error();
	if (close(st->fd) == -1)
		log_warn("closing a connection");
	buf_wipe(&st->in);
	buf_wipe(&st->out);
	wire_clear(&st->wire);
	free(st);
	if (closed != NULL)
		closed(arg);
}

/*
 * Our side is closed when all has left; then we read on for the peer's end, as
 * a close with unread input would reset the connection under our last words.
 */
static void
shut_when_drained(struct stream *st)
{
	if (st->shut || stream_unsent(st) > 0)
		return;
	stream_tls_notify(st);
	if (stream_tls_push(st, 0) != 0)
		wire_clear(&st->wire);
	if (stream_unsent(st) > 0)
		return;
	st->shut = true;
	if (shutdown(st->fd, SHUT_WR) == -1 && errno != ENOTCONN)
		log_warn("shutdown");
}

void
stream_free_drained(struct stream **stp, uint64_t linger_ms,
    void (*closed)(void *), void *arg)
{
	struct stream *st = *stp;

	if (st == NULL)
		return;
	st->closed = closed;
	st->closed_arg = arg;
	if (st->ended || st->connecting || st->handshaking || linger_ms == 0) {
		stream_free(stp);
		return;
	}
	*stp = NULL;
	if (st->freed != NULL)
		*st->freed = true;
	st->freed = NULL;
	st->ops = NULL;
	st->draining = true;
	st->tls_pending = false;
	buf_wipe(&st->in);
	st->in_off = 0;
	ev_timer_set(&st->linger, linger_ms);
	stream_kick(st);
	stream_want(st);
}

static void
linger_cb(void *arg)
{
	struct stream *st = arg;

	stream_free(&st);
}

/* --- the loop's side ------------------------------------------------------ */

static void
connected(struct stream *st)
{
	socklen_t len = sizeof(int);
	int err = 0;

	if (getsockopt(st->fd, SOL_SOCKET, SO_ERROR, &err, &len) == -1)
		err = errno;
	if (err != 0) {
		stream_over(st, STREAM_ERROR, strerrordesc_np(err));
		return;
	}
	st->connecting = false;
	if (stream_tell(st, st->ops->up)) {
		stream_kick(st);
		stream_want(st);
	}
}

static void
io_cb(void *arg, int what)
{
	struct stream *st = arg;

	if (st->connecting) {
		connected(st);
		return;
	}
	if (st->tls_pending && stream_unsent(st) == 0)
		return;		/* kick_cb() is on its way */
	st->blocked = st->blocked && (what & EV_OUT) == 0;
	if (st->job == JOB_AWAY) {
		st->early = true;
		stream_want(st);
	} else if (st->handshaking)
		stream_tls_handshake(st);
	else if (what & EV_OUT)
		kick_cb(st);
	else if (st->draining)
		stream_io_discard(st);
	else
		stream_io_fill(st);
}

static void
kick_draining(struct stream *st)
{
	if (!st->ended)
		shut_when_drained(st);
	if (st->ended || (st->shut && st->eof))
		stream_free(&st);
	else
		stream_want(st);
}

static void
kick_cb(void *arg)
{
	struct stream *st = arg;

	if (st->overflow && !st->ended) {
		stream_over(st, STREAM_ERROR, "the peer does not read");
		return;
	}
	if (st->draining) {		/* nobody frees it meanwhile */
		stream_io_flush(st);
		kick_draining(st);
		return;
	}
	if (!stream_io_flush(st))
		return;
	if (st->tls_pending && stream_unsent(st) == 0) {
		stream_tls_begin(st);
		return;
	}
	if (st->go_on) {
		stream_tls_handshake(st);
		return;
	}
	if (st->report && !st->held) {
		st->report = false;
		if (!stream_tell(st, st->ops->readable))
			return;
	}
	if (st->secure && stream_may_read(st) && SSL_has_pending(st->ssl))
		stream_io_fill(st);
	else
		stream_want(st);
}
