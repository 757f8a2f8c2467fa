#include "lib/prelude.h"

#include <sys/stat.h>
#include <db.h>
#include <fcntl.h>
#include <stdatomic.h>

#include "lib/dbdisk.h"
#include "lib/log.h"
#include "queue/fail.h"
#include "queue/index_files.h"

#define DAMAGED_NAME	"damaged"	/* a file: build it anew */

/*
 * Berkeley DB syncs files, never the directory in which it has made them. A
 * power cut could leave a mark without the messages it speaks of, so a name is
 * made durable before the first sync behind it is believed.
 */
static int dir_fd = -1;
static _Atomic bool names_changed;

/* --- in place of libc's ------------------------------------------------------ */

/* Nothing but files and directories: it would wait for a FIFO's other end. */
static int
open_plain(const char *path, int flags, int mode)
{
	int fd = open(path, flags | O_NONBLOCK, mode);
	struct stat st;

	if (fd == -1 || (fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) ||
	    S_ISDIR(st.st_mode))))
		return fd;
	close(fd);
	errno = EINVAL;
	return -1;
}

static int
noted_open(const char *path, int flags, ...)
{
	int mode = 0;
	va_list ap;

	if ((flags & O_CREAT) != 0) {
		va_start(ap, flags);
		mode = va_arg(ap, int);
		va_end(ap);
		names_changed = true;
	}
	return open_plain(path, flags, mode);
}

static int
noted_rename(const char *from, const char *to)
{
	names_changed = true;
	return rename(from, to);
}

static int
strict_fsync(int fd)
{
	if (fsync(fd) == -1 ||
	    (atomic_exchange(&names_changed, false) && fsync(dir_fd) == -1))
		fail_stop("cannot sync the index");
	return 0;
}

/* --- what is wrong ------------------------------------------------------------- */

void
index_files_note_damage(int error)
{
	int fd;

	if (error == EIO || error == DB_RUNRECOVERY ||
	    !dbdisk_is_damage(error))
		return;
	fd = openat(dir_fd, DAMAGED_NAME, O_WRONLY | O_CREAT | O_CLOEXEC,
	    0600);
	if (fd == -1)
		log_warn("cannot note that the index is damaged");
	else
		close(fd);
}

/* --- the way in ----------------------------------------------------------------- */

int
index_files_begin(const char *dir)
{
	dbdisk_begin();
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd == -1)
		return -1;
	names_changed = true;
	db_env_set_func_open(noted_open);
	db_env_set_func_rename(noted_rename);
	db_env_set_func_fsync(strict_fsync);
	db_env_set_func_write(dbdisk_write);
	db_env_set_func_pwrite(dbdisk_pwrite);
	return dir_fd;
}

bool
index_files_damage_noted(void)
{
	return faccessat(dir_fd, DAMAGED_NAME, F_OK, 0) == 0;
}
