/*
 * Our own buffers on a descriptor, with OpenSSL straight on the socket. A
 * libevent bufferevent would do the same, but adds and removes an epoll watch
 * for each reply; here output waits for the end of the loop's turn (the kick
 * timer), leaves in one write, and EV_OUT is watched only when the kernel has
 * no room. Idle streams hold no buffers.
 *
 * Reads are bounded by in_max per turn, so a fast peer cannot hold the loop.
 * Under TLS that takes one more limit: SSL_read() itself reads on over messages
 * that bring no data, for as long as there are any.
 * What OpenSSL has read ahead makes no descriptor readable, so whenever reading
 * resumes it is asked first.
 */
#include "lib/prelude.h"

#include <sys/queue.h>
#include <sys/socket.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "lib/buf.h"
#include "lib/ev.h"
#include "lib/log.h"
#include "lib/stream.h"
#include "lib/wire.h"
#include "lib/xalloc.h"

#define OUT_MARK	(64 * 1024)	/* unsent above: no more input */
#define OUT_MAX		(64 * 1024 * 1024)
#define PIECE		(16 * 1024)	/* a TLS record */
#define WIRE_MARK	(64 * 1024)	/* of records that leave at once */
/*
 * Handshake messages of the peer behind the handshake: KeyUpdates, of which a
 * record in 2^24 is due (RFC 8446 5.5), and a server's session tickets.
 */
#define LATE_MAX	32

/* A handshake that is an OpenSSL job (SSL_MODE_ASYNC): see shake(). */
enum job {
	JOB_HERE,		/* or none */
	JOB_AWAY,		/* another process has a part of it */
	JOB_PARKED		/* there are only so many: it waits for another's end */
};

struct stream {
	const struct stream_ops *ops;	/* NULL: nobody listens any more */
	void	*arg;
	int	 fd;
	SSL	*ssl;
	struct ev_fd ev;
	struct ev_timer kick;		/* work to do at the end of the turn */
	struct ev_timer linger;
	void	(*closed)(void *);	/* while draining; or NULL */
	void	*closed_arg;
	size_t	 in_max, in_off, out_off;
	struct buf in, out;
	struct wire wire;		/* under TLS, behind out */
	bool	 connecting;
	bool	 tls_pending;		/* starts when the output has left */
	bool	 tls_server;
	bool	 handshaking;
	enum job job;
	bool	 go_on;			/* with the handshake, in kick_cb() */
	bool	 early;			/* the peer spoke while the job was away */
	TAILQ_ENTRY(stream) parked;
	bool	 secure;		/* the handshake is done */
	bool	 held;
	bool	 blocked;		/* waits for EV_OUT */
	bool	 overflow;		/* output was lost: the stream is broken */
	const char *deaf;		/* why the peer takes no more, or NULL */
	bool	 ended;			/* of no use in either direction */
	bool	 draining;		/* to be freed when the output has left */
	bool	 notified;		/* close_notify is written */
	bool	 shut;			/* draining: our side is closed */
	bool	 eof;			/* theirs is */
	bool	 after_eof;		/* which is no end to our output */
	bool	 report;		/* unread input, held back before */
	bool	*freed;			/* set when freed inside a callback */
	unsigned int late;		/* handshake messages since secure */
};

static uint8_t piece[PIECE];
static TAILQ_HEAD(, stream) parked = TAILQ_HEAD_INITIALIZER(parked);

static void	io_cb(void *, int);
static void	kick_cb(void *);
static void	linger_cb(void *);

/* --- what is waited for --------------------------------------------------------- */

static size_t
unread(const struct stream *st)
{
	return st->in.len - st->in_off;
}

/* Not yet handed to OpenSSL, under TLS. */
static size_t
unwritten(const struct stream *st)
{
	return st->out.len - st->out_off;
}

size_t
stream_unsent(const struct stream *st)
{
	return unwritten(st) + wire_unsent(&st->wire);
}

static bool
may_read(const struct stream *st)
{
	if (st->connecting || st->ended || st->tls_pending || st->eof ||
	    st->job == JOB_PARKED || st->early)
		return false;
	if (st->draining || st->handshaking)
		return true;
	return !st->held && unread(st) < st->in_max &&
	    stream_unsent(st) <= OUT_MARK;
}

