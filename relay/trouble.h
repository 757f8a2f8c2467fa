/*
 * trouble: log lines about next hops that do not work. A hop may fail for
 * thousands of messages: the same words about it are written once in a while,
 * and few in all, with the number of times that nothing was written; and when
 * it comes back, that is.
 */
#ifndef RELAY_TROUBLE_H
#define RELAY_TROUBLE_H

#define TROUBLE_AGAIN_MS	(10 * 60 * 1000)
#define TROUBLE_HOPS_MAX	512	/* remembered; the longest silent goes first */

/* "next-hop=HOP route=ROUTE WHY", unless that was said a short while ago. */
void	 trouble_say(const char *hop, const char *route, const char *why);
/* The hop as a whole cannot be used, whatever was said before. */
void	 trouble_down(const char *hop, const char *route);
/* The hop takes mail: says so when it had been down. */
void	 trouble_over(const char *hop, const char *route);
/* Forgets everything; for tests. */
void	 trouble_clear(void);

#endif
