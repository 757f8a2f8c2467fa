/*
 * exchange: logins in progress, between auth/peers and the threads.
 * A session of smtpd has at most one. The loop owns the exchange, a lane of
 * auth/worker the SASL connection in it; both know who is to move.
 */
#ifndef AUTH_EXCHANGE_H
#define AUTH_EXCHANGE_H

#include <sys/queue.h>
#include <stdint.h>

#include "auth/sasl.h"
#include "lib/ipc.h"

#define EXCHANGE_RESPONSE_MAX	12288	/* RFC 4954 4.1, before decoding */

struct auth_conf;

/* A worker of smtpd, whose exchanges these are; the caller's. */
struct exchange_peer {
	LIST_HEAD(, exchange) exchanges;
	uint32_t index;
	struct ipc *ipc;
};

/* The settings from now on; borrowed until the next call. */
void	 exchange_conf(const struct auth_conf *);
/* Whether this session has one; whether its worker may have no more of them. */
bool	 exchange_under_way(const struct exchange_peer *, uint64_t id);
bool	 exchange_full(const struct exchange_peer *);
/*
 * A login begins. All is copied; input is NULL when there is no initial
 * response, certs are the client's, one behind the other.
 */
void	 exchange_begin(struct exchange_peer *, uint64_t id,
	    const struct sasl_login_params *, const uint8_t *certs,
	    size_t certs_len, const uint8_t *input, size_t len);
/* The client's next response. -1: nobody has asked for one. */
int	 exchange_step(struct exchange_peer *, uint64_t id, const uint8_t *,
	    size_t len);
void	 exchange_cancel(struct exchange_peer *, uint64_t id);
/* All of them: answers that threads still owe go nowhere. */
void	 exchange_leave(struct exchange_peer *);

/*
 * Who asks another process what a login has to know. It sends its question
 * under that number and returns how many milliseconds to wait for the answer
 * at most; 0: it cannot ask now. No thread waits meanwhile.
 */
typedef uint64_t exchange_asker(uint64_t question, const struct sasl_result *);
/* The client has left: an answer is good for no more than to see who guesses. */
typedef void exchange_canceller(uint64_t question);
void	 exchange_ask_by(enum sasl_ask, exchange_asker *, exchange_canceller *);
/*
 * The answer, whose account is taken over; one that nobody waits for any more
 * is dropped, and so is one of another process than was asked.
 */
void	 exchange_answered(enum sasl_ask, uint64_t question,
	    struct sasl_verdict *);

#endif
