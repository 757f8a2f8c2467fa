/*
 * ballast: a file that does nothing but take room. When the disk is full at a
 * start it is thrown off before recovery, which needs room for a segment of the
 * journal and for the index, so that mail can leave and make more; by posternd
 * already, since the accounts and a probe of the disk come before. A queue that
 * runs may have a part of it, as much as it needs each time, and leaves the rest
 * to the next start. It is taken aboard again when there is plenty; until then
 * the file is smaller, and what it has made free is not for new mail. Any
 * thread.
 */
#ifndef QUEUE_BALLAST_H
#define QUEUE_BALLAST_H

#include <stdbool.h>
#include <stdint.h>

/* Before recovery: thrown off if fewer bytes are free. */
void	 ballast_throw(const char *dir, uint64_t bytes);
/*
 * While it runs, and has met the end of the disk: as much of it as makes so many
 * bytes free, or so many of it if they are (a quota is met), but keeps so many.
 * False: there was nothing to be had.
 */
bool	 ballast_give(const char *dir, uint64_t bytes, uint64_t keep);
/* How many of so many bytes were thrown off. */
uint64_t ballast_thrown(const char *dir, uint64_t bytes);
/* Whether it is to be taken aboard, which would leave at least keep_free. */
bool	 ballast_wanted(const char *dir, uint64_t bytes, uint64_t keep_free);
/* Takes it aboard; in a thread. Not having it is worth one line in the log. */
void	 ballast_take(const char *dir, uint64_t bytes);

#endif
