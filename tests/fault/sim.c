#include "lib/prelude.h"

#include <sys/random.h>
#include <signal.h>

#include "lib/crc32c.h"
#include "tests/fault/calls.h"
#include "tests/fault/sim.h"
#include "tests/fault/turns.h"
#include "tests/unit/ctl_world.h"

#define RELAYS		2
#define ACCOUNTS	4
#define LARGE		(64 * 1024)	/* in a file, or with the submission */
#define SIM_TEXT_MAX	(STORE_INLINE_MAX + 64)
#define DAY_MS		(86400 * 1000ULL)
#define EXPIRE_SEC	(5 * 86400)
#define ROOM_MAX	(2 * 1024 * 1024) /* at most, of a full disk */
#define DRAIN_DAYS	40
/* A bounce by age within this part of the expiry comes too early. */
#define EARLY_PART	4

struct sim *sim;

static const struct sim_life *life;
static bool draining;		/* all is well from now on */
static uint64_t salt;

uint64_t
sim_dice(uint64_t n)
{
	uint64_t z = sim->rng += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return (z ^ (z >> 31)) % n;
}

static bool
one_in(uint64_t n)
{
	return sim_dice(n) == 0;
}

/* The kernel's, for seeds of tables and salts of segments. */
ssize_t
getrandom(void *p, size_t n, unsigned int flags)
{
	uint8_t *to = p;
	size_t i;

	for (i = 0; i < n; i++) {
		salt = salt * 6364136223846793005ULL + 1442695040888963407ULL;
		to[i] = (uint8_t)(salt >> 33);
	}
	return (ssize_t)n;
}

void
sim_wrong(const char *fmt, ...)
{
	va_list ap;

	if (sim->problem[0] != '\0')
		return;
	va_start(ap, fmt);
	vsnprintf(sim->problem, sizeof(sim->problem), fmt, ap);
	va_end(ap);
}

static void
happened(uint64_t what, uint64_t which)
{
	sim->hash = (sim->hash ^ (what + which * 31 + sim->now_ms * 1009)) *
	    0x100000001b3ULL;
}

static void
sim_sink(enum log_level level, const char *proc, const char *line)
{
	if (strstr(line, " is damaged") != NULL)
		sim_wrong("%.200s", line);
	if (getenv("SHOW_LOG") != NULL)
		fprintf(stderr, "# %llu %s\n",
		    (unsigned long long)ev_now_ms(), line);
}

/* --- letters ------------------------------------------------------------------------ */

static size_t
letter_no(const struct sim_letter *l)
{
	return (size_t)(l - sim->v);
}

/* The same bytes whenever they are asked for; the caller frees. */
static char *
text_of(const struct sim_letter *l)
{
	char *text = xmalloc(SIM_TEXT_MAX);
	size_t n = (size_t)snprintf(text, 64, "Subject: letter %zu\r\n\r\n",
	    letter_no(l)), i;
	uint64_t state = letter_no(l) + 1;

	for (i = n; i < l->size; i++) {
		state = state * 6364136223846793005ULL + 1;
		text[i] = i % 64 == 62 ? '\r' : i % 64 == 63 ? '\n' :
		    (char)('a' + (state >> 33) % 26);
	}
	return text;
}

static struct sim_letter *
letter_new(void)
{
	struct sim_letter *l = &sim->v[sim->n];
	uint8_t i;

	if (sim->n == SIM_LETTERS)
		return NULL;
	sim->n++;
	memset(l, 0, sizeof(*l));
	l->account = (uint8_t)sim_dice(ACCOUNTS);
	l->n = (uint8_t)(one_in(3) ? 1 + sim_dice(SIM_RCPTS) : 1);
	l->notify = one_in(12) ? NOTIFY_NEVER : one_in(8) ? NOTIFY_SUCCESS |
	    NOTIFY_FAILURE : 0;
	l->spooled = one_in(16);
	l->size = (uint32_t)(l->spooled ? LARGE + 1 + sim_dice(20000) :
	    one_in(32) ? LARGE + 1 + sim_dice(STORE_INLINE_MAX - LARGE) :
	    64 + sim_dice(4000));
	l->began_ms = ev_now_ms();
	for (i = 0; i < l->n; i++)
		l->rcpts[i].hop = (uint8_t)sim_dice(SIM_HOPS);
	return l;
}

