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
 * half, two get a third each. The same goes for the memory that what runs takes,
 * here and at the relays. A priority orders what one account has for one
 * hop, and nothing else: nobody gains over others by asking for a high one.
 *
 * A hop has so many jobs running at once, from two upwards with each that
 * reaches it. When one does not, the hop is blocked for a while that grows with
 * each failure, up to ten minutes; what waits for it then comes out as
 * SCHED_BLOCKED without an attempt of its own. After that a single job probes.
 */
#ifndef QUEUE_SCHED_H
#define QUEUE_SCHED_H

#include <sys/queue.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Jobs that run at once, for all hops together. */
#define SCHED_RUNNING_MAX 4000
/* What the messages whose jobs run take in memory, give or take one. */
#define SCHED_BYTES_MAX	(64 * 1024 * 1024)

struct sched;
struct sched_account;
struct sched_hop;
struct sched_lane;

enum sched_state { SCHED_IDLE, SCHED_WAITING, SCHED_RUNNING };

/* Of a message: counts once, however many of its jobs run. */
struct sched_load {
	uint64_t bytes;			/* stays the same while they do */
	uint32_t running;
};

struct sched_job {		/* embedded in its owner, zeroed at birth */
	TAILQ_ENTRY(sched_job) link;
	struct sched_hop *hop;
	struct sched_lane *lane;
	struct sched_account *account;	/* while it runs */
	struct sched_load *load;	/* borrowed, or NULL */
	int8_t	 priority;
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

/* How long to wait between tries. */
struct sched_retry {
	uint64_t first_ms, max_ms;
};

#define SCHED_PRIORITY_MAX 9		/* and -9, as in RFC 6710 */

/* Where a job stands in line. The strings are copied. */
struct sched_place {
	const char *hop, *account;
	uint32_t at_once;		/* jobs of this hop that may run at once */
	struct sched_retry retry;	/* of the hop, when it is not reached */
	/*
	 * The hop shares a budget of so many jobs a minute with all hops of its
	 * route, evenly spaced; 0: none.
	 */
	const char *route;
	uint32_t per_minute;
	struct sched_load *load;	/* borrowed as long as the job lives */
	/* It goes before what this account has of a lower one for the hop. */
	int8_t	 priority;
};

/* Puts an idle job in line. first: ahead of those of its priority. */
void	 sched_add(struct sched *, struct sched_job *,
	    const struct sched_place *, bool first);
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

/* first * 2^(attempts - 1), at most max, give or take a fifth. */
uint64_t sched_backoff_ms(struct sched *, const struct sched_retry *,
	    uint32_t attempts);
/* The longest that sched_backoff_ms() can say. */
uint64_t sched_backoff_longest_ms(const struct sched_retry *);
/*
 * Whether one more try counts: so many before it, by the schedule it is due by
 * now. One that somebody has ordered earlier makes none of the later waits
 * longer. begun_ms (wall): when the first was due.
 */
bool	 sched_counts(const struct sched_retry *, uint32_t attempts,
	    uint64_t begun_ms, uint64_t wall_ms);
/*
 * Whether a message has had its time: its expiry has passed, and it has been
 * tried as often as it would have been in half of that time. A clock set
 * forward by a year, or a machine switched off for a week, bounces nothing. Or
 * it has been tried for twice its time already: the clock was a year ahead when
 * it came.
 */
bool	 sched_expired(const struct sched_retry *, uint32_t attempts,
	    uint64_t arrived_ms, uint64_t expires_ms, uint64_t wall_ms);

#endif
