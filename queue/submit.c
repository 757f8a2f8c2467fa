#include "lib/prelude.h"

#include <sys/queue.h>
#include <sys/stat.h>

#include "lib/addr.h"
#include "lib/date.h"
#include "lib/log.h"
#include "lib/num.h"
#include "lib/seldom.h"
#include "lib/stats.h"
#include "lib/ticket.h"
#include "lib/xalloc.h"
#include "queue/charge.h"
#include "queue/lane.h"
#include "queue/life.h"
#include "queue/spools.h"
#include "queue/submit.h"

/* A refusal that holds for so long names its end by the clock, too. */
#define CLOCK_FROM_SEC	300

/*
 * limits.message-size counts what the client sends, which smtpd has done; this
 * is what its fix-ups of the header may add to that.
 */
#define FIXUPS_MAX	(16 * 1024)

/* A clock that was set back a little is no fault of the worker's. */
#define HOLD_MAX_MS	((ENVELOPE_HOLD_MAX_SEC + 3600) * 1000ULL)

#define BY_MAX_MS	((ENVELOPE_BY_MAX_SEC + 3600) * 1000ULL)

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

static void
say_no(struct worker *w, uint64_t session, uint32_t code, const char *status,
    const char *fmt, ...) PRINTFLIKE(5, 6);

static void
say_no(struct worker *w, uint64_t session, uint32_t code, const char *status,
    const char *fmt, ...)
{
	char text[400];		/* fits one reply line of RFC 5321 4.5.3.1.5 */
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ipc_begin(M_TX_NO, session);
	ipc_put_u32(code);
	ipc_put_str(status);
	ipc_put_str(text);
	ipc_send(w->ipc, -1);
}

/* Remembers what the peer did and ends the channel. */
static int
fault(struct worker *w, const char *what)
{
	w->fault = what;
	return -1;
}

/* --- what every request needs ----------------------------------------------------------- */

enum admit { ADMIT_YES, ADMIT_ANSWERED, ADMIT_FAULT };

static bool
revoked(const struct queue *q, const struct ticket *t)
{
	char login[LOGIN_MAX + 1];

	return revoked_has(&q->revoked, t->account, t->begun_ms) ||
	    revoked_has(&q->revoked, ticket_login(t, login), t->begun_ms);
}

/*
 * A seal that is wrong was forged, or belongs to another session or worker.
 * One that was right and has run out is no fault: sessions may be long.
 */
static enum admit
admit(struct worker *w, uint64_t session, const struct ticket *t)
{
	struct queue *q = w->s->q;

	if (t->session != session) {
		fault(w, "a ticket of another session");
		return ADMIT_FAULT;
	}
	if (!ticket_valid(&q->conf->ticket_key, w->index, t, 0)) {
		fault(w, "a ticket that auth has not sealed");
		return ADMIT_FAULT;
	}
	/* RFC 5321 3.8: 421 ends the session; a new one logs in anew. */
	if (t->expires_ms <= ev_now_ms()) {
		say_no(w, session, 421, "4.7.0", "Your login has expired; "
		    "please connect and log in again");
		return ADMIT_ANSWERED;
	}
	/* It may be void, and who would say so is not here yet. */
	if (!q->told) {
		say_no(w, session, 451, "4.3.2", "The accounts are not there "
		    "yet; please try again in a minute");
		return ADMIT_ANSWERED;
	}
	if (revoked(q, t)) {
		say_no(w, session, 421, "4.7.0", "Your account has changed; "
		    "please connect and log in again");
		return ADMIT_ANSWERED;
	}
	if (q->stopping) {
		say_no(w, session, 451, "4.3.2", "The queue is restarting; "
		    "please try again in a minute");
		return ADMIT_ANSWERED;
	}
	if (*t->lane != '\0' && lane_of(q->conf, t) == NULL) {
		say_no(w, session, 421, "4.7.0", "This device is not "
		    "configured as it was; please connect again");
		return ADMIT_ANSWERED;
	}
	if (!store_has_room(q->store)) {
		say_no(w, session, 452, "4.3.1", "The server's disk is nearly "
		    "full; please try again later");
		return ADMIT_ANSWERED;
	}
	return ADMIT_YES;
}