static void
envelope_of(const struct sim_letter *l, struct envelope *e)
{
	char addr[64];
	uint8_t i;

	envelope_init(e);
	snprintf(addr, sizeof(addr), "a%u@acct.test", l->account);
	e->return_path = xstrdup(addr);
	for (i = 0; i < l->n; i++) {
		snprintf(addr, sizeof(addr), "r%zu.%u@h%u.test", letter_no(l),
		    i, l->rcpts[i].hop);
		envelope_add_rcpt(e, addr, NULL, l->notify);
	}
}

/* "r12.3@..." in such a text; NULL when there is no such recipient. */
static struct sim_rcpt *
rcpt_named(const char *addr, struct sim_letter **lp)
{
	size_t letter;
	unsigned int i;

	if (sscanf(addr, "r%zu.%u@", &letter, &i) != 2 || letter >= sim->n ||
	    i >= sim->v[letter].n) {
		sim_wrong("mail for nobody that we know: %.60s", addr);
		return NULL;
	}
	*lp = &sim->v[letter];
	return &(*lp)->rcpts[i];
}

/* --- next hops ------------------------------------------------------------------------- */

enum mood { MOOD_FINE, MOOD_DOWN, MOOD_BUSY, MOOD_PICKY, MOODS };

static void
take_copy(struct sim_letter *l, struct sim_rcpt *r)
{
	r->delivered++;
	sim->copies++;
	r->seq = ++sim->seq;
	happened(1, letter_no(l));
	if (l->state == SIM_REFUSED)
		sim_wrong("letter %zu was refused, and is delivered",
		    letter_no(l));
	if (r->delivered == 1 && r->reports > 0)
		sim_wrong("letter %zu is delivered past its bounce",
		    letter_no(l));
	if (r->delivered > 1)
		sim->twice++;
	if (r->delivered > 1 + r->explained)
		sim_wrong("letter %zu is delivered twice, and nobody died",
		    letter_no(l));
}

/* A death: what is not surely written down may be tried once more. */
static void
explain(struct sim_rcpt *r)
{
	r->explained = r->delivered;
}

static void
explain_unnoted(void)
{
	size_t i, k;

	for (i = 0; i < sim->n; i++)
		for (k = 0; k < sim->v[i].n; k++)
			if (sim->v[i].rcpts[k].seq > sim->noted)
				explain(&sim->v[i].rcpts[k]);
}

/* Too early for a bounce by age, which no server asked for? */
static bool
early(const struct sim_letter *l, const struct sim_rcpt *r)
{
	return r->refused == 0 && !l->retried && ev_now_ms() - l->began_ms <
	    EXPIRE_SEC * 1000ULL / EARLY_PART;
}

static void
take_report(const char *id, struct sim_letter *l, struct sim_rcpt *r,
    bool digest)
{
	if (strcmp(r->report, id) == 0)
		return;			/* a second copy of the same one */
	snprintf(r->report, sizeof(r->report), "%s", id);
	r->reports++;
	sim->bounced++;
	happened(2, letter_no(l));
	if (r->reports > 1 && !(digest && sim->lives > 1))
		sim_wrong("letter %zu: a second report of one failure",
		    letter_no(l));
	if (r->delivered > r->explained)
		sim_wrong("letter %zu is delivered, and bounced",
		    letter_no(l));
	if (l->state == SIM_REFUSED)
		sim_wrong("letter %zu was refused, and is bounced",
		    letter_no(l));
	if (early(l, r))
		sim_wrong("letter %zu is bounced before its time",
		    letter_no(l));
}

/* All that a report says; it has come to its sender. */
static void
read_report(const char *id, const char *body)
{
	static const char field[] = "Final-Recipient: rfc822;";
	bool digest = strstr(body, "Subject: Undelivered mail: returned") ==
	    NULL;
	const char *at = body;
	struct sim_letter *l;
	struct sim_rcpt *r;

	sim->reports++;
	while ((at = strstr(at, field)) != NULL) {
		at += sizeof(field) - 1;
		while (*at == ' ')
			at++;
		r = rcpt_named(at, &l);
		at = strstr(at, "Action: ");
		if (r == NULL || at == NULL)
			return;
		if (strncmp(at, "Action: failed", 14) == 0)
			take_report(id, l, r, digest);
	}
}

