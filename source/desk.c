#include "lib/prelude.h"

#include <strings.h>

#include "lib/addr.h"
#include "lib/child.h"
#include "lib/ev.h"
#include "lib/log.h"
#include "lib/xalloc.h"
#include "source/desk.h"
#include "source/health.h"
#include "source/lane.h"
#include "source/wait.h"

#define QUESTIONS_MAX	2048	/* far above what auth asks at once */
/* Backends keep to the time-out by themselves and can say what took so long. */
#define GRACE_MS	250

struct source {
	struct set *set;
	struct lanes *lanes;
	struct health health;
	uint32_t lost;		/* threads that are past their time */
	char	 why[SOURCE_WHY_MAX - 32]; /* it failed last */
};

/* The sources of one configuration, for as long as an answer is awaited. */
struct set {
	struct source *sources;
	size_t	 n, refs;
};

struct question {
	LIST_ENTRY(question) link;
	uint64_t id;
	struct set *set;
	size_t	 at;		/* which source is asked */
	char	 name[ACCOUNT_MAX + 1];
	uint8_t	 password[SOURCE_PASSWORD_MAX];
	size_t	 password_len;
	bool	 tell, known;
	uint64_t network;
	bool	 left;		/* the client: no other source is asked */
	bool	 doubt;		/* one that might know him has not said so */
	char	 why[SOURCE_WHY_MAX + 80]; /* of the last that said anything */
	struct asked *asked;	/* of the source at hand, or NULL */
	struct ev_timer timer;	/* for it */
};

/* An ask that is out. */
struct asked {
	struct ask *ask;
	struct question *question; /* NULL: nobody waits for it */
	struct source *source;
	bool	 lost;		/* counted there */
};

static LIST_HEAD(, question) questions = LIST_HEAD_INITIALIZER(questions);
static size_t nquestions;
static struct set *current;
static struct ipc *auth;

static void	go_on(struct question *);

/* --- sets ------------------------------------------------------------------------- */

static struct set *
set_new(const struct source_conf *conf)
{
	struct set *set = xcalloc(1, sizeof(*set));
	size_t i;

	set->refs = 1;
	set->n = conf->sources.n;
	set->sources = xcalloc(set->n, sizeof(*set->sources));
	for (i = 0; i < set->n; i++) {
		const struct conf_source *s = CONF_AT(conf->sources,
		    struct conf_source, i);

		set->sources[i].set = set;
		set->sources[i].lanes = lanes_new(s, backend_of(s));
	}
	return set;
}

static void
set_unref(struct set *set)
{
	size_t i;

	if (set == NULL || --set->refs > 0)
		return;
	for (i = 0; i < set->n; i++)
		lanes_free(&set->sources[i].lanes);
	free(set->sources);
	free(set);
}

static const struct conf_source *
conf_of(const struct source *s)
{
	return lanes_conf(s->lanes);
}

/* --- questions -------------------------------------------------------------------- */

static void
asked_free(struct asked *a)
{
	ask_free(&a->ask);
	set_unref(a->source->set);
	free(a);
}

/* False: a thread has it. */
static bool
withdraw(struct question *q)
{
	struct asked *a = q->asked;

	if (!lanes_withdraw(a->ask))
		return false;
	q->asked = NULL;
	ev_timer_cancel(&q->timer);
	health_untried(&a->source->health);
	asked_free(a);
	return true;
}

/* What is out for it comes back to nobody; another one may try the source. */
static void
let_go(struct question *q)
{
	if (q->asked == NULL || withdraw(q))
		return;
	health_untried(&q->asked->source->health);
	q->asked->question = NULL;
	q->asked = NULL;
	ev_timer_cancel(&q->timer);
}

static void
question_free(struct question *q)
{
	let_go(q);
	LIST_REMOVE(q, link);
	nquestions--;
	set_unref(q->set);
	xfree_secret(q, sizeof(*q));
}

static void
say_no(struct question *q)
{
	ipc_begin(M_SOURCE_NO, q->id);
	ipc_put_bool(q->doubt);
	ipc_put_str(q->why);
	ipc_send(auth, -1);
	question_free(q);
}

static void
say_yes(struct question *q, const struct answer *answer)
{
	size_t i;

	ipc_begin(M_SOURCE_OK, q->id);
	ipc_put_str(conf_of(&q->set->sources[q->at])->name);
	ipc_put_u32((uint32_t)answer->nsenders);
	for (i = 0; i < answer->nsenders; i++)
		ipc_put_str(answer->senders[i]);
	ipc_send(auth, -1);
	question_free(q);
}

