/*
 * revoke: the channel to queue, on which auth says whose sessions must not go
 * on: an account was removed or has a new password. Main thread.
 */
#ifndef AUTH_REVOKE_H
#define AUTH_REVOKE_H

#include <stdint.h>

/* Takes the place of an earlier channel to queue. */
void	 revoke_peer(int fd);
/*
 * All logins of the account that have begun until now are void; or those of its
 * device, "account/label", or by its own password, "account/". ticket_sec: so
 * long a ticket may live.
 */
void	 revoke_account(const char *whose, uint32_t ticket_sec);
/*
 * ev_now_ms(), for a login that begins now: behind all that was revoked so far,
 * and not behind what is revoked later, also within one millisecond.
 */
uint64_t revoke_begun_ms(void);
void	 revoke_stop(void);

#endif
