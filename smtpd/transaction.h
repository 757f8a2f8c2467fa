/*
 * transaction: one mail transaction, from an accepted MAIL to the answer after
 * DATA. RSET, EHLO, HELO and the end of the session end it before its time.
 * What it holds is allocated with it and freed with it.
 */
#ifndef SMTPD_TRANSACTION_H
#define SMTPD_TRANSACTION_H

#include "lib/envelope.h"
#include "lib/smtp_data.h"
#include "smtpd/content.h"

struct transaction {
	struct envelope env;
	uint64_t announced;	/* bytes, by MAIL; 0: not said */
	uint32_t rcpts_left;	/* that queue lets this account still charge */
	bool	 ranked;	/* MT-PRIORITY was said, 0 perhaps */
	bool	 submitted;	/* M_SUBMIT was sent: queue ends it */
	uint64_t content_ms;	/* DATA was accepted; 0: not yet */
	char	*hostname;	/* owned: the configuration may change under us */
	char	 trace_id[40];	/* for the Received field and the log */
	struct fixup fixup;
	char	*refusal;	/* owned reply line of queue, to be said at the end */
	struct smtp_data_in wire;
	struct content content;	/* in use from DATA on */
	size_t	*large;		/* counts what is lent to a body in memory */
	size_t	 lent;
};

struct transaction *transaction_new(const char *return_path);
void	 transaction_free(struct transaction **);
/* What was lent to its body is there for others. */
void	 transaction_not_large(struct transaction *);

#endif