/* A reload may have changed what a device may, so it is no fault of smtpd's. */
static bool
within_lane(struct worker *w, const struct ticket *t, const char *return_path,
    const struct envelope *e)
{
	const struct conf_lane *lane = *t->lane == '\0' ? NULL :
	    lane_of(w->s->q->conf, t);
	const char *foreign = lane == NULL || e == NULL ? NULL :
	    lane_foreign(lane, e);

	if (lane != NULL && !lane_is_sender(lane, return_path))
		say_no(w, t->session, 550, "5.7.1", "This device sends as %s "
		    "alone", lane->sender);
	else if (foreign != NULL)
		say_no(w, t->session, 550, "5.7.1", "<%s> is not among the "
		    "recipients of this device", foreign);
	else
		return true;
	return false;
}

/* An honest worker has asked the same before. */
static bool
owns(struct worker *w, const struct ticket *t, const char *return_path)
{
	if (ticket_may_send(&w->s->q->conf->ticket_key, t, return_path))
		return true;
	fault(w, "a return path that is not the account's");
	return false;
}

/*
 * RFC 3463 3.8, X.7.1: a policy, but one that lifts by itself. A time on the
 * clock helps whoever reads this later; below some minutes it would not.
 */
static void
say_later(struct worker *w, uint64_t session, const struct charge_refusal *no)
{
	const struct caps_refusal *why = &no->why;
	const struct conf_limit *l = why->limit;
	char limit[NUM_TEXT_LEN], used[NUM_TEXT_LEN], window[NUM_TEXT_LEN];
	char wait[NUM_TEXT_LEN], at[DATE_LEN];
	uint64_t now = ev_wall_ms();
	bool soon = why->retry_sec < CLOCK_FROM_SEC;
	/* The clock has the minute by which long windows slide. */
	uint64_t about_sec = soon || why->retry_sec < l->window_sec ?
	    why->retry_sec : l->window_sec;

	say_no(w, session, 451, "4.7.1", "This would pass %s limit of %s "
	    "within %s (%s used). Try again in %s%s%s",
	    no->by_device ? "this device's" : "your",
	    caps_amount(l->what, l->count, limit),
	    num_print_wait(l->window_sec, window),
	    caps_amount(l->what, why->used, used),
	    num_print_wait(about_sec, wait), soon ? "" : ", at ", soon ?
	    "" : date_soon(now + why->retry_sec * 1000 + 59999, now, at));
}

/* No waiting helps: the message alone is more than a whole window holds. */
static void
say_never(struct worker *w, uint64_t session, const struct charge_refusal *no)
{
	const struct conf_limit *l = no->why.limit;
	char limit[NUM_TEXT_LEN], window[NUM_TEXT_LEN];

	caps_amount(l->what, l->count, limit);
	num_print_wait(l->window_sec, window);
	if (l->what == LIMIT_BYTES)
		say_no(w, session, 552, "5.3.4", "This message is larger than "
		    "all you may send within %s, %s", window, limit);
	else if (l->what == LIMIT_RECIPIENTS && l->count > 0)
		say_no(w, session, 452, "4.5.3", "Too many recipients: you may "
		    "address %s within %s", limit, window);
	else
		say_no(w, session, 550, "5.7.1", "You may not send mail here: "
		    "your limit is %s within %s", limit, window);
}

