/*
 * talk: a connection to posternd, blocking. Several requests may be under way;
 * answers are read as they come, and owned to (M_CTL_READ), so that a long one
 * streams at the pace of whoever reads it.
 */
#ifndef POSTERNCTL_TALK_H
#define POSTERNCTL_TALK_H

#include "lib/ipc.h"
#include "lib/ipc_msgs.h"

struct talk {
	int	 sock;
	uint64_t reading;	/* the request whose answer came last */
	size_t	 unread;	/* bytes of it not owned to yet */
};

struct talk_request {
	uint64_t id;
	const char *words;	/* of the verb, "queue list" */
	char *const *args;
	size_t	 nargs;
	const void *secret;	/* wiped from our buffers; may be NULL */
	size_t	 secret_len;
	int	 fd;		/* goes along, or -1 */
};

/* An M_CTL_ROW or M_CTL_TEXT of request id; -1 when it is malformed. */
typedef int talk_part(uint64_t id, struct ipc_in *, void *arg);

/* All return an exit code, and have complained unless that is CTL_OK. */
int	 talk_dial(struct talk *, const char *path);
int	 talk_ask(struct talk *, const struct talk_request *);
/*
 * Reads until some request's answer ends: its id, its exit code (returned) and
 * its sentence, borrowed until the next call; that one is not complained of.
 */
int	 talk_answer(struct talk *, talk_part *, void *arg, uint64_t *id,
	    const char **text);

/*
 * "posternctl: ..." to standard error; returns code. For programs, once
 * complain_in_json() was called, as {"error": text, "exit_status": code}; without
 * the latter where code is 0, as more is to come.
 */
void	 complain_in_json(void);
int	 complain(int code, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));

#endif
