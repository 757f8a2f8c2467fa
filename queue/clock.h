/*
 * clock: the two times that the queue reckons in, both in milliseconds since
 * 1970 and both deaf to a wall clock that is set back while we run.
 *
 * wall goes to disk: arrival, due and expiry. It follows the wall clock
 * forwards. Set back an hour, the wall clock would else keep mail waiting that
 * long; and times given out before and after would not compare.
 *
 * steady measures windows of caps: it starts with the wall clock and then
 * counts elapsed time only, so that setting the clock frees no cap.
 */
#ifndef QUEUE_CLOCK_H
#define QUEUE_CLOCK_H

#include <stdint.h>

/* Takes the wall clock's word once; before the first of the others. */
void	 clock_start(void);
uint64_t clock_wall_ms(void);
uint64_t clock_steady_ms(void);

#endif
