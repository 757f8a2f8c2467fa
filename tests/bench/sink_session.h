/*
 * sink_session: one connection of the sink, which takes every message, unless
 * it has another mood, and keeps none. Sessions free themselves; the totals stay.
 */
#ifndef TESTS_BENCH_SINK_SESSION_H
#define TESTS_BENCH_SINK_SESSION_H

#include <stdint.h>

#include "tests/bench/ids.h"

struct ssl_ctx_st;

enum sink_mood {
	SINK_WELL,
	SINK_REFUSES,			/* each message, for now */
	SINK_CLOSES			/* at the end of each message, unheard */
};

struct sink {
	struct ssl_ctx_st *tls;		/* offers STARTTLS; NULL: none */
	struct ids ids;
	uint64_t sessions, deliveries, recipients, bytes;
	uint64_t without_id;		/* messages */
	uint64_t last_us;		/* when the last one came; monotonic */
	enum sink_mood mood;
};

/* Takes over an accepted connection; sink outlives it. */
void	 sink_session_new(struct sink *, int fd);

#endif
