/*
 * base64: RFC 4648 4, strict: no white space, padding exact, no stray bits; so
 * that one text means one row of bytes and no other text means the same.
 */
#ifndef LIB_BASE64_H
#define LIB_BASE64_H

#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"

/*
 * Appends the decoded bytes. 0; -1 when it is no base64 or the buffer's
 * maximum would be passed: the buffer may then hold a part.
 */
int	 base64_decode(const char *, size_t len, struct buf *);
/* The same for base64url as JOSE has it: without padding (RFC 7515 2). */
int	 base64url_decode(const char *, size_t len, struct buf *);
/* Appends the text; -1 when the buffer's maximum would be passed. */
int	 base64_encode(const void *, size_t len, struct buf *);

#endif
