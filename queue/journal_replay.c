/* What the journal's segments hold, read at start. */
#include "lib/prelude.h"

#include <sys/stat.h>
#include <dirent.h>
#include <fcntl.h>

#include "lib/log.h"
#include "lib/xalloc.h"
#include "queue/journal_private.h"
#include "queue/segment.h"

char *
journal_path(const char *dir, uint64_t generation)
{
	return xasprintf("%s/%016llx.seg", dir,
	    (unsigned long long)generation);
}

static int
by_generation(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

int
journal_segments(const char *dir, uint64_t **v, size_t *n)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	unsigned long long g;
	int end;

	*v = NULL;
	*n = 0;
	if (d == NULL)
		return -1;
	while ((e = readdir(d)) != NULL) {
		end = 0;
		if (sscanf(e->d_name, "%16llx.seg%n", &g, &end) != 1 ||
		    end != 20 || e->d_name[end] != '\0' || g == 0)
			continue;
		*v = xreallocarray(*v, *n + 1, sizeof(**v));
		(*v)[(*n)++] = g;
	}
	closedir(d);
	if (*n > 0)
		qsort(*v, *n, sizeof(**v), by_generation);
	return 0;
}

struct replay {
	const struct journal_conf *conf;
	struct journal_found *found;
	journal_record *cb;
	void	*arg;
	int	 fd;
	uint64_t bytes;		/* of this file, whatever the setting is now */
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

/* The batch at offset: its blocks' length, 0 for none. */
static int64_t
replay_batch(struct replay *r, uint64_t offset)
{
	uint32_t records;
	uint8_t *p;
	int64_t n;

	n = segment_read_batch(r->fd, &r->header, offset, r->bytes, &p,
	    &records);
	if (n <= 0)
		return n;
	replay_records(r, p, (size_t)n, offset, records);
	free(p);
	r->found->batches++;
	return (int64_t)segment_blocks((size_t)n);
}

/* The next offset where a batch can be read; the end when there is none. */
static uint64_t
find_batch(struct replay *r, uint64_t offset)
{
	uint32_t records;
	uint8_t *p;

	for (; offset < r->bytes; offset += SEGMENT_BLOCK)
		if (segment_read_batch(r->fd, &r->header, offset, r->bytes,
		    &p, &records) > 0) {
			free(p);
			break;
		}
	return offset;
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
	struct stat st;
	uint64_t next;
	int64_t n;

	if (fstat(r->fd, &st) == -1)
		return -1;
	r->bytes = (uint64_t)st.st_size;
	for (;;) {
		while ((n = offset < r->bytes ? replay_batch(r, offset) : 0) > 0)
			offset += (uint64_t)n;
		if (n == -1)
			return -1;
		next = find_batch(r, offset + SEGMENT_BLOCK);
		if (next >= r->bytes)
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

/* 1: open with a header that fits its name; 0: never used; -1: errno. */
static int
open_segment(const char *dir, uint64_t generation, int *fd,
    struct segment_header *h)
{
	char *path = journal_path(dir, generation);
	int r;

	*fd = open(path, O_RDONLY | O_CLOEXEC);
	free(path);
	if (*fd == -1)
		return -1;
	r = segment_read_header(*fd, h);
	if (r == 1 && h->generation != generation)
		r = 0;
	if (r != 1)
		close(*fd);
	return r;
}

static uint64_t
known_end(const struct replay *r, size_t i)
{
	struct segment_header h;
	int fd;

	if (i + 1 == r->found->n || open_segment(r->conf->dir,
	    r->found->generations[i + 1], &fd, &h) != 1)
		return 0;
	close(fd);
	return h.before_end;
}

int
journal_replay(const struct journal_conf *conf, struct journal_place from,
    journal_record *cb, void *arg, struct journal_found *found,
    const char **errstr)
{
	struct replay r = { .conf = conf, .found = found, .cb = cb,
	    .arg = arg };
	uint64_t g;
	size_t i;
	int got;

	memset(found, 0, sizeof(*found));
	*errstr = "the journal's segments cannot be read";
	if (journal_segments(conf->dir, &found->generations, &found->n) == -1)
		return -1;
	for (i = 0; i < found->n; i++) {
		g = found->generations[i];
		if (g < from.generation)
			continue;
		got = open_segment(conf->dir, g, &r.fd, &r.header);
		if (got == -1)
			return -1;
		if (got == 0) {
			log_warnx("journal segment=%016llx has no sound header; "
			    "it is passed over", (unsigned long long)g);
			continue;
		}
		got = replay_segment(&r, g == from.generation &&
		    from.offset > SEGMENT_BLOCK ? from.offset : SEGMENT_BLOCK,
		    known_end(&r, i));
		close(r.fd);
		if (got == -1)
			return -1;
	}
	return 0;
}
