#include "lib/prelude.h"

#include <dirent.h>

#include "lib/crc32c.h"
#include "lib/whole.h"
#include "lib/xalloc.h"
#include "queue/record.h"
#include "queue/segment.h"

#define MAGIC		"POSTERN"	/* and the version */
#define FORMAT		'2'
#define HEADER_BYTES	32
#define BATCH_MAGIC	0x48435442u	/* "BTCH" */
#define FILL_BYTES	(1024 * 1024)
#define READ_TRIES	3	/* what is given up here is given up for good */

char *
segment_path(const char *dir, uint64_t generation)
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
segment_list(const char *dir, uint64_t **v, size_t *n)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	unsigned long long g;
	int end;

	*v = NULL;
	*n = 0;
	if (d == NULL)
		return -1;
	/* One that is overlooked would be written over. */
	while (errno = 0, (e = readdir(d)) != NULL) {
		end = 0;
		if (sscanf(e->d_name, "%16llx.seg%n", &g, &end) != 1 ||
		    end != 20 || e->d_name[end] != '\0' || g == 0)
			continue;
		*v = xreallocarray(*v, *n + 1, sizeof(**v));
		(*v)[(*n)++] = g;
	}
	if (errno != 0) {
		free(*v);
		*v = NULL;
		*n = 0;
		closedir(d);
		return -1;
	}
	closedir(d);
	if (*n > 0)
		qsort(*v, *n, sizeof(**v), by_generation);
	return 0;
}

static int
read_all(int fd, uint8_t *p, size_t n, uint64_t offset)
{
	int tries = 1;
	ssize_t got;

	while (n > 0) {
		got = pread(fd, p, n, (off_t)offset);
		if (got == -1 && (errno == EINTR ||
		    (errno == EIO && tries++ < READ_TRIES)))
			continue;
		if (got == -1)
			return -1;
		if (got == 0)
			return 0;
		p += got;
		n -= (size_t)got;
		offset += (uint64_t)got;
	}
	return 1;
}

uint64_t
segment_end(uint64_t segment_bytes)
{
	uint64_t blocks = segment_bytes / SEGMENT_BLOCK;

	return blocks > 2 ? (blocks - 1) * SEGMENT_BLOCK : SEGMENT_BEGIN;
}

static void
put_header(uint8_t p[HEADER_BYTES], const struct segment_header *h)
{
	memcpy(p, MAGIC, 7);
	p[7] = FORMAT;
	put_u64le(p + 8, h->generation);
	put_u64le(p + 16, h->before_end);
	put_u32le(p + 24, h->salt);
	put_u32le(p + 28, crc32c(0, p, 28));
}

int
segment_write_header(int fd, const struct segment_header *h)
{
	uint8_t blocks[SEGMENT_BEGIN] = { 0 };

	put_header(blocks, h);
	put_header(blocks + SEGMENT_BLOCK, h);
	return whole_pwrite(fd, blocks, sizeof(blocks), 0);
}

int
segment_write_last(int fd, const struct segment_header *h,
    uint64_t segment_bytes)
{
	uint8_t block[SEGMENT_BLOCK] = { 0 };

	put_header(block, h);
	return whole_pwrite(fd, block, sizeof(block),
	    segment_end(segment_bytes));
}

static int
read_copy(int fd, uint64_t offset, uint64_t generation,
    struct segment_header *h)
{
	uint8_t block[HEADER_BYTES];
	int r = read_all(fd, block, sizeof(block), offset);

	if (r != 1)
		return r;
	if (memcmp(block, MAGIC, 7) != 0 ||
	    get_u32le(block + 28) != crc32c(0, block, 28))
		return 0;
	if (block[7] != FORMAT) {
		errno = ENOTSUP;
		return -1;
	}
	h->generation = get_u64le(block + 8);
	h->before_end = get_u64le(block + 16);
	h->salt = get_u32le(block + 24);
	return h->generation == generation;
}

int
segment_read_header(int fd, uint64_t generation, uint64_t segment_bytes,
    struct segment_header *h)
{
	const uint64_t copies[] = { 0, SEGMENT_BLOCK,
	    segment_end(segment_bytes) };
	size_t i;
	int r = 0;

	for (i = 0; i < nitems(copies); i++) {
		r = read_copy(fd, copies[i], generation, h);
		if (r == 1 || (r == -1 && errno == ENOTSUP))
			break;
	}
	return r;
}

bool
segment_was_used(int fd, uint64_t generation, uint64_t segment_bytes)
{
	uint8_t head[SEGMENT_BATCH_HEADER];
	uint64_t at;
	int r;

	for (at = SEGMENT_BEGIN; at < segment_bytes; at += SEGMENT_BLOCK) {
		r = read_all(fd, head, sizeof(head), at);
		if (r == -1 || (r == 1 && get_u32le(head) == BATCH_MAGIC &&
		    get_u64le(head + 8) == generation &&
		    get_u64le(head + 16) == at))
			return true;
	}
	return false;
}

int
segment_write_again(int fd, uint64_t offset, uint64_t n)
{
	uint8_t *p = xmalloc(n);
	int r = read_all(fd, p, n, offset) == 1 &&
	    whole_pwrite(fd, p, n, offset) == 0 ? fdatasync(fd) : -1;

	free(p);
	return r;
}

int
segment_fill(int fd, uint64_t bytes)
{
	uint8_t *zeros = xcalloc(1, FILL_BYTES);
	uint64_t at, n;
	int r = 0;

	for (at = 0; r == 0 && at < bytes; at += n) {
		n = bytes - at < FILL_BYTES ? bytes - at : FILL_BYTES;
		r = whole_pwrite(fd, zeros, n, at);
	}
	free(zeros);
	return r == -1 ? -1 : fsync(fd);
}

size_t
segment_blocks(size_t n)
{
	return (n + SEGMENT_BLOCK - 1) / SEGMENT_BLOCK * SEGMENT_BLOCK;
}

void
segment_seal(uint8_t *p, size_t n, const struct segment_header *h,
    uint64_t offset, uint32_t records)
{
	put_u32le(p, BATCH_MAGIC);
	put_u64le(p + 8, h->generation);
	put_u64le(p + 16, offset);
	put_u32le(p + 24, (uint32_t)n);
	put_u32le(p + 28, records);
	put_u32le(p + 4, crc32c(h->salt, p + 8, n - 8));
}

int64_t
segment_read_batch(int fd, const struct segment_header *h, uint64_t offset,
    uint64_t segment_bytes, uint8_t **batch, uint32_t *records)
{
	uint8_t head[SEGMENT_BATCH_HEADER], *p;
	size_t n;
	int r = read_all(fd, head, sizeof(head), offset);

	if (r != 1)
		return r;
	n = get_u32le(head + 24);
	if (get_u32le(head) != BATCH_MAGIC || n < sizeof(head) ||
	    get_u64le(head + 8) != h->generation ||
	    get_u64le(head + 16) != offset || offset > segment_bytes ||
	    n > segment_bytes - offset)
		return 0;
	p = xmalloc(n);
	r = read_all(fd, p, n, offset);
	if (r != 1 || get_u32le(p + 4) != crc32c(h->salt, p + 8, n - 8)) {
		free(p);
		return r == -1 ? -1 : 0;
	}
	*batch = p;
	*records = get_u32le(head + 28);
	return (int64_t)n;
}
