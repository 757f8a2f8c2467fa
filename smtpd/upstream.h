/*
 * upstream: the channels to auth and queue. A session asks by sending a
 * message with its id (lib/ipc_msgs.h) and enters a state that waits; the
 * answer finds it by that id. When a process at the other end is gone, those
 * who wait get "try again" and the sessions go on; the parent brings a new one.
 */
#ifndef SMTPD_UPSTREAM_H
#define SMTPD_UPSTREAM_H

#include "lib/ipc.h"
#include "lib/ipc_msgs.h"

struct server;
struct upstream;

struct upstream_ops {
	/* 0, or -1 when the message is malformed or nobody asked for it. */
	int	(*take)(struct upstream *, struct ipc_in *);
	/* Its process is gone: those who wait are to be told. */
	void	(*gone)(struct upstream *);
};

struct upstream {
	struct server *server;
	enum role role;
	const struct upstream_ops *ops;
	uint32_t index;
	struct ipc *ipc;	/* owned; NULL before the first and between two */
};

void	 upstream_init(struct upstream *, struct server *, enum role,
	    const struct upstream_ops *);
/* Takes fd; whoever waits on an older channel is told that it is gone. */
void	 upstream_attach(struct upstream *, uint32_t index, int fd);
void	 upstream_clear(struct upstream *);
bool	 upstream_alive(const struct upstream *);
/* Sends the message that was built. */
void	 upstream_send(struct upstream *);

#endif
