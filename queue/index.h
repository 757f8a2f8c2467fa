/*
 * index: what outlives a checkpoint, in Berkeley DB: deferred and held mail
 * with its due times, usage of accounts, and the mark up to which the journal
 * is covered. It may lag the journal, never lead it, and can be rebuilt from it.
 * Of the queue only index*.c know Berkeley DB.
 *
 * Calls block and belong to one thread at a time. A write that fails ends the
 * process (DESIGN 4): Berkeley DB reports a failed log flush once and then
 * pretends that all is well, so its fsync is ours. So does a read that fails:
 * what cannot be read must not pass for absent, or its journal and its spool
 * file would be given up. The next start finds the damage and rebuilds.
 */
#ifndef QUEUE_INDEX_H
#define QUEUE_INDEX_H

#include "queue/journal.h"

struct index;

/* Where a message's body is, if not in the spool. */
struct index_body {
	struct journal_place place;	/* of the record; generation 0: unknown */
	uint32_t skip;			/* from there to the body */
	uint32_t len, crc;
};

struct index_entry {
	uint64_t id, due_ms;
	uint8_t	 hold;
	struct index_body body;
	const uint8_t *meta;
	size_t	 meta_len;
};

/*
 * Recovers, opens, and reads all of it once: a page that is damaged shows
 * itself here and not as mail that seems to be gone. NULL with *errstr;
 * *damaged: move it aside and rebuild. Otherwise it may be as sound as before,
 * and something else is wrong: no room, no right to it.
 */
struct index *index_open(const char *dir, uint32_t cache_bytes,
	    bool *damaged, const char **errstr);
void	 index_close(struct index **);

/* What the last commit covered; generation 0: nothing yet. */
void	 index_mark(const struct index *, struct journal_place *,
	    uint64_t *last_id);

/* --- one transaction at a time -------------------------------------------------- */

void	 index_begin(struct index *);
/* Inserts or replaces; a body of unknown place stays where it was. */
void	 index_put(struct index *, const struct index_entry *);
/* False when it was not there. *body is where its body was. */
bool	 index_del(struct index *, uint64_t id, struct index_body *body);
void	 index_use(struct index *, uint64_t minute_ms, const char *account,
	    const uint64_t used[LIMIT_KINDS]);
/* Forgets usage of minutes before this one. */
void	 index_forget_use(struct index *, uint64_t before_ms);
void	 index_commit(struct index *, struct journal_place mark,
	    uint64_t last_id);

/* --- reading ------------------------------------------------------------------------ */

/* Borrowed until the callback returns; false ends the walk. */
typedef bool index_cb(const struct index_entry *, void *arg);

bool	 index_get(struct index *, uint64_t id, index_cb *, void *arg);
/* Behind (after_ms, after_id), in order of both. */
void	 index_due(struct index *, uint64_t after_ms, uint64_t after_id,
	    uint64_t until_ms, index_cb *, void *arg);
void	 index_list(struct index *, uint64_t after_id, index_cb *, void *arg);
void	 index_usage(struct index *, uint64_t since_ms, store_usage_cb *,
	    void *arg);

#endif
