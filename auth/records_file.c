#include "lib/prelude.h"

#include <sys/stat.h>
#include <dirent.h>

#include "auth/records_file.h"
#include "lib/owned.h"
#include "lib/xalloc.h"

void
records_file_init(struct records_file *f, const char *dir)
{
	f->path = xasprintf("%s/" RECORDS_FILE_NAME, dir);
}

void
records_file_clear(struct records_file *f)
{
	free(f->path);
	f->path = NULL;
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

bool
records_file_is_lost(const struct records_file *f)
{
	struct stat st;

	if (!f->has_log)
		return false;
	return lstat(f->path, &st) == -1 ? errno == ENOENT : st.st_size == 0;
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
