#include "lib/prelude.h"

#include <sys/stat.h>
#include <dirent.h>
#include <fcntl.h>

#include "lib/crc32c.h"
#include "lib/log.h"
#include "lib/seldom.h"
#include "lib/whole.h"
#include "lib/xalloc.h"
#include "queue/spool.h"
#include "queue/store.h"

#define READ_BYTES	(256 * 1024)

static char *
new_path(const char *dir, uint64_t n)
{
	return xasprintf("%s/new-%llu", dir, (unsigned long long)n);
}

static char *
id_path(const char *dir, uint64_t id)
{
	return xasprintf("%s/%016llx", dir, (unsigned long long)id);
}

int
spool_create(const char *dir, uint64_t n)
{
	char *path = new_path(dir, n);
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	free(path);
	return fd;
}

void
spool_empty(const char *dir, uint64_t n)
{
	char *path = new_path(dir, n);

	if (truncate(path, 0) == -1 && errno != ENOENT)
		log_warn("cannot empty %s", path);
	free(path);
}

void
spool_abandon(const char *dir, uint64_t n)
{
	char *path = new_path(dir, n);

	spool_empty(dir, n);
	if (unlink(path) == -1 && errno != ENOENT)
		log_warn("cannot remove %s", path);
	free(path);
}

int
spool_lend(const char *path, int fd, int *writer)
{
	int reader = open(path, O_RDONLY | O_CLOEXEC), error;

	if (reader == -1)
		return -1;
	*writer = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (*writer != -1 && dup3(reader, fd, O_CLOEXEC) == fd) {
		close(reader);
		return 0;
	}
	error = errno;
	if (*writer != -1)
		close(*writer);
	close(reader);
	errno = error;
	return -1;
}

int
spool_lend_new(const char *dir, uint64_t n, int fd, int *writer)
{
	char *path = new_path(dir, n);
	int r = spool_lend(path, fd, writer);

	free(path);
	return r;
}

int
spool_held(int fd)
{
	if (fcntl(fd, F_SETLEASE, F_RDLCK) == -1)
		return errno == EAGAIN ? 1 : -1;
	fcntl(fd, F_SETLEASE, F_UNLCK);
	return 0;
}

static int
checksum(int fd, uint64_t *size, uint32_t *crc)
{
	uint8_t *p = xmalloc(READ_BYTES);
	ssize_t n;

	*size = 0;
	*crc = 0;
	while ((n = pread(fd, p, READ_BYTES, (off_t)*size)) > 0 ||
	    (n == -1 && errno == EINTR)) {
		if (n == -1)
			continue;
		*crc = crc32c(*crc, p, (size_t)n);
		*size += (uint64_t)n;
	}
	free(p);
	return n == -1 ? -1 : 0;
}

static int
copy(int from, int to, uint64_t size)
{
	uint8_t *p = xmalloc(READ_BYTES);
	uint64_t at = 0;
	ssize_t n = 1;

	while (at < size && n > 0) {
		n = pread(from, p, size - at < READ_BYTES ?
		    (size_t)(size - at) : READ_BYTES, (off_t)at);
		if (n == -1 && errno == EINTR)
			n = 1;
		else if (n > 0 && whole_pwrite(to, p, (size_t)n, at) == 0)
			at += (uint64_t)n;
		else if (n > 0)
			n = -1;
	}
	free(p);
	if (n == 0)			/* by who can write to it */
		errno = ENODATA;
	return n > 0 ? 0 : -1;
}

