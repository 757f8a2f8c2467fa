/*
 * identity: whom a message's header names as its author and sender (RFC 5322
 * 3.6.2, 3.6.6). Every address in From, Sender, Resent-From and Resent-Sender
 * must be the account's (RFC 6409 6.1), however many there are, or recipients
 * would be told by us that somebody wrote who did not. For the same reason no
 * address may hold what begins an encoded word (RFC 2047 5): there are readers
 * that decode it, and show another author.
 *
 * Where the account chose so, a field that names somebody else, or nobody that
 * can be read, is written anew instead: with the one address that is given and
 * the display name, if the field held one mailbox with a name without an '@',
 * encoded or not.
 */
#ifndef SMTPD_IDENTITY_H
#define SMTPD_IDENTITY_H

#include <stdbool.h>

#include "lib/addr.h"
#include "lib/buf.h"
#include "lib/header.h"
#include "smtpd/reply.h"

/*
 * Of one message, in all these fields. Each is compared with all senders that
 * the account has, a thousand perhaps, while other sessions wait.
 */
#define IDENTITY_ADDRESSES_MAX	100

struct identity {
	bool	 (*permits)(const char *addr, const void *arg);
	const void *arg;
	const char *rewrite;	/* what takes the place of others; NULL: they
				   are refused. Borrowed */
	/* Found on the way. */
	bool	 from, sender;	/* there was one */
	char	 about[ADDR_MAX + 32]; /* what is refused, for the reply */
	bool	 anew;		/* the last field is to be written anew */
	const char *name;	/* with this display name, borrowed from it */
	size_t	 name_len;
	uint32_t rewritten;	/* fields, so far */
	uint32_t addresses;	/* looked at, so far */
};

enum identity_field {
	IDENTITY_FROM, IDENTITY_SENDER, IDENTITY_RESENT
};

/*
 * REPLY_NONE, or why the field is refused, *about being filled. With ->anew
 * identity_write() says what stands in its place.
 */
enum reply identity_check(struct identity *, enum identity_field,
	    const struct header_field *);
void	 identity_write(struct identity *, const struct header_field *,
	    struct buf *out);

#endif
