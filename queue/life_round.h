/*
 * life_round: the end of a round of attempts: what has had its time is given
 * up, what the sender is to hear of is written, and the rest is due again.
 */
#ifndef QUEUE_LIFE_ROUND_H
#define QUEUE_LIFE_ROUND_H

#include "queue/live.h"

/* Every job of this round has ended, or was taken back; it may be gone then. */
void	 life_round_over(struct live_msg *);

#endif
