/* index_private: what index.c and index_open.c share, Berkeley DB included. */
#ifndef QUEUE_INDEX_PRIVATE_H
#define QUEUE_INDEX_PRIVATE_H

#include <db.h>

#include "queue/index_codec.h"

#define INDEX_LOG_BYTES	(8 * 1024 * 1024)
#define INDEX_MARK_KEY	"mark"
#define INDEX_MARK_BYTES 48
#define INDEX_DAMAGED_NAME "damaged"	/* a file: build it anew */

/*
 * What is in it, told by the mark. Each database may be sound and yet not the
 * one that belongs here: put there from a backup, or in another's place, of
 * which Berkeley DB's recovery makes two empty ones and finds all well.
 */
struct index_contents {
	uint64_t messages, ids;		/* how many; the sum of their ids */
	uint64_t uses;
};

enum { DB_MESSAGES, DB_DUE, DB_USAGE, DB_MARK, DB_COUNT };

struct due_change;

struct index {
	DB_ENV	*env;
	DB	*db[DB_COUNT];
	DB_TXN	*txn;
	struct due_change *due;		/* owned, of this transaction */
	size_t	 ndue, due_size;
	struct journal_place mark;
	uint64_t last_id;
	struct index_contents has;
	bool	 has_told;		/* by the mark, not by an older one */
	int	 error;			/* the last one while opening */
	int	 dir_fd;
};

DBT	 index_dbt(const void *, size_t);

#endif
