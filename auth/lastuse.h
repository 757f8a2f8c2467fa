/*
 * lastuse: when devices logged in last. Noted in memory, written behind: once a
 * minute, all in one transaction, in a thread; so a login costs no sync, and a
 * crash forgets a minute. Main thread.
 */
#ifndef AUTH_LASTUSE_H
#define AUTH_LASTUSE_H

#include "auth/uses.h"

struct accounts;

#define LASTUSE_ROOM	4096	/* noted and not yet written; then it is */

/* Where they are kept, from now on; NULL: nowhere, what is noted goes. */
void	 lastuse_start(struct accounts *);
/* Writes the last of it, at once. */
void	 lastuse_stop(void);

/* "account/label" has logged in from there. */
void	 lastuse_note(const char *login, const char *peer, uint64_t wall_ms);
/* It is gone. */
void	 lastuse_forget(const char *login);
/* Puts what was noted since in the place of what was stored, if it is newer. */
void	 lastuse_newer(const char *login, struct use *);

#endif
