/* What a stream waits for, and what it tells its owner: nothing is done here. */
#include "lib/prelude.h"

#include "lib/stream_private.h"

#define OUT_MARK	(64 * 1024)	/* unsent above: no more input */

/* --- what is waited for --------------------------------------------------- */

size_t
stream_unread(const struct stream *st)
{
	return st->in.len - st->in_off;
}

size_t
stream_unwritten(const struct stream *st)
{
	return st->out.len - st->out_off;
}

size_t
stream_unsent(const struct stream *st)
{
	return stream_unwritten(st) + wire_unsent(&st->wire);
}

bool
stream_may_read(const struct stream *st)
{
	if (st->connecting || st->ended || st->tls_pending || st->eof ||
	    st->job == JOB_PARKED || st->early)
		return false;
	if (st->draining || st->handshaking)
		return true;
	return !st->held && stream_unread(st) < st->in_max &&
	    stream_unsent(st) <= OUT_MARK;
}

void
stream_want(struct stream *st)
{
	if (st->fd != -1)
		ev_fd_want(&st->ev, (stream_may_read(st) ? EV_IN : 0) |
		    (st->connecting || st->blocked ? EV_OUT : 0));
}

void
stream_kick(struct stream *st)
{
	if (!ev_timer_armed(&st->kick))
		ev_timer_set(&st->kick, 0);
}

/* --- callbacks: each may free the stream; false: it did ------------------- */

bool
stream_tell(struct stream *st, void (*cb)(struct stream *, void *))
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

void
stream_over(struct stream *st, enum stream_end how, const char *why)
{
	if (st->draining) {
		st->ended = true;
		st->blocked = false;
		stream_kick(st);	/* where it is freed */
		stream_want(st);
		return;
	}
	if (st->ended || (st->eof && how == STREAM_EOF))
		return;
	st->eof = how == STREAM_EOF && st->after_eof && !st->handshaking;
	st->ended = !st->eof;
	st->blocked = st->blocked && !st->ended;
	stream_want(st);
	st->ops->ended(st, how, why, st->arg);
}
