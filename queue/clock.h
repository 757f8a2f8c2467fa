/*
 * clock: two times for what must not be upset by a wall clock that is set
 * while we run, both in milliseconds since 1970.
 *
 * due is for due times, which go to disk: it follows the wall clock forwards
 * but never back. A clock set back an hour would else keep mail waiting that
 * long.
 *
 * steady measures windows of caps: it starts with the wall clock and then
 * counts elapsed time only, so that setting the clock frees no cap.
 *
 * What tells of the real time, such as when a message arrived, is ev_wall_ms().
 */
#ifndef QUEUE_CLOCK_H
#define QUEUE_CLOCK_H

#include <stdint.h>

/* Takes the wall clock's word once; before the first of the others. */
void	 clock_start(void);
uint64_t clock_due_ms(void);
uint64_t clock_steady_ms(void);

#endif
