/*
 * feed: brings into memory what the index names as due, a page at a time and
 * never more than there is room for; at start that is everything that was
 * under way.
 */
#ifndef QUEUE_FEED_H
#define QUEUE_FEED_H

#include "queue/queue.h"

#define FEED_PAGE	500
/* Messages from the index in memory at once. */
#define FEED_LIVE_MAX	5000
/* Well below the horizon of life, so that nothing comes due unseen. */
#define FEED_EVERY_MS	15000

struct feed *feed_new(struct queue *);
void	 feed_free(struct feed **);
/* Asks the index now, and from then on by itself. */
void	 feed_start(struct feed *);
/* A message has left memory: there may be room for the next page. */
void	 feed_room(struct feed *);

#endif
