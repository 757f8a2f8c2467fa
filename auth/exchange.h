/*
 * exchange: logins in progress, between the workers' channels and the threads.
 * A session of smtpd has at most one. The loop owns the exchange, a lane of
 * auth/worker the SASL connection in it; both know who is to move.
 */
#ifndef AUTH_EXCHANGE_H
#define AUTH_EXCHANGE_H

#include <stdint.h>

#include "auth/sasl.h"

struct auth_conf;

/* The settings from now on; borrowed until the next call. */
void	 exchange_conf(const struct auth_conf *);
/* A channel to that smtpd (takes fd); an older one to the same is closed. */
void	 exchange_peer(uint32_t index, int fd);
/* Ends all channels; answers that threads still owe go nowhere. */
void	 exchange_stop(void);

/*
 * Who asks another process what a login has to know. It sends its question
 * under that number and returns how many milliseconds to wait for the answer
 * at most; 0: it cannot ask now. No thread waits meanwhile.
 */
typedef uint64_t exchange_asker(uint64_t question, const struct sasl_result *);
void	 exchange_ask_by(enum sasl_ask, exchange_asker *);
/*
 * The answer, whose account is taken over; one that nobody waits for any more
 * is dropped, and so is one of another process than was asked.
 */
void	 exchange_answered(enum sasl_ask, uint64_t question,
	    struct sasl_verdict *);

#endif