static void
want(struct stream *st)
{
	if (st->fd != -1)
		ev_fd_want(&st->ev, (may_read(st) ? EV_IN : 0) |
		    (st->connecting || st->blocked ? EV_OUT : 0));
}

static void
kick(struct stream *st)
{
	if (!ev_timer_armed(&st->kick))
		ev_timer_set(&st->kick, 0);
}

/* --- life ------------------------------------------------------------------------- */

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
	want(st);
	return st;
}

void
stream_answer_after_eof(struct stream *st)
{
	st->after_eof = true;
}

/* Sends what OpenSSL has written. 0, also when that is to go on later; errno. */
static int
push(struct stream *st, int flags)
{
	while (wire_unsent(&st->wire) > 0)
		if (wire_send(&st->wire, st->fd, flags) == -1) {
			if (errno != EAGAIN && errno != EINTR)
				return errno;
			st->blocked = true;
			return 0;
		}
	return 0;
}

static void
park(struct stream *st)
{
	st->job = JOB_PARKED;
	TAILQ_INSERT_TAIL(&parked, st, parked);
}

/* A job is free, or may be. */
static void
unpark_next(void)
{
	struct stream *st = TAILQ_FIRST(&parked);

	if (st == NULL)
		return;
	TAILQ_REMOVE(&parked, st, parked);
	st->job = JOB_HERE;
	st->go_on = true;
	kick(st);
}

/* A job that is away is called, finds nothing, and ends. */
static void
leave_job(struct stream *st)
{
	if (st->job == JOB_PARKED) {
		TAILQ_REMOVE(&parked, st, parked);
		return;
	}
	if (st->job == JOB_AWAY)
		SSL_do_handshake(st->ssl);
	if (st->job == JOB_AWAY || st->go_on)
		unpark_next();
}

static void
notify(struct stream *st)
{
	if (!st->secure || st->notified)
		return;
	st->notified = true;
	SSL_shutdown(st->ssl);
	ERR_clear_error();
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
		notify(st);
		push(st, 0);	/* once; whether it leaves is luck */
	}
	leave_job(st);
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
	notify(st);
	if (push(st, 0) != 0)
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
	kick(st);
	want(st);
}

static void
linger_cb(void *arg)
{
	struct stream *st = arg;

	stream_free(&st);
}

/* --- callbacks: each may free the stream; false: it did ------------------------------ */

static bool
tell(struct stream *st, void (*cb)(struct stream *, void *))
{
	bool freed = false;

	if (cb == NULL)
		return true;
	st->freed = &freed;
	cb(st, st->arg);
	if (!freed)
		st->freed = NULL;
	return !freed;
}

/* The stream is of no more use after this; the owner frees it, now or later. */
static void
end(struct stream *st, enum stream_end how, const char *why)
{
	if (st->draining) {
		stream_free(&st);
		return;
	}
	if (st->ended || (st->eof && how == STREAM_EOF))
		return;
	st->eof = how == STREAM_EOF && st->after_eof && !st->handshaking;
	st->ended = !st->eof;
	st->blocked = st->blocked && !st->ended;
	want(st);
	st->ops->ended(st, how, why, st->arg);
}

/* --- TLS ------------------------------------------------------------------------------ */

static const char *
tls_why(void)
{
	const char *why = ERR_reason_error_string(ERR_peek_error());

	return why == NULL ? "TLS failed" : why;
}

/* What OpenSSL's -1 means. True: wait; else the stream has ended. */
static bool
tls_waits(struct stream *st, int r)
{
	int err = SSL_get_error(st->ssl, r), saved = errno;

	if (st->late > LATE_MAX) {
		end(st, STREAM_TLS_FAILED, "too many TLS messages without data");
		return false;
	}
	switch (err) {
	case SSL_ERROR_WANT_READ:
		return true;
	case SSL_ERROR_ZERO_RETURN:
		end(st, STREAM_EOF, "closed by the peer");
		return false;
	case SSL_ERROR_SYSCALL:
		if (st->handshaking)
			end(st, STREAM_TLS_FAILED, saved == 0 ?
			    "closed in the TLS handshake" :
			    strerrordesc_np(saved));
		else if (saved == 0)
			end(st, STREAM_EOF, "closed by the peer");
		else
			end(st, STREAM_ERROR, strerrordesc_np(saved));
		return false;
	default:
		end(st, STREAM_TLS_FAILED, tls_why());
		return false;
	}
}

