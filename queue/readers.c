#include "lib/prelude.h"

#include <fcntl.h>
#include <pthread.h>

#include "lib/xalloc.h"
#include "queue/readers.h"
#include "queue/segment.h"

#define OPEN_FOR_READING 4

struct reader {
	uint64_t generation;	/* 0: none */
	int	 fd;
	uint64_t used;		/* turn of the last use */
};

struct readers {
	char	*dir;
	pthread_mutex_t lock;
	struct reader v[OPEN_FOR_READING];
	uint64_t turn;
};

struct readers *
readers_new(const char *dir)
{
	struct readers *r = xcalloc(1, sizeof(*r));

	r->dir = xstrdup(dir);
	pthread_mutex_init(&r->lock, NULL);
	return r;
}

void
readers_free(struct readers **rp)
{
	struct readers *r = *rp;
	size_t i;

	*rp = NULL;
	for (i = 0; i < OPEN_FOR_READING; i++)
		if (r->v[i].generation != 0)
			close(r->v[i].fd);
	free(r->dir);
	free(r);
}

void
readers_forget(struct readers *r, uint64_t generation)
{
	size_t i;

	pthread_mutex_lock(&r->lock);
	for (i = 0; i < OPEN_FOR_READING; i++)
		if (r->v[i].generation == generation) {
			close(r->v[i].fd);
			r->v[i].generation = 0;
		}
	pthread_mutex_unlock(&r->lock);
}

/* Of the segment, in place of the one that was not used for longest. */
static struct reader *
reader_for(struct readers *rs, uint64_t generation)
{
	struct reader *r = &rs->v[0];
	char *path;
	size_t i;

	for (i = 0; i < OPEN_FOR_READING; i++) {
		if (rs->v[i].generation == generation)
			return &rs->v[i];
		if (rs->v[i].used < r->used)
			r = &rs->v[i];
	}
	if (r->generation != 0)
		close(r->fd);
	r->generation = 0;
	path = segment_path(rs->dir, generation);
	r->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	free(path);
	if (r->fd == -1)
		return NULL;
	r->generation = generation;
	return r;
}

int
readers_read(struct readers *rs, uint64_t generation, uint64_t offset,
    uint8_t *p, size_t n)
{
	struct reader *r;
	ssize_t got = -1;

	pthread_mutex_lock(&rs->lock);
	r = reader_for(rs, generation);
	if (r != NULL) {
		r->used = ++rs->turn;
		got = pread(r->fd, p, n, (off_t)offset);
	}
	pthread_mutex_unlock(&rs->lock);
	if (got >= 0 && (size_t)got != n)
		errno = EIO;
	return got == (ssize_t)n ? 0 : -1;
}

void
readers_read_anew(struct readers *rs, uint64_t generation, uint64_t offset,
    size_t n)
{
	struct reader *r;

	pthread_mutex_lock(&rs->lock);
	r = reader_for(rs, generation);
	if (r != NULL)
		posix_fadvise(r->fd, (off_t)offset, (off_t)n,
		    POSIX_FADV_DONTNEED);
	pthread_mutex_unlock(&rs->lock);
}
