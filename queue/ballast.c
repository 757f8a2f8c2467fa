#include "lib/prelude.h"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <fcntl.h>
#include <pthread.h>

#include "lib/log.h"
#include "lib/xalloc.h"
#include "queue/ballast.h"

/* Of the file's size: who gives of it and who takes it are several threads. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static char *
path_in(const char *dir)
{
	return xasprintf("%s/ballast", dir);
}

static uint64_t
free_bytes(const char *dir)
{
	struct statvfs v;

	/* Not seen: as if it were empty, so that nothing is done. */
	return statvfs(dir, &v) == -1 ? UINT64_MAX :
	    (uint64_t)v.f_bavail * v.f_frsize;
}

/* What is in it: a copy may have holes. -1: there is none. */
static int64_t
size_of(const char *path)
{
	struct stat st;
	int64_t has;

	if (stat(path, &st) == -1)
		return -1;
	has = (int64_t)st.st_blocks * 512;
	return has < (int64_t)st.st_size ? has : (int64_t)st.st_size;
}

/* Cuts it to this size. Called with the lock. */
static bool
lighten(const char *dir, const char *path, uint64_t size, uint64_t keep)
{
	if (truncate(path, (off_t)keep) == -1) {
		log_warn("cannot truncate %s", path);
		return false;
	}
	log_warnx("disk=%s is full: ballast of %llu bytes is thrown off, so "
	    "that what is queued can go on; please make room", dir,
	    (unsigned long long)(size - keep));
	return true;
}

bool
ballast_give(const char *dir, uint64_t bytes, uint64_t keep)
{
	char *path = path_in(dir);
	uint64_t left, size;
	bool given = false;
	int64_t has;

	pthread_mutex_lock(&lock);
	has = size_of(path);
	left = free_bytes(dir);
	if (left < bytes)
		bytes -= left;
	if (has > 0 && (uint64_t)has > keep) {
		size = (uint64_t)has;
		if (size - keep > bytes)
			keep = size - bytes;
		given = lighten(dir, path, size, keep);
	}
	pthread_mutex_unlock(&lock);
	free(path);
	return given;
}

void
ballast_throw(const char *dir, uint64_t bytes)
{
	char *path = path_in(dir);
	int64_t has = size_of(path);

	if (has > 0 && free_bytes(dir) < bytes)
		lighten(dir, path, (uint64_t)has, 0);
	free(path);
}

/* Of so many bytes; none: of them when there is no file. */
static uint64_t
missing(const char *dir, uint64_t bytes, uint64_t none)
{
	char *path = path_in(dir);
	int64_t size = size_of(path);

	free(path);
	if (size < 0)
		return none;
	return (uint64_t)size < bytes ? bytes - (uint64_t)size : 0;
}

uint64_t
ballast_thrown(const char *dir, uint64_t bytes)
{
	return missing(dir, bytes, 0);
}

bool
ballast_wanted(const char *dir, uint64_t bytes, uint64_t keep_free)
{
	uint64_t left = free_bytes(dir);
	uint64_t wanted = missing(dir, bytes, bytes);

	return wanted > 0 && left != UINT64_MAX && left >= wanted &&
	    left - wanted >= keep_free;
}

void
ballast_take(const char *dir, uint64_t bytes)
{
	static bool told;
	char *path = path_in(dir);
	int fd;

	pthread_mutex_lock(&lock);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW |
	    O_NONBLOCK, 0600);
	if (fd == -1 || (fallocate(fd, 0, 0, (off_t)bytes) == -1 &&
	    errno != ENOSPC && errno != EDQUOT)) {
		/* It cannot reserve room here: there is none to give back. */
		if (!told)
			log_warn("no ballast of %llu bytes in %s, so a start "
			    "with a full disk will have to wait for room",
			    (unsigned long long)bytes, dir);
		told = true;
		if (fd != -1 && unlink(path) == -1)
			log_warn("cannot remove %s", path);
	}
	if (fd != -1)
		close(fd);
	pthread_mutex_unlock(&lock);
	free(path);
}
