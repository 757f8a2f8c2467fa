#include "lib/prelude.h"

#include "queue/reserve.h"

void
reserve_hold(struct queue *q, uint64_t *held, uint64_t bytes)
{
	q->reserved += bytes - *held;
	*held = bytes;
}

bool
reserve_fits(const struct queue *q, uint64_t bytes)
{
	uint64_t room = store_room(q->store);

	if (bytes < RESERVE_LEAST)
		bytes = RESERVE_LEAST;
	return room == UINT64_MAX || room / 2 >= q->reserved + bytes;
}

bool
reserve_may_write(const struct queue *q, uint64_t bytes)
{
	uint64_t room = store_room(q->store);

	return room == UINT64_MAX || room >= q->reserved + bytes;
}
