/*
 * identity: whom a message's header names as its author and sender (RFC 5322
 * 3.6.2, 3.6.6). Every address in From, Sender, Resent-From and Resent-Sender
 * must be the account's (RFC 6409 6.1), however many there are, or recipients
 * would be told by us that somebody wrote who did not.
 */
#ifndef SMTPD_IDENTITY_H
#define SMTPD_IDENTITY_H

#include <stdbool.h>

#include "lib/addr.h"
#include "lib/header.h"
#include "smtpd/reply.h"

struct identity {
	bool	 (*permits)(const char *addr, const void *arg);
	const void *arg;
	/* Found on the way. */
	bool	 from, sender;	/* there was one */
	char	 about[ADDR_MAX + 32]; /* what is refused, for the reply */
};

enum identity_field {
	IDENTITY_FROM, IDENTITY_SENDER, IDENTITY_RESENT
};

/* REPLY_NONE, or why the field is refused, *about being filled. */
enum reply identity_check(struct identity *, enum identity_field,
	    const struct header_field *);

#endif
