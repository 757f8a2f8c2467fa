/*
 * control: posternctl's side door. A unix socket for root (and the user that
 * posternd runs as), several clients at once. Verbs of the parent are answered
 * here; all others are passed to the process that owns them and its rows are
 * streamed back, at the pace of whoever reads them.
 */
#ifndef POSTERND_CONTROL_H
#define POSTERND_CONTROL_H

#include "lib/buf.h"
#include "posternd/config.h"

struct control_ops {
	/* Begin; control_reloaded() or control_stopped() will follow. */
	void	(*reload)(void);
	void	(*stop)(void);
};

/* cfg is only looked at; -1 with a line added to problems. */
int	 control_open(const struct config *, const struct control_ops *,
	    struct buf *problems);
/* Takes the socket away; who is connected still gets his answer. */
void	 control_close(void);

/* Answers to those who asked for it: "" when all went well. */
void	 control_reloaded(const char *problems, const char *warnings);
void	 control_stopped(void);
/* For struct children_ops. */
void	 control_answer(enum role, struct ipc_in *);
void	 control_mute(enum role);

#endif
