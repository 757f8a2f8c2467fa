#include "lib/prelude.h"

#include <stdatomic.h>
#include <strings.h>

#include "auth/exchange.h"
#include "auth/failure.h"
#include "auth/revoke.h"
#include "auth/sasl.h"
#include "auth/success.h"
#include "auth/watch.h"
#include "auth/worker.h"
#include "lib/ev.h"
#include "lib/log.h"
#include "lib/xalloc.h"

#define BUCKETS		4096
/*
 * Exchanges at once of one worker, far above honest use. One that was given up
 * counts until its thread has let go of it, also when the worker was replaced.
 */
#define PER_WORKER_MAX	2048
/* smtpd waits less for a client; this is for an smtpd that forgot. */
#define LIMIT_MS	(10 * 60 * 1000)
/*
 * SCRAM's first challenge, salt and count of whatever name was asked for, is
 * told so long after the question: looking up who is there takes other tenths
 * of a millisecond than making up who is not.
 */
#define CHALLENGE_MS	3

enum exchange_state {
	EXCHANGE_RUNNING,	/* a thread has it; the client may only go */
	EXCHANGE_WAITING,	/* for the client's next response */
	EXCHANGE_ASKING,	/* another process: its answer comes, whether or
				   not the client waits for it */
	EXCHANGE_DELAYED,	/* the client hears the answer later */
	EXCHANGE_LEFT		/* the client is gone: the thread tidies up */
};

struct exchange {
	struct job job;		/* first: the job is the exchange */
	LIST_ENTRY(exchange) bucket, of_peer;
	LIST_ENTRY(exchange) of_questions; /* while asking */
	uint64_t id;
	uint64_t question;	/* another process' number for it; 0: not asked */
	struct exchange_peer *peer; /* NULL once left */
	uint32_t index;		/* the worker's */
	atomic_bool given_up;	/* a thread need not begin any more */
	enum exchange_state state;
	struct ev_timer timer;
	uint64_t begun_ms;	/* what is changed later was not looked at */
	struct sasl_login_params params;
	bool	 named;		/* the client has said who it is */
	bool	 has_input;
	struct buf input;
	struct buf certs;	/* of a client that comes by EXTERNAL */
	uint64_t now_ms;	/* when the last step began */
	uint64_t moved_ms;	/* when the client said its last word */
	uint64_t wait_ms;	/* of a lock */
	struct sasl_login *login; /* the thread's */
	bool	 has_verdict;
	struct sasl_verdict verdict;
	bool	 told;		/* of its failure, which has been counted */
	struct sasl_result result;
};

static const struct auth_conf *conf;
static LIST_HEAD(, exchange) buckets[BUCKETS];
static LIST_HEAD(, exchange) questions[BUCKETS];
static exchange_asker *askers[SASL_ASKS];
static exchange_canceller *cancellers[SASL_ASKS];
static size_t *burdens;		/* exchanges of each worker, by its index */
static size_t nburdens;

static void	exchange_done(struct job *);
static void	timer_cb(void *);

/* --- life ------------------------------------------------------------------------------- */

static size_t *
burden(uint32_t index)
{
	size_t i;

	if (index >= nburdens) {
		burdens = xreallocarray(burdens, index + 1, sizeof(*burdens));
		for (i = nburdens; i <= index; i++)
			burdens[i] = 0;
		nburdens = index + 1;
	}
	return &burdens[index];
}

static struct exchange *
find(const struct exchange_peer *peer, uint64_t id)
{
	struct exchange *e;

	LIST_FOREACH(e, &buckets[id % BUCKETS], bucket)
		if (e->id == id && e->peer == peer)
			return e;
	return NULL;
}

static void
set_state(struct exchange *e, enum exchange_state state)
{
	static const char *const names[] = { "running", "waiting", "asking",
	    "delayed", "left" };

	log_debug("exchange", "%s exchange=%s", log_session(e->id),
	    names[state]);
	e->state = state;
}

