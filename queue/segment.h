/*
 * segment: one file of the journal, and the batches in it. Pure but for the
 * file given.
 *
 *	segment	header | header | batch | batch | ... | header	in blocks of 4 KB
 *	header	"POSTERN2" | u64 generation | u64 where the segment before
 *		ended | u32 salt | u32 crc32c of what stands before it
 *	batch	u32 magic | u32 crc32c, seeded by the salt, of the rest |
 *		u64 generation | u64 its offset | u32 length | u32 records |
 *		records | zeros to the block's end
 *
 * A segment file is zero-filled once and used again and again: writing over
 * written blocks costs one flush per fdatasync where growing a file costs two.
 * Generation, offset and salt make sure that what an earlier life of the file
 * has left, or what a body pretends to be, is never taken for a batch. Without
 * its salt no batch can be proved, so the header stands there twice, and once
 * more in the last block, which no harm done to the first ones reaches. Before
 * Postern had that, batches went on to the file's end, and they may again when
 * an older one runs: it knows the first two alone, and so do we then.
 */
#ifndef QUEUE_SEGMENT_H
#define QUEUE_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEGMENT_BLOCK	4096
#define SEGMENT_BEGIN	(2 * SEGMENT_BLOCK)	/* of the first batch */
#define SEGMENT_BATCH_HEADER 32

struct segment_header {
	uint64_t generation;
	uint64_t before_end;	/* 0: there was none */
	uint32_t salt;
};

/* The file of a segment; the caller's. */
char	*segment_path(const char *dir, uint64_t generation);
/* The generations on disk, rising; *v is the caller's. -1 with errno. */
int	 segment_list(const char *dir, uint64_t **v, size_t *n);

/* Where batches end and the last header begins. */
uint64_t segment_end(uint64_t segment_bytes);
/* 0, or -1 with errno. Not synced; it is to be before the first batch. */
int	 segment_write_header(int fd, const struct segment_header *);
int	 segment_write_last(int fd, const struct segment_header *,
	    uint64_t segment_bytes);
/*
 * The header of this generation. 1: there it is, 0: no copy is sound,
 * -1: errno; ENOTSUP when another version of Postern wrote it.
 */
int	 segment_read_header(int fd, uint64_t generation,
	    uint64_t segment_bytes, struct segment_header *);
/*
 * Whether a block says that it begins a batch of this generation, or cannot be
 * read. Only good for telling a segment that lost its headers from one that was
 * never used.
 */
bool	 segment_was_used(int fd, uint64_t generation, uint64_t segment_bytes);
/* Writes n bytes at offset as they are, and syncs them. 0, or -1 with errno. */
int	 segment_write_again(int fd, uint64_t offset, uint64_t n);
/* Fills a new file with zeros and syncs it. 0, or -1 with errno. */
int	 segment_fill(int fd, uint64_t bytes);

/*
 * Completes a batch: p has room for the header, then the records, n bytes in
 * all, padded with zeros to a whole number of blocks.
 */
void	 segment_seal(uint8_t *p, size_t n, const struct segment_header *,
	    uint64_t offset, uint32_t records);
size_t	 segment_blocks(size_t n);	/* n rounded up to whole blocks */

/*
 * The batch at this offset, read into *p (allocated, the caller's). Its
 * length without padding; 0 when there is none that is sound; -1: errno.
 */
int64_t	 segment_read_batch(int fd, const struct segment_header *,
	    uint64_t offset, uint64_t segment_bytes, uint8_t **p,
	    uint32_t *records);

#endif
