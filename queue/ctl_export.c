/*
 * Messages on their way to a folder of the admin's: for each a row with its
 * envelope, a row per recipient, and its bytes. posternctl writes the files, and
 * says on which disk ("device="): on the queue's own it must not take the room
 * that the queue needs, so it goes no faster than that is looked at.
 */
#include "lib/prelude.h"

#include <sys/stat.h>

#include "lib/crc32c.h"
#include "lib/xalloc.h"
#include "queue/ctl_bodies.h"
#include "queue/ctl_verbs.h"
#include "queue/ctl_walk.h"
#include "queue/ctl_words.h"

#define PIECE	(32 * 1024)
#define RATE	(32 * 1024 * 1024)	/* bytes a second, to the queue's disk */

struct export {
	struct bodies bodies;
	int	 fd;		/* of the body under way, or -1 */
	uint64_t id;		/* its message's */
	uint64_t at, size;
	uint32_t crc, sum;	/* as it is to be, and of the bytes read */
	uint64_t whole;
	bool	 own_disk, no_room;
	uint64_t sent, began_ms;
};

static void
export_clear(struct asked *a)
{
	struct export *e = a->own;

	ctl_bodies_clear(&e->bodies);
	if (e->fd != -1)
		close(e->fd);
	free(e);
}

/* --- rows --------------------------------------------------------------------------- */

static void
envelope_row(struct asked *a, const struct store_msg *m)
{
	char id[STORE_ID_LEN + 1];

	store_id_text(m->id, id);
	child_ctl_row(a->id, 20);
	child_ctl_str("id", id);
	child_ctl_str("account", m->account);
	child_ctl_str("cap", m->cap);
	child_ctl_str("from", m->env.return_path);
	child_ctl_num("arrived_ms", m->arrived_ms);
	child_ctl_num("expires_ms", m->expires_ms);
	child_ctl_num("attempts", m->attempts);
	child_ctl_bool("warned", m->warned);
	child_ctl_bool("hold", m->hold != HOLD_NONE);
	child_ctl_str("route", m->route);
	child_ctl_str("envid", m->env.envid);
	ctl_put_ret(m->env.ret);
	child_ctl_bool("8bit", m->env.body_8bit);
	child_ctl_bool("utf8", m->env.utf8);
	child_ctl_bool("require_tls", m->env.require_tls);
	child_ctl_num("hold_until_ms", m->env.hold_until_ms);
	ctl_put_wishes(&m->env);
	child_ctl_num("by_ms", m->env.by_ms);
	child_ctl_num("size", m->size);
	asked_send(a);
}

/*
 * Who failed, and the sender has yet to hear of it, is tried once more where
 * this is imported: as after a crash, an attempt is repeated and nobody is left
 * out.
 */
static bool
is_pending(const struct store_rcpt *r)
{
	return r->state == RCPT_PENDING || r->state == RCPT_OWED;
}

static void
rcpt_rows(struct asked *a, const struct store_msg *m)
{
	size_t i;

	for (i = 0; i < m->env.nrcpts; i++) {
		child_ctl_row(a->id, 4);
		child_ctl_str("to", m->env.rcpts[i].addr);
		child_ctl_bool("pending", is_pending(&m->rcpts[i]));
		ctl_put_notify(m->env.rcpts[i].notify);
		child_ctl_str("orcpt", m->env.rcpts[i].orcpt);
		asked_send(a);
	}
}

/* --- the disk that it goes to ---------------------------------------------------------- */

static bool
on_own_disk(const struct asked *a)
{
	struct stat here;

	return a->filter.device != 0 && a->q->conf->state_dir != NULL &&
	    stat(a->q->conf->state_dir, &here) == 0 &&
	    here.st_dev == a->filter.device;
}

/* Nothing more is to be sent. */
static bool
no_room(struct asked *a)
{
	struct export *e = a->own;

	if (e->own_disk && !store_has_room(a->q->store))
		e->no_room = a->enough = true;
	return e->no_room;
}