/* One source's word, for whoever wants them all and for the log. */
static void
note(struct question *q, enum source_said said, const char *why,
    uint64_t took_ms)
{
	static const char *const words[SAIDS] = { "no answer", "", "wrong "
	    "password", "unknown name", "refused", "" };
	const char *name = conf_of(&q->set->sources[q->at])->name;

	if (*words[said] != '\0')
		snprintf(q->why, sizeof(q->why), "%s: %s%s%s", name,
		    words[said], *why == '\0' ? "" : ", ", why);
	if (!q->tell)
		return;
	ipc_begin(M_SOURCE_SAID, q->id);
	ipc_put_str(name);
	ipc_put_u8(said);
	ipc_put_str(why);
	ipc_put_u32((uint32_t)took_ms);
	ipc_send(auth, -1);
}

/* The one at hand has decided; those behind it are told of, no more. */
static void
note_rest(struct question *q)
{
	size_t at = q->at;

	for (q->at++; q->tell && q->at < q->set->n; q->at++)
		note(q, SAID_NOT_ASKED, "not its turn: one above has decided",
		    0);
	q->at = at;
}

/* --- one source ------------------------------------------------------------------- */

static bool
is_for(const struct conf_source *conf, const char *name)
{
	const char *domain = addr_domain_of(name);
	size_t i;

	for (i = 0; i < conf->domains.n; i++)
		if (strcasecmp(conf->domains.v[i], domain) == 0)
			return true;
	return conf->domains.n == 0;
}

static void
failed(struct source *s, uint64_t begun_ms, const char *why)
{
	uint64_t pause = health_bad(&s->health, begun_ms, ev_now_ms());

	snprintf(s->why, sizeof(s->why), "%s", why);
	if (pause > 0)
		log_warnx("source=%s state=failing why=\"%s\" pause=%us; logins "
		    "by it are told to try again", conf_of(s)->name,
		    log_escs(why), (unsigned int)(pause / 1000));
}

static void
answered(struct question *q, const struct answer *answer, uint64_t took_ms)
{
	note(q, answer->said, answer->why, took_ms);
	switch (answer->said) {
	case SAID_YES:
		note_rest(q);
		say_yes(q, answer);
		return;
	case SAID_WRONG:
		note_rest(q);
		say_no(q);
		return;
	case SAID_NOTHING:
		q->doubt = true;
		break;
	default:
		break;
	}
	q->at++;
	go_on(q);
}

static void
done(struct ask *ask)
{
	struct asked *a = ask->arg;
	struct source *s = a->source;
	struct question *q = a->question;

	/*
	 * One that came too late has been counted as a failure; one that auth
	 * (a former one) does not wait for says as much as any.
	 */
	if (!a->lost && ask->answer.said == SAID_NOTHING)
		failed(s, ask->begun_ms, ask->answer.why);
	else if (!a->lost && health_good(&s->health))
		log_info("source=%s state=answering", conf_of(s)->name);
	if (q != NULL) {
		q->asked = NULL;
		ev_timer_cancel(&q->timer);
		answered(q, &ask->answer, ev_now_ms() - ask->begun_ms);
	}
	s->lost -= a->lost;
	asked_free(a);
}

static uint64_t
timeout_ms(const struct source *s)
{
	return (uint64_t)conf_of(s)->timeout_sec * 1000;
}

/* It has waited for a thread as long as it may, which says little of the source. */
static void
waited(struct question *q)
{
	struct source *s = q->asked->source;
	struct answer busy = { .said = SAID_NOTHING };
	bool bad = s->health.trying || s->lost > 0;

	answer_set(&busy, SAID_NOTHING, "all its connections are busy");
	(void)withdraw(q);
	if (bad)
		failed(s, ev_now_ms() - timeout_ms(s) - GRACE_MS, busy.why);
	answered(q, &busy, timeout_ms(s));
}

static void
timer_cb(void *arg)
{
	struct question *q = arg;
	struct asked *a = q->asked;
	struct source *s = a->source;
	struct answer silence = { .said = SAID_NOTHING };
	uint64_t begun = a->ask->begun_ms;
	uint64_t end = begun + timeout_ms(s) + GRACE_MS, now = ev_now_ms();

	if (begun == 0) {
		waited(q);
		return;
	}
	if (now < end) {	/* it began later than it came */
		ev_timer_set(&q->timer, end - now);
		return;
	}
	answer_set(&silence, SAID_NOTHING, "no answer within %us",
	    conf_of(s)->timeout_sec);
	a->question = NULL;
	q->asked = NULL;
	a->lost = true;
	s->lost++;
	failed(s, begun, silence.why);
	answered(q, &silence, now - begun);
}

static void
ask(struct question *q, struct source *s)
{
	struct asked *a = xcalloc(1, sizeof(*a));

	a->ask = ask_new(q->name, q->password, q->password_len);
	a->ask->known = q->known;
	a->ask->network = q->network;
	a->ask->done = done;
	a->ask->arg = a;
	a->question = q;
	a->source = s;
	s->set->refs++;
	q->asked = a;
	ev_timer_set(&q->timer, timeout_ms(s) + GRACE_MS);
	lanes_submit(s->lanes, a->ask);
}

