/*
 * life_report: what a sender is to hear of a message, and the reports that say
 * it, which are messages of ours.
 *
 * A report is made, written down by life_write() or life_finish() in one batch
 * with whom it settles, and then keeps its body by life_keep_bounces().
 */
#ifndef QUEUE_LIFE_REPORT_H
#define QUEUE_LIFE_REPORT_H

#include "queue/dsn.h"
#include "queue/live.h"

/*
 * Whether the sender is to hear of a recipient from this one on; lm->warn: of
 * delay, too.
 */
bool	 life_report_due(const struct live_msg *, size_t from);
/*
 * On a full disk reports wait for room, as nothing is lost by it: who is owed one
 * is so on disk. True: room is held for some, which life_tell() may write.
 */
#define LIFE_REPORT_BYTES (DSN_MAX + STORE_LEAST_BYTES)	/* at most, each */
#define LIFE_PUT_OFF_MS	(60 * 1000)	/* then it is looked at again */
bool	 life_may_tell(struct live_msg *);
/*
 * Tells of everything that is due, in as many reports as it takes. The last ones,
 * born with each other, are the caller's to write down with what becomes of the
 * message. More may be due then: there is no room for it. whole: original is all
 * of its body.
 */
struct live_msg *life_tell(struct live_msg *, const uint8_t *original,
	    size_t len, bool whole);
/*
 * That its by-time is over, while it stands in line or is tried, which goes on;
 * or, without room for a report, sets its timer to try that again.
 */
void	 life_tell_late(struct live_msg *);
/*
 * Whether this is a report of ours that has just failed for the bytes of what
 * it returns (RFC 3463 3.7, X.6.z), or for want of TLS (RFC 8689 5), and what
 * goes instead: that report without them, or a word in its place; or NULL.
 */
bool	 life_may_cut(const struct live_msg *);
struct live_msg *life_cut(struct live_msg *, const uint8_t *report, size_t len);

/* A report in steps: an empty one, what all of them say, its bytes. */
struct live_msg *life_new_bounce(struct queue *, const char *to);
void	 life_dsn(const struct queue *, const struct live_msg *bounce,
	    struct dsn *);
void	 life_fill_bounce(struct live_msg *bounce, struct buf *report,
	    bool eightbit);
/* After the store has copied them: it and those that are born with it. */
void	 life_keep_bounces(struct live_msg *);

#endif
