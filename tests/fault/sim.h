/*
 * sim: the queue in a world that is made up. The code is postern-queue's own,
 * from the channels to smtpd and relay down to the store; what it meets is the
 * dice's: clients, next hops that fail in all ways, processes that die, admins,
 * clocks that leap, and in the end a kill. The same seed makes the same life.
 *
 * A ledger outlives the queue. It knows what was acknowledged and what the next
 * hops have taken, and finds fault with
 *	what was acknowledged and is neither delivered, bounced nor queued,
 *	what was refused and yet delivered, or delivered in part,
 *	a message that is not what was submitted, byte for byte,
 *	a second copy that no death between a next hop's word and its being
 *	written down explains, and a second report of one failure,
 *	a bounce before its time,
 *	an order of an admin that was answered and is not obeyed, whoever dies:
 *	what he holds or removes goes no more, what he sends elsewhere goes
 *	there, and nothing is on hold but by him.
 */
#ifndef TESTS_FAULT_SIM_H
#define TESTS_FAULT_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/queue.h"

#define SIM_RCPTS	4
#define SIM_HOPS	6
#define SIM_LETTERS	120000
#define SIM_JOBS	4096

struct sim_rcpt {
	uint8_t	 hop;
	uint16_t delivered, explained;	/* copies; those a death explains */
	uint16_t refused, reports;
	uint64_t seq;			/* of the newest copy */
	char	 report[STORE_ID_LEN + 1]; /* the newest report's id */
};

enum sim_route { SIM_UP, SIM_DETOUR, SIM_EITHER };

enum sim_state { SIM_UNKNOWN, SIM_ACKED, SIM_REFUSED };

struct sim_letter {
	uint8_t	 state, n, account, notify;
	bool	 removed, retried;	/* by an admin */
	/* what he was answered: */
	bool	 stopped;		/* it is held, or removed */
	bool	 gone;			/* it is removed */
	bool	 at_hop;		/* ... as soon as a next hop has done */
	bool	 on_its_way;		/* of that order: a relay may just get it */
	bool	 doubted;		/* he was not: it is held, or not */
	uint8_t	 route;			/* enum sim_route */
	bool	 spooled;
	uint32_t size;
	uint64_t began_ms;
	char	 id[STORE_ID_LEN + 1];
	struct sim_rcpt rcpts[SIM_RCPTS];
};

struct sim {				/* shared */
	uint64_t rng, now_ms, wall_ms;
	uint64_t seq, noted;		/* of copies; all up to here written down */
	uint64_t hash;			/* of all that happened */
	uint8_t	 mood[SIM_HOPS];
	size_t	 n;
	struct sim_letter v[SIM_LETTERS];
	/* Copies that a next hop may take though the queue dies. */
	struct sim_job_note { uint32_t letter; uint8_t rcpts; } jobs[SIM_JOBS];
	/* sums over a seed */
	uint32_t lives, kills, stops, leaps, relay_deaths, orders, reports;
	uint32_t copies, twice, acked, bounced;
	bool	 drained;
	char	 refusal[256];		/* why the queue did not open */
	char	 problem[256];		/* the first fault found */
};

extern struct sim *sim;

struct sim_life {
	struct store *(*open_store)(struct queue *, const char **errstr);
	uint32_t steps;
	bool	 in_memory;		/* the store's twin, which outlives it */
	bool	 calm;			/* no deaths, no leaps, no admins */
	uint32_t step_ms;		/* each step is so long; 0: the dice's */
	uint32_t letters_per_step;	/* 0: the dice's */
	bool	 drain;			/* all is well from now on: to the end */
	bool	 stop;			/* in order, at its end */
	void	(*look)(void);		/* may be NULL */
	uint32_t look_every;		/* steps */
};

/* A world for this seed in which nothing has happened yet. */
void	 sim_begin(uint64_t seed);
/*
 * One life of the queue, in this process. It ends with a stop in order, or as
 * if killed: a store on disk is left as it is then, and the process has to end.
 */
void	 sim_live(const struct sim_life *);
/* What a death of the queue leaves to the next hops; past each life. */
void	 sim_died(bool killed);
/* Past a life that drained the queue: is everything accounted for? */
void	 sim_account(void);

uint64_t sim_dice(uint64_t n);
void	 sim_wrong(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
