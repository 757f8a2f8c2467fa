/*
 * verify: the one step that sees the whole configuration: defaults that depend
 * on the machine, users, what must be there, what does not fit together. It
 * looks at the machine but changes nothing.
 */
#ifndef POSTERND_VERIFY_H
#define POSTERND_VERIFY_H

#include "lib/buf.h"
#include "posternd/config.h"

/* -1 with lines added to problems. */
int	 verify(struct config *, struct buf *problems, struct buf *warnings);

/* The part of it about ways to log in. */
void	 verify_mechanisms(const struct config *, struct buf *problems,
	    struct buf *warnings);

/* The part of it about what accounts may send as. */
void	 verify_groups(const struct config *, struct buf *problems,
	    struct buf *warnings);
/* The part of it about sources of accounts. */
void	 verify_sources(const struct config *, struct buf *problems,
	    struct buf *warnings);
/* The part about tokens; adds their mechanisms to those that are offered. */
void	 verify_tokens(struct config *, struct buf *problems,
	    struct buf *warnings);
/* NULL when there is no section of that name. */
const struct config_source *verify_find_source(const struct config *,
	    const char *name);

/* --- verify_words.c ------------------------------------------------------- */

/* IPv4 or IPv6, without brackets. */
bool	 verify_is_address(const char *);

/* A next hop taken apart. */
struct next_hop {
	bool	 mx, implicit_tls;
	char	 host[256];
	uint32_t port;
};

/* NULL, or what is wrong with it in a sentence. */
const char *verify_next_hop(const char *, struct next_hop *);

/* NULL when it is "a@b" or "@b"; else how a sentence about it goes on. */
const char *verify_pattern(const char *);

#endif
