/*
 * fair: whose job goes next at a hop, and how much of all that runs is whose.
 * A part of sched, and pure as that is.
 *
 * What waits for a hop stands in lines, one for each account, and these take
 * turns. Of all that may run at once an account has at most what is still free,
 * so that its mail to ten thousand dead places leaves room for others': alone
 * it gets half, two get a third each. The same goes for the memory that what
 * runs takes, here and at the relays. A priority orders what one account has
 * for one hop, and nothing else: nobody gains over others by asking for a high
 * one.
 */
#ifndef QUEUE_FAIR_H
#define QUEUE_FAIR_H

#include <sys/queue.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/table.h"

#define FAIR_PRIORITY_MAX 9		/* and -9, as in RFC 6710 */

struct fair_account;
struct fair_line;

TAILQ_HEAD(fair_lines, fair_line);	/* of one hop: those with jobs */

/* Of a message: counts once, however many of its jobs run. */
struct fair_load {
	uint64_t bytes;			/* stays the same while they do */
	uint32_t running;
};

struct fair_job {
	TAILQ_ENTRY(fair_job) link;
	struct fair_line *line;
	struct fair_account *account;	/* while it runs */
	struct fair_load *load;		/* borrowed, or NULL */
	int8_t	 priority;
};

struct fair {
	struct table lines, accounts;
	uint32_t running, running_max;
	uint64_t bytes, bytes_max;
};

void	 fair_init(struct fair *, uint32_t running_max, uint64_t bytes_max);
/* All waiting jobs must have been taken out. */
void	 fair_clear(struct fair *);

/* Puts it in its account's line. first: ahead of those of its priority. */
void	 fair_put(struct fair *, struct fair_lines *, const char *account,
	    struct fair_job *, bool first);
/* Takes it out; the account's next turn comes after the others'. */
void	 fair_take(struct fair *, struct fair_lines *, struct fair_job *);

/* Whether nothing more may run, whoever's it is. */
bool	 fair_full(const struct fair *);
/*
 * The first in turn whose account may have one more running, or without
 * shares the first in turn; NULL when there is none.
 */
struct fair_job *fair_next(const struct fair *, const struct fair_lines *,
	    bool shares);
/* This waiting job, soon to be taken out, runs from here on; and no longer. */
void	 fair_enter(struct fair *, struct fair_job *);
void	 fair_leave(struct fair *, struct fair_job *);

#endif
