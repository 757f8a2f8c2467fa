/*
 * watch: the guard of this process, with what it needs of the world: loopback
 * is nobody's network, what is known goes to disk once a minute and at the end,
 * by way of a thread.
 */
#ifndef AUTH_WATCH_H
#define AUTH_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct auth_conf;
struct guard_lock;
struct net;

/* The settings from now on. */
void	 watch_conf(const struct auth_conf *);
/* Reads what was kept in that directory, and keeps it there from now on. */
void	 watch_start(const char *dir);
/* Writes the last of it, at once. */
void	 watch_stop(void);

/* Milliseconds until this peer may try any name, or this one; 0: now. */
uint64_t watch_peer_wait(const char *peer);
uint64_t watch_account_wait(const char *name, const char *peer);
/* Or show a token; see guard.h. */
uint64_t watch_token_wait(const char *name, const char *peer);
/* Whether it is an address that somebody logs in from. */
bool	 watch_is_known(const char *peer);
/* As guard_network(); 0 for this machine, too. */
uint64_t watch_network(const char *peer);
/* Each returns how many different failures there were by now; see guard.h. */
uint32_t watch_failed(const char *name, const char *peer, uint64_t secret);
uint32_t watch_undecided(const char *name, const char *peer, uint64_t secret);
uint32_t watch_token_failed(const char *name, const char *peer,
	    uint64_t token);
void	 watch_succeeded(const char *name, const char *peer);

/* Wall clock; 0: it is not locked. */
uint64_t watch_locked_until(const char *name);
void	 watch_unlock(const char *name);
/* See guard.h. */
size_t	 watch_unlock_net(const struct net *);
void	 watch_locks(void (*fn)(const struct guard_lock *, void *), void *arg);

#endif
