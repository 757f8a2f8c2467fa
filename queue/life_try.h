/*
 * life_try: a round of attempts: a job in line for each next hop, and what
 * comes of it. What was delivered is written down as soon as a job ends.
 */
#ifndef QUEUE_LIFE_TRY_H
#define QUEUE_LIFE_TRY_H

#include "lib/ipc_msgs.h"
#include "queue/live.h"

/* RFC 5321 4.5.3.1.8: more in one transaction need not be taken. */
#define LIFE_JOB_RCPTS	100

/* A round begins now. force: even hops that are blocked are tried. */
void	 life_try(struct live_msg *, bool force);
/* The name of the line, in sched's words the hop, that the job stands in. */
void	 life_hop(const struct live_job *, struct buf *hop);
/* Whether an answer, "451 4.3.0 why", has the status in it. */
bool	 life_answer_has(const char *answer, const char *status);

/* --- from dispatch: a job's words, then its end. The end frees the job. -------- */

/* remote and diag may be "". */
void	 life_result(struct live_job *, uint32_t index, enum outcome,
	    const char *status, const char *diag, const char *remote);
/* Recipients without a word are tried again (LOST) or deferred with why. */
void	 life_over(struct live_job *, enum sched_end, const char *why);
/* sched has just given it out; it goes to the end of its line. */
void	 life_put_back(struct live_job *);
/* Its hop is blocked: everything is deferred. */
void	 life_blocked(struct live_job *, uint64_t until_ms);

#endif
