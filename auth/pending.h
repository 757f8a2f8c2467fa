/*
 * pending: questions about logins that are out to one other process, and from
 * where. Only so many may be, and a part of them is kept for addresses that
 * somebody has logged in from; one network has a share of its own, so that
 * nobody else goes without, however often it asks.
 */
#ifndef AUTH_PENDING_H
#define AUTH_PENDING_H

#include <sys/queue.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PENDING_MAX	1024	/* far above honest use */
#define PENDING_STRANGERS (PENDING_MAX / 4 * 3) /* that are not known, of it */
#define PENDING_NETWORK	64	/* of one network, of it; sessions-per-address
				   is 50 */

struct pending_one {
	LIST_ENTRY(pending_one) link;
	uint64_t question;
	uint64_t network;	/* 0: none in particular */
	bool	 known;
};

struct pending {
	LIST_HEAD(, pending_one) all;
};

/* Whether one more may be asked. */
bool	 pending_room(const struct pending *, uint64_t network, bool known);
/* The caller's, until it has taken it out. */
void	 pending_add(struct pending *, struct pending_one *, uint64_t question,
	    uint64_t network, bool known);
void	 pending_remove(struct pending_one *);
/* NULL: it is not out. */
struct pending_one *pending_find(const struct pending *, uint64_t question);

#endif
