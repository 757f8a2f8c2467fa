/*
 * device: a password of its own for one device of an account, with a label, and
 * perhaps a cap, networks that it must come from and an end. Postern makes the
 * password: 20 letters, more than 90 bits, so that it can be found by a plain
 * keyed hash (its mark) however many devices there are. Pure but for the random
 * numbers.
 */
#ifndef AUTH_DEVICE_H
#define AUTH_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/net.h"
#include "lib/ticket.h"
#include "lib/verifier.h"

#define DEVICES_MAX	100	/* of an account: each login reads them all */
#define DEVICES_GONE_MAX 100	/* whose passwords are remembered */
#define DEVICE_NETWORKS_MAX 16
#define DEVICE_PASSWORD_LEN 20
#define DEVICE_LIFE_MAX_SEC (3660 * 86400ull)	/* ten years */

struct device {
	char	 label[DEVICE_MAX + 1];
	char	 cap[CAP_NAME_MAX + 1];	/* or "" */
	uint64_t created_ms;	/* wall clock */
	uint64_t expires_ms;	/* 0: never */
	struct net networks[DEVICE_NETWORKS_MAX];
	size_t	 nnetworks;	/* 0: from anywhere */
	uint64_t mark;		/* of its password */
	struct verifier verifier; /* of SCRAM-SHA-256 */
	struct verifier further[SCRAM_HASHES - 1];
};

/* One that was removed: whoever still tries its password does not guess. */
struct device_gone {
	char	 label[DEVICE_MAX + 1];
	uint64_t mark;
};

/* Each writes the stored form of what was given, or says why it cannot be. */
const char *device_label(const char *given, char label[DEVICE_MAX + 1]);
const char *device_network(const char *given, struct net *);

/* A new password: letters that no keyboard hides and no eye confuses. */
void	 device_password(char password[DEVICE_PASSWORD_LEN + 1]);
/*
 * What was typed, without blanks and dashes and in lower case, if that can be a
 * device's password; else false.
 */
bool	 device_typed(const void *, size_t len,
	    char password[DEVICE_PASSWORD_LEN + 1]);

/* Where the verifier of that hash is or would be. */
struct verifier *device_verifier(struct device *, enum scram_hash);
/* Why it may not come from there now, a word for the log; NULL: it may. */
const char *device_barred(const struct device *, const char *peer,
	    uint64_t wall_ms);

/*
 * The parts of a login's name, "account/label": the label, "" where it names
 * none. What is in front of it, the account, goes to account.
 */
const char *device_split(const char *login, char account[ACCOUNT_MAX + 1]);
/* And together again; returns out. */
const char *device_login(const char *account, const char *label,
	    char out[LOGIN_MAX + 1]);

#endif
