#include "lib/prelude.h"

#include <sys/mman.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "lib/ev.h"
#include "lib/log.h"
#include "lib/xalloc.h"
#include "source/lane.h"
#include "source/wait.h"

/* Where strangers wait, each so manieth turn is theirs. */
#define STRANGERS_TURN	4

STAILQ_HEAD(asks, ask);

/* Who waits from one network. Empty ones are freed. */
struct line {
	TAILQ_ENTRY(line) link;
	uint64_t network;
	struct asks asks;
};

struct lanes {
	struct source_conf copy; /* of one source */
	const struct backend *backend;
	char	 ca[64];
	int	 ca_fd;		/* or -1 */
	atomic_uint refs;	/* the owner, and each thread */
	/* main thread's: */
	uint32_t started, busy;	/* threads, and those that have an ask */
	LIST_HEAD(, ask) inside; /* what they have */
	uint32_t passed;	/* turns of known clients since strangers, who
				   waited, had one */
	TAILQ_HEAD(, line) lines[2]; /* strangers', known clients'; whose turn
				   is next first */
	pthread_mutex_t lock;
	pthread_cond_t more;
	/* under lock: */
	struct asks todo;	/* no more than there are threads for */
	bool	 ending;
};

static struct ev_wake wake;
static pthread_mutex_t finished_lock = PTHREAD_MUTEX_INITIALIZER;
static struct asks finished = STAILQ_HEAD_INITIALIZER(finished);

/* --- asks ------------------------------------------------------------------------- */

struct ask *
ask_new(const char *name, const void *password, size_t len)
{
	struct ask *a = xcalloc(1, sizeof(*a));

	snprintf(a->name, sizeof(a->name), "%s", name);
	if (len >= sizeof(a->password))
		len = sizeof(a->password) - 1;
	memcpy(a->password, password, len);
	return a;
}

void
ask_free(struct ask **ap)
{
	struct ask *a = *ap;

	if (a == NULL)
		return;
	*ap = NULL;
	answer_clear(&a->answer);
	xfree_secret(a, sizeof(*a));
}

/* --- certificates ----------------------------------------------------------------- */

/*
 * The libraries want a file, and this process can write none: a piece of memory
 * has a name in /proc, which is its own alone.
 */
static int
memory_file(const char *text)
{
	size_t n = strlen(text);
	int fd = memfd_create("ca", MFD_CLOEXEC);

	if (fd == -1 || write(fd, text, n) != (ssize_t)n)
		fatal("cannot keep certificates");
	return fd;
}

static void
find_ca(struct lanes *l)
{
	static const char *const system[] = {
		"/etc/ssl/certs/ca-certificates.crt",
		"/etc/pki/tls/certs/ca-bundle.crt",
		"/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"
	};
	const struct conf_source *conf = lanes_conf(l);
	size_t i;

	l->ca_fd = -1;
	if (*conf->ca_pem != '\0') {
		l->ca_fd = memory_file(conf->ca_pem);
		snprintf(l->ca, sizeof(l->ca), "/proc/self/fd/%d", l->ca_fd);
		return;
	}
	for (i = 0; i < nitems(system) - 1; i++)
		if (access(system[i], R_OK) == 0)
			break;
	snprintf(l->ca, sizeof(l->ca), "%s", system[i]);
}

/* --- in a thread ------------------------------------------------------------------ */

static void
release(struct lanes *l)
{
	if (atomic_fetch_sub(&l->refs, 1) > 1)
		return;
	pthread_mutex_destroy(&l->lock);
	pthread_cond_destroy(&l->more);
	conf_clear(source_conf_fields, sizeof(l->copy), &l->copy);
	if (l->ca_fd != -1)
		close(l->ca_fd);
	free(l);
}

static struct ask *
next_ask(struct lanes *l)
{
	struct ask *a;

	pthread_mutex_lock(&l->lock);
	while (STAILQ_EMPTY(&l->todo) && !l->ending)
		pthread_cond_wait(&l->more, &l->lock);
	a = STAILQ_FIRST(&l->todo);
	if (a != NULL)
		STAILQ_REMOVE_HEAD(&l->todo, link);
	pthread_mutex_unlock(&l->lock);
	return a;
}

static void
finish(struct ask *a)
{
	bool first;

	pthread_mutex_lock(&finished_lock);
	first = STAILQ_EMPTY(&finished);
	STAILQ_INSERT_TAIL(&finished, a, link);
	pthread_mutex_unlock(&finished_lock);
	if (first)
		ev_wake_up(&wake);
}

static void *
work(void *arg)
{
	struct lanes *l = arg;
	void *state = l->backend->open(lanes_conf(l), l->ca);
	struct query q;
	struct ask *a;

	while ((a = next_ask(l)) != NULL) {
		q = (struct query){ a->name, a->password, a->deadline_ms };
		if (wait_left(q.deadline_ms) > 0)
			l->backend->ask(state, &q, &a->answer);
		else
			answer_set(&a->answer, SAID_NOTHING, "too late");
		explicit_bzero(a->password, sizeof(a->password));
		finish(a);
	}
	l->backend->close(state);
	release(l);
	return NULL;
}

/* --- in the main thread ----------------------------------------------------------- */

static void	hand_out(struct lanes *);

static void
wake_cb(void *arg)
{
	struct asks all = STAILQ_HEAD_INITIALIZER(all);
	struct ask *a;

	pthread_mutex_lock(&finished_lock);
	STAILQ_CONCAT(&all, &finished);
	pthread_mutex_unlock(&finished_lock);
	while ((a = STAILQ_FIRST(&all)) != NULL) {
		STAILQ_REMOVE_HEAD(&all, link);
		a->lanes->busy--;
		LIST_REMOVE(a, of_inside);
		hand_out(a->lanes);
		a->done(a);
	}
}

