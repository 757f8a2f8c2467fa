/*
 * lane: sessions of devices that cannot log in. The listener has let only their
 * addresses in; auth is asked before the greeting who it is, and its answer
 * stands in a login's place, with one sender and a list of recipients.
 */
#ifndef SMTPD_LANE_H
#define SMTPD_LANE_H

#include <stdbool.h>

struct ipc_in;
struct login;
struct session;

/* Asks; the greeting comes with the answer. */
void	 lane_begin(struct session *, const char *listener);
/* Answers of auth. 0, or -1 when the message is malformed. */
int	 lane_ok(struct session *, struct ipc_in *);
int	 lane_no(struct session *, struct ipc_in *);
/* auth is gone. */
void	 lane_gone(struct session *);

/* Whether it may write to that address; whoever has logged in may to all. */
bool	 lane_permits(const struct login *, const char *recipient);

#endif
