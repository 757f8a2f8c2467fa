/*
 * verbs: what can be asked of a running Postern. One table says how a verb is
 * called, how its answer looks and whether it needs a password.
 */
#ifndef POSTERNCTL_VERBS_H
#define POSTERNCTL_VERBS_H

#include <stdbool.h>
#include <stddef.h>

#include "posternctl/render.h"

enum verb_way {
	WAY_PLAIN,		/* one request, one answer */
	WAY_PASSWORD,		/* with one of the account named first */
	WAY_TRY_PASSWORD,	/* the same, one that there is already */
	WAY_CERTIFICATE,	/* a file of one, behind the account */
	WAY_BULK,		/* many messages at once: asks first */
	WAY_EXPORT, WAY_IMPORT,	/* a folder of messages */
	WAY_BACKUP, WAY_RESTORE	/* a file of the queue's own */
};

struct verb {
	const char *words;	/* "account add" */
	const char *args;	/* "NAME [--cap CAP]", for the usage text */
	const char *help;
	int	 min_args, max_args; /* behind the words; -1: any number */
	enum view view;
	enum verb_way way;
	/* "cap sender all!": --cap X becomes cap=X, --all becomes all=yes */
	const char *options;
};

/*
 * The verb that argv begins with, the longest that fits; *used is the number
 * of words it took. NULL when there is none; *nearest is then a guess or NULL.
 */
const struct verb *verbs_find(int argc, char **argv, int *used,
	    const char **nearest);
/*
 * How many words of argv, from its first on, begin a verb; `said` gets those
 * that may follow, comma between.
 */
int	 verbs_beside(int argc, char **argv, char *said, size_t size);
/* All of them, for --help. */
const struct verb *verbs_all(size_t *n);
/* Whether the verb takes --name; *flag: without a value. */
bool	 verb_takes(const struct verb *, const char *name, size_t len,
	    bool *flag);

#endif
