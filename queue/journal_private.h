/* journal_private: what journal.c and journal_replay.c share. */
#ifndef QUEUE_JOURNAL_PRIVATE_H
#define QUEUE_JOURNAL_PRIVATE_H

#include "queue/journal.h"

/* The file of a segment; the caller's. */
char	*journal_path(const char *dir, uint64_t generation);
/* The generations on disk, rising; *v is the caller's. -1 with errno. */
int	 journal_segments(const char *dir, uint64_t **v, size_t *n);

#endif
