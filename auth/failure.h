/*
 * failure: what a login that failed costs whoever tried, and what it tells the
 * admin: which names are locked for whom, what counts as a guess, how long the
 * client waits to hear of it. Main thread.
 */
#ifndef AUTH_FAILURE_H
#define AUTH_FAILURE_H

#include "auth/sasl.h"
#include "lib/ipc.h"

/*
 * Milliseconds until this peer may begin a login by that mechanism; 0: now. What
 * shows no password is judged by what it proves.
 */
uint64_t failure_peer_wait(const char *mechanism, const char *peer);
/*
 * Milliseconds until this login may go on with the name that it has tried; 0:
 * now. Else its result is a lock from here on.
 */
uint64_t failure_locked(const struct sasl_login_params *,
	    struct sasl_result *);
/*
 * It has failed: logs it, and counts it if it was a guess. Returns how many
 * different guesses there are by now, with this one; *wait_ms is set where the
 * name is locked.
 */
uint32_t failure_note(uint64_t session, const struct sasl_login_params *,
	    struct sasl_result *, uint64_t *wait_ms);
/* How much later the client hears of it, when so much time has passed. */
uint64_t failure_delay_ms(uint32_t guesses, uint64_t took_ms);
/* M_AUTH_NO; wait_ms: of a lock. */
void	 failure_send(struct ipc *, uint64_t session, enum auth_no why,
	    uint64_t wait_ms);

#endif
