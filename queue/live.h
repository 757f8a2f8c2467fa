/*
 * live: the messages that are in memory: those just accepted, at a relay, or
 * due soon. Everything else is in the store alone. live keeps them and their
 * jobs; what becomes of them is life's business.
 */
#ifndef QUEUE_LIVE_H
#define QUEUE_LIVE_H

#include <sys/queue.h>

#include "lib/ev.h"
#include "queue/queue.h"
#include "queue/table.h"

/* Bodies of fresh mail in memory; beyond it they are read again. */
#define LIVE_BODY_BYTES_MAX (64 * 1024 * 1024)
/*
 * Above this the queue forgets what it can read again from the index. As for
 * all room here, a message counts by its recipients, store_msg_units().
 */
#define LIVE_UNITS_MAX	20000
/* What a recipient takes, here and at a relay, for sched's account of it. */
#define LIVE_RCPT_BYTES	512

struct live_msg;
struct relay;

enum live_state {
	LIVE_STORING,		/* being made durable for the first time */
	LIVE_TRYING,		/* jobs are in line or at a relay */
	LIVE_SETTLING,		/* tried; its body is being read for a report */
	LIVE_GATHERED,		/* failed; its report will be one about many */
	LIVE_RESTING,		/* the timer runs until it is due */
	LIVE_GONE		/* no longer in the store; see live_read_begin() */
};

/* Of what came by way of feed, how much is whose; see feed.h. */
enum live_by { LIVE_BY_ACCOUNT, LIVE_BY_HOP, LIVE_BYS };

struct live_share {
	struct table_node node;		/* first */
	size_t	 units;
	char	 name[];
};

/* Recipients of one message for one next hop. */
struct live_job {
	struct sched_job sched;		/* first */
	TAILQ_ENTRY(live_job) link;
	struct live_msg *msg;
	struct table_node node;		/* in its relay's table of attempts */
	struct relay *relay;		/* while it is there */
	uint64_t attempt;
	uint64_t reserved;		/* meanwhile, in the store, for its end */
	uint64_t hop_hash;		/* of route and domain, to group by */
	char	*route;			/* owned */
	char	*domain;		/* owned; "" for a single next hop */
	bool	 dsn;			/* the next hop sends reports itself */
	bool	 by;			/* it was told the by-time, RFC 2852 */
	size_t	 n;
	uint32_t *rcpts;		/* owned: indexes, rising */
};

/* What this round of attempts has said about a recipient. */
enum live_word { WORD_NONE, WORD_DEFERRED, WORD_DELIVERED, WORD_FAILED };

struct live_msg {
	struct table_node node;		/* first */
	TAILQ_ENTRY(live_msg) leaving;	/* of its age, while that is not NULL */
	struct live_age *leaves;
	struct live_msg *born_with;	/* the next report of its batch, or NULL */
	struct queue *q;
	struct store_msg m;		/* owned; with its body while kept */
	enum live_state state;
	size_t	 units;			/* of memory, store_msg_units() */
	struct fair_load load;		/* what it takes while its jobs run */
	bool	 indexed;		/* the store could name it again */
	struct live_share *share[LIVE_BYS]; /* while indexed, or NULL */
	bool	 removing;		/* an admin wants it gone */
	bool	 again;			/* ... tried anew when this round is over */
	bool	 warn;			/* this round's report warns of delay */
	bool	 late;			/* ... says that its by-time is over */
	uint32_t tells;			/* reports that there is room for */
	uint64_t reserved;		/* of the store's room: reserve.h */
	uint8_t	*words;			/* enum live_word per recipient */
	TAILQ_HEAD(, live_job) jobs;
	size_t	 njobs, nsent;		/* nsent: at a relay, or on the way */
	uint32_t losses;		/* relays that died with it, this round */
	uint64_t progress_ms;		/* monotonic: progress was last written */
	/*
	 * On the clock of due times: when it would have been tried, had an admin
	 * not ordered it earlier, and will be if that comes to nothing; or 0.
	 */
	uint64_t early_ms;
	uint64_t not_before_ms;		/* monotonic: all hops blocked till then */
	struct ev_timer due;		/* while trying: to write progress */
};

struct live {
	struct table msgs;		/* by id */
	size_t	 units;			/* of all of them */
	size_t	 fed;			/* units of those that have a share */
	struct table shares[LIVE_BYS];	/* by name */
	size_t	 body_bytes;
	/*
	 * Reads of the store in progress, and what is to leave memory since
	 * they have begun, in two ages: those of the elder leave when all its
	 * reads have ended, however many others have begun since.
	 */
	struct live_age {
		unsigned int reads;
		TAILQ_HEAD(, live_msg) leaving;
	} ages[2];
	unsigned int age;		/* the younger */
	bool	 some_left;		/* and on_room() has not been told */
	void	(*on_room)(void *);
	void	*arg;
	void	(*on_stored)(void *);	/* both: of the message */
	void	(*on_due)(void *);
};

/*
 * What the loop says of a message goes to whom live does not know: that one
 * which was made here (a report) is durable now, and that its timer has run
 * out. Both get the message.
 */
struct live *live_new(void (*stored)(void *), void (*due)(void *));
void	 live_free(struct live **);
size_t	 live_count(const struct live *);
/* Whether this much (of LIVE_UNITS_MAX) is taken. */
bool	 live_fuller(const struct live *, size_t units);

/* Takes over what *m holds and leaves it empty. The state is LIVE_STORING. */
struct live_msg *live_add(struct queue *, struct store_msg *m);
/* Those that are gone are found too: the store's word about them is old. */
struct live_msg *live_find(const struct live *, uint64_t id);
void	 live_set_state(struct live_msg *, enum live_state);
void	 live_set_indexed(struct live_msg *, bool);
/*
 * The store has it no more. Frees it, or keeps it as LIVE_GONE for as long as
 * reads are in progress.
 */
void	 live_drop(struct live_msg *);
/*
 * The store has it as it is here, and it may be freed; but reads in progress may
 * know it as it was before. While they last it stays what it is, and whoever
 * changes its state, what the store has of it, or calls live_keep(), keeps it.
 */
void	 live_forget(struct live_msg *);
void	 live_keep(struct live_msg *);
/* room(arg) is called whenever a message has left memory; NULL for nobody. */
void	 live_on_room(struct live *, void (*room)(void *), void *arg);

/* Units that are counted for this account, or next hop. */
size_t	 live_share(const struct live *, enum live_by, const char *name);
/* Counts it for its account and this next hop, for as long as it is indexed. */
void	 live_take_share(struct live_msg *, const char *hop);

/* Gives the message its body to keep if the budget allows. */
void	 live_keep_body(struct live_msg *, const uint8_t *, size_t);
void	 live_drop_body(struct live_msg *);

/*
 * Brackets around every asynchronous read of the store: what it names may have
 * been changed or removed by us in between, and must then be found, as LIVE_GONE
 * if it was removed.
 */
unsigned int live_read_begin(struct live *);
/* read: what the beginning has returned. */
void	 live_read_end(struct live *, unsigned int read);

struct live_job *live_job_add(struct live_msg *, const char *route,
	    const char *domain, uint64_t hop_hash);
void	 live_job_rcpt(struct live_job *, uint32_t index);
/* A waiting job leaves its line; a running one must be over. */
void	 live_job_free(struct live_job *);
/* The job whose node in a relay's table this is. */
struct live_job *live_job_of(struct table_node *);

#endif
