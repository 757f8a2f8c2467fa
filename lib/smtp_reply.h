/*
 * smtp_reply: a server's answers, RFC 5321 4.2, as the relay reads them: line
 * by line from bytes that may hold anything. What is kept is bounded: a reply
 * of a megabyte is read and answered for, not stored.
 */
#ifndef LIB_SMTP_REPLY_H
#define LIB_SMTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"

#define SMTP_REPLY_LINE_MAX	8192	/* RFC 5321 says 512; be patient */
#define SMTP_REPLY_LINES_MAX	512	/* RFC 5321 says nothing; enough for EHLO */
#define SMTP_REPLY_TEXT_MAX	16384	/* kept of all lines together */

enum smtp_reply_got {
	SMTP_REPLY_MORE,
	SMTP_REPLY_DONE,
	SMTP_REPLY_BAD		/* why says so; the connection is of no use */
};

struct smtp_reply {
	int	 code;		/* 200..599, of the last line */
	char	 status[12];	/* "5.1.1" of the last line that has one, or "" */
	struct buf text;	/* lines without codes, joined by '\n'; one that
				   would pass the maximum is left out whole */
	size_t	 lines;
	const char *why;
};

void	 smtp_reply_init(struct smtp_reply *);
/* Ready for the next reply; keeps the allocation. */
void	 smtp_reply_reset(struct smtp_reply *);
void	 smtp_reply_clear(struct smtp_reply *);

/*
 * Eats whole lines; *used says how many bytes. At SMTP_REPLY_DONE what follows
 * belongs to the next reply. Bytes above 0x7e and below 0x20 in texts arrive
 * as '?'.
 */
enum smtp_reply_got smtp_reply_feed(struct smtp_reply *, const uint8_t *,
	    size_t n, size_t *used);

/* Iterates the lines of an EHLO reply behind the greeting; NULL at the end. */
const char *smtp_reply_next_line(const struct smtp_reply *, size_t *at,
	    size_t *len);

#endif
