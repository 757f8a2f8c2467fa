/*
 * children: starts the processes, wires them to each other and replaces what
 * dies. A child is born in steps (lib/ipc_msgs.h): its slice is checked, then
 * it gets its page of counters, its channels, its sockets, and is told to
 * confine itself and serve. Who talks to whom is one table in children.c.
 *
 * When a child dies, the next is started at once, later ones after growing
 * pauses, and everybody who talked to the dead gets a new channel.
 */
#ifndef POSTERND_CHILDREN_H
#define POSTERND_CHILDREN_H

#include "lib/stats.h"
#include "posternd/config.h"
#include "posternd/listeners.h"

/* What the rest of the parent wants to know; called from the loop. */
struct children_ops {
	/* Everybody serves, for the first time. */
	void	(*ready)(void);
	/* Before that, one refused its slice or died: give up. */
	void	(*failed)(const char *proc, const char *why);
	/* What one, at the start, at a reload or later, would warn of. */
	void	(*doubt)(const char *what);
	/* That process's piece of an answer; id is children_ask()'s. */
	void	(*answer)(enum role, struct ipc_in *);
	/* That process will not answer what it was asked. */
	void	(*mute)(enum role);
	/* M_CERTS has come; -1 when it is malformed. */
	int	(*certificates)(struct ipc_in *);
	/* After children_reload(): why is NULL when all use the new one. */
	void	(*reloaded)(const char *why);
	/* After children_stop(): nobody is left. */
	void	(*stopped)(void);
};

/*
 * Starts everybody whom cfg needs. cfg and sockets are borrowed until the end or until a
 * reload has replaced them.
 */
void	 children_start(const struct config *, const struct listeners *,
	    const struct children_ops *);
/* Before children_start(): `ready` comes when all have taken their slices. */
void	 children_check_only(void);
/*
 * Offers a new configuration to all, those included who run only from now on;
 * they use it only if none refuses, and `reloaded` says so. Both are borrowed from then on if it succeeded. One at a
 * time.
 */
void	 children_reload(const struct config *, const struct listeners *);
/* Sessions first, then delivery, then the rest; `hard` kills. */
void	 children_stop(bool hard);

/* --- for control ---------------------------------------------------------------- */

/*
 * Sends the M_CTL_REQ or M_CTL_READ in *in on, under id. -1: that process is
 * not there.
 */
int	 children_ask(enum role, uint64_t id, const struct ipc_in *);
/* Whether the configuration in use has work for it. */
bool	 children_wanted(enum role);
/* Who asked this has left. */
void	 children_gone(enum role, uint64_t id);
/* Stops reading from that process while somebody reads too slowly. */
void	 children_pause(enum role, bool paused);

struct child_info {
	const char *name;		/* "smtpd/0" */
	bool	 absent;		/* the configuration needs none */
	const char *state;		/* in a word */
	int	 pid;			/* 0: none */
	uint64_t since_ms;		/* wall clock */
	uint32_t restarts;
	const volatile uint64_t *stats;
};

/* The i-th process; false behind the last. */
bool	 children_info(size_t i, struct child_info *);

#endif