static bool
within_caps(struct worker *w, const struct ticket *t,
    const uint64_t amount[LIMIT_KINDS])
{
	struct charge_refusal no;
	const struct caps_refusal *why = &no.why;
	enum caps_verdict v = charge_check(w->s->q, t, amount, &no);

	if (v == CAPS_OK)
		return true;
	stats_add(STAT_OVER_CAP, 1);
	log_info("%s over_cap account=%s%s%s cap=%s limit=%s "
	    "used=%llu of=%llu window_sec=%u retry_sec=%llu",
	    log_session(t->session), log_escs(t->account),
	    no.by_device ? " device=" : "", no.by_device ? t->device : "",
	    no.cap->name, caps_kinds[why->limit->what],
	    (unsigned long long)why->used,
	    (unsigned long long)why->limit->count, why->limit->window_sec,
	    (unsigned long long)why->retry_sec);
	if (v == CAPS_LATER)
		say_later(w, t->session, &no);
	else
		say_never(w, t->session, &no);
	return false;
}

/* --- M_TX_BEGIN, M_TX_SPOOL, M_TX_END ------------------------------------------------------ */

static int
on_begin(struct worker *w, struct ipc_in *in)
{
	struct queue *q = w->s->q;
	uint64_t amount[LIMIT_KINDS] = { [LIMIT_MESSAGES] = 1,
	    [LIMIT_RECIPIENTS] = 1 };
	const char *return_path;
	struct ticket t;
	enum admit a;

	ticket_get(in, &t);
	return_path = ipc_get_str(in, ENVELOPE_PATH_MAX);
	amount[LIMIT_BYTES] = ipc_get_u64(in);
	if (!ipc_in_end(in))
		return fault(w, "a malformed M_TX_BEGIN");
	a = admit(w, in->id, &t);
	if (a == ADMIT_YES && !owns(w, &t, return_path))
		a = ADMIT_FAULT;
	if (a != ADMIT_YES)
		return a == ADMIT_FAULT ? -1 : 0;
	if (!within_lane(w, &t, return_path, NULL) ||
	    !within_caps(w, &t, amount))
		return 0;
	ipc_begin(M_TX_OK, in->id);
	ipc_put_u32(charge_recipients_left(q, &t));
	ipc_put_u8((uint8_t)charge_priority_max(q, &t));
	ipc_send(w->ipc, -1);
	return 0;
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

	for (i = 0; i < s->nworkers; i++) {
		w = s->workers[i];
		why = spools_look(&w->spools, s->most + FIXUPS_MAX);
		if (why != NULL)
			on_gone(w->ipc, why, w);
		any |= spools_any(&w->spools);
	}
	if (any)
		ev_timer_set(&s->look, SPOOLS_LOOK_MS);
}

static int
on_spool(struct worker *w, struct ipc_in *in)
{
	static struct seldom told;
	struct ticket t;
	enum admit a;
	int fd;

	ticket_get(in, &t);
	if (!ipc_in_end(in))
		return fault(w, "a malformed M_TX_SPOOL");
	a = admit(w, in->id, &t);
	if (a != ADMIT_YES)
		return a == ADMIT_FAULT ? -1 : 0;
	if (spools_held(&w->spools, in->id))
		return fault(w, "another spool file, with the last one held");
	fd = spools_open(&w->spools, in->id);
	if (fd == -1) {
		if (seldom_due(&told))
			log_warn("cannot make a spool file%s",
			    seldom_more(&told));
		say_no(w, in->id, 452, "4.3.1", "The server cannot store a "
		    "large message now; please try again later");
		return 0;
	}
	if (w->s->most < w->s->q->conf->max_message_bytes)
		w->s->most = w->s->q->conf->max_message_bytes;
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

/* RFC 3461 4: what may stand in ENVID and ORCPT; CR and LF never. */
static bool
printable(const char *s, bool utf8)
{
	if (s == NULL)
		return true;
	if (utf8)
		return addr_utf8_ok(s, strlen(s));
	for (; *s != '\0'; s++)
		if (*s < 0x21 || *s > 0x7e)
			return false;
	return true;
}

static bool
mailbox(const char *s, bool utf8)
{
	return addr_parse(s, strlen(s), utf8 ? ADDR_UTF8 : 0, NULL) == NULL;
}

bool
submit_sound(const struct envelope *e)
{
	size_t i;

	if ((*e->return_path != '\0' && !mailbox(e->return_path, e->utf8)) ||
	    !printable(e->envid, false) ||
	    e->hold_until_ms > ev_wall_ms() + HOLD_MAX_MS ||
	    e->by_ms > ev_wall_ms() + BY_MAX_MS ||
	    (e->by == BY_NONE && (e->by_ms != 0 || e->by_trace)))
		return false;
	for (i = 0; i < e->nrcpts; i++)
		if (!mailbox(e->rcpts[i].addr, e->utf8) ||
		    !printable(e->rcpts[i].orcpt, e->utf8))
			return false;
	return true;
}

struct request {
	struct ticket ticket;
	struct store_msg m;
	const uint8_t *body;	/* borrowed from the channel */
	size_t	 len;
	int	 spool_fd;	/* -1: the body is here */
};

/* False, with the fault noted, when it is not what a sound worker sends. */
static bool
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
	w->fault = "a malformed M_SUBMIT";
	if (!ipc_in_end(in))
		return false;
	w->fault = "an envelope that no MAIL and RCPT can have made";
	if (!submit_sound(&r->m.env))
		return false;
	w->fault = "a body of another size than said";
	if (!r->m.in_spool)
		return r->len == r->m.size &&
		    r->len <= envelope_body_max(&r->m.env);
	fd = spools_fd(&w->spools, in->id);
	if (fd == -1 || r->len != 0)
		return false;
	w->fault = "a body that it could still change";
	if (store_spool_held(w->s->q->store, fd) == 1)
		return false;
	w->fault = "a body of another size than said";
	if (fstat(fd, &st) == -1 || (uint64_t)st.st_size != r->m.size)
		return false;
	r->spool_fd = fd;
	return true;
}

