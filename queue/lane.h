/*
 * lane: what a device that cannot log in may do (struct conf_lane). auth has
 * sealed which device it is; smtpd cannot be asked to hold itself to the rest,
 * so it is looked up here again. Pure functions.
 */
#ifndef QUEUE_LANE_H
#define QUEUE_LANE_H

#include <stdbool.h>

#include "lib/conf.h"
#include "lib/envelope.h"
#include "lib/ticket.h"

/* Its section, if that and its account are as they were; NULL when not. */
const struct conf_lane *lane_of(const struct queue_conf *,
	    const struct ticket *);
bool	 lane_is_sender(const struct conf_lane *, const char *return_path);
/* NULL, or the first recipient that it may not write to. */
const char *lane_foreign(const struct conf_lane *, const struct envelope *);

#endif
