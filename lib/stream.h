/*
 * stream: a buffered, non-blocking byte stream over a connected socket, in the
 * clear or under TLS. It and lib/ev are the only rooms that know libevent.
 *
 * Callbacks run from the loop only, never from the call that causes them, and
 * may free the stream. Output above a mark stops input by itself, so a peer
 * that does not read cannot make us buffer its answers.
 */
#ifndef LIB_STREAM_H
#define LIB_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct ssl_st;
struct stream;

enum stream_end {
	STREAM_EOF,		/* the peer closed; under TLS with or without
				   close_notify: SMTP frames its own messages */
	STREAM_ERROR,		/* reset, or refused while connecting */
	STREAM_TLS_FAILED	/* handshake or record failure */
};

struct stream_ops {
	/* There is something to stream_peek(), more than at the last call. */
	void	(*readable)(struct stream *, void *arg);
	/* All output has been handed to the kernel; optional. */
	void	(*drained)(struct stream *, void *arg);
	/* connect() has succeeded or the TLS handshake is complete. */
	void	(*up)(struct stream *, void *arg);
	/* Nothing more will come; why is a sentence for the log. */
	void	(*ended)(struct stream *, enum stream_end, const char *why,
		    void *arg);
};

/*
 * Takes over a connected or connecting (up will be called) socket that does not
 * block and, where it is TCP, does not delay (net_no_delay()). ops and arg are
 * borrowed. Unread input is bounded by in_max.
 */
struct stream *stream_new(int fd, bool connecting, size_t in_max,
	    const struct stream_ops *, void *arg);
/* Closes at once (close_notify is tried under TLS). */
void	 stream_free(struct stream **);
/*
 * Closes once the output has left or linger_ms have passed. No callbacks but
 * closed (may be NULL), when the descriptor is closed: perhaps from this call.
 */
void	 stream_free_drained(struct stream **, uint64_t linger_ms,
	    void (*closed)(void *), void *arg);

/*
 * For servers: from now on STREAM_EOF ends the input alone. A peer that has
 * said all may still read, so what is written leaves as before.
 */
void	 stream_answer_after_eof(struct stream *);

/* Unread bytes, contiguous, valid until the next call on this stream. */
const uint8_t *stream_peek(struct stream *, size_t *len);
void	 stream_consume(struct stream *, size_t n);

void	 stream_write(struct stream *, const void *, size_t);
/*
 * The output itself, to append up to n bytes to without a copy; NULL once the
 * stream has ended. Borrowed until the next call on this stream. What does not
 * fit is for the caller to notice.
 */
struct buf *stream_out(struct stream *, size_t n);
size_t	 stream_unsent(const struct stream *);
/* No readable calls while held; the kernel's buffer then holds the peer. */
void	 stream_hold(struct stream *, bool held);

/*
 * Starts TLS on ssl (taken over) as server or client, after the output has
 * left. Unread input must be empty (RFC 3207 4.2, and see CVE-2011-0411): a
 * server calls stream_peek() first and refuses otherwise. up or ended follows.
 */
void	 stream_start_tls(struct stream *, struct ssl_st *ssl, bool server);
/* The session under TLS, else NULL; borrowed. */
struct ssl_st *stream_ssl(const struct stream *);

#endif
