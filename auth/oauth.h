/*
 * oauth: what a client says that logs in with a token, OAUTHBEARER (RFC 7628
 * 3.1) and XOAUTH2 (as Google and Microsoft describe it), and what it is told
 * when the token is not taken. Pure.
 */
#ifndef AUTH_OAUTH_H
#define AUTH_OAUTH_H

#include <stdint.h>

#include "auth/account.h"
#include "lib/ipc_msgs.h"

enum oauth_form { OAUTH_BEARER, OAUTH_XOAUTH2 };

struct oauth_message {
	char	 name[ACCOUNT_MAX + 1];	/* who the client says it is, or "" */
	const char *token;		/* in the client's message */
	size_t	 token_len;		/* 0: it asks what tokens are wanted */
};

#define OAUTH_ISSUER_MAX	255
#define OAUTH_SCOPE_MAX		255
#define OAUTH_REFUSAL_MAX	1024

/* 0; -1: it is no such message. */
int	 oauth_parse(enum oauth_form, const char *, size_t,
	    struct oauth_message *);
/*
 * The challenge that tells of a failure (RFC 7628 3.2.2). issuer and scope are
 * in the characters that URLs and scopes have, or "".
 */
void	 oauth_refusal(enum oauth_form, const char *issuer, const char *scope,
	    char text[OAUTH_REFUSAL_MAX]);

#endif
