/*
 * smtp_cmd: the grammar of SMTP commands, RFC 5321 4.1: a verb and what
 * follows, the paths of MAIL and RCPT, and their parameters. Pure: a line in,
 * spans into it out. What a verb or a parameter means is smtpd's business.
 */
#ifndef LIB_SMTP_CMD_H
#define LIB_SMTP_CMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/buf.h"

#define SMTP_PARAMS_MAX 16	/* more than all extensions together define */

struct span {
	const char *p;
	size_t	 n;
};

/* Splits at the first space; trailing spaces of the argument are dropped. */
void	 smtp_cmd_split(const char *line, size_t n, struct span *verb,
	    struct span *arg);
bool	 span_is(struct span, const char *word);	/* ASCII case ignored */

struct smtp_param {
	struct span key;
	struct span value;
	bool	 has_value;
};

enum smtp_path_error {
	SMTP_PATH_OK,
	SMTP_PATH_SYNTAX,	/* 501 5.5.4: no FROM:<...>, or what follows */
	SMTP_PATH_ADDRESS,	/* 553 5.1.3 (5.1.7 for senders) */
	SMTP_PATH_PARAMS	/* 501 5.5.4: parameter grammar, too many */
};

struct smtp_path {
	char	 addr[ADDR_MAX + 2];	/* canonical; "" for <> */
	bool	 literal;		/* the domain is an address literal */
	struct smtp_param params[SMTP_PARAMS_MAX];
	size_t	 nparams;
	const char *why;		/* of an error, a sentence part */
};

/*
 * Parses "FROM:<path> params" (prefix "FROM:") or "TO:<path> params". <> is
 * taken when null_ok; <Postmaster> without a domain (RFC 5321 4.5.1) becomes
 * "postmaster@" postmaster_domain when that is not NULL. A source route is
 * checked and forgotten (RFC 5321 4.1.1.3, C). One space behind the colon is
 * let pass for the sake of old devices.
 */
enum smtp_path_error smtp_path_parse(struct span arg, const char *prefix,
	    bool null_ok, const char *postmaster_domain, int addr_flags,
	    struct smtp_path *);

/* RFC 3461 4: xtext decoded into out; -1 when ill-formed or out is full. */
int	 smtp_xtext_decode(struct span, struct buf *out);

#endif
