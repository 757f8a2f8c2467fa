#include "lib/prelude.h"

#include <sys/queue.h>

#include "auth/accounts.h"
#include "auth/lastuse.h"
#include "auth/worker.h"
#include "lib/ev.h"
#include "lib/log.h"
#include "lib/xalloc.h"

#define BUCKETS		1024
#define WRITE_EVERY_MS	60000

struct noted {
	LIST_ENTRY(noted) link;
	struct use use;
	bool	 written;	/* to be dropped when the thread is done */
};

static LIST_HEAD(, noted) buckets[BUCKETS];
static size_t nuses;
static struct accounts *accounts;
static struct ev_timer timer;
static bool timing;

/* What is on its way to disk; one lot at most. */
static struct {
	struct job job;		/* first */
	struct accounts *accounts;
	struct use *v;
	size_t	 n;
	bool	 busy;
} writing;

/* FNV-1a. Labels are the admin's, and nobody aims at a bucket. */
static size_t
bucket(const char *login)
{
	uint32_t h = 2166136261u;

	for (; *login != '\0'; login++)
		h = (h ^ (uint8_t)*login) * 16777619u;
	return h % BUCKETS;
}

static struct noted *
find(const char *login)
{
	struct noted *u;

	LIST_FOREACH(u, &buckets[bucket(login)], link)
		if (strcmp(u->use.login, login) == 0)
			return u;
	return NULL;
}

static void
drop(struct noted *u)
{
	LIST_REMOVE(u, link);
	nuses--;
	free(u);
}

/* Copies all into one lot. */
static void
gather(void)
{
	struct noted *u;
	size_t i;

	writing.v = xcalloc(nuses, sizeof(*writing.v));
	writing.n = 0;
	for (i = 0; i < BUCKETS; i++)
		LIST_FOREACH(u, &buckets[i], link) {
			writing.v[writing.n++] = u->use;
			u->written = true;
		}
}

static void
write_run(struct job *job)
{
	(void)uses_put(accounts_records(writing.accounts), writing.v,
	    writing.n);
}

/* What could not be written is not tried again: the log has said why. */
static void
write_done(struct job *job)
{
	struct noted *u, *next;
	size_t i;

	for (i = 0; i < BUCKETS; i++)
		for (u = LIST_FIRST(&buckets[i]); u != NULL; u = next) {
			next = LIST_NEXT(u, link);
			if (u->written)
				drop(u);
		}
	free(writing.v);
	writing.v = NULL;
	writing.busy = false;
}

static void
write_behind(void)
{
	if (writing.busy || nuses == 0 || accounts == NULL)
		return;
	writing.busy = true;
	writing.accounts = accounts;
	gather();
	writing.job.run = write_run;
	writing.job.done = write_done;
	writing.job.lane = worker_lane(WORK_LONG, true);
	worker_submit(&writing.job);
}

static void
timer_cb(void *arg)
{
	timing = false;
	write_behind();
}

void
lastuse_start(struct accounts *a)
{
	accounts = a;
	ev_timer_init(&timer, timer_cb, NULL);
}

void
lastuse_stop(void)
{
	size_t i;

	if (timing)
		ev_timer_cancel(&timer);
	timing = false;
	free(writing.v);	/* whether or not a thread came to it */
	writing.busy = false;
	if (nuses > 0 && accounts != NULL) {
		gather();
		(void)uses_put(accounts_records(accounts), writing.v,
		    writing.n);
		free(writing.v);
	}
	writing.v = NULL;
	for (i = 0; i < BUCKETS; i++)
		while (!LIST_EMPTY(&buckets[i]))
			drop(LIST_FIRST(&buckets[i]));
	accounts = NULL;
}

static struct noted *
make(const char *login)
{
	struct noted *u;

	if (nuses == LASTUSE_ROOM)
		write_behind();
	if (nuses == LASTUSE_ROOM || accounts == NULL)
		return NULL;
	u = xcalloc(1, sizeof(*u));
	snprintf(u->use.login, sizeof(u->use.login), "%s", login);
	LIST_INSERT_HEAD(&buckets[bucket(login)], u, link);
	nuses++;
	return u;
}

void
lastuse_note(const char *login, const char *peer, uint64_t wall_ms)
{
	struct noted *u = find(login);

	if (u == NULL)
		u = make(login);
	if (u == NULL)
		return;
	u->use.ms = wall_ms;
	u->written = false;
	snprintf(u->use.peer, sizeof(u->use.peer), "%s", peer);
	if (!timing)
		ev_timer_set(&timer, WRITE_EVERY_MS);
	timing = true;
}

void
lastuse_forget(const char *login)
{
	struct noted *u = find(login);

	if (u != NULL)
		drop(u);
}

void
lastuse_newer(const char *login, struct use *stored)
{
	const struct noted *u = find(login);

	if (u != NULL)
		*stored = u->use;
}
