/*
 * stock: the journal's segments on disk, and one that is ready for its writer.
 * A thread makes it, from a segment that nothing needs any more or afresh.
 */
#ifndef QUEUE_STOCK_H
#define QUEUE_STOCK_H

#include "queue/readers.h"

#define STOCK_NEXT_NAME	"next"		/* of the one that is ready */

struct stock;

/*
 * readers: told of segments that are used again or gone; release: as by
 * stock_release(). full(arg): the writer waits and there is no room; in a thread
 * of its own. NULL with errno.
 */
struct stock *stock_new(const char *dir, uint64_t segment_bytes,
	    struct readers *, uint64_t release, void (*full)(void *),
	    void *arg);
/* Ends the thread; blocks. Before stock_free(). */
void	 stock_end(struct stock *);
void	 stock_free(struct stock **);

/*
 * The next one's descriptor, the caller's with stock_begun(). Blocks, while the
 * disk is full, too; -1 for that after the last call.
 */
int	 stock_next(struct stock *);
/* The writer waits for one, and there is no room to make it. */
bool	 stock_waits(struct stock *);
/* From now on nobody waits for room. */
void	 stock_last_call(struct stock *);
/* It has the name of this generation now; another is made. */
void	 stock_begun(struct stock *, uint64_t generation);
/* Segments before this generation hold nothing that is still needed. */
void	 stock_release(struct stock *, uint64_t generation);

#endif
