/*
 * A copy of all that is queued, into a file that came with the request, while
 * mail comes and goes. Every message accepted before it began is in it, or has
 * left the queue by itself: a bounce that takes a message's place has a higher
 * id, and the walk goes in their order, at last up to those that were made
 * while it went.
 *
 * A thread of its own writes, for the file may be on a slow disk, and not
 * faster than the admin allows: what is read and written here is missing
 * elsewhere. It syncs as it goes, so that a sync of the journal on the same
 * disk never waits for a gigabyte of it.
 */
#include "lib/prelude.h"

#include <sys/stat.h>
#include <fcntl.h>

#include "lib/crc32c.h"
#include "lib/log.h"
#include "lib/whole.h"
#include "lib/xalloc.h"
#include "queue/ctl_bodies.h"
#include "queue/ctl_verbs.h"
#include "queue/ctl_walk.h"
#include "queue/tasks.h"
#include "queue/vault.h"

#define RATE		(32 * 1024 * 1024)	/* bytes a second */
#define LOOK_MS		1000	/* whether whoever asked is there still */
#define RATE_LEAST	(64 * 1024)
#define FLUSH		(512 * 1024)	/* gathered in memory */
#define SLICE		(4 * 1024 * 1024)	/* of a large body in one go */
#define SYNC_EVERY	(8 * 1024 * 1024)

struct backup {
	struct bodies bodies;
	struct task task;
	struct asked *a;
	struct task_home *home;
	struct task_crew *crew;
	int	 fd;
	bool	 own_disk;	/* the file is where the queue is */
	struct buf buf;
	uint64_t rate, began_ms;
	bool	 second;	/* on the way to what came meanwhile */
	bool	 last;		/* the end is in buf */
	bool	 no_room;
	uint64_t messages;

	/* The thread's while it has the task: */
	uint8_t	*piece;		/* owned: VAULT_PIECE_MAX of a body */
	int	 body;		/* of the message written last, or -1 */
	uint64_t body_at, body_size;
	uint64_t id;		/* its message's */
	uint32_t body_crc, crc;	/* of all of it; of what was copied */
	uint64_t written, unsynced;
	int	 error;		/* errno; the file is worth nothing */
};

static void	go_on(struct asked *);

/* --- in the thread ---------------------------------------------------------------- */

static void
write_out(struct backup *b)
{
	if (b->error == 0 &&
	    whole_write(b->fd, b->buf.data, b->buf.len) == -1)
		b->error = errno;
	b->written += b->buf.len;
	b->unsynced += b->buf.len;
	buf_reset(&b->buf);
	if (b->error != 0 || (b->unsynced < SYNC_EVERY && !b->last))
		return;
	b->unsynced = 0;
	if ((b->last ? fsync(b->fd) : fdatasync(b->fd)) == -1)
		b->error = errno;
}

/* False when it is not what the body has there, or all was not the body. */
static bool
is_sound(struct backup *b, ssize_t n)
{
	if (n <= 0 || (uint64_t)n > b->body_size - b->body_at)
		return false;
	b->crc = crc32c(b->crc, b->piece, (size_t)n);
	return b->body_at + (uint64_t)n < b->body_size ||
	    b->crc == b->body_crc;
}

/* A piece of the body; the last of them closes it. */
static void
copy_piece(struct backup *b)
{
	ssize_t n = pread(b->body, b->piece, VAULT_PIECE_MAX,
	    (off_t)b->body_at);

	if (n == -1 && errno == EINTR)
		return;
	if (is_sound(b, n)) {
		vault_put_piece(&b->buf, b->piece, (size_t)n);
		b->body_at += (uint64_t)n;
	} else {
		vault_put_void(&b->buf);
		ctl_bodies_unreadable(&b->bodies, b->id, "its spool file was "
		    "not read as it was written");
		b->messages--;
		b->body_at = b->body_size;
	}
	write_out(b);
	if (b->body_at == b->body_size || b->error != 0) {
		close(b->body);
		b->body = -1;
	}
}

