/*
 * ctl: answers to posternctl: everything that begins with "queue", "usage" or
 * "cap". Every request is answered, also when the asker has gone: lib/child
 * drops it. Long answers keep to the window of lib/ipc_msgs.h.
 */
#ifndef QUEUE_CTL_H
#define QUEUE_CTL_H

#include "queue/queue.h"

struct ctl;

struct ctl *ctl_new(void);
/* Forgets what is being answered; the store must call back no more. */
void	 ctl_free(struct ctl **);
void	 ctl_request(struct queue *, uint64_t id, size_t argc,
	    const char *const *argv);
/* The asker has read so many bytes of the answer, or has left. */
void	 ctl_read(struct queue *, uint64_t id, size_t bytes);
void	 ctl_gone(struct queue *, uint64_t id);

#endif
