/*
 * life: every decision about a message from its acceptance to its end, and the
 * only caller of the store's transitions. The way of a message:
 *
 *	STORING -> TRYING -> RESTING -> TRYING -> ... -> gone
 *		      \-> SETTLING -/ (when a report needs the body)
 *			      \-> GATHERED -> gone (a digest: life_digest.c)
 *
 * A round is one attempt for each recipient still pending. What is delivered
 * is written down as soon as a job ends, so that a crash repeats as little as
 * can be. A recipient about whom the sender is to hear is RCPT_OWED or
 * RCPT_RELAYED on disk until the report about it is written in the same batch
 * as its settling: nobody is told of a failure twice or never. What an admin
 * holds rests in the store alone.
 */
#ifndef QUEUE_LIFE_H
#define QUEUE_LIFE_H

#include "lib/ipc_msgs.h"
#include "queue/live.h"

/* Mail due no later than this stays in memory, or is fetched by feed. */
#define LIFE_HORIZON_MS 60000
/* RFC 5321 4.5.3.1.8: more in one transaction need not be taken. */
#define LIFE_JOB_RCPTS	100
#define LIFE_DIAG_MAX	500	/* bytes of a diagnostic that are kept */

/* How its history begins that a message came from a backup. */
#define RESTORED_NOTE	"restored from the backup "

/* In an hour a sender gets so many reports of their own, then digests. */
#define LIFE_SINGLE_REPORTS 10
#define LIFE_HOUR_MS	(3600 * 1000)
/* How long the first in a digest waits for others, and for how many. */
#define LIFE_DIGEST_MS	(5 * 60 * 1000)
#define LIFE_DIGEST_FULL 400

/*
 * Begins to make it durable; takes over what *m holds. A small body is
 * borrowed, a large one in spool_fd, else -1. done(arg) comes from the loop;
 * it must end with life_stored().
 */
struct live_msg *life_accept(struct queue *, struct store_msg *m,
	    const uint8_t *body, size_t len, int spool_fd, store_done *,
	    void *arg);
void	 life_stored(struct live_msg *);
/*
 * From a backup: it is queued as it was, on hold, with why in its history, and
 * charged to nobody. Takes over what *m holds; body and spool_fd as above.
 */
void	 life_restore(struct queue *, struct store_msg *m, const uint8_t *body,
	    size_t len, int spool_fd, const char *why, store_done *,
	    void *arg);
/* The index names this one (borrowed) as due; ignored when it is live. */
void	 life_resume(struct queue *, const struct store_msg *);
/* When a new message is due: now, or at the hour of FUTURERELEASE (RFC 4865). */
uint64_t life_first_due_ms(const struct store_msg *);
/* When a new message is given up, by the times of its route. */
uint64_t life_expiry_ms(const struct queue *, const struct store_msg *);
/* How far off this one's due time may be: beyond it a clock was wrong. */
uint64_t life_longest_wait_ms(const struct queue *, const struct store_msg *);
/* A round begins now. force: even hops that are blocked are tried. */
void	 life_try(struct live_msg *, bool force);

/* --- from dispatch: a job's words, then its end. The end frees the job. -------- */

/* remote and diag may be "". */
void	 life_result(struct live_job *, uint32_t index, enum outcome,
	    const char *status, const char *diag, const char *remote);
/* Whether an answer, "451 4.3.0 why", has the status in it. */
bool	 life_answer_has(const char *answer, const char *status);
/* Recipients without a word are tried again (LOST) or deferred with why. */
void	 life_over(struct live_job *, enum sched_end, const char *why);
/* Its hop is blocked: everything is deferred. */
void	 life_blocked(struct live_job *, uint64_t until_ms);

/* --- senders who are owed digests; see life_digest.c ------------------------------ */

struct life_digests *life_digests_new(struct queue *);
void	 life_digests_free(struct life_digests **);
/* Forgets senders that have been quiet; now and then. */
void	 life_digests_sweep(struct life_digests *);

/* --- from the store and the admin -------------------------------------------------- */

void	 life_settled(struct queue *, const uint64_t *ids, size_t n);

enum life_kind {
	LIFE_HOLD,		/* nothing more is tried until it is released */
	LIFE_RELEASE,
	LIFE_RETRY,		/* now, even at hops that are blocked */
	LIFE_RETRY_KEPT,	/* ... and before the hour its sender has set */
	LIFE_REDIRECT,		/* to another route, now */
	LIFE_REMOVE,		/* nobody is told */
	LIFE_ORDERS
};

struct life_order {
	enum life_kind kind;
	enum hold hold;		/* LIFE_HOLD: which; not HOLD_NONE */
	const char *route;	/* LIFE_REDIRECT: "" for the configuration's */
	const char *by;		/* "admin", for log and history */
};

enum life_did {
	LIFE_DONE,
	LIFE_SOON,		/* as soon as the relay that has it has done */
	LIFE_LATER,		/* it goes at the hour that its sender has set */
	LIFE_WAS_SO,		/* it is as ordered already */
	LIFE_HELD,		/* not while it is on hold */
	LIFE_KEPT,		/* not before that hour, unless it is named */
	LIFE_GONE,		/* it has just been delivered or removed */
	LIFE_DIDS
};

/* What life_obey() would do; LIFE_DONE may be LIFE_SOON by then. */
enum life_did life_would(const struct queue *, const struct store_msg *,
	    const struct life_order *);
/* Obeys, for a message that the store has just named (borrowed). */
enum life_did life_obey(struct queue *, const struct store_msg *,
	    const struct life_order *);

#endif
