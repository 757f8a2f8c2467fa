#include "lib/prelude.h"

#include <sys/stat.h>
#include <db.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdatomic.h>

#include "lib/dbdisk.h"
#include "lib/log.h"
#include "lib/whole.h"
#include "lib/xalloc.h"
#include "queue/fail.h"
#include "queue/index_files.h"

#define DAMAGED_NAME	"damaged"	/* a file: build it anew */
#define UNSYNCED_NAME	"unsynced"	/* a file: write it all once more */
#define COPY_BYTES	(256 * 1024)

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

/* --- what is wrong ------------------------------------------------------------- */

static void
note(const char *name)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd == -1)
		log_warn("cannot note that the index is %s", name);
	else
		close(fd);
}

void
index_files_note_damage(int error)
{
	if (error != EIO && error != DB_RUNRECOVERY && dbdisk_is_damage(error))
		note(DAMAGED_NAME);
}

/* The note is for the next start; a power cut takes what it is about as well. */
void
index_files_sync(int fd)
{
	int error;

	if (fsync(fd) == 0)
		return;
	error = errno;
	note(UNSYNCED_NAME);
	errno = error;
	fail_stop("cannot sync the index");
}

static int
strict_fsync(int fd)
{
	index_files_sync(fd);
	if (atomic_exchange(&names_changed, false))
		index_files_sync(dir_fd);
	return 0;
}

/* --- once more ------------------------------------------------------------------ */

/* What cannot be read is for Berkeley DB to judge. */
static void
write_again(const char *name)
{
	int fd = openat(dir_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW |
	    O_NONBLOCK);
	uint8_t *p = xmalloc(COPY_BYTES);
	uint64_t at = 0;
	ssize_t n;

	while (fd != -1 && (n = pread(fd, p, COPY_BYTES, (off_t)at)) > 0) {
		if (whole_pwrite(fd, p, (size_t)n, at) == -1)
			fail_stop("cannot write the index once more");
		at += (uint64_t)n;
	}
	if (fd != -1) {
		index_files_sync(fd);
		close(fd);
	}
	free(p);
}

/*
 * A sync has failed. The kernel's memory has what it was about and takes it for
 * written; recovery would believe it, and changes built upon it would be on the
 * disk alone after a power cut.
 */
static void
mend_failed_sync(const char *dir)
{
	struct dirent *e;
	DIR *d;

	if (faccessat(dir_fd, UNSYNCED_NAME, F_OK, 0) == -1)
		return;
	log_warnx("index=%s: a sync of it has failed; it is written once more",
	    dir);
	if ((d = opendir(dir)) == NULL)
		fail_stop("cannot read the index's directory");
	while (errno = 0, (e = readdir(d)) != NULL)
		if (e->d_type == DT_REG)
			write_again(e->d_name);
	if (errno != 0)
		fail_stop("cannot read the index's directory");
	closedir(d);
	index_files_sync(dir_fd);
	if (unlinkat(dir_fd, UNSYNCED_NAME, 0) == -1)
		log_warn("cannot remove %s/" UNSYNCED_NAME, dir);
}

/* --- the way in ----------------------------------------------------------------- */

int
index_files_begin(const char *dir)
{
	dbdisk_begin();
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd == -1)
		return -1;
	mend_failed_sync(dir);
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
