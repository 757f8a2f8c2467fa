/*
 * dbdisk: what a full disk looks like to those who keep a Berkeley DB. It panics
 * then, and says the same as of damage: so its writes are made here, to know one
 * from the other. By way of lib/dbfiles, for the whole process. Any thread.
 */
#ifndef LIB_DBDISK_H
#define LIB_DBDISK_H

#include <sys/types.h>
#include <stdbool.h>
#include <stddef.h>

/* Before an environment is opened: nothing has been full yet. */
void	 dbdisk_begin(void);
/*
 * Asked by a write that meets a full disk, in its thread: true when there may be
 * room now, so that it goes on. NULL: nobody has any.
 */
typedef bool dbdisk_room(void *arg);
void	 dbdisk_on_full(dbdisk_room *, void *arg);
/* As the kernel's, but all of it or none, and ENOSPC where there is no room. */
ssize_t	 dbdisk_write(int fd, const void *, size_t n);
ssize_t	 dbdisk_pwrite(int fd, const void *, size_t n, off_t);
/*
 * Whether the disk, or a quota, was full since then, and what was to be written
 * has not been written yet.
 */
bool	 dbdisk_full(void);
/* Whether an error of Berkeley DB's says that its files are not what they were. */
bool	 dbdisk_is_damage(int error);

#endif
