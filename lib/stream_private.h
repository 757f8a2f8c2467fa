/*
 * stream_private: what the rooms of lib/stream share, from the top down.
 * stream.c: life and the loop's side. stream_io.c: buffers and bytes in the clear.
 * stream_tls.c: the handshake and records. stream_job.c: handshakes that step
 * aside. stream_state.c: what is waited for and told.
 */
#ifndef LIB_STREAM_PRIVATE_H
#define LIB_STREAM_PRIVATE_H

#include <sys/queue.h>

#include "lib/buf.h"
#include "lib/ev.h"
#include "lib/stream.h"
#include "lib/wire.h"

/* A handshake that is an OpenSSL job (SSL_MODE_ASYNC). */
enum job {
	JOB_HERE,		/* or none */
	JOB_AWAY,		/* another process has a part of it */
	JOB_PARKED		/* it waits for another's end */
};

struct stream {
	const struct stream_ops *ops;	/* NULL: nobody listens any more */
	void	*arg;
	int	 fd;
	struct ssl_st *ssl;
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
	bool	 early;			/* the peer spoke while it was away */
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

/* --- stream_state.c ------------------------------------------------------- */

size_t	 stream_unread(const struct stream *);
/* Not yet handed to OpenSSL, under TLS. */
size_t	 stream_unwritten(const struct stream *);
bool	 stream_may_read(const struct stream *);
/* Has the loop watch for what the stream can use now. */
void	 stream_want(struct stream *);
/* There is work to do at the end of the turn. */
void	 stream_kick(struct stream *);
/* Callbacks, each may free the stream; false: it did. */
bool	 stream_tell(struct stream *, void (*)(struct stream *, void *));
/*
 * The stream is of no more use after this; the owner frees it, now or later, and
 * the end of the turn does when there is no owner.
 */
void	 stream_over(struct stream *, enum stream_end, const char *why);

/* --- stream_io.c: input and output ---------------------------------------- */

/* False: the stream may be gone. */
bool	 stream_io_flush(struct stream *);
void	 stream_io_fill(struct stream *);
/* Of a stream that nobody listens to. */
void	 stream_io_discard(struct stream *);

/* --- stream_tls.c --------------------------------------------------------- */

void	 stream_tls_begin(struct stream *);
void	 stream_tls_handshake(struct stream *);
/* Writes some. False: no more now, or the stream has ended. */
bool	 stream_tls_write(struct stream *);
/* Bytes read, 0: none now, -1: the stream has ended and may be gone. */
ssize_t	 stream_tls_read(struct stream *, uint8_t *, size_t max);
/* Sends what OpenSSL has written. 0, also when that goes on later, or errno. */
int	 stream_tls_push(struct stream *, int flags);
/* Writes a close_notify, once. */
void	 stream_tls_notify(struct stream *);

/* --- stream_job.c --------------------------------------------------------- */

/* 1: done, 0: it will go on by itself, else as SSL_do_handshake(). */
int	 stream_job_shake(struct stream *);
/* For SSL_set_async_callback(): what it waited for is there. */
int	 stream_job_back_cb(struct ssl_st *, void *);
/* Before the end: nothing is left behind that knows the stream. */
void	 stream_job_leave(struct stream *);

#endif
