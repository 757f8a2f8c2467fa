/*
 * children_private: what the rooms of children.h share, from the top down.
 * children.c: the first start, what they say, their death. rollout.c: reload and
 * stop. birth.c: how one begins.
 */
#ifndef POSTERND_CHILDREN_PRIVATE_H
#define POSTERND_CHILDREN_PRIVATE_H

#include "lib/ev.h"
#include "posternd/children.h"
#include "posternd/logsink.h"

enum child_state {
	CHILD_DOWN,		/* no process; `again` may be armed */
	CHILD_ASKED,		/* M_CONF sent: M_CONF_OK or _BAD comes */
	CHILD_FIT,		/* its slice is good; it waits for its turn */
	CHILD_LAUNCHED,		/* M_START sent: M_READY comes */
	CHILD_READY,		/* serves */
	CHILD_STOPPING,		/* M_STOP sent: its end comes */
	CHILD_ABSENT,		/* the configuration needs none */
	CHILD_STATES
};

struct child {
	enum role role;
	uint32_t index;
	char	 name[16];
	enum child_state state;
	int	 pid;		/* 0: none */
	struct ipc *control;
	struct logsource *log;
	volatile uint64_t *stats;
	int	 stats_fd;
	uint64_t born_ms;	/* monotonic */
	uint64_t since_ms;	/* wall */
	uint32_t restarts, failures; /* failures: in a row */
	bool	 offered;	/* reload: has not answered yet */
	const char *why;	/* of a death that we decided; static text */
	struct ev_timer again;	/* start another */
	struct ev_timer patience; /* for a birth that takes too long */
};

extern struct child *children;
extern size_t children_n;
extern const struct children_ops *children_hooks;

/* --- birth.c -------------------------------------------------------------- */

/* Before the first: who hears what they say. */
void	 children_births(const struct ipc_ops *);
/* What later births use. */
void	 children_use(const struct config *, const struct listeners *);
const struct config *children_config(void);
const struct listeners *children_listeners(void);

void	 child_set_state(struct child *, enum child_state);
const char *child_state_name(const struct child *);
/* Whether two roles have a channel to each other. */
bool	 child_linked(enum role, enum role);
/*
 * A process for it, which checks its slice of cfg. False: there is none to be
 * had now, and that has been said; `again` is not armed.
 */
bool	 child_spawn(struct child *, const struct config *cfg);
/* The first process of a child that was absent. */
bool	 child_begin(struct child *, const struct config *cfg);
/* Launches those whose slices are good. */
void	 children_launch_fit(bool workers_too);
/* Another key of TLS tickets for all workers. */
void	 children_renew_tls_key(void);
/* Ends the process; what follows is as if it had died by itself. */
void	 child_kill(struct child *, const char *why);

/* --- rollout.c ------------------------------------------------------------ */

/* What is offered at a reload, or NULL. */
const struct config *rollout_config(void);
/* True when the message or death was about a reload or a stop. */
bool	 rollout_answer(struct child *, const char *option,
	    const char *why);
void	 rollout_gone(struct child *);
bool	 rollout_stopping(void);
bool	 rollout_hard(void);		/* and we kill */

#endif
