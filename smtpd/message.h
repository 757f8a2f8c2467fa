/*
 * message: what DATA and BDAT have in common, from the first byte of a content
 * to queue's answer. How the bytes are framed is theirs.
 */
#ifndef SMTPD_MESSAGE_H
#define SMTPD_MESSAGE_H

#include "smtpd/reply.h"
#include "smtpd/transaction.h"

struct ipc_in;
struct session;

/* Whether a content may come now: there is a sender and a recipient. */
enum reply message_check(const struct session *);
/* The transaction gets its content; its wire is begun by the verb. */
void	 message_begin(struct session *);
/* Takes pieces of content; a smtp_data_sink, arg is the transaction. */
int	 message_sink(const uint8_t *, size_t, void *arg);
/* So many bytes are not read to their end, even to be refused. */
bool	 message_far_beyond(const struct session *, uint64_t size);
/* Flawed or refused: no more of it is kept. */
bool	 message_is_bad(const struct transaction *);
/* Asks for a spool file if one is needed; true: the answer is waited for. */
bool	 message_wants_spool(struct session *);
/* Says why a bad message is refused and ends the transaction. */
void	 message_refuse(struct session *);
/* All of it is there: it is refused, or queue's to answer for. */
void	 message_finish(struct session *);

/* Answers of queue. 0, or -1 when the message is malformed. */
int	 message_spool(struct session *, struct ipc_in *);
int	 message_spool_no(struct session *, struct ipc_in *);
int	 message_submitted(struct session *, struct ipc_in *);
int	 message_submit_no(struct session *, struct ipc_in *);
/* Its file was emptied. It may be an earlier transaction's, which is over. */
int	 message_over(struct session *, struct ipc_in *);
/* queue is gone. */
void	 message_gone(struct session *);

#endif
