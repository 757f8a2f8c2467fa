/*
 * submit: the channels to the workers of smtpd. What they ask for is held
 * against admit and sound, mail is charged to the account in its ticket and
 * goes to life. A worker that says what no sound one could is dropped and
 * reported to the parent.
 *
 * "Submitted" is said only once the store has said durable (RFC 5321 6.1).
 */
#ifndef QUEUE_SUBMIT_H
#define QUEUE_SUBMIT_H

#include "queue/queue.h"

struct submit;

struct submit *submit_new(struct queue *);
/* Before the store closes: gives it back the files that nobody has submitted. */
void	 submit_let_go(struct submit *);
void	 submit_free(struct submit **);
/* A channel to this worker, taken over; replaces an older one. */
void	 submit_peer(struct submit *, uint32_t index, int fd);
/* Whether mail is on its way to the disk. */
bool	 submit_busy(const struct submit *);

#endif
