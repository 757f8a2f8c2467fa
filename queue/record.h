/*
 * record: the byte form of what the store keeps, little-endian and the same in
 * the journal and in the index.
 *
 *	record	u8 type | u8 flags | u16 0 | u32 meta length | u64 id |
 *		u32 body length | u32 body's crc32c | meta | body
 *
 * A REC_MSG has the meta and, unless it is in the spool, the body; a REC_STATE
 * the meta as it is now; a REC_DEL neither. Pure; what does not parse is
 * damage, never trusted.
 */
#ifndef QUEUE_RECORD_H
#define QUEUE_RECORD_H

#include "lib/buf.h"
#include "lib/le.h"
#include "queue/store.h"

enum record_type { REC_MSG = 1, REC_STATE, REC_DEL, REC_TYPES };

enum {
	REC_COPY = 1		/* of a message moved from an old segment: it is
				   not charged again */
};

#define RECORD_HEADER	24
/* A thousand recipients with all that can be said about each. */
#define RECORD_META_MAX	(2 * 1024 * 1024)
#define RECORD_MAX	(RECORD_HEADER + RECORD_META_MAX + STORE_INLINE_MAX)

struct record {
	uint8_t	 type, flags;
	uint64_t id;
	uint32_t body_crc;
	const uint8_t *meta;	/* borrowed from the bytes parsed */
	size_t	 meta_len;
	const uint8_t *body;
	size_t	 body_len;
};

/* Appends; the fields' lengths are those of r. */
void	 record_put(struct buf *, const struct record *r);
/* The record at p; its whole length, or 0 when there is none that is sound. */
size_t	 record_get(const uint8_t *p, size_t n, struct record *);

/* The meta of a message: all of it but id and body. */
void	 record_put_meta(struct buf *, const struct store_msg *);
/*
 * Whether a later version of Postern has written it: not damage, and nothing
 * that this one may touch.
 */
bool	 record_meta_is_later(const uint8_t *, size_t);
/* What an open of the store then says. */
#define RECORD_LATER	"the queue was written by a later version of Postern " \
			"and is left as it is; start that version again, or " \
			"let it deliver what is queued first"
/* Fills a fresh *m; false, and *m cleared, when it does not parse. */
bool	 record_get_meta(const uint8_t *, size_t, uint64_t id,
	    struct store_msg *m);

#endif
