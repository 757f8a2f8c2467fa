/*
 * What the rooms of sasl share: a login (sasl.c), the library as a whole
 * (sasl_library.c) and what it asks about accounts (sasl_ask.c).
 */
#ifndef AUTH_SASL_PRIVATE_H
#define AUTH_SASL_PRIVATE_H

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include "auth/sasl.h"

struct sasl_login {
	struct sasl_login_params p;
	sasl_conn_t *conn;
	uint64_t now_ms;
	struct account account;	/* the one that was asked for, if any */
	char	 tried[ACCOUNT_MAX + 1];
	bool	 known;		/* account is filled */
	bool	 trouble;	/* the database failed */
	bool	 judged;	/* a password was looked at */
	bool	 lacks;		/* the account has no verifier of this hash */
	uint64_t wrong;		/* a hash of it, if it was wrong */
	unsigned int said;	/* messages of the client, empty ones apart */
	struct buf binding;	/* how SCRAM's final message has to begin */
};

/* Whose call into the library this thread is in. */
extern __thread struct sasl_login *sasl_current;

/* sasl_ask.c: callbacks, as sasl.h and saslplug.h want them. */
int	 sasl_canon_user_cb(sasl_conn_t *, void *, const char *, unsigned int,
	    unsigned int flags, const char *realm, char *out,
	    unsigned int out_max, unsigned int *out_len);
int	 sasl_checkpass_cb(sasl_conn_t *, void *, const char *user,
	    const char *pass, unsigned int, struct propctx *);
int	 sasl_proxy_policy_cb(sasl_conn_t *, void *, const char *requested,
	    unsigned int, const char *authenticated, unsigned int,
	    const char *realm, unsigned int, struct propctx *);
int	 sasl_auxprop_cb(void *, sasl_server_params_t *, unsigned int flags,
	    const char *user, unsigned int);

#endif
