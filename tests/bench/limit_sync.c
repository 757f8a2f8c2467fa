#include "lib/prelude.h"

#include <fcntl.h>
#include <time.h>

#include "tests/bench/limit_sync.h"

#define BLOCK	4096
#define BLOCKS	1024

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int
put(int fd, const char *block, int n)
{
	return pwrite(fd, block, BLOCK, (off_t)n * BLOCK) == BLOCK ? 0 : -1;
}

/* Written once, so that the syncs that follow move no metadata. */
static int
prepare(int fd, const char *block)
{
	int i;

	for (i = 0; i < BLOCKS; i++)
		if (put(fd, block, i) == -1)
			return -1;
	return fsync(fd);
}

double
limit_sync(const char *dir, double seconds)
{
	char block[BLOCK];
	double start, rate = 0;
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), n = 0;

	if (fd == -1)
		return 0;
	memset(block, 'x', sizeof(block));
	if (prepare(fd, block) == 0) {
		for (start = now(); now() - start < seconds; n++)
			if (put(fd, block, n % BLOCKS) == -1 ||
			    fdatasync(fd) == -1)
				break;
		rate = n / (now() - start);
	}
	return close(fd) == -1 ? 0 : rate;
}
