#include "lib/prelude.h"

#include <sys/random.h>
#include <stdatomic.h>
#include <strings.h>

#include "auth/exchange.h"
#include "auth/groups.h"
#include "auth/lanes.h"
#include "auth/lastuse.h"
#include "auth/password.h"
#include "auth/revoke.h"
#include "auth/sasl.h"
#include "auth/watch.h"
#include "auth/worker.h"
#include "lib/child.h"
#include "lib/ev.h"
#include "lib/flood.h"
#include "lib/log.h"
#include "lib/ticket.h"
#include "lib/xalloc.h"

#define BUCKETS		4096
/*
 * Exchanges at once of one worker, far above honest use. One that was given up
 * counts until its thread has let go of it, also when the worker was replaced.
 */
#define PER_WORKER_MAX	2048
#define RESPONSE_MAX	12288	/* RFC 4954 4.1, before decoding */
/* smtpd waits less for a client; this is for an smtpd that forgot. */
#define LIMIT_MS	(10 * 60 * 1000)
/* A failure is told this much later, and up to half as much again. */
#define DELAY_MS	500
#define DELAYS_MAX	4	/* so many times as much, as failures add up */
/*
 * SCRAM's first challenge, salt and count of whatever name was asked for, is
 * told so long after the question: looking up who is there takes other tenths
 * of a millisecond than making up who is not.
 */
#define CHALLENGE_MS	3

/* A botnet makes a hundred a second; whoever bans addresses needs fewer. */
static struct flood failures_told = FLOOD("logins that failed", 600);

enum exchange_state {
	EXCHANGE_RUNNING,	/* a thread has it; the client may only go */
	EXCHANGE_WAITING,	/* for the client's next response */
	EXCHANGE_ASKING,	/* another process: its answer comes */
	EXCHANGE_DELAYED,	/* the client hears the answer later */
	EXCHANGE_LEFT		/* the client is gone: the thread tidies up */
};

struct peer {
	LIST_ENTRY(peer) link;
	LIST_HEAD(, exchange) exchanges;
	uint32_t index;
	struct ipc *ipc;
};

