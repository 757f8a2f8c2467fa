/*
 * ctl: answers to posternctl: queue list, show, flush, remove; usage; cap list.
 * Every request is answered, also when the asker has gone: lib/child drops it.
 */
#ifndef QUEUE_CTL_H
#define QUEUE_CTL_H

#include "queue/queue.h"

void	 ctl_request(struct queue *, uint64_t id, size_t argc,
	    const char *const *argv);

#endif
