/*
 * life_digest: a sender whose messages fail by the dozen gets some reports
 * about one message each, and after that one report about many. What waits for
 * it stays in the queue, marked RCPT_OWED on disk: a crash may repeat a report,
 * and loses none.
 */
#ifndef QUEUE_LIFE_DIGEST_H
#define QUEUE_LIFE_DIGEST_H

#include "queue/live.h"

/* In an hour a sender gets so many reports of their own, then digests. */
#define LIFE_SINGLE_REPORTS 10
#define LIFE_HOUR_MS	(3600 * 1000)
/* How long the first in a digest waits for others, and for how many. */
#define LIFE_DIGEST_MS	(5 * 60 * 1000)
#define LIFE_DIGEST_FULL 400

struct life_digests;

struct life_digests *life_digests_new(struct queue *);
void	 life_digests_free(struct life_digests **);
/* Forgets senders that have been quiet; now and then. */
void	 life_digests_sweep(struct life_digests *);
/*
 * A report about this message is due; original (or NULL) is the beginning of
 * its body. True: taken over, it is LIVE_GATHERED until its digest goes.
 * False: report it by itself.
 */
bool	 life_gather(struct live_msg *, const uint8_t *original, size_t len);
/* It is not to be in its digest: it is LIVE_RESTING again, for life_remove(). */
void	 life_ungather(struct live_msg *);

#endif
