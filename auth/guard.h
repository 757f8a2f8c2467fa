/*
 * guard: who has guessed too often. It keeps, for some time and in bounded
 * memory, what went wrong
 *
 *	of an account	from networks that it was never used from: distinct
 *			wrong passwords, the same one again counts once
 *	of a pair	of account and network, where it was used before: the
 *			same, apart, so that strangers cannot lock out owners
 *	of a network	(a /24 or /64): distinct names that failed, and apart from
 *			them distinct tokens
 *	of a site	(an IPv6 /48): the same, four of them count as one
 *	of an address	the same; one that logged in well is spared what its
 *			neighbours have done, unless it does so itself
 *	of a trust	the same at all addresses that one account has logged in
 *			from last; none of them is spared then
 *
 * Behind an address there may be many, an office's for one. So who is at home
 * there (his account and that network are a good pair) gets in whatever names
 * others have tried behind it, or beside it in a /64; all other names wait until
 * its lock is over.
 *
 * What reaches its limit is locked, at first for lock_ms, each time again for
 * twice as long; while it is locked nothing adds up. Names count whether or not
 * there is such an account, so a lock says nothing about that. Main thread; times
 * are the wall clock's, since it all outlives a restart.
 */
#ifndef AUTH_GUARD_H
#define AUTH_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUARD_LIMIT_MAX	16	/* failures that can be told apart */
#define GUARD_ROOM	16384	/* of each kind; then the least lately used goes
				   of what is of least worth */

struct guard;
struct net;

/* A lock that lasts; all borrowed for the call. */
struct guard_lock {
	const char *what;	/* "account", "home" (an account's, where it is
				   at home), "network", "address", "site",
				   "trust"; with "-tokens" where these are what
				   waits */
	const char *name;	/* of an account, else "" */
	const struct net *from;	/* NULL: of an account, wherever from, or from
				   a file of version 1 */
	uint64_t until_ms;
	uint32_t times;		/* in a row, with this one */
};

struct guard *guard_new(void);
void	 guard_free(struct guard **);
/* limit: failures until a lock, at most GUARD_LIMIT_MAX; 0: nobody is locked. */
void	 guard_configure(struct guard *, uint32_t limit, uint64_t lock_ms);

/*
 * Milliseconds until this address may try any name by a password; 0: now, or
 * perhaps some names, as somebody logged in from it, or from its /64 of IPv6 (a
 * /24 of IPv4 has many owners), and the others are told when they are known.
 */
uint64_t guard_peer_wait(struct guard *, const char *peer, uint64_t now_ms);
/* Milliseconds until it may try this name; 0: now. */
uint64_t guard_account_wait(struct guard *, const char *name,
	    const char *peer, uint64_t now_ms);
/*
 * The same for a token, whose failures are counted apart: guesses at passwords
 * keep none out, nor it them. name, which nothing proves, may be "".
 */
uint64_t guard_token_wait(struct guard *, const char *name, const char *peer,
	    uint64_t now_ms);
/*
 * Whether somebody logged in from this address within a month, and since it was
 * locked itself, if it was; and nothing is held against his trust.
 */
bool	 guard_is_known(struct guard *, const char *peer, uint64_t now_ms);
/* A number for the /24 or /48 that it is in; 0: for none. */
uint64_t guard_network(const struct guard *, const char *peer);

/*
 * A login failed. secret: a keyed hash of the wrong password, or 0 where the
 * mechanism shows none. Returns how many different ones there are by now. Logs
 * a lock.
 */
uint32_t guard_failed(struct guard *, const char *name, const char *peer,
	    uint64_t secret, uint64_t now_ms);
/*
 * The same for a password of which not all could tell whether it was wrong.
 * From the second different one on that a network tries at a name it counts like
 * any other; the first, which is all that an honest client has, counts where it came from only
 * together with those of seven other names that are not at home there, unless
 * another name was tried there with the same one: where many wait for one server
 * to come back, their network has done nothing.
 */
uint32_t guard_undecided(struct guard *, const char *name, const char *peer,
	    uint64_t secret, uint64_t now_ms);
/*
 * The same for what is no password of the name's: a token, whose hash this is.
 * It counts where it came from alone, or strangers could lock out by tokens who
 * comes by a password; and against sparing the name its network's lock, where
 * it is at home.
 */
uint32_t guard_token_failed(struct guard *, const char *name,
	    const char *peer, uint64_t token, uint64_t now_ms);
void	 guard_succeeded(struct guard *, const char *name, const char *peer,
	    uint64_t now_ms);

/* Until when strangers' networks are locked out of it; 0: they are not. */
uint64_t guard_locked_until(struct guard *, const char *name,
	    uint64_t now_ms);
/* Forgets what was held against it, wherever from. */
void	 guard_unlock(struct guard *, const char *name);
/*
 * Lifts the locks of addresses, networks and sites that this address or network
 * lies in, or that lie in it, and the trusts of such addresses. Of those from a
 * file of version 1, which does not say where they are, only what it is or lies
 * in. Returns how many there were.
 */
size_t	 guard_unlock_net(struct guard *, const struct net *, uint64_t now_ms);
/* Calls fn for each lock, for those made last first, by kind. */
void	 guard_locks(struct guard *, uint64_t now_ms,
	    void (*fn)(const struct guard_lock *, void *), void *arg);

/* All of it as bytes, allocated; and back. False: no bytes of ours. */
uint8_t	*guard_pack(struct guard *, size_t *len);
bool	 guard_unpack(struct guard *, const uint8_t *, size_t len);
/* Whether anything changed since the last guard_pack(). */
bool	 guard_changed(const struct guard *);

#endif
