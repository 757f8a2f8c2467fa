/*
 * journal: the authority for every accepted message. Records are appended in
 * batches: whenever the writer's thread is idle and something has gathered, it
 * writes all of it and syncs once. There is no timer; under load batches grow
 * by themselves.
 *
 * A write or sync that fails ends the process at once: what the disk holds then
 * is known only to the next start, and a sync that failed is never tried again.
 */
#ifndef QUEUE_JOURNAL_H
#define QUEUE_JOURNAL_H

#include "queue/record.h"
#include "queue/tasks.h"

struct journal;

struct journal_place {
	uint64_t generation;	/* of the segment; 0: nowhere */
	uint64_t offset;
};

/* A further record of an op. */
struct journal_part {
	size_t	 behind;		/* in bytes: where it begins */
	struct journal_place *at;	/* told where that is */
};

/*
 * Something to append, or a barrier: everything given before it is on disk and
 * nothing after it. When that is so, written() runs in the writer's thread and
 * may move the op elsewhere.
 */
struct journal_op {
	struct task task;	/* first; for the way home */
	uint8_t	*bytes;		/* its records, owned; freed once written. They
				   are in one batch: all or none */
	size_t	 len;
	bool	 barrier;
	/* Told where the first record begins, or NULL; of a barrier: the end
	 * of the journal. */
	struct journal_place *at;
	const struct journal_part *more;	/* its other records */
	size_t	 nmore;
};

struct journal_ops {
	/* A batch is durable; task.link chains its ops, in order. */
	void	(*written)(struct task_list *, void *arg);
	/*
	 * The disk is full and this segment's end is near, in a thread of the
	 * journal's: true if there may be room now. last: else what waits is
	 * not written.
	 */
	bool	(*full)(bool last, void *arg);
};

struct journal_conf {
	const char *dir;		/* <state>/journal */
	uint32_t segment_bytes;
};

/* --- at start ------------------------------------------------------------------ */

typedef void journal_record(const struct record *,
	    const struct journal_place *, void *arg);
/* A batch begins here; all records before it were handed over. */
typedef void journal_batch(const struct journal_place *, void *arg);

struct journal_found {
	uint64_t *generations;		/* owned by the caller, rising */
	size_t	 n;
	uint64_t records, batches;	/* replayed */
	uint64_t damaged;		/* places where batches were lost, and
					   segments that are not there */
	struct journal_place end;	/* behind the last batch */
};

/*
 * Reads all batches from `from` (generation 0: the beginning) in order. Stops
 * at the first that is not sound, which was never acknowledged; unless sound
 * ones follow it: that is damage, which is logged with its place and skipped.
 * 0, or -1 with *errstr.
 */
int	 journal_replay(const struct journal_conf *, struct journal_place from,
	    journal_batch *, journal_record *, void *arg,
	    struct journal_found *, const char **errstr);
/*
 * Whether there are segments behind this place, and not the one it is in: then
 * who remembers the place is of an older day than the journal.
 */
bool	 journal_is_past(const struct journal_conf *, struct journal_place);

/*
 * Begins a new segment behind what was found, perhaps from one of those before
 * release, which nothing needs. NULL with *errstr.
 */
struct journal *journal_open(const struct journal_conf *,
	    const struct journal_ops *, void *arg, uint64_t generation,
	    uint64_t before_end, uint64_t release, const char **errstr);

/* --- afterwards ----------------------------------------------------------------------- */

void	 journal_add(struct journal *, struct journal_op *);
/*
 * How many bytes can be written for certain, beside what was given. UINT64_MAX:
 * as many as you like; else the disk is full, and this is what the segment has.
 * A batch takes whole blocks: count each op with journal_cost().
 */
uint64_t journal_room(struct journal *);
uint64_t journal_cost(size_t len);
/* Segments before this generation hold nothing that is still needed. */
void	 journal_release(struct journal *, uint64_t generation);
/* Whether some that wait to be used again are kept, as at first. */
void	 journal_keep_spare(struct journal *, bool);
/*
 * Reads a record's body of len bytes whose record begins at place; 0, or -1
 * with errno. Any thread; the segment must not have been released.
 */
int	 journal_read(struct journal *, struct journal_place, size_t skip,
	    uint8_t *, size_t len);
/* What was read there is wrong: the next time it comes from the disk. */
void	 journal_read_anew(struct journal *, struct journal_place, size_t skip,
	    size_t len);
/*
 * Writes what was given, then ends the threads; blocks. Reading still works.
 * When there is no room for it the process ends here: nobody was told that it
 * is durable.
 */
void	 journal_end(struct journal *);
void	 journal_free(struct journal **);	/* after journal_end() */

#endif