/* The next one, when so many bytes may have been written. */
static void
go_on(struct asked *a)
{
	struct export *e = a->own;
	uint64_t due_ms = e->sent * 1000 / RATE;
	uint64_t spent_ms = ev_now_ms() - e->began_ms;

	if (e->own_disk && due_ms > spent_ms)
		asked_later(a, due_ms - spent_ms, ctl_bodies_on);
	else
		ctl_bodies_on(a);
}

/* --- bodies -------------------------------------------------------------------------- */

static void
file_over(struct asked *a)
{
	struct export *e = a->own;

	close(e->fd);
	e->fd = -1;
	go_on(a);
}

/*
 * It was read to the end before; a disk may say another thing the second time.
 * Without its last piece posternctl, which counts the bytes, will not keep it.
 */
static bool
misread(struct export *e, const uint8_t *p, ssize_t n)
{
	if (n <= 0)
		return true;
	e->sum = crc32c(e->sum, p, (size_t)n);
	return e->at + (uint64_t)n == e->size && e->sum != e->crc;
}

static void
file_more(struct asked *a)
{
	struct export *e = a->own;
	uint8_t piece[PIECE];
	ssize_t n;

	while (asked_room(a) && !a->gone && !no_room(a)) {
		if (e->at == e->size) {
			e->whole++;
			file_over(a);
			return;
		}
		n = pread(e->fd, piece, sizeof(piece), (off_t)e->at);
		if (misread(e, piece, n)) {
			ctl_bodies_unreadable(&e->bodies, e->id, "its spool "
			    "file was not read as it was written");
			file_over(a);
			return;
		}
		asked_text(a, piece, (size_t)n);
		e->at += (uint64_t)n;
		e->sent += (uint64_t)n;
	}
	if (a->gone || e->no_room)
		file_over(a);
	else
		asked_wait(a, file_more);
}

static void
one(struct asked *a, const struct store_msg *m, const uint8_t *p, size_t n,
    int fd, uint32_t crc, const char *errstr)
{
	struct export *e = a->own;

	if (no_room(a)) {
		if (fd != -1)
			close(fd);
		asked_later(a, 0, ctl_bodies_on);
		return;
	}
	if (errstr == NULL) {
		envelope_row(a, m);
		rcpt_rows(a, m);
	} else
		ctl_bodies_unreadable(&e->bodies, m->id, errstr);
	if (fd != -1) {
		e->fd = fd;
		e->id = m->id;
		e->at = 0;
		e->size = m->size;
		e->crc = crc;
		e->sum = 0;
		file_more(a);
		return;
	}
	if (errstr == NULL) {
		asked_text(a, p, n);
		e->sent += n;
		e->whole++;
	}
	go_on(a);
}

static void
export_done(struct asked *a)
{
	struct export *e = a->own;
	char n[NUM_TEXT_LEN];

	if (e->no_room)
		asked_end(a, CTL_FAILED, "the export was given up, as it would "
		    "have filled the disk that the queue itself needs: name a "
		    "folder on another one");
	else if (e->bodies.unreadable > 0)
		asked_end(a, e->whole > 0 ? CTL_IN_PART : CTL_FAILED, "%s "
		    "cannot be read; see the log", num_print_count(
		    e->bodies.unreadable, "message", n));
	else if (a->missing > 0)
		ctl_missing(a);
	else
		asked_end(a, CTL_OK, "%s.", num_print_count(a->seen -
		    e->bodies.gone, "message", n));
}

void
ctl_export(struct asked *a, size_t argc, const char *const *argv)
{
	const char *why = filter_parse(&a->filter, argc, argv);
	struct export *e;

	if (!ctl_may(a, why))
		return;
	e = xcalloc(1, sizeof(*e));
	e->fd = -1;
	e->own_disk = on_own_disk(a);
	e->began_ms = ev_now_ms();
	e->bodies.one = one;
	e->bodies.into = "export";
	a->own = e;
	a->clear = export_clear;
	ctl_bodies_walk(a, &e->bodies, export_done);
}
