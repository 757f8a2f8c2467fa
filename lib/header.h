/*
 * header: the header section of a message, RFC 5322 2.2, field by field. Pure:
 * works on a complete header block in memory, or on the bytes so far to find
 * where it ends.
 */
#ifndef LIB_HEADER_H
#define LIB_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct header_field {
	const char *whole;	/* from the name to the last CRLF */
	size_t	 whole_len;
	const char *name;
	size_t	 name_len;
	const char *value;	/* behind the colon, folds and CRLF included */
	size_t	 value_len;
};

enum header_next {
	HEADER_FIELD,		/* *f is filled */
	HEADER_END,		/* the blank line, or the end of the bytes */
	HEADER_BODY		/* a line that is no field: no blank line came, the
				   body begins here (as most mail programs see it) */
};

/*
 * The next field of text[*at..n); *at moves behind it (behind the blank line
 * at HEADER_END). Lines must end in CRLF.
 */
enum header_next header_next(const char *text, size_t n, size_t *at,
	    struct header_field *f);

/* Whether the field has this name, ASCII case ignored. */
bool	 header_is(const struct header_field *, const char *name);

/*
 * Looks for the blank line in the bytes so far. True: *len is the header's
 * length with it. False: it may still come. Looks from `from` on: 0, or a
 * number of bytes of which it has said false before.
 */
bool	 header_find_end(const char *text, size_t n, size_t from, size_t *len);

#endif