static struct exchange *
exchange_new(struct exchange_peer *peer, uint64_t id)
{
	struct exchange *e = xcalloc(1, sizeof(*e));

	e->id = id;
	e->peer = peer;
	e->index = peer->index;
	atomic_init(&e->given_up, false);
	e->begun_ms = revoke_begun_ms();
	buf_init(&e->input, EXCHANGE_RESPONSE_MAX);
	buf_init(&e->certs, CLIENT_CERTS_LEN);
	sasl_result_init(&e->result);
	ev_timer_init(&e->timer, timer_cb, e);
	LIST_INSERT_HEAD(&buckets[id % BUCKETS], e, bucket);
	LIST_INSERT_HEAD(&peer->exchanges, e, of_peer);
	(*burden(e->index))++;
	return e;
}

/* Nobody asks for it any more. */
static void
detach(struct exchange *e)
{
	if (e->peer == NULL)
		return;
	LIST_REMOVE(e, bucket);
	LIST_REMOVE(e, of_peer);
	e->peer = NULL;
}

static void
exchange_free(struct exchange *e)
{
	detach(e);
	ev_timer_cancel(&e->timer);
	(*burden(e->index))--;
	buf_wipe(&e->input);
	buf_clear(&e->certs);
	account_clear(&e->verdict.account);
	sasl_result_clear(&e->result);
	free(e);
}

/* --- in the thread ------------------------------------------------------------------------- */

/* The one thing that libsasl2 does not ask for by itself. */
static void
know_certificate(struct exchange *e)
{
	if (e->certs.len == 0)
		return;
	if (client_cert_pin(e->certs.data, e->certs.len, e->params.wall_ms,
	    e->params.external_pin, e->params.external_unfit) ||
	    *e->params.external_pin != '\0')
		client_cert_name(e->certs.data, e->certs.len,
		    e->params.wall_ms, e->params.external,
		    e->params.external_why);
}

static void
run_step(struct job *job)
{
	struct exchange *e = (struct exchange *)job;

	if (atomic_load(&e->given_up)) {
		e->result.answer = SASL_ANSWER_NO;
		e->result.no = AUTH_NO_TEMPORARY;
	} else if (e->has_verdict)
		sasl_login_answered(e->login, &e->verdict, e->now_ms,
		    &e->result);
	else if (e->login != NULL)
		sasl_login_step(e->login, e->input.data, e->input.len,
		    e->now_ms, &e->result);
	else if (know_certificate(e), (e->login = sasl_login_new(&e->params))
	    != NULL)
		sasl_login_start(e->login, !e->has_input ? NULL :
		    (const uint8_t *)buf_str(&e->input), e->input.len,
		    e->now_ms, &e->result);
	else {
		e->result.answer = SASL_ANSWER_NO;
		e->result.no = AUTH_NO_TEMPORARY;
	}
	e->has_verdict = false;
	account_clear(&e->verdict.account);
	buf_wipe(&e->input);
	if (e->result.answer != SASL_ANSWER_CHALLENGE &&
	    e->result.answer != SASL_ANSWER_ASK)
		sasl_login_free(&e->login);
}

static void
run_end(struct job *job)
{
	struct exchange *e = (struct exchange *)job;

	sasl_login_free(&e->login);
}

static void
end_done(struct job *job)
{
	exchange_free((struct exchange *)job);
}

/* Gives up an exchange that no thread is working on. */
static void
tidy(struct exchange *e)
{
	detach(e);
	ev_timer_cancel(&e->timer);
	if (e->login == NULL) {
		exchange_free(e);
		return;
	}
	set_state(e, EXCHANGE_LEFT);
	e->job.run = run_end;
	e->job.done = end_done;
	worker_submit(&e->job);
}

static void
submit(struct exchange *e)
{
	set_state(e, EXCHANGE_RUNNING);
	ev_timer_cancel(&e->timer);
	e->now_ms = ev_now_ms();
	e->job.run = run_step;
	e->job.done = exchange_done;
	worker_submit(&e->job);
}

/* --- answers --------------------------------------------------------------------------------- */

