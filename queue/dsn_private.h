/* dsn_private: the pieces of a report, for dsn.c and dsn_digest.c. */
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
void	 dsn_put_head(const struct dsn *, const char *to, bool utf8,
	    const char *subject, bool eightbit, struct buf *);
void	 dsn_put_part(const struct dsn *, const char *type,
	    const char *description, bool eightbit, struct buf *);
/* Recipient i of a message, for people and for programs. */
void	 dsn_put_person(const struct store_msg *, size_t i, bool utf8,
	    struct buf *);
void	 dsn_put_recipient(const struct dsn *, const struct store_msg *,
	    size_t i, enum dsn_action, bool utf8, struct buf *);
/* Whether more than that can still be added. */
bool	 dsn_room(const struct buf *, size_t keep);

#endif
