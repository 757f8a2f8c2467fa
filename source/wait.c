#include "lib/prelude.h"

#include <poll.h>
#include <time.h>

#include "source/wait.h"

#define MOMENT_MS 20

uint64_t
wait_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

int
wait_left(uint64_t deadline_ms)
{
	uint64_t now = wait_clock();

	return now >= deadline_ms ? 0 : deadline_ms - now > INT_MAX ? INT_MAX :
	    (int)(deadline_ms - now);
}

struct timeval
wait_timeval(uint64_t deadline_ms)
{
	int ms = wait_left(deadline_ms);

	if (ms == 0)
		ms = 1;		/* zero would mean for ever, or not at all */
	return (struct timeval){ ms / 1000, ms % 1000 * 1000 };
}

int
wait_fd(int fd, short events, uint64_t deadline_ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	int r;

	do
		r = poll(&p, 1, wait_left(deadline_ms));
	while (r == -1 && errno == EINTR);
	if (r == 0)
		errno = ETIMEDOUT;
	return r > 0 ? 0 : -1;
}

int
wait_moment(uint64_t deadline_ms)
{
	int left = wait_left(deadline_ms);

	if (left == 0) {
		errno = ETIMEDOUT;
		return -1;
	}
	poll(NULL, 0, left < MOMENT_MS ? left : MOMENT_MS);
	return 0;
}
