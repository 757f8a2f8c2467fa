/*
 * flood: log lines that peers can cause at will, without a login. So many of a
 * kind are written in a minute; of the others one line says how many they were
 * when the minute is over. A flood then costs counting and hides nothing else.
 */
#ifndef LIB_FLOOD_H
#define LIB_FLOOD_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/ev.h"

#define FLOOD_WINDOW_MS	60000

/* A static of whoever writes the lines. */
struct flood {
	const char *what;	/* "TLS handshakes that failed" */
	uint32_t max;		/* lines in a minute, at least 1 */
	uint32_t written;	/* in this minute */
	uint64_t more;		/* and how many not */
	struct ev_timer timer;	/* the minute's end */
};

#define FLOOD(what_, max_) { .what = (what_), .max = (max_) }

/*
 * Whether to write one more line. A minute begins with its first line, so that
 * there is no timer where nothing happens.
 */
bool	 flood_log(struct flood *);

#endif
