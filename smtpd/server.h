/*
 * server: what all sessions of a worker share: the configuration in force, the
 * TLS context, the channels to auth and queue, and the register of sessions.
 * Passed by pointer everywhere, so that a test or a fuzzer may have several.
 */
#ifndef SMTPD_SERVER_H
#define SMTPD_SERVER_H

#include <sys/queue.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/conf.h"
#include "lib/ev.h"
#include "smtpd/upstream.h"

#define SERVER_BUCKETS 4096	/* session ids count up: evenly filled */

struct session;
struct tls;
struct crowd;

LIST_HEAD(session_list, session);
LIST_HEAD(proxied_list, proxied);
LIST_HEAD(leaving_list, leaving);

struct server {
	const struct smtpd_conf *conf;	/* borrowed; may change between turns */
	uint32_t extensions;		/* offered, smtpd/extensions.h */
	struct tls *tls;		/* owned; NULL: no STARTTLS */
	struct crowd *crowd;		/* owned: sessions per address */
	struct upstream auth, queue;
	struct session_list by_id[SERVER_BUCKETS];
	size_t	 sessions;
	size_t	 large_bytes;		/* lent to bodies, smtpd/message.c */
	struct proxied_list proxied;	/* not yet sessions, smtpd/proxied.h */
	size_t	 proxied_n;
	struct leaving_list leaving;	/* no more sessions, smtpd/leaving.h */
	size_t	 leaving_n;
	uint64_t last_id;
	void	(*empty)(struct server *);	/* the last session has ended */
};

/* conf is borrowed until server_clear(). */
void	 server_init(struct server *, const struct smtpd_conf *);
/* Ends all sessions without a word. */
void	 server_clear(struct server *);
/* A number that no other session of any worker has for a long time. */
uint64_t server_next_id(struct server *);
struct session *server_find(struct server *, uint64_t id);
/* Whether it has as many connections as it may. */
bool	 server_full(const struct server *);
/* Calls fn with every session; fn may end that session, but no other. */
void	 server_each(struct server *, void (*fn)(struct session *, void *),
	    void *arg);

#endif
