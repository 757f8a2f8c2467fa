/*
 * queue: the rooms of postern-queue and how they know each other: by the one
 * struct queue of the process. rooms.h opens them; tests make their own.
 *
 * From the ground up, each includes only what stands before it: store (with
 * table and record), caps, sched, route and dsn know nothing of each other.
 * reserve counts what is kept of a full disk's room. live keeps the messages
 * that are in memory. life, several rooms that life.h
 * names, owns every decision about a message from its acceptance to its end and
 * is alone in calling the store's transitions. On top of it submit takes mail
 * from smtpd, dispatch carries what sched says is next to a relay and brings
 * life the answers, feed brings life what the index says is due, strays tells of
 * mail whose route a reload took away, and ctl
 * answers posternctl; sched and live call dispatch, feed and life back without
 * knowing them.
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
struct strays;
struct submit;

struct queue {
	const struct queue_conf *conf;	/* the slice in effect */
	struct store *store;
	uint64_t reserved;		/* bytes, all that is: reserve.h */
	struct caps *caps;
	struct caps *released;		/* what was held and is let go, by the same
					   limits; see life_release.h */
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
	struct strays *strays;
	struct ev_timer sweep;
	struct ev_timer stop;		/* runs while stopping */
	uint64_t stop_at_ms;		/* at the latest */
	bool	 stopping;
};

#endif
