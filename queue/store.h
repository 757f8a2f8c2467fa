/*
 * store: every accepted message, durable, and nothing else. One real
 * implementation (journal as the authority, Berkeley DB as its index) and one
 * in memory for tests, behind the same calls.
 *
 * All calls are made from the main thread and return at once; answers come
 * from the loop. Disk work happens in the store's own threads. Whatever a call
 * is given is copied before it returns. The order of calls is the order on
 * disk: an update of a message may follow its accept at once.
 *
 * Each transition of a message is one call:
 *	nothing -> queued	store_accept()
 *	queued  -> queued	store_update()  new states, due time, hold
 *	queued  -> gone		store_remove()  all recipients are settled
 * Bounces that a transition causes are given along and become durable in the
 * same batch: either all of it is on disk or nothing.
 *
 * A write or sync error is not an answer: it ends the process (DESIGN 4); the
 * parent starts queue again, which recovers from disk. But for one: a large
 * body for which the disk has no room, before anything is written about it.
 */
#ifndef QUEUE_STORE_H
#define QUEUE_STORE_H

#include "lib/conf.h"
#include "lib/envelope.h"
#include "lib/ticket.h"

#define STORE_INLINE_MAX ENVELOPE_BODY_MAX /* larger bodies are spool files */

struct store;

enum rcpt_state {
	RCPT_PENDING, RCPT_DELIVERED, RCPT_FAILED,
	RCPT_OWED,			/* failed; its report is still to be sent */
	RCPT_RELAYED			/* delivered; the sender wants to know, and
					   the next hop will not tell */
};
enum hold { HOLD_NONE, HOLD_ADMIN, HOLD_CAP, HOLD_TRIPWIRE };

/* Bytes that are kept of what was said about a recipient. */
#define STORE_STATUS_MAX 16
#define STORE_DIAG_MAX	500

struct store_rcpt {
	uint8_t	 state;			/* enum rcpt_state */
	char	*status;		/* "4.4.1" of the last attempt, or NULL */
	char	*diag;			/* its diagnostic, one line, or NULL */
	char	*remote;		/* the MTA that said so, or NULL */
};

/* What happened to a message, once or often, for people. */
struct store_event {
	uint64_t first_ms, last_ms;	/* wall clock */
	uint32_t times;
	char	*what;			/* owned, one line */
};

/* Of a body that is damaged for good; behind a reason. */
#define STORE_DAMAGED_DO	": remove it, and restore it from a backup that has it"

#define STORE_EVENTS_MAX	8	/* the first and the newest are kept */
#define STORE_EVENT_LEN_MAX	600

struct store_msg {
	uint64_t id;			/* from store_new_id() */
	uint64_t arrived_ms;		/* wall clock, as all times on disk */
	uint64_t expires_ms;
	uint64_t due_ms;
	uint32_t attempts;
	uint8_t	 hold;			/* enum hold */
	bool	 warned;		/* a delay DSN was sent */
	char	*account;		/* owned; "" for our own bounces */
	char	*cap;			/* owned */
	char	*device;		/* owned: its label, or NULL */
	char	*route;			/* owned: the one it must take, or NULL */
	struct store_event *events;	/* owned, oldest first */
	size_t	 nevents;
	struct envelope env;
	struct store_rcpt *rcpts;	/* owned, env.nrcpts of them */
	uint64_t charge[LIMIT_KINDS];	/* what this message cost its account */
	uint64_t size;			/* of the body in bytes */
	bool	 in_spool;
	struct conf_bytes body;		/* owned; may be absent after a load */
};

void	 store_msg_init(struct store_msg *);	/* rcpts follow the envelope */
void	 store_msg_clear(struct store_msg *);
/* Fits rcpts to env.nrcpts, all pending, after the envelope has been filled. */
void	 store_msg_fit(struct store_msg *);

/*
 * What it takes of memory, to count by: as many as it would be messages of four
 * recipients. A thousand of them, with what was heard of each, are half a
 * megabyte.
 */
#define STORE_UNIT_RCPTS 4
size_t	 store_msg_units(const struct store_msg *);

/* "account/device", whose use it counts as beside the account's; or NULL. */
const char *store_msg_login(const struct store_msg *, char out[LOGIN_MAX + 1]);

