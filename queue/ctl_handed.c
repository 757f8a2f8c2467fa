#include "lib/prelude.h"

#include "queue/ctl_handed.h"

static uint64_t open_ids[HANDED_MAX];	/* in no order */
static size_t nopen;
static uint64_t used[HANDED_USED_MAX];	/* the newest takes the oldest's place */
static size_t nused, next_used;

void
handed_clear(void)
{
	nopen = nused = next_used = 0;
}

/* Of the oldest nothing is known from now on. */
static void
forget_one(void)
{
	size_t i, oldest = 0;

	for (i = 1; i < nopen; i++)
		if (open_ids[i] < open_ids[oldest])
			oldest = i;
	open_ids[oldest] = open_ids[--nopen];
}

void
handed_add(uint64_t id)
{
	if (nopen == HANDED_MAX)
		forget_one();
	open_ids[nopen++] = id;
}

enum handed
handed_look(uint64_t id)
{
	size_t i;

	for (i = 0; i < nopen; i++)
		if (open_ids[i] == id)
			return HANDED_OPEN;
	for (i = 0; i < nused; i++)
		if (used[i] == id)
			return HANDED_USED;
	return HANDED_UNKNOWN;
}

void
handed_close(uint64_t id)
{
	size_t i;

	for (i = 0; i < nopen; i++)
		if (open_ids[i] == id) {
			open_ids[i] = open_ids[--nopen];
			break;
		}
	used[next_used] = id;
	next_used = (next_used + 1) % HANDED_USED_MAX;
	if (nused < HANDED_USED_MAX)
		nused++;
}
