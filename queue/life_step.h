/*
 * life_step: the single steps that a message takes: what each means for the
 * store, for what is in memory and for what stands in line. When to take which
 * is decided above. Whatever is written down is written whole, as it is in
 * memory then.
 */
#ifndef QUEUE_LIFE_STEP_H
#define QUEUE_LIFE_STEP_H

#include "queue/live.h"

#define LIFE_DIAG_MAX	STORE_DIAG_MAX

/* --- in memory ------------------------------------------------------------------ */

/* A message's text id, in one of four rotating buffers. */
const char *life_name(const struct live_msg *);
/* Adds a line to its history; it is written down with the next change. */
void	 life_note(struct live_msg *, const char *fmt, ...) PRINTFLIKE(2, 3);
/* What is said of a recipient, without counting or logging it. */
void	 life_set_word(struct live_msg *, uint32_t i, enum live_word,
	    const char *status, const char *diag, const char *remote);
/* This round has said nothing yet, and no relay has anything of it. */
bool	 life_untouched(const struct live_msg *);
/* The store, a digest or a relay has it in hand: their answer comes first. */
bool	 life_in_hand(const struct live_msg *);
/* Takes what no relay has yet out of line. */
void	 life_cancel_waiting(struct live_msg *);
/*
 * RFC 2852 4.1.3: when its by-time is over, what no relay has yet comes out of
 * line, or its sender is told.
 */
void	 life_await_by_time(struct live_msg *);

/* --- on disk -------------------------------------------------------------------- */

/* How many are queued, for the counters. */
void	 life_count(struct queue *);
/*
 * As it is, in one batch with the reports that it gives rise to: one (or NULL)
 * and those that are born with it. What was reserved for it is let go of.
 */
void	 life_write(struct live_msg *, struct live_msg *bounces);
/* What was delivered so far, while it is tried. */
void	 life_write_progress(struct live_msg *);
/* Written down as it is and left to the store. */
void	 life_park(struct live_msg *);
/* It is due again when it was before an order for an earlier try, if ever. */
void	 life_as_scheduled(struct live_msg *);
/* It rests until it is due. */
void	 life_await_release(struct live_msg *);
/* ... which is its hour of release, or now; that is written down. */
void	 life_redate(struct live_msg *);
/* It is over, and such reports take its place. */
void	 life_finish(struct live_msg *, struct live_msg *bounces);
/* What the admin ordered, once nobody has it in hand; else later. */
void	 life_remove(struct live_msg *);
/* ... at a stop, whoever has it: the store alone hears of it. */
void	 life_remove_last(struct live_msg *);

#endif
