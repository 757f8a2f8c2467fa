/*
 * backend: how to ask sources of one type. Calls may block, on the network, in
 * a library, over a costly hash: they are made by the threads of lane.c, each
 * with a state of its own, and by nobody else. A backend gives up by itself at
 * the deadline where it can; where it cannot (a library's handshake, DNS), the
 * main thread gives up the answer and only that thread is lost meanwhile.
 */
#ifndef SOURCE_BACKEND_H
#define SOURCE_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/conf.h"
#include "lib/ipc_msgs.h"

#define ANSWER_SENDERS_MAX	64

struct query {
	const char *name;	/* as accounts are called, in lower case */
	const char *password;	/* not empty */
	uint64_t deadline_ms;	/* by wait_clock() */
};

struct answer {
	enum source_said said;
	char	 why[SOURCE_WHY_MAX]; /* "" or the other side's words */
	char	*senders[ANSWER_SENDERS_MAX]; /* owned; addresses */
	size_t	 nsenders;
};

struct backend {
	/* NULL, or what is wrong with these settings. Main thread. */
	const char *(*check)(const struct conf_source *);
	/* A thread's state: opens nothing yet. ca: a file of certificates. */
	void	*(*open)(const struct conf_source *, const char *ca);
	/* Fills a zeroed answer. */
	void	(*ask)(void *, const struct query *, struct answer *);
	void	(*close)(void *);
};

extern const struct backend saslauthd_backend, directory_backend,
    database_backend;

/* By the source's type. */
const struct backend *backend_of(const struct conf_source *);

/*
 * Asks once, and once more where a connection that was kept has failed, as
 * servers close what is idle.
 */
void	 backend_ask(void (*once)(void *, const struct query *,
	    struct answer *), void *state, bool kept, const struct query *,
	    struct answer *);

/* The words are cut to what fits, and to one line. */
void	 answer_set(struct answer *, enum source_said, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));
/* What is no address, or one too many, is left out. */
void	 answer_sender(struct answer *, const char *, size_t);
void	 answer_clear(struct answer *);

#endif
