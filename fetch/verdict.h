/* verdict: what is said about a token: whose it is, or why it does not count. */
#ifndef FETCH_VERDICT_H
#define FETCH_VERDICT_H

#include <stdbool.h>

#include "lib/ipc_msgs.h"
#include "lib/ticket.h"

#define VERDICT_WHY_MAX	200	/* as auth takes them */

struct verdict {
	bool	 good;
	char	 name[ACCOUNT_MAX + 1];	/* good: whose */
	enum token_no no;		/* else */
	char	 why[VERDICT_WHY_MAX];	/* else: a sentence, may hold words of
					   the token or the provider, escaped */
};

/* Fills it; always -1, so that it can be returned. */
int	 verdict_no(struct verdict *, enum token_no, const char *, ...)
	    __attribute__((format(printf, 3, 4)));

#endif
