/*
 * ctl_shape: what was said about a recipient, without what concerns it alone:
 * "452 4.2.2 mailbox of * is full". Reasons are counted, and asked for, by it.
 */
#ifndef QUEUE_CTL_SHAPE_H
#define QUEUE_CTL_SHAPE_H

#include "queue/store.h"

#define SHAPE_MAX	100	/* bytes of a reason that tell it from others */

/* Returns out; "" when nothing was said. */
const char *ctl_shape(const struct store_rcpt *, char out[SHAPE_MAX + 1]);

#endif
