/*
 * ctl_row: a message as one row, of `queue list` and of what an order would do.
 */
#ifndef QUEUE_CTL_ROW_H
#define QUEUE_CTL_ROW_H

#include "queue/ctl_asked.h"

void	 ctl_row(struct asked *, const struct store_msg *);

#endif
