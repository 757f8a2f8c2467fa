/*
 * owned: whether what a process keeps on disk is its own: a plain file, of its
 * user, that others can neither read nor change. Another user's file may hold
 * what he likes, a FIFO is waited for, a link leads elsewhere.
 */
#ifndef LIB_OWNED_H
#define LIB_OWNED_H

/*
 * NULL: it is, or is not there. Else a sentence that names the file and says
 * what to do, valid until the next call. A mode that is too wide is mended and,
 * like a second name, told in the log.
 */
const char *owned_check(const char *path);
/* All plain files of a directory; of what is none the caller takes care. */
const char *owned_check_all(const char *dir);

#endif
