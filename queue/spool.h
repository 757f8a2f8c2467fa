/*
 * spool: bodies too large for the journal, a file each. While smtpd writes it
 * a file is called new-<n>; once synced it has its message's id for a name.
 * What is called new-<n> at start was never accepted.
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
 * Syncs new-<n> and names it after the message, durable when it returns. *crc
 * is the file's checksum. Blocks. 0, or -1 with errno. dir_fd is of dir, open
 * for as long as the store is: there may be no other to be had.
 */
int	 spool_keep(const char *dir, int dir_fd, uint64_t n, int fd,
	    uint64_t id, uint32_t *crc);
/*
 * Puts a file with what new-<n>, open as *fd, holds of size bytes into its
 * place and into that of *fd. Somebody may write to the one that was there; to
 * this one nobody can.
 */
int	 spool_copy(const char *dir, uint64_t n, int *fd, uint64_t size);
/* Blocks: reads all of it. -1 with *errstr when it is not what was kept. */
int	 spool_open(const char *dir, uint64_t id, uint64_t size, uint32_t crc,
	    const char **errstr);
/* Nothing happens when there is none. */
void	 spool_remove(const char *dir, uint64_t id);

/* At start: removes all files for which wanted() says false. */
void	 spool_sweep(const char *dir, bool (*wanted)(uint64_t id, void *),
	    void *arg);

#endif
