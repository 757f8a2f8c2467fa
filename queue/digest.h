/*
 * digest: a sender whose messages fail by the dozen gets some reports of one
 * message each, and after that one report about many. What waits for it stays
 * in the queue, marked RCPT_OWED on disk: a crash may repeat a report, and
 * loses none.
 */
#ifndef QUEUE_DIGEST_H
#define QUEUE_DIGEST_H

#include "queue/live.h"

/* In an hour a sender gets so many single reports, then digests. */
#define DIGEST_SINGLE	10
#define DIGEST_HOUR_MS	(3600 * 1000)
/* How long the first in a digest waits for others, and for how many. */
#define DIGEST_WAIT_MS	(5 * 60 * 1000)
#define DIGEST_FULL	400

struct digest;

struct digest *digest_new(struct queue *);
void	 digest_free(struct digest **);
/*
 * A report about this message is due; original (or NULL) is the beginning of
 * its body. True: taken over, it is LIVE_GATHERED until its digest goes.
 * False: report it by itself.
 */
bool	 digest_gather(struct live_msg *, const uint8_t *original, size_t len);
/* Forgets senders that have been quiet; now and then. */
void	 digest_sweep(struct digest *);

#endif
