#include "lib/prelude.h"

#include <sys/queue.h>
#include <sys/stat.h>

#include "lib/xalloc.h"
#include "queue/spools.h"

struct spool {
	struct table_node node;	/* first */
	LIST_ENTRY(spool) link;	/* when it has ended */
	uint64_t session;
	uint64_t since_ms;	/* ended, or told of last */
	bool	 told;
	bool	 emptied;
	uint64_t most;		/* bytes that may be written */
	uint64_t after;		/* that were, since it was emptied */
	int	 fd;
};

void
spools_init(struct spools *s, struct queue *q)
{
	s->q = q;
	table_init(&s->by_session);
	LIST_INIT(&s->ended);
}

static void
release(struct spools *s, struct spool *sp)
{
	store_spool_close(s->q->store, sp->fd);
	free(sp);
}

/* Kept in sight for as long as somebody could write to it. */
static void
end(struct spools *s, struct spool *sp)
{
	table_remove(&s->by_session, &sp->node);
	if (store_spool_held(s->q->store, sp->fd) != 1) {
		release(s, sp);
		return;
	}
	sp->since_ms = ev_now_ms();
	LIST_INSERT_HEAD(&s->ended, sp, link);
}

void
spools_drop_all(struct spools *s)
{
	struct table_node *n;

	while ((n = table_next(&s->by_session, NULL)) != NULL)
		end(s, (struct spool *)n);
}

void
spools_clear(struct spools *s)
{
	struct spool *sp;

	spools_drop_all(s);
	while ((sp = LIST_FIRST(&s->ended)) != NULL) {
		LIST_REMOVE(sp, link);
		release(s, sp);
	}
	table_clear(&s->by_session);
}

static struct spool *
find(const struct spools *s, uint64_t session)
{
	return (struct spool *)table_find(&s->by_session, &session,
	    sizeof(session));
}

int
spools_open(struct spools *s, uint64_t session, uint64_t most)
{
	struct spool *sp;
	int fd, writer;

	spools_drop(s, session);
	fd = store_spool_open(s->q->store);
	if (fd == -1)
		return -1;
	if (store_spool_lend(s->q->store, fd, &writer) == -1) {
		store_spool_close(s->q->store, fd);
		return -1;
	}
	sp = xcalloc(1, sizeof(*sp));
	sp->session = session;
	sp->most = most;
	sp->fd = fd;
	table_add(&s->by_session, &sp->node, &sp->session,
	    sizeof(sp->session));
	return writer;
}

int
spools_fd(const struct spools *s, uint64_t session)
{
	const struct spool *sp = find(s, session);

	return sp == NULL ? -1 : sp->fd;
}

void
spools_drop(struct spools *s, uint64_t session)
{
	struct spool *sp = find(s, session);

	if (sp != NULL)
		end(s, sp);
}

void
spools_accepted(struct spools *s, uint64_t session)
{
	struct spool *sp = find(s, session);

	if (sp == NULL)
		return;
	table_remove(&s->by_session, &sp->node);
	release(s, sp);
}

bool
spools_held(const struct spools *s, uint64_t session)
{
	const struct spool *sp;

	LIST_FOREACH(sp, &s->ended, link)
		if (sp->session == session &&
		    store_spool_held(s->q->store, sp->fd) == 1)
			return true;
	return false;
}

/* Bytes of the disk; what was left out in between takes none. */
static uint64_t
written(const struct spool *sp)
{
	struct stat st;

	return fstat(sp->fd, &st) == -1 ? 0 : (uint64_t)st.st_blocks * 512;
}

static uint64_t
owed(const struct spool *sp, bool at_once)
{
	uint64_t has = at_once ? 0 : written(sp);

	return sp->emptied || has > sp->most ? 0 : sp->most - has;
}

uint64_t
spools_owed(const struct spools *s, bool at_once)
{
	const struct table_node *n = NULL;
	const struct spool *sp;
	uint64_t sum = 0;

	while ((n = table_next(&s->by_session, n)) != NULL)
		sum += owed((const struct spool *)n, at_once);
	LIST_FOREACH(sp, &s->ended, link)
		sum += owed(sp, at_once);
	return sum;
}

size_t
spools_empty(struct spools *s, void (*tell)(uint64_t, void *), void *arg)
{
	struct table_node *n = NULL;
	struct spool *sp;
	size_t emptied = 0;

	while ((n = table_next(&s->by_session, n)) != NULL) {
		sp = (struct spool *)n;
		if (sp->emptied)
			continue;
		sp->emptied = true;
		tell(sp->session, arg);
		store_spool_empty(s->q->store, sp->fd);
		emptied++;
	}
	LIST_FOREACH(sp, &s->ended, link)
		if (written(sp) > 0)
			store_spool_empty(s->q->store, sp->fd);
	return emptied;
}

bool
spools_emptied(const struct spools *s, uint64_t session)
{
	const struct spool *sp = find(s, session);

	return sp != NULL && sp->emptied;
}

bool
spools_any(const struct spools *s)
{
	return s->by_session.n > 0 || !LIST_EMPTY(&s->ended);
}

static bool
is_larger(const struct spool *sp, uint64_t most)
{
	struct stat st;

	return fstat(sp->fd, &st) == 0 && (uint64_t)st.st_size > most;
}

/* Whether it has to be told of: large, or held for too long. */
static bool
is_amiss(struct spool *sp, uint64_t most)
{
	if (ev_now_ms() - sp->since_ms < SPOOLS_PATIENCE_MS &&
	    (sp->told || !is_larger(sp, most)))
		return false;
	sp->told = true;
	sp->since_ms = ev_now_ms();
	return true;
}

/* Who holds it was told; what comes all the same is emptied again. */
static bool
goes_on(const struct spools *s, struct spool *sp)
{
	uint64_t has = written(sp);

	if (has == 0)
		return false;
	store_spool_empty(s->q->store, sp->fd);
	sp->after += has;
	return sp->after > SPOOLS_ON_WAY;
}

const char *
spools_look(struct spools *s, uint64_t most)
{
	struct table_node *n = NULL;
	struct spool *sp, *next;
	const char *why = NULL;

	while ((n = table_next(&s->by_session, n)) != NULL) {
		sp = (struct spool *)n;
		if (sp->emptied) {
			if (goes_on(s, sp))
				why = "it writes on to a spool file that was "
				    "emptied for want of room";
			continue;
		}
		if (!is_larger(sp, most))
			continue;
		sp->told = true;
		why = "more in a spool file than any message may have";
	}
	for (sp = LIST_FIRST(&s->ended); sp != NULL; sp = next) {
		next = LIST_NEXT(sp, link);
		if (store_spool_held(s->q->store, sp->fd) != 1) {
			LIST_REMOVE(sp, link);
			release(s, sp);
		} else if (is_amiss(sp, most))
			why = "it does not let go of a spool file whose "
			    "transaction is over";
	}
	return why;
}
