/*
 * fail: who keeps what must not be lost is fail-stop. What a disk holds after a
 * write or sync that failed is known only to the next start, so the process ends
 * at once and the call is never tried again.
 */
#ifndef LIB_FAIL_H
#define LIB_FAIL_H

/* Says why, with errno, and ends the process with 1; safe in any thread. */
void	 fail_stop(const char *what) __attribute__((noreturn));

#endif