/* --- relays --------------------------------------------------------------------------------- */

struct sim_job {
	TAILQ_ENTRY(sim_job) link;
	struct sim_relay *relay;
	struct world_job job;		/* owns its body */
	struct sim_job_note *note;
	struct ev_timer timer;
	bool	 report;
};

static struct sim_relay {
	struct ipc *ipc;
	TAILQ_HEAD(, sim_job) jobs;
	struct ev_timer back;
} relays[RELAYS];

static void	relay_connect(void *);

static void
job_free(struct sim_job *j)
{
	TAILQ_REMOVE(&j->relay->jobs, j, link);
	ev_timer_cancel(&j->timer);
	if (j->note != NULL)
		*j->note = (struct sim_job_note){ 0 };
	free(j->job.body);
	free(j);
}

static void
put_result(uint8_t outcome, const char *status, const char *diag)
{
	ipc_put_u8(outcome);
	ipc_put_str(status);
	ipc_put_str(diag);
	ipc_put_str("mx.test");
}

static void
job_end(struct sim_job *j, bool reached, bool dsn, bool told)
{
	uint32_t i;

	ipc_begin(M_DELIVER_END, j->job.attempt);
	ipc_put_str(reached ? "mx.test" : "");
	ipc_put_str("");
	ipc_put_bool(reached);
	ipc_put_bool(dsn);
	ipc_put_bool(false);
	put_result(OUTCOME_DEFERRED, "4.4.1", "connection refused");
	ipc_put_u32(told ? 0 : j->job.n);
	for (i = 0; !told && i < j->job.n; i++)
		ipc_put_u32(j->job.rcpts[i].index);
	ipc_send(j->relay->ipc, -1);
	job_free(j);
}

static void
say(struct sim_job *j, uint32_t i, enum outcome o)
{
	static const char *const answers[OUTCOMES] = { "250 ok",
	    "450 later", "550 never" };
	static const char *const statuses[OUTCOMES] = { "2.0.0", "4.2.0",
	    "5.1.1" };

	ipc_begin(M_RCPT_RESULT, j->job.attempt);
	put_result((uint8_t)o, statuses[o], answers[o]);
	ipc_put_u32(1);
	ipc_put_u32(j->job.rcpts[i].index);
	ipc_send(j->relay->ipc, -1);
}

static void
relay_die(struct sim_relay *r)
{
	struct sim_job *j;

	while ((j = TAILQ_FIRST(&r->jobs)) != NULL)
		job_free(j);
	ipc_free(&r->ipc);
}

/* What the next hop has taken and the relay has not told yet is sent again. */
static void
relay_killed(struct sim_relay *r)
{
	struct sim_letter *l;
	struct sim_rcpt *rcpt;
	struct sim_job *j;
	uint32_t i;

	TAILQ_FOREACH(j, &r->jobs, link)
		for (i = 0; !j->report && one_in(2) && i < j->job.n; i++)
			if ((rcpt = rcpt_named(j->job.rcpts[i].addr, &l)) !=
			    NULL) {
				take_copy(l, rcpt);
				explain(rcpt);
			}
	explain_unnoted();	/* or was told, and not heard */
	sim->relay_deaths++;
	happened(3, 0);
	relay_die(r);
	ev_timer_set(&r->back, sim_dice(2000));
}

static enum outcome
word_of(enum mood mood)
{
	return mood == MOOD_FINE ? OUTCOME_DELIVERED : mood == MOOD_BUSY ?
	    OUTCOME_DEFERRED : (enum outcome)sim_dice(OUTCOMES);
}

