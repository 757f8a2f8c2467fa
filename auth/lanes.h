/*
 * lanes: devices that cannot log in. smtpd says at which listener one has come
 * in and from where; who that is, and what it may, stands in our own slice, and
 * the answer is a ticket for that. Whether it really came from there nobody but
 * smtpd can see: a captured worker may take any device's part, which is why the
 * ticket names the lane and queue holds it to its sender and recipients.
 */
#ifndef AUTH_LANES_H
#define AUTH_LANES_H

#include "lib/ipc.h"

struct accounts;
struct auth_conf;

/* From now on; both borrowed. Warns of lanes without an account. */
void	 lanes_conf(struct accounts *, const struct auth_conf *);
/* M_LANE of that worker, answered there. 0, or -1 when it is malformed. */
int	 lanes_ask(struct ipc *, uint32_t worker, struct ipc_in *);

#endif