/*
 * Adds to its history; what is cut to length. The same as a recent event is
 * counted there.
 */
void	 store_msg_note(struct store_msg *, uint64_t now_ms, const char *what);

/* A deep copy into *to, which holds nothing yet; without the body. */
void	 store_msg_copy(struct store_msg *to, const struct store_msg *from);

struct store_ops {
	/*
	 * These are now in the index in the newest state that the caller has
	 * given: it may forget them until due. A message that was changed or
	 * removed since is not named.
	 */
	void	(*settled)(const uint64_t *ids, size_t n, void *arg);
};

struct store_conf {
	const char *dir;
	uint32_t segment_bytes;
	uint32_t cache_bytes;
	uint64_t min_free_bytes;
};

/*
 * Recovers and opens; blocks. After it the index is complete: all messages are
 * found by store_due() and store_list(). NULL with *errstr, a sentence that
 * names file and remedy. What recovery did is logged, damage with its place.
 */
struct store *store_open(const struct store_conf *, const struct store_ops *,
	    void *arg, const char **errstr);
/* The twin for tests; durable as long as the process. */
struct store *store_open_memory(const struct store_ops *, void *arg);
/* As if the process had ended and opened it again: owed answers are dropped. */
void	 store_memory_reopen(struct store *, const struct store_ops *,
	    void *arg);
/* What store_room(), store_spare() and store_unsettled() are to say of it. */
void	 store_memory_set_room(struct store *, uint64_t bytes);
void	 store_memory_set_spare(struct store *, uint64_t bytes);
void	 store_memory_set_unsettled(struct store *, uint64_t n);
/* Whether something is being removed, for store_leaving() of any id. */
void	 store_memory_set_leaving(struct store *, bool leaving);
/* Whether it has no room to keep a large body. */
void	 store_memory_set_full(struct store *, bool);
/* Whether a large body will not be what its checksum says, read once more. */
void	 store_memory_set_misread(struct store *, bool);
/* Writes everything out, makes a checkpoint, ends the threads; blocks. */
void	 store_close(struct store **);

/*
 * Unique and growing, across restarts too, whatever the wall clock does, and
 * beyond the id of each message that was accepted, as a restored one may be of a
 * machine whose clock is ahead.
 */
uint64_t store_new_id(struct store *);
#define STORE_IDS_A_MS	(1ULL << 20)	/* of the wall clock's time */
#define STORE_ID_MAX	INT64_MAX	/* 2248: more is no store's */
/* New ids are beyond this one from now on. */
void	 store_ids_beyond(struct store *, uint64_t id);
/* From 2208 on none is taken in: the store's own would end soon behind it. */
#define STORE_ID_TAKEN_MAX \
	(STORE_ID_MAX - 40 * 365 * 86400000ULL * STORE_IDS_A_MS)
/* The short text form, 13 characters, and back; 0: not an id. */
#define STORE_ID_LEN 13
void	 store_id_text(uint64_t id, char text[STORE_ID_LEN + 1]);
uint64_t store_id_parse(const char *);

/* False below the free-space floor: refuse with 452 4.3.1. */
bool	 store_has_room(struct store *);
/*
 * How many bytes can be written down for certain; UINT64_MAX: there is no such
 * limit. Else the disk is full, and what is given beyond it waits for room.
 */
uint64_t store_room(const struct store *);
/* What to count for a change of this message: as much as it may take. */
uint64_t store_msg_bytes(const struct store_msg *);
/* ... and for one that takes next to nothing: what writing anything takes. */
#define STORE_LEAST_BYTES 4096
/* How many bytes are free above that floor; UINT64_MAX: it cannot be seen. */
uint64_t store_spare(const struct store *);
uint64_t store_count(const struct store *);	/* messages queued */
/*
 * Those of which memory holds a copy until the index has their newest state; a
 * large one counts as many.
 */
uint64_t store_unsettled(const struct store *);

/*
 * A number that a store is given when it is made: a backup can tell whether it
 * is of this one. 0: it could not be written down.
 */
uint64_t store_identity(const struct store *);
/* By what stays as it is, whatever becomes of a message. */
uint64_t store_msg_likeness(const struct store_msg *);
/*
 * This very one was removed lately, or, if that was before this start, one of its
 * id; of those before nothing is known.
 */
