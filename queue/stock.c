#include "lib/prelude.h"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <fcntl.h>
#include <pthread.h>

#include "lib/log.h"
#include "lib/xalloc.h"
#include "queue/fail.h"
#include "queue/segment.h"
#include "queue/stock.h"
#include "queue/tasks.h"

#define FREE_MAX	2	/* emptied segments kept for use, besides next */
#define FULL_WAIT_SEC	2

struct stock {
	char	*dir;
	uint64_t segment_bytes;
	struct readers *readers;
	pthread_t maker;

	pthread_mutex_t lock;	/* of what follows */
	pthread_cond_t made, wanted;
	int	 next_fd;	/* -1: being made */
	uint64_t *v;		/* generations on disk, rising */
	size_t	 n;
	uint64_t release;	/* those below hold nothing needed */
	bool	 full;		/* the disk is, and there is no next one */
	bool	 told;		/* ... which the log tells until it is not */
	bool	 waited_for;	/* by the writer */
	bool	 last_call;	/* nobody waits for room any more */
	bool	 given_up;	/* ... and there is none */
	bool	 ends;
	stock_full *on_full;
	void	*arg;
};

/* Takes the oldest segment off the list if it is no longer needed; else 0. */
static uint64_t
take_released(struct stock *s)
{
	uint64_t g = 0;

	if (s->n > 0 && s->v[0] < s->release) {
		g = s->v[0];
		s->n--;
		memmove(s->v, s->v + 1, s->n * sizeof(*s->v));
	}
	return g;
}

static size_t
count_released(const struct stock *s)
{
	size_t n = 0;

	while (n < s->n && s->v[n] < s->release)
		n++;
	return n;
}

/* Opens "next" at full size; -1 when the disk is full. */
static int
fill_next(const struct stock *s, const char *next)
{
	struct statvfs v;
	struct stat st;
	int fd;

	/* Zeros up to the last byte would take that from the index. */
	if (access(next, F_OK) == -1 && statvfs(s->dir, &v) == 0 &&
	    (uint64_t)v.f_bavail * v.f_frsize < s->segment_bytes +
	    STOCK_LEAVE_BYTES)
		return -1;
	fd = open(next, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd == -1 || fstat(fd, &st) == -1)
		fail_stop("cannot make a journal segment");
	if ((uint64_t)st.st_size == s->segment_bytes ||
	    (ftruncate(fd, 0) == 0 && segment_fill(fd, s->segment_bytes) == 0))
		return fd;
	if (errno != ENOSPC && errno != EDQUOT)
		fail_stop("cannot fill a journal segment");
	if (unlink(next) == -1)
		fail_stop("cannot remove a journal segment");
	close(fd);
	return -1;
}

/* From an old segment or, 0, afresh; -1 when the disk is full. */
static int
make_next(struct stock *s, uint64_t old)
{
	char *next = xasprintf("%s/" STOCK_NEXT_NAME, s->dir);
	char *path = old == 0 ? NULL : segment_path(s->dir, old);
	int fd;

	if (old != 0) {
		readers_forget(s->readers, old);
		if (rename(path, next) == -1)
			fail_stop("cannot rename a journal segment");
	}
	fd = fill_next(s, next);
	free(path);
	free(next);
	return fd;
}

/*
 * A full disk is waited out. In the segment that is written there is room for a
 * while, which is kept for what was begun (journal_room()), and what leaves
 * meanwhile frees others. Called and left with the lock.
 */
static void
wait_for_room(struct stock *s)
{
	bool last = s->last_call && s->waited_for, more;
	struct timespec until;

	pthread_mutex_unlock(&s->lock);
	more = s->on_full(last, s->arg);
	pthread_mutex_lock(&s->lock);
	if (more)
		return;
	if (!s->told)
		log_warnx("journal: no room for a further segment of %llu "
		    "bytes; please make room",
		    (unsigned long long)s->segment_bytes);
	s->full = s->told = true;
	s->given_up = last;
	if (last)
		pthread_cond_broadcast(&s->made);	/* it never will be */
	else if (s->last_call && s->waited_for)
		return;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += FULL_WAIT_SEC;
	pthread_cond_timedwait(&s->wanted, &s->lock, &until);
}

