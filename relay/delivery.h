/*
 * delivery: one message on its way to one next hop, as queue asked for it with
 * M_DELIVER: its recipients, each of which gets exactly one result, and its
 * body. Equal results that come in a row go to queue as one, the last of them
 * with the delivery's end: mostly that is all. What is left without a result
 * when the delivery ends stays queue's to try again.
 */
#ifndef RELAY_DELIVERY_H
#define RELAY_DELIVERY_H

#include <sys/queue.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ipc.h"
#include "lib/ipc_msgs.h"
#include "lib/smtp_reply.h"
#include "relay/body.h"

struct delivery_rcpt {
	uint32_t index;			/* queue's number for it */
	char	*addr;
	char	*orcpt;
	uint8_t	 notify;
	bool	 accepted;		/* the next hop said 2yz to RCPT */
	bool	 settled;		/* its result has been sent */
};

/* What some recipients hear together; it goes out when another comes. */
struct result {
	enum outcome outcome;
	char	*status, *diag, *remote;
	uint32_t *index;
	uint32_t n;			/* recipients, 0: none yet */
};

struct delivery {
	TAILQ_ENTRY(delivery) link;	/* for its holder */
	uint64_t attempt;
	char	*id;			/* the message's, for log lines */
	char	*route;
	char	*domain;
	char	*return_path;
	uint8_t	 flags;			/* enum deliver_flag */
	char	*envid;
	uint8_t	 ret;
	uint8_t	 by;			/* enum by_mode */
	bool	 by_trace;
	uint64_t by_ms;			/* wall */
	int8_t	 priority;
	struct delivery_rcpt *rcpts;
	size_t	 nrcpts;
	uint64_t size;
	struct body *body;		/* or NULL and */
	int	 fd;			/* a descriptor to read from, else -1 */
	uint32_t crc;			/* CRC-32C of all that is to be read there */
	uint64_t at;			/* body bytes sent so far */
	uint32_t sum;			/* the checksum of those that were read */
	bool	 again;			/* was given back by a stale connection */
	bool	 dsn;			/* its next hop does RFC 3461 */
	bool	 by_passed;		/* ... RFC 2852 */
	struct result result;
	struct ipc **queue;		/* where results go; *queue may be NULL */
};
TAILQ_HEAD(delivery_list, delivery);

/* From an M_DELIVER, without its body if in->fd_lost; NULL: malformed. */
struct delivery *delivery_get(struct ipc_in *, struct ipc **queue);

/* One recipient's result. status and diag as lib/ipc_msgs.h has them. */
void	 delivery_rcpt(struct delivery *, size_t i, enum outcome,
	    const char *status, const char *diag, const char *remote);
/* The same for all that have none yet; only_accepted: for those accepted. */
void	 delivery_rest(struct delivery *, bool only_accepted, enum outcome,
	    const char *status, const char *diag, const char *remote);
bool	 delivery_any_accepted(const struct delivery *);
/* No more results: tells queue and frees. reached: the next hop answered. */
void	 delivery_end(struct delivery **, const char *remote, const char *tls,
	    bool reached);

/* Outcome, status and diagnostic ("550 5.1.1 No such user") of a reply. */
enum outcome reply_outcome(const struct smtp_reply *);
const char *reply_status(const struct smtp_reply *);
const char *reply_diag(const struct smtp_reply *);	/* static buffer */

#endif
