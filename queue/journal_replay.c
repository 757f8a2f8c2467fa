/* What the journal's segments hold, read at start. */
#include "lib/prelude.h"

#include <sys/stat.h>
#include <fcntl.h>

#include "lib/log.h"
#include "lib/xalloc.h"
#include "queue/journal.h"
#include "queue/segment.h"

struct replay {
	const struct journal_conf *conf;
	struct journal_found *found;
	journal_batch *batch;
	journal_record *cb;
	void	*arg;
	int	 fd;
	uint64_t bytes;		/* of its file, whatever the setting is now */
	uint64_t last, last_len; /* its newest batch; 0: none was read */
	struct segment_header header;
};

static void
replay_records(struct replay *r, const uint8_t *p, size_t n, uint64_t offset,
    uint32_t records)
{
	struct journal_place place = { r->header.generation, offset };
	struct record rec;
	size_t at = SEGMENT_BATCH_HEADER, len;

	for (; records > 0; records--, at += len) {
		len = record_get(p + at, n - at, &rec);
		if (len == 0) {
			log_warnx("journal segment=%016llx offset=%zu: a record "
			    "cannot be read, though its batch is whole; "
			    "%u records are skipped",
			    (unsigned long long)r->header.generation,
			    (size_t)offset + at, records);
			r->found->damaged++;
			return;
		}
		place.offset = offset + at;
		r->found->records++;
		r->cb(&rec, &place, r->arg);
	}
}

/*
 * The batch at offset: its blocks' length, 0 for none, -1 for errno: EIO when
 * the disk does not read it.
 */
static int64_t
replay_batch(struct replay *r, uint64_t offset)
{
	uint32_t records;
	uint8_t *p;
	int64_t n;

	if (offset >= r->bytes)
		return 0;
	n = segment_read_batch(r->fd, &r->header, offset, r->bytes, &p,
	    &records);
	if (n <= 0)
		return n;
	r->batch(&(struct journal_place){ r->header.generation, offset },
	    r->arg);
	replay_records(r, p, (size_t)n, offset, records);
	free(p);
	r->found->batches++;
	r->last = offset;
	r->last_len = segment_blocks((size_t)n);
	return (int64_t)r->last_len;
}

/*
 * To the next offset where a batch can be read; the end when there is none. -1
 * with errno: what was not seen may be sound, and must not pass for damage.
 */
static int
find_batch(struct replay *r, uint64_t *offset)
{
	uint32_t records;
	uint8_t *p;
	int64_t n;

	for (; *offset < r->bytes; *offset += SEGMENT_BLOCK) {
		n = segment_read_batch(r->fd, &r->header, *offset, r->bytes,
		    &p, &records);
		if (n == -1 && errno != EIO)
			return -1;
		if (n > 0) {
			free(p);
			break;
		}
	}
	return 0;
}

static void
damage(struct replay *r, uint64_t from, uint64_t to)
{
	log_warnx("journal segment=%016llx damaged from=%llu to=%llu: what was "
	    "accepted there is lost unless the index has it; the disk or its "
	    "file system is at fault",
	    (unsigned long long)r->header.generation,
	    (unsigned long long)from, (unsigned long long)to);
	r->found->damaged++;
}

/*
 * Batches from offset to the end. known_end, when not 0, is where the next
 * segment says that this one ended.
 */
static int
replay_segment(struct replay *r, uint64_t offset, uint64_t known_end)
{
	uint64_t next;
	int64_t n;

	for (;;) {
		while ((n = replay_batch(r, offset)) > 0)
			offset += (uint64_t)n;
		if (n == -1 && errno != EIO)
			return -1;
		next = offset + SEGMENT_BLOCK;
		if (find_batch(r, &next) == -1)
			return -1;
		if (next >= r->bytes && n == 0)
			break;
		damage(r, offset, next);
		offset = next;
	}
	if (offset < known_end) {
		damage(r, offset, known_end);
		offset = known_end;
	}
	r->found->end.generation = r->header.generation;
	r->found->end.offset = offset;
	return 0;
}

/*
 * Opens the segment and reads its header. 1: sound, 0: none, the file is open
 * all the same, -1: errno.
 */
static int
open_segment(struct replay *r, uint64_t generation)
{
	char *path = segment_path(r->conf->dir, generation);
	struct stat st;
	int got = -1;

	r->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	free(path);
	if (r->fd == -1)
		return -1;
	if (fstat(r->fd, &st) == 0) {
		r->bytes = (uint64_t)st.st_size;
		got = segment_read_header(r->fd, generation, r->bytes,
		    &r->header);
		if (got == -1 && errno == EIO)
			got = 0;
	}
	if (got == -1)
		close(r->fd);
	return got;
}

