#include "lib/prelude.h"

#include <sys/queue.h>
#include <sys/stat.h>

#include "lib/log.h"
#include "lib/seldom.h"
#include "lib/stats.h"
#include "lib/ticket.h"
#include "lib/xalloc.h"
#include "queue/admit.h"
#include "queue/charge.h"
#include "queue/life.h"
#include "queue/life_times.h"
#include "queue/sound.h"
#include "queue/spools.h"
#include "queue/submit.h"

struct worker {
	struct submit *s;
	uint32_t index;
	struct ipc *ipc;	/* NULL: absent, the parent is replacing it */
	uint64_t channel;	/* counts the channels that it has had */
	const char *fault;	/* why it is about to be dropped */
	struct spools spools;
};

/*
 * An answer that waits for the disk. A new worker may stand at the place of
 * the one that asked by then, on another channel.
 */
struct pending {
	TAILQ_ENTRY(pending) link;
	struct worker *worker;
	uint64_t channel;
	uint64_t session;
	uint64_t charged_ms;
	struct live_msg *msg;
};

struct submit {
	struct queue *q;
	struct worker **workers; /* by index; never shrinks */
	size_t	 nworkers;
	TAILQ_HEAD(, pending) pending;
	struct ev_timer look;	/* at what they write, while they do */
	uint64_t most;		/* bytes, by any configuration so far */
};

static void	look_cb(void *);
static int	on_msg(struct ipc *, struct ipc_in *, void *);
static void	on_gone(struct ipc *, const char *, void *);

static const struct ipc_ops worker_ops = { on_msg, on_gone };

struct submit *
submit_new(struct queue *q)
{
	struct submit *s = xcalloc(1, sizeof(*s));

	s->q = q;
	TAILQ_INIT(&s->pending);
	ev_timer_init(&s->look, look_cb, s);
	return s;
}

static void
worker_lost(struct worker *w)
{
	ipc_free(&w->ipc);
	spools_drop_all(&w->spools);
	w->fault = NULL;
}

void
submit_let_go(struct submit *s)
{
	size_t i;

	for (i = 0; s != NULL && i < s->nworkers; i++)
		spools_clear(&s->workers[i]->spools);
}

void
submit_free(struct submit **sp)
{
	struct submit *s = *sp;
	struct pending *p;
	size_t i;

	if (s == NULL)
		return;
	*sp = NULL;
	ev_timer_cancel(&s->look);
	for (i = 0; i < s->nworkers; i++) {
		worker_lost(s->workers[i]);
		free(s->workers[i]);
	}
	free(s->workers);
	while ((p = TAILQ_FIRST(&s->pending)) != NULL) {
		TAILQ_REMOVE(&s->pending, p, link);
		free(p);
	}
	free(s);
}

bool
submit_busy(const struct submit *s)
{
	return !TAILQ_EMPTY(&s->pending);
}

static struct worker *
worker_at(struct submit *s, uint32_t index)
{
	while (s->nworkers <= index) {
		struct worker *w = xcalloc(1, sizeof(*w));

		w->s = s;
		w->index = (uint32_t)s->nworkers;
		spools_init(&w->spools, s->q);
		s->workers = xreallocarray(s->workers, s->nworkers + 1,
		    sizeof(*s->workers));
		s->workers[s->nworkers++] = w;
	}
	return s->workers[index];
}

void
submit_peer(struct submit *s, uint32_t index, int fd)
{
	struct worker *w = worker_at(s, index);

	worker_lost(w);
	w->ipc = ipc_new(fd, &worker_ops, w);
	ipc_gather(w->ipc);
	w->channel++;
}

static void
on_gone(struct ipc *ipc, const char *why, void *arg)
{
	struct worker *w = arg;

	if (why != NULL) {
		if (w->fault != NULL)
			why = w->fault;
		log_warnx("smtpd=%u broke the protocol: %s", w->index, why);
		child_peer_bad(ROLE_SMTPD, w->index, why);
	}
	worker_lost(w);
}

/* --- answers --------------------------------------------------------------------- */

/* Remembers what the peer did and ends the channel. */
static int
fault(struct worker *w, const char *what)
{
	w->fault = what;
	return -1;
}

