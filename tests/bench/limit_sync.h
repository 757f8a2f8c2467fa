/*
 * limit_sync: what the disk allows. A message that is answered 250 costs its
 * share of one fdatasync(2), so no durable server is faster than these in a
 * row, times the messages that share one.
 */
#ifndef TESTS_BENCH_LIMIT_SYNC_H
#define TESTS_BENCH_LIMIT_SYNC_H

/*
 * How often a second 4 KB of a written file in dir are overwritten and synced,
 * one after the other, tried for so long. 0 when dir does not allow it.
 */
double	 limit_sync(const char *dir, double seconds);

#endif
