/*
 * charge: what a message costs whom. All that an account sends counts against
 * the account's cap, what one of its devices sends also against the device's,
 * if it has one of its own: both must allow it. A device's use is kept under
 * "account/label", with or without a cap, so that it can be looked at.
 */
#ifndef QUEUE_CHARGE_H
#define QUEUE_CHARGE_H

#include "lib/ticket.h"
#include "queue/caps.h"
#include "queue/queue.h"

struct charge_refusal {
	const struct conf_cap *cap;	/* the one that refuses */
	bool	 by_device;
	struct caps_refusal why;
};

/* Whether this could be charged now. *no is set unless CAPS_OK. */
enum caps_verdict charge_check(const struct queue *, const struct ticket *,
	    const uint64_t amount[LIMIT_KINDS], struct charge_refusal *no);
/* Charges, whatever the caps say: check comes first. When: charged_ms below. */
uint64_t charge_take(struct queue *, const struct ticket *,
	    const uint64_t amount[LIMIT_KINDS]);
/* What this one was charged then: it did not get in. */
void	 charge_take_back(struct queue *, const struct store_msg *,
	    uint64_t charged_ms);

/* Recipients that a message may have by the caps' own word; 0: any number. */
uint32_t charge_rcpts_max(const struct queue *, const struct ticket *);
/* The highest MT-PRIORITY that may be asked for: by all of the caps. */
int8_t	 charge_priority_max(const struct queue *, const struct ticket *);
/* Recipients that could be charged now, of a message not larger than that. */
uint32_t charge_recipients_left(const struct queue *, const struct ticket *);

#endif