static int
say_no(struct worker *w, uint64_t session, uint32_t code, const char *status,
    const char *text)
{
	ipc_begin(M_TX_NO, session);
	ipc_put_u32(code);
	ipc_put_str(status);
	ipc_put_str(text);
	ipc_send(w->ipc, -1);
	return 0;
}

static int
refuse(struct worker *w, uint64_t session, const struct admit_no *no)
{
	if (no->fault != NULL)
		return fault(w, no->fault);
	return say_no(w, session, no->code, no->status, no->text);
}

/* --- M_TX_BEGIN, M_TX_SPOOL, M_TX_END ------------------------------------------------------ */

static int
on_begin(struct worker *w, struct ipc_in *in)
{
	struct queue *q = w->s->q;
	uint64_t amount[LIMIT_KINDS] = { [LIMIT_MESSAGES] = 1,
	    [LIMIT_RECIPIENTS] = 1 };
	const char *return_path;
	struct admit_no no;
	struct ticket t;

	ticket_get(in, &t);
	return_path = ipc_get_str(in, ENVELOPE_PATH_MAX);
	amount[LIMIT_BYTES] = ipc_get_u64(in);
	if (!ipc_in_end(in))
		return fault(w, "a malformed M_TX_BEGIN");
	if (!admit_session(q, w->index, in->id, &t, &no) ||
	    !admit_sender(q, &t, return_path, &no) ||
	    !admit_device(q, &t, return_path, NULL, &no) ||
	    !admit_caps(q, &t, amount, &no))
		return refuse(w, in->id, &no);
	ipc_begin(M_TX_OK, in->id);
	ipc_put_u32(charge_recipients_left(q, &t));
	ipc_put_u8((uint8_t)charge_priority_max(q, &t));
	ipc_send(w->ipc, -1);
	return 0;
}

static void
over_cb(uint64_t session, void *arg)
{
	struct worker *w = arg;

	if (w->ipc == NULL)
		return;
	ipc_begin(M_TX_OVER, session);
	ipc_send(w->ipc, -1);
}

/* What was never accepted makes room first; at its end it would be refused. */
static void
make_room(struct submit *s)
{
	static struct seldom told;
	size_t i, n = 0;

	for (i = 0; i < s->nworkers; i++)
		n += spools_empty(&s->workers[i]->spools, over_cb,
		    s->workers[i]);
	if (n > 0 && seldom_due(&told))
		log_warnx("the disk has no room: %zu large messages that were "
		    "on their way in are refused with 452%s", n,
		    seldom_more(&told));
}

/*
 * A sound worker stops at the largest message, and lets go of each file. One
 * that has closed its channel but lives on is still held to that.
 */
static void
look_cb(void *arg)
{
	struct submit *s = arg;
	struct worker *w;
	const char *why;
	bool any = false;
	size_t i;

	if (!store_has_room(s->q->store))
		make_room(s);
	for (i = 0; i < s->nworkers; i++) {
		w = s->workers[i];
		why = spools_look(&w->spools, s->most + ADMIT_FIXUPS_MAX);
		if (why != NULL)
			on_gone(w->ipc, why, w);
		any |= spools_any(&w->spools);
	}
	if (any)
		ev_timer_set(&s->look, SPOOLS_LOOK_MS);
}

/* All that is lent may be written to its end, and leaves the floor. */
static bool
may_lend(const struct submit *s, uint64_t most)
{
	uint64_t spare = store_spare(s->q->store), at_once = most, owed = most;
	size_t i;

	for (i = 0; i < s->nworkers; i++)
		at_once += spools_owed(&s->workers[i]->spools, true);
	if (at_once <= spare)
		return true;
	for (i = 0; i < s->nworkers; i++)
		owed += spools_owed(&s->workers[i]->spools, false);
	return owed <= spare;
}

static void
no_large(struct worker *w, uint64_t session)
{
	say_no(w, session, 452, "4.3.1", "The server cannot store a large "
	    "message now; please try again later");
}

