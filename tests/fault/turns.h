/*
 * turns: threads take turns as dice have it, one at a time, so that a run with
 * threads is the same each time for a seed. The test's own pthread_mutex_lock()
 * and so on stand before libc's, for the store and whoever else: until
 * turns_begin() they are libc's own.
 */
#ifndef TESTS_FAULT_TURNS_H
#define TESTS_FAULT_TURNS_H

#include <pthread.h>
#include <stdint.h>

/* From now on, for this thread and those that it makes. */
void	 turns_begin(uint64_t seed);
/* The others run, until all of them wait or, at times, before that. */
void	 turns_others(void);
/* The others run until all of them wait. */
void	 turns_all_wait(void);
/* This thread may have to wait for another that has more to do. */
void	 turns_perhaps(void);
/* For calls.c: pthread_create(), which create() is libc's. */
int	 turns_create(int (*create)(pthread_t *, const pthread_attr_t *,
	    void *(*)(void *), void *), pthread_t *, const pthread_attr_t *,
	    void *(*)(void *), void *);

#endif
