/*
 * success: what a good login gets, a ticket with all that its account may do;
 * and who is to know of it. Main thread.
 */
#ifndef AUTH_SUCCESS_H
#define AUTH_SUCCESS_H

#include "auth/sasl.h"
#include "lib/ipc.h"

struct auth_conf;

/* Its network is the account's from now on, and its device was used. */
void	 success_note(uint64_t session, const struct sasl_login_params *,
	    const struct sasl_result *);
/* M_AUTH_OK to that worker, for a login that has begun then. */
void	 success_send(struct ipc *, uint32_t worker, uint64_t session,
	    uint64_t begun_ms, const struct auth_conf *,
	    const struct sasl_result *);

#endif