static int
on_spool(struct worker *w, struct ipc_in *in)
{
	static struct seldom told, full;
	uint64_t most = w->s->q->conf->max_message_bytes, announced;
	struct admit_no no;
	struct ticket t;
	int fd;

	ticket_get(in, &t);
	announced = ipc_get_u64(in);
	if (!ipc_in_end(in))
		return fault(w, "a malformed M_TX_SPOOL");
	if (!admit_session(w->s->q, w->index, in->id, &t, &no))
		return refuse(w, in->id, &no);
	if (spools_held(&w->spools, in->id))
		return fault(w, "another spool file, with the last one held");
	if (w->s->most < most)
		w->s->most = most;
	/* As RFC 1870 has it an estimate, and more may come. */
	if (announced != 0 && announced < most)
		most = announced;
	most += ADMIT_FIXUPS_MAX;
	spools_drop(&w->spools, in->id);
	if (!may_lend(w->s, most)) {
		if (seldom_due(&full))
			log_warnx("the disk has no room for a further large "
			    "message beside those that are on their way in: "
			    "452%s", seldom_more(&full));
		no_large(w, in->id);
		return 0;
	}
	fd = spools_open(&w->spools, in->id, most);
	if (fd == -1) {
		if (seldom_due(&told))
			log_warn("cannot make a spool file%s",
			    seldom_more(&told));
		no_large(w, in->id);
		return 0;
	}
	if (!ev_timer_armed(&w->s->look))
		ev_timer_set(&w->s->look, SPOOLS_LOOK_MS);
	ipc_begin(M_TX_SPOOL_HERE, in->id);
	ipc_send(w->ipc, fd);
	close(fd);
	return 0;
}

static int
on_end(struct worker *w, struct ipc_in *in)
{
	if (!ipc_in_end(in))
		return fault(w, "a malformed M_TX_END");
	spools_drop(&w->spools, in->id);
	return 0;
}

/* --- M_SUBMIT -------------------------------------------------------------------------------- */

struct request {
	struct ticket ticket;
	struct store_msg m;
	const uint8_t *body;	/* borrowed from the channel */
	size_t	 len;
	int	 spool_fd;	/* -1: the body is here */
	bool	 emptied;	/* it was there, and there was no room */
};

static const char other_size[] = "a body of another size than said";

/* NULL, or what no sound worker sends. */
static const char *
read_request(struct worker *w, struct ipc_in *in, struct request *r)
{
	struct stat st;
	int fd;

	ticket_get(in, &r->ticket);
	envelope_get(in, &r->m.env);
	r->m.size = ipc_get_u64(in);
	r->m.in_spool = ipc_get_bool(in);
	r->body = ipc_get_bytes(in, STORE_INLINE_MAX, &r->len);
	r->spool_fd = -1;
	if (!ipc_in_end(in))
		return "a malformed M_SUBMIT";
	if (!sound_envelope(&r->m.env, ev_wall_ms()))
		return "an envelope that no MAIL and RCPT can have made";
	if (!r->m.in_spool)
		return r->len == r->m.size &&
		    r->len <= envelope_body_max(&r->m.env) ? NULL : other_size;
	fd = spools_fd(&w->spools, in->id);
	if (fd == -1 || r->len != 0)
		return other_size;
	r->emptied = spools_emptied(&w->spools, in->id);
	if (r->emptied)
		return NULL;
	if (store_spool_held(w->s->q->store, fd) == 1)
		return "a body that it could still change";
	if (fstat(fd, &st) == -1 || (uint64_t)st.st_size != r->m.size)
		return other_size;
	r->spool_fd = fd;
	return NULL;
}

static bool
may_submit(struct worker *w, uint64_t session, struct request *r,
    struct admit_no *no)
{
	struct queue *q = w->s->q;
	const char *return_path = r->m.env.return_path;

	return admit_session(q, w->index, session, &r->ticket, no) &&
	    admit_sender(q, &r->ticket, return_path, no) &&
	    admit_device(q, &r->ticket, return_path, &r->m.env, no) &&
	    admit_message(q, &r->ticket, &r->m, no);
}

static void
pending_over(struct pending *p)
{
	TAILQ_REMOVE(&p->worker->s->pending, p, link);
	free(p);
}

