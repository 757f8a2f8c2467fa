/*
 * readers: segments open for reading bodies from them, the few that were read
 * last. Any thread.
 */
#ifndef QUEUE_READERS_H
#define QUEUE_READERS_H

#include <stddef.h>
#include <stdint.h>

struct readers;

struct readers *readers_new(const char *dir);
void	 readers_free(struct readers **);
/* n bytes at offset; 0, or -1 with errno. */
int	 readers_read(struct readers *, uint64_t generation, uint64_t offset,
	    uint8_t *, size_t n);
/* What was read there is wrong: the kernel shall read it from the disk again. */
void	 readers_read_anew(struct readers *, uint64_t generation,
	    uint64_t offset, size_t n);
/* The segment is about to be used again. */
void	 readers_forget(struct readers *, uint64_t generation);

#endif
