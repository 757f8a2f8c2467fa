/*
 * Bytes in and out. Reads are bounded by in_max per turn, so a fast peer cannot
 * hold the loop. What OpenSSL has read ahead makes no descriptor readable, so
 * whenever reading resumes it is asked first.
 */
#include "lib/prelude.h"

#include <sys/socket.h>
#include <openssl/ssl.h>

#include "lib/stream_private.h"

#define PIECE		(16 * 1024)	/* a TLS record */

static uint8_t piece[PIECE];

/* --- output --------------------------------------------------------------- */

void
stream_write(struct stream *st, const void *p, size_t n)
{
	if (st->ended || st->deaf != NULL || n == 0)
		return;
	if (buf_add(&st->out, p, n) == -1)
		st->overflow = true;
	stream_kick(st);
}

struct buf *
stream_out(struct stream *st, size_t n)
{
	if (st->ended || st->deaf != NULL || buf_reserve(&st->out, n) == -1)
		return NULL;
	stream_kick(st);
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
		stream_over(st, STREAM_ERROR, why);
		return;
	}
	st->deaf = why;
	buf_wipe(&st->out);
	st->out_off = 0;
	stream_want(st);
}

static bool
write_plain(struct stream *st)
{
	ssize_t n = send(st->fd, st->out.data + st->out_off,
	    stream_unwritten(st), MSG_NOSIGNAL);

	if (n == -1 && (errno == EAGAIN || errno == EINTR)) {
		st->blocked = true;
		return false;
	}
	if (n == -1 && (errno == ENOBUFS || errno == ENOMEM)) {
		/* The peer would wait for us, and we for it. */
		stream_over(st, STREAM_ERROR, strerrordesc_np(errno));
		return false;
	}
	if (n == -1) {
		deafen(st, strerrordesc_np(errno));
		return false;
	}
	st->out_off += (size_t)n;
	return stream_unwritten(st) > 0;
}

/* False: the stream is gone. */
static bool
write_all(struct stream *st)
{
	bool freed = false;

	st->freed = &freed;
	while (st->secure ? stream_tls_write(st) : write_plain(st))
		;
	if (!freed)
		st->freed = NULL;
	return !freed;
}

bool
stream_io_flush(struct stream *st)
{
	bool ours;

	if (stream_unsent(st) == 0 || st->connecting || st->handshaking ||
	    st->ended)
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
	return !ours || st->ops == NULL || stream_tell(st, st->ops->drained);
}

/* --- input ---------------------------------------------------------------- */

const uint8_t *
stream_peek(struct stream *st, size_t *len)
{
	*len = stream_unread(st);
	return st->in.data == NULL ? (const uint8_t *)"" :
	    st->in.data + st->in_off;
}

void
stream_consume(struct stream *st, size_t n)
{
	st->in_off += n < stream_unread(st) ? n : stream_unread(st);
	if (stream_unread(st) == 0) {
		buf_wipe(&st->in);	/* it may have been a password */
		st->in_off = 0;
	}
	if (st->secure && SSL_has_pending(st->ssl))
		stream_kick(st);
	stream_want(st);
}

void
stream_hold(struct stream *st, bool held)
{
	st->held = held;
	st->report = !held && stream_unread(st) > 0;
	if (!held)
		stream_kick(st);
	stream_want(st);
}

/* Bytes read, 0: none now, -1: the stream has ended and may be gone. */
static ssize_t
read_plain(struct stream *st, size_t max)
{
	ssize_t n = recv(st->fd, piece, max, 0);

	if (n > 0)
		return n;
	if (st->deaf != NULL) {
		stream_over(st, STREAM_ERROR, st->deaf);
		return -1;
	}
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n == 0)
		stream_over(st, STREAM_EOF, "closed by the peer");
	else
		stream_over(st, STREAM_ERROR, strerrordesc_np(errno));
	return -1;
}

/*
 * Reads what fits, once, and on while OpenSSL has more in its hands. An end
 * behind data is left for the next turn, so that the data is seen first.
 */
void
stream_io_fill(struct stream *st)
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
		n = st->secure ? stream_tls_read(st, piece, room) :
		    read_plain(st, room);
		if (n == -1)
			return;
		buf_add(&st->in, piece, (size_t)n);
		explicit_bzero(piece, (size_t)n);
		got = got || n > 0;
	} while (n > 0 && st->in.len < st->in_max && st->secure &&
	    SSL_pending(st->ssl) > 0);
	if (got && !stream_tell(st, st->ops->readable))
		return;
	if (n > 0 && st->secure && SSL_has_pending(st->ssl) &&
	    stream_may_read(st))
		stream_kick(st);
	stream_want(st);
}

/*
 * A stream that nobody listens to: the rest of the input is of no interest. The
 * end is mostly right behind it.
 */
void
stream_io_discard(struct stream *st)
{
	ssize_t n = recv(st->fd, piece, sizeof(piece), 0);

	if (n > 0 && n < (ssize_t)sizeof(piece))
		n = recv(st->fd, piece, sizeof(piece), 0);
	if (n > 0 || (n == -1 && (errno == EAGAIN || errno == EINTR)))
		return;
	if (st->shut || n == -1) {
		stream_over(st, STREAM_EOF, NULL);
		return;
	}
	st->eof = true;
	stream_want(st);
}
