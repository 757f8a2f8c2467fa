/*
 * uses: when each device has logged in last, as it is kept on disk; what was
 * noted since is in auth/lastuse.h.
 */
#ifndef AUTH_USES_H
#define AUTH_USES_H

#include "auth/records.h"
#include "lib/net.h"

struct use {
	char	 login[LOGIN_MAX + 1];	/* "account/label" */
	uint64_t ms;			/* wall clock; 0: never */
	char	 peer[NET_TEXT_LEN];
};

/* All of them in one transaction. */
enum accounts_result uses_put(struct records *, const struct use *, size_t n);
/* *out is zeroed unless ACCOUNTS_OK. */
enum accounts_result uses_get(struct records *, const char *login,
	    struct use *out);
enum accounts_result uses_drop(struct records *, const char *login);

#endif