/* Those that show the password have it hashed here, others by the client. */
static enum work
work_of(const char *mechanism)
{
	return strcasecmp(mechanism, "PLAIN") == 0 ||
	    strcasecmp(mechanism, "LOGIN") == 0 ? WORK_LONG : WORK_SHORT;
}

static bool
locked(struct exchange *e)
{
	e->wait_ms = failure_locked(&e->params, &e->result);
	return e->wait_ms > 0;
}

/* The client hears of it later. */
static void
failed(struct exchange *e)
{
	uint32_t guesses = failure_note(e->id, &e->params, &e->result,
	    &e->wait_ms);

	set_state(e, EXCHANGE_DELAYED);
	ev_timer_set(&e->timer, failure_delay_ms(guesses, ev_now_ms() -
	    e->moved_ms));
}

/* The client has had its delay when it was told by a challenge. */
static void
failed_as_told(struct exchange *e)
{
	failure_send(e->peer->ipc, e->id, e->result.no, 0);
	exchange_free(e);
}

static void
challenge(struct exchange *e)
{
	ipc_begin(M_AUTH_CHALLENGE, e->id);
	ipc_put_bytes(e->result.challenge.data, e->result.challenge.len);
	ipc_send(e->peer->ipc, -1);
	set_state(e, EXCHANGE_WAITING);
	ev_timer_set(&e->timer, LIMIT_MS);
}

/* The first that follows upon a name. */
static void
challenge_later(struct exchange *e)
{
	uint64_t took = ev_now_ms() - e->now_ms;

	e->named = true;
	set_state(e, EXCHANGE_DELAYED);
	ev_timer_set(&e->timer, took < CHALLENGE_MS ? CHALLENGE_MS - took : 0);
}

static void
ask(struct exchange *e)
{
	struct sasl_verdict nobody = { .temporary = true };
	static uint64_t last;
	exchange_asker *asker = askers[e->result.ask];
	uint64_t wait_ms;

	e->question = ++last;
	e->result.known = watch_is_known(e->params.peer);
	e->result.network = watch_network(e->params.peer);
	set_state(e, EXCHANGE_ASKING);
	LIST_INSERT_HEAD(&questions[e->question % BUCKETS], e, of_questions);
	wait_ms = asker == NULL ? 0 : asker(e->question, &e->result);
	buf_wipe(&e->result.question);
	if (e->state != EXCHANGE_ASKING)
		return;			/* answered already */
	if (wait_ms > 0)
		ev_timer_set(&e->timer, wait_ms);
	else
		exchange_answered(e->result.ask, e->question, &nobody);
}

void
exchange_answered(enum sasl_ask what, uint64_t question,
    struct sasl_verdict *verdict)
{
	struct exchange *e;

	LIST_FOREACH(e, &questions[question % BUCKETS], of_questions)
		if (e->question == question && e->result.ask == what)
			break;
	if (e == NULL) {
		account_clear(&verdict->account);
		return;
	}
	LIST_REMOVE(e, of_questions);
	e->verdict = *verdict;
	memset(&verdict->account, 0, sizeof(verdict->account));
	e->has_verdict = true;
	submit(e);
}

void
exchange_ask_by(enum sasl_ask what, exchange_asker *asker,
    exchange_canceller *canceller)
{
	askers[what] = asker;
	cancellers[what] = canceller;
}

/*
 * The client has left. "Yes" comes at once from those who take their time over
 * "no": who asks and hangs up has guessed as well as who waits, and it counts
 * when the answer is there.
 */
static void
settle(struct exchange *e)
{
	struct sasl_result *r = &e->result;
	size_t n = strlen(r->why);

	if (r->refused) {
		r->answer = SASL_ANSWER_NO;
		r->no = AUTH_NO_CREDENTIALS;
	}
	if (e->question != 0 && !e->told && r->answer == SASL_ANSWER_NO) {
		snprintf(r->why + n, sizeof(r->why) - n, "%sthe client had "
		    "left", n == 0 ? "" : "; ");
		(void)failure_note(e->id, &e->params, r, &e->wait_ms);
	}
	tidy(e);
}