static void
job_cb(void *arg)
{
	struct sim_job *j = arg;
	struct sim_letter *l;
	struct sim_rcpt *r;
	enum outcome o;
	enum mood mood;
	uint32_t i;

	/* Our own customers' server is at times down, and never picky. */
	if (j->report) {
		if (!draining && one_in(6)) {
			job_end(j, false, false, false);
			return;
		}
		read_report(j->job.id, j->job.body);
		say(j, 0, OUTCOME_DELIVERED);
		job_end(j, true, true, true);
		return;
	}
	r = rcpt_named(j->job.rcpts[0].addr, &l);
	mood = r == NULL || draining ? MOOD_FINE : sim->mood[r->hop];
	if (mood == MOOD_DOWN) {
		job_end(j, false, false, false);
		return;
	}
	for (i = 0; i < j->job.n; i++) {
		r = rcpt_named(j->job.rcpts[i].addr, &l);
		if (r == NULL)
			continue;
		o = word_of(mood);
		if (o == OUTCOME_DELIVERED)
			take_copy(l, r);
		r->refused += o == OUTCOME_FAILED;
		say(j, i, o);
	}
	job_end(j, true, r != NULL && r->hop % 2 == 0, true);
}

static void
read_spool(struct sim_job *j)
{
	if (j->job.fd == -1)
		return;
	free(j->job.body);
	j->job.body = xcalloc(1, SIM_TEXT_MAX + 1);
	if (pread(j->job.fd, j->job.body, SIM_TEXT_MAX, 0) == -1)
		sim_wrong("%s cannot be read", j->job.id);
	if (crc32c(0, j->job.body, j->job.size) != j->job.crc)
		sim_wrong("%s goes with a wrong checksum", j->job.id);
}

/* Byte for byte. */
static void
check_content(const struct sim_job *j, const struct sim_letter *l)
{
	char *want = text_of(l), *got = j->job.body;

	if (strlen(got) != l->size || memcmp(got, want, l->size) != 0)
		sim_wrong("letter %zu is not what was submitted",
		    letter_no(l));
	free(want);
}

static void
note_job(struct sim_job *j, const struct sim_letter *l)
{
	struct sim_job_note *n = sim->jobs;
	unsigned int rcpt;
	uint32_t i;

	while (n < sim->jobs + SIM_JOBS && n->rcpts != 0)
		n++;
	if (n == sim->jobs + SIM_JOBS)
		return;
	j->note = n;
	n->letter = (uint32_t)letter_no(l);
	for (i = 0; i < j->job.n; i++)
		if (sscanf(j->job.rcpts[i].addr, "r%*u.%u@", &rcpt) == 1)
			n->rcpts |= (uint8_t)(1 << rcpt);
}

static const char *const routes[] = { "up", "detour" };

/* What was on its way before the order was answered may come behind it. */
static void
check_order(const struct sim_job *j, const struct sim_letter *l)
{
	if (l->on_its_way)
		return;
	if (l->stopped)
		sim_wrong("letter %zu, %s, goes, and was %s", letter_no(l),
		    l->id, l->gone ? "removed" : "held");
	if (l->route != SIM_EITHER && strcmp(j->job.route,
	    routes[l->route]) != 0)
		sim_wrong("letter %zu, %s, goes by %s", letter_no(l), l->id,
		    j->job.route);
}

static int
on_deliver(struct sim_relay *r, struct ipc_in *in)
{
	struct sim_job *j = xcalloc(1, sizeof(*j));
	struct sim_letter *l;

	j->relay = r;
	TAILQ_INSERT_TAIL(&r->jobs, j, link);
	ev_timer_init(&j->timer, job_cb, j);
	if (!world_read_job(in, &j->job)) {
		sim_wrong("a malformed M_DELIVER");
		return -1;
	}
	read_spool(j);
	j->report = strcmp(j->job.domain, "acct.test") == 0;
	if (!j->report && rcpt_named(j->job.rcpts[0].addr, &l) != NULL) {
		check_content(j, l);
		check_order(j, l);
		note_job(j, l);
	}
	ev_timer_set(&j->timer, one_in(20) ? sim_dice(600000) :
	    sim_dice(300));
	return 0;
}

/* What is not on the wire yet goes back. */
static void
on_deliver_stop(struct sim_relay *r)
{
	struct sim_job *j = TAILQ_FIRST(&r->jobs), *next;

	for (; j != NULL; j = next) {
		next = TAILQ_NEXT(j, link);
		if (one_in(2))
			job_end(j, false, false, true);
	}
}

static int
relay_msg(struct ipc *ipc, struct ipc_in *in, void *arg)
{
	if (in->type == M_DELIVER)
		return on_deliver(arg, in);
	if (in->type == M_DELIVER_STOP)
		on_deliver_stop(arg);
	return 0;
}

