/*
 * mailboxes: the address lists of header fields, RFC 5322 3.4, comments,
 * folds, groups and the old forms of 4.4 included. Whoever asks wants to know
 * every address that some reader might take for one of the list's: what no
 * grammar allows is bad as a whole, not guessed at.
 */
#ifndef LIB_MAILBOXES_H
#define LIB_MAILBOXES_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/addr.h"

struct mailboxes {
	const char *p, *end;	/* what is left of the value; borrowed */
	bool	 in_group;
	bool	 grouped;	/* there was a group */
	/* Of the last address, "name <a@b>": where its display name begins and
	   its '<' stands; NULL where it had no '<'. Borrowed. */
	const char *name, *angle;
};

enum mailboxes_next { MAILBOXES_ONE, MAILBOXES_END, MAILBOXES_BAD };

/* The value of a field, folds and final CRLF included. */
void	 mailboxes_init(struct mailboxes *, const char *, size_t);
/*
 * The next address, canonical (lib/addr.h; UTF-8 is allowed). A display name
 * that is itself an address, "a@b <a@b>", comes as one of its own.
 */
enum mailboxes_next mailboxes_next(struct mailboxes *, char out[ADDR_MAX + 2]);

#endif
