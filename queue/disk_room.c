/*
 * Room on the disk: a floor below which no new mail is taken, and ballast for
 * what was accepted when there is none, given piece by piece. A queue that runs
 * leaves as much as a start needs, but to save what it could not write down.
 */
#include "lib/prelude.h"

#include <sys/statvfs.h>

#include "lib/log.h"
#include "lib/num.h"
#include "lib/seldom.h"
#include "lib/stats.h"
#include "lib/xalloc.h"
#include "queue/ballast.h"
#include "queue/disk.h"
#include "queue/spool.h"
#include "queue/stock.h"

#define MB		(1024 * 1024ULL)
/* Their room is kept: what was accepted needs more of them until it is gone. */
#define FREE_SEGMENTS	2ULL
#define RUN_SEGMENTS	2ULL		/* as ballast, for a queue that runs */
/* For the index: a file of its log, written out in full, and some pages. */
#define INDEX_BYTES	(10 * MB)
#define SEGMENT_LEAST	(8 * MB)	/* less is for tests, and so is the rest */
#define INDEX_PIECE	(1 * MB)	/* given at once when nothing is left */
#define BALLAST_LOOKS	30	/* one in so many looks is at the ballast */

void
disk_room_init(struct disk *d)
{
	uint64_t bytes = d->journal_conf.segment_bytes;

	d->index_bytes = bytes < SEGMENT_LEAST ? bytes : INDEX_BYTES;
	d->start_bytes = bytes + STOCK_LEAVE_BYTES + d->index_bytes;
	d->ballast_bytes = RUN_SEGMENTS * bytes + d->start_bytes;
}

bool
disk_room_segment(bool last, void *arg)
{
	const struct disk *d = arg;

	return ballast_give(d->dir, d->start_bytes, last ? 0 :
	    d->start_bytes);
}

bool
disk_room_index(void *arg)
{
	const struct disk *d = arg;

	return ballast_give(d->dir, INDEX_PIECE, 0);
}

/* Below it no mail is taken. */
static uint64_t
floor_of(const struct disk *d)
{
	uint64_t least = FREE_SEGMENTS * d->journal_conf.segment_bytes;

	return (d->min_free_bytes > least ? d->min_free_bytes : least) +
	    ballast_thrown(d->dir, d->ballast_bytes);
}

uint64_t
disk_spare(const struct store *s)
{
	const struct disk *d = (const struct disk *)s;
	uint64_t floor, left;
	struct statvfs v;

	if (statvfs(d->dir, &v) == -1)
		return UINT64_MAX;
	floor = floor_of(d);
	left = (uint64_t)v.f_bavail * v.f_frsize;
	return left > floor ? left - floor : 0;
}

static void
look_for_room(struct disk *d)
{
	static struct seldom told;
	char has[NUM_TEXT_LEN], need[NUM_TEXT_LEN];
	uint64_t floor, left;
	struct statvfs v;
	bool room;

	if (statvfs(d->dir, &v) == -1) {
		if (seldom_due(&told))
			log_warn("cannot see how full the disk of %s is%s",
			    d->dir, seldom_more(&told));
		return;
	}
	left = (uint64_t)v.f_bavail * v.f_frsize;
	/* Before the index wants what is not there any more. */
	if (left < d->index_bytes / 2)
		ballast_give(d->dir, d->index_bytes, d->start_bytes);
	floor = floor_of(d);
	room = left >= floor;
	if (room != d->room)
		log_warnx("disk=%s: %s, %s free of %s needed for min-free or two "
		    "segments%s%s", d->dir, room ? "there is room again" :
		    "mail is refused with 452 until there is room",
		    num_print_size(left >> 20 << 20, has),
		    num_print_size(floor, need), ballast_thrown(d->dir,
		    d->ballast_bytes) > 0 ? ", and for the ballast that was "
		    "thrown off" : "", room ? "" : "; make room");
	d->room = room;
	stats_set(STAT_DISK_LOW, !room);
	/*
	 * Segments that wait to be used again go if that is enough; else they are
	 * worth more than room that anybody may take.
	 */
	journal_keep_spare(d->journal, room || left + STOCK_SPARE *
	    d->journal_conf.segment_bytes < floor);
}

struct loading {
	struct task task;		/* first */
	struct disk *d;
};

static void
load_work(struct task *t)
{
	const struct disk *d = ((struct loading *)t)->d;

	ballast_take(d->dir, d->ballast_bytes);
}

static void
load_done(struct task *t)
{
	struct loading *l = (struct loading *)t;

	l->d->loading = false;
	free(l);
}

/* With room for it and as much again above the floor. */
static void
look_at_ballast(struct disk *d)
{
	struct loading *l;

	if (d->loading || d->looks++ % BALLAST_LOOKS != 0 ||
	    !ballast_wanted(d->dir, d->ballast_bytes, d->min_free_bytes +
	    d->ballast_bytes))
		return;
	l = xcalloc(1, sizeof(*l));
	l->task.work = load_work;
	l->task.done = load_done;
	l->d = d;
	d->loading = true;
	task_crew_give(d->workers, &l->task);
}

void
disk_room_look(struct disk *d)
{
	if (d->old_spools > 0)
		d->old_spools = spool_sweep_old(d->spool_dir);
	look_for_room(d);
	look_at_ballast(d);
}
