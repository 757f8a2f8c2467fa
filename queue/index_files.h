/*
 * index_files: what Berkeley DB does with its files goes through here, so that
 * a name is durable before what stands behind it, a failed sync ends the
 * process, and a full disk is told from damage (lib/dbdisk.h). One environment
 * at a time.
 */
#ifndef QUEUE_INDEX_FILES_H
#define QUEUE_INDEX_FILES_H

#include <stdbool.h>

/*
 * Berkeley DB's calls are ours from here on, for the environment in this
 * directory; what a failed sync was about is written once more before. A
 * descriptor of it, the caller's to close behind the environment's end, or -1
 * with errno.
 */
int	 index_files_begin(const char *dir);
/* Ends the process when it fails, with a note for the next start. */
void	 index_files_sync(int fd);
/*
 * Some damage shows only when a page is changed, such as a log that is shorter
 * than the pages know. The next start would find nothing wrong and end here
 * again, so it is told. Not of what may pass by itself.
 */
void	 index_files_note_damage(int error);
bool	 index_files_damage_noted(void);

#endif
