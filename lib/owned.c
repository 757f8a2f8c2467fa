#include "lib/prelude.h"

#include <sys/stat.h>
#include <dirent.h>

#include "lib/log.h"
#include "lib/owned.h"

static char complaint[PATH_MAX + 256];

static const char *
kind_of(mode_t mode)
{
	return S_ISLNK(mode) ? "a symbolic link" : S_ISDIR(mode) ?
	    "a directory" : S_ISFIFO(mode) ? "a FIFO" : "no plain file";
}

static const char *
judge(const char *path, const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		snprintf(complaint, sizeof(complaint), "%s is %s; move it "
		    "away, and put back the file that belongs there", path,
		    kind_of(st->st_mode));
	else if (st->st_uid != geteuid())
		snprintf(complaint, sizeof(complaint), "%s belongs to user %u "
		    "instead of %u; find out who put it there, then chown "
		    "%u:%u %s", path, st->st_uid, geteuid(), geteuid(),
		    getegid(), path);
	else
		return NULL;
	return complaint;
}

static void
mend(const char *path, const struct stat *st)
{
	if ((st->st_mode & (S_IRWXG | S_IRWXO)) != 0) {
		if (chmod(path, S_IRUSR | S_IWUSR) == -1)
			log_warn("cannot chmod 600 %s", path);
		else
			log_warnx("%s could be used by others (mode %o); it "
			    "has 600 again", path, st->st_mode & 07777);
	}
	if (st->st_nlink > 1)
		log_warnx("%s has a second name (a hard link): what is written "
		    "here is written there; find -inum %llu, and make a copy "
		    "instead", path, (unsigned long long)st->st_ino);
}

const char *
owned_check(const char *path)
{
	const char *why;
	struct stat st;

	if (lstat(path, &st) == -1) {
		if (errno == ENOENT)
			return NULL;
		snprintf(complaint, sizeof(complaint), "cannot look at %s: %s",
		    path, strerrordesc_np(errno));
		return complaint;
	}
	why = judge(path, &st);
	if (why == NULL)
		mend(path, &st);
	return why;
}

const char *
owned_check_all(const char *dir)
{
	const char *why = NULL;
	char path[PATH_MAX];
	struct dirent *e;
	struct stat st;
	DIR *d = opendir(dir);

	if (d == NULL) {
		snprintf(complaint, sizeof(complaint), "cannot read %s: %s; "
		    "it must be a directory of user %u", dir,
		    strerrordesc_np(errno), geteuid());
		return complaint;
	}
	while (why == NULL && (e = readdir(d)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (lstat(path, &st) == 0 && S_ISREG(st.st_mode))
			why = owned_check(path);
	}
	closedir(d);
	return why;
}
