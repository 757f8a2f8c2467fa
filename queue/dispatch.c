#include "lib/prelude.h"

#include "lib/log.h"
#include "lib/xalloc.h"
#include "queue/dispatch.h"
#include "queue/life_step.h"
#include "queue/life_try.h"
#include "queue/reserve.h"

#define PER_WAKE	200	/* jobs sent before others get the loop */
#define RETRY_FULL_MS	5	/* when a relay's channel is full */
#define RETRY_ROOM_MS	1000	/* when the store has no room for its end */

/* What a relay may say at most, in bytes. */
#define STATUS_LEN_MAX	32
#define DIAG_LEN_MAX	4096
#define REMOTE_LEN_MAX	512
#define TLS_LEN_MAX	256

struct relay {
	struct dispatch *d;
	uint32_t index;
	struct ipc *ipc;	/* NULL: absent, the parent is replacing it */
	bool	 stopping;	/* it takes no more */
	struct table attempts;	/* by attempt id */
};

struct dispatch {
	struct queue *q;
	struct relay **relays;	/* by index; never shrinks */
	size_t	 nrelays;
	size_t	 sent;		/* jobs at relays, or fetching their body */
	uint64_t reading;	/* bytes of bodies that are being read */
	uint64_t last_attempt;
	bool	 stopping;
	struct ev_timer kick;
	struct ev_timer pace;		/* until a route's budget allows more */
};

static int	on_msg(struct ipc *, struct ipc_in *, void *);
static void	on_gone(struct ipc *, const char *, void *);
static void	kick_cb(void *);
static void	ready_cb(void *);

static const struct ipc_ops relay_ops = { on_msg, on_gone };

struct dispatch *
dispatch_new(struct queue *q)
{
	struct dispatch *d = xcalloc(1, sizeof(*d));

	d->q = q;
	ev_timer_init(&d->kick, kick_cb, d);
	ev_timer_init(&d->pace, ready_cb, d);
	sched_on_ready(q->sched, ready_cb, d);
	return d;
}

void
dispatch_free(struct dispatch **dp)
{
	struct dispatch *d = *dp;
	size_t i;

	if (d == NULL)
		return;
	*dp = NULL;
	sched_on_ready(d->q->sched, NULL, NULL);
	ev_timer_cancel(&d->kick);
	ev_timer_cancel(&d->pace);
	for (i = 0; i < d->nrelays; i++) {
		ipc_free(&d->relays[i]->ipc);
		table_clear(&d->relays[i]->attempts);
		free(d->relays[i]);
	}
	free(d->relays);
	free(d);
}

/* There may be something to send: looks from the loop, soon. */
static void
kick(struct dispatch *d)
{
	if (!ev_timer_armed(&d->kick) && !d->stopping)
		ev_timer_set(&d->kick, 0);
}

static void
ready_cb(void *arg)
{
	kick(arg);
}

size_t
dispatch_sent(const struct dispatch *d)
{
	return d->sent;
}

/* --- relays come and go ----------------------------------------------------------- */

static struct relay *
relay_at(struct dispatch *d, uint32_t index)
{
	while (d->nrelays <= index) {
		struct relay *r = xcalloc(1, sizeof(*r));

		r->d = d;
		r->index = (uint32_t)d->nrelays;
		table_init(&r->attempts);
		d->relays = xreallocarray(d->relays, d->nrelays + 1,
		    sizeof(*d->relays));
		d->relays[d->nrelays++] = r;
	}
	return d->relays[index];
}

static void
end_attempt(struct live_job *j, enum sched_end end, const char *why)
{
	j->msg->q->dispatch->sent--;
	reserve_hold(j->msg->q, &j->reserved, 0);
	if (j->relay != NULL)
		table_remove(&j->relay->attempts, &j->node);
	j->relay = NULL;
	life_over(j, end, why);
}

static void
relay_lost(struct relay *r)
{
	struct table_node *n;

	ipc_free(&r->ipc);
	if (r->attempts.n > 0)
		log_info("relay=%u gone attempts=%zu; they are made again",
		    r->index, r->attempts.n);
	while ((n = table_next(&r->attempts, NULL)) != NULL)
		end_attempt(live_job_of(n), SCHED_LOST,
		    "the relay process ended in the middle");
}

void
dispatch_peer(struct dispatch *d, uint32_t index, int fd)
{
	struct relay *r = relay_at(d, index);

	relay_lost(r);
	r->stopping = false;
	r->ipc = ipc_new(fd, &relay_ops, r);
	ipc_gather(r->ipc);
	kick(d);
}

static void
on_gone(struct ipc *ipc, const char *why, void *arg)
{
	struct relay *r = arg;

	if (why != NULL) {
		log_warnx("relay=%u broke the protocol: %s", r->index, why);
		child_peer_bad(ROLE_RELAY, r->index, why);
	}
	relay_lost(r);
}

static bool
takes_more(const struct relay *r)
{
	return ipc_alive(r->ipc) && !r->stopping;
}

