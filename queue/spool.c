#include "lib/prelude.h"

#include <sys/stat.h>
#include <dirent.h>
#include <fcntl.h>

#include "lib/log.h"
#include "lib/whole.h"
#include "lib/xalloc.h"
#include "queue/crc32c.h"
#include "queue/spool.h"

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
spool_abandon(const char *dir, uint64_t n)
{
	char *path = new_path(dir, n);

	if (truncate(path, 0) == -1 && errno != ENOENT)
		log_warn("cannot empty %s", path);
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
	/* Cut short by who can write to it, it is made as long as was said. */
	return n == -1 ? -1 : ftruncate(to, (off_t)size);
}

int
spool_copy(const char *dir, uint64_t n, int *fd, uint64_t size)
{
	char *path = new_path(dir, n), *beside = xasprintf("%s.copy", path);
	int to = open(beside, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r = to == -1 ? -1 : copy(*fd, to, size);

	if (r == 0)
		r = rename(beside, path);
	free(path);
	free(beside);
	if (r == -1) {
		if (to != -1)
			close(to);
		return -1;
	}
	close(*fd);
	*fd = to;
	return 0;
}

/* File, name, directory: in this order (RFC 5321 6.1 by way of POSIX). */
int
spool_keep(const char *dir, int dir_fd, uint64_t n, int fd, uint64_t id,
    uint32_t *crc)
{
	char *from = new_path(dir, n), *to = id_path(dir, id);
	uint64_t size;
	int r;

	r = checksum(fd, &size, crc);
	if (r == 0)
		r = fsync(fd);
	if (r == 0)
		r = rename(from, to);
	if (r == 0)
		r = fsync(dir_fd);
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

	free(path);
	*errstr = "its spool file cannot be opened";
	if (fd == -1)
		return -1;
	*errstr = "its spool file cannot be read";
	if (checksum(fd, &got_size, &got_crc) == 0) {
		*errstr = "its spool file is damaged";
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
		if (e->d_name[0] == '.' || (sscanf(e->d_name, "%16llx%n", &id,
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