static void
relay_gone(struct ipc *ipc, const char *why, void *arg)
{
	sim_wrong("the queue closes a relay's channel: %s",
	    why == NULL ? "" : why);
	relay_die(arg);
}

static void
relay_connect(void *arg)
{
	static const struct ipc_ops ops = { relay_msg, relay_gone };
	struct sim_relay *r = arg;
	int fd[2];

	if (ipc_pair(fd) == -1)
		fatal("socketpair");
	r->ipc = ipc_new(fd[0], &ops, r);
	dispatch_peer(world.dispatch, (uint32_t)(r - relays), fd[1]);
}

/* --- clients ------------------------------------------------------------------------------- */

static struct ipc *client;

static void
submit_letter(struct sim_letter *l, const char *text)
{
	char account[64];
	struct envelope e;
	struct ticket t;

	snprintf(account, sizeof(account), "a%u@acct.test", l->account);
	t = world_ticket(0, letter_no(l) + 1, account);
	envelope_of(l, &e);
	world_submit_to(client, &t, &e, text, l->size);
	envelope_clear(&e);
}

static void
new_letter(void)
{
	struct sim_letter *l = letter_new();
	struct ticket t;
	char *text;

	if (l == NULL)
		return;
	if (l->spooled) {
		char account[64];

		snprintf(account, sizeof(account), "a%u@acct.test",
		    l->account);
		t = world_ticket(0, letter_no(l) + 1, account);
		ipc_begin(M_TX_SPOOL, t.session);
		ticket_put(&t);
		ipc_put_u64(l->size);
		ipc_send(client, -1);
		return;
	}
	text = text_of(l);
	submit_letter(l, text);
	free(text);
}

static void
into_spool(struct sim_letter *l, int fd)
{
	char *text = text_of(l);
	bool written;

	calls_adopt(fd, AREA_SPOOL);
	written = write(fd, text, l->size) == (ssize_t)l->size;
	close(fd);
	if (written && !one_in(10))
		submit_letter(l, NULL);
	else {
		ipc_begin(M_TX_END, letter_no(l) + 1);
		ipc_send(client, -1);
		l->state = SIM_REFUSED;
	}
	free(text);
}

static int
client_msg(struct ipc *ipc, struct ipc_in *in, void *arg)
{
	struct sim_letter *l = &sim->v[in->id - 1];

	happened(in->type, in->id);
	switch (in->type) {
	case M_TX_SPOOL_HERE:
		into_spool(l, ipc_take_fd(in));
		break;
	case M_SUBMITTED:
		l->state = SIM_ACKED;
		sim->acked++;
		snprintf(l->id, sizeof(l->id), "%s",
		    ipc_get_str(in, STORE_ID_LEN));
		break;
	case M_TX_NO:
		l->state = SIM_REFUSED;
		break;
	}
	return 0;
}

static void
client_gone(struct ipc *ipc, const char *why, void *arg)
{
	sim_wrong("the queue closes smtpd's channel");
	ipc_free(&client);
}

static void
client_connect(void)
{
	static const struct ipc_ops ops = { client_msg, client_gone };
	int fd[2];

	if (ipc_pair(fd) == -1)
		fatal("socketpair");
	ipc_free(&client);
	client = ipc_new(fd[0], &ops, NULL);
	submit_peer(world.submit, 0, fd[1]);
}

/* --- time ------------------------------------------------------------------------------------ */

static void
turn_some(int n)
{
	while (n-- > 0) {
		turns_others();
		world_turn(1);
	}
}

/* Everybody has done what there is to do now, the disk's threads included. */
static void
all_quiet(void)
{
	size_t i;

	for (i = 0; i < 12; i++) {
		turns_all_wait();
		world_turn(2);
	}
	sim->noted = sim->seq;
	for (i = 0; i < sim->n; i++)
		sim->v[i].on_its_way = false;
}

static void
pass(uint64_t ms)
{
	ev_clock_step(ms);
	turn_some(3);
	sim->now_ms = ev_now_ms();
	sim->wall_ms = ev_wall_ms();
}

static uint64_t
some_time(void)
{
	switch (sim_dice(8)) {
	case 0:
		return sim_dice(3 * 3600 * 1000);
	case 1:
		return sim_dice(600 * 1000);
	case 2:
	case 3:
		return sim_dice(10 * 1000);
	default:
		return sim_dice(200);
	}
}