void
stream_start_tls(struct stream *st, struct ssl_st *ssl, bool server)
{
	if (unread(st) > 0 || st->ssl != NULL)
		fatalx("stream_start_tls with input unread or TLS active");
	st->ssl = ssl;
	st->tls_server = server;
	st->tls_pending = true;
	SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE |
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_set_options(ssl, SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_set_read_ahead(ssl, 1);	/* a record in one read(2), not two */
	kick(st);
	/* Else it begins before anything is read; see io_cb(). */
	if (stream_unsent(st) > 0)
		want(st);
}

struct ssl_st *
stream_ssl(const struct stream *st)
{
	return st->secure ? st->ssl : NULL;
}

/* It goes on, or has failed and an alert may say why. */
static void
handshake_waits(struct stream *st, int r)
{
	int saved = errno, err = push(st, 0);

	if (err != 0 && SSL_get_error(st->ssl, r) == SSL_ERROR_WANT_READ) {
		end(st, STREAM_TLS_FAILED, strerrordesc_np(err));
		return;
	}
	errno = saved;
	if (tls_waits(st, r))
		want(st);
}

/*
 * Where the context says so the handshake is a job of OpenSSL's: it steps aside
 * for what is to come from elsewhere, once, and back_cb() tells when it is there.
 * 1: done, 0: it will go on by itself, else as SSL_do_handshake().
 */
static int
shake(struct stream *st)
{
	bool was_away = st->job == JOB_AWAY;
	int r, err;

	st->job = JOB_HERE;
	st->go_on = st->early = false;
	ERR_clear_error();
	errno = 0;
	r = SSL_do_handshake(st->ssl);
	err = SSL_get_error(st->ssl, r);
	if (r == 1 || was_away)
		SSL_clear_mode(st->ssl, SSL_MODE_ASYNC);
	if (err == SSL_ERROR_WANT_ASYNC)
		st->job = JOB_AWAY;
	else if (err == SSL_ERROR_WANT_ASYNC_JOB)
		park(st);
	else
		unpark_next();
	return st->job == JOB_HERE ? r : 0;
}

/* Its last words leave with the first of what comes after it. */
static void
handshake(struct stream *st)
{
	int r = shake(st);

	if (st->job != JOB_HERE) {
		want(st);
		return;
	}
	if (r != 1) {
		handshake_waits(st, r);
		return;
	}
	st->handshaking = false;
	st->secure = true;
	if (tell(st, st->ops->up)) {
		kick(st);	/* data may have come along */
		want(st);
	}
}

/* Only an end of the input stops SSL_read() from reading on. */
static void
tls_message_cb(int sent, int version, int type, const void *p, size_t n,
    SSL *ssl, void *arg)
{
	struct stream *st = arg;

	if (!sent && type == SSL3_RT_HANDSHAKE && st->secure &&
	    ++st->late > LATE_MAX && shutdown(st->fd, SHUT_RDWR) == -1)
		log_debug("stream", "shutdown: %s", strerrordesc_np(errno));
}

static int
back_cb(SSL *ssl, void *arg)
{
	struct stream *st = arg;

	st->go_on = true;
	kick(st);
	return 1;
}

static bool
set_bios(struct stream *st)
{
	BIO *in = BIO_new_socket(st->fd, BIO_NOCLOSE);
	BIO *out = wire_bio(&st->wire);

	SSL_set0_rbio(st->ssl, in);
	SSL_set0_wbio(st->ssl, out);
	return in != NULL && out != NULL;
}

static void
begin_tls(struct stream *st)
{
	st->tls_pending = false;
	st->handshaking = true;
	if (!set_bios(st)) {
		end(st, STREAM_TLS_FAILED, "out of memory");
		return;
	}
	SSL_set_msg_callback(st->ssl, tls_message_cb);
	SSL_set_msg_callback_arg(st->ssl, st);
	SSL_set_async_callback(st->ssl, back_cb);
	SSL_set_async_callback_arg(st->ssl, st);
	if (st->tls_server)
		SSL_set_accept_state(st->ssl);
	else
		SSL_set_connect_state(st->ssl);
	if (st->tls_server)
		want(st);	/* the client speaks first */
	else
		handshake(st);
}

/* --- output ------------------------------------------------------------------------------ */

void
stream_write(struct stream *st, const void *p, size_t n)
{
	if (st->ended || st->deaf != NULL || n == 0)
		return;
	if (buf_add(&st->out, p, n) == -1)
		st->overflow = true;
	kick(st);
}

struct buf *
stream_out(struct stream *st, size_t n)
{
	if (st->ended || st->deaf != NULL || buf_reserve(&st->out, n) == -1)
		return NULL;
	kick(st);
	return &st->out;
}

/*
 * The peer has closed or reset the connection under our words. What it said
 * before is still there to be read, and may well be the reason; then the end.
 */
static void
deafen(struct stream *st, const char *why)
{
	if (st->draining || st->eof) {
		end(st, STREAM_ERROR, why);
		return;
	}
	st->deaf = why;
	buf_wipe(&st->out);
	st->out_off = 0;
	want(st);
}

/* Records of what is to be said. False: the stream has ended. */
static bool
make_records(struct stream *st)
{
	size_t done;

	while (unwritten(st) > 0 && wire_unsent(&st->wire) < WIRE_MARK) {
		ERR_clear_error();
		errno = 0;
		if (SSL_write_ex(st->ssl, st->out.data + st->out_off,
		    unwritten(st), &done) != 1)
			return tls_waits(st, 0);
		st->out_off += done;
	}
	return true;
}

/* Writes some. False: no more now, or the stream has ended. */
static bool
write_tls(struct stream *st)
{
	bool last;
	int err;

	if (!make_records(st))
		return false;
	last = st->draining && unwritten(st) == 0;
	if (last)
		notify(st);
	/* Behind the last comes the end, in the same segment. */
	err = push(st, last ? MSG_MORE : 0);
	if (err != 0)
		end(st, STREAM_ERROR, strerrordesc_np(err));
	return err == 0 && !st->blocked && unwritten(st) > 0;
}

static bool
write_plain(struct stream *st)
{
	ssize_t n = send(st->fd, st->out.data + st->out_off, unwritten(st),
	    MSG_NOSIGNAL);

	if (n == -1 && (errno == EAGAIN || errno == EINTR)) {
		st->blocked = true;
		return false;
	}
	if (n == -1) {
		deafen(st, strerrordesc_np(errno));
		return false;
	}
	st->out_off += (size_t)n;
	return unwritten(st) > 0;
}

/* False: the stream is gone. */
static bool
write_all(struct stream *st)
{
	bool freed = false;

	st->freed = &freed;
	while (st->secure ? write_tls(st) : write_plain(st))
		;
	if (!freed)
		st->freed = NULL;
	return !freed;
}

/* False: the stream may be gone. */
static bool
flush(struct stream *st)
{
	bool ours;

	if (stream_unsent(st) == 0 || st->connecting || st->handshaking || st->ended)
		return !st->ended;
	st->blocked = false;
	if (!write_all(st) || st->ended)
		return false;
	if (stream_unsent(st) > 0 || st->deaf != NULL)
		return true;
	ours = st->out.len > 0;	/* not OpenSSL's alone */
	/* A ticket has made it ready to read; an idle session is not. */
	if (st->secure)
		SSL_free_buffers(st->ssl);
	buf_wipe(&st->out);
	st->out_off = 0;
	return !ours || st->ops == NULL || tell(st, st->ops->drained);
}

/* --- input -------------------------------------------------------------------------------- */

const uint8_t *
stream_peek(struct stream *st, size_t *len)
{
	*len = unread(st);
	return st->in.data == NULL ? (const uint8_t *)"" :
	    st->in.data + st->in_off;
}

void
stream_consume(struct stream *st, size_t n)
{
	st->in_off += n < unread(st) ? n : unread(st);
	if (unread(st) == 0) {
		buf_wipe(&st->in);	/* it may have been a password */
		st->in_off = 0;
	}
	if (st->secure && SSL_has_pending(st->ssl))
		kick(st);
	want(st);
}

void
stream_hold(struct stream *st, bool held)
{
	st->held = held;
	st->report = !held && unread(st) > 0;
	if (!held)
		kick(st);
	want(st);
}

/* Bytes read, 0: none now, -1: the stream has ended and may be gone. */
static ssize_t
read_plain(struct stream *st, size_t max)
{
	ssize_t n = recv(st->fd, piece, max, 0);

	if (n > 0)
		return n;
	if (st->deaf != NULL) {
		end(st, STREAM_ERROR, st->deaf);
		return -1;
	}
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n == 0)
		end(st, STREAM_EOF, "closed by the peer");
	else
		end(st, STREAM_ERROR, strerrordesc_np(errno));
	return -1;
}

