/*
 * account: one account and the form it is stored in (account_record.c), read
 * field by field, numbers in network order. What is damaged or from a later
 * version is refused as a whole. Also what a name, a sender pattern, a cap's
 * name and a password may look like. Pure functions.
 */
#ifndef AUTH_ACCOUNT_H
#define AUTH_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/device.h"
#include "lib/addr.h"
#include "lib/buf.h"
#include "lib/ticket.h"
#include "lib/verifier.h"

#define ACCOUNT_SENDERS_MAX	256	/* so that all fit one message to smtpd */
#define ACCOUNT_RECORD_MAX	(256 * 1024)
#define ACCOUNT_PASSWORD_MIN	8
#define ACCOUNT_PASSWORD_MAX	1024
#define ACCOUNT_CAP_DEFAULT	"default"

/* Whether "alice+tag@b" is alice@b's. */
enum account_plus { ACCOUNT_PLUS_CONF, ACCOUNT_PLUS_ON, ACCOUNT_PLUS_OFF,
    ACCOUNT_PLUSES };

struct account {
	char	 name[ACCOUNT_MAX + 1];	/* the key; not part of the record */
	char	 cap[CAP_NAME_MAX + 1];
	uint64_t created_ms, changed_ms; /* wall clock */
	struct verifier verifier;	/* of SCRAM-SHA-256 */
	/* Of other hashes, with the same count; those that there are. */
	struct verifier further[SCRAM_HASHES - 1];
	char	**senders;		/* owned: "a@b" or "@b", lower case */
	size_t	 nsenders;
	enum account_plus plus;	/* CONF: as the settings say */
	bool	 suspended;	/* nobody logs in as it; all else is kept */
	bool	 rewrite;	/* other senders become its own, not refused */
	struct device *devices;	/* owned; DEVICES_MAX at most */
	size_t	 ndevices;
	struct device_gone *gone; /* owned; the oldest first */
	size_t	 ngone;
};

/* Frees what is held, wipes and zeroes; fine on a zeroed one. */
void	 account_clear(struct account *);
/* False when there are too many already. */
bool	 account_add_sender(struct account *, const char *pattern);

/* False when it has none such. */
bool	 account_drop_sender(struct account *, const char *pattern);
/*
 * The address that it sends as unless it says otherwise: its name, or the first
 * sender that is one. NULL: it has none. Borrowed from the account.
 */
const char *account_own_address(const struct account *);
/* What takes the place of others' addresses, or "": they are refused. */
const char *account_rewrite(const struct account *);

/* NULL: it has none of that label. */
struct device *account_device(struct account *, const char *label);
/* Takes a copy. False when there are too many already. */
bool	 account_add_device(struct account *, const struct device *);
/* It is remembered among those that are gone. False: there is none such. */
bool	 account_drop_device(struct account *, const char *label);

/* NULL: it has none of that hash. */
struct verifier *account_verifier(struct account *, enum scram_hash);
/* Where it is or would be. */
struct verifier *account_verifier_at(struct account *, enum scram_hash);

/* Appends the record to a buffer with room for ACCOUNT_RECORD_MAX. */
void	 account_encode(const struct account *, struct buf *);
/* Fills all but the name of a zeroed account. -1: no record of ours. */
int	 account_decode(struct account *, const uint8_t *, size_t);

/*
 * Each writes what was given in the form that is stored (lower case), or says
 * in a sentence why it cannot be.
 */
const char *account_name(const char *given, char name[ACCOUNT_MAX + 1]);
const char *account_sender(const char *given, char pattern[ACCOUNT_MAX + 1]);
const char *account_cap(const char *given, char cap[CAP_NAME_MAX + 1]);
const char *account_password(const uint8_t *, size_t len);

#endif
