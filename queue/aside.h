/*
 * aside: damaged indexes that starts have moved out of the way, for whoever wants
 * to know what has become of the disk. The queue needs none of them.
 */
#ifndef QUEUE_ASIDE_H
#define QUEUE_ASIDE_H

#define ASIDE_PREFIX	"index.damaged-"	/* and the time, in ms */
#define ASIDE_KEPT	2

/*
 * Removes all in dir but the newest, and never the one of this time, be the clock
 * set back; says so, or that it cannot.
 */
void	 aside_trim(const char *dir, uint64_t kept);

#endif