/* The next source that is for him and may be asked; or the end. */
static void
go_on(struct question *q)
{
	char why[SOURCE_WHY_MAX];

	for (; q->at < q->set->n && !q->left; q->at++) {
		struct source *s = &q->set->sources[q->at];

		if (!is_for(conf_of(s), q->name))
			note(q, SAID_NOT_ASKED, "it is for other domains", 0);
		else if (health_ask(&s->health, ev_now_ms())) {
			ask(q, s);
			return;
		} else {
			q->doubt = true;
			snprintf(why, sizeof(why), "left alone after it failed: "
			    "%s", s->why);
			note(q, SAID_NOTHING, why, 0);
		}
	}
	/* Nobody waits for the word of one that might know him. */
	for (; q->at < q->set->n && !q->doubt; q->at++)
		q->doubt = is_for(conf_of(&q->set->sources[q->at]), q->name);
	say_no(q);
}

/* --- auth ------------------------------------------------------------------------- */

static struct question *
find(uint64_t id)
{
	struct question *q;

	LIST_FOREACH(q, &questions, link)
		if (q->id == id)
			break;
	return q;
}

static int
on_ask(struct ipc_in *in)
{
	const char *name = ipc_get_str(in, ACCOUNT_MAX);
	size_t len;
	const uint8_t *password = ipc_get_bytes(in, SOURCE_PASSWORD_MAX, &len);
	bool tell = ipc_get_bool(in), known = ipc_get_bool(in);
	uint64_t network = ipc_get_u64(in);
	struct question *q;

	if (!ipc_in_end(in) || *name == '\0' || len == 0 ||
	    memchr(password, '\0', len) != NULL || find(in->id) != NULL ||
	    nquestions == QUESTIONS_MAX || current == NULL)
		return -1;
	q = xcalloc(1, sizeof(*q));
	q->id = in->id;
	snprintf(q->name, sizeof(q->name), "%s", name);
	memcpy(q->password, password, len);
	q->password_len = len;
	q->tell = tell;
	q->known = known;
	q->network = network;
	q->set = current;
	q->set->refs++;
	ev_timer_init(&q->timer, timer_cb, q);
	LIST_INSERT_HEAD(&questions, q, link);
	nquestions++;
	ipc_forget();
	go_on(q);
	return 0;
}

/*
 * Its client has left. What no source has in its hands ends at once; else the
 * source's word still says whether somebody guesses. Our answer may have
 * crossed it.
 */
static int
on_cancel(struct ipc_in *in)
{
	struct question *q = find(in->id);

	if (!ipc_in_end(in))
		return -1;
	if (q == NULL)
		return 0;
	q->left = true;
	if (!withdraw(q))
		return 0;
	q->doubt = true;
	if (*q->why == '\0')
		snprintf(q->why, sizeof(q->why), "no source was asked");
	say_no(q);
	return 0;
}

static int
on_msg(struct ipc *ipc, struct ipc_in *in, void *arg)
{
	return in->type == M_SOURCE_ASK ? on_ask(in) :
	    in->type == M_SOURCE_CANCEL ? on_cancel(in) : -1;
}

static void
hang_up(void)
{
	ipc_free(&auth);
	while (!LIST_EMPTY(&questions))
		question_free(LIST_FIRST(&questions));
}

static void
on_gone(struct ipc *ipc, const char *why, void *arg)
{
	if (why != NULL) {
		log_warnx("auth channel=closed why=\"%s\"", why);
		child_peer_bad(ROLE_AUTH, 0, why);
	}
	hang_up();
}

void
desk_peer(int fd)
{
	static const struct ipc_ops ops = { on_msg, on_gone };

	hang_up();
	auth = ipc_new(fd, &ops, NULL);
}

const char *
desk_check(const struct source_conf *conf)
{
	static char why[512];
	const struct backend *backend;
	const char *bad;
	size_t i;

	for (i = 0; i < conf->sources.n; i++) {
		const struct conf_source *s = CONF_AT(conf->sources,
		    struct conf_source, i);

		backend = backend_of(s);
		bad = backend == NULL ? "it has no type" : backend->check(s);
		if (bad == NULL)
			continue;
		child_conf_about("source", s->name, "type");
		snprintf(why, sizeof(why), "source %s: %s", s->name, bad);
		return why;
	}
	return NULL;
}

void
desk_conf(const struct source_conf *conf)
{
	static bool begun;

	if (!begun)
		lanes_begin();
	begun = true;
	set_unref(current);
	current = set_new(conf);
}

void
desk_stop(void)
{
	hang_up();
	set_unref(current);
	current = NULL;
}
