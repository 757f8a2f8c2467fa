/*
 * smtp_data: message content on the wire, RFC 5321 4.1.1.4 and 4.5.2, and in
 * chunks, RFC 3030 2. The receiver takes dots off and finds the end, CRLF.CRLF and nothing else; the
 * sender puts dots on. Content with a bare CR, a bare LF or a NUL is neither
 * taken nor sent: that is how a second message is smuggled past a server that
 * reads line ends another way.
 */
#ifndef LIB_SMTP_DATA_H
#define LIB_SMTP_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"

enum smtp_data_flaw {		/* what to say 554 or 500 about, at the end */
	DATA_BARE_CR = 1, DATA_BARE_LF = 2, DATA_NUL = 4
};

struct smtp_data_in {
	int	 state;
	bool	 chunks;	/* by BDAT: a dot is a dot */
	size_t	 line_len;	/* of the current line, without dots taken off */
	uint64_t size;		/* content bytes so far, thrown away or not */
	unsigned int flaws;	/* enum smtp_data_flaw; sticky */
	bool	 has_8bit;
	bool	 has_long_line;	/* over SMTP_TEXT_MAX; no flaw: too common */
	bool	 ended;		/* CRLF.CRLF was seen, or the last chunk */
	bool	 refused;	/* the sink has answered -1 */
};

/* Takes a piece of content; after -1 it is not called again. */
typedef int smtp_data_sink(const uint8_t *, size_t, void *arg);

void	 smtp_data_in_init(struct smtp_data_in *);
/*
 * Eats bytes up to the end of the data and says how many. sink gets pieces of
 * the input itself, dots and terminator taken off; NULL throws them away, as
 * does a flaw, at the latest from the piece it stands in. The session stays in
 * step whatever the content.
 */
size_t	 smtp_data_in_feed(struct smtp_data_in *, const uint8_t *, size_t,
	    smtp_data_sink *, void *arg);

/*
 * Content in chunks (RFC 3030 2) holds no dots but its own and no end: it is
 * fed as it comes, whatever chunk it is in, and smtp_data_in_last() ends it.
 * To that the line end is added that the last line lacks, as DATA would have
 * it. Flaws are the same.
 */
void	 smtp_data_in_init_chunks(struct smtp_data_in *);
void	 smtp_data_in_last(struct smtp_data_in *, smtp_data_sink *, void *arg);

struct smtp_data_out {
	uint8_t	 last;		/* byte sent; '\n' at the start */
	bool	 bad;
	bool	 counted;	/* set it for BDAT, where a size ends the content
				   (RFC 3030): no dots are put on, and there is
				   no smtp_data_out_end() */
};

void	 smtp_data_out_init(struct smtp_data_out *);
/*
 * Appends content, dots put on. -1: the content is not pure CRLF lines, or the
 * buffer is full: what was appended must not be ended with CRLF.CRLF.
 */
int	 smtp_data_out_feed(struct smtp_data_out *, const uint8_t *, size_t,
	    struct buf *);
/* Appends the end, once: CRLF if the content lacked one, then ".CRLF". */
int	 smtp_data_out_end(struct smtp_data_out *, struct buf *);

#endif