static void
exchange_done(struct job *job)
{
	struct exchange *e = (struct exchange *)job;

	if (e->peer == NULL) {
		settle(e);
		return;
	}
	switch (e->result.answer) {
	case SASL_ANSWER_CHALLENGE:
		/* SCRAM's last one says that the password was right. */
		if (e->result.refused) {
			e->told = true;
			e->result.no = AUTH_NO_CREDENTIALS;
			failed(e);
		} else if (e->named && locked(e))
			failed(e);
		else if (e->named || *e->result.tried == '\0')
			challenge(e);
		else
			challenge_later(e);
		break;
	case SASL_ANSWER_OK:
		if (locked(e)) {
			failed(e);
			break;
		}
		success_note(e->id, &e->params, &e->result);
		success_send(e->peer->ipc, e->peer->index, e->id, e->begun_ms,
		    conf, &e->result);
		exchange_free(e);
		break;
	case SASL_ANSWER_NO:
		if (e->told)
			failed_as_told(e);
		else
			failed(e);
		break;
	case SASL_ANSWER_ASK:
		/* Nobody is asked about a name that is locked. */
		if (locked(e))
			failed(e);
		else
			ask(e);
		break;
	}
}

static void
timer_cb(void *arg)
{
	struct sasl_verdict silence = { .temporary = true,
	    .why = "no answer in time" };
	struct exchange *e = arg;
	bool late = e->state == EXCHANGE_WAITING;

	if (e->state == EXCHANGE_ASKING) {
		exchange_answered(e->result.ask, e->question, &silence);
		return;
	}
	if (!late && e->result.answer == SASL_ANSWER_CHALLENGE) {
		challenge(e);
		return;
	}
	failure_send(e->peer->ipc, e->id, late ? AUTH_NO_TEMPORARY : e->result.no,
	    e->wait_ms);
	tidy(e);
}

/* --- what smtpd asks ------------------------------------------------------------------------------- */

bool
exchange_under_way(const struct exchange_peer *peer, uint64_t id)
{
	return find(peer, id) != NULL;
}

bool
exchange_full(const struct exchange_peer *peer)
{
	return *burden(peer->index) >= PER_WORKER_MAX;
}

void
exchange_begin(struct exchange_peer *peer, uint64_t id,
    const struct sasl_login_params *params, const uint8_t *certs,
    size_t certs_len, const uint8_t *input, size_t len)
{
	struct exchange *e = exchange_new(peer, id);

	e->job.lane = worker_lane(work_of(params->mechanism),
	    watch_is_known(params->peer));
	e->params = *params;
	buf_add(&e->certs, certs, certs_len);
	e->has_input = input != NULL;
	buf_add(&e->input, input, len);
	e->moved_ms = ev_now_ms();
	submit(e);
}

/* An answer for an exchange that ended meanwhile has crossed ours: let it go. */
int
exchange_step(struct exchange_peer *peer, uint64_t id, const uint8_t *input,
    size_t len)
{
	struct exchange *e = find(peer, id);

	if (e == NULL)
		return 0;
	if (e->state != EXCHANGE_WAITING)
		return -1;
	buf_add(&e->input, input, len);
	e->moved_ms = ev_now_ms();
	submit(e);
	return 0;
}

static void
leave(struct exchange *e)
{
	detach(e);
	if (e->state == EXCHANGE_ASKING)
		cancellers[e->result.ask](e->question);
	else if (e->state != EXCHANGE_RUNNING)
		tidy(e);
	else if (e->question == 0)
		atomic_store(&e->given_up, true);
}

void
exchange_cancel(struct exchange_peer *peer, uint64_t id)
{
	struct exchange *e = find(peer, id);

	if (e != NULL)
		leave(e);
}

void
exchange_leave(struct exchange_peer *peer)
{
	while (!LIST_EMPTY(&peer->exchanges))
		leave(LIST_FIRST(&peer->exchanges));
}

void
exchange_conf(const struct auth_conf *c)
{
	conf = c;
}
