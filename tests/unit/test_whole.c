/*
 * lib/whole: all of a buffer, through a kernel that takes a few bytes at a time,
 * is interrupted, and at last refuses. The test's own write() and pwrite()
 * stand before libc's.
 */
#include "lib/prelude.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <fcntl.h>

#include "lib/whole.h"
#include "tests/tap.h"

#define BYTES	1000
#define FEW	7	/* at a time */

static int file;
static unsigned int calls, interrupts;
static unsigned int refuse_at;	/* the call that fails; 0: none */

/* How many of n are taken now; -1: errno. */
static ssize_t
take(size_t n)
{
	calls++;
	if (refuse_at != 0 && calls >= refuse_at) {
		errno = ENOSPC;
		return -1;
	}
	if (calls % 3 == 0) {
		interrupts++;
		errno = EINTR;
		return -1;
	}
	return calls % 5 == 0 ? 0 : n < FEW ? (ssize_t)n : FEW;
}

ssize_t
write(int fd, const void *p, size_t n)
{
	ssize_t some = fd == file ? take(n) : (ssize_t)n;

	return some == -1 ? -1 : syscall(SYS_write, fd, p, (size_t)some);
}

ssize_t
pwrite(int fd, const void *p, size_t n, off_t at)
{
	ssize_t some = fd == file ? take(n) : (ssize_t)n;

	return some == -1 ? -1 : syscall(SYS_pwrite64, fd, p, (size_t)some, at);
}

static void
begin(unsigned int refused)
{
	calls = interrupts = 0;
	refuse_at = refused;
	if (ftruncate(file, 0) == -1 || lseek(file, 0, SEEK_SET) == -1)
		_exit(1);
}

static bool
holds(const uint8_t *want, size_t n, off_t at)
{
	uint8_t got[BYTES + 1];

	return pread(file, got, sizeof(got), at) == (ssize_t)n &&
	    memcmp(got, want, n) == 0;
}

int
main(void)
{
	uint8_t p[BYTES];
	size_t i;

	for (i = 0; i < sizeof(p); i++)
		p[i] = (uint8_t)(i * 13 + i / 256);
	file = memfd_create("whole", MFD_CLOEXEC);
	if (file == -1)
		return 1;
	begin(0);
	ok(whole_write(file, p, BYTES) == 0 && holds(p, BYTES, 0) &&
	    interrupts > 0 && calls > BYTES / FEW, "write: all of it, in order");
	begin(0);
	ok(whole_pwrite(file, p, BYTES, 4096) == 0 && holds(p, BYTES, 4096),
	    "pwrite: all of it, from its offset on");
	begin(0);
	ok(whole_write(file, p, 0) == 0 && whole_pwrite(file, p, 0, 9) == 0 &&
	    calls == 0, "nothing is nothing");
	begin(8);
	ok(whole_write(file, p, BYTES) == -1 && errno == ENOSPC && calls == 8,
	    "write: refused on the way, and not tried again");
	begin(8);
	ok(whole_pwrite(file, p, BYTES, 0) == -1 && errno == ENOSPC &&
	    calls == 8, "pwrite: the same");
	begin(1);
	ok(whole_write(file, p, BYTES) == -1 && errno == ENOSPC &&
	    holds(p, 0, 0), "refused at once: nothing is written");
	close(file);
	return tap_done();
}
