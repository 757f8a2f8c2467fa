/*
 * ask: how each kind of verb is carried out: plain ones, orders about many
 * messages that want a yes first, and copies to and from a folder. All return
 * an exit code and have complained unless that is CTL_OK.
 */
#ifndef POSTERNCTL_ASK_H
#define POSTERNCTL_ASK_H

#include "posternctl/talk.h"
#include "posternctl/verbs.h"

struct ask {
	struct talk talk;
	const struct verb *verb;
	char	**args;		/* plain ones first, then "option=value" */
	size_t	 nargs, nplain;
	bool	 json;
};

/* Asks, and prints the answer. */
int	 ask_plain(struct ask *, const void *secret, size_t secret_len);
/* The same with a file, but without the first argument, which named it. */
int	 ask_file(struct ask *, int fd);
int	 ask_password(struct ask *);
/* Reads the certificate in the file named second. */
int	 ask_certificate(struct ask *);
int	 ask_bulk(struct ask *);
int	 ask_export(struct ask *);
int	 ask_import(struct ask *);
int	 ask_backup(struct ask *);
int	 ask_restore(struct ask *);

/* Whether this option was given. */
bool	 ask_has(const struct ask *, const char *option);

#endif
