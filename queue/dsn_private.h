/* dsn_private: the pieces of a report, dsn_parts.c, for dsn.c and dsn_digest.c. */
#ifndef QUEUE_DSN_PRIVATE_H
#define QUEUE_DSN_PRIVATE_H

#include "queue/dsn.h"

/*
 * Adds text as one logical line that stands at this column; see dsn.c. utf8:
 * what is UTF-8 may stay.
 */
void	 dsn_put_text(struct buf *, size_t column, const char *, bool utf8);
void	 dsn_put_field(struct buf *, const char *name, const char *prefix,
	    const char *value, bool utf8);
/*
 * A report being put together: what has been added is complete; more is what
 * is still to come, so that encoding leaves room for it.
 */
struct dsn_report {
	const struct dsn *dsn;
	const char *to;
	bool	 utf8;			/* RFC 6533's types */
	struct buf *out;
	bool	 eightbit;
	size_t	 more;
	size_t	 head;			/* kept for the head, and for frames */
};

/* Room for the head, which is put in front at the end. */
#define DSN_HEAD_ROOM	2048
/* Begins with nothing in out. */
void	 dsn_begin(struct dsn_report *, const struct dsn *, const char *to,
	    bool utf8, struct buf *out);
/*
 * Adds a part, quoted-printable (RFC 2045 6.7) where it has bytes above 127, may
 * be encoded, and fits then; as it is for a sender whose address needs next hops
 * that take anything (RFC 6533). The content is freed.
 */
void	 dsn_put_part(struct dsn_report *, const char *type,
	    const char *description, bool encode, struct buf *content);
/* Closes it and puts the head in front. */
void	 dsn_end(struct dsn_report *, const char *subject);
/* The head of a report to this address, but for what MIME says of it. */
void	 dsn_put_head(const struct dsn *, const char *to, const char *subject,
	    struct buf *);
/* How much of an original is its header, or what of that goes back. */
size_t	 dsn_header_len(const uint8_t *original, size_t);
const char *dsn_header_type(bool utf8);
#define DSN_HEADER_IS	"Your message: header"
/* What so much takes at the most when dsn_put_part() has encoded it. */
size_t	 dsn_quoted_max(const uint8_t *, size_t);
/* Recipient i of a message, for people and for programs. */
void	 dsn_put_person(const struct store_msg *, size_t i, bool utf8,
	    struct buf *);
void	 dsn_put_recipient(const struct dsn *, const struct store_msg *,
	    size_t i, enum dsn_action, bool utf8, struct buf *);

#endif
