/*
 * stock: the journal's segments on disk, and one that is ready for its writer.
 * A thread makes it, from a segment that nothing needs any more or afresh.
 */
#ifndef QUEUE_STOCK_H
#define QUEUE_STOCK_H

#include "queue/readers.h"

#define STOCK_NEXT_NAME	"next"		/* of the one that is ready */
#define STOCK_SPARE	2		/* emptied ones kept for use, besides that */
#define STOCK_LEAVE_BYTES (1024 * 1024)	/* of the disk, beside a new segment */

struct stock;

/*
 * There is no room for a further one: true if there may be now. last: what waits
 * for it will not be written otherwise. In a thread of the stock's.
 */
typedef bool stock_full(bool last, void *arg);

/*
 * readers: told of segments that are used again or gone; release: as by
 * stock_release(). NULL with errno.
 */
struct stock *stock_new(const char *dir, uint64_t segment_bytes,
	    struct readers *, uint64_t release, stock_full *, void *arg);
/* Ends the thread; blocks. Before stock_free(). */
void	 stock_end(struct stock *);
void	 stock_free(struct stock **);

/*
 * The next one's descriptor, the caller's with stock_begun(). Blocks, while the
 * disk is full, too; -1 with errno for that after the last call.
 *
 * Nobody should have to wait here for long, as what is under way has room. If
 * somebody does, nothing can free a segment any more: what would, waits behind
 * him. So after STOCK_PATIENCE looks for room he gets what is kept for a start,
 * which would do nothing else with it.
 */
int	 stock_next(struct stock *);
#define STOCK_PATIENCE	15
#define STOCK_LOOK_MS	2000
/* For tests: it looks so often. */
void	 stock_set_look_ms(unsigned int ms);
/* There is none, and no room to make it. */
bool	 stock_is_full(struct stock *);
/* There is none, for want of a descriptor. */
bool	 stock_is_starved(struct stock *);
/* From now on nobody waits for room. */
void	 stock_last_call(struct stock *);
/* It has the name of this generation now; another is made. */
void	 stock_begun(struct stock *, uint64_t generation);
/* Segments before this generation hold nothing that is still needed. */
void	 stock_release(struct stock *, uint64_t generation);
/* Whether STOCK_SPARE are kept, as at first, or none. */
void	 stock_keep_spare(struct stock *, bool);

#endif