/* The disk has no room to keep its body. */
static void
full_cb(void *arg)
{
	struct pending *p = arg;
	struct live_msg *lm = p->msg;

	charge_take_back(lm->q, &lm->m, p->charged_ms);
	if (p->worker->channel == p->channel)
		no_large(p->worker, p->session);
	pending_over(p);
	life_refused(lm);
}

static void
durable_cb(void *arg)
{
	struct pending *p = arg;
	struct live_msg *lm = p->msg;
	struct worker *w = p->worker;
	char id[STORE_ID_LEN + 1], priority[24] = "";

	store_id_text(lm->m.id, id);
	stats_add(STAT_ACCEPTED, 1);
	if (lm->m.env.priority != 0)	/* RFC 6710 4.1 (3) */
		snprintf(priority, sizeof(priority), " priority=%d",
		    lm->m.env.priority);
	log_info("%s accepted session=%s account=%s%s%s from=<%s> "
	    "recipients=%zu size=%llu%s", id, log_session(p->session),
	    log_escs(lm->m.account), lm->m.device == NULL ? "" : " device=",
	    lm->m.device == NULL ? "" : lm->m.device, log_escs(lm->m.env.return_path),
	    lm->m.env.nrcpts, (unsigned long long)lm->m.size, priority);
	if (w->channel == p->channel) {
		ipc_begin(M_SUBMITTED, p->session);
		ipc_put_str(id);
		ipc_send(w->ipc, -1);
	}
	pending_over(p);
	life_stored(lm);
}

/* Charges and hands over; from here on only the disk is waited for. */
static void
take(struct worker *w, struct request *r)
{
	struct queue *q = w->s->q;
	struct pending *p = xcalloc(1, sizeof(*p));
	struct store_msg *m = &r->m;
	int8_t most = charge_priority_max(q, &r->ticket);

	/* RFC 6710 4.1. MAIL was told; a cap may have changed since. */
	if (m->env.priority > most)
		m->env.priority = most;
	m->id = store_new_id(q->store);
	m->arrived_ms = ev_wall_ms();
	m->due_ms = life_first_due_ms(m);
	m->account = xstrdup(r->ticket.account);
	m->expires_ms = life_expiry_ms(q, m);
	m->cap = xstrdup(r->ticket.cap);
	if (*r->ticket.device != '\0')
		m->device = xstrdup(r->ticket.device);
	store_msg_fit(m);
	p->charged_ms = charge_take(q, &r->ticket, m->charge);
	p->worker = w;
	p->channel = w->channel;
	p->session = r->ticket.session;
	TAILQ_INSERT_TAIL(&w->s->pending, p, link);
	p->msg = life_accept(q, m, r->body, r->len, r->spool_fd, durable_cb,
	    full_cb, p);
}

static int
on_submit(struct worker *w, struct ipc_in *in)
{
	struct request r;
	struct admit_no no;
	bool spooled = false;
	int rc = 0;

	memset(&r, 0, sizeof(r));
	store_msg_init(&r.m);
	no.fault = read_request(w, in, &r);
	if (no.fault != NULL || !may_submit(w, in->id, &r, &no))
		rc = refuse(w, in->id, &no);
	else if (r.emptied)
		no_large(w, in->id);
	else {
		take(w, &r);
		spooled = r.spool_fd != -1;
	}
	store_msg_clear(&r.m);
	if (spooled)
		spools_accepted(&w->spools, in->id);
	else if (rc == 0)
		spools_drop(&w->spools, in->id);
	return rc;
}

static const struct {
	enum msg type;
	int	(*handle)(struct worker *, struct ipc_in *);
} handlers[] = {
	{ M_SUBMIT, on_submit },
	{ M_TX_BEGIN, on_begin },
	{ M_TX_SPOOL, on_spool },
	{ M_TX_END, on_end },
};

static int
on_msg(struct ipc *ipc, struct ipc_in *in, void *arg)
{
	struct worker *w = arg;
	size_t i;

	for (i = 0; i < nitems(handlers); i++)
		if (handlers[i].type == in->type)
			return handlers[i].handle(w, in);
	return fault(w, "a message that is not for the queue");
}