static void
leap(void)
{
	static const int64_t far[] = { 1000, 3600 * 1000LL, 86400 * 1000LL,
	    365 * 86400 * 1000LL };
	int64_t ms = far[sim_dice(nitems(far))];

	/* And back again, sooner or later. */
	ev_clock_jump_wall(one_in(2) ? ms : -ms);
	sim->leaps++;
}

/* --- admins ------------------------------------------------------------------------------------ */

static void
order(const char *words)
{
	int i;

	begin(words);
	for (i = 0; i < 40000 && said.ended == 0; i++) {
		ev_clock_step(1);
		turn_some(1);
	}
	sim->orders++;
}

/* What it leaves open until it is answered: the queue may die over it. */
static void
is_given(struct sim_letter *l, const char *verb)
{
	l->retried = true;
	if (strcmp(verb, "remove") == 0)
		l->removed = true;
	if (strcmp(verb, "hold") == 0 || strcmp(verb, "remove") == 0)
		l->doubted |= !l->stopped;
	if (strcmp(verb, "release") == 0 && !l->gone) {
		l->doubted |= l->stopped;
		l->stopped = false;
	}
	if (strncmp(verb, "redirect", 8) == 0)
		l->route = SIM_EITHER;
}

static void
is_answered(struct sim_letter *l, const char *verb)
{
	if (said.ended != 1 || said.code != CTL_OK)
		return;
	l->on_its_way = strstr(said.end, "at a next hop") != NULL;
	if (strcmp(verb, "hold") == 0 || strcmp(verb, "remove") == 0)
		l->stopped = true;
	if (strcmp(verb, "hold") == 0 || strcmp(verb, "release") == 0)
		l->doubted = false;
	if (strcmp(verb, "remove") == 0) {
		l->gone = true;
		l->at_hop = l->on_its_way;
	}
	if (strcmp(verb, "redirect detour") == 0)
		l->route = SIM_DETOUR;
	if (strcmp(verb, "redirect -") == 0)
		l->route = SIM_UP;
}

static bool
is_queued(const struct sim_letter *l)
{
	uint8_t i;

	for (i = 0; i < l->n; i++)
		if (l->rcpts[i].delivered + l->rcpts[i].reports == 0)
			return l->state == SIM_ACKED;
	return false;
}

/* One at a relay, or one that is queued, if chance finds any. */
static struct sim_letter *
some_letter(void)
{
	struct sim_letter *l = &sim->v[sim_dice(sim->n)];
	size_t i, at = sim_dice(8);
	bool at_relay = one_in(2);

	for (i = 0; at_relay && i < 8; i++)
		if (sim->jobs[(at + i) % 8].rcpts != 0)
			return &sim->v[sim->jobs[(at + i) % 8].letter];
	for (i = 0; i < 64 && !is_queued(l); i++)
		l = &sim->v[sim_dice(sim->n)];
	return l;
}

static void
some_order(struct sim_letter *l)
{
	static const char *const verbs[] = { "hold", "release", "retry",
	    "remove", "redirect detour", "redirect -" };
	const char *verb = verbs[sim_dice(nitems(verbs))];
	char words[80];

	if (l->state != SIM_ACKED || said.ended == 0 ||
	    (strcmp(verb, "remove") == 0 && !one_in(4)))
		return;
	is_given(l, verb);
	snprintf(words, sizeof(words), "queue %s %s", verb, l->id);
	order(words);
	is_answered(l, verb);
	/* He has been told: no moment is worse to die. */
	if (!life->in_memory && one_in(16))
		kill(getpid(), SIGKILL);
	if (one_in(2))
		some_order(l);		/* he thinks better of it */
}

/* The queue has died: what was to be removed may be on hold, and no more. */
static void
orders_died(void)
{
	size_t i;

	for (i = 0; i < sim->n; i++) {
		sim->v[i].on_its_way = false;
		if (sim->v[i].at_hop)
			sim->v[i].gone = sim->v[i].at_hop = false;
	}
}