/* What the next segment's header says of this one. */
static uint64_t
known_end(const struct replay *r, size_t i)
{
	struct replay next = *r;
	int got;

	if (i + 1 == r->found->n)
		return 0;
	got = open_segment(&next, r->found->generations[i + 1]);
	if (got != -1)
		close(next.fd);
	return got == 1 ? next.header.before_end : 0;
}

/* No header can be read. Of a segment never written to nothing is lost. */
static void
headless(struct replay *r, uint64_t generation)
{
	if (!segment_was_used(r->fd, generation, r->bytes)) {
		log_debug("journal", "segment=%016llx was never used",
		    (unsigned long long)generation);
		return;
	}
	r->header.generation = generation;
	damage(r, 0, r->bytes);
}

static int
replay_one(struct replay *r, size_t i, struct journal_place from)
{
	uint64_t g = r->found->generations[i], end = known_end(r, i);
	int got = open_segment(r, g);

	if (got == -1)
		return -1;
	r->last = 0;
	if (got == 0)
		headless(r, g);
	else
		got = replay_segment(r, g == from.generation &&
		    from.offset > SEGMENT_BEGIN ? from.offset : SEGMENT_BEGIN,
		    end);
	close(r->fd);
	return got;
}

/*
 * The sync of the newest batch may have failed, or never been tried. What we
 * have read of it then comes from the kernel's memory, which it takes for
 * clean, and is not on the disk. Nobody was told of this batch; but the index
 * will rely on it now, so it is written once more, with the headers it needs.
 */
static int
secure_end(const struct replay *r)
{
	char *path;
	int fd, done;

	if (r->found->n == 0 || r->last == 0)
		return 0;
	path = segment_path(r->conf->dir,
	    r->found->generations[r->found->n - 1]);
	fd = open(path, O_RDWR | O_CLOEXEC);
	free(path);
	if (fd == -1)
		return -1;
	done = segment_write_header(fd, &r->header);
	if (done == 0)
		done = segment_write_again(fd, r->last,
		    r->last + r->last_len < r->bytes ? r->last_len :
		    r->bytes - r->last);
	close(fd);
	return done;
}

static void
missing(struct replay *r, uint64_t first, uint64_t last)
{
	log_warnx("journal segments=%016llx to %016llx are missing: what was "
	    "accepted there is lost unless the index has it; were files "
	    "removed from %s?", (unsigned long long)first,
	    (unsigned long long)last, r->conf->dir);
	r->found->damaged++;
}

/* From where the index ends each follows the one before. */
static void
look_for_gaps(struct replay *r, struct journal_place from)
{
	const struct journal_found *f = r->found;
	uint64_t wanted = from.generation;
	size_t i;

	for (i = 0; i < f->n; i++) {
		if (f->generations[i] < wanted)
			continue;
		if (wanted != 0 && f->generations[i] > wanted)
			missing(r, wanted, f->generations[i] - 1);
		wanted = f->generations[i] + 1;
	}
	/* Offset 0: it was about to be made. */
	if (from.offset != 0 && wanted == from.generation)
		missing(r, wanted, wanted);
}

bool
journal_is_past(const struct journal_conf *conf, struct journal_place place)
{
	uint64_t *v;
	size_t n, i;
	bool past, there = false;

	if (place.generation == 0 || segment_list(conf->dir, &v, &n) == -1)
		return false;
	past = n > 0 && v[n - 1] > place.generation;
	for (i = 0; i < n; i++)
		there |= v[i] == place.generation;
	free(v);
	return past && !there;
}

int
journal_replay(const struct journal_conf *conf, struct journal_place from,
    journal_batch *batch, journal_record *cb, void *arg,
    struct journal_found *found, const char **errstr)
{
	struct replay r = { .conf = conf, .found = found, .batch = batch,
	    .cb = cb, .arg = arg };
	size_t i;

	memset(found, 0, sizeof(*found));
	*errstr = "the journal's segments cannot be read";
	if (segment_list(conf->dir, &found->generations, &found->n) == -1)
		return -1;
	look_for_gaps(&r, from);
	for (i = 0; i < found->n; i++)
		if (found->generations[i] >= from.generation &&
		    replay_one(&r, i, from) == -1) {
			if (errno == ENOTSUP)
				*errstr = "the journal was written by another "
				    "version of Postern; let that version "
				    "deliver what is queued, then empty "
				    "state-dir/queue";
			return -1;
		}
	*errstr = "the journal's end cannot be written";
	return secure_end(&r);
}
