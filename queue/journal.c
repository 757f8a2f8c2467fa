#include "lib/prelude.h"

#include <sys/random.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <pthread.h>

#include "lib/log.h"
#include "lib/xalloc.h"
#include "queue/journal_private.h"
#include "queue/segment.h"

#define BATCH_MAX	(4 * 1024 * 1024)
#define NEXT_NAME	"next"
#define FREE_MAX	2	/* emptied segments kept for use, besides next */
#define OPEN_FOR_READING 4
#define FULL_WAIT_SEC	2

struct reader {
	uint64_t generation;
	int	 fd;
	uint64_t used;		/* turn of the last use */
};

struct journal {
	char	*dir;
	int	 dir_fd;	/* kept: there may be no other to be had */
	uint64_t segment_bytes;
	const struct journal_ops *ops;
	void	*arg;

	pthread_mutex_t lock;
	pthread_cond_t given;
	struct task_list list;	/* ops for the writer */
	bool	 writer_ends, maker_ends;
	pthread_t writer;

	/* The writer's alone: */
	int	 fd;
	struct segment_header header;
	uint64_t offset;
	uint8_t	*batch;
	size_t	 batch_len, batch_size;
	uint32_t batch_records;

	/* The maker's, which keeps one segment ready; under lock: */
	pthread_t maker;
	pthread_cond_t made, wanted;
	int	 next_fd;	/* -1: being made */
	uint64_t *segments;	/* generations on disk, rising */
	size_t	 nsegments;
	uint64_t release;	/* those below hold nothing needed */

	pthread_mutex_t reading;
	struct reader readers[OPEN_FOR_READING];
	uint64_t turn;
};

void
journal_die(const char *what)
{
	log_warn("%s; the queue ends here and recovers from disk", what);
	_exit(1);
}

/* --- making segments ------------------------------------------------------------------ */

static void
forget_readers(struct journal *j, uint64_t generation)
{
	size_t i;

	pthread_mutex_lock(&j->reading);
	for (i = 0; i < OPEN_FOR_READING; i++)
		if (j->readers[i].generation == generation) {
			close(j->readers[i].fd);
			j->readers[i].generation = 0;
		}
	pthread_mutex_unlock(&j->reading);
}

/* Takes the oldest segment off the list if it is no longer needed; else 0. */
static uint64_t
take_released(struct journal *j)
{
	uint64_t g = 0;

	if (j->nsegments > 0 && j->segments[0] < j->release) {
		g = j->segments[0];
		j->nsegments--;
		memmove(j->segments, j->segments + 1,
		    j->nsegments * sizeof(*j->segments));
	}
	return g;
}

static size_t
count_released(const struct journal *j)
{
	size_t n = 0;

	while (n < j->nsegments && j->segments[n] < j->release)
		n++;
	return n;
}

/*
 * Opens "next" at full size. A full disk is waited out: mail that is not yet
 * acknowledged waits with us, and no new transaction begins meanwhile.
 */
