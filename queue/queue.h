/*
 * queue: the rooms of postern-queue and how they know each other. There is one
 * struct queue in the process; tests make their own.
 *
 * From the ground up, each includes only what stands before it: store (with
 * table and record), caps, sched, route and dsn know nothing of each other.
 * live keeps the messages that are in memory. life owns every decision about a
 * message from its acceptance to its end and is alone in calling the store's
 * transitions. On top of it submit takes mail from smtpd, dispatch carries
 * what sched says is next to a relay and brings life the answers, feed brings
 * life what the index says is due, and ctl answers posternctl; sched and live
 * call dispatch and feed back without knowing them.
 */
#ifndef QUEUE_QUEUE_H
#define QUEUE_QUEUE_H

#include "lib/child.h"
#include "lib/conf.h"
#include "lib/ev.h"
#include "lib/revoked.h"
#include "queue/caps.h"
#include "queue/sched.h"
#include "queue/store.h"

struct ctl;
struct dispatch;
struct feed;
struct life_digests;
struct live;
struct submit;

struct queue {
	const struct queue_conf *conf;	/* the slice in effect */
	struct store *store;
	struct caps *caps;
	struct caps *released;		/* what was held and is let go, by the same
					   limits; see life_release.c */
	struct sched *sched;
	struct live *live;
	struct submit *submit;
	struct dispatch *dispatch;
	struct feed *feed;
	struct revoked revoked;		/* what auth has said */
	struct ipc *auth;		/* NULL: absent */
	bool	 told;			/* auth has said all that it knew of
					   logins that are void */
	struct ctl *ctl;
	struct life_digests *digests;
	struct ev_timer sweep;
	struct ev_timer stop;		/* runs while stopping */
	uint64_t stop_at_ms;		/* at the latest */
	bool	 stopping;
};

/* NULL: acceptable, else a sentence. */
const char *queue_conf_check(const struct queue_conf *);
/*
 * Opens all rooms around the store that open_store() gives, replays usage and
 * begins to deliver. NULL, or a sentence.
 */
const char *queue_open(struct queue *, const struct queue_conf *,
	    struct store *(*open_store)(struct queue *, const char **errstr));
/* Another slice takes effect. */
void	 queue_reconf(struct queue *, const struct queue_conf *);
/* The channel to auth, in place of an earlier one. */
void	 queue_auth_peer(struct queue *, int fd);
/* Closes the store, which blocks until all is written, and frees the rooms. */
void	 queue_close(struct queue *);

/* What the store is to call; arg is the struct queue. */
extern const struct store_ops queue_store_ops;

#endif