/* The k-th of those that are there. */
static struct relay *
present(const struct dispatch *d, uint64_t k)
{
	size_t i, n = 0;

	for (i = 0; i < d->nrelays; i++)
		n += takes_more(d->relays[i]);
	if (n == 0)
		return NULL;
	k %= n;
	for (i = 0; i < d->nrelays; i++)
		if (takes_more(d->relays[i]) && k-- == 0)
			break;
	return d->relays[i];
}

static bool
any_full(const struct dispatch *d)
{
	size_t i;

	for (i = 0; i < d->nrelays; i++)
		if (ipc_alive(d->relays[i]->ipc) &&
		    ipc_backlog(d->relays[i]->ipc) > DISPATCH_BACKLOG_MAX)
			return true;
	return false;
}

/* --- sending --------------------------------------------------------------------------- */

static void
put_rcpts(const struct live_job *j)
{
	const struct envelope *e = &j->msg->m.env;
	size_t k;

	ipc_put_u32((uint32_t)j->n);
	for (k = 0; k < j->n; k++) {
		const struct envelope_rcpt *r = &e->rcpts[j->rcpts[k]];

		ipc_put_u32(j->rcpts[k]);
		ipc_put_str(r->addr);
		ipc_put_str(r->orcpt);
		ipc_put_u8(r->notify);
	}
}

static void
put_job(const struct live_job *j, const uint8_t *body, size_t len,
    uint32_t crc)
{
	const struct store_msg *m = &j->msg->m;
	char id[STORE_ID_LEN + 1];

	store_id_text(m->id, id);
	ipc_begin(M_DELIVER, j->attempt);
	ipc_put_str(id);
	ipc_put_str(j->route);
	ipc_put_str(j->domain);
	ipc_put_str(m->env.return_path);
	ipc_put_u8((m->env.body_8bit ? DELIVER_8BIT : 0) |
	    (m->env.utf8 ? DELIVER_UTF8 : 0) |
	    (m->env.require_tls ? DELIVER_REQUIRE_TLS : 0));
	ipc_put_str(m->env.envid);
	ipc_put_u8(m->env.ret);
	ipc_put_u8(m->env.by);
	ipc_put_bool(m->env.by_trace);
	ipc_put_u64(m->env.by_ms);
	ipc_put_u8((uint8_t)(m->env.priority + ENVELOPE_PRIORITY_MAX));
	put_rcpts(j);
	ipc_put_u64(m->size);
	ipc_put_bytes(body, len);
	ipc_put_u32(crc);
}

/*
 * The attempt is at its relay from here on. A body in fd (or -1), with this
 * checksum, is lent. False when there is no relay: the job has ended, the message may be gone.
 */
static bool
send_job(struct dispatch *d, struct live_job *j, const uint8_t *body,
    size_t len, int fd, uint32_t crc)
{
	j->relay = present(d, j->hop_hash);
	if (j->relay == NULL) {
		end_attempt(j, SCHED_LOST, "no relay process is there");
		return false;
	}
	j->attempt = ++d->last_attempt;
	table_add(&j->relay->attempts, &j->node, &j->attempt,
	    sizeof(j->attempt));
	put_job(j, body, len, crc);
	ipc_send(j->relay->ipc, fd);
	return true;
}

/* Every job of the message is on its way: its body need not stay in memory. */
static void
body_sent(struct live_msg *lm)
{
	if (lm->nsent == lm->njobs)
		live_drop_body(lm);
}

static void
unreadable(struct live_job *j, const char *why)
{
	size_t k;

	for (k = 0; k < j->n; k++)
		life_result(j, j->rcpts[k], OUTCOME_DEFERRED, "4.3.0", why, "");
	end_attempt(j, SCHED_LOST, why);
}

/* What a body that is read for this job takes until it is sent. */
static uint64_t
read_bytes(const struct live_job *j)
{
	return j->msg->m.in_spool ? 0 : j->msg->m.size;
}

static void
body_cb(const uint8_t *body, size_t len, int fd, uint32_t crc,
    const char *errstr, void *arg)
{
	struct live_job *j = arg;
	struct dispatch *d = j->msg->q->dispatch;

	d->reading -= read_bytes(j);
	if (errstr != NULL)
		unreadable(j, errstr);
	else
		send_job(d, j, body, len, fd, crc);
	if (fd != -1)
		close(fd);
	kick(d);
}

static void
hand_over(struct dispatch *d, struct live_job *j)
{
	struct live_msg *lm = j->msg;

	d->sent++;
	reserve_hold(d->q, &j->reserved, store_msg_bytes(&lm->m));
	lm->nsent++;
	live_keep(lm);
	if (lm->m.body.v == NULL && lm->m.size > 0) {
		d->reading += read_bytes(j);
		store_body(d->q->store, lm->m.id, body_cb, j);
		return;
	}
	if (send_job(d, j, lm->m.body.v, lm->m.body.n, -1, 0))
		body_sent(lm);
}

/*
 * A large message may need more than a full disk has: it goes back behind what
 * else is in line, and others go on.
 */
static bool
end_fits(const struct dispatch *d, struct sched_job *s)
{
	struct live_job *j = (struct live_job *)s;

	if (reserve_fits(d->q, store_msg_bytes(&j->msg->m)))
		return true;
	life_put_back(j);
	return false;
}

