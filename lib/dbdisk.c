#include "lib/prelude.h"

#include <sys/stat.h>
#include <pthread.h>
#include <stdatomic.h>

#include "lib/dbdisk.h"

/* Where a write met the full disk: what is written there later has had room. */
static struct {
	dev_t	 dev;
	ino_t	 ino;
	off_t	 at;
} met;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;	/* of met */
static atomic_bool full;

static dbdisk_room *make_room;
static void *room_arg;

void
dbdisk_begin(void)
{
	atomic_store(&full, false);
}

void
dbdisk_on_full(dbdisk_room *room, void *arg)
{
	make_room = room;
	room_arg = arg;
}

static bool
is_full(ssize_t put)
{
	return put == 0 || (put == -1 && (errno == ENOSPC || errno == EDQUOT));
}

/* It failed there: remembered; it went well where it had failed: forgotten. */
static void
note(int fd, off_t at, bool failed)
{
	int saved = errno;
	struct stat st;

	pthread_mutex_lock(&lock);
	if (fstat(fd, &st) == -1)
		st.st_ino = 0;
	if (failed) {
		met.dev = st.st_dev;
		met.ino = st.st_ino;
		met.at = at;
		atomic_store(&full, true);
	} else if (met.dev == st.st_dev && met.ino == st.st_ino &&
	    met.at == at)
		atomic_store(&full, false);
	pthread_mutex_unlock(&lock);
	errno = saved;
}

/*
 * All of it, or nothing that counts: Berkeley DB does not go on with what was
 * cut short, and on a full disk it is done for, so whoever has room to give is
 * asked for it first.
 */
ssize_t
dbdisk_pwrite(int fd, const void *from, size_t n, off_t at)
{
	const uint8_t *p = from;
	size_t done = 0;
	ssize_t put;

	while (done < n) {
		put = pwrite(fd, p + done, n - done, at + (off_t)done);
		if (put > 0)
			done += (size_t)put;
		else if (is_full(put)) {
			if (make_room != NULL && make_room(room_arg))
				continue;
			note(fd, at, true);
			errno = ENOSPC;
			return -1;
		} else if (errno != EINTR)
			return -1;
	}
	if (atomic_load(&full))
		note(fd, at, false);
	return (ssize_t)n;
}

/*
 * Where it fails the place stays what it was: Berkeley DB tries most errors a
 * hundred times, each time with all of it.
 */
ssize_t
dbdisk_write(int fd, const void *p, size_t n)
{
	off_t at = lseek(fd, 0, SEEK_CUR);
	ssize_t put = at == -1 ? -1 : dbdisk_pwrite(fd, p, n, at);

	return put == -1 || lseek(fd, at + put, SEEK_SET) == -1 ? -1 : put;
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
