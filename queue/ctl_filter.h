/*
 * ctl_filter: which messages a verb of `posternctl queue` is about: named by
 * id, or by what is true of them. All that is said must be true at once.
 */
#ifndef QUEUE_CTL_FILTER_H
#define QUEUE_CTL_FILTER_H

#include "queue/queue.h"

#define FILTER_IDS_MAX	1000

struct filter {
	uint64_t *ids;		/* owned, as given; none: by the rest */
	size_t	 nids;
	bool	 all;		/* said in so many words */
	bool	 any;		/* something narrows it */
	bool	 restored;	/* it came from a backup */
	bool	 dry_run;
	bool	 count;		/* dry run: a number, and up to which id */
	bool	 body;
	bool	 counts;	/* an answer in numbers, too */
	uint64_t limit;		/* 0: none */
	uint64_t upto;		/* no newer id; 0: none */
	uint64_t device;	/* st_dev of where an export goes; 0: unknown */
	/* borrowed from the copies in strs */
	const char *account, *from, *to, *route, *hop, *reason, *by;
	const char *state;	/* of filter_state() */
	uint64_t older_ms, newer_ms;	/* age; 0: not asked for */
	char	**strs;		/* owned */
	size_t	 nstrs;
};

void	 filter_clear(struct filter *);
/*
 * Reads ids and options ("account=alice"). NULL, or a sentence in a static
 * buffer; the filter is to be cleared either way.
 */
const char *filter_parse(struct filter *, size_t argc,
	    const char *const *argv);
/*
 * NULL, or that a route or next hop that is asked for is none of the
 * configuration's, in a static buffer.
 */
const char *filter_nowhere(const struct filter *, const struct queue *);
bool	 filter_fits(const struct filter *, const struct queue *,
	    const struct store_msg *);

/* "waiting", "line", "sending", "held", "failed": what a message does now. */
const char *filter_state(const struct queue *, const struct store_msg *);
/*
 * Whom lists tell of: recipients who are pending; if there are none, those that
 * have failed and whose sender waits to be told (RCPT_OWED).
 */
enum rcpt_state filter_shown(const struct store_msg *);
/* The next hop of the first of them; "" when there is none. */
const char *filter_hop(const struct queue *, const struct store_msg *);
/* Why nothing was said of a recipient yet: its sender's hour; or "". */
const char *filter_kept(const struct store_msg *);
/* What was last said about one of them, or why there is none, or ""; borrowed. */
const char *filter_reason(const struct queue *, const struct store_msg *);

#endif
