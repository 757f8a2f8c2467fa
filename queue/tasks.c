#include "lib/prelude.h"

#include <pthread.h>
#include <signal.h>

#include "lib/ev.h"
#include "lib/log.h"
#include "lib/xalloc.h"
#include "queue/tasks.h"

struct task_home {
	pthread_mutex_t lock;
	struct task_list list;
	struct ev_wake wake;
};

struct task_crew {
	struct task_home *home;
	pthread_mutex_t lock;
	pthread_cond_t given;
	struct task_list list;
	bool	 ending;
	unsigned int n;
	pthread_t threads[];
};

pthread_t
task_thread(void *(*run)(void *), void *arg)
{
	pthread_t t;
	sigset_t all, old;

	sigfillset(&all);
	if (pthread_sigmask(SIG_SETMASK, &all, &old) != 0 ||
	    (errno = pthread_create(&t, NULL, run, arg)) != 0)
		fatal("cannot start a thread");
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return t;
}

/* --- home ------------------------------------------------------------------------ */

void
task_home_drain(struct task_home *h)
{
	struct task_list list = STAILQ_HEAD_INITIALIZER(list);
	struct task *t;

	pthread_mutex_lock(&h->lock);
	STAILQ_CONCAT(&list, &h->list);
	pthread_mutex_unlock(&h->lock);
	while ((t = STAILQ_FIRST(&list)) != NULL) {
		STAILQ_REMOVE_HEAD(&list, link);
		t->done(t);
	}
}

static void
home_cb(void *arg)
{
	task_home_drain(arg);
}

struct task_home *
task_home_new(void)
{
	struct task_home *h = xcalloc(1, sizeof(*h));

	pthread_mutex_init(&h->lock, NULL);
	STAILQ_INIT(&h->list);
	ev_wake_init(&h->wake, home_cb, h);
	return h;
}

void
task_home_free(struct task_home **hp)
{
	struct task_home *h = *hp;

	if (h == NULL)
		return;
	*hp = NULL;
	ev_wake_clear(&h->wake);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

void
task_home_post(struct task_home *h, struct task_list *list)
{
	bool ring;

	pthread_mutex_lock(&h->lock);
	ring = STAILQ_EMPTY(&h->list);
	STAILQ_CONCAT(&h->list, list);
	pthread_mutex_unlock(&h->lock);
	if (ring)
		ev_wake_up(&h->wake);
}

/* --- a crew -------------------------------------------------------------------------- */

static void *
crew_run(void *arg)
{
	struct task_crew *c = arg;
	struct task_list home;
	struct task *t;

	pthread_mutex_lock(&c->lock);
	for (;;) {
		while ((t = STAILQ_FIRST(&c->list)) == NULL && !c->ending)
			pthread_cond_wait(&c->given, &c->lock);
		if (t == NULL)
			break;
		STAILQ_REMOVE_HEAD(&c->list, link);
		pthread_mutex_unlock(&c->lock);
		t->work(t);
		STAILQ_INIT(&home);
		STAILQ_INSERT_TAIL(&home, t, link);
		task_home_post(c->home, &home);
		pthread_mutex_lock(&c->lock);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

struct task_crew *
task_crew_new(struct task_home *home, unsigned int n)
{
	struct task_crew *c = xcalloc(1, sizeof(*c) + n * sizeof(pthread_t));

	c->home = home;
	c->n = n;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->given, NULL);
	STAILQ_INIT(&c->list);
	while (n-- > 0)
		c->threads[n] = task_thread(crew_run, c);
	return c;
}

void
task_crew_give(struct task_crew *c, struct task *t)
{
	pthread_mutex_lock(&c->lock);
	STAILQ_INSERT_TAIL(&c->list, t, link);
	pthread_mutex_unlock(&c->lock);
	/* Behind the lock: who wakes up would find it taken, and sleep again. */
	pthread_cond_signal(&c->given);
}

void
task_crew_end(struct task_crew **cp)
{
	struct task_crew *c = *cp;
	unsigned int i;

	if (c == NULL)
		return;
	*cp = NULL;
	pthread_mutex_lock(&c->lock);
	c->ending = true;
	pthread_cond_broadcast(&c->given);
	pthread_mutex_unlock(&c->lock);
	for (i = 0; i < c->n; i++)
		pthread_join(c->threads[i], NULL);
	pthread_cond_destroy(&c->given);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
