/*
 * accounts: all accounts, and the secret of the installation. A change is on
 * disk when the call returns. Any thread.
 */
#ifndef AUTH_ACCOUNTS_H
#define AUTH_ACCOUNTS_H

#include "auth/account.h"
#include "auth/records.h"

struct accounts;

/*
 * Recovers and opens, makes what is missing. NULL: *why is a sentence that
 * names the file and what to do, valid until the next call.
 */
struct accounts *accounts_open(const char *dir, const char **why);
void	 accounts_close(struct accounts **);
/* Where they are kept, with what else there is. */
struct records *accounts_records(struct accounts *);

/*
 * What a stranger is shown of a name that has no account: verifier_fake(), with
 * a count that accounts have, or with this one when there are no accounts.
 */
void	 accounts_fake(struct accounts *, const char *name,
	    uint32_t iterations, struct verifier *);

/*
 * What a stranger is shown of this name with this count when it has no verifier
 * of that hash. A password that is set takes the salt from here, so that
 * nothing he sees tells him of accounts or passwords that come and go.
 */
void	 accounts_decoy(const struct accounts *, const char *name,
	    enum scram_hash, uint32_t iterations, struct verifier *);

/* A hash, never 0, that says nothing without the installation's secret. */
uint64_t accounts_hash(const struct accounts *, const void *, size_t);

/* *out is filled when ACCOUNTS_OK; the caller ends it with account_clear(). */
enum accounts_result accounts_get(struct accounts *, const char *name,
	    struct account *out);
/* The first account whose name comes after this; "" begins. */
enum accounts_result accounts_next(struct accounts *, const char *after,
	    struct account *out);
enum accounts_result accounts_add(struct accounts *, const struct account *);
/* All verifiers and the time of change go to the account of that name. */
enum accounts_result accounts_set_password(struct accounts *,
	    const struct account *);
/*
 * The further verifiers go to the account of that name if its password is the
 * one it had when *acc was read; ACCOUNTS_NONE if it is not.
 */
enum accounts_result accounts_set_further(struct accounts *,
	    const struct account *);
/*
 * Nobody logs in as this until it is resumed or removed, or until the next
 * start: it is suspended for all who ask, only the disk could not be told.
 */
enum accounts_result accounts_withhold(struct accounts *, const char *name);
/*
 * What change() makes of the account of that name is stored, if it says
 * ACCOUNTS_OK; else nothing is. It runs in this thread, and others wait.
 */
typedef enum accounts_result accounts_changer(struct account *, void *arg);
enum accounts_result accounts_change(struct accounts *, const char *name,
	    accounts_changer *, void *arg);
/*
 * A pin (auth/pins.h) for the account of that name. ACCOUNTS_EXISTS: it is
 * pinned already, and *name says to whom.
 */
enum accounts_result accounts_add_pin(struct accounts *, const char *pin,
	    char name[ACCOUNT_MAX + 1]);
/* With its pins and what is known of its devices' use. */
enum accounts_result accounts_remove(struct accounts *, const char *name);

#endif
