#include "lib/prelude.h"

#include <pthread.h>
#include <signal.h>

#include "auth/worker.h"
#include "lib/ev.h"
#include "lib/log.h"
#include "lib/xalloc.h"

STAILQ_HEAD(jobs, job);

struct lane {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct jobs todo;	/* under lock */
	bool	 stopping;	/* under lock */
	size_t	 load;		/* main thread's: submitted and not yet done */
};

#define SHORT_LANES	2	/* one for strangers, and both for whom we know */

static struct lane *lanes;	/* the short ones first */
static unsigned int nlanes;
static struct ev_wake wake;
static pthread_mutex_t finished_lock = PTHREAD_MUTEX_INITIALIZER;
static struct jobs finished = STAILQ_HEAD_INITIALIZER(finished);

static struct job *
next_job(struct lane *lane)
{
	struct job *job;

	pthread_mutex_lock(&lane->lock);
	while (STAILQ_EMPTY(&lane->todo) && !lane->stopping)
		pthread_cond_wait(&lane->more, &lane->lock);
	job = lane->stopping ? NULL : STAILQ_FIRST(&lane->todo);
	if (job != NULL)
		STAILQ_REMOVE_HEAD(&lane->todo, link);
	pthread_mutex_unlock(&lane->lock);
	return job;
}

static void *
work(void *arg)
{
	struct lane *lane = arg;
	struct job *job;
	bool first;

	while ((job = next_job(lane)) != NULL) {
		job->run(job);
		pthread_mutex_lock(&finished_lock);
		first = STAILQ_EMPTY(&finished);
		STAILQ_INSERT_TAIL(&finished, job, link);
		pthread_mutex_unlock(&finished_lock);
		if (first)		/* the loop takes all there are */
			ev_wake_up(&wake);
	}
	return NULL;
}

static void
wake_cb(void *arg)
{
	struct jobs all = STAILQ_HEAD_INITIALIZER(all);
	struct job *job;

	pthread_mutex_lock(&finished_lock);
	STAILQ_CONCAT(&all, &finished);
	pthread_mutex_unlock(&finished_lock);
	while ((job = STAILQ_FIRST(&all)) != NULL) {
		STAILQ_REMOVE_HEAD(&all, link);
		lanes[job->lane].load--;
		job->done(job);
	}
}

void
worker_start(unsigned int n)
{
	sigset_t all, old;
	unsigned int i;

	nlanes = SHORT_LANES + (n == 0 ? 1 : n);
	lanes = xcalloc(nlanes, sizeof(*lanes));
	ev_wake_init(&wake, wake_cb, NULL);
	sigfillset(&all);		/* signals are the main thread's */
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (i = 0; i < nlanes; i++) {
		STAILQ_INIT(&lanes[i].todo);
		pthread_mutex_init(&lanes[i].lock, NULL);
		pthread_cond_init(&lanes[i].more, NULL);
		errno = pthread_create(&lanes[i].thread, NULL, work, &lanes[i]);
		if (errno != 0)
			fatal("cannot start a thread");
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void
worker_stop(void)
{
	unsigned int i;

	for (i = 0; i < nlanes; i++) {
		pthread_mutex_lock(&lanes[i].lock);
		lanes[i].stopping = true;
		pthread_cond_signal(&lanes[i].more);
		pthread_mutex_unlock(&lanes[i].lock);
	}
	for (i = 0; i < nlanes; i++) {
		pthread_join(lanes[i].thread, NULL);
		pthread_mutex_destroy(&lanes[i].lock);
		pthread_cond_destroy(&lanes[i].more);
	}
	ev_wake_clear(&wake);
	free(lanes);
	lanes = NULL;
	nlanes = 0;
	STAILQ_INIT(&finished);
}

unsigned int
worker_lanes(void)
{
	return nlanes;
}

unsigned int
worker_lane(enum work work, bool known)
{
	static unsigned int turn;
	unsigned int first = work == WORK_SHORT ? 0 : SHORT_LANES;
	unsigned int i, best, end = work == WORK_SHORT ? SHORT_LANES : nlanes;

	if (!known && end - first > 1)
		first++;
	best = first + turn++ % (end - first);
	/* All idle: they take turns. */
	for (i = first; i < end; i++)
		if (lanes[i].load < lanes[best].load)
			best = i;
	return best;
}

void
worker_submit(struct job *job)
{
	struct lane *lane = &lanes[job->lane];

	lane->load++;
	pthread_mutex_lock(&lane->lock);
	STAILQ_INSERT_TAIL(&lane->todo, job, link);
	pthread_mutex_unlock(&lane->lock);
	/* Behind the lock: who wakes up would find it taken, and sleep again. */
	pthread_cond_signal(&lane->more);
}
