/*
 * quote: a name inside an LDAP filter or DN, as a fill_quote of lib/fill.h. It
 * can be nothing there but a value: all but letters, digits, ".", "_", "-", "@"
 * and what is beyond ASCII becomes a backslash with two hex digits, which both
 * RFC 4515 3 and RFC 4514 2.4 take for any byte.
 */
#ifndef SOURCE_QUOTE_H
#define SOURCE_QUOTE_H

#include "lib/buf.h"

int	 quote_ldap(struct buf *, const char *, size_t);

#endif
