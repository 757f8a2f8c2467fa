/*
 * records_file: the accounts' files as the file system has them. Before they are
 * opened they must be ours; while they are open accounts.db must stay where it
 * is, for Berkeley DB reads on in a file that has lost its name.
 */
#ifndef AUTH_RECORDS_FILE_H
#define AUTH_RECORDS_FILE_H

#include <sys/types.h>
#include <stdbool.h>

#define RECORDS_FILE_NAME "accounts.db"

struct records_file {
	char	*path;
	dev_t	 dev;
	ino_t	 ino;
	char	*begun_path;
	bool	 has_log;	/* transactions of before, when it was checked */
	bool	 begun;		/* the first start has not come to its end */
};

void	 records_file_init(struct records_file *, const char *dir);
void	 records_file_clear(struct records_file *);
/* Before anything is opened. NULL, or a sentence; see lib/owned.h. */
const char *records_file_check(struct records_file *, const char *dir);
/*
 * Before the first start makes anything it leaves a mark, which goes once the
 * file is there to stay. So where the mark is there were no accounts yet: what a
 * start that was killed, or a full disk, has left of a log is thrown away. 0, or
 * errno.
 */
int	 records_file_begin(struct records_file *, const char *dir, int dir_fd);
/* The file is open, as fd, and written. 0, or errno. */
int	 records_file_made(struct records_file *, int dir_fd, int fd);
/*
 * Past recovery, which makes a file anew that a crash has cost. Whether it is
 * missing, or empty, though there was a log and no mark: then it held accounts.
 */
bool	 records_file_is_lost(const struct records_file *);
/* It is open, as fd. 0, or errno. */
int	 records_file_opened(struct records_file *, int fd);
/* Whether its name still stands for what was opened. Any thread. */
bool	 records_file_in_place(const struct records_file *);

#endif
