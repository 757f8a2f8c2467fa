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

STAILQ_HEAD(asks, ask);

struct lanes {
	struct source_conf copy; /* of one source */
	const struct backend *backend;
	char	 ca[64];
	int	 ca_fd;		/* or -1 */
	atomic_uint refs;	/* the owner, and each thread */
	uint32_t started;	/* main thread's */
	pthread_mutex_t lock;
	pthread_cond_t more;
	/* under lock: */
	struct asks todo[2];	/* strangers', known clients' */
	size_t	 ntodo;
	uint32_t idle;
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

/*
 * Whoever makes up names keeps threads busy for as long as PAM waits after a
 * failure; those who are known wait for one of them, not for all that is asked.
 */
static struct ask *
next_ask(struct lanes *l)
{
	struct asks *todo;
	struct ask *a;

	pthread_mutex_lock(&l->lock);
	while (l->ntodo == 0 && !l->ending) {
		l->idle++;
		pthread_cond_wait(&l->more, &l->lock);
		l->idle--;
	}
	todo = &l->todo[!STAILQ_EMPTY(&l->todo[true])];
	a = STAILQ_FIRST(todo);
	if (a != NULL) {
		STAILQ_REMOVE_HEAD(todo, link);
		l->ntodo--;
	}
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
	STAILQ_INIT(&l->todo[false]);
	STAILQ_INIT(&l->todo[true]);
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

/* One that cannot be started is one fewer; without any, questions time out. */
static void
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
		return;
	}
	errno = r;
	log_warn("source=%s cannot start a thread", lanes_conf(l)->name);
	release(l);
}

void
lanes_submit(struct lanes *l, struct ask *a)
{
	bool busy;

	pthread_mutex_lock(&l->lock);
	STAILQ_INSERT_TAIL(&l->todo[a->known], a, link);
	l->ntodo++;
	busy = l->ntodo > l->idle;
	pthread_cond_signal(&l->more);
	pthread_mutex_unlock(&l->lock);
	if (busy && l->started < lanes_conf(l)->connections)
		start_thread(l);
}

bool
lanes_withdraw(struct lanes *l, struct ask *a)
{
	struct ask *b;

	pthread_mutex_lock(&l->lock);
	STAILQ_FOREACH(b, &l->todo[a->known], link)
		if (b == a)
			break;
	if (b != NULL) {
		STAILQ_REMOVE(&l->todo[a->known], a, ask, link);
		l->ntodo--;
	}
	pthread_mutex_unlock(&l->lock);
	return b != NULL;
}
