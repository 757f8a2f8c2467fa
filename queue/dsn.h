/*
 * dsn: writes the message that tells a sender what became of the mail: a
 * multipart/report (RFC 6522) with a part for people, one for programs
 * (message/delivery-status, RFC 3464) and what was sent, or its header.
 * Mail that used SMTPUTF8 is answered in the forms of RFC 6533.
 *
 * Pure. Whatever comes from peers or users is made harmless on the way: no
 * control byte survives, long lines are folded.
 */
#ifndef QUEUE_DSN_H
#define QUEUE_DSN_H

#include "lib/buf.h"
#include "queue/store.h"

/* The original is returned whole up to here, if that was asked for. */
#define DSN_FULL_MAX	(32 * 1024)
/* Of its header as much as this; also the most that dsn_write() looks at. */
#define DSN_HEADER_MAX	(24 * 1024)
/* No report is larger: recipients that do not fit are counted, not listed. */
#define DSN_MAX		STORE_INLINE_MAX

struct dsn {
	const char *hostname;
	const char *postmaster;		/* in From; no angle brackets */
	const char *id;			/* text id of the report itself */
	const char *boundary;		/* not to be guessed by who wrote the mail */
	uint64_t now_ms;		/* wall */
	uint64_t expire_sec;		/* how long is tried, for people */
	const struct store_msg *msg;	/* what could not be delivered */
	const char *msg_id;		/* its text id */
	const bool *report;		/* of msg->rcpts: those to report */
	const uint8_t *original;	/* its bytes, or their beginning */
	size_t	 original_len;
	bool	 original_whole;
};

/* Fills out (of DSN_MAX, empty); *eightbit: bytes above 127 are in it. */
void	 dsn_write(const struct dsn *, struct buf *out, bool *eightbit);

/*
 * Whether the sender of this message wants to hear of a failure of recipient i
 * (RFC 3461 4.1): not for a null return path, nor against NOTIFY.
 */
bool	 dsn_wanted(const struct store_msg *, size_t i);

#endif
