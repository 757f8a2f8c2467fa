/*
 * What the rooms of guard share, from the top down: its rules (guard.c), how
 * failures are counted (guard_count.c), its memory (guard_memory.c) and what
 * that goes by (guard_keys.c).
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

#define HOUR_MS		(3600 * 1000ull)
#define DAY_MS		(24 * HOUR_MS)
#define DOUBTS_PER_ONE	8	/* so many names with one password each, of which
				   nobody could tell whether it was wrong */

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

/* --- guard_count.c -------------------------------------------------------- */

/* Who tries what, from where. */
struct try {
	const char *name;	/* "": what was shown had none */
	const char *peer;
	struct place p;
	const char *whose;	/* that a lock would be, if not the name's */
};

/* Milliseconds that its lock lasts; m may be NULL. */
uint64_t guard_wait_of(const struct memo *m, uint64_t now_ms);
/*
 * The memo that one more failure is noted in. NULL while it is locked: a lock
 * does not grow by what was under way when it came, nor by who is spared it.
 */
struct memo *guard_noted(struct guard *, enum kind, const uint8_t key[KEY_LEN],
	    uint64_t now_ms);
/* How many different failures there are in it by now. */
uint32_t guard_failures(const struct guard *, const struct memo *,
	    uint64_t now_ms);
/* One more failure; true when that is one that was not seen yet. */
bool	 guard_count(struct guard *, struct memo *, uint64_t seen,
	    const struct try *, uint64_t now_ms);
/* What tells one wrong password, and one name, from another. */
uint64_t guard_password_mark(const struct guard *, struct memo *,
	    const struct place *, uint64_t secret);
uint64_t guard_name_mark(const struct guard *, const struct try *);
/* What was tried from there; true when it is one that was not seen yet. */
bool	 guard_count_try(struct guard *, enum kind, const uint8_t key[KEY_LEN],
	    uint64_t tried, const struct try *, uint64_t now_ms);
/* One of its networks tried one more name, or so many parts of one. */
void	 guard_count_site(struct guard *, const struct try *, uint32_t parts,
	    uint64_t now_ms);
/* True when that is no office, each of whom has a password of his own. */
bool	 guard_count_doubt(struct guard *, enum kind,
	    const uint8_t key[KEY_LEN], uint64_t secret, const struct try *,
	    uint64_t now_ms);

/* --- guard_memory.c ------------------------------------------------------- */

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

#endif
