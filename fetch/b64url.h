/*
 * b64url: base64url as JOSE has it (RFC 7515 2): without padding, and strict:
 * no white space, no stray bits, so that one text means one row of bytes and
 * no other text means the same.
 */
#ifndef FETCH_B64URL_H
#define FETCH_B64URL_H

#include <stddef.h>

#include "lib/buf.h"

/*
 * Appends the decoded bytes. 0; -1 when it is none or the buffer's maximum
 * would be passed: the buffer may then hold a part.
 */
int	 b64url_decode(const char *, size_t len, struct buf *);

#endif