static ssize_t
read_tls(struct stream *st, size_t max)
{
	size_t n;
	int r, saved;

	ERR_clear_error();
	errno = 0;
	r = SSL_read_ex(st->ssl, piece, max, &n);
	saved = errno;
	if (!st->blocked)
		push(st, 0);	/* an answer to a KeyUpdate, or an alert */
	errno = saved;
	if (r == 1)
		return (ssize_t)n;
	return tls_waits(st, 0) ? 0 : -1;
}

/*
 * Reads what fits, once, and on while OpenSSL has more in its hands. An end
 * behind data is left for the next turn, so that the data is seen first.
 */
static void
fill(struct stream *st)
{
	size_t room;
	ssize_t n;
	bool got = false;

	buf_drop(&st->in, st->in_off);
	st->in_off = 0;
	do {
		room = st->in_max - st->in.len;
		if (room > sizeof(piece))
			room = sizeof(piece);
		n = st->secure ? read_tls(st, room) : read_plain(st, room);
		if (n == -1)
			return;
		buf_add(&st->in, piece, (size_t)n);
		explicit_bzero(piece, (size_t)n);
		got = got || n > 0;
	} while (n > 0 && st->in.len < st->in_max && st->secure &&
	    SSL_pending(st->ssl) > 0);
	if (got && !tell(st, st->ops->readable))
		return;
	if (n > 0 && st->secure && SSL_has_pending(st->ssl) && may_read(st))
		kick(st);
	want(st);
}