static void
work(struct task *t)
{
	struct backup *b = (struct backup *)((char *)t -
	    offsetof(struct backup, task));
	uint64_t from = b->written;

	write_out(b);
	while (b->body != -1 && b->written - from < SLICE)
		copy_piece(b);
}

/* --- in the loop -------------------------------------------------------------------- */

static void
give(struct asked *a)
{
	struct backup *b = a->own;

	task_crew_give(b->crew, &b->task);
}

/* When so many bytes may have been written, or nobody wants them any more. */
static void
at_pace(struct asked *a)
{
	struct backup *b = a->own;
	uint64_t due_ms = b->written * 1000 / b->rate;
	uint64_t spent_ms = ev_now_ms() - b->began_ms;

	if (due_ms > spent_ms && !a->gone)
		asked_later(a, due_ms - spent_ms < LOOK_MS ?
		    due_ms - spent_ms : LOOK_MS, at_pace);
	else if (b->body != -1)
		give(a);
	else
		go_on(a);
}

static void
done(struct task *t)
{
	struct backup *b = (struct backup *)((char *)t -
	    offsetof(struct backup, task));

	/* Not from within the thread's answer: it may be the end of it. */
	asked_later(b->a, 0, at_pace);
}

/* Nothing more is to be written. */
static bool
failed(struct asked *a)
{
	struct backup *b = a->own;

	if (b->own_disk && !store_has_room(a->q->store))
		b->no_room = true;
	return b->error != 0 || b->no_room || a->gone;
}

static void
one(struct asked *a, const struct store_msg *m, const uint8_t *p, size_t n,
    int fd, uint32_t crc, const char *errstr)
{
	struct backup *b = a->own;

	if (failed(a)) {
		a->enough = true;
		if (fd != -1)
			close(fd);
		asked_later(a, 0, ctl_bodies_on);
		return;
	}
	if (errstr != NULL) {
		ctl_bodies_unreadable(&b->bodies, m->id, errstr);
		asked_later(a, 0, ctl_bodies_on);
		return;
	}
	vault_put_msg(&b->buf, m, p, n);
	b->messages++;
	b->body = fd;
	b->body_at = 0;
	b->body_size = m->size;
	b->body_crc = crc;
	b->crc = 0;
	b->id = m->id;
	if (fd != -1 || b->buf.len >= FLUSH)
		give(a);
	else
		ctl_bodies_on(a);
}

/* Why it is worth nothing, in a static buffer, or NULL. */
static const char *
failure(const struct asked *a)
{
	const struct backup *b = a->own;
	static char text[128];

	if (b->error != 0)
		snprintf(text, sizeof(text), "cannot be written: %s",
		    strerrordesc_np(b->error));
	else if (!b->last)
		snprintf(text, sizeof(text), "was given up, as %s", b->no_room ?
		    "it would have filled the disk that the queue itself needs" :
		    "nobody waits for it any more");
	return b->error != 0 || !b->last ? text : NULL;
}

static void
finish(struct asked *a)
{
	struct backup *b = a->own;
	const char *why = failure(a);
	char n[NUM_TEXT_LEN], size[NUM_TEXT_LEN];

	log_info("backup=%s messages=%llu unreadable=%llu bytes=%llu "
	    "after_ms=%llu%s%s%s", why == NULL ? "done" : "failed",
	    (unsigned long long)b->messages,
	    (unsigned long long)b->bodies.unreadable,
	    (unsigned long long)b->written,
	    (unsigned long long)(ev_now_ms() - b->began_ms),
	    why == NULL ? "" : " why=\"it ", why == NULL ? "" : why,
	    why == NULL ? "" : "\"");
	if (why != NULL) {
		asked_end(a, CTL_FAILED, "the backup %s", why);
		return;
	}
	child_ctl_row(a->id, 3);
	child_ctl_num("messages", b->messages);
	child_ctl_num("unreadable", b->bodies.unreadable);
	child_ctl_num("bytes", b->written);
	asked_send(a);
	if (b->bodies.unreadable > 0)
		asked_end(a, CTL_IN_PART, "the backup is without %s that "
		    "cannot be read; see the log",
		    num_print_count(b->bodies.unreadable, "message", n));
	else
		asked_end(a, CTL_OK, "%s, %s.", num_print_count(b->messages,
		    "message", n), num_print_bytes(b->written, size));
}

