/*
 * dbfiles: what Berkeley DB does with its files goes through here, so that a
 * name is durable before what stands behind it, a failed sync ends the process
 * (lib/fail.h), and a full disk is told from damage (lib/dbdisk.h). Berkeley DB
 * itself would try such a sync again, and the kernel then say that all is well,
 * though what it was about is lost. One environment at a time; any thread.
 */
#ifndef LIB_DBFILES_H
#define LIB_DBFILES_H

#include <stdbool.h>

/*
 * Berkeley DB's calls are ours from here on, for the environment in this
 * directory; what a failed sync was about is written once more before. what
 * (borrowed for ever) is what they are called: "the index". A descriptor of the
 * directory, the caller's to close behind the environment's end, or -1 with
 * errno.
 */
int	 dbfiles_begin(const char *dir, const char *what);
/*
 * It is open: from now on an open() that lacks a descriptor waits for one. For
 * who has a thread to spare for that.
 */
void	 dbfiles_begun(void);
/* Ends the process when it fails, with a note for the next start. */
void	 dbfiles_sync(int fd);

/* A file of this name beside them, for the next start; whether there is one. */
void	 dbfiles_note(const char *name);
bool	 dbfiles_noted(const char *name);

#endif