/*
 * A stream that nobody listens to: the rest of the input is of no interest. The
 * end is mostly right behind it.
 */
static void
discard(struct stream *st)
{
	ssize_t n = recv(st->fd, piece, sizeof(piece), 0);

	if (n > 0 && n < (ssize_t)sizeof(piece))
		n = recv(st->fd, piece, sizeof(piece), 0);
	if (n > 0 || (n == -1 && (errno == EAGAIN || errno == EINTR)))
		return;
	if (st->shut || n == -1) {
		stream_free(&st);
		return;
	}
	st->eof = true;
	want(st);
}

/* --- the loop's side -------------------------------------------------------------------------- */

static void
connected(struct stream *st)
{
	socklen_t len = sizeof(int);
	int err = 0;

	if (getsockopt(st->fd, SOL_SOCKET, SO_ERROR, &err, &len) == -1)
		err = errno;
	if (err != 0) {
		end(st, STREAM_ERROR, strerrordesc_np(err));
		return;
	}
	st->connecting = false;
	if (tell(st, st->ops->up)) {
		kick(st);
		want(st);
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
		want(st);
	} else if (st->handshaking)
		handshake(st);
	else if (what & EV_OUT)
		kick_cb(st);
	else if (st->draining)
		discard(st);
	else
		fill(st);
}

static void
kick_draining(struct stream *st)
{
	shut_when_drained(st);
	if (st->shut && st->eof)
		stream_free(&st);
	else
		want(st);
}

static void
kick_cb(void *arg)
{
	struct stream *st = arg;

	if (st->overflow) {
		end(st, STREAM_ERROR, "the peer does not read");
		return;
	}
	if (!flush(st))
		return;
	if (st->draining) {
		kick_draining(st);
		return;
	}
	if (st->tls_pending && stream_unsent(st) == 0) {
		begin_tls(st);
		return;
	}
	if (st->go_on) {
		handshake(st);
		return;
	}
	if (st->report && !st->held) {
		st->report = false;
		if (!tell(st, st->ops->readable))
			return;
	}
	if (st->secure && may_read(st) && SSL_has_pending(st->ssl))
		fill(st);
	else
		want(st);
}
