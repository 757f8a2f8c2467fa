/*
 * worker: the threads. Work that takes milliseconds or waits for the disk is a
 * job: run() in a thread, then done() in the main loop. A job stays in its
 * lane, so that what it owns (a SASL connection) is only ever touched by one
 * thread. Jobs of a lane run in order. Threads never see loop or channels.
 *
 * Long work (thousands of hash rounds, as PLAIN wants of a password, or a walk
 * through all accounts) has lanes of its own: short work never waits for it.
 */
#ifndef AUTH_WORKER_H
#define AUTH_WORKER_H

#include <sys/queue.h>
#include <stdbool.h>
#include <stddef.h>

struct job {
	STAILQ_ENTRY(job) link;
	void	(*run)(struct job *);
	void	(*done)(struct job *);
	unsigned int lane;
};

enum work { WORK_SHORT, WORK_LONG };

/*
 * n threads, at least one, for long work, beside those for short; from the main
 * thread, once.
 */
void	 worker_start(unsigned int n);
/* How many there are in all. */
unsigned int worker_lanes(void);
/* Waits for what is running; jobs that did not begin get neither call. */
void	 worker_stop(void);
/*
 * The lane for such work with the least to do. Where there are several the first
 * is kept for whom we know: strangers who guess fill only the others.
 */
unsigned int worker_lane(enum work, bool known);
/* The job stays the caller's and must live until done(). */
void	 worker_submit(struct job *);

#endif
