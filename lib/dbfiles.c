#include "lib/prelude.h"

#include <sys/stat.h>
#include <db.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <time.h>

#include "lib/dbdisk.h"
#include "lib/dbfiles.h"
#include "lib/fail.h"
#include "lib/log.h"
#include "lib/whole.h"
#include "lib/xalloc.h"

#define UNSYNCED_NAME	"unsynced"	/* a file: write it all once more */
#define COPY_BYTES	(256 * 1024)
#define OPEN_PAUSE_NS	100000000	/* a tenth of a second */

static int dir_fd = -1;
static const char *called;

/*
 * Berkeley DB syncs files, never the directory in which it has made them. A
 * power cut could leave one without the others that it speaks of, so a name is
 * made durable before the first sync behind it is believed.
 */
static atomic_uint changed_names, synced_names;
static atomic_bool is_open;

/* --- in place of libc's ------------------------------------------------------ */

/* Nothing but files and directories: it would wait for a FIFO's other end. */
static int
open_plain(const char *path, int flags, int mode)
{
	int fd = open(path, flags | O_NONBLOCK | O_CLOEXEC, mode);
	struct stat st;

	if (fd == -1 || (fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) ||
	    S_ISDIR(st.st_mode))))
		return fd;
	close(fd);
	errno = EINVAL;
	return -1;
}

/*
 * Berkeley DB is done for when it cannot open a file, and each checkpoint opens
 * logs to see which are old. So that waits for a descriptor, in the checkpoint's
 * thread; a start says instead why it cannot.
 */
static int
open_in_time(const char *path, int flags, int mode)
{
	const struct timespec pause = { .tv_nsec = OPEN_PAUSE_NS };
	bool told = false;
	int fd;

	while ((fd = open_plain(path, flags, mode)) == -1 &&
	    (errno == EMFILE || errno == ENFILE) && atomic_load(&is_open)) {
		if (!told)
			log_warn("%s waits for a file descriptor",
			    called);
		told = true;
		nanosleep(&pause, NULL);
	}
	return fd;
}

static int
noted_open(const char *path, int flags, ...)
{
	int fd, mode = 0;
	va_list ap;

	if ((flags & O_CREAT) != 0) {
		va_start(ap, flags);
		mode = va_arg(ap, int);
		va_end(ap);
	}
	fd = open_in_time(path, flags, mode);
	if ((flags & O_CREAT) != 0)
		changed_names++;
	return fd;
}

static int
noted_rename(const char *from, const char *to)
{
	int r = rename(from, to);

	changed_names++;
	return r;
}

static int
strict_fsync(int fd)
{
	unsigned int names;

	dbfiles_sync(fd);
	names = changed_names;
	if (synced_names != names) {
		dbfiles_sync(dir_fd);
		synced_names = names;
	}
	return 0;
}

/* --- notes ------------------------------------------------------------------------ */

void
dbfiles_note(const char *name)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd == -1)
		log_warn("cannot note that %s is %s", called, name);
	else
		close(fd);
}

bool
dbfiles_noted(const char *name)
{
	return faccessat(dir_fd, name, F_OK, 0) == 0;
}

static void
stop(const char *doing)
{
	char what[128];

	snprintf(what, sizeof(what), "cannot %s %s", doing, called);
	fail_stop(what);
}

/* The note is for the next start; a power cut takes what it is about as well. */
void
dbfiles_sync(int fd)
{
	int error;

	if (fsync(fd) == 0)
		return;
	error = errno;
	dbfiles_note(UNSYNCED_NAME);
	errno = error;
	stop("sync");
}

/* --- once more ------------------------------------------------------------------ */

/* What cannot be read is for Berkeley DB to judge. */
static void
write_again(const char *name)
{
	int fd = openat(dir_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW |
	    O_NONBLOCK);
	uint64_t at = 0;
	struct stat st;
	uint8_t *p;
	ssize_t n;

	if (fd == -1)
		return;
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)) {
		close(fd);
		return;
	}
	p = xmalloc(COPY_BYTES);
	while ((n = pread(fd, p, COPY_BYTES, (off_t)at)) > 0) {
		if (whole_pwrite(fd, p, (size_t)n, at) == -1)
			stop("write once more");
		at += (uint64_t)n;
	}
	dbfiles_sync(fd);
	close(fd);
	xfree_secret(p, COPY_BYTES);
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

	if (!dbfiles_noted(UNSYNCED_NAME))
		return;
	log_warnx("%s: a sync of %s has failed; it is written once more", dir,
	    called);
	if ((d = opendir(dir)) == NULL)
		stop("read the directory of");
	while (errno = 0, (e = readdir(d)) != NULL)
		write_again(e->d_name);
	if (errno != 0)
		stop("read the directory of");
	closedir(d);
	dbfiles_sync(dir_fd);
	if (unlinkat(dir_fd, UNSYNCED_NAME, 0) == -1)
		log_warn("cannot remove %s/" UNSYNCED_NAME, dir);
}

/* --- the way in ----------------------------------------------------------------- */

int
dbfiles_begin(const char *dir, const char *what)
{
	dbdisk_begin();
	called = what;
	atomic_store(&is_open, false);
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd == -1)
		return -1;
	mend_failed_sync(dir);
	changed_names++;
	db_env_set_func_open(noted_open);
	db_env_set_func_rename(noted_rename);
	db_env_set_func_fsync(strict_fsync);
	db_env_set_func_write(dbdisk_write);
	db_env_set_func_pwrite(dbdisk_pwrite);
	return dir_fd;
}

void
dbfiles_begun(void)
{
	atomic_store(&is_open, true);
}
