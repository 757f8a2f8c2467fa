#include "lib/prelude.h"

#include <sys/mman.h>
#include <fcntl.h>

#include "lib/log.h"
#include "lib/stats.h"

#define PAGE (STATS_COUNT * sizeof(uint64_t))

const char *const stats_names[STATS_COUNT] = {
#define X(id, name, help) name,
	STATS(X)
#undef X
};

static uint64_t nowhere[STATS_COUNT];
static volatile uint64_t *mine = nowhere;

static volatile uint64_t *
map(int fd)
{
	void *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		fatal("cannot map the counters");
	return p;
}

volatile uint64_t *
stats_make(int *fd)
{
	*fd = memfd_create("postern-stats", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	/* Sealed: whoever shrank it would have the reader die of SIGBUS. */
	if (*fd == -1 || ftruncate(*fd, PAGE) == -1 ||
	    fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
	    == -1)
		fatal("cannot make the counters");
	return map(*fd);
}

void
stats_use(int fd)
{
	mine = map(fd);
}

void
stats_add(enum stat_id s, int64_t n)
{
	mine[s] += (uint64_t)n;
}

void
stats_set(enum stat_id s, uint64_t v)
{
	mine[s] = v;
}
