/*
 * lane: the threads that ask one source, as many as its connections. Whoever
 * has to wait for one of them does so in the main thread, in a line for each
 * network. Known clients go before strangers, but each fourth turn is these's;
 * networks go in turn, and none has more than half of the threads (one, where
 * there is one): whoever asks without end, known or not, is in his own way.
 * Threads never see more than the question in their hands. An ask is submitted,
 * and comes back once, in the main loop, by done(); or it is withdrawn before a
 * thread has it.
 */
#ifndef SOURCE_LANE_H
#define SOURCE_LANE_H

#include <sys/queue.h>

#include "lib/ticket.h"
#include "source/backend.h"

struct lanes;
struct line;

struct ask {
	STAILQ_ENTRY(ask) link;
	LIST_ENTRY(ask) of_inside; /* main thread's: a thread has it */
	char	 name[ACCOUNT_MAX + 1];
	char	 password[SOURCE_PASSWORD_MAX + 1];
	struct answer answer;
	/* the main thread's: */
	bool	 known;		/* goes before those who are not */
	uint64_t network;	/* which line it waits in */
	uint64_t begun_ms;	/* when a thread got it; 0: it waits */
	struct lanes *lanes;
	struct line *line;	/* NULL: it does not wait */
	void	(*done)(struct ask *);
	void	*arg;
	/* the thread's, set before: */
	uint64_t deadline_ms;	/* by wait_clock() */
};

/* Once, before the others. */
void	 lanes_begin(void);
/* Copies the settings. Threads begin when they are needed. */
struct lanes *lanes_new(const struct conf_source *, const struct backend *);
/*
 * From now on nothing may be submitted; what is under way comes back as before.
 * Threads end by themselves, and what they have with them.
 */
void	 lanes_free(struct lanes **);
/* The copy. */
const struct conf_source *lanes_conf(const struct lanes *);

struct ask *ask_new(const char *name, const void *password, size_t len);
void	 ask_free(struct ask **);
void	 lanes_submit(struct lanes *, struct ask *);
/* False: a thread has it, or had; done() will be called. */
bool	 lanes_withdraw(struct ask *);

#endif
