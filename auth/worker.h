/*
 * worker: the threads. Work that takes milliseconds or waits for the disk is a
 * job: run() in a thread, then done() in the main loop. A job stays in its
 * lane, so that what it owns (a SASL connection) is only ever touched by one
 * thread. Jobs of a lane run in order. Threads never see loop or channels.
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

/* n threads, at least one; from the main thread, once. */
void	 worker_start(unsigned int n);
/* Waits for what is running; jobs that did not begin get neither call. */
void	 worker_stop(void);
/*
 * The lane with the least to do. Where there are several the first is kept for
 * whom we know: strangers who guess fill only the others.
 */
unsigned int worker_lane(bool known);
/* The job stays the caller's and must live until done(). */
void	 worker_submit(struct job *);

#endif
