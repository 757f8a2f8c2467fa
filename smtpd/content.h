/*
 * content: the message between the wire and the queue. Takes the content as it
 * comes, in pieces of any size, gathers the header until it is whole, lets
 * smtpd/fixup.h put it right, and keeps the result in memory while it is
 * small, else in the spool file that queue lends. The same content gives the
 * same result however it was cut.
 */
#ifndef SMTPD_CONTENT_H
#define SMTPD_CONTENT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/envelope.h"
#include "smtpd/fixup.h"
#include "smtpd/reply.h"

#define CONTENT_INLINE_MAX ENVELOPE_BODY_LEAST

struct content_limits {
	uint64_t bytes;		/* as sent by the client */
	uint32_t header_bytes;
};

struct content {
	enum reply verdict;	/* REPLY_NONE: good so far; sticky */
	const struct fixup *fixup; /* borrowed until the header is whole */
	struct content_limits limits;
	struct identity id;	/* whom the header names */
	struct buf head;	/* until it is whole, then empty */
	size_t	 searched;	/* of head, for its end */
	bool	 in_body;
	uint64_t taken;		/* bytes from the client, never over the limit */
	uint64_t size;		/* bytes of the result */
	size_t	 inline_max;	/* of it in memory */
	struct buf body;	/* the result, or what is not yet spooled of it */
	int	 spool;		/* owned; -1: none */
};

void	 content_init(struct content *);
void	 content_clear(struct content *);
/* fixup is borrowed until content_end(). */
void	 content_begin(struct content *, const struct fixup *,
	    struct content_limits);
/* After a verdict bytes are thrown away. */
void	 content_add(struct content *, const uint8_t *, size_t);
/* All bytes are there; after it comes what the queue gets, or a verdict. */
void	 content_end(struct content *);
/* The message is refused whatever comes; what was gathered is dropped. */
void	 content_refuse(struct content *, enum reply);
/*
 * The result is larger than inline_max, which begins with CONTENT_INLINE_MAX:
 * raise that to at most ENVELOPE_BODY_MAX, or get it a file and call spool_to.
 */
bool	 content_needs_spool(const struct content *);
/* Takes fd. */
void	 content_spool_to(struct content *, int fd);
/* Closes it, as queue wants it of what it is to accept; true: there was one. */
bool	 content_spool_done(struct content *);

#endif
