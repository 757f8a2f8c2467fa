/*
 * fill: texts of the configuration that a name is put into: %u is the whole
 * name, %n what stands before its last @, %d what stands behind it ("" in a
 * name without @), %% a percent sign. Pure functions.
 */
#ifndef LIB_FILL_H
#define LIB_FILL_H

#include <stdbool.h>

#include "lib/buf.h"

/* Appends n bytes of a name in the way that the text's language quotes them. */
typedef int (*fill_quote)(struct buf *, const char *, size_t n);

/* Without quoting. */
int	 fill_plain(struct buf *, const char *, size_t n);

/* NULL, or what is wrong with the text in a sentence. */
const char *fill_check(const char *text);
/* Whether 'u', 'n' or 'd' is asked for in it. */
bool	 fill_wants(const char *text, char part);
/* Appends the text with the name in it; -1: the buffer is too small. */
int	 fill_in(struct buf *, const char *text, const char *name, fill_quote);

#endif
