#include "lib/prelude.h"

#include <sys/stat.h>
#include <dirent.h>
#include <fcntl.h>

#include "auth/records_file.h"
#include "lib/dbfiles.h"
#include "lib/owned.h"
#include "lib/xalloc.h"

void
records_file_init(struct records_file *f, const char *dir)
{
	f->path = xasprintf("%s/" RECORDS_FILE_NAME, dir);
	f->begun_path = xasprintf("%s/" RECORDS_FILE_NAME ".begun", dir);
}

void
records_file_clear(struct records_file *f)
{
	free(f->path);
	free(f->begun_path);
	f->path = f->begun_path = NULL;
}

/* Berkeley DB's names: log.0000000001 */
static bool
is_log(const char *name)
{
	return strncmp(name, "log.", 4) == 0 &&
	    strspn(name + 4, "0123456789") == strlen(name + 4);
}

const char *
records_file_check(struct records_file *f, const char *dir)
{
	const char *why = owned_check(f->path);
	char path[PATH_MAX];
	struct dirent *e;
	DIR *d = opendir(dir);

	while (d != NULL && why == NULL && (e = readdir(d)) != NULL) {
		if (!is_log(e->d_name))
			continue;
		f->has_log = true;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		why = owned_check(path);
	}
	if (d != NULL)
		closedir(d);
	return why;
}

/* --- the first start -------------------------------------------------------------- */

static bool
is_missing(const struct records_file *f)
{
	struct stat st;

	return lstat(f->path, &st) == -1 ? errno == ENOENT : st.st_size == 0;
}

/* A file's name is on the disk when its directory is. */
static int
mark(const struct records_file *f, int dir_fd)
{
	int fd = open(f->begun_path, O_WRONLY | O_CREAT | O_CLOEXEC |
	    O_NOFOLLOW | O_NONBLOCK, S_IRUSR | S_IWUSR);

	if (fd == -1)
		return errno;
	close(fd);
	dbfiles_sync(dir_fd);
	return 0;
}

/* Berkeley DB's own: the log, and what it had not yet renamed. */
static int
clear_dir(const char *dir)
{
	char path[PATH_MAX];
	struct dirent *e;
	DIR *d = opendir(dir);
	int r = 0;

	if (d == NULL)
		return errno;
	while (r == 0 && (e = readdir(d)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if ((is_log(e->d_name) ||
		    strncmp(e->d_name, "__db.", 5) == 0 ||
		    strcmp(e->d_name, RECORDS_FILE_NAME) == 0) &&
		    unlink(path) == -1 && errno != ENOENT)
			r = errno;
	}
	closedir(d);
	return r;
}

int
records_file_begin(struct records_file *f, const char *dir, int dir_fd)
{
	struct stat st;

	f->begun = lstat(f->begun_path, &st) == 0;
	if (!is_missing(f) || (f->has_log && !f->begun))
		return 0;
	if (f->begun)
		return clear_dir(dir);
	f->begun = true;
	return mark(f, dir_fd);
}

int
records_file_made(struct records_file *f, int dir_fd, int fd)
{
	if (!f->begun)
		return 0;
	dbfiles_sync(fd);
	dbfiles_sync(dir_fd);
	if (unlink(f->begun_path) == -1 && errno != ENOENT)
		return errno;
	f->begun = false;
	dbfiles_sync(dir_fd);
	return 0;
}

/* --- in use --------------------------------------------------------------------------- */

bool
records_file_is_lost(const struct records_file *f)
{
	return f->has_log && !f->begun && is_missing(f);
}

int
records_file_opened(struct records_file *f, int fd)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return errno;
	f->dev = st.st_dev;
	f->ino = st.st_ino;
	return 0;
}

bool
records_file_in_place(const struct records_file *f)
{
	struct stat st;

	return lstat(f->path, &st) == 0 && st.st_dev == f->dev &&
	    st.st_ino == f->ino;
}
