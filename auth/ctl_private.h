/*
 * ctl_private: what the rooms of auth/ctl share: a request on its way, the
 * tables of verbs, and how a request ends. A room of verbs exports a table and
 * ctl.c knows of it.
 */
#ifndef AUTH_CTL_PRIVATE_H
#define AUTH_CTL_PRIVATE_H

#include "auth/accounts.h"
#include "auth/client_cert.h"
#include "auth/ctl.h"
#include "auth/uses.h"
#include "auth/worker.h"
#include "lib/child.h"
#include "lib/ev.h"
#include "lib/net.h"

enum request_set { REQUEST_CAP = 1, REQUEST_PLUS = 2, REQUEST_REWRITE = 4 };

/* A verb being carried out. */
struct request {
	struct job job;		/* first: the job is the request */
	uint64_t id;
	const struct verb *verb;
	uint32_t iterations, hashes;	/* of a password that is set */
	uint64_t void_until_ms;		/* for revoke_will() */
	struct account account;	/* name and, when adding, all the rest */
	unsigned int sets;	/* enum request_set: what of it was given */
	char	 label[DEVICE_MAX + 1]; /* of a device, if the verb wants one */
	struct device device;	/* that is added */
	char	 pin[CLIENT_CERT_PIN_LEN + 1]; /* of a certificate, or its start */
	char	(*pins)[CLIENT_CERT_PIN_LEN + 1]; /* all of the account's */
	size_t	 npins;
	struct buf password;
	enum accounts_result result;
	const char *refusal;	/* with ACCOUNTS_REFUSED, a sentence */
	enum ctl_exit refusal_code;
	bool	 ends;		/* logins: it began with ctl_revokes() */
	bool	 unwritten;	/* done, but the disk does not know */
	bool	 right;		/* the password that was tested */
	char	*whom;		/* owned; as it was given to account unlock */
	bool	 is_net;	/* whom is this */
	struct net net;
	struct account *listed;	/* of one batch; damaged ones have no cap */
	size_t	 nlisted;
	struct use *uses; /* of the account's devices, one each */
	struct ev_timer timer;
};

enum ctl_password {
	CTL_NO_PASSWORD,
	CTL_NEW_PASSWORD,	/* it has to be good enough for one */
	CTL_ANY_PASSWORD
};

struct verb {
	const char *words;	/* "account add"; NULL ends a table */
	size_t	 args;		/* behind the words: a name, then a label */
	enum ctl_password password;
	/* Each further argument, "key=value"; NULL when none is taken. */
	const char *(*option)(struct request *, const char *);
	void	(*run)(struct job *);
	void	(*done)(struct job *);
};

extern const struct verb ctl_account_verbs[], ctl_cert_verbs[],
    ctl_device_verbs[], ctl_list_verbs[],
    ctl_lock_verbs[], ctl_sender_verbs[],
    ctl_test_verbs[];

/* What ctl_conf() was told last. */
struct accounts *ctl_accounts(void);
const struct auth_conf *ctl_settings(void);

/* Answers by the result, "" or why not; frees the request. */
void	 ctl_done(struct request *);
/* The same without the answer, which was given. */
void	 ctl_free(struct request *);
/* The result is not OK: ends the request with the reason, frees nothing. */
void	 ctl_refuse(const struct request *);

/* A cap that there is, or a sentence. */
const char *ctl_take_cap(char cap[CAP_NAME_MAX + 1], const char *given);

/* Options of an account, and one more of its senders. */
const char *ctl_take_sending(struct request *, const char *option);
const char *ctl_take_sender(struct request *, const char *given);

void	 ctl_account_row(const struct request *, const struct account *,
	    bool full);
/* The cap that counts for it, its own or a group's; borrowed. */
const char *ctl_cap_of(const struct account *);
/* run: the account of that name, and the pins of its certificates. */
void	 ctl_run_pins(struct job *);
/* run, or a changer: what its result is to be, with the reason. */
enum accounts_result ctl_refused(struct request *, enum ctl_exit,
	    const char *why);
/* run, before a change that ends logins: whether they will be void. */
bool	 ctl_revokes(struct request *, const char *whose);
/* run, where all is to be done behind it. */
void	 ctl_run_nothing(struct job *);
/* run: the account of that name takes the place of the request's. */
void	 ctl_run_get(struct job *);

#endif