static int
fill_next(const struct journal *j, const char *next)
{
	bool told = false;
	struct stat st;
	int fd;

	for (;;) {
		fd = open(next, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (fd == -1 || fstat(fd, &st) == -1)
			journal_die("cannot make a journal segment");
		if ((uint64_t)st.st_size == j->segment_bytes ||
		    (ftruncate(fd, 0) == 0 &&
		    segment_fill(fd, j->segment_bytes) == 0)) {
			if (told)
				log_warnx("journal: there is room again");
			return fd;
		}
		if (errno != ENOSPC && errno != EDQUOT)
			journal_die("cannot fill a journal segment");
		if (!told)
			log_warn("journal: no room for a segment of %llu "
			    "bytes; mail waits until there is, please make "
			    "room", (unsigned long long)j->segment_bytes);
		told = true;
		if (unlink(next) == -1)
			journal_die("cannot remove a journal segment");
		close(fd);
		sleep(FULL_WAIT_SEC);
	}
}

/* From an old segment or, 0, afresh. */
static int
make_next(struct journal *j, uint64_t old)
{
	char *next = xasprintf("%s/" NEXT_NAME, j->dir);
	char *path = old == 0 ? NULL : journal_path(j->dir, old);
	int fd;

	if (old != 0) {
		forget_readers(j, old);
		if (rename(path, next) == -1)
			journal_die("cannot rename a journal segment");
	}
	fd = fill_next(j, next);
	free(path);
	free(next);
	return fd;
}

static void
drop_segment(struct journal *j, uint64_t generation)
{
	char *path = journal_path(j->dir, generation);

	forget_readers(j, generation);
	if (unlink(path) == -1)
		log_warn("cannot remove %s", path);
	free(path);
}

static void *
maker_run(void *arg)
{
	struct journal *j = arg;
	uint64_t old;
	bool make;
	int fd = -1;

	pthread_mutex_lock(&j->lock);
	while (!j->maker_ends) {
		old = j->next_fd == -1 || count_released(j) > FREE_MAX ?
		    take_released(j) : 0;
		if (j->next_fd != -1 && old == 0) {
			pthread_cond_wait(&j->wanted, &j->lock);
			continue;
		}
		make = j->next_fd == -1;
		pthread_mutex_unlock(&j->lock);
		/* The writer may take what is ready while one is dropped. */
		if (make)
			fd = make_next(j, old);
		else
			drop_segment(j, old);
		pthread_mutex_lock(&j->lock);
		if (make) {
			j->next_fd = fd;
			pthread_cond_signal(&j->made);
		}
	}
	pthread_mutex_unlock(&j->lock);
	return NULL;
}

static int
wait_for_next(struct journal *j)
{
	int fd;

	pthread_mutex_lock(&j->lock);
	while (j->next_fd == -1)
		pthread_cond_wait(&j->made, &j->lock);
	fd = j->next_fd;
	pthread_mutex_unlock(&j->lock);
	return fd;
}

/*
 * Past the page cache, where the file system can: batches are whole blocks that
 * nobody reads soon, and their way through the cache costs more than all else
 * about them.
 */
static void
go_direct(int fd)
{
	int fl = fcntl(fd, F_GETFL);

	if (fl == -1 || fcntl(fd, F_SETFL, fl | O_DIRECT) == -1)
		log_debug("journal", "no direct writes: %s",
		    strerrordesc_np(errno));
}

/* "next" becomes the segment of this generation, which is written to. */
static void
roll(struct journal *j, uint64_t generation, uint64_t before_end)
{
	char *next = xasprintf("%s/" NEXT_NAME, j->dir);
	char *path = journal_path(j->dir, generation);
	int fd = wait_for_next(j);

	j->header.generation = generation;
	j->header.before_end = before_end;
	if (getrandom(&j->header.salt, sizeof(j->header.salt), 0) !=
	    sizeof(j->header.salt) || rename(next, path) == -1 ||
	    segment_write_header(fd, &j->header) == -1 ||
	    segment_write_last(fd, &j->header, j->segment_bytes) == -1)
		journal_die("cannot begin a journal segment");
	if (fsync(j->dir_fd) == -1)
		journal_die("cannot sync the journal's directory");
	go_direct(fd);
	free(next);
	free(path);
	if (j->fd != -1)
		close(j->fd);
	j->fd = fd;
	j->offset = SEGMENT_BEGIN;
	pthread_mutex_lock(&j->lock);
	j->next_fd = -1;
	j->segments = xreallocarray(j->segments, j->nsegments + 1,
	    sizeof(*j->segments));
	j->segments[j->nsegments++] = generation;
	pthread_cond_signal(&j->wanted);
	pthread_mutex_unlock(&j->lock);
}

/* --- writing ----------------------------------------------------------------------------- */

static void
batch_reserve(struct journal *j, size_t n)
{
	uint8_t *larger;

	if (n <= j->batch_size)
		return;
	while (j->batch_size < n)
		j->batch_size = j->batch_size == 0 ? 256 * 1024 :
		    j->batch_size * 2;
	/* As O_DIRECT wants it. */
	larger = aligned_alloc(SEGMENT_BLOCK, j->batch_size);
	if (larger == NULL)
		fatalx("out of memory");
	if (j->batch != NULL)
		memcpy(larger, j->batch, j->batch_len);
	free(j->batch);
	j->batch = larger;
}

static void
batch_begin(struct journal *j)
{
	batch_reserve(j, SEGMENT_BATCH_HEADER);
	memset(j->batch, 0, SEGMENT_BATCH_HEADER);
	j->batch_len = SEGMENT_BATCH_HEADER;
	j->batch_records = 0;
}

/* A file system may know of O_DIRECT and mean blocks larger than ours. */
static bool
direct_is_amiss(int fd)
{
	int fl = errno == EINVAL ? fcntl(fd, F_GETFL) : -1;

	if (fl == -1 || (fl & O_DIRECT) == 0)
		return false;
	return fcntl(fd, F_SETFL, fl & ~O_DIRECT) == 0;
}

static void
pwrite_batch(struct journal *j, size_t n)
{
	size_t done = 0;
	ssize_t put;

	while (done < n) {
		put = pwrite(j->fd, j->batch + done, n - done,
		    (off_t)(j->offset + done));
		if (put == -1 && errno != EINTR && !direct_is_amiss(j->fd))
			journal_die("cannot write the journal");
		if (put > 0)
			done += (size_t)put;
	}
}

/* Writes the batch and syncs it; its ops are durable after this. */
static void
batch_write(struct journal *j, struct task_list *ops)
{
	size_t blocks = segment_blocks(j->batch_len);

	if (j->batch_records > 0) {
		batch_reserve(j, blocks);
		memset(j->batch + j->batch_len, 0, blocks - j->batch_len);
		segment_seal(j->batch, j->batch_len, &j->header, j->offset,
		    j->batch_records);
		pwrite_batch(j, blocks);
		if (fdatasync(j->fd) == -1)
			journal_die("cannot sync the journal");
		j->offset += blocks;
	}
	if (!STAILQ_EMPTY(ops))
		j->ops->written(ops, j->arg);
	STAILQ_INIT(ops);
	batch_begin(j);
}

static bool
batch_fits(const struct journal *j, size_t len)
{
	size_t n = j->batch_len + len;
	uint64_t end = segment_end(j->segment_bytes);

	if (segment_blocks(SEGMENT_BATCH_HEADER + len) + SEGMENT_BEGIN > end)
		fatalx("a record of %zu bytes does not fit a journal segment",
		    len);
	return (n <= BATCH_MAX || j->batch_records == 0) &&
	    j->offset + segment_blocks(n) <= end;
}

/* A record begins so far behind what is in the batch. */
static void
tell(const struct journal *j, struct journal_place *at, size_t behind)
{
	if (at != NULL)
		*at = (struct journal_place){ j->header.generation,
		    j->offset + j->batch_len + behind };
}

static void
append(struct journal *j, struct journal_op *op, struct task_list *ops)
{
	if (!batch_fits(j, op->len)) {
		batch_write(j, ops);
		if (!batch_fits(j, op->len))
			roll(j, j->header.generation + 1, j->offset);
	}
	batch_reserve(j, j->batch_len + op->len);
	memcpy(j->batch + j->batch_len, op->bytes, op->len);
	tell(j, op->at[0], 0);
	tell(j, op->at[1], op->second);
	j->batch_len += op->len;
	j->batch_records += op->second == 0 ? 1 : 2;
	free(op->bytes);
	op->bytes = NULL;
	STAILQ_INSERT_TAIL(ops, &op->task, link);
}

static void
work_off(struct journal *j, struct task_list *list)
{
	struct task_list ops = STAILQ_HEAD_INITIALIZER(ops);
	struct journal_op *op;

	batch_begin(j);
	while ((op = (struct journal_op *)STAILQ_FIRST(list)) != NULL) {
		STAILQ_REMOVE_HEAD(list, link);
		if (!op->barrier) {
			append(j, op, &ops);
			continue;
		}
		batch_write(j, &ops);
		*op->at[0] = (struct journal_place){ j->header.generation,
		    j->offset };
		STAILQ_INSERT_TAIL(&ops, &op->task, link);
		batch_write(j, &ops);
	}
	batch_write(j, &ops);
}

static void *
writer_run(void *arg)
{
	struct journal *j = arg;
	struct task_list list = STAILQ_HEAD_INITIALIZER(list);

	pthread_mutex_lock(&j->lock);
	for (;;) {
		while (STAILQ_EMPTY(&j->list) && !j->writer_ends)
			pthread_cond_wait(&j->given, &j->lock);
		if (STAILQ_EMPTY(&j->list))
			break;
		STAILQ_CONCAT(&list, &j->list);
		pthread_mutex_unlock(&j->lock);
		work_off(j, &list);
		pthread_mutex_lock(&j->lock);
	}
	pthread_mutex_unlock(&j->lock);
	return NULL;
}

void
journal_add(struct journal *j, struct journal_op *op)
{
	pthread_mutex_lock(&j->lock);
	STAILQ_INSERT_TAIL(&j->list, &op->task, link);
	pthread_mutex_unlock(&j->lock);
	/* Behind the lock: who wakes up would find it taken, and sleep again. */
	pthread_cond_signal(&j->given);
}

void
journal_release(struct journal *j, uint64_t generation)
{
	pthread_mutex_lock(&j->lock);
	j->release = generation;
	pthread_cond_signal(&j->wanted);
	pthread_mutex_unlock(&j->lock);
}

/* --- reading -------------------------------------------------------------------------------- */

static struct reader *
reader_for(struct journal *j, uint64_t generation)
{
	struct reader *r = &j->readers[0];
	char *path;
	size_t i;

	for (i = 0; i < OPEN_FOR_READING; i++) {
		if (j->readers[i].generation == generation)
			return &j->readers[i];
		if (j->readers[i].used < r->used)
			r = &j->readers[i];
	}
	if (r->generation != 0)
		close(r->fd);
	r->generation = 0;
	path = journal_path(j->dir, generation);
	r->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	free(path);
	if (r->fd == -1)
		return NULL;
	r->generation = generation;
	return r;
}

int
journal_read(struct journal *j, struct journal_place place, size_t skip,
    uint8_t *p, size_t len)
{
	struct reader *r;
	ssize_t n = -1;

	pthread_mutex_lock(&j->reading);
	r = reader_for(j, place.generation);
	if (r != NULL) {
		r->used = ++j->turn;
		n = pread(r->fd, p, len, (off_t)(place.offset + skip));
	}
	pthread_mutex_unlock(&j->reading);
	if (n >= 0 && (size_t)n != len)
		errno = EIO;
	return n == (ssize_t)len ? 0 : -1;
}

/* --- opening and closing --------------------------------------------------------------------- */

static void
journal_init(struct journal *j, const struct journal_conf *conf)
{
	j->dir = xstrdup(conf->dir);
	j->segment_bytes = conf->segment_bytes / SEGMENT_BLOCK * SEGMENT_BLOCK;
	j->fd = j->next_fd = -1;
	STAILQ_INIT(&j->list);
	pthread_mutex_init(&j->lock, NULL);
	pthread_mutex_init(&j->reading, NULL);
	pthread_cond_init(&j->given, NULL);
	pthread_cond_init(&j->made, NULL);
	pthread_cond_init(&j->wanted, NULL);
}

struct journal *
journal_open(const struct journal_conf *conf, const struct journal_ops *ops,
    void *arg, uint64_t generation, uint64_t before_end, const char **errstr)
{
	struct journal *j = xcalloc(1, sizeof(*j));

	journal_init(j, conf);
	j->ops = ops;
	j->arg = arg;
	j->dir_fd = open(j->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (j->dir_fd == -1 ||
	    journal_segments(j->dir, &j->segments, &j->nsegments) == -1) {
		*errstr = "the journal's directory cannot be read";
		return NULL;
	}
	j->maker = task_thread(maker_run, j);
	roll(j, generation, before_end);
	j->writer = task_thread(writer_run, j);
	return j;
}

void
journal_end(struct journal *j)
{
	/* The maker last: the writer may still need a segment. */
	pthread_mutex_lock(&j->lock);
	j->writer_ends = true;
	pthread_cond_signal(&j->given);
	pthread_mutex_unlock(&j->lock);
	pthread_join(j->writer, NULL);
	pthread_mutex_lock(&j->lock);
	j->maker_ends = true;
	pthread_cond_signal(&j->wanted);
	pthread_mutex_unlock(&j->lock);
	pthread_join(j->maker, NULL);
}

void
journal_free(struct journal **jp)
{
	struct journal *j = *jp;
	size_t i;

	*jp = NULL;
	for (i = 0; i < OPEN_FOR_READING; i++)
		if (j->readers[i].generation != 0)
			close(j->readers[i].fd);
	close(j->fd);
	close(j->dir_fd);
	if (j->next_fd != -1)
		close(j->next_fd);
	free(j->batch);
	free(j->segments);
	free(j->dir);
	free(j);
}
