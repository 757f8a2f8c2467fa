/*
 * ctl_private: what the files of ctl share: requests that are being answered.
 *
 * A request lives from ctl_request() to asked_end(), which is always called,
 * also when the asker has left: then as soon as the work in progress is back.
 * Rows go out as long as asked_room() says so; after that the work sets
 * asked_wait() and is called again when the asker has read on.
 */
#ifndef QUEUE_CTL_PRIVATE_H
#define QUEUE_CTL_PRIVATE_H

#include <sys/queue.h>

#include "lib/ev.h"
#include "lib/num.h"
#include "queue/ctl.h"
#include "queue/ctl_filter.h"
#include "queue/life.h"

struct bodies;

struct asked {
	LIST_ENTRY(asked) link;
	struct queue *q;
	uint64_t id;
	size_t	 unread;	/* bytes sent that the asker has not read */
	bool	 gone;		/* the asker has left */
	void	(*go_on)(struct asked *);	/* waits for room; or NULL */
	struct ev_timer timer;
	void	(*clear)(struct asked *);	/* of own, before it is freed */
	void	*own;		/* the verb's */
	struct bodies *bodies;	/* of a walk with bodies: in own */
	struct filter filter;

	/* a walk: ctl_walk() */
	uint64_t after, upto;	/* ids */
	size_t	 next_id;	/* of filter.ids */
	uint64_t seen, missing;
	bool	 reading;
	unsigned int read;	/* live_read_begin()'s */
	bool	 busy;		/* visit() has set it: ctl_walk_on() follows */
	bool	 changes;	/* visit() does: keep the index's pace */
	uint64_t leave;		/* ... of a full disk to deliveries */
	unsigned int stalled;	/* so often, one after the other: a full disk */
	bool	 disk_full;	/* ... and it ended there */
	bool	 enough;	/* visit() may set it: no more, please */
	void	(*visit)(struct asked *, const struct store_msg *);
	void	(*done)(struct asked *);
};

struct ctl {
	LIST_HEAD(, asked) askings;
};

bool	 asked_room(const struct asked *);
/* go_on(a) as soon as there is room, from the loop. */
void	 asked_wait(struct asked *, void (*go_on)(struct asked *));
/* go_on(a) after ms. */
void	 asked_later(struct asked *, uint64_t ms, void (*go_on)(struct asked *));
/* The row or piece of text that was put goes out. */
void	 asked_send(struct asked *);
void	 asked_text(struct asked *, const void *, size_t);
/* Ends the answer, and frees the request. */
void	 asked_end(struct asked *, enum ctl_exit, const char *fmt, ...)
	    PRINTFLIKE(3, 4);

/*
 * Calls visit for each message that the filter fits, in order of id, a page at
 * a time and as the asker reads; then done, also when the asker has left.
 */
void	 ctl_walk(struct asked *, void (*visit)(struct asked *,
	    const struct store_msg *), void (*done)(struct asked *));
void	 ctl_walk_on(struct asked *);

/*
 * A walk with bodies: one() for each message, with its bytes, a read-only
 * descriptor (the callee's), or errstr when it cannot be read; it calls
 * ctl_bodies_on() when it is done with that. What has left the queue by the
 * time its body is read is passed over. bodies lives in the verb's own.
 */
struct bodies {
	struct store_msg **v;	/* owned: what the walk has found last */
	size_t	 n, next;
	unsigned int tries;	/* of this one's body */
	const char *errstr;
	uint64_t gone;		/* passed over */
	void	(*one)(struct asked *, const struct store_msg *,
		    const uint8_t *, size_t, int fd, const char *errstr);
};

void	 ctl_bodies_walk(struct asked *, struct bodies *,
	    void (*done)(struct asked *));
void	 ctl_bodies_on(struct asked *);
void	 ctl_bodies_clear(struct bodies *);

/* --- words -------------------------------------------------------------------- */

/* "waiting", "held by admin", ...: one row of `queue list`. */
void	 ctl_row(struct asked *, const struct store_msg *);
/* NOTIFY and RET in words, "failure,delay", as cells of the row begun. */
void	 ctl_put_notify(uint8_t notify);
void	 ctl_put_ret(uint8_t ret);
/* DELIVERBY's mode, "notify,trace", and MT-PRIORITY: two cells. */
void	 ctl_put_wishes(const struct envelope *);
/* And back; false when it is none. */
bool	 ctl_get_notify(const char *, uint8_t *notify);
bool	 ctl_get_ret(const char *, uint8_t *ret);
bool	 ctl_get_by(const char *, struct envelope *);
bool	 ctl_get_priority(const char *, int8_t *priority);
/*
 * RFC 5321 2.3.8, for a piece of a body: CR and LF come as a pair or not at
 * all. *last is the byte before it, 0 at the beginning.
 */
bool	 ctl_lines_sound(uint8_t *last, const uint8_t *, size_t);
/* Whether a verb may go on, why being filter_parse()'s; else it has ended. */
bool	 ctl_may(struct asked *, const char *why);
/* "There is no such message" and the like, for what a walk did not find. */
void	 ctl_missing(struct asked *);

/* --- verbs: argv is what stands behind the verb's words ------------------------- */

typedef void ctl_verb(struct asked *, size_t argc, const char *const *argv);

ctl_verb ctl_list, ctl_show, ctl_stats, ctl_hold, ctl_release, ctl_retry,
    ctl_flush, ctl_remove, ctl_redirect, ctl_export, ctl_import, ctl_backup,
    ctl_restore, ctl_usage, ctl_caps;

#endif