/* Of what is on hold, as much as said.all can tell. */
static void
check_held(void)
{
	const char *at = said.all;
	size_t i;

	while ((at = strstr(at, ";id=")) != NULL) {
		at += 4;
		for (i = 0; i < sim->n; i++)
			if (strncmp(sim->v[i].id, at, STORE_ID_LEN) == 0)
				break;
		if (i < sim->n && !sim->v[i].stopped && !sim->v[i].doubted)
			sim_wrong("letter %zu, %s, is on hold, and nobody has "
			    "ordered that", i, sim->v[i].id);
	}
}

/* --- a life -------------------------------------------------------------------------------------- */

static void
configure(void)
{
	world_defaults();
	world_limits[0] = (struct conf_limit){ LIMIT_MESSAGES, UINT32_MAX, 60 };
	world_routes[0].by_domain = true;
	world_routes[0].expire_sec = EXPIRE_SEC;
	world_routes[0].warn_sec = 4 * 3600;
	world_routes[1] = world_routes[0];
	world_routes[1].name = (char *)"detour";
	world_conf.routes.n = 2;
}

static void
rise(void)
{
	const char *why;
	int i;

	salt = sim_dice(UINT64_MAX);
	ev_init();
	ev_clock_fake(sim->now_ms, sim->wall_ms);
	log_set_sink(sim_sink);
	configure();
	why = queue_open(&world, &world_conf, life->in_memory ?
	    world_open_store : life->open_store);
	if (why != NULL) {
		snprintf(sim->refusal, sizeof(sim->refusal), "%s", why);
		_exit(1);
	}
	world.told = true;
	said.ended = 1;
	client_connect();
	for (i = 0; i < RELAYS; i++) {
		TAILQ_INIT(&relays[i].jobs);
		ev_timer_init(&relays[i].back, relay_connect, &relays[i]);
		relay_connect(&relays[i]);
	}
	sim->lives++;
}

static void
some_event(void)
{
	struct sim_relay *r = &relays[sim_dice(RELAYS)];

	switch (sim_dice(60)) {
	case 0:
		sim->mood[sim_dice(SIM_HOPS)] = (uint8_t)sim_dice(MOODS);
		break;
	case 1:
		sim->mood[sim_dice(SIM_HOPS)] = MOOD_FINE;
		break;
	case 2:
		if (!life->calm && r->ipc != NULL)
			relay_killed(r);
		break;
	case 3:
		if (!life->calm)
			client_connect();
		break;
	case 4:
		if (!life->calm && one_in(3))
			leap();
		break;
	case 5:
	case 6:
	case 7:
	case 8:
	case 9:
	case 10:
		if (!life->calm && sim->n > 0)
			some_order(some_letter());
		break;
	case 11:
	case 12:
		all_quiet();
		break;
	}
}

/* Now and then the disk is full: there is what is held, and a little more. */
static void
some_room(void)
{
	if (!life->in_memory || !one_in(6))
		return;
	store_memory_set_room(world_store, one_in(3) ? world.reserved +
	    sim_dice(ROOM_MAX) : UINT64_MAX);
}

static void
step(void)
{
	uint64_t letters = life->letters_per_step != 0 ?
	    sim_dice(life->letters_per_step * 2 + 1) : one_in(3) ?
	    sim_dice(3) : 0;

	while (letters-- > 0)
		new_letter();
	some_event();
	some_room();
	pass(life->step_ms != 0 ? life->step_ms : some_time());
}

/* All is well at last; what is on hold is let go. */
static void
drain(void)
{
	uint64_t end = ev_now_ms() + DRAIN_DAYS * DAY_MS;

	size_t i;

	draining = true;
	if (life->in_memory)
		store_memory_set_room(world_store, UINT64_MAX);
	all_quiet();
	order("queue list state=held");
	check_held();
	for (i = 0; i < sim->n; i++)
		sim->v[i].stopped &= sim->v[i].gone;
	order("queue release all=yes");
	if (said.ended != 1 || (said.code != CTL_OK && said.code != CTL_NOT_FOUND))
		sim_wrong("release answers %d: %s", said.code, said.end);
	while (store_count(world.store) > 0 && ev_now_ms() < end) {
		pass(1000 + sim_dice(10 * 60 * 1000));
		all_quiet();
	}
	all_quiet();
	sim->drained = store_count(world.store) == 0;
	if (!sim->drained)
		sim_wrong("the queue does not become empty: %llu left",
		    (unsigned long long)store_count(world.store));
	else if (world.reserved != 0)
		sim_wrong("nothing is queued, and %llu bytes are held for it",
		    (unsigned long long)world.reserved);
}

