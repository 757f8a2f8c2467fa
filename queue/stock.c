#include "lib/prelude.h"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <fcntl.h>
#include <pthread.h>

#include "lib/fail.h"
#include "lib/log.h"
#include "lib/xalloc.h"
#include "queue/segment.h"
#include "queue/stock.h"
#include "queue/tasks.h"

struct stock {
	char	*dir;
	uint64_t segment_bytes;
	struct readers *readers;
	pthread_t maker;

	pthread_mutex_t lock;	/* of what follows */
	pthread_cond_t made, wanted;
	int	 next_fd;	/* -1: being made */
	bool	 left;		/* "next" is there, and could not be opened */
	uint64_t *v;		/* generations on disk, rising */
	size_t	 n;
	uint64_t release;	/* those below hold nothing needed */
	size_t	 spare;		/* so many of them are kept */
	int	 lacks;		/* errno: why there is no next one; 0 */
	int	 told;		/* ... the errno that the log has told; 0: none */
	bool	 waited_for;	/* by the writer */
	unsigned int looks;	/* for room, meanwhile, in vain */
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

/* To make the next one of, over whose name no other is put, or to drop; or 0. */
static uint64_t
take_old(struct stock *s)
{
	if (s->next_fd == -1 ? s->left : count_released(s) <= s->spare)
		return 0;
	return take_released(s);
}

/* Passes by itself; so it is waited out, as a full disk is. */
static bool
no_descriptor(int error)
{
	return error == EMFILE || error == ENFILE;
}

static bool
no_room(int error)
{
	return error == ENOSPC || error == EDQUOT;
}

/* Opens "next" at full size; -1 with errno: no_room() or no_descriptor(). */
static int
fill_next(const struct stock *s, const char *next)
{
	struct statvfs v;
	struct stat st;
	int fd, error;

	/* Of a start that was killed, or of another setting: worth its room. */
	if (stat(next, &st) == 0 &&
	    (uint64_t)st.st_size != s->segment_bytes && unlink(next) == -1)
		fail_stop("cannot remove a journal segment");
	/* Zeros up to the last byte would take that from the index. */
	if (access(next, F_OK) == -1 && statvfs(s->dir, &v) == 0 &&
	    (uint64_t)v.f_bavail * v.f_frsize < s->segment_bytes +
	    STOCK_LEAVE_BYTES) {
		errno = ENOSPC;
		return -1;
	}
	fd = open(next, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd == -1 && (no_descriptor(errno) || no_room(errno)))
		return -1;
	if (fd == -1 || fstat(fd, &st) == -1)
		fail_stop("cannot make a journal segment");
	if ((uint64_t)st.st_size == s->segment_bytes ||
	    segment_fill(fd, s->segment_bytes) == 0)
		return fd;
	error = errno;
	if (!no_room(error))
		fail_stop("cannot fill a journal segment");
	if (unlink(next) == -1)
		fail_stop("cannot remove a journal segment");
	close(fd);
	errno = error;
	return -1;
}

/* From an old segment or, 0, afresh; -1 as fill_next(). */
static int
make_next(struct stock *s, uint64_t old)
{
	char *next = xasprintf("%s/" STOCK_NEXT_NAME, s->dir);
	char *path = old == 0 ? NULL : segment_path(s->dir, old);
	int fd, error;

	if (old != 0) {
		readers_forget(s->readers, old);
		if (rename(path, next) == -1)
			fail_stop("cannot rename a journal segment");
	}
	fd = fill_next(s, next);
	error = errno;
	free(path);
	free(next);
	errno = error;
	return fd;
}

static void
tell_full(struct stock *s, int error)
{
	if (s->told != 0 && no_descriptor(s->told) == no_descriptor(error))
		return;
	errno = error;
	if (no_descriptor(error))
		log_warn("journal: no further segment for now; it is tried "
		    "again");
	else
		log_warnx("journal: no room for a further segment of %llu "
		    "bytes; please make room",
		    (unsigned long long)s->segment_bytes);
	s->told = error;
}

static unsigned int look_ms = STOCK_LOOK_MS;

void
stock_set_look_ms(unsigned int ms)
{
	__atomic_store_n(&look_ms, ms, __ATOMIC_RELAXED);
}

/* Called and left with the lock. */
static void
wait_a_moment(struct stock *s)
{
	unsigned int ms = __atomic_load_n(&look_ms, __ATOMIC_RELAXED);
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	until.tv_sec += ms / 1000 + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	if (pthread_cond_timedwait(&s->wanted, &s->lock, &until) == ETIMEDOUT &&
	    s->waited_for)
		s->looks++;
}

/*
 * A full disk is waited out. In the segment that is written there is room for a
 * while, which is kept for what was begun (journal_room()), and what leaves
 * meanwhile frees others. Called and left with the lock.
 */
static void
wait_for_room(struct stock *s, int error)
{
	bool last = s->last_call && s->waited_for, more;
	bool stuck = s->waited_for && s->looks >= STOCK_PATIENCE;

	pthread_mutex_unlock(&s->lock);
	more = no_room(error) && s->on_full(last || stuck, s->arg);
	if (more && stuck)
		log_warnx("journal: what is to be written down has waited long "
		    "for room, and gets that of the next start; please make "
		    "room, or that will have to wait for it");
	pthread_mutex_lock(&s->lock);
	if (stuck)
		s->looks = 0;
	if (more)
		return;
	tell_full(s, error);
	s->lacks = error;
	/* A descriptor may be had in a moment. */
	s->given_up = last && (!no_descriptor(error) || s->looks > 0);
	if (s->given_up)
		pthread_cond_broadcast(&s->made);	/* it never will be */
	else if (!last && s->last_call && s->waited_for)
		return;
	wait_a_moment(s);
}

/* From an old one: the disk may be as full as ever. */
static void
made_next(struct stock *s, int fd, int error, bool from_old)
{
	s->left = fd == -1 && from_old && no_descriptor(error);
	if (fd == -1) {
		wait_for_room(s, error);
		return;
	}
	if (no_descriptor(s->told) || (s->told != 0 && !from_old)) {
		log_warnx(no_descriptor(s->told) ?
		    "journal: there is a further segment" :
		    "journal: there is room again");
		s->told = 0;
	}
	s->lacks = 0;
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
	int fd = -1, error = 0;

	pthread_mutex_lock(&s->lock);
	while (!s->ends) {
		old = take_old(s);
		if (s->next_fd != -1 && old == 0) {
			pthread_cond_wait(&s->wanted, &s->lock);
			continue;
		}
		make = s->next_fd == -1;
		pthread_mutex_unlock(&s->lock);
		/* The writer may take what is ready while one is dropped. */
		if (make) {
			fd = make_next(s, old);
			error = errno;
		} else {
			drop_segment(s, old);
		}
		pthread_mutex_lock(&s->lock);
		if (make)
			made_next(s, fd, error, old != 0 || s->left);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

int
stock_next(struct stock *s)
{
	int fd, error;

	pthread_mutex_lock(&s->lock);
	s->waited_for = true;
	s->looks = 0;
	if (s->next_fd == -1)
		pthread_cond_signal(&s->wanted);
	while (s->next_fd == -1 && !s->given_up)
		pthread_cond_wait(&s->made, &s->lock);
	s->waited_for = false;
	fd = s->next_fd;
	error = s->lacks;
	pthread_mutex_unlock(&s->lock);
	errno = error;
	return fd;
}

static int
lacks(struct stock *s)
{
	int error;

	pthread_mutex_lock(&s->lock);
	error = s->lacks;
	pthread_mutex_unlock(&s->lock);
	return error;
}

bool
stock_is_full(struct stock *s)
{
	return no_room(lacks(s));
}

bool
stock_is_starved(struct stock *s)
{
	return no_descriptor(lacks(s));
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

void
stock_keep_spare(struct stock *s, bool keep)
{
	size_t spare = keep ? STOCK_SPARE : 0;

	pthread_mutex_lock(&s->lock);
	if (s->spare != spare)
		pthread_cond_signal(&s->wanted);
	s->spare = spare;
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
	s->spare = STOCK_SPARE;
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
