/*
 * spool: bodies too large for the journal, a file each. While smtpd writes it
 * a file is called new-<n>; once synced it has its message's id for a name.
 * What is called new-<n> at start was never accepted, and its room is the first
 * that is made free.
 *
 * Whoever writes it is not to be trusted, and could go on when its message was
 * acknowledged. Whether he can, a lease tells (fcntl(2), F_SETLEASE): for one of
 * reading the kernel wants no descriptor anywhere, or under way, that can write.
 * smtpd opens no files, so once it is so, it stays so.
 */
#ifndef QUEUE_SPOOL_H
#define QUEUE_SPOOL_H

#include <stdbool.h>
#include <stdint.h>

#define SPOOL_NAME_MAX 32

/* Creates new-<n>; -1 with errno. */
int	 spool_create(const char *dir, uint64_t n);
void	 spool_empty(const char *dir, uint64_t n);
/* Empties and removes it: smtpd may hold it open, so no name frees no room. */
void	 spool_abandon(const char *dir, uint64_t n);

/*
 * fd, of the file at path, is made one that can only be read, and *writer the
 * caller's one that can write. -1 with errno, and fd is as it was.
 */
int	 spool_lend(const char *path, int fd, int *writer);
int	 spool_lend_new(const char *dir, uint64_t n, int fd, int *writer);
/* As store_spool_held(). */
int	 spool_held(int fd);

/*
 * Syncs new-<n>, of size bytes, and names it after the message; the name is
 * durable once dir is synced. *crc is the file's checksum. Blocks. 0, or -1
 * with errno: EIO when it is of another size, or was read so.
 */
int	 spool_keep(const char *dir, uint64_t n, int fd, uint64_t id,
	    uint64_t size, uint32_t *crc);
/*
 * Puts a file with what new-<n>, open as *fd, holds of size bytes into its
 * place and into that of *fd. Somebody may write to the one that was there; to
 * this one nobody can. -1 with errno, and all is as it was; ENODATA: it was cut
 * short.
 */
int	 spool_copy(const char *dir, uint64_t n, int *fd, uint64_t size);
/* Blocks: reads all of it. -1 with *errstr when it is not what was kept. */
int	 spool_open(const char *dir, uint64_t id, uint64_t size, uint32_t crc,
	    const char **errstr);
/* Nothing happens when there is none. */
void	 spool_remove(const char *dir, uint64_t id);

/*
 * At start, and needs no room: what is called new-<n> is called old-<n> and
 * emptied, and removed but for those that a worker of smtpd can still write to,
 * having outlived the last queue. How many these are; while there are any,
 * spool_sweep_old() does that again. *next is above all n.
 */
size_t	 spool_sweep_new(const char *dir, uint64_t *next);
size_t	 spool_sweep_old(const char *dir);
/* At start: removes all others for which wanted() says false. */
void	 spool_sweep(const char *dir, bool (*wanted)(uint64_t id, void *),
	    void *arg);

#endif
