/*
 * What the rooms of guard share: its rules (guard.c) and its memory
 * (guard_memory.c).
 */
#ifndef AUTH_GUARD_PRIVATE_H
#define AUTH_GUARD_PRIVATE_H

#include <sys/queue.h>

#include "auth/guard.h"
#include "lib/net.h"

#define KEY_LEN		16
#define SEED_LEN	16
#define GUARD_BUCKETS	4096

enum kind { ACCOUNT, PAIR, NETWORK, ADDRESS, SITE, KINDS };

/*
 * What a memo is worth when room is short: fresh failures, of which strangers
 * can make as many as they like, push out neither locks nor those who have
 * logged in.
 */
enum worth { FRESH, LOCKED, GOOD, WORTHS };

/* What is known of one thing, whatever it is. */
struct memo {
	LIST_ENTRY(memo) bucket;
	TAILQ_ENTRY(memo) by_use;
	uint8_t	 kind, worth;
	uint8_t	 key[KEY_LEN];	/* a pair's begins like its account's */
	uint64_t since_ms;	/* when the failures began to be counted */
	uint64_t locked_ms;	/* until then */
	uint64_t last_lock_ms;
	uint64_t good_ms;	/* of the last good login; 0: none */
	uint64_t owner;		/* whose that was, a number; not on disk */
	uint32_t locks;		/* in a row */
	uint32_t unseen;	/* failures that showed no password */
	uint32_t n;
	uint64_t seen[GUARD_LIMIT_MAX];	/* hashes of what failed */
	/* Who it is, once it was locked; to be shown and lifted. */
	char	*name;		/* owned; of an account or pair, else NULL */
	struct net from;	/* of all but an account; else 0 bits */
};

TAILQ_HEAD(uses, memo);

struct guard {
	LIST_HEAD(, memo) buckets[GUARD_BUCKETS];
	struct uses uses[KINDS][WORTHS]; /* least lately used first */
	size_t	 n[KINDS][WORTHS];
	uint32_t limit;
	uint64_t lock_ms;
	uint8_t	 seed[SEED_LEN];	/* nobody aims at a bucket */
	bool	 changed;
};

struct memo *guard_find(struct guard *, enum kind,
	    const uint8_t key[KEY_LEN]);
/* The one with this key, made if need be. */
struct memo *guard_make(struct guard *, enum kind,
	    const uint8_t key[KEY_LEN]);
/* It changed: the most lately used of what is worth as much. */
void	 guard_use(struct guard *, struct memo *);
void	 guard_forget(struct guard *, struct memo *);
/* Of what one owner's good logins have left, the oldest goes if it is too much. */
void	 guard_thin(struct guard *, enum kind, uint64_t owner, size_t max);
/* Nothing is held against it any more; it may be gone then. */
void	 guard_forgive(struct guard *, struct memo *);
/* Milliseconds that its lock lasts; m may be NULL. */
uint64_t guard_wait_of(const struct memo *m, uint64_t now_ms);

#endif
