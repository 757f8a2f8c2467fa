/*
 * disk: the real store: journal, index and spool, and the main thread's part,
 * which is to know every message whose newest state is not in the index yet
 * (an entry), and to bring it there at each checkpoint.
 *
 * An entry's way, and the invariants:
 *  1. A record is given to the journal in the order of the calls; done() is
 *     called past its sync.
 *  2. A checkpoint takes the entries as they are, sends a barrier through the
 *     journal, and only then changes the index: the index never leads. The
 *     mark in the same transaction is the barrier's place, so replay neither
 *     misses nor repeats a record, and usage is exact.
 *  3. An entry that did not change meanwhile is settled and forgotten; one that
 *     was removed is forgotten once both journal and index know.
 *  4. A segment is used again when it lies before the mark and no message in
 *     the queue has its record in it or in an older one. So the segments that
 *     remain always hold all that a rebuild of the index needs.
 */
#ifndef QUEUE_DISK_H
#define QUEUE_DISK_H

#include "lib/ev.h"
#include "queue/index.h"
#include "queue/store_private.h"
#include "queue/table.h"

struct entry {
	struct table_node node;		/* first */
	uint64_t id;
	struct index_body body;		/* place: written by the journal */
	uint8_t	*meta;			/* as it is now */
	size_t	 meta_len;
	uint64_t due_ms, size;
	uint8_t	 hold;
	bool	 in_spool;
	bool	 given;			/* to the journal */
	bool	 in_index;		/* in some state */
	bool	 removed;
	uint64_t likeness;		/* of what was removed; 0: not known */
	bool	 in_checkpoint;
	bool	 moved;			/* the index still has old_body */
	struct index_body old_body;
	uint32_t ops;			/* at the journal */
	uint64_t version;		/* of meta */
};

/* What an account was charged in a minute; keyed as in the index. */
struct use {
	struct table_node node;		/* first */
	uint64_t used[LIMIT_KINDS];
	uint64_t minute_ms;		/* the key begins here */
	char	 account[];
};

struct segment_use {
	uint64_t generation;
	uint64_t live;			/* records of queued messages in it */
	uint64_t bytes;			/* ... and theirs */
};

struct disk {
	struct store store;		/* first */
	const struct store_ops *ops;
	void	*arg;
	char	*dir, *journal_dir, *index_dir, *spool_dir;
	int	 spool_dir_fd;
	struct journal_conf journal_conf;
	uint64_t min_free_bytes;
	uint64_t ballast_bytes;
	uint64_t start_bytes;		/* of it: what a start needs */
	uint64_t index_bytes;		/* ... of that, for the index */
	struct task_home *home;
	struct task_crew *index_crew;	/* one thread: the index's only user */
	struct task_crew *workers;	/* spool files that are written */
	struct task_crew *reading_crew;	/* bodies: waits for no sync */
	struct journal *journal;
	struct index *index;

	struct table entries;
	uint64_t meta_bytes;		/* theirs */
	struct table uses;		/* charged since the last checkpoint */
	struct table spools;		/* open for smtpd */
	uint64_t next_spool;
	size_t	 old_spools;		/* the last queue's, held by smtpd */
	uint64_t identity;
	struct table unspools;		/* files that are being removed, by id */
	struct segment_use *segments;	/* rising */
	size_t	 nsegments;
	uint64_t count, last_id;
	struct ev_timer timer;
	uint64_t opened_ms, opened_wall_ms;
	uint64_t last_checkpoint_ms, last_forget_ms;
	uint64_t checkpoint_generation;	/* newest segment at the last one */
	bool	 checkpointing, dirty, room, closing;
	bool	 loading;		/* ballast is being taken aboard */
	uint64_t looks;			/* of the timer */
	/* moving mail out of old segments, disk_move.c */
	uint64_t live_bytes;
	uint64_t move_generation, move_after, move_again_ms;
	uint64_t move_newest;		/* segment at the last checkpoint */
	uint64_t move_taken;		/* of it for copies, on a full disk */
	struct table unread;		/* could not be read in the oldest */
	uint32_t moving;		/* copies at the journal */
	bool	 searching;
	bool	 hurry;			/* a checkpoint frees their old places */
};

/* disk.c: entries */
struct entry *disk_entry(const struct disk *, uint64_t id);
struct entry *disk_entry_make(struct disk *, uint64_t id);
void	 disk_entry_set(struct disk *, struct entry *,
	    const struct store_msg *);
void	 disk_entry_free(struct disk *, struct entry *);
/* False when the meta is damaged. */
bool	 disk_entry_set_meta(struct disk *, struct entry *, const uint8_t *,
	    size_t);
/* How many entries there are; one whose meta is large counts as many. */
uint64_t disk_entries(const struct disk *);
/* A record that a queued message needs is there, 1, or no more, -1. */
void	 disk_segment_add(struct disk *, const struct index_body *, int n);
void	 disk_use(struct disk *, const struct store_msg *);

/* disk_checkpoint.c */
void	 disk_checkpoint(struct disk *);
/* The same at once in this thread, at start: the journal is not open yet. */
void	 disk_checkpoint_now(struct disk *, struct journal_place mark);
/* The first segment that the mark or a queued message needs. */
uint64_t disk_needed_from(struct disk *, uint64_t mark);
void	 disk_look(void *);		/* the timer: is one due? is there room? */

/* disk_room.c: as ballast, and what it is given for */
void	 disk_room_init(struct disk *);
/* For a segment; last: else nothing goes on. As journal_ops.full. */
bool	 disk_room_segment(bool last, void *arg);
/* For the index, which does not survive without. As dbdisk_room. */
bool	 disk_room_index(void *arg);
void	 disk_room_look(struct disk *);
uint64_t disk_spare(const struct store *);

/* disk_move.c: after a checkpoint, with the newest segment's generation */
void	 disk_move(struct disk *, uint64_t newest);
/* Whether a checkpoint would begin that. */
bool	 disk_move_wanted(const struct disk *);
void	 disk_move_forget(struct disk *);	/* what could not be read */

/* disk_open.c */
extern const struct store_backend disk_backend;

/* disk_read.c */
void	 disk_due(struct store *, uint64_t after_ms, uint64_t after_id,
	    uint64_t until_ms, size_t max, store_msgs *, void *arg);
void	 disk_list(struct store *, uint64_t after_id, size_t max, store_msgs *,
	    void *arg);
void	 disk_load(struct store *, uint64_t id, store_msgs *, void *arg);
void	 disk_body(struct store *, uint64_t id, store_body_cb *, void *arg);
void	 disk_usage(struct store *, uint32_t back_sec, store_usage_cb *,
	    void *arg);

/* disk.c: transitions */
void	 disk_accept(struct store *, const struct store_msg *, int spool_fd,
	    store_done *, store_done *full, void *arg);
void	 disk_update(struct store *, const struct store_msg *,
	    const struct store_bounces *, store_done *, void *arg);
void	 disk_remove(struct store *, const struct store_msg *,
	    const struct store_bounces *, store_done *, void *arg);
void	 disk_sync(struct store *, store_done *, void *arg);
int	 disk_spool_open(struct store *);
int	 disk_spool_lend(struct store *, int fd, int *writer);
int	 disk_spool_held(struct store *, int fd);
void	 disk_spool_empty(struct store *, int fd);
void	 disk_spool_close(struct store *, int fd);
/* The journal's word that a batch is durable. */
void	 disk_written(struct task_list *, void *arg);

#endif
