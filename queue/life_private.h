/*
 * life_private: what life.c (attempts), life_round.c (the end of a round of
 * them), life_report.c and life_admin.c share.
 */
#ifndef QUEUE_LIFE_PRIVATE_H
#define QUEUE_LIFE_PRIVATE_H

#include "queue/dsn.h"
#include "queue/life.h"

/* A message's text id, in one of four rotating buffers. */
const char *life_name(const struct live_msg *);
/* Adds a line to its history; it is written down with the next change. */
void	 life_note(struct live_msg *, const char *fmt, ...) PRINTFLIKE(2, 3);
/* Writes a word down in memory, without counting or logging it. */
void	 life_set_word(struct live_msg *, uint32_t i, enum live_word,
	    const char *status, const char *diag, const char *remote);
/* The name of the line, in sched's words the hop, that the job stands in. */
void	 life_hop(const struct live_job *, struct buf *hop);
/* How many are queued, for the counters. */
void	 life_count(struct queue *);
/* Those of the route by which it goes, else the queue's. */
struct sched_retry life_retry(const struct queue *, const struct store_msg *);
/* When its first try was due (wall). */
uint64_t life_begun_ms(const struct store_msg *);
/*
 * RFC 2852 4.1.3: its sender wants it back when its time is over, and it is.
 * An hour that a sender has set is one on the wall clock, whoever sets that.
 */
bool	 life_by_over(const struct live_msg *);
/* RFC 2852 4.1.3: ... wants to hear of it, and has not. */
bool	 life_by_late(const struct live_msg *);
/* Tells him while it stands in line or is tried, which goes on. */
void	 life_tell_late(struct live_msg *);
/* Takes what no relay has yet out of line. */
void	 life_cancel_waiting(struct live_msg *);
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
/*
 * How long its sender wants it kept from now on (FUTURERELEASE, RFC 4865); 0
 * too once it was tried.
 */
uint64_t life_kept_ms(const struct store_msg *);
/* It rests until it is due. */
void	 life_await_release(struct live_msg *);
/* ... which is its hour of release, or now; that is written down. */
void	 life_redate(struct live_msg *);
/* It is due: a round begins, unless it was held and its cap makes it wait. */
void	 life_release(struct live_msg *);
/* A resting message is due; one that is tried has progress to write. */
void	 life_due_cb(void *);
/*
 * Whether the sender is to hear of a recipient from this one on; lm->warn: of
 * delay, too.
 */
bool	 life_report_due(const struct live_msg *, size_t from);
/* When to warn of delay (wall), 0 for never or never again. */
uint64_t life_warning_at(const struct live_msg *);
/* Whether it is time to warn of delay: once, and not by a clock that leaps. */
bool	 life_warning_due(const struct live_msg *);
/*
 * A report about what is due from recipient *told on, as far as it goes, which
 * is *told then: those are settled. Its body is still to be kept by
 * life_keep_bounce() after the store has copied it. The original comes back
 * whole with the first.
 */
struct live_msg *life_make_bounce(struct live_msg *, const uint8_t *original,
	    size_t len, bool whole, size_t *told);
/* The same in steps: an empty one, what all reports say, the report's bytes. */
struct live_msg *life_new_bounce(struct queue *, const char *to);
void	 life_dsn(const struct queue *, const struct live_msg *bounce,
	    struct dsn *);
void	 life_fill_bounce(struct live_msg *bounce, struct buf *report,
	    bool eightbit);
void	 life_keep_bounce(struct live_msg *);
/*
 * Whether this is a report of ours that has just failed for the bytes of what
 * it returns (RFC 3463 3.7, X.6.z), or for want of TLS (RFC 8689 5), and what
 * goes instead: that report without them, or a word in its place; or NULL.
 */
bool	 life_may_cut(const struct live_msg *);
struct live_msg *life_cut(struct live_msg *, const uint8_t *report, size_t len);

/* --- life_digest.c: a sender whose messages fail by the dozen ----------------------- */

/*
 * Such a sender gets some reports about one message each, and after that one
 * report about many. What waits for it stays in the queue, marked RCPT_OWED on
 * disk: a crash may repeat a report, and loses none.
 */

/*
 * A report about this message is due; original (or NULL) is the beginning of
 * its body. True: taken over, it is LIVE_GATHERED until its digest goes.
 * False: report it by itself.
 */
bool	 life_gather(struct live_msg *, const uint8_t *original, size_t len);

#endif
