/*
 * spools: where a worker of smtpd writes the large bodies of its sessions, one
 * file for each transaction that has asked for it. The worker holds a
 * descriptor, so it could write without end, also to a file whose transaction
 * is over. They are looked at while they are open, and for as long as anybody
 * can write to them.
 */
#ifndef QUEUE_SPOOLS_H
#define QUEUE_SPOOLS_H

#include "queue/queue.h"
#include "queue/table.h"

#define SPOOLS_LOOK_MS	500
/*
 * A descriptor that was under way when its session ended is closed as soon as
 * the worker sees it; so long may that take on a busy machine.
 */
#define SPOOLS_PATIENCE_MS 60000
/* So much may have been on its way to a file that was emptied. */
#define SPOOLS_ON_WAY	(1024 * 1024)

struct spools {
	struct queue *q;
	struct table by_session;
	LIST_HEAD(, spool) ended;	/* but held by the worker, or under way */
};

void	 spools_init(struct spools *, struct queue *);
/* Closes all; what was not accepted is removed. */
void	 spools_clear(struct spools *);
/*
 * In place of an earlier one of the session, for a body of so many bytes at most:
 * the descriptor to be sent, the caller's; -1 with errno.
 */
int	 spools_open(struct spools *, uint64_t session, uint64_t most);
/* What may still be written to all of them; at_once: as if nothing had been. */
uint64_t spools_owed(const struct spools *, bool at_once);
/* The one to read; -1: the session has none. */
int	 spools_fd(const struct spools *, uint64_t session);
void	 spools_drop(struct spools *, uint64_t session);
/* Its file is the store's: nothing is asked of it, which may be closed by now. */
void	 spools_accepted(struct spools *, uint64_t session);
void	 spools_drop_all(struct spools *);
/* Whether the session's last one is over and yet held. */
bool	 spools_held(const struct spools *, uint64_t session);
/*
 * There is no room on the disk: all are emptied, and tell() called for each whose
 * transaction is under way. How many these were.
 */
size_t	 spools_empty(struct spools *, void (*tell)(uint64_t session, void *),
	    void *arg);
/* Whether the session's was. */
bool	 spools_emptied(const struct spools *, uint64_t session);
/* Whether there is anything to look at. */
bool	 spools_any(const struct spools *);
/*
 * What is wrong with them, or NULL: more in one than a message may have, or
 * one that the worker does not let go of, or goes on to write to when it was
 * emptied. Each is told of once in a while.
 */
const char *spools_look(struct spools *, uint64_t most);

#endif
