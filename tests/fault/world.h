/*
 * world: mail that goes through the real store, a ledger of what was promised
 * about it, and a judge. The worker and the judge are children; the ledger
 * outlives them. Times in it are places on the tape, so it can be asked what
 * held at any cut: what was acknowledged before it must be there afterwards,
 * byte for byte and in a state not older than promised; what was durably
 * removed must not; what was under way may be either.
 */
#ifndef TESTS_FAULT_WORLD_H
#define TESTS_FAULT_WORLD_H

#include "tests/fault/calls.h"

/*
 * Tries of a short form, or each which of them. Under the sanitizers one costs
 * four times as much, and they look at how it is done, not for the unlucky place.
 */
#if defined(POSTERN_SANITIZED)
#define SHORT_FORM(n)	(((n) + 5) / 6)
#define EACH		4
#else
#define SHORT_FORM(n)	(n)
#define EACH		1
#endif

#define LETTERS		4000
#define VERSIONS	5
#define NEVER		SIZE_MAX

struct letter {
	uint64_t id, size;
	size_t	 accepting, accepted, removing, removed;
	/* attempts = i was asked for, is durable */
	size_t	 changing[VERSIONS], changed[VERSIONS];
	bool	 charged;	/* counts for its account's usage */
	bool	 old;		/* that usage is in used_at_start */
	bool	 ghost;		/* never acknowledged, and its sync failed: it
				   may be there, or go, or not be readable */
	/* A bounce: of which letter, 0 if none's, and of which of its versions;
	   VERSIONS: of its removal. */
	uint64_t cause;
	uint32_t as;
	/* What the judge saw. */
	uint32_t seen, version;
	bool	 spoilt, unread;
};

struct ledger {			/* shared */
	size_t	 n;
	struct letter v[LETTERS];
	/* usage before the session that runs, and as it found it */
	uint64_t used_low, used_high, used_at_start;
	size_t	 started;	/* place; NEVER while it has not opened */
	bool	 sync_lost;	/* on this tape */
	bool	 usage_lost;	/* an index was built anew */
	/* Told by the child that ran last. */
	char	 errstr[256];
	uint32_t lines, rebuilt, damage;
	/* Told by the judge. */
	uint32_t strange, due;
	uint64_t used, next_id;
	uint32_t largest_open_ms;
};

extern struct ledger *ledger;

/* How a worker ended. */
enum end {
	END_GOOD, END_REFUSED, END_DIED, END_CRASHED, END_HUNG,
	END_KILLED,		/* as the plan had it */
	ENDS
};
const char *end_name(enum end);

struct session {
	const char *dir;
	uint64_t seed;
	uint32_t turns;
	bool	 close;			/* in order, at its end */
	bool	 still;			/* no time passes: no checkpoint */
	struct calls_plan *plan;	/* may be NULL */
	struct tape *tape;		/* may be NULL */
	bool	 heavy;			/* larger mail: segments are used again */
	bool	 after_loss;		/* a sync has failed on this tape */
	int64_t	 leap_ms;		/* the wall clock's, in the middle */
};

void	 world_init(void);		/* makes the ledger; in the parent */
void	 world_fresh(const char *dir);	/* an empty store, an empty ledger */
enum end world_work(const struct session *);
/* Opens the store undisturbed and looks at everything in it. */
enum end world_judge(const char *dir);

struct verdict {
	uint32_t lost, back, spoilt, strange, stale, early;
	/* Letters lost, back, spoilt or stale, each once: one may be back,
	   and its spool file gone. */
	uint32_t hurt;
	uint32_t halved;	/* bounces without their cause, or it without */
	bool	 usage, ids, due;	/* wrong */
	uint64_t used_low, used_high;	/* what usage may be */
};

/* What the judge saw, held against what was promised until the cut. */
struct verdict world_verdict(size_t cut);
bool	 verdict_good(const struct verdict *);
void	 verdict_show(const struct verdict *);

/*
 * A new tape begins with what was left at the cut: places before it become 0,
 * later ones never were.
 */
void	 world_rebase(size_t cut);

/* A directory of our own, in memory if possible; and all in it. */
char	*world_dir(void);
void	 world_empty(const char *dir);
void	 world_remove(char *dir);	/* and frees the name */

uint64_t dice(uint64_t *state, uint64_t n);	/* below n */

#endif
