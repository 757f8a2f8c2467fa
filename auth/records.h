/*
 * records: what stands under the accounts: bytes under a letter and a name, in
 * one B-tree of a Berkeley DB environment of its own. The only user of db.h
 * here. A change is on disk when the call returns. Any thread.
 *
 * Letters are 'a' for accounts, 'm' for what the installation itself must
 * remember, 'u' for the last use of "account/label", 'c' for whose a
 * certificate's key is, 'v' for whose logins are void. Files in the directory:
 * accounts.db, and log.NNNNNNNNNN of the transactions.
 */
#ifndef AUTH_RECORDS_H
#define AUTH_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ticket.h"

#define RECORDS_NAME_MAX LOGIN_MAX

/* Of accounts, and of all that is kept beside them. */
enum accounts_result {
	ACCOUNTS_OK,
	ACCOUNTS_NONE,		/* no such account */
	ACCOUNTS_EXISTS,
	ACCOUNTS_REFUSED,	/* by the function of accounts_change() */
	ACCOUNTS_DAMAGED,	/* this one's record is; logged */
	ACCOUNTS_ERROR		/* the database; logged */
};

struct records;

/* A record's bytes: one's own, or wiped and freed by records_free(). */
struct record {
	uint8_t	*p;
	size_t	 n;
};

/*
 * Recovers and opens, makes what is missing. NULL: *why is a sentence that
 * names the file and what to do, valid until the next call.
 */
struct records *records_open(const char *dir, const char **why);
void	 records_close(struct records **);
/*
 * Called once, from any thread, when the file was found to be replaced, moved or
 * removed, or cannot be used any more behind an error of the disk. From then on
 * all is ACCOUNTS_ERROR; it is to be opened anew. A sync that fails ends the
 * process (lib/dbfiles.h).
 */
void	 records_on_lost(struct records *, void (*)(void));
/* The same sentence, of what went wrong last. */
const char *records_why(const struct records *);
/* It turns out that there are other bytes than there must be. */
void	 records_damaged(struct records *);

/* With ACCOUNTS_OK *out is filled; the caller frees it. */
enum accounts_result records_get(struct records *, char letter,
	    const char *name, struct record *out);
void	 records_free(struct record *);
/* The first with this letter and a name behind `after`; "" begins. */
enum accounts_result records_next(struct records *, char letter,
	    const char *after, char name[RECORDS_NAME_MAX + 1],
	    struct record *out);

/* Writers that read first take turns. */
void	 records_lock(struct records *);
void	 records_unlock(struct records *);
/* fresh: ACCOUNTS_EXISTS, and nothing is changed, when there is one already. */
enum accounts_result records_put(struct records *, char letter,
	    const char *name, const struct record *, bool fresh);
enum accounts_result records_del(struct records *, char letter,
	    const char *name);
/*
 * Many in one transaction: each(i, name, arg) writes the i-th one's name and
 * says what it holds, the bytes being good until it is called again.
 */
enum accounts_result records_put_all(struct records *, char letter, size_t n,
	    struct record (*each)(size_t i, char name[RECORDS_NAME_MAX + 1],
	    void *arg), void *arg);

#endif
