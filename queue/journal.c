#include "lib/prelude.h"

#include <sys/random.h>
#include <fcntl.h>
#include <pthread.h>

#include "lib/fail.h"
#include "lib/log.h"
#include "lib/xalloc.h"
#include "queue/journal.h"
#include "queue/segment.h"
#include "queue/stock.h"

#define BATCH_MAX	(4 * 1024 * 1024)
/* Of the segment: with more left nobody is asked for room on a full disk. */
#define NEAR_END(bytes)	((bytes) / 4)

struct journal {
	char	*dir;
	int	 dir_fd;	/* kept: there may be no other to be had */
	uint64_t segment_bytes;
	struct readers *readers;
	struct stock *stock;
	const struct journal_ops *ops;
	void	*arg;

	pthread_mutex_t lock;
	pthread_cond_t given;
	struct task_list list;	/* ops for the writer */
	uint64_t pending;	/* what they take, until they are written */
	uint64_t left;		/* in the segment */
	bool	 writer_ends;
	pthread_t writer;

	/* The writer's alone: */
	int	 fd;
	struct segment_header header;
	uint64_t offset;
	uint8_t	*batch;
	size_t	 batch_len, batch_size;
	uint32_t batch_records;
	uint64_t batch_cost;	/* as counted in pending */
};

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

/* --- how much room there is ------------------------------------------------------- */

uint64_t
journal_cost(size_t len)
{
	return segment_blocks(SEGMENT_BATCH_HEADER + len);
}

static void
count_written(struct journal *j)
{
	pthread_mutex_lock(&j->lock);
	j->left = segment_end(j->segment_bytes) - j->offset;
	j->pending -= j->batch_cost;
	pthread_mutex_unlock(&j->lock);
	j->batch_cost = 0;
}

/* What the segment has. */
static uint64_t
left_for_sure(struct journal *j)
{
	uint64_t n;

	pthread_mutex_lock(&j->lock);
	n = j->left > j->pending ? j->left - j->pending : 0;
	pthread_mutex_unlock(&j->lock);
	return n;
}

uint64_t
journal_room(struct journal *j)
{
	uint64_t left = left_for_sure(j);

	/* A want of descriptors has that long to pass. */
	if (stock_is_full(j->stock) || (stock_is_starved(j->stock) &&
	    left <= NEAR_END(j->segment_bytes)))
		return left;
	return UINT64_MAX;
}

/* Of those who might make some. */
static bool
ask_for_room(bool last, void *arg)
{
	struct journal *j = arg;

	return (last || left_for_sure(j) <= NEAR_END(j->segment_bytes)) &&
	    j->ops->full(last, j->arg);
}

/* --- segments --------------------------------------------------------------------- */

/* "next" becomes the segment of this generation, which is written to. */
static void
roll(struct journal *j, uint64_t generation, uint64_t before_end)
{
	char *next = xasprintf("%s/" STOCK_NEXT_NAME, j->dir);
	char *path = segment_path(j->dir, generation);
	int fd = stock_next(j->stock);

	if (fd == -1)
		fail_stop("no room for what was not written down yet, of which "
		    "nobody was told that it is durable");
	j->header.generation = generation;
	j->header.before_end = before_end;
	if (getrandom(&j->header.salt, sizeof(j->header.salt), 0) !=
	    sizeof(j->header.salt) || rename(next, path) == -1 ||
	    segment_write_header(fd, &j->header) == -1 ||
	    segment_write_last(fd, &j->header, j->segment_bytes) == -1)
		fail_stop("cannot begin a journal segment");
	/* A batch without them looks like damage, and is taken for that. */
	if (fdatasync(fd) == -1)
		fail_stop("cannot sync a journal segment's headers");
	if (fsync(j->dir_fd) == -1)
		fail_stop("cannot sync the journal's directory");
	go_direct(fd);
	free(next);
	free(path);
	if (j->fd != -1)
		close(j->fd);
	j->fd = fd;
	j->offset = SEGMENT_BEGIN;
	count_written(j);
	stock_begun(j->stock, generation);
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
			fail_stop("cannot write the journal");
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
			fail_stop("cannot sync the journal");
		j->offset += blocks;
		count_written(j);
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
	size_t i;

	if (!batch_fits(j, op->len)) {
		batch_write(j, ops);
		if (!batch_fits(j, op->len))
			roll(j, j->header.generation + 1, j->offset);
	}
	batch_reserve(j, j->batch_len + op->len);
	memcpy(j->batch + j->batch_len, op->bytes, op->len);
	tell(j, op->at, 0);
	for (i = 0; i < op->nmore; i++)
		tell(j, op->more[i].at, op->more[i].behind);
	j->batch_len += op->len;
	j->batch_cost += journal_cost(op->len);
	j->batch_records += 1 + (uint32_t)op->nmore;
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
		*op->at = (struct journal_place){ j->header.generation,
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
	j->pending += op->barrier ? 0 : journal_cost(op->len);
	pthread_mutex_unlock(&j->lock);
	/* Behind the lock: who wakes up would find it taken, and sleep again. */
	pthread_cond_signal(&j->given);
}

void
journal_release(struct journal *j, uint64_t generation)
{
	stock_release(j->stock, generation);
}

void
journal_keep_spare(struct journal *j, bool keep)
{
	stock_keep_spare(j->stock, keep);
}

int
journal_read(struct journal *j, struct journal_place place, size_t skip,
    uint8_t *p, size_t len)
{
	return readers_read(j->readers, place.generation, place.offset + skip,
	    p, len);
}

void
journal_read_anew(struct journal *j, struct journal_place place, size_t skip,
    size_t len)
{
	readers_read_anew(j->readers, place.generation, place.offset + skip,
	    len);
}

/* --- opening and closing ------------------------------------------------------- */

struct journal *
journal_open(const struct journal_conf *conf, const struct journal_ops *ops,
    void *arg, uint64_t generation, uint64_t before_end, uint64_t release,
    const char **errstr)
{
	struct journal *j = xcalloc(1, sizeof(*j));

	j->dir = xstrdup(conf->dir);
	j->segment_bytes = conf->segment_bytes / SEGMENT_BLOCK * SEGMENT_BLOCK;
	j->ops = ops;
	j->arg = arg;
	j->fd = -1;
	STAILQ_INIT(&j->list);
	pthread_mutex_init(&j->lock, NULL);
	pthread_cond_init(&j->given, NULL);
	j->readers = readers_new(j->dir);
	j->dir_fd = open(j->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (j->dir_fd != -1)
		j->stock = stock_new(j->dir, j->segment_bytes, j->readers,
		    release, ask_for_room, j);
	if (j->stock == NULL) {
		*errstr = "the journal's directory cannot be read";
		return NULL;
	}
	roll(j, generation, before_end);
	j->writer = task_thread(writer_run, j);
	return j;
}

void
journal_end(struct journal *j)
{
	pthread_mutex_lock(&j->lock);
	j->writer_ends = true;
	pthread_cond_signal(&j->given);
	pthread_mutex_unlock(&j->lock);
	stock_last_call(j->stock);
	pthread_join(j->writer, NULL);
	/* Last: the writer may still have needed a segment. */
	stock_end(j->stock);
}

void
journal_free(struct journal **jp)
{
	struct journal *j = *jp;

	*jp = NULL;
	close(j->fd);
	close(j->dir_fd);
	stock_free(&j->stock);
	readers_free(&j->readers);
	free(j->batch);
	free(j->dir);
	free(j);
}
