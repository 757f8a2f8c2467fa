#include "lib/prelude.h"

#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>

#include "tests/fault/turns.h"

#define THREADS		32
#define HELD		64
#define PREEMPT		6	/* one in so many calls gives way */
#define LEAVE_OTHERS	5	/* one in so many times others are not done */

enum state { FREE, READY, ON_MUTEX, ON_COND, ON_JOIN, OVER };

static struct turn {
	enum state state;
	const void *on;
	pthread_t id;
	sem_t	 go;
	void	*(*run)(void *);
	void	*arg;
} turns[THREADS];

static struct held {
	const void *mutex;
	int	 by;
} held[HELD];

static bool active;
static uint64_t rng;
static __thread int self;

static struct {
	int	(*join)(pthread_t, void **);
	int	(*lock)(pthread_mutex_t *);
	int	(*unlock)(pthread_mutex_t *);
	int	(*wait)(pthread_cond_t *, pthread_mutex_t *);
	int	(*signal)(pthread_cond_t *);
	int	(*broadcast)(pthread_cond_t *);
} real;

/* Whoever comes first: a library may, before our constructors. */
#define REAL(name, symbol)						\
	(real.name != NULL ? real.name :				\
	(*(void **)&real.name = dlsym(RTLD_NEXT, symbol), real.name))

static uint64_t
throw(uint64_t n)
{
	uint64_t z = rng += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return (z ^ (z >> 31)) % n;
}

/* --- who is next ------------------------------------------------------------------ */

static void
stand(int me)
{
	while (sem_wait(&turns[me].go) == -1)
		;
}

static void
let_go(int k)
{
	if (sem_post(&turns[k].go) == -1)
		abort();
}

static void
go(int k)
{
	if (k == self)
		return;
	let_go(k);
	stand(self);
}

/* One of those that could run, this thread among them if it could; or -1. */
static int
some_ready(int but)
{
	int i, n = 0, k;

	for (i = 0; i < THREADS; i++)
		n += turns[i].state == READY && i != but;
	if (n == 0)
		return -1;
	k = (int)throw((uint64_t)n);
	for (i = 0; turns[i].state != READY || i == but || k-- > 0; i++)
		;
	return i;
}

static void
give_way(void)
{
	int k = some_ready(-1);

	if (k == -1)
		abort();		/* a deadlock */
	go(k);
}

static void
wait_on(enum state state, const void *on)
{
	turns[self].state = state;
	turns[self].on = on;
	give_way();
}

static void
wake(enum state state, const void *on)
{
	int i;

	for (i = 0; i < THREADS; i++)
		if (turns[i].state == state && turns[i].on == on)
			turns[i].state = READY;
}

void
turns_perhaps(void)
{
	if (active && throw(PREEMPT) == 0)
		give_way();
}

void
turns_others(void)
{
	int k;

	while (active && (k = some_ready(self)) != -1 &&
	    throw(LEAVE_OTHERS) != 0)
		go(k);
}

void
turns_all_wait(void)
{
	int k;

	while (active && (k = some_ready(self)) != -1)
		go(k);
}

void
turns_begin(uint64_t seed)
{
	rng = seed;
	memset(turns, 0, sizeof(turns));
	memset(held, 0, sizeof(held));
	self = 0;
	turns[0].state = READY;
	turns[0].id = pthread_self();
	if (sem_init(&turns[0].go, 0, 0) == -1)
		abort();
	active = true;
}

/* --- threads ------------------------------------------------------------------------ */

static void *
run(void *arg)
{
	struct turn *t = arg;
	void *result;
	int k;

	self = (int)(t - turns);
	stand(self);
	result = t->run(t->arg);
	t->state = OVER;
	wake(ON_JOIN, t);
	k = some_ready(-1);
	if (k == -1)
		abort();
	let_go(k);		/* from here on t may be another's */
	return result;
}

int
turns_create(int (*create)(pthread_t *, const pthread_attr_t *,
    void *(*)(void *), void *), pthread_t *id, const pthread_attr_t *attr,
    void *(*work)(void *), void *arg)
{
	struct turn *t = turns;
	int r;

	if (!active)
		return create(id, attr, work, arg);
	while (t < turns + THREADS && t->state != FREE)
		t++;
	if (t == turns + THREADS || sem_init(&t->go, 0, 0) == -1)
		abort();
	t->run = work;
	t->arg = arg;
	r = create(&t->id, attr, run, t);
	if (r != 0)
		return r;
	*id = t->id;
	t->state = READY;
	turns_perhaps();
	return 0;
}

int
pthread_join(pthread_t id, void **result)
{
	struct turn *t = turns;

	if (!active)
		return REAL(join, "pthread_join")(id, result);
	while (t->state == FREE || !pthread_equal(t->id, id))
		t++;
	while (t->state != OVER)
		wait_on(ON_JOIN, t);
	t->state = FREE;
	return REAL(join, "pthread_join")(id, result);
}

/* --- mutexes -------------------------------------------------------------------------- */

static struct held *
holds(const void *mutex)
{
	int i;

	for (i = 0; i < HELD; i++)
		if (held[i].mutex == mutex)
			return &held[i];
	return NULL;
}

static void
take(const void *mutex)
{
	struct held *h;

	while (holds(mutex) != NULL)
		wait_on(ON_MUTEX, mutex);
	h = holds(NULL);
	if (h == NULL)
		abort();
	*h = (struct held){ mutex, self };
}

static void
release(const void *mutex)
{
	struct held *h = holds(mutex);

	if (h == NULL || h->by != self)
		abort();
	h->mutex = NULL;
	wake(ON_MUTEX, mutex);
}

int
pthread_mutex_lock(pthread_mutex_t *m)
{
	if (!active)
		return REAL(lock, "pthread_mutex_lock")(m);
	turns_perhaps();
	take(m);
	return 0;
}

int
pthread_mutex_unlock(pthread_mutex_t *m)
{
	/* One that was taken before turns_begin() is libc's. */
	if (!active || holds(m) == NULL)
		return REAL(unlock, "pthread_mutex_unlock")(m);
	release(m);
	turns_perhaps();
	return 0;
}

/* --- conditions ------------------------------------------------------------------------- */

int
pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
	if (!active)
		return REAL(wait, "pthread_cond_wait")(c, m);
	release(m);
	wait_on(ON_COND, c);
	take(m);
	return 0;
}

int
pthread_cond_signal(pthread_cond_t *c)
{
	int i, n = 0, k;

	if (!active)
		return REAL(signal, "pthread_cond_signal")(c);
	for (i = 0; i < THREADS; i++)
		n += turns[i].state == ON_COND && turns[i].on == c;
	if (n == 0)
		return 0;
	k = (int)throw((uint64_t)n);
	for (i = 0; turns[i].state != ON_COND || turns[i].on != c ||
	    k-- > 0; i++)
		;
	turns[i].state = READY;
	return 0;
}

int
pthread_cond_broadcast(pthread_cond_t *c)
{
	if (!active)
		return REAL(broadcast, "pthread_cond_broadcast")(c);
	wake(ON_COND, c);
	return 0;
}
