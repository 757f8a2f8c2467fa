/*
 * sched: which delivery goes next, and when one that did not succeed is due
 * again. Pure: no clock (now_ms is monotonic and handed in), no I/O, no log,
 * and its dice are seeded by the caller.
 *
 * A job is some recipients of one message for one next hop. Jobs wait in lanes,
 * one per next hop and account: hops take turns, and at a hop the accounts do,
 * so that neither a slow hop nor somebody's newsletter holds up other mail. Of
 * all that may run at once an account has at most what is still free, so that
 * its mail to ten thousand dead places leaves room for others': alone it gets
 * half, two get a third each.
 *
 * A hop has so many jobs running at once, from two upwards with each that
 * reaches it. When one does not, the hop is blocked for a while that grows with
 * each failure; what waits for it then comes out as SCHED_BLOCKED without an
 * attempt of its own. After that a single job probes.
 */
#ifndef QUEUE_SCHED_H
#define QUEUE_SCHED_H

#include <sys/queue.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Jobs that run at once, for all hops together. */
#define SCHED_RUNNING_MAX 4000

struct sched;
struct sched_account;
struct sched_hop;
struct sched_lane;

enum sched_state { SCHED_IDLE, SCHED_WAITING, SCHED_RUNNING };

struct sched_job {		/* embedded in its owner, zeroed at birth */
	TAILQ_ENTRY(sched_job) link;
	struct sched_hop *hop;
	struct sched_lane *lane;
	struct sched_account *account;	/* while it runs */
	enum sched_state state;
};

struct sched *sched_new(uint32_t retry_first_sec, uint32_t retry_max_sec,
	    uint64_t seed);
/*
 * ready(arg) is called whenever sched_next() may have something that it had
 * not; it must not call back.
 */
void	 sched_on_ready(struct sched *, void (*ready)(void *), void *arg);
/* All jobs must have been taken out. */
void	 sched_free(struct sched **);
void	 sched_configure(struct sched *, uint32_t retry_first_sec,
	    uint32_t retry_max_sec);

/*
 * Puts an idle job in line. hop and account are copied; at_once is how many
 * jobs of this hop may run at once. first: ahead of its lane.
 */
void	 sched_add(struct sched *, struct sched_job *, const char *hop,
	    uint32_t at_once, const char *account, bool first);
/*
 * The hop of this waiting job shares a budget of so many jobs a minute with all
 * hops of its route, evenly spaced; 0: none.
 */
void	 sched_pace(struct sched *, struct sched_job *, const char *route,
	    uint32_t per_minute);
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
	SCHED_LOST		/* says nothing about the hop: the relay died */
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

/* --- when to try again ------------------------------------------------------- */

/* retry_first * 2^(attempts - 1), at most retry_max, give or take a fifth. */
uint64_t sched_backoff_ms(struct sched *, uint32_t attempts);
/* The longest that sched_backoff_ms() can say. */
uint64_t sched_backoff_longest_ms(const struct sched *);
/*
 * Whether a message has had its time: its expiry has passed, and it has been
 * tried as often as it would have been in half of that time. A clock set
 * forward by a year, or a machine switched off for a week, bounces nothing.
 */
bool	 sched_expired(const struct sched *, uint32_t attempts,
	    uint64_t arrived_ms, uint64_t expires_ms, uint64_t wall_ms);

#endif
