/*
 * wait: time and readiness for the threads, which have no loop. Deadlines are
 * milliseconds of the monotonic clock.
 */
#ifndef SOURCE_WAIT_H
#define SOURCE_WAIT_H

#include <stdint.h>
#include <sys/time.h>

uint64_t wait_clock(void);
/* Milliseconds until then; 0: it is over. */
int	 wait_left(uint64_t deadline_ms);
/* The same for libraries that take a struct timeval; at least a millisecond. */
struct timeval wait_timeval(uint64_t deadline_ms);
/* Until poll(2)'s events; 0, or -1 with errno (ETIMEDOUT). */
int	 wait_fd(int fd, short events, uint64_t deadline_ms);
/* A moment, for what can only be tried again; -1: the deadline has come. */
int	 wait_moment(uint64_t deadline_ms);

#endif
