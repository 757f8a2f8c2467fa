/*
 * life_admin: an admin's orders about one message. What a relay or the store
 * has in hand obeys as soon as their answer is there.
 */
#ifndef QUEUE_LIFE_ADMIN_H
#define QUEUE_LIFE_ADMIN_H

#include "queue/live.h"

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
	LIFE_FAILED,		/* it has failed, and its sender is told soon */
	LIFE_DIDS
};

/* What life_obey() would do; LIFE_DONE may be LIFE_SOON or LIFE_LATER by then. */
enum life_did life_would(const struct queue *, const struct store_msg *,
	    const struct life_order *);
/*
 * Obeys, for a message that the store has just named (borrowed) and that is
 * there: it has not left, is not being removed, and neither STORING nor
 * SETTLING. With the next store_sync() it is so after a crash, too.
 */
enum life_did life_obey(struct queue *, const struct store_msg *,
	    const struct life_order *);

#endif
