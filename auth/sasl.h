/*
 * sasl: one login by one client, with libsasl2 doing the mechanisms. The only
 * user of sasl.h here. A login belongs to the thread that makes it, from start
 * to end. Whoever has no account is taken through the same steps with a
 * verifier that no password fits.
 */
#ifndef AUTH_SASL_H
#define AUTH_SASL_H

#include "auth/account.h"
#include "auth/client_cert.h"
#include "auth/oauth.h"
#include "lib/ipc_msgs.h"

struct accounts;
struct sasl_login;

#define SASL_LOGIN_MECH_MAX	20	/* RFC 4422 3.1 */
#define SASL_LOGIN_PEER_MAX	64

/* What a login needs to know; a copy each, as the settings may change. */
struct sasl_login_params {
	char	 mechanism[SASL_LOGIN_MECH_MAX + 1];
	char	 peer[SASL_LOGIN_PEER_MAX + 1];
	char	 hostname[ADDR_DOMAIN_MAX + 1];
	uint32_t tls_bits;
	struct sasl_binding {
		uint8_t	 data[BINDING_MAX];
		size_t	 n;	/* 0: this TLS session has none of this kind */
	} bindings[AUTH_BINDINGS];
	bool	 plus;		/* this mechanism was offered with -PLUS, too */
	char	 external[ACCOUNT_MAX + 1]; /* whose certificate it is by the CA,
					or "" */
	char	 external_pin[CLIENT_CERT_PIN_LEN + 1]; /* "": none was shown */
	char	 external_unfit[CLIENT_CERT_WHY_MAX]; /* for a pin; "": fit */
	char	 external_why[CLIENT_CERT_WHY_MAX]; /* "": for the log */
	uint32_t iterations;	/* that those without account seem to have */
	uint32_t hashes;	/* of further verifiers, auth/password.h */
	uint32_t cache_sec;
	uint64_t wall_ms;	/* when it began: what has expired by then */
	char	 token_issuer[OAUTH_ISSUER_MAX + 1]; /* that clients may ask, or "" */
	char	 token_scope[OAUTH_SCOPE_MAX + 1]; /* that is wanted, or "" */
	bool	 sources;	/* others know names that have no account */
};

enum sasl_answer {
	SASL_ANSWER_CHALLENGE, SASL_ANSWER_OK, SASL_ANSWER_NO,
	SASL_ANSWER_ASK		/* another process must be asked first, then
				   sasl_login_answered() */
};

/*
 * What is asked, of whom: a token, of postern-fetch; a name, NUL and a password,
 * of postern-source.
 */
enum sasl_ask { SASL_ASK_TOKEN, SASL_ASK_SOURCE, SASL_ASKS };

#define SASL_WHY_MAX	320

/* The other process's answer. */
struct sasl_verdict {
	bool	 good;
	bool	 temporary;		/* else: nobody could tell */
	bool	 harmless;		/* else: what failed was no guess */
	char	 name[ACCOUNT_MAX + 1];	/* good: whose a token is */
	struct account account;	/* good: what a source's user may; owned */
	char	 why[SASL_WHY_MAX];	/* else: for the log; may hold a
					   stranger's words */
};

struct sasl_result {
	enum sasl_answer answer;
	enum auth_no no;		/* with SASL_ANSWER_NO */
	struct buf challenge;
	struct account account;		/* with SASL_ANSWER_OK */
	const struct device *device;	/* with it: whose password it was, one of
					   the account's; NULL: its own */
	char	 tried[ACCOUNT_MAX + 1]; /* the name given, "" when none was */
	const char *barred;		/* why a device does not get in, a word for
					   the log; NULL: no such reason */
	char	 label[DEVICE_MAX + 1];	/* the device's, then */
	bool	 lacks;			/* the account has no verifier of the
					   mechanism's hash; not for strangers */
	uint64_t wrong;			/* a keyed hash of the wrong password; 0:
					   the mechanism shows none */
	enum sasl_ask ask;		/* with SASL_ANSWER_ASK */
	struct buf question;		/* with it: a secret */
	bool	 known;			/* with it: somebody has logged in from
					   there before */
	uint64_t network;		/* with it: a number for that, 0: none */
	bool	 refused;		/* the challenge tells of a failure, what
					   the client says to it is its last */
	bool	 harmless;		/* a failure that was no guess */
	char	 why[SASL_WHY_MAX];	/* of a failure, or which source let him
					   in, or "": for the log */
};

/*
 * Loads the library and the mechanisms' plugins, while files may still be
 * opened; once. NULL, or a sentence.
 */
const char *sasl_login_init(void);
/* Unloads; no login may be left. */
void	 sasl_login_done(void);
/* Whether a mechanism can be offered at all. */
bool	 sasl_login_has(const char *mechanism);
/* Where accounts are from now on (borrowed; NULL: none, logins fail). */
void	 sasl_login_accounts(struct accounts *);

void	 sasl_result_init(struct sasl_result *);
void	 sasl_result_clear(struct sasl_result *);

/*
 * NULL when out of resources. sasl_login_start() comes once and first, with
 * NULL when there is no initial response; sasl_login_step() after each
 * challenge. Both empty and fill *result. Any answer but a challenge is the
 * last one. now_ms is monotonic.
 */
struct sasl_login *sasl_login_new(const struct sasl_login_params *);
void	 sasl_login_free(struct sasl_login **);
void	 sasl_login_start(struct sasl_login *, const uint8_t *, size_t,
	    uint64_t now_ms, struct sasl_result *);
void	 sasl_login_step(struct sasl_login *, const uint8_t *, size_t,
	    uint64_t now_ms, struct sasl_result *);
/* May take the verdict's account out of it. */
void	 sasl_login_answered(struct sasl_login *, struct sasl_verdict *,
	    uint64_t now_ms, struct sasl_result *);

#endif
