/*
 * fixup: what a submission server adds to and takes from a message's header,
 * RFC 6409 8: a Received field that says what the operator lets it say; From,
 * Date and Message-ID when they are missing; Bcc away. On the way it looks at who is
 * named as the author (smtpd/identity.h), and writes that anew where it may.
 * Every other byte stays. Pure: bytes in, bytes out.
 */
#ifndef SMTPD_FIXUP_H
#define SMTPD_FIXUP_H

#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "smtpd/identity.h"
#include "smtpd/reply.h"

struct fixup {
	const char *hostname;	/* ours */
	const char *with;	/* how it came: "ESMTPSA" */
	const char *id;		/* an atom that our log lines know */
	const char *client_name; /* from EHLO; NULL: not to be named */
	const char *client_addr; /* "192.0.2.1"; NULL: not to be named */
	const char *from;	/* for a missing From; NULL: that is refused */
	const char *account;	/* NULL: not to be named */
	uint64_t wall_ms;
	uint64_t nonce;		/* random, for a Message-ID */
	uint32_t max_hops;
	bool	 utf8;		/* SMTPUTF8 was asked for */
	bool	 ranked;	/* MT-PRIORITY was said */
	int	 priority;	/* ... and this was granted */
};

/* Room that the additions may take beyond what was there. */
#define FIXUP_ROOM 4096

/*
 * Appends the header block that goes out in place of head, with the blank line
 * if there was one or if body text followed without one, and such text too.
 * REPLY_NONE, or the reply that refuses the message: appended is then a part.
 */
enum reply fixup_header(const struct fixup *, const char *head, size_t n,
	    struct buf *out, struct identity *);

#endif
