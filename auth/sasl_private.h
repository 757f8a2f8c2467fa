/*
 * What the rooms of sasl share: a login (sasl.c), the library as a whole
 * (sasl_library.c), what it asks about accounts (sasl_ask.c), what of SCRAM it
 * is not to see (sasl_scram.c), the mechanisms that it does not have
 * (sasl_oauth.c).
 */
#ifndef AUTH_SASL_PRIVATE_H
#define AUTH_SASL_PRIVATE_H

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include "auth/oauth.h"
#include "auth/sasl.h"

struct sasl_login {
	struct sasl_login_params p;
	sasl_conn_t *conn;
	uint64_t now_ms;
	struct account account;	/* the one that was asked for, if any */
	char	 tried[ACCOUNT_MAX + 1];
	bool	 known;		/* account is filled */
	struct device *device;	/* of account: the one that is named or whose
				   password was given; or NULL */
	const char *barred;	/* as in struct sasl_result */
	char	 label[DEVICE_MAX + 1];
	bool	 trouble;	/* the database failed */
	bool	 judged;	/* a password was looked at */
	bool	 lacks;		/* the account has no verifier of this hash */
	uint64_t wrong;		/* a hash of it, if it was wrong */
	unsigned int said;	/* messages of the client, empty ones apart */
	struct buf final;	/* how SCRAM's final message has to begin */
	sasl_channel_binding_t binding; /* that the client has chosen */

	bool	 asks;		/* this step ends with a question to another
				   process */
	enum sasl_ask ask;
	struct buf question;	/* a secret */
	struct sasl_verdict *verdict; /* in the step behind it, else NULL */
	struct buf heard;	/* what the client said so far, to be said again
				   when the sources have answered; a secret */
	bool	 refused, harmless; /* as in struct sasl_result */
	char	 why[SASL_WHY_MAX];
	char	 asked[ACCOUNT_MAX + 1];	/* whom EXTERNAL's client is to be */
	bool	 claims_name;	/* a token's client said whose it is */
	char	 refusal[OAUTH_REFUSAL_MAX];
};

/* Whose call into the library this thread is in. */
extern __thread struct sasl_login *sasl_current;

/* Keeps the account of that name, if there is one, and that it was tried. */
void	 sasl_look_up(struct sasl_login *, const char *name);
/* A name as accounts are stored; what can be none becomes nobody's. */
void	 sasl_canonical(const char *, size_t, char out[ACCOUNT_MAX + 1]);
/* Whether the certificate's key is pinned to an account, and to which. */
bool	 sasl_pinned(struct sasl_login *, char name[ACCOUNT_MAX + 1]);
/* A keyed hash, to tell wrong secrets apart. */
uint64_t sasl_hash(const char *secret, size_t);

/*
 * sasl_scram.c: SASL_OK when a message of the client may go on to libsasl2, or
 * what is to be answered instead. Tells libsasl2 of the channel binding.
 */
int	 sasl_scram_check(struct sasl_login *, const uint8_t *, size_t);

/* sasl_oauth.c: a plugin, as saslplug.h wants it. */
int	 sasl_oauth_plugin(const sasl_utils_t *, int max_version,
	    int *out_version, sasl_server_plug_t **, int *count);

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
