/* What waits, and everything about one message. */
#include "lib/prelude.h"

#include "lib/header.h"
#include "lib/xalloc.h"
#include "queue/ctl_row.h"
#include "queue/ctl_verbs.h"
#include "queue/ctl_walk.h"
#include "queue/ctl_words.h"
#include "queue/live.h"
#include "queue/route.h"

#define HEADER_SHOWN_MAX (16 * 1024)
#define PIECE		(32 * 1024)

/* --- queue list ------------------------------------------------------------------- */

static void
list_done(struct asked *a)
{
	char n[NUM_TEXT_LEN];
	bool picked = a->filter.any || a->filter.nids > 0;

	if (a->missing > 0)
		ctl_missing(a);
	else if (a->seen == 0)
		asked_end(a, CTL_OK, picked ? CTL_NOTHING :
		    "The queue is empty.");
	else
		asked_end(a, CTL_OK, "%s%s.", num_print_count(a->seen,
		    "message", n), a->seen == a->filter.limit ?
		    "; there may be more" : "");
}

void
ctl_list(struct asked *a, size_t argc, const char *const *argv)
{
	const char *why = filter_parse(&a->filter, argc, argv);

	a->all_there = true;
	if (ctl_may(a, why))
		ctl_walk(a, ctl_row, list_done);
}

/* --- queue show -------------------------------------------------------------------- */

struct shown {
	int	 fd;		/* of a large body, or -1 */
	uint64_t at;
};

static void
show_clear(struct asked *a)
{
	struct shown *s = a->own;

	if (s->fd != -1)
		close(s->fd);
	free(s);
}

static const char *const rcpt_states[] = {
	[RCPT_PENDING] = "pending", [RCPT_DELIVERED] = "delivered",
	[RCPT_FAILED] = "failed", [RCPT_OWED] = "failed, to be reported",
	[RCPT_RELAYED] = "delivered, to be reported",
};

/* The route that is taken in place of one that is gone from postern.conf. */
static const char *
instead(const struct asked *a, const struct store_msg *m)
{
	const struct conf_queue_route *r;

	if (m->route == NULL || route_named(&a->q->conf->routes, m->route) !=
	    NULL)
		return "";
	r = route_of(a->q->conf, m, 0);
	return r == NULL ? "none" : r->name;
}

static void
envelope_row(struct asked *a, const struct store_msg *m)
{
	child_ctl_row(a->id, 16);
	child_ctl_kind("envelope");
	child_ctl_time("expires", m->expires_ms);
	child_ctl_time("release_at", m->env.hold_until_ms);
	ctl_put_wishes(&m->env);
	child_ctl_time("deliver_by", m->env.by_ms);
	child_ctl_bool("require_tls", m->env.require_tls);
	child_ctl_str("cap", m->cap);
	child_ctl_str("device", m->device);
	child_ctl_str("route", m->route);
	child_ctl_str("instead", instead(a, m));
	child_ctl_str("envid", m->env.envid);
	ctl_put_ret(m->env.ret);
	child_ctl_bool("8bit", m->env.body_8bit);
	child_ctl_bool("utf8", m->env.utf8);
	child_ctl_bool("warned", m->warned);
	asked_send(a);
}

static void
rcpt_row(struct asked *a, const struct store_msg *m, size_t i)
{
	const struct store_rcpt *r = &m->rcpts[i];

	child_ctl_row(a->id, 8);
	child_ctl_kind("recipient");
	child_ctl_str("recipient", m->env.rcpts[i].addr);
	child_ctl_str("state", r->state < nitems(rcpt_states) ?
	    rcpt_states[r->state] : "");
	ctl_put_notify(m->env.rcpts[i].notify);
	child_ctl_str("orcpt", m->env.rcpts[i].orcpt);
	child_ctl_str("status", r->status);
	child_ctl_str("relay", r->remote);
	child_ctl_str("answer", r->diag);
	asked_send(a);
}

static void
event_row(struct asked *a, const struct store_event *e)
{
	child_ctl_row(a->id, 5);
	child_ctl_kind("event");
	child_ctl_time("first", e->first_ms);
	child_ctl_time("last", e->last_ms);
	child_ctl_num("times", e->times);
	child_ctl_str("what", e->what);
	asked_send(a);
}

static void
show_header(struct asked *a, const uint8_t *p, size_t n)
{
	size_t len = 0;

	if (n > HEADER_SHOWN_MAX)
		n = HEADER_SHOWN_MAX;
	if (n > 0 && !header_find_end((const char *)p, n, 0, &len))
		len = n;
	asked_text(a, p, len);
}

/* The rest of a large body, as the asker reads. */
static void
show_more(struct asked *a)
{
	struct shown *s = a->own;
	uint8_t piece[PIECE];
	ssize_t n;

	while (asked_room(a) && !a->gone) {
		n = pread(s->fd, piece, sizeof(piece), (off_t)s->at);
		if (n == -1) {
			asked_end(a, CTL_FAILED, "its file cannot be read: %s",
			    strerrordesc_np(errno));
			return;
		}
		if (n == 0)
			break;
		asked_text(a, piece, (size_t)n);
		s->at += (uint64_t)n;
	}
	if (asked_room(a) || a->gone)
		asked_end(a, CTL_OK, "%s", "");
	else
		asked_wait(a, show_more);
}

static void
show_body_cb(const uint8_t *p, size_t n, int fd, uint32_t crc,
    const char *errstr, void *arg)
{
	struct asked *a = arg;
	struct shown *s = a->own;
	uint8_t head[HEADER_SHOWN_MAX];
	ssize_t got;

	const struct live_msg *lm = live_find(a->q->live, a->filter.ids[0]);

	s->fd = fd;
	if (errstr != NULL && lm != NULL && lm->state == LIVE_STORING) {
		asked_end(a, CTL_TEMPORARY, "its body is being stored; ask "
		    "again in a moment");
		return;
	}
	if (errstr != NULL) {
		asked_end(a, CTL_FAILED, "%s", errstr);
		return;
	}
	if (fd != -1 && a->filter.body) {
		show_more(a);
		return;
	}
	if (fd != -1) {
		got = pread(fd, head, sizeof(head), 0);
		p = head;
		n = got == -1 ? 0 : (size_t)got;
	}
	if (a->filter.body)
		asked_text(a, p, n);
	else
		show_header(a, p, n);
	asked_end(a, CTL_OK, "%s", "");
}

static void
show(struct asked *a, const struct store_msg *m)
{
	size_t i;

	ctl_row(a, m);
	envelope_row(a, m);
	for (i = 0; i < m->env.nrcpts; i++)
		rcpt_row(a, m, i);
	for (i = 0; i < m->nevents; i++)
		event_row(a, &m->events[i]);
}

static void
show_done(struct asked *a)
{
	struct shown *s;

	if (a->missing > 0 || a->gone) {
		ctl_missing(a);
		return;
	}
	s = xcalloc(1, sizeof(*s));
	s->fd = -1;
	a->own = s;
	a->clear = show_clear;
	store_body(a->q->store, a->filter.ids[0], show_body_cb, a);
}

void
ctl_show(struct asked *a, size_t argc, const char *const *argv)
{
	const char *why = filter_parse(&a->filter, argc, argv);

	a->all_there = true;
	if (why != NULL || a->filter.nids != 1)
		asked_end(a, CTL_USAGE, "%s", why != NULL ? why :
		    "name one message by its id");
	else
		ctl_walk(a, show, show_done);
}
