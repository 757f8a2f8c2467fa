/*
 * tasks: work for threads whose result comes back to the loop. A task is
 * embedded in its owner; a crew's thread runs work(), then the loop runs
 * done(). A crew of one thread keeps the order in which tasks were given.
 */
#ifndef QUEUE_TASKS_H
#define QUEUE_TASKS_H

#include <sys/queue.h>
#include <pthread.h>

struct task {
	STAILQ_ENTRY(task) link;
	void	(*work)(struct task *);	/* in a thread */
	void	(*done)(struct task *);	/* in the loop; may free the task */
};

STAILQ_HEAD(task_list, task);

struct task_home;
struct task_crew;

struct task_home *task_home_new(void);
/* What has not come home is dropped without done(). */
void	 task_home_free(struct task_home **);
/* Runs done() for what has come home, now. */
void	 task_home_drain(struct task_home *);
/* Runs done() from the loop; all of a list in one wake-up. Any thread. */
void	 task_home_post(struct task_home *, struct task_list *);

struct task_crew *task_crew_new(struct task_home *, unsigned int threads);
/* Any thread. */
void	 task_crew_give(struct task_crew *, struct task *);
/* Works off what was given, then ends the threads; blocks. */
void	 task_crew_end(struct task_crew **);

/* A thread that leaves signals to the loop; ends the process if it cannot. */
pthread_t task_thread(void *(*)(void *), void *arg);


#endif
