/*
 * spools: where a worker of smtpd writes the large bodies of its sessions, one
 * file for each transaction that has asked for it. The worker holds its
 * descriptor, so it could write without end: they are looked at while they are
 * open.
 */
#ifndef QUEUE_SPOOLS_H
#define QUEUE_SPOOLS_H

#include "queue/queue.h"
#include "queue/table.h"

#define SPOOLS_LOOK_MS	500

struct spools {
	struct queue *q;
	struct table by_session;
};

void	 spools_init(struct spools *, struct queue *);
/* Closes all; what was not accepted is removed. */
void	 spools_clear(struct spools *);
/* In place of an earlier one of the session; -1 with errno. */
int	 spools_open(struct spools *, uint64_t session);
/* -1: the session has none. */
int	 spools_fd(const struct spools *, uint64_t session);
void	 spools_drop(struct spools *, uint64_t session);
/* Whether none is larger than that. */
bool	 spools_within(const struct spools *, uint64_t most);

#endif
