/*
 * ctl_handed: ids that posternctl was handed before it sends messages to be
 * imported, so that the same one sent again, after an interruption, is known.
 * Of ids from before this process, or so many ago, nothing can be said.
 */
#ifndef QUEUE_CTL_HANDED_H
#define QUEUE_CTL_HANDED_H

#include <stdbool.h>
#include <stdint.h>

#define HANDED_MAX	4096	/* open at once: a crashed import leaves 32 */
#define HANDED_USED_MAX	65536

enum handed {
	HANDED_OPEN,		/* nothing was taken under it yet */
	HANDED_USED,		/* something was, by this process */
	HANDED_UNKNOWN		/* it is from before, or no id of ours */
};

/* Forgets all: another process begins. */
void	 handed_clear(void);
/* A new one. */
void	 handed_add(uint64_t id);
/* What was made of it. */
enum handed handed_look(uint64_t id);
/* What came under it, whether it was open or unknown, is durable. */
void	 handed_close(uint64_t id);

#endif
