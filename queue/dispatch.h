/*
 * dispatch: the channels to the relays. Takes jobs from sched, sends them with
 * their bodies, and brings life what the relays say. A next hop stays with one
 * relay as long as that lives, so that its connections are used again. A relay
 * that dies leaves its attempts to the others; one that breaks the protocol is
 * reported to the parent and treated as dead.
 */
#ifndef QUEUE_DISPATCH_H
#define QUEUE_DISPATCH_H

#include "queue/live.h"

/*
 * A relay that has so much unread gets no more for now, and no more bodies are
 * read for relays at once.
 */
#define DISPATCH_BACKLOG_MAX (8 * 1024 * 1024)

struct dispatch;

struct dispatch *dispatch_new(struct queue *);
/* Forgets attempts in progress without a word. */
void	 dispatch_free(struct dispatch **);
/* A channel to this relay, taken over; replaces an older one. */
void	 dispatch_peer(struct dispatch *, uint32_t index, int fd);
/* Nothing new is sent, and relays forget what is not yet on the wire. */
void	 dispatch_stop(struct dispatch *);
size_t	 dispatch_sent(const struct dispatch *);

#endif