/* The thread has done what it was given. */
static void
go_on(struct asked *a)
{
	struct backup *b = a->own;

	if (b->last)
		finish(a);
	else
		ctl_bodies_on(a);
}

static void
walked(struct asked *a)
{
	struct backup *b = a->own;

	if (failed(a)) {
		asked_later(a, 0, finish);
		return;
	}
	if (!b->second) {
		b->second = true;
		a->enough = false;
		a->upto = store_new_id(a->q->store);
		asked_later(a, 0, ctl_walk_on);
		return;
	}
	vault_put_end(&b->buf, b->messages);
	b->last = true;
	give(a);
}

/* --- the request ---------------------------------------------------------------------- */

static void
backup_clear(struct asked *a)
{
	struct backup *b = a->own;

	task_crew_end(&b->crew);
	task_home_free(&b->home);
	ctl_bodies_clear(&b->bodies);
	buf_clear(&b->buf);
	if (b->body != -1)
		close(b->body);
	if (b->fd != -1)
		close(b->fd);
	free(b->piece);
	free(b);
}

static const char *
open_file(struct asked *a)
{
	struct backup *b = a->own;
	struct stat st, here;

	if (b->fd == -1 || fstat(b->fd, &st) == -1 || !S_ISREG(st.st_mode) ||
	    (fcntl(b->fd, F_GETFL) & O_ACCMODE) == O_RDONLY)
		return "no file to write to came with the request";
	b->own_disk = a->q->conf->state_dir != NULL &&
	    stat(a->q->conf->state_dir, &here) == 0 &&
	    here.st_dev == st.st_dev;
	return NULL;
}

static const char *
options(struct backup *b, size_t argc, const char *const *argv)
{
	b->rate = RATE;
	if (argc == 0)
		return NULL;
	if (argc > 1 || strncmp(argv[0], "rate=", 5) != 0 ||
	    num_parse_size(argv[0] + 5, &b->rate) == -1 ||
	    b->rate < RATE_LEAST || b->rate > UINT64_MAX / 2000)
		return "the rate is bytes a second, 64K or more";
	return NULL;
}

void
ctl_backup(struct asked *a, size_t argc, const char *const *argv)
{
	struct backup *b = xcalloc(1, sizeof(*b));
	const char *why;

	b->a = a;
	b->task.work = work;
	b->task.done = done;
	b->fd = child_ctl_take_fd();
	b->body = -1;
	b->bodies.one = one;
	b->bodies.into = "backup";
	b->began_ms = ev_now_ms();
	b->piece = xmalloc(VAULT_PIECE_MAX);
	buf_init(&b->buf, FLUSH + 2 * VAULT_FRAME_MAX);
	a->own = b;
	a->clear = backup_clear;
	why = options(b, argc, argv);
	if (why != NULL) {
		asked_end(a, CTL_USAGE, "%s", why);
		return;
	}
	why = open_file(a);
	if (why != NULL) {
		asked_end(a, CTL_FAILED, "%s", why);
		return;
	}
	b->home = task_home_new();
	b->crew = task_crew_new(b->home, 1);
	vault_put_head(&b->buf, &(struct vault_head){
	    store_identity(a->q->store), ev_wall_ms() });
	log_info("backup=begun messages=%llu bytes_a_second=%llu",
	    (unsigned long long)store_count(a->q->store),
	    (unsigned long long)b->rate);
	ctl_bodies_walk(a, &b->bodies, walked);
}
