/*
 * ctl_restore: one restore, as it goes through its file (ctl_restore.c) and as it
 * is answered and logged (ctl_restore_end.c).
 */
#ifndef QUEUE_CTL_RESTORE_H
#define QUEUE_CTL_RESTORE_H

#include <sys/queue.h>

#include "lib/buf.h"
#include "queue/ctl_asked.h"
#include "queue/live.h"
#include "queue/tasks.h"
#include "queue/vault.h"

#define RESTORE_NO_ROOM	"the queue's disk takes no more now; make room, " \
			"and run it again"

struct restore {
	struct task task;
	struct asked *a;
	struct task_home *home;
	struct task_crew *crew;
	int	 fd;
	bool	 again, take_damaged, dry_run;

	/* The thread's while it has the task: */
	uint64_t at;
	struct buf buf;
	bool	 eof;
	int	 error;

	bool	 real;			/* the second time through the file */
	bool	 in_damage;		/* until the next sound frame */
	/* Of this pass: where the first damage begins, and in which message. */
	uint64_t bad_at;		/* bytes into the file */
	char	 bad_id[STORE_ID_LEN + 1];	/* "": that is not known */
	uint64_t cut_at;		/* the last whole frame ends here ... */
	bool	 cut;			/* ... and no sound one follows */
	bool	 have_head, have_end;
	struct vault_head head;
	struct vault_frame frame;	/* at the front of buf */
	struct store_msg m;		/* the one under way; id 0: none */
	uint64_t was;			/* its id in the backup */
	uint64_t highest;		/* of these */
	const uint8_t *body;		/* its, in frame, or NULL */
	uint64_t body_left;		/* in pieces to come */
	uint8_t	 last;			/* byte of its body */
	bool	 skip;			/* it is not wanted */
	bool	 whole;			/* it is wanted, and all in its spool file */
	int	 spool_fd;
	LIST_HEAD(, taken) taken;
	size_t	 under_way;		/* of these */
	bool	 full;			/* there is no room for a large body */
	const char *why;		/* no more */
	char	 damaged_why[256];	/* it, or what --damaged was given for */
	uint64_t messages, restored, present, left, damaged, lacking;
};

struct taken {				/* until it is durable */
	LIST_ENTRY(taken) link;
	struct asked *a;
	struct live_msg *lm;
	char	 was[STORE_ID_LEN + 1];	/* its id there, if it was another */
};

/* Whether this very queue has made the backup. */
bool	 restore_is_ours(const struct asked *);
/* For the answer: where the first damage is, and whether the end is missing. */
void	 restore_say_damage(struct restore *);
/* The same as the reason why nothing was restored; the restore's own. */
const char *restore_nothing(struct restore *);
/* The answer, and the log's line. */
void	 restore_finish(struct asked *);

#endif
