/*
 * stats: counters that live in one shared page per process, written without
 * locks by their owner and read by the parent (posternctl status) at any time.
 */
#ifndef LIB_STATS_H
#define LIB_STATS_H

#include <stdint.h>

/* name in `posternctl status --json`, and what is counted */
#define STATS(X)							\
	X(SESSIONS_NOW, "sessions_now", "sessions open")		\
	X(SESSIONS, "sessions", "sessions begun")			\
	X(LOGINS, "logins", "successful logins")			\
	X(LOGIN_FAILURES, "login_failures", "failed logins")		\
	X(REFUSED, "refused", "commands refused")			\
	X(ACCEPTED, "accepted", "messages accepted")			\
	X(QUEUED_NOW, "queued_now", "messages in the queue")		\
	X(DELIVERED, "delivered", "recipients delivered")		\
	X(DEFERRED, "deferred", "deferrals")				\
	X(FAILED, "failed", "recipients failed")			\
	X(BOUNCES, "bounces", "reports of failure queued")		\
	X(DISK_LOW, "disk_low", "1: the disk is too full to take mail") \
	X(OVER_CAP, "over_cap", "refusals over a cap")			\
	X(SIGNATURES, "signatures", "TLS signatures made")		\
	X(SIGNATURES_REFUSED, "signatures_refused", "signatures refused") \
	X(CONNECTIONS_NOW, "connections_now", "connections to next hops")

enum stat_id {
#define X(id, name, help) STAT_##id,
	STATS(X)
#undef X
	STATS_COUNT
};

extern const char *const stats_names[STATS_COUNT];

/* Makes an anonymous page; *fd can be passed on. The parent reads through it. */
volatile uint64_t *stats_make(int *fd);
/* Maps a received page for writing; until then counts go nowhere. */
void	 stats_use(int fd);
void	 stats_add(enum stat_id, int64_t);
void	 stats_set(enum stat_id, uint64_t);

#endif