/* False after an answer: the message is not taken now. */
static bool
chargeable(struct worker *w, struct request *r)
{
	struct queue *q = w->s->q;
	uint32_t rcpts_max = charge_rcpts_max(q, &r->ticket);
	uint64_t session = r->ticket.session;
	char most[NUM_TEXT_LEN];

	if (r->m.size > q->conf->max_message_bytes + FIXUPS_MAX) {
		say_no(w, session, 552, "5.3.4", "The message is larger than "
		    "this server takes, %s",
		    num_print_bytes(q->conf->max_message_bytes, most));
		return false;
	}
	if (rcpts_max > 0 && r->m.env.nrcpts > rcpts_max) {
		say_no(w, session, 452, "4.5.3", "Too many recipients: a "
		    "message may have %s",
		    num_print_count(rcpts_max, "recipient", most));
		return false;
	}
	r->m.charge[LIMIT_MESSAGES] = 1;
	r->m.charge[LIMIT_RECIPIENTS] = r->m.env.nrcpts;
	r->m.charge[LIMIT_BYTES] = r->m.size;
	return within_caps(w, &r->ticket, r->m.charge);
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
	TAILQ_REMOVE(&w->s->pending, p, link);
	free(p);
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
	charge_take(q, &r->ticket, m->charge);
	p->worker = w;
	p->channel = w->channel;
	p->session = r->ticket.session;
	TAILQ_INSERT_TAIL(&w->s->pending, p, link);
	p->msg = life_accept(q, m, r->body, r->len, r->spool_fd, durable_cb,
	    p);
}

static int
on_submit(struct worker *w, struct ipc_in *in)
{
	struct request r;
	enum admit a = ADMIT_FAULT;

	memset(&r, 0, sizeof(r));
	store_msg_init(&r.m);
	if (read_request(w, in, &r)) {
		w->fault = NULL;
		a = admit(w, in->id, &r.ticket);
		if (a == ADMIT_YES && !owns(w, &r.ticket,
		    r.m.env.return_path))
			a = ADMIT_FAULT;
	}
	if (a == ADMIT_YES && within_lane(w, &r.ticket, r.m.env.return_path,
	    &r.m.env) && chargeable(w, &r))
		take(w, &r);
	store_msg_clear(&r.m);
	if (a != ADMIT_FAULT)
		spools_drop(&w->spools, in->id);
	return a == ADMIT_FAULT ? -1 : 0;
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
