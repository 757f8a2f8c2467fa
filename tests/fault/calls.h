/*
 * calls: between the store and the kernel. The test's own open(), pwrite(),
 * fsync() and so on stand before libc's, for the store and for Berkeley DB in
 * it alike. Of files below the watched directory they can
 *	count the calls of each kind, and let the n-th one fail,
 *	write every change down on a tape, in the order in which they happened,
 *	so that power cuts can be played from it (image.h).
 * What is shared between processes lies in memory that the test has mapped.
 */
#ifndef TESTS_FAULT_CALLS_H
#define TESTS_FAULT_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum call {
	CALL_NONE, CALL_OPEN, CALL_READ, CALL_WRITE, CALL_SYNC, CALL_RENAME,
	CALL_UNLINK, CALL_MKDIR, CALL_TRUNCATE, CALL_STAT, CALL_OPENDIR,
	CALL_READDIR, CALL_DUP, CALL_STATVFS, CALL_THREAD, CALL_CLOSE,
	CALL_MALLOC, CALLS,
	CALL_ANY = CALLS	/* in a plan: whichever, malloc excepted */
};

const char *call_name(enum call);

/* Which of the store's files a call is about. */
enum area { AREA_ANY, AREA_JOURNAL, AREA_INDEX, AREA_SPOOL, AREAS };

const char *area_name(enum area);

#define CALL_SHORT	(-1)	/* as an error: half of the bytes are moved */
/* The process is killed: instead of the call, past it, past half of a write. */
#define CALL_KILL	(-2)
#define CALL_KILL_PAST	(-3)
#define CALL_KILL_HALF	(-4)

/* Shared. The n-th call of its kind (from 1) fails; 0: none does. */
struct calls_plan {
	enum call call;
	enum area area;
	uint64_t n;
	int	 error;			/* errno, or CALL_SHORT */
	uint64_t times;			/* so many in a row; 0: none */
	bool	 no_direct;		/* O_DIRECT can be set, and no write does */
	_Atomic uint64_t seen[CALLS + 1][AREAS], failed;
	enum call met;			/* what was killed at */
	enum area met_area;
};

/* --- the tape ------------------------------------------------------------- */

enum tape_kind {
	TAPE_OPEN,	/* path, ino; made, directory */
	TAPE_WRITE,	/* ino, at, len, data */
	TAPE_TRUNCATE,	/* ino, at: the size */
	TAPE_SYNC,	/* ino, past its success */
	TAPE_SYNC_LOST,	/* ino: it failed, what was not synced never will be */
	TAPE_RENAME,	/* path, path2 */
	TAPE_UNLINK,	/* path */
	TAPE_MKDIR	/* path */
};

#define TAPE_OPS	60000
#define TAPE_BYTES	(384UL * 1024 * 1024)
#define TAPE_PATH	64

struct tape_op {
	enum tape_kind kind;
	bool	 made, directory;
	uint64_t ino, at, len;
	size_t	 data;			/* in bytes[]; 0: zeros */
	char	 path[TAPE_PATH], path2[TAPE_PATH]; /* below the directory */
};

struct tape {				/* shared */
	size_t	 n, used;
	struct tape_op op[TAPE_OPS];
	uint8_t	 bytes[TAPE_BYTES];
};

/* Watches what is below dir from now on; either may be NULL. */
void	 calls_watch(const char *dir, struct calls_plan *, struct tape *);
/* One that came from elsewhere than open(), a channel, is watched as well. */
void	 calls_adopt(int fd, enum area);
/* How many operations are on the tape; 0 without one. */
size_t	 calls_now(void);

/* Mapped for this process and its children. */
void	*shared_memory(size_t);

#endif
