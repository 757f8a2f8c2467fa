/*
 * life: the way of a message from its acceptance to its end, and what befalls
 * it there: that it is durable, due, or named by the index.
 *
 *	STORING -> TRYING -> RESTING -> TRYING -> ... -> gone
 *		      \-> SETTLING -/ (when a report needs the body)
 *			      \-> GATHERED -> gone (a digest: life_digest.h)
 *
 * A round is one attempt for each recipient still pending. What is delivered
 * is written down as soon as a job ends, so that a crash repeats as little as
 * can be. A recipient about whom the sender is to hear is RCPT_OWED or
 * RCPT_RELAYED on disk until the report about it is written in the same batch
 * as its settling: nobody is told of a failure twice or never. What an admin
 * holds rests in the store alone.
 *
 * Every decision about a message, and every call of the store's transitions, is
 * in one of life's rooms. Each stands on those before it:
 *
 *	life_times	when it is due, warned of, given up
 *	life_step	what a single step does to store, memory and line
 *	life_report	what its sender is to hear
 *	life_digest	... of many messages at once
 *	life_round	how a round ends
 *	life_try	how it begins, and what relays say
 *	life_release	whether it may begin
 *	life		this one
 *	life_admin	what an admin orders
 *
 * What begins at the bottom and belongs here, a report's own way and a timer,
 * comes by the loop: see live_new().
 */
#ifndef QUEUE_LIFE_H
#define QUEUE_LIFE_H

#include "queue/live.h"

/* In its history, behind "held by", where a next hop had it when it was removed. */
#define TO_BE_REMOVED	", to be removed"
/* How its history begins that a message came from a backup. */
#define RESTORED_NOTE	"restored from the backup "
/* ... and that an import was interrupted, and nobody knows how it fared. */
#define DOUBTED_NOTE	"imported again, on hold: it may have gone out already"

/*
 * Begins to make it durable; takes over what *m holds. A small body is
 * borrowed, a large one in spool_fd, else -1. done(arg) comes from the loop;
 * it must end with life_stored(); or full(arg), as store_accept() has it, with
 * life_refused().
 */
struct live_msg *life_accept(struct queue *, struct store_msg *m,
	    const uint8_t *body, size_t len, int spool_fd, store_done *,
	    store_done *full, void *arg);
void	 life_stored(struct live_msg *);
void	 life_refused(struct live_msg *);
/*
 * Whether this message, whose id comes from outside, has a place under it, as far
 * as the store has just named n that have it; for the very turn that takes it.
 * Taken: it is there. Another: one of another queue, which has given the same id.
 * Uncertain, ask again later: one that is being made durable may still be refused,
 * and one that is being removed is in the way until all of it is gone.
 */
enum life_place { LIFE_FREE, LIFE_TAKEN, LIFE_ANOTHER, LIFE_UNCERTAIN };
enum life_place life_place(struct queue *, const struct store_msg *,
	    struct store_msg *const *found, size_t n);
/* Where it is to be looked for, and put, when another has the place. */
uint64_t life_beside(uint64_t id);
/*
 * From a backup: it is queued as it was, on hold, with why in its history, and
 * charged to nobody; else as life_accept(). Its id is LIFE_FREE.
 */
struct live_msg *life_restore(struct queue *, struct store_msg *m,
	    const uint8_t *body, size_t len, int spool_fd, const char *why,
	    store_done *, store_done *full, void *arg);
/* The index names this one (borrowed) as due; ignored when it is live. */
void	 life_resume(struct queue *, const struct store_msg *);
/* The index has what was written of these. */
void	 life_settled(struct queue *, const uint64_t *ids, size_t n);
/* Whether feed will bring it back in time, and memory is better used else. */
bool	 life_may_forget(const struct live_msg *);
/*
 * Before the store is closed in order: what rounds have said so far is written
 * down, such as what was delivered and waits for its second, or its report. What
 * an admin has removed goes, though relays have it. Nothing else may follow.
 */
void	 life_stop(struct queue *);

/* For live_new(). */
void	 life_stored_cb(void *);
void	 life_due_cb(void *);

#endif
