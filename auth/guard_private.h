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
/* Passwords that are the same for one name and the next are no office's. */
#define DOUBTED		4

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
	uint64_t owner;		/* whose that, or the lock, was: a number; not
				   on disk */
	uint32_t locks;		/* in a row */
	uint32_t unseen;	/* failures that showed no password */
	uint64_t doubted[DOUBTED];	/* passwords, the last ones in turn; not
				   on disk */
	uint32_t n;
	uint64_t seen[GUARD_LIMIT_MAX];	/* hashes of what failed */
	uint32_t where[GUARD_LIMIT_MAX]; /* from which networks; not on disk */
	/* Who it is, once it was locked; to be shown and lifted. */
	char	*name;		/* owned; of an account or pair; of an address,
				   who made it good; or NULL */
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

/* An address with its family in front; a network is so many bytes of it. */
#define OF_TOKENS	0x10	/* in the family */
struct place {
	uint8_t	 v[1 + 16];
	size_t	 len, network_len;	/* 0: no address */
	size_t	 site_len;		/* 0: it has none */
};

struct place guard_place(const char *peer);
/* The same place, where tokens are counted apart from passwords. */
struct place guard_token_place(const char *peer);
/* One that is none, of tokens or not: of a pair that is a trust. */
struct place guard_nowhere(const struct place *);
/* Its first n bytes; 0: no network. */
struct net guard_net(const struct place *, size_t n);
void	 guard_digest(const struct guard *, uint8_t kind, const void *, size_t,
	    uint8_t out[KEY_LEN]);
uint64_t guard_hash(const struct guard *, const void *, size_t);
void	 guard_account_key(const struct guard *, const char *name,
	    uint8_t key[KEY_LEN]);
void	 guard_pair_key(const struct guard *, const char *name,
	    const struct place *, uint8_t key[KEY_LEN]);
/* Of the trust of who made a good address so, for what is tried at that place. */
void	 guard_trust_key(const struct guard *, const struct memo *address,
	    const struct place *, uint8_t key[KEY_LEN]);

struct memo *guard_find(struct guard *, enum kind,
	    const uint8_t key[KEY_LEN]);
/* The one with this key, made if need be. */
struct memo *guard_make(struct guard *, enum kind,
	    const uint8_t key[KEY_LEN]);
/* It changed: the most lately used of what is worth as much. */
void	 guard_use(struct guard *, struct memo *);
void	 guard_forget(struct guard *, struct memo *);
/* Of what one owner has left, the oldest goes if it is too much. */
void	 guard_thin(struct guard *, enum kind, enum worth, uint64_t owner,
	    size_t max);
/* Whether anything is held against it. */
bool	 guard_holds(const struct memo *);
/*
 * Nothing is held against it any more; it may be gone then, or comes last of its
 * kind: whoever goes through them asks guard_holds(), or goes round for ever.
 */
void	 guard_forgive(struct guard *, struct memo *);
/*
 * Whether it is no account's in one network, but what was tried from all
 * addresses that the account has made good.
 */
bool	 guard_is_trust(const struct memo *);
/* Milliseconds that its lock lasts; m may be NULL. */
uint64_t guard_wait_of(const struct memo *m, uint64_t now_ms);

#endif
