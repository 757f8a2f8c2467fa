/*
 * ctl_walk: through the queue in order of id, a page at a time and as the asker
 * reads.
 */
#ifndef QUEUE_CTL_WALK_H
#define QUEUE_CTL_WALK_H

#include "queue/ctl_asked.h"

/* Whether a verb may go on, why being filter_parse()'s; else it has ended. */
bool	 ctl_may(struct asked *, const char *why);
/*
 * Calls visit for each message that the filter fits, and that no order has
 * removed unless all_there; then done, also when the asker has left.
 */
void	 ctl_walk(struct asked *, void (*visit)(struct asked *,
	    const struct store_msg *), void (*done)(struct asked *));
void	 ctl_walk_on(struct asked *);
/* "There is no such message" and the like, for what a walk did not find. */
void	 ctl_missing(struct asked *);

#endif
