/*
 * vault: the bytes of a backup. Pure; who writes and reads them is in
 * ctl_backup.c and ctl_restore.c.
 *
 *	file	head | message, its pieces | ... | end	all of them frames
 *	frame	u32 magic | u32 kind | u64 length | u32 crc32c of kind, length
 *		and bytes | u32 0 | bytes
 *
 * A message is a REC_MSG as the journal has it (record.h); the body of one that
 * was in the spool follows in pieces. Every byte has its checksum, and a file
 * without its end was cut off.
 */
#ifndef QUEUE_VAULT_H
#define QUEUE_VAULT_H

#include "queue/record.h"

enum vault_kind {
	VAULT_HEAD = 1,		/* "PosternV", u64 store, u64 taken at */
	VAULT_MSG,
	VAULT_PIECE,		/* of the body of the message before it */
	VAULT_VOID,		/* that body could not be read, or was misread */
	VAULT_END,		/* u64 messages */
	VAULT_KINDS
};

#define VAULT_FRAME	24	/* bytes before a frame's own */
#define VAULT_PIECE_MAX	(256 * 1024)
#define VAULT_FRAME_MAX	(VAULT_FRAME + RECORD_MAX)

struct vault_head {
	uint64_t store;		/* its identity: store_identity() */
	uint64_t taken_ms;	/* wall clock, at its beginning */
};

/* Append a frame. */
void	 vault_put_head(struct buf *, const struct vault_head *);
/* Without the body when that is in the spool: its pieces follow. */
void	 vault_put_msg(struct buf *, const struct store_msg *,
	    const uint8_t *body, size_t len);
void	 vault_put_piece(struct buf *, const uint8_t *, size_t);
void	 vault_put_void(struct buf *);
void	 vault_put_end(struct buf *, uint64_t messages);

struct vault_frame {
	enum vault_kind kind;
	size_t	 whole;		/* bytes of the frame, VAULT_FRAME included */
	const uint8_t *p;	/* borrowed */
	size_t	 len;
};

enum vault_got {
	VAULT_GOT,
	VAULT_MORE,		/* needs more bytes than these */
	VAULT_DAMAGED
};

/* The frame that p begins with. */
enum vault_got vault_get(const uint8_t *p, size_t n, struct vault_frame *);
/* How far the next thing that could be a frame is; n when there is none. */
size_t	 vault_seek(const uint8_t *p, size_t n);

/* What a frame holds; false when it is not well-formed. */
bool	 vault_get_head(const struct vault_frame *, struct vault_head *);
/* Fills a fresh *m; the body (of an inline one) is borrowed from the frame. */
bool	 vault_get_msg(const struct vault_frame *, struct store_msg *m,
	    const uint8_t **body);
bool	 vault_get_end(const struct vault_frame *, uint64_t *messages);

#endif
