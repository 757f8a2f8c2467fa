/*
 * feed: brings into memory what the index names as due, a page at a time and
 * never more than there is room for; at start that is everything that was
 * under way.
 *
 * What one account, or one next hop, may have in memory by way of feed is no
 * more than is still free (twice that for a next hop): somebody's hundred
 * thousand messages fill half of the room, and the rest is there for others.
 * Two places are kept in the order of due times. In front is the first message
 * that was not let in: it goes next. The sweep looks at what is behind it, for
 * others whose mail is due as well, at a steady pace and round and round.
 */
#ifndef QUEUE_FEED_H
#define QUEUE_FEED_H

#include "queue/queue.h"

/*
 * What is read, and may be in memory, at once: so many messages of four
 * recipients, fewer of more (store_msg_units()).
 */
#define FEED_PAGE	500
#define FEED_LIVE_MAX	5000
#define FEED_UNSETTLED_MAX 30000
/* Well below the horizon of life, so that nothing comes due unseen. */
#define FEED_EVERY_MS	15000
/* The sweep's pause behind a page of which nothing was let in. */
#define FEED_SWEEP_MS	50

struct feed *feed_new(struct queue *);
void	 feed_free(struct feed **);
/* Asks the index now, and from then on by itself. */
void	 feed_start(struct feed *);

#endif
