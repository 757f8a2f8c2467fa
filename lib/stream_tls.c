/*
 * OpenSSL straight on the socket for input; what it writes gathers in lib/wire.
 * SSL_read() reads on over messages that bring no data, for as long as there
 * are any: they are counted.
 */
#include "lib/prelude.h"

#include <sys/socket.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "lib/log.h"
#include "lib/stream_private.h"

#define WIRE_MARK	(64 * 1024)	/* of records that leave at once */
/*
 * Handshake messages of the peer behind the handshake: KeyUpdates, of which a
 * record in 2^24 is due (RFC 8446 5.5), and a server's session tickets.
 */
#define LATE_MAX	32

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
		stream_over(st, STREAM_TLS_FAILED,
		    "too many TLS messages without data");
		return false;
	}
	switch (err) {
	case SSL_ERROR_WANT_READ:
		return true;
	case SSL_ERROR_ZERO_RETURN:
		stream_over(st, STREAM_EOF, "closed by the peer");
		return false;
	case SSL_ERROR_SYSCALL:
		if (st->handshaking)
			stream_over(st, STREAM_TLS_FAILED, saved == 0 ?
			    "closed in the TLS handshake" :
			    strerrordesc_np(saved));
		else if (saved == 0)
			stream_over(st, STREAM_EOF, "closed by the peer");
		else
			stream_over(st, STREAM_ERROR, strerrordesc_np(saved));
		return false;
	default:
		stream_over(st, STREAM_TLS_FAILED, tls_why());
		return false;
	}
}

int
stream_tls_push(struct stream *st, int flags)
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

void
stream_tls_notify(struct stream *st)
{
	if (!st->secure || st->notified)
		return;
	st->notified = true;
	SSL_shutdown(st->ssl);
	ERR_clear_error();
}

void
stream_start_tls(struct stream *st, struct ssl_st *ssl, bool server)
{
	if (stream_unread(st) > 0 || st->ssl != NULL)
		fatalx("stream_start_tls with input unread or TLS active");
	st->ssl = ssl;
	st->tls_server = server;
	st->tls_pending = true;
	SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE |
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_set_options(ssl, SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_set_read_ahead(ssl, 1);	/* a record in one read(2), not two */
	stream_kick(st);
	/* Else it begins before anything is read; see io_cb(). */
	if (stream_unsent(st) > 0)
		stream_want(st);
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
	int saved = errno, err = stream_tls_push(st, 0);

	if (err != 0 && SSL_get_error(st->ssl, r) == SSL_ERROR_WANT_READ) {
		stream_over(st, STREAM_TLS_FAILED, strerrordesc_np(err));
		return;
	}
	errno = saved;
	if (tls_waits(st, r))
		stream_want(st);
}

/* Its last words leave with the first of what comes after it. */
void
stream_tls_handshake(struct stream *st)
{
	int r = stream_job_shake(st);

	if (st->job != JOB_HERE) {
		stream_want(st);
		return;
	}
	if (r != 1) {
		handshake_waits(st, r);
		return;
	}
	st->handshaking = false;
	st->secure = true;
	if (stream_tell(st, st->ops->up)) {
		stream_kick(st);	/* data may have come along */
		stream_want(st);
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

static bool
set_bios(struct stream *st)
{
	BIO *in = BIO_new_socket(st->fd, BIO_NOCLOSE);
	BIO *out = wire_bio(&st->wire);

	SSL_set0_rbio(st->ssl, in);
	SSL_set0_wbio(st->ssl, out);
	return in != NULL && out != NULL;
}

void
stream_tls_begin(struct stream *st)
{
	st->tls_pending = false;
	st->handshaking = true;
	if (!set_bios(st)) {
		stream_over(st, STREAM_TLS_FAILED, "out of memory");
		return;
	}
	SSL_set_msg_callback(st->ssl, tls_message_cb);
	SSL_set_msg_callback_arg(st->ssl, st);
	SSL_set_async_callback(st->ssl, stream_job_back_cb);
	SSL_set_async_callback_arg(st->ssl, st);
	if (st->tls_server)
		SSL_set_accept_state(st->ssl);
	else
		SSL_set_connect_state(st->ssl);
	if (st->tls_server)
		stream_want(st);	/* the client speaks first */
	else
		stream_tls_handshake(st);
}

/* Records of what is to be said. False: the stream has ended. */
static bool
make_records(struct stream *st)
{
	size_t done;

	while (stream_unwritten(st) > 0 && wire_unsent(&st->wire) < WIRE_MARK) {
		ERR_clear_error();
		errno = 0;
		if (SSL_write_ex(st->ssl, st->out.data + st->out_off,
		    stream_unwritten(st), &done) != 1)
			return tls_waits(st, 0);
		st->out_off += done;
	}
	return true;
}

bool
stream_tls_write(struct stream *st)
{
	bool last;
	int err;

	if (!make_records(st))
		return false;
	last = st->draining && stream_unwritten(st) == 0;
	if (last)
		stream_tls_notify(st);
	/* Behind the last comes the end, in the same segment. */
	err = stream_tls_push(st, last ? MSG_MORE : 0);
	if (err != 0)
		stream_over(st, STREAM_ERROR, strerrordesc_np(err));
	return err == 0 && !st->blocked && stream_unwritten(st) > 0;
}

ssize_t
stream_tls_read(struct stream *st, uint8_t *p, size_t max)
{
	size_t n;
	int r, saved;

	ERR_clear_error();
	errno = 0;
	r = SSL_read_ex(st->ssl, p, max, &n);
	saved = errno;
	if (!st->blocked)
		stream_tls_push(st, 0);	/* an answer to a KeyUpdate, or an alert */
	errno = saved;
	if (r == 1)
		return (ssize_t)n;
	return tls_waits(st, 0) ? 0 : -1;
}
