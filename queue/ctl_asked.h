/*
 * ctl_asked: requests of posternctl's that are being answered.
 *
 * A request lives from asked_new() to asked_end(), which is always called, also
 * when the asker has left: then as soon as the work in progress is back. Rows
 * go out as long as asked_room() says so; after that the work sets asked_wait()
 * and is called again when the asker has read on.
 */
#ifndef QUEUE_CTL_ASKED_H
#define QUEUE_CTL_ASKED_H

#include <sys/queue.h>

#include "lib/ev.h"
#include "lib/num.h"
#include "queue/ctl_filter.h"

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
	bool	 all_there;	/* what is being removed is visited, too */
	bool	 changes;	/* visit() does: keep the index's pace */
	bool	(*writes)(struct asked *, const struct store_msg *); /* to this */
	bool	 removes;	/* ... so that it is gone */
	uint64_t leave;		/* of a full disk to deliveries, else */
	unsigned int stalled;	/* so often, one after the other: a full disk */
	bool	 disk_full;	/* ... and it ended there */
	bool	 enough;	/* visit() may set it: no more, please */
	void	(*visit)(struct asked *, const struct store_msg *);
	void	(*done)(struct asked *);
};

LIST_HEAD(askings, asked);

struct asked *asked_new(struct queue *, struct askings *, uint64_t id);
/* Forgets it without a word. */
void	 asked_free(struct asked *);
/* Or NULL. */
struct asked *asked_find(const struct askings *, uint64_t id);
/* The asker has read so many bytes of the answer, or has left. */
void	 asked_read(struct asked *, size_t bytes);
void	 asked_gone(struct asked *);

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

#endif
