/*
 * places: how many connections go to one address. Thousands of domains may have
 * their mail in one place, be it a large provider's or that of somebody who is
 * to be flooded by way of us; so it is not the domain alone that has a limit.
 */
#ifndef RELAY_PLACES_H
#define RELAY_PLACES_H

#include <sys/queue.h>
#include <sys/socket.h>
#include <stdbool.h>
#include <stddef.h>

struct place;

struct place_ops {
	/* From the loop: who has waited has the seat. */
	void	(*turn)(void *);
	/* Others wait for a seat here. It may be left at once, not from within. */
	void	(*wanted)(void *);
};

struct seat {			/* embedded in its owner, zeroed at birth */
	TAILQ_ENTRY(seat) link;
	struct place *place;	/* or NULL */
	bool	 waits;
	const struct place_ops *ops;
	void	*arg;
};

/*
 * A seat at this address, of which there are so many. False: they are taken,
 * and it waits for its turn; those who sit there are told.
 */
bool	 seat_take(struct seat *, const struct sockaddr *, socklen_t,
	    size_t limit, const struct place_ops *, void *arg);
/* Nothing happens to one that was not taken. */
void	 seat_leave(struct seat *);
/* Whether somebody waits for it. */
bool	 seat_wanted(const struct seat *);

#endif
