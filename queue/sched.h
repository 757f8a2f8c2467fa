/*
 * sched: which delivery goes next. Pure: no clock (now_ms is monotonic and
 * handed in), no I/O, no log, and its dice are seeded by the caller.
 *
 * A job is some recipients of one message for one next hop. Jobs wait in lines,
 * one per next hop and account: hops take turns, and at a hop the accounts do,
 * so that neither a slow hop nor somebody's newsletter holds up other mail; how
 * much of all that runs an account may have is fair's to say.
 *
 * A hop has so many jobs running at once, from two upwards with each that
 * reaches it. When one does not, the hop is blocked for a while that grows with
 * each failure, up to ten minutes; what waits for it then comes out as
 * SCHED_BLOCKED without an attempt of its own. After that a single job probes.
 */
#ifndef QUEUE_SCHED_H
#define QUEUE_SCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/fair.h"
#include "queue/retry.h"

/* Jobs that run at once, for all hops together. */
#define SCHED_RUNNING_MAX 4000
/* What the messages whose jobs run take in memory, give or take one. */
#define SCHED_BYTES_MAX	(64 * 1024 * 1024)

struct sched;
struct sched_hop;

enum sched_state { SCHED_IDLE, SCHED_WAITING, SCHED_RUNNING };

struct sched_job {		/* embedded in its owner, zeroed at birth */
	struct fair_job fair;	/* first */
	struct sched_hop *hop;
	enum sched_state state;
};

struct sched *sched_new(uint64_t seed);
/*
 * ready(arg) is called whenever sched_next() may have something that it had
 * not; it must not call back.
 */
void	 sched_on_ready(struct sched *, void (*ready)(void *), void *arg);
/* All jobs must have been taken out. */
void	 sched_free(struct sched **);

/* Where a job stands in line. The strings are copied. */
struct sched_place {
	const char *hop, *account;
	uint32_t at_once;		/* jobs of this hop that may run at once */
	struct retry retry;		/* of the hop, when it is not reached */
	/*
	 * The hop shares a budget of so many jobs a minute with all hops of its
	 * route, evenly spaced; 0: none.
	 */
	const char *route;
	uint32_t per_minute;
	struct fair_load *load;		/* borrowed as long as the job lives */
	/* It goes before what this account has of a lower one for the hop. */
	int8_t	 priority;
};

/* Puts an idle job in line. first: ahead of those of its priority. */
void	 sched_add(struct sched *, struct sched_job *,
	    const struct sched_place *, bool first);
/* Asks for each route's budget anew, for what is in line already. */
typedef uint32_t sched_per_minute(const char *route, void *arg);
void	 sched_repace(struct sched *, sched_per_minute *, void *arg);
/* Whether mail waits for the next moment of this route's budget. */
bool	 sched_waits(const struct sched *, const char *route);
/* Takes a waiting job out again; nothing happens to an idle one. */
void	 sched_cancel(struct sched *, struct sched_job *);

enum sched_verdict {
	SCHED_NONE,		/* nothing can go now */
	SCHED_GO,		/* the job is running: sched_done() follows */
	SCHED_BLOCKED		/* its hop is blocked; the job is idle again */
};

/*
 * The next job. When blocked, *until_ms says how long; when there is none, when
 * to ask again if nothing else happens, or 0.
 */
enum sched_verdict sched_next(struct sched *, uint64_t now_ms,
	    struct sched_job **, uint64_t *until_ms);

enum sched_end {
	SCHED_REACHED,		/* the hop answered, whatever it said */
	SCHED_UNREACHED,
	SCHED_LOST,		/* says nothing about the hop: the relay died */
	/* Never sent, given back in the turn that it came: it took no moment
	   of its route's. */
	SCHED_UNSENT
};

/* A running job has ended and is idle. why (copied) explains UNREACHED. */
void	 sched_done(struct sched *, struct sched_job *, enum sched_end,
	    const char *why, uint64_t now_ms);
/* Why the hop of a job just given out as blocked is blocked; borrowed. */
const char *sched_why(const struct sched_job *);

/* Lets blocked hops be tried again now: one, or all for NULL. */
void	 sched_unblock(struct sched *, const char *hop);
/* Forgets hops that have been left alone for long; now and then. */
void	 sched_sweep(struct sched *, uint64_t now_ms);

/* A throw of its dice. */
uint64_t sched_dice(struct sched *);

#endif