static void
kick_cb(void *arg)
{
	struct dispatch *d = arg;
	bool fits = true;
	struct sched_job *s;
	uint64_t until;
	int n;

	for (n = 0; n < PER_WAKE; n++) {
		if (!reserve_fits(d->q, 0) || any_full(d)) {
			ev_timer_set(&d->kick, reserve_fits(d->q, 0) ?
			    RETRY_FULL_MS : RETRY_ROOM_MS);
			return;
		}
		if (d->stopping || present(d, 0) == NULL ||
		    d->reading > DISPATCH_BACKLOG_MAX)
			return;		/* body_cb() comes back */
		switch (sched_next(d->q->sched, ev_now_ms(), &s, &until)) {
		case SCHED_NONE:
			if (until != 0)
				ev_timer_set(&d->pace, until - ev_now_ms());
			return;
		case SCHED_GO:
			if (end_fits(d, s))
				hand_over(d, (struct live_job *)s);
			else
				fits = false;
			break;
		case SCHED_BLOCKED:
			if (end_fits(d, s))
				life_blocked((struct live_job *)s, until);
			else
				fits = false;
			break;
		}
	}
	if (fits)
		kick(d);
	else
		ev_timer_set(&d->kick, RETRY_ROOM_MS);
}

void
dispatch_stop(struct dispatch *d)
{
	size_t i;

	d->stopping = true;
	ev_timer_cancel(&d->kick);
	for (i = 0; i < d->nrelays; i++) {
		ipc_begin(M_DELIVER_STOP, 0);
		ipc_send(d->relays[i]->ipc, -1);
	}
}

/* --- answers ------------------------------------------------------------------------------- */

static bool
of_job(const struct live_job *j, uint32_t index)
{
	size_t k;

	for (k = 0; k < j->n; k++)
		if (j->rcpts[k] == index)
			return j->msg->words[index] == WORD_NONE;
	return false;
}

/* What the message ends with: one result for some recipients. */
static int
take_result(struct live_job *j, struct ipc_in *in)
{
	uint8_t outcome = ipc_get_u8(in);
	const char *status = ipc_get_str(in, STATUS_LEN_MAX);
	const char *diag = ipc_get_str(in, DIAG_LEN_MAX);
	const char *remote = ipc_get_str(in, REMOTE_LEN_MAX);
	uint32_t n = ipc_get_u32(in), index;

	if (in->bad || outcome >= OUTCOMES)
		return -1;
	while (n-- > 0) {
		index = ipc_get_u32(in);
		if (in->bad || !of_job(j, index))
			return -1;
		life_result(j, index, outcome, status, diag, remote);
	}
	return ipc_in_end(in) ? 0 : -1;
}

/* Why a hop was not reached, from the words about its recipients. */
static const char *
reason(const struct live_job *j)
{
	const char *diag = j->n == 0 ? NULL :
	    j->msg->m.rcpts[j->rcpts[0]].diag;

	return diag != NULL ? diag : "the next hop was not reached";
}

/* What a relay that stops has broken off or not begun is made again. */
static bool
given_back(const struct live_job *j)
{
	size_t k;

	if (!j->relay->stopping && !j->relay->d->stopping)
		return false;
	for (k = 0; k < j->n; k++)
		if (j->msg->words[j->rcpts[k]] == WORD_NONE)
			return true;
	return false;
}

static int
on_end(struct live_job *j, struct ipc_in *in)
{
	const char *remote = ipc_get_str(in, REMOTE_LEN_MAX);
	const char *tls = ipc_get_str(in, TLS_LEN_MAX);
	bool reached = ipc_get_bool(in), dsn = ipc_get_bool(in);
	bool by = ipc_get_bool(in);
	char id[STORE_ID_LEN + 1], why[LIFE_DIAG_MAX + 1];

	if (take_result(j, in) == -1)
		return -1;
	store_id_text(j->msg->m.id, id);
	log_debug("relay", "%s attempt over relay=%s tls=\"%s\" reached=%d "
	    "dsn=%d", id, log_escs(remote), log_escs(tls), reached, dsn);
	/* Copied: the words go with the message. */
	snprintf(why, sizeof(why), "%s", reached ?
	    "the relay gave no answer for this recipient" : reason(j));
	j->dsn = dsn;
	j->by = by;
	end_attempt(j, given_back(j) ? SCHED_LOST : reached ? SCHED_REACHED :
	    SCHED_UNREACHED, why);
	return 0;
}

static int
on_msg(struct ipc *ipc, struct ipc_in *in, void *arg)
{
	struct relay *r = arg;
	struct table_node *n = table_find(&r->attempts, &in->id,
	    sizeof(in->id));

	if (in->type == M_DELIVER_NO_MORE) {
		r->stopping = true;
		return ipc_in_end(in) ? 0 : -1;
	}
	if (n == NULL)
		return -1;
	switch (in->type) {
	case M_RCPT_RESULT:
		return take_result(live_job_of(n), in);
	case M_DELIVER_END:
		return on_end(live_job_of(n), in);
	}
	return -1;
}
