/*
 * dsn: writes the message that tells a sender what became of the mail: a
 * multipart/report (RFC 6522) with a part for people, one for programs
 * (message/delivery-status, RFC 3464) and what was sent, or its header.
 * Mail that used SMTPUTF8 is answered in the forms of RFC 6533. What is in a
 * report is encoded where that is allowed, so that it gets through next hops
 * that the mail itself would not: they may be the reason for it.
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
/* No report is larger: recipients that do not fit are for a further one. */
#define DSN_MAX		(64 * 1024)
#define DSN_BOUNDARY_MAX 64	/* with its NUL */

/*
 * RFC 3464 2.3.3, worst first. "delivered" and "expanded" are for who has
 * mailboxes and lists: we hand mail on, and never know.
 */
enum dsn_action {
	DSN_NONE, DSN_FAILED, DSN_DELAYED,
	DSN_RELAYED,			/* to a server that sends no reports */
	DSN_ACTIONS
};

struct dsn {
	const char *hostname;
	const char *postmaster;		/* in From; no angle brackets */
	const char *id;			/* text id of the report itself */
	const char *boundary;		/* not to be guessed by who wrote the mail */
	uint64_t now_ms;		/* wall */
	/* of dsn_write() alone */
	const struct store_msg *msg;	/* what it is about */
	const char *msg_id;		/* its text id */
	uint8_t	*report;		/* enum dsn_action for each of msg->rcpts */
	const uint8_t *original;	/* its bytes, or their beginning */
	size_t	 original_len;
	bool	 original_whole;
	bool	 late;			/* what is delayed is so beyond its by-time */
	const uint32_t *like;		/* its own, whatever is given: see dsn.c */
};

/*
 * Fills out (of DSN_MAX, empty) with a report about as many recipients as it
 * holds, in their order and at least one; report[] becomes DSN_NONE for the
 * others. Returns where those begin, or msg->env.nrcpts. *eightbit: bytes above
 * 127 are in it. It needs SMTPUTF8 only when its recipient's address does.
 */
size_t	 dsn_write(const struct dsn *, struct buf *out, bool *eightbit);

/*
 * The same report (n bytes, as dsn_write() made it) with the header of what was
 * sent instead of all of it. False, whatever is in out: it is not of that form.
 */
bool	 dsn_cut(const uint8_t *report, size_t n, struct buf *out,
	    bool *eightbit);

/*
 * Tells its reader of that report, and of the message that it is about no more
 * than its Message-ID and the kind of failure (RFC 8689 5).
 */
void	 dsn_redact(const struct dsn *, const char *to, const uint8_t *report,
	    size_t n, struct buf *out);
bool	 dsn_has_8bit(const void *, size_t);

/*
 * Whether the sender of this message wants to hear of this about recipient i
 * (RFC 3461 4.1): not for a null return path, nor against NOTIFY.
 */
bool	 dsn_wanted(const struct store_msg *, size_t i, enum dsn_action);

/* --- many messages that failed, in one report ------------------------------------ */

/* At the worst, so many recipients of one message fit. */
#define DSN_ENTRY_RCPTS	4
#define DSN_SUBJECT_MAX	200

struct dsn_entry {
	const struct store_msg *msg;	/* each RCPT_OWED of it is reported */
	const char *id;			/* its text id */
	const char *subject;		/* of its header, unfolded, or NULL */
	const char *message_id;
};

/*
 * Fills out with a report about as many of the n entries as it holds, which is
 * at least one; how many.
 */
size_t	 dsn_write_digest(const struct dsn *, const struct dsn_entry *,
	    size_t n, struct buf *out, bool *eightbit);

#endif
