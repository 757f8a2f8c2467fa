/*
 * slices: fills each child's part of the configuration (lib/conf.h) with what
 * does not stand in the file itself: host name, certificates, keys, passwords
 * and random keys. The parent reads these files and parses none of them: that
 * they make sense is checked by the child that uses them.
 */
#ifndef POSTERND_SLICES_H
#define POSTERND_SLICES_H

#include "lib/buf.h"
#include "posternd/config.h"

#define SASLAUTHD_MUX	"/run/saslauthd/mux"	/* unless named otherwise */

/* Reads the files that cfg names; -1 with lines added to problems. */
int	 slices_fill(struct config *, struct buf *problems,
	    struct buf *warnings);
/* Makes random keys, or takes over those of a running configuration. */
void	 slices_secrets(struct config *, const struct config *running);
void	 slices_clear(struct config *);
/* Whether a process of that role can be told of it in one message. */
bool	 slices_fit(const struct config *, enum role);
/* The whole M_CONF for a process of that role. */
void	 slices_send(const struct config *, enum role, struct ipc *);

const char *slices_role_name(enum role);
/* Whether that configuration needs a process of that role. */
bool	 slices_wanted(const struct config *, enum role);
/* The directory it is locked into, or "". */
void	 slices_root(const struct config *, enum role, char root[PATH_MAX]);

#endif
