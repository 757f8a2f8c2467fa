/*
 * voids: whose logins have become void (lib/revoked.h), on disk before the
 * change that makes them so. auth and queue tell each other what they know; this
 * is for when both die. A life is that of one ticket key: with it end all
 * tickets.
 */
#ifndef AUTH_VOIDS_H
#define AUTH_VOIDS_H

#include "auth/records.h"

/* until_ms: as in lib/revoked.h. */
enum accounts_result voids_put(struct records *, const char *whose,
	    uint64_t life, uint64_t until_ms);
/* Those of this life that matter still; the others are dropped. */
enum accounts_result voids_each(struct records *, uint64_t life,
	    uint64_t now_ms, void (*each)(const char *whose,
	    uint64_t until_ms));

#endif