struct exchange {
	struct job job;		/* first: the job is the exchange */
	LIST_ENTRY(exchange) bucket, of_peer;
	LIST_ENTRY(exchange) of_questions; /* while asking */
	uint64_t id, question;
	struct peer *peer;	/* NULL once left */
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
static uint32_t hashes;		/* of conf's mechanisms */
static LIST_HEAD(, peer) peers = LIST_HEAD_INITIALIZER(peers);
static LIST_HEAD(, exchange) buckets[BUCKETS];
static LIST_HEAD(, exchange) questions[BUCKETS];
static exchange_asker *askers[SASL_ASKS];
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
find(const struct peer *peer, uint64_t id)
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
exchange_new(struct peer *peer, uint64_t id)
{
	struct exchange *e = xcalloc(1, sizeof(*e));

	e->id = id;
	e->peer = peer;
	e->index = peer->index;
	atomic_init(&e->given_up, false);
	e->begun_ms = revoke_begun_ms();
	buf_init(&e->input, RESPONSE_MAX);
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
	if (e->state == EXCHANGE_ASKING)
		LIST_REMOVE(e, of_questions);
	e->peer = NULL;
	ev_timer_cancel(&e->timer);
}

static void
exchange_free(struct exchange *e)
{
	detach(e);
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

static void
send_no(struct ipc *ipc, uint64_t id, enum auth_no why, uint64_t wait_ms)
{
	ipc_begin(M_AUTH_NO, id);
	ipc_put_u8(why);
	ipc_put_u32((uint32_t)((wait_ms + 999) / 1000));
	ipc_send(ipc, -1);
}

static void
send_ok(const struct exchange *e)
{
	static const char *senders[GROUPS_SENDERS_MAX];
	const struct account *a = &e->result.account;
	uint8_t seal[TICKET_MAC_LEN];
	size_t i, n = groups_senders(conf, a, senders);
	struct ticket t;

	memset(&t, 0, sizeof(t));
	t.session = e->id;
	t.begun_ms = e->begun_ms;
	t.expires_ms = t.begun_ms + (uint64_t)conf->ticket_sec * 1000;
	snprintf(t.account, sizeof(t.account), "%s", a->name);
	snprintf(t.cap, sizeof(t.cap), "%s", groups_cap(conf, a));
	t.plus = groups_plus(conf, a);
	if (e->result.device != NULL) {
		snprintf(t.device, sizeof(t.device), "%s",
		    e->result.device->label);
		snprintf(t.device_cap, sizeof(t.device_cap), "%s",
		    e->result.device->cap);
	}
	ticket_seal(&conf->ticket_key, e->peer->index, &t);
	ipc_begin(M_AUTH_OK, e->id);
	ticket_put(&t);
	ipc_put_str(account_rewrite(a));
	ipc_put_u32((uint32_t)n);
	for (i = 0; i < n; i++) {
		ticket_seal_sender(&conf->ticket_key, &t, senders[i], seal);
		ipc_put_str(senders[i]);
		ipc_put_bytes(seal, sizeof(seal));
	}
	ipc_send(e->peer->ipc, -1);
}

static void
note_use(const struct exchange *e)
{
	char login[LOGIN_MAX + 1];

	if (e->result.device != NULL)
		lastuse_note(device_login(e->result.account.name,
		    e->result.device->label, login), e->params.peer,
		    ev_wall_ms());
}

/*
 * Guessing costs time, but no thread. Counted from the client's last word, and
 * in whole steps: whether there is an account, whether another process was
 * asked, and how much that one had to do, shows in none of it.
 */
static void
delay(struct exchange *e, uint32_t failures)
{
	uint32_t r, times = failures < 1 ? 1 : failures > DELAYS_MAX ?
	    DELAYS_MAX : failures;
	uint64_t took = ev_now_ms() - e->moved_ms;
	uint64_t whole = (uint64_t)times * DELAY_MS;

	if (getrandom(&r, sizeof(r), 0) != sizeof(r))
		r = 0;
	set_state(e, EXCHANGE_DELAYED);
	while (whole < took)
		whole += DELAY_MS;
	ev_timer_set(&e->timer, whole - took + r % (DELAY_MS / 2));
}

/*
 * A certificate or a token is no password: no guess at one has come near it, so
 * what such guesses have locked does not lock out who shows it. SCRAM's proof
 * is made of the password, and guesses come by SCRAM, too.
 */
static bool
by_password(const struct exchange *e)
{
	static const char *const others[] = { "EXTERNAL", "OAUTHBEARER",
	    "XOAUTH2" };
	size_t i;

	for (i = 0; i < nitems(others); i++)
		if (strcasecmp(e->params.mechanism, others[i]) == 0)
			return false;
	return true;
}

/*
 * A name that is locked for this peer is refused whatever the password was,
 * and nothing is counted: who guesses on learns nothing, not even whether.
 */
static bool
locked(struct exchange *e, const char *name)
{
	e->wait_ms = !by_password(e) ? 0 :
	    watch_account_wait(name, e->params.peer);
	if (e->wait_ms == 0)
		return false;
	e->result.answer = SASL_ANSWER_NO;
	e->result.no = AUTH_NO_LOCKED;
	return true;
}

/* Each failure is told to the admin, up to so many a minute. */
static void
tell(const struct exchange *e)
{
	/* A lock is told as one, whoever it is. */
	bool barred = e->result.barred != NULL &&
	    e->result.no == AUTH_NO_CREDENTIALS;
	static const char *const reasons[AUTH_NO_REASONS] = {
		[AUTH_NO_CREDENTIALS] = "credentials",
		[AUTH_NO_MECHANISM] = "mechanism",
		[AUTH_NO_SYNTAX] = "syntax",
		[AUTH_NO_TEMPORARY] = "trouble",
		[AUTH_NO_WEAK] = "too-weak",
		[AUTH_NO_PLAINTEXT] = "needs-tls",
		[AUTH_NO_LOCKED] = "locked",
		[AUTH_NO_BINDING] = "binding",
	};

	if (!flood_log(&failures_told))
		return;
	log_info("%s login=failed account=\"%s\" mechanism=%s peer=%s why=%s%s%s"
	    "%s%s%s", log_session(e->id), log_escs(e->result.tried),
	    log_escs(e->params.mechanism), log_escs(e->params.peer),
	    e->result.lacks ? "no-verifier" : barred ? e->result.barred :
	    reasons[e->result.no], barred ? " device=" : "",
	    barred ? e->result.label : "", *e->result.why == '\0' ? "" : " said=\"",
	    log_escs(e->result.why), *e->result.why == '\0' ? "" : "\"");
	if (e->result.lacks)
		log_warnx("account=\"%s\" has no verifier for %s, and cannot "
		    "log in by it; set its password anew (posternctl account "
		    "passwd), or let it log in once by PLAIN",
		    log_escs(e->result.tried), log_escs(e->params.mechanism));
}

/* How many different failures there are by now, with this one. */
static uint32_t
count(struct exchange *e)
{
	const struct sasl_result *r = &e->result;
	enum auth_no no = r->no;

	if (no != AUTH_NO_CREDENTIALS && no != AUTH_NO_TEMPORARY)
		return 1;
	if (!by_password(e))
		return r->harmless || no == AUTH_NO_TEMPORARY ? 1 :
		    watch_token_failed(e->params.peer, r->wrong);
	if (*r->tried == '\0' || (no == AUTH_NO_TEMPORARY && r->wrong == 0) ||
	    locked(e, r->tried) || r->harmless)
		return 1;
	return no == AUTH_NO_CREDENTIALS ?
	    watch_failed(r->tried, e->params.peer, r->wrong) :
	    watch_undecided(r->tried, e->params.peer, r->wrong);
}

static void
failed(struct exchange *e)
{
	uint32_t failures = count(e);

	tell(e);
	delay(e, failures);
}

/* The client has had its delay when it was told by a challenge. */
static void
failed_as_told(struct exchange *e)
{
	send_no(e->peer->ipc, e->id, e->result.no, 0);
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
exchange_ask_by(enum sasl_ask what, exchange_asker *asker)
{
	askers[what] = asker;
}

static void
exchange_done(struct job *job)
{
	struct exchange *e = (struct exchange *)job;

	if (e->state == EXCHANGE_LEFT) {
		tidy(e);
		return;
	}
	switch (e->result.answer) {
	case SASL_ANSWER_CHALLENGE:
		/* SCRAM's last one says that the password was right. */
		if (e->result.refused) {
			e->told = true;
			e->result.no = AUTH_NO_CREDENTIALS;
			failed(e);
		} else if (e->named && locked(e, e->result.tried))
			failed(e);
		else if (e->named || *e->result.tried == '\0')
			challenge(e);
		else
			challenge_later(e);
		break;
	case SASL_ANSWER_OK:
		if (locked(e, e->result.tried)) {
			failed(e);
			break;
		}
		watch_succeeded(e->result.tried, e->params.peer);
		if (*e->result.why != '\0')
			log_info("%s account=\"%s\" source=%s",
			    log_session(e->id), log_escs(e->result.tried),
			    log_escs(e->result.why));
		note_use(e);
		send_ok(e);
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
		if (*e->result.tried != '\0' && locked(e, e->result.tried))
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
	send_no(e->peer->ipc, e->id, late ? AUTH_NO_TEMPORARY : e->result.no,
	    e->wait_ms);
	tidy(e);
}

/* --- messages of smtpd ---------------------------------------------------------------------------- */

static bool
offered(const char *mechanism)
{
	size_t i;

	for (i = 0; i < conf->mechanisms.n; i++)
		if (strcasecmp(conf->mechanisms.v[i], mechanism) == 0)
			return true;
	return false;
}

/* Whether its -PLUS was offered beside it: there is something to bind to. */
static bool
offered_plus(const char *mechanism, const struct sasl_binding *bindings)
{
	char plus[SASL_LOGIN_MECH_MAX + sizeof("-PLUS")];
	int kind;

	snprintf(plus, sizeof(plus), "%s-PLUS", mechanism);
	for (kind = 0; kind < AUTH_BINDINGS; kind++)
		if (bindings[kind].n > 0)
			return offered(plus);
	return false;
}

static void
get_bindings(struct ipc_in *in, struct sasl_binding *bindings)
{
	const uint8_t *data;
	int kind;

	for (kind = 0; kind < AUTH_BINDINGS; kind++) {
		data = ipc_get_bytes(in, BINDING_MAX, &bindings[kind].n);
		if (bindings[kind].n > 0)
			memcpy(bindings[kind].data, data, bindings[kind].n);
	}
}

static int
on_start(struct peer *peer, struct ipc_in *in)
{
	struct sasl_binding bindings[AUTH_BINDINGS] = { 0 };
	const uint8_t *certs;
	size_t certs_len;
	const char *mechanism = ipc_get_str(in, 64), *from;
	bool has_input = ipc_get_bool(in);
	size_t len;
	const uint8_t *input = ipc_get_bytes(in, RESPONSE_MAX, &len);
	struct exchange *e;
	uint64_t wait_ms;
	uint32_t bits;

	from = ipc_get_str(in, SASL_LOGIN_PEER_MAX);
	bits = ipc_get_u32(in);
	get_bindings(in, bindings);
	certs = ipc_get_bytes(in, CLIENT_CERTS_LEN, &certs_len);
	if (!ipc_in_end(in) || find(peer, in->id) != NULL ||
	    (!has_input && len > 0))
		return -1;
	/* RFC 4954 4: a mechanism that was not offered, or not without TLS. */
	if (bits == 0 || !offered(mechanism) || *burden(peer->index) >=
	    PER_WORKER_MAX) {
		send_no(peer->ipc, in->id, bits == 0 ? AUTH_NO_PLAINTEXT :
		    !offered(mechanism) ? AUTH_NO_MECHANISM :
		    AUTH_NO_TEMPORARY, 0);
		return 0;
	}
	wait_ms = watch_peer_wait(from);
	if (wait_ms > 0) {
		send_no(peer->ipc, in->id, AUTH_NO_LOCKED, wait_ms);
		return 0;
	}
	e = exchange_new(peer, in->id);
	e->job.lane = worker_lane(work_of(mechanism), watch_is_known(from));
	snprintf(e->params.mechanism, sizeof(e->params.mechanism), "%s",
	    mechanism);
	snprintf(e->params.peer, sizeof(e->params.peer), "%s", from);
	snprintf(e->params.hostname, sizeof(e->params.hostname), "%s",
	    conf->hostname);
	e->params.tls_bits = bits;
	memcpy(e->params.bindings, bindings, sizeof(bindings));
	e->params.plus = offered_plus(mechanism, bindings);
	e->params.iterations = conf->iterations;
	e->params.cache_sec = conf->cache_sec;
	e->params.wall_ms = ev_wall_ms();
	e->params.hashes = hashes;
	e->params.sources = conf->grants.n > 0;
	snprintf(e->params.token_issuer, sizeof(e->params.token_issuer), "%s",
	    conf->token_issuer);
	snprintf(e->params.token_scope, sizeof(e->params.token_scope), "%s",
	    conf->token_scope);
	snprintf(e->params.external_why, sizeof(e->params.external_why),
	    "no certificate was shown");
	buf_add(&e->certs, certs, certs_len);
	e->has_input = has_input;
	buf_add(&e->input, input, len);
	e->moved_ms = ev_now_ms();
	submit(e);
	return 0;
}

/* An answer for an exchange that ended meanwhile has crossed ours: let it go. */
static int
on_step(struct peer *peer, struct ipc_in *in)
{
	size_t len;
	const uint8_t *input = ipc_get_bytes(in, RESPONSE_MAX, &len);
	struct exchange *e = find(peer, in->id);

	if (!ipc_in_end(in) || (e != NULL && e->state != EXCHANGE_WAITING))
		return -1;
	if (e == NULL)
		return 0;
	buf_add(&e->input, input, len);
	e->moved_ms = ev_now_ms();
	submit(e);
	return 0;
}

static void
leave(struct exchange *e)
{
	if (e->state != EXCHANGE_RUNNING) {
		tidy(e);
		return;
	}
	detach(e);
	atomic_store(&e->given_up, true);
	set_state(e, EXCHANGE_LEFT);
}

static int
on_cancel(struct peer *peer, struct ipc_in *in)
{
	struct exchange *e = find(peer, in->id);

	if (!ipc_in_end(in))
		return -1;
	if (e != NULL)
		leave(e);
	return 0;
}

static int
on_msg(struct ipc *ipc, struct ipc_in *in, void *arg)
{
	const struct peer *peer = arg;
	int r = in->type == M_AUTH_START ? on_start(arg, in) :
	    in->type == M_AUTH_STEP ? on_step(arg, in) :
	    in->type == M_AUTH_CANCEL ? on_cancel(arg, in) :
	    in->type == M_LANE ? lanes_ask(ipc, peer->index, in) : -1;

	ipc_forget();		/* passwords come this way */
	return r;
}

/* --- channels ------------------------------------------------------------------------------------------- */

static void
peer_free(struct peer *peer)
{
	while (!LIST_EMPTY(&peer->exchanges))
		leave(LIST_FIRST(&peer->exchanges));
	LIST_REMOVE(peer, link);
	ipc_free(&peer->ipc);
	free(peer);
}

static void
on_gone(struct ipc *ipc, const char *why, void *arg)
{
	struct peer *peer = arg;

	if (why != NULL) {
		log_warnx("smtpd=%u channel=closed why=\"%s\"", peer->index,
		    why);
		child_peer_bad(ROLE_SMTPD, peer->index, why);
	}
	peer_free(peer);
}

void
exchange_peer(uint32_t index, int fd)
{
	static const struct ipc_ops ops = { on_msg, on_gone };
	struct peer *peer, *next;

	for (peer = LIST_FIRST(&peers); peer != NULL; peer = next) {
		next = LIST_NEXT(peer, link);
		if (peer->index == index)
			peer_free(peer);
	}
	peer = xcalloc(1, sizeof(*peer));
	peer->index = index;
	peer->ipc = ipc_new(fd, &ops, peer);
	LIST_INIT(&peer->exchanges);
	LIST_INSERT_HEAD(&peers, peer, link);
}

void
exchange_conf(const struct auth_conf *c)
{
	conf = c;
	hashes = password_hashes(&c->mechanisms);
}

void
exchange_stop(void)
{
	while (!LIST_EMPTY(&peers))
		peer_free(LIST_FIRST(&peers));
}
