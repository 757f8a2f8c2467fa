#include "lib/prelude.h"

#include <stdatomic.h>

#include "lib/dbdisk.h"

static atomic_bool full;

void
dbdisk_begin(void)
{
	atomic_store(&full, false);
}

static ssize_t
judged(ssize_t put, size_t n)
{
	if (put != -1 && (size_t)put < n)
		errno = ENOSPC;
	else if (put != -1 || (errno != ENOSPC && errno != EDQUOT))
		return put;
	atomic_store(&full, true);
	return -1;
}

ssize_t
dbdisk_write(int fd, const void *p, size_t n)
{
	return judged(write(fd, p, n), n);
}

ssize_t
dbdisk_pwrite(int fd, const void *p, size_t n, off_t offset)
{
	return judged(pwrite(fd, p, n, offset), n);
}

bool
dbdisk_full(void)
{
	return atomic_load(&full);
}

bool
dbdisk_is_damage(int error)
{
	return !dbdisk_full() && error != ENOSPC && error != EDQUOT &&
	    error != EACCES && error != EPERM && error != EROFS &&
	    error != ENOMEM && error != EMFILE && error != ENFILE &&
	    error != ENOTSUP;
}
