/* life_private: what life.c and life_report.c share. */
#ifndef QUEUE_LIFE_PRIVATE_H
#define QUEUE_LIFE_PRIVATE_H

#include "queue/life.h"

/* A message's text id, in one of four rotating buffers. */
const char *life_name(const struct live_msg *);
/* A resting message's timer. */
void	 life_due_cb(void *);
/* Whether recipient i failed in this round and its sender wants to know. */
bool	 life_report_wanted(const struct live_msg *, size_t i);
/*
 * The report about what failed in this round, with its body still to be kept
 * by life_keep_bounce() after the store has copied it.
 */
struct live_msg *life_make_bounce(struct live_msg *, const uint8_t *original,
	    size_t len, bool whole);
void	 life_keep_bounce(struct live_msg *);

#endif
