/*
 * revoke: the channel to queue, on which auth says whose sessions must not go
 * on: an account was removed or has a new password. It is said in two steps,
 * before the change and behind it, so that no kill falls between the change and
 * the word. Main thread, but for revoke_will().
 */
#ifndef AUTH_REVOKE_H
#define AUTH_REVOKE_H

#include "auth/accounts.h"
#include "lib/conf.h"

/*
 * Takes from disk what an auth of before has said under this ticket key. Until
 * then queue hears nothing, and takes no mail. NULL, or a sentence.
 */
const char *revoke_start(struct accounts *, const struct conf_bytes *key);
/* Takes the place of an earlier channel to queue. */
void	 revoke_peer(int fd);

/*
 * The account is about to change: its logins are void from the next start on,
 * also when that comes before revoke_account(). On disk when it returns. Any
 * thread; until_ms is revoke_until_ms(), asked for in the main one.
 */
enum accounts_result revoke_will(const char *whose, uint64_t until_ms);
uint64_t revoke_until_ms(void);
/*
 * It has changed. All logins of the account that have begun until now are void;
 * or those of its device, "account/label", or by its own password, "account/".
 */
void	 revoke_account(const char *whose);
/*
 * ev_now_ms(), for a login that begins now: behind all that was revoked so far,
 * and not behind what is revoked later, also within one millisecond.
 */
uint64_t revoke_begun_ms(void);
void	 revoke_stop(void);

#endif