bool	 store_removed(const struct store *, const struct store_msg *);
/*
 * Its id is not free yet, as this one, or its file, is being removed; it will be
 * soon.
 */
bool	 store_leaving(const struct store *, uint64_t id);

/*
 * What a transition causes, at most so much at once: with the state of a thousand
 * recipients it takes less than half of the smallest segment.
 */
#define STORE_BOUNCES_MAX 16

struct store_bounces {
	const struct store_msg *v[STORE_BOUNCES_MAX];	/* with their bodies */
	size_t	 n;
};

/* The transitions. done (may be NULL) runs once the change is durable. */
typedef void store_done(void *arg);

/*
 * A small body is in msg->body. For a large one spool_fd is the descriptor of
 * store_spool_open(), of no more use to the caller than to be given to
 * store_spool_close() before another is opened: the file is synced and named
 * before its record is written. Where there is no room for that, full runs in
 * place of done: the message is in no store, the file gone. A message with a
 * large body is not to be changed before either. full is NULL for a small one.
 * There may be no bounces: NULL.
 */
void	 store_accept(struct store *, const struct store_msg *, int spool_fd,
	    store_done *, store_done *full, void *arg);
void	 store_update(struct store *, const struct store_msg *,
	    const struct store_bounces *, store_done *, void *arg);
void	 store_remove(struct store *, const struct store_msg *,
	    const struct store_bounces *, store_done *, void *arg);
/*
 * done runs once all that these have changed so far is durable; an accept of a
 * large body may not be.
 */
void	 store_sync(struct store *, store_done *, void *arg);

/*
 * A file for a large body, CLOEXEC; -1 with errno. It ends with
 * store_spool_close(), which removes it unless it was accepted.
 */
int	 store_spool_open(struct store *);
/*
 * Lends it to another process: *writer, to be sent there and closed here, can
 * be written, and fd from now on only read. -1 with errno.
 */
int	 store_spool_lend(struct store *, int fd, int *writer);
/*
 * Whether anybody can still write to a file that was lent. 0: nobody, and
 * nobody will; 1: somebody; -1: its file system cannot tell. Such a one is
 * copied when it is accepted, as one that somebody can write to would be.
 */
int	 store_spool_held(struct store *, int fd);
/* Gives its room back, and again as often as somebody has written to it. */
void	 store_spool_empty(struct store *, int fd);
void	 store_spool_close(struct store *, int fd);

/*
 * Reading. The callback gets n messages (borrowed; without bodies) once. They
 * are max at most, and fewer when they are large: their store_msg_units() are no
 * more than that, give or take one. None: there are no more.
 */
typedef void store_msgs(struct store_msg *const *, size_t n, void *arg);

/*
 * Up to max messages not on hold and due by until_ms, in order of due_ms and
 * id, from the index; never one whose newest state is not there yet or that was
 * removed before this call. The caller skips those that it still holds live.
 * Begins behind (after_ms, after_id), the last of an earlier page, or 0, 0.
 */
void	 store_due(struct store *, uint64_t after_ms, uint64_t after_id,
	    uint64_t until_ms, size_t max, store_msgs *, void *arg);
/* Up to max messages with ids above after_id, in order of id; up to date. */
void	 store_list(struct store *, uint64_t after_id, size_t max,
	    store_msgs *, void *arg);
/* One message; n is 0 when there is none with this id. */
void	 store_load(struct store *, uint64_t id, store_msgs *, void *arg);

/*
 * A message's body: bytes (borrowed), or a read-only descriptor (the
 * callee's) when it is in the spool, of which crc is the CRC-32C, for who reads
 * all of it once more. errstr when it cannot be read or its checksum is wrong;
 * both are absent then.
 */
typedef void store_body_cb(const uint8_t *, size_t len, int fd, uint32_t crc,
	    const char *errstr, void *arg);
void	 store_body(struct store *, uint64_t id, store_body_cb *, void *arg);

/*
 * What accounts have used, per minute, for windows that reach back at most
 * back_sec; called for each record, in order of time, before it returns. For
 * start-up, before the first accept.
 */
typedef void store_usage_cb(const char *account, uint64_t minute_start_ms,
	    const uint64_t used[LIMIT_KINDS], void *arg);
void	 store_usage(struct store *, uint32_t back_sec, store_usage_cb *,
	    void *arg);

#endif