/* What is still held when all mail is gone is held for good. */
static void
look(void)
{
	drain();
	draining = false;
	life->look();
}

static bool all_heard;		/* at a stop */

/* As posternd's SIGTERM: queue/program.c does this. */
static void
stop_in_order(void)
{
	int i;

	world.stopping = true;
	dispatch_stop(world.dispatch);
	for (i = 0; i < 200 && (submit_busy(world.submit) ||
	    dispatch_sent(world.dispatch) > 0); i++) {
		turn_some(2);
		pass(20);
	}
	/* What nobody has read yet of relays' words is lost, else nothing. */
	all_heard = dispatch_sent(world.dispatch) == 0;
	if (!all_heard)
		all_quiet();
	life_stop(&world);
	sim->stops++;
}

static void
fall(void)
{
	int i;

	if (life->stop)
		stop_in_order();
	ipc_free(&client);
	for (i = 0; i < RELAYS; i++) {
		while (!TAILQ_EMPTY(&relays[i].jobs)) {
			struct sim_job *j = TAILQ_FIRST(&relays[i].jobs);

			j->note = NULL;		/* sim_died() wants it */
			job_free(j);
		}
		ev_timer_cancel(&relays[i].back);
		ipc_free(&relays[i].ipc);
	}
	if (life->in_memory)
		world.store = store_open_memory(&queue_store_ops, &world);
	queue_close(&world);
	if (life->in_memory)
		store_memory_reopen(world_store, &queue_store_ops, &world);
	/* It may have been killed before it came so far. */
	if (life->stop && all_heard)
		sim->noted = sim->seq;
}

void
sim_live(const struct sim_life *l)
{
	uint32_t i;

	life = l;
	draining = false;
	rise();
	for (i = 0; i < l->steps && sim->problem[0] == '\0'; i++) {
		step();
		if (l->look != NULL && (i + 1) % l->look_every == 0)
			look();
	}
	if (l->drain && sim->problem[0] == '\0')
		drain();
	if (l->in_memory || l->stop)
		fall();
}

void
sim_died(bool killed)
{
	struct sim_letter *l;
	struct sim_job_note *n;
	size_t k;

	sim->kills += killed;
	orders_died();
	for (n = sim->jobs; n < sim->jobs + SIM_JOBS; n++) {
		l = &sim->v[n->letter];
		for (k = 0; k < l->n; k++)
			if ((n->rcpts & (1 << k)) != 0 && one_in(3))
				take_copy(l, &l->rcpts[k]);
		*n = (struct sim_job_note){ 0 };
	}
	explain_unnoted();
	sim->noted = sim->seq;
}

/* --- the end of it ------------------------------------------------------------------------------- */

static bool
settled_rcpt(const struct sim_letter *l, const struct sim_rcpt *r)
{
	return r->delivered > 0 || r->reports > 0 || l->notify == NOTIFY_NEVER;
}

static void
account_for(const struct sim_letter *l)
{
	uint8_t i, n = 0;

	for (i = 0; i < l->n; i++)
		n += settled_rcpt(l, &l->rcpts[i]);
	if (l->removed)
		return;
	if (l->state == SIM_ACKED && n < l->n)
		sim_wrong("letter %zu, %s, was acknowledged; %u of its %u "
		    "recipients are settled", letter_no(l), l->id, n, l->n);
	if (l->state == SIM_UNKNOWN && n > 0 && n < l->n)
		sim_wrong("letter %zu was never acknowledged, and is taken in "
		    "part", letter_no(l));
}

void
sim_account(void)
{
	size_t i;

	for (i = 0; sim->drained && i < sim->n; i++)
		account_for(&sim->v[i]);
}

void
sim_begin(uint64_t seed)
{
	memset(sim, 0, offsetof(struct sim, v));
	memset(sim->jobs, 0, sizeof(*sim) - offsetof(struct sim, jobs));
	sim->rng = seed;
	sim->now_ms = WORLD_NOW;
	sim->wall_ms = WORLD_WALL;
	sim->hash = 14695981039346656037ULL;
}