/* From an old one: the disk may be as full as ever. */
static void
made_next(struct stock *s, int fd, bool from_old)
{
	if (fd == -1) {
		wait_for_room(s);
		return;
	}
	if (s->told && !from_old) {
		log_warnx("journal: there is room again");
		s->told = false;
	}
	s->full = false;
	s->next_fd = fd;
	pthread_cond_signal(&s->made);
}

static void
drop_segment(struct stock *s, uint64_t generation)
{
	char *path = segment_path(s->dir, generation);

	readers_forget(s->readers, generation);
	if (unlink(path) == -1)
		log_warn("cannot remove %s", path);
	free(path);
}

static void *
run(void *arg)
{
	struct stock *s = arg;
	uint64_t old;
	bool make;
	int fd = -1;

	pthread_mutex_lock(&s->lock);
	while (!s->ends) {
		old = s->next_fd == -1 || count_released(s) > FREE_MAX ?
		    take_released(s) : 0;
		if (s->next_fd != -1 && old == 0) {
			pthread_cond_wait(&s->wanted, &s->lock);
			continue;
		}
		make = s->next_fd == -1;
		pthread_mutex_unlock(&s->lock);
		/* The writer may take what is ready while one is dropped. */
		if (make)
			fd = make_next(s, old);
		else
			drop_segment(s, old);
		pthread_mutex_lock(&s->lock);
		if (make)
			made_next(s, fd, old != 0);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

int
stock_next(struct stock *s)
{
	int fd;

	pthread_mutex_lock(&s->lock);
	s->waited_for = true;
	if (s->next_fd == -1)
		pthread_cond_signal(&s->wanted);
	while (s->next_fd == -1 && !s->given_up)
		pthread_cond_wait(&s->made, &s->lock);
	s->waited_for = false;
	fd = s->next_fd;
	pthread_mutex_unlock(&s->lock);
	return fd;
}

bool
stock_is_full(struct stock *s)
{
	bool full;

	pthread_mutex_lock(&s->lock);
	full = s->full;
	pthread_mutex_unlock(&s->lock);
	return full;
}

void
stock_last_call(struct stock *s)
{
	pthread_mutex_lock(&s->lock);
	s->last_call = true;
	pthread_cond_signal(&s->wanted);
	pthread_mutex_unlock(&s->lock);
}

void
stock_begun(struct stock *s, uint64_t generation)
{
	pthread_mutex_lock(&s->lock);
	s->next_fd = -1;
	s->v = xreallocarray(s->v, s->n + 1, sizeof(*s->v));
	s->v[s->n++] = generation;
	pthread_cond_signal(&s->wanted);
	pthread_mutex_unlock(&s->lock);
}

void
stock_release(struct stock *s, uint64_t generation)
{
	pthread_mutex_lock(&s->lock);
	s->release = generation;
	pthread_cond_signal(&s->wanted);
	pthread_mutex_unlock(&s->lock);
}

struct stock *
stock_new(const char *dir, uint64_t segment_bytes, struct readers *readers,
    uint64_t release, stock_full *on_full, void *arg)
{
	struct stock *s = xcalloc(1, sizeof(*s));
	pthread_condattr_t monotonic;

	if (segment_list(dir, &s->v, &s->n) == -1) {
		free(s);
		return NULL;
	}
	s->dir = xstrdup(dir);
	s->segment_bytes = segment_bytes;
	s->readers = readers;
	s->release = release;
	s->on_full = on_full;
	s->arg = arg;
	s->next_fd = -1;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->made, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&s->wanted, &monotonic);
	pthread_condattr_destroy(&monotonic);
	s->maker = task_thread(run, s);
	return s;
}

void
stock_end(struct stock *s)
{
	pthread_mutex_lock(&s->lock);
	s->ends = true;
	pthread_cond_signal(&s->wanted);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->maker, NULL);
}

void
stock_free(struct stock **sp)
{
	struct stock *s = *sp;

	*sp = NULL;
	if (s->next_fd != -1)
		close(s->next_fd);
	free(s->v);
	free(s->dir);
	free(s);
}
