/* life_private: what life.c, life_admin.c and life_report.c share. */
#ifndef QUEUE_LIFE_PRIVATE_H
#define QUEUE_LIFE_PRIVATE_H

#include "queue/life.h"

/* A message's text id, in one of four rotating buffers. */
const char *life_name(const struct live_msg *);
/* Adds a line to its history; it is written down with the next change. */
void	 life_note(struct live_msg *, const char *fmt, ...) PRINTFLIKE(2, 3);
/* The message leaves memory; feed may have been waiting for the room. */
void	 life_let_go(struct live_msg *);
/* Written down as it is and left to the store. */
void	 life_park(struct live_msg *);
/* Every job of this round has ended, or was taken back. */
void	 life_round_over(struct live_msg *);
/* It is over, and the bounce (or NULL) takes its place. */
void	 life_finish(struct live_msg *, struct live_msg *bounce);
/* What the admin ordered, once nobody has it in hand; else later. */
void	 life_remove(struct live_msg *);
/* Writes what was delivered so far. */
void	 life_write_progress(struct live_msg *);
/* A resting message is due; one that is tried has progress to write. */
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
