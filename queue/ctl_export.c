/*
 * Messages on their way to a folder of the admin's: for each a row with its
 * envelope, a row per recipient, and its bytes. posternctl writes the files.
 */
#include "lib/prelude.h"

#include "lib/xalloc.h"
#include "queue/ctl_private.h"

#define PIECE	(32 * 1024)

struct export {
	struct bodies bodies;
	int	 fd;		/* of the body under way, or -1 */
	uint64_t at;
	uint64_t unreadable;
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
	child_ctl_row(a->id, 19);
	child_ctl_str("id", id);
	child_ctl_str("account", m->account);
	child_ctl_str("cap", m->cap);
	child_ctl_str("from", m->env.return_path);
	child_ctl_num("arrived_ms", m->arrived_ms);
	child_ctl_num("expires_ms", m->expires_ms);
	child_ctl_num("attempts", m->attempts);
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

/* --- bodies -------------------------------------------------------------------------- */

static void
file_over(struct asked *a)
{
	struct export *e = a->own;

	close(e->fd);
	e->fd = -1;
	ctl_bodies_on(a);
}

static void
file_more(struct asked *a)
{
	struct export *e = a->own;
	uint8_t piece[PIECE];
	ssize_t n;

	while (asked_room(a) && !a->gone) {
		n = pread(e->fd, piece, sizeof(piece), (off_t)e->at);
		/* posternctl counts the bytes: it will miss these. */
		if (n == -1)
			e->unreadable++;
		if (n <= 0) {
			file_over(a);
			return;
		}
		asked_text(a, piece, (size_t)n);
		e->at += (uint64_t)n;
	}
	if (a->gone)
		file_over(a);
	else
		asked_wait(a, file_more);
}

static void
one(struct asked *a, const struct store_msg *m, const uint8_t *p, size_t n,
    int fd, const char *errstr)
{
	struct export *e = a->own;

	if (errstr == NULL) {
		envelope_row(a, m);
		rcpt_rows(a, m);
	} else
		e->unreadable++;
	if (fd != -1) {
		e->fd = fd;
		e->at = 0;
		file_more(a);
		return;
	}
	if (errstr == NULL)
		asked_text(a, p, n);
	ctl_bodies_on(a);
}

static void
export_done(struct asked *a)
{
	struct export *e = a->own;
	char n[NUM_TEXT_LEN];

	if (e->unreadable > 0)
		asked_end(a, CTL_FAILED, "%s cannot be read; see the log",
		    num_print_count(e->unreadable, "message", n));
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
	e->bodies.one = one;
	a->own = e;
	a->clear = export_clear;
	ctl_bodies_walk(a, &e->bodies, export_done);
}
