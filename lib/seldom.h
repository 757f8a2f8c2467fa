/*
 * seldom: what goes wrong ten thousand times in a row is said once a minute.
 *
 *	static struct seldom told;
 *	if (seldom_due(&told))
 *		log_warn("cannot make a spool file%s", seldom_more(&told));
 */
#ifndef LIB_SELDOM_H
#define LIB_SELDOM_H

#include <stdbool.h>
#include <stdint.h>

#define SELDOM_EVERY_MS	60000

struct seldom {			/* begins zeroed */
	bool	 said;
	uint64_t at_ms;		/* of the last time it was said */
	uint64_t since;		/* times that were not said, since then */
	uint64_t left_out;	/* before it is said now */
};

/* Whether to say it now; errno is left alone. */
bool	 seldom_due(struct seldom *);
/* "" or " (42 more times since the last word of it)"; static, past seldom_due(). */
const char *seldom_more(const struct seldom *);

#endif