int
spool_copy(const char *dir, uint64_t n, int *fd, uint64_t size)
{
	char *path = new_path(dir, n), *beside = xasprintf("%s.copy", path);
	int to = open(beside, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r = to == -1 ? -1 : copy(*fd, to, size), error;

	if (r == 0)
		r = rename(beside, path);
	error = errno;
	if (r == -1 && to != -1) {
		close(to);
		unlink(beside);
	}
	free(path);
	free(beside);
	errno = error;
	if (r == -1)
		return -1;
	close(*fd);
	*fd = to;
	return 0;
}

int
spool_keep(const char *dir, uint64_t n, int fd, uint64_t id, uint64_t size,
    uint32_t *crc)
{
	char *from = new_path(dir, n), *to = id_path(dir, id);
	uint64_t got;
	int r;

	r = checksum(fd, &got, crc);
	if (r == 0 && got != size) {
		errno = EIO;
		r = -1;
	}
	if (r == 0)
		r = fsync(fd);
	if (r == 0)
		r = rename(from, to);
	free(from);
	free(to);
	return r;
}

int
spool_open(const char *dir, uint64_t id, uint64_t size, uint32_t crc,
    const char **errstr)
{
	char *path = id_path(dir, id);
	/* O_NONBLOCK: a FIFO, which nobody should have put there, is no wait. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	uint64_t got_size;
	uint32_t got_crc;

	*errstr = fd != -1 ? NULL : errno == ENOENT ?
	    "its spool file is missing" STORE_DAMAGED_DO : errno == EACCES ?
	    "its spool file is closed to the queue: find out who changed it, "
	    "then chown it to the queue's user, as the others there" :
	    "its spool file cannot be opened";
	free(path);
	if (fd == -1)
		return -1;
	*errstr = "its spool file cannot be read";
	if (checksum(fd, &got_size, &got_crc) == 0) {
		*errstr = "its spool file is damaged" STORE_DAMAGED_DO;
		if (got_size == size && got_crc == crc)
			return fd;
	}
	close(fd);
	return -1;
}

void
spool_remove(const char *dir, uint64_t id)
{
	char *path = id_path(dir, id);

	if (unlink(path) == -1 && errno != ENOENT)
		log_warn("cannot remove %s", path);
	free(path);
}

/*
 * Emptied, and whether somebody can still write to it: so it is taken to be
 * where that cannot be seen, as for want of a descriptor.
 */
static bool
empty_old(const char *dir, const char *name)
{
	static struct seldom told;
	char *path = xasprintf("%s/%s", dir, name);
	bool held;
	int fd;

	if (truncate(path, 0) == -1 && seldom_due(&told))
		log_warn("cannot empty %s%s", path, seldom_more(&told));
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	held = fd == -1 ? errno != ENOENT && errno != ELOOP :
	    spool_held(fd) == 1;
	if (fd != -1)
		close(fd);
	free(path);
	return held;
}

size_t
spool_sweep_old(const char *dir)
{
	DIR *d = opendir(dir);
	static struct seldom told;
	struct dirent *e;
	size_t held = 0;

	if (d == NULL) {
		if (seldom_due(&told))
			log_warn("cannot read %s%s", dir, seldom_more(&told));
		return 1;	/* there may be any */
	}
	while ((e = readdir(d)) != NULL) {
		if (strncmp(e->d_name, "old-", 4) != 0)
			continue;
		if (empty_old(dir, e->d_name))
			held++;
		else if (unlinkat(dirfd(d), e->d_name, 0) == -1)
			log_warn("cannot remove %s/%s", dir, e->d_name);
	}
	closedir(d);
	return held;
}

/*
 * A queue that was killed may not have ended yet: what it is about to keep it
 * does not find any more, and what it has kept is not found here. So nothing is
 * emptied by the name that it would keep.
 */
static void
make_old(DIR *d, const char *dir, const char *name)
{
	char *old = xasprintf("old-%s", name + 4);
	int fd;

	if (renameat(dirfd(d), name, dirfd(d), old) == -1) {
		fd = openat(dirfd(d), name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW |
		    O_NONBLOCK);
		if (unlinkat(dirfd(d), name, 0) == -1 ||
		    (fd != -1 && ftruncate(fd, 0) == -1))
			log_warn("cannot remove %s/%s", dir, name);
		if (fd != -1)
			close(fd);
	}
	free(old);
}

size_t
spool_sweep_new(const char *dir, uint64_t *next)
{
	DIR *d = opendir(dir);
	unsigned long long n;
	struct dirent *e;

	*next = 0;
	if (d == NULL)
		return spool_sweep_old(dir);
	while ((e = readdir(d)) != NULL) {
		if (strncmp(e->d_name, "new-", 4) != 0 &&
		    strncmp(e->d_name, "old-", 4) != 0)
			continue;
		if (sscanf(e->d_name + 4, "%llu", &n) == 1 && n >= *next)
			*next = n + 1;
		if (*e->d_name == 'n')
			make_old(d, dir, e->d_name);
	}
	closedir(d);
	return spool_sweep_old(dir);
}

void
spool_sweep(const char *dir, bool (*wanted)(uint64_t, void *), void *arg)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	unsigned long long id;
	size_t removed = 0;
	int end;

	if (d == NULL) {
		log_warn("cannot read %s", dir);
		return;
	}
	while ((e = readdir(d)) != NULL) {
		end = 0;
		if (e->d_name[0] == '.' ||
		    strncmp(e->d_name, "old-", 4) == 0 || (sscanf(e->d_name, "%16llx%n", &id,
		    &end) == 1 && end == 16 && e->d_name[end] == '\0' &&
		    wanted(id, arg)))
			continue;
		if (unlinkat(dirfd(d), e->d_name, 0) == -1)
			log_warn("cannot remove %s/%s", dir, e->d_name);
		else
			removed++;
	}
	closedir(d);
	if (removed > 0)
		log_info("spool=%s removed=%zu files that nobody waits for",
		    dir, removed);
}
