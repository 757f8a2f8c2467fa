/*
 * rooms: opens the rooms of the queue in their order, and closes them.
 */
#ifndef QUEUE_ROOMS_H
#define QUEUE_ROOMS_H

#include "queue/queue.h"

/* NULL: acceptable, else a sentence. */
const char *queue_conf_check(const struct queue_conf *);
/*
 * Opens all rooms around the store that open_store() gives, replays usage and
 * begins to deliver. NULL, or a sentence.
 */
const char *queue_open(struct queue *, const struct queue_conf *,
	    struct store *(*open_store)(struct queue *, const char **errstr));
/* Another slice takes effect. */
void	 queue_reconf(struct queue *, const struct queue_conf *);
/* The channel to auth, in place of an earlier one. */
void	 queue_auth_peer(struct queue *, int fd);
/* Closes the store, which blocks until all is written, and frees the rooms. */
void	 queue_close(struct queue *);

/* What the store is to call; arg is the struct queue. */
extern const struct store_ops queue_store_ops;

#endif
