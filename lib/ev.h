/*
 * ev: the event loop. One loop per process; it and lib/stream are the only
 * files that know libevent. Everything else sees descriptors, timers, signals,
 * wake-ups from threads, and a clock which a test may step by hand.
 *
 * Callbacks run from ev_loop() only, never from the call that arms them. All
 * of it belongs to the main thread, ev_wake_up() excepted.
 */
#ifndef LIB_EV_H
#define LIB_EV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event;
struct event_base;

void	 ev_init(void);
/* Runs until ev_stop(); a second ev_loop() may follow. */
void	 ev_loop(void);
/* One turn: waits at most wait_ms for something to happen, handles it. */
void	 ev_loop_once(uint64_t wait_ms);
void	 ev_stop(void);
/* For lib/stream alone. */
struct event_base *ev_base(void);

/* --- the clock ------------------------------------------------------------ */

/* Monotonic milliseconds; every timer and window counts in these. */
uint64_t ev_now_ms(void);
/* Wall clock, milliseconds since 1970; for dates, ids and what goes to disk. */
uint64_t ev_wall_ms(void);
/* From now on time stands still but for ev_clock_step(), which runs timers. */
void	 ev_clock_fake(uint64_t now_ms, uint64_t wall_ms);
void	 ev_clock_step(uint64_t ms);
/* Fake clock only: moves the wall clock alone, as an admin or NTP would. */
void	 ev_clock_jump_wall(int64_t ms);

/* --- timers: embedded in their owner --------------------------------------- */

struct ev_timer {
	void	(*cb)(void *);
	void	*arg;
	uint64_t at_ms;
	uint64_t order;		/* equal times fire in the order they were set */
	size_t	 slot;		/* in the heap, from 1; 0: not armed */
};

void	 ev_timer_init(struct ev_timer *, void (*)(void *), void *arg);
/* Arms or re-arms; one shot. */
void	 ev_timer_set(struct ev_timer *, uint64_t in_ms);
/* Safe on an unarmed or zeroed timer. */
void	 ev_timer_cancel(struct ev_timer *);
bool	 ev_timer_armed(const struct ev_timer *);

/* --- descriptors ------------------------------------------------------------ */

enum { EV_IN = 1, EV_OUT = 2 };

struct ev_fd {
	void	(*cb)(void *arg, int what);	/* what: EV_IN, EV_OUT or both */
	void	*arg;
	int	 fd;
	int	 want;
	struct event *in, *out;
};

/* Watches nothing until ev_fd_want(). The descriptor stays the caller's. */
void	 ev_fd_init(struct ev_fd *, int fd, void (*)(void *, int), void *arg);
void	 ev_fd_want(struct ev_fd *, int what);
/* Forgets the descriptor without closing it; safe on a zeroed one. */
void	 ev_fd_clear(struct ev_fd *);

/* --- signals and threads ----------------------------------------------------- */

/* The callback runs in the loop, not in signal context. */
void	 ev_signal(int signo, void (*)(int signo, void *), void *arg);

/* A thread rings, the loop answers; rings may merge into one callback. */
struct ev_wake {
	struct ev_fd efd;
	void	(*cb)(void *);
	void	*arg;
};

void	 ev_wake_init(struct ev_wake *, void (*)(void *), void *arg);
void	 ev_wake_up(struct ev_wake *);		/* any thread */
void	 ev_wake_clear(struct ev_wake *);

#endif
