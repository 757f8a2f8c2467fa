/*
 * strays: mail that was redirected to a route which a reload has taken away. It
 * goes by the routes that are left, so the log is told, once, how much there is.
 */
#ifndef QUEUE_STRAYS_H
#define QUEUE_STRAYS_H

#include "queue/queue.h"

struct strays *strays_new(struct queue *);
void	 strays_free(struct strays **);
/* The configuration in effect is new; was: the one before it, or NULL. */
void	 strays_reload(struct strays *, const struct queue_conf *was);

#endif
