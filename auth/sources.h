/*
 * sources: the channel to postern-source, which asks others than us about a
 * name and a password. What it says is remembered for a moment when it is yes,
 * as an HMAC and what the account may do, so that a client which opens a
 * connection for each message does not weigh on them. Whoever is let in gets
 * cap and senders from our own settings; a source adds addresses at most. Main
 * thread.
 */
#ifndef AUTH_SOURCES_H
#define AUTH_SOURCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ipc_msgs.h"

struct auth_conf;
struct sasl_verdict;

/* Borrowed until the next call; what was remembered is forgotten. */
void	 sources_conf(const struct auth_conf *);
/* A channel to source; replaces an older one. */
void	 sources_peer(int fd);
/* No login of that name that was right is remembered any more. */
void	 sources_forget(const char *name);
void	 sources_stop(void);

/* Who hears what each source says, and then how it ends: both in the loop. */
struct sources_tester {
	void	(*said)(void *arg, const char *source, enum source_said,
		    const char *why, uint32_t ms);
	/* The verdict's account may be taken out. */
	void	(*ended)(void *arg, struct sasl_verdict *);
};

/*
 * Asks as a login would, but remembers and counts nothing. May call back at
 * once. The password has 1 to SOURCE_PASSWORD_MAX bytes, none of them NUL.
 */
void	 sources_test(const char *name, const void *password, size_t len,
	    const struct sources_tester *, void *arg);

#endif