void
lanes_begin(void)
{
	ev_wake_init(&wake, wake_cb, NULL);
}

/* By the way that it came: a slice of one source, put and got again. */
static void
copy_conf(struct source_conf *copy, const struct conf_source *from)
{
	struct source_conf one = { { (void *)(uintptr_t)from, 1 } };
	struct ipc_in in;
	const uint8_t *p;
	size_t n;

	ipc_begin(M_CONF, 0);
	conf_put(source_conf_fields, &one);
	p = ipc_built(&n);
	if (!ipc_parse(p, n, &in) || conf_get(&in, source_conf_fields, copy) ==
	    -1)
		fatalx("settings that came do not go");
	ipc_forget();
}

struct lanes *
lanes_new(const struct conf_source *conf, const struct backend *backend)
{
	struct lanes *l = xcalloc(1, sizeof(*l));

	copy_conf(&l->copy, conf);
	l->backend = backend;
	atomic_init(&l->refs, 1);
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->more, NULL);
	STAILQ_INIT(&l->todo);
	LIST_INIT(&l->inside);
	TAILQ_INIT(&l->lines[false]);
	TAILQ_INIT(&l->lines[true]);
	find_ca(l);
	return l;
}

void
lanes_free(struct lanes **lp)
{
	struct lanes *l = *lp;

	if (l == NULL)
		return;
	*lp = NULL;
	pthread_mutex_lock(&l->lock);
	l->ending = true;
	pthread_cond_broadcast(&l->more);
	pthread_mutex_unlock(&l->lock);
	release(l);
}

const struct conf_source *
lanes_conf(const struct lanes *l)
{
	return CONF_AT(l->copy.sources, struct conf_source, 0);
}

/* One that cannot be started is one fewer; without any, questions wait in vain. */
static bool
start_thread(struct lanes *l)
{
	sigset_t all, old;
	pthread_attr_t attr;
	pthread_t thread;
	int r;

	atomic_fetch_add(&l->refs, 1);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);		/* signals are the main thread's */
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&thread, &attr, work, l);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (r == 0) {
		l->started++;
		return true;
	}
	errno = r;
	log_warn("source=%s cannot start a thread", lanes_conf(l)->name);
	release(l);
	return false;
}

static void
line_up(struct lanes *l, struct ask *a)
{
	struct line *line;

	TAILQ_FOREACH(line, &l->lines[a->known], link)
		if (line->network == a->network)
			break;
	if (line == NULL) {
		line = xcalloc(1, sizeof(*line));
		line->network = a->network;
		STAILQ_INIT(&line->asks);
		TAILQ_INSERT_TAIL(&l->lines[a->known], line, link);
	}
	STAILQ_INSERT_TAIL(&line->asks, a, link);
	a->line = line;
}

/* Out of its line, which goes behind the others when it had its turn. */
static void
step_out(struct ask *a, bool turn)
{
	struct lanes *l = a->lanes;
	struct line *line = a->line;

	a->line = NULL;
	STAILQ_REMOVE(&line->asks, a, ask, link);
	if (!turn && !STAILQ_EMPTY(&line->asks))
		return;
	TAILQ_REMOVE(&l->lines[a->known], line, link);
	if (STAILQ_EMPTY(&line->asks))
		free(line);
	else
		TAILQ_INSERT_TAIL(&l->lines[a->known], line, link);
}

/*
 * A network, and all who come from this machine, has half of the connections at
 * most, the others' being free whatever it asks: a "no" of PAM takes seconds.
 */
static bool
has_room(const struct lanes *l, uint64_t network)
{
	uint32_t half = lanes_conf(l)->connections / 2, n = 0;
	const struct ask *a;

	LIST_FOREACH(a, &l->inside, of_inside)
		n += a->network == network;
	return n < (half > 0 ? half : 1);
}

/* NULL: nobody waits who may go in. */
static struct line *
first_of(const struct lanes *l, bool known)
{
	struct line *line;

	TAILQ_FOREACH(line, &l->lines[known], link)
		if (has_room(l, line->network))
			break;
	return line;
}

/* Whose turn it is. */
static struct line *
next_line(struct lanes *l)
{
	struct line *known = first_of(l, true), *stranger = first_of(l, false);
	bool theirs = known == NULL || l->passed >= STRANGERS_TURN - 1;

	return stranger != NULL && theirs ? stranger : known;
}

/*
 * To threads that are free, and only then: how long somebody had to wait for
 * one is no time that the source has taken.
 */
static void
hand_out(struct lanes *l)
{
	const struct conf_source *conf = lanes_conf(l);
	struct line *line;
	struct ask *a;

	while ((line = next_line(l)) != NULL) {
		if (l->busy == l->started && (l->started >= conf->connections
		    || !start_thread(l)))
			return;
		a = STAILQ_FIRST(&line->asks);
		step_out(a, true);
		l->passed = a->known && !TAILQ_EMPTY(&l->lines[false]) ?
		    l->passed + 1 : 0;
		l->busy++;
		LIST_INSERT_HEAD(&l->inside, a, of_inside);
		a->begun_ms = ev_now_ms();
		a->deadline_ms = wait_clock() +
		    (uint64_t)conf->timeout_sec * 1000;
		pthread_mutex_lock(&l->lock);
		STAILQ_INSERT_TAIL(&l->todo, a, link);
		pthread_cond_signal(&l->more);
		pthread_mutex_unlock(&l->lock);
	}
}

void
lanes_submit(struct lanes *l, struct ask *a)
{
	a->lanes = l;
	line_up(l, a);
	hand_out(l);
}

bool
lanes_withdraw(struct ask *a)
{
	if (a->line == NULL)
		return false;
	step_out(a, false);
	return true;
}
