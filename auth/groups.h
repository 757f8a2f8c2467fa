/*
 * groups: what the "group" sections of the settings give to their members:
 * sender addresses, and a cap for those who have none of their own. Who is a
 * member is looked up at each login. Pure.
 */
#ifndef AUTH_GROUPS_H
#define AUTH_GROUPS_H

#include "auth/account.h"
#include "lib/conf.h"

/* So many patterns fit into the message to smtpd. */
#define GROUPS_SENDERS_MAX 1000

/* The cap that counts; borrowed from the account or the settings. */
const char *groups_cap(const struct auth_conf *, const struct account *);
/*
 * The account's own patterns, then those of its groups, borrowed; how many. The
 * rest is left out and logged.
 */
size_t	 groups_senders(const struct auth_conf *, const struct account *,
	    const char *out[GROUPS_SENDERS_MAX]);
/* The groups' names, borrowed; how many, at most so many. */
size_t	 groups_names(const struct auth_conf *, const struct account *,
	    const char *out[GROUPS_SENDERS_MAX]);
/* What parts an address from its tag for this account; NUL: nothing does. */
char	 groups_plus(const struct auth_conf *, const struct account *);

#endif
