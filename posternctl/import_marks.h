/*
 * import_marks: how the name of an envelope's file says what became of its
 * message. NAME.json is to be imported; NAME.json.importing-QUEUE-ID is under
 * way, by the id that it is to have in that queue; NAME.json.imported has been
 * taken. Behind the id of what was under way to other queues before stand the
 * ones that it had there, each with a "+", the latest first.
 */
#ifndef POSTERNCTL_IMPORT_MARKS_H
#define POSTERNCTL_IMPORT_MARKS_H

#include <stdbool.h>
#include <stddef.h>

#define MARK_SUFFIX	".json"
#define MARK_ID_LEN	27	/* "QUEUE-ID" */

struct mark {
	char	*stem;			/* owned: NAME */
	char	 id[MARK_ID_LEN + 1];	/* or "" */
	char	*former;		/* owned: "+QUEUE-ID" for each; or "" */
	char	*file;			/* owned: what it was called when read */
	bool	 skip;			/* its name cannot be marked */
};

/* Whether a file of this name is to be imported, or under way. */
bool	 mark_wanted(const char *name);
bool	 mark_under_way(const char *name);

/* Fills *m from the name of such a file; mark_clear() ends it. */
void	 mark_read(struct mark *m, const char *name);
void	 mark_clear(struct mark *);
/* The latest of its former ids, or "". */
void	 mark_former(const struct mark *, char id[MARK_ID_LEN + 1]);
/* What its file is called; the caller frees it. */
char	*mark_file(const struct mark *, bool under_way);

/*
 * Marks files of the folder as under way by these ids, which the queue at hand
 * has handed out. Those that are fresh have no mark yet; of the others, those
 * that were another queue's are this one's from now on. True: all have their
 * marks, but for what has `skip` now, and are on the disk, as far as its kind
 * of file system syncs a folder. False, after a complaint: nothing may be sent,
 * and what is fresh has no mark.
 */
bool	 mark_all(int dir, struct mark *, char (*ids)[MARK_ID_LEN + 1],
	    size_t n, bool fresh);
/* What mark_all() would make of one, by any id of that queue; marks nothing. */
void	 mark_foresee(struct mark *, const char *id);
/* It is to be imported as before. */
void	 mark_undo(int dir, struct mark *);
void	 mark_imported(int dir, struct mark *);

#endif
