/*
 * ground: what must be true of the machine before anything starts: root,
 * programs, directories of the right owner, room on the disk, no second
 * instance. Makes what is missing. Each fault is one line with its remedy.
 */
#ifndef POSTERND_GROUND_H
#define POSTERND_GROUND_H

#include "lib/buf.h"
#include "posternd/config.h"

/* The programs of the processes; -1 with lines added to problems. */
int	 ground_programs(const struct config *, struct buf *problems);
/* The directories that exist already, and their disk, without a change: the same. */
int	 ground_look(const struct config *, struct buf *problems,
	    struct buf *warnings);
/*
 * Directories, and the lock that keeps a second instance out; one that is just
 * stopping is waited for, for some seconds. -1 with lines added to problems.
 */
int	 ground_prepare(const struct config *, struct buf *problems,
	    struct buf *warnings);
/* Whoever starts now is to wait for us. */
void	 ground_stopping(void);
/* Nothing of ours is in use any more: the lock is free. */
void	 ground_leave(void);

#endif
