/*
 * A handshake may be a job of OpenSSL's (SSL_MODE_ASYNC), with a stack of its
 * own: it steps aside for what is to come from elsewhere. There are only so
 * many stacks. Who finds none parks; whoever no longer needs one wakes the next,
 * and so does who was woken and did not need it.
 */
#include "lib/prelude.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "lib/stream_private.h"

static TAILQ_HEAD(, stream) parked = TAILQ_HEAD_INITIALIZER(parked);

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
	stream_kick(st);
}

/* A job that is away is called, finds nothing, and ends. */
void
stream_job_leave(struct stream *st)
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

/* It steps aside once at most: after that it needs no stack of its own. */
int
stream_job_shake(struct stream *st)
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

int
stream_job_back_cb(SSL *ssl, void *arg)
{
	struct stream *st = arg;

	st->go_on = true;
	stream_kick(st);
	return 1;
}
