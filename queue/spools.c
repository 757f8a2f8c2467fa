#include "lib/prelude.h"

#include <sys/stat.h>

#include "lib/xalloc.h"
#include "queue/spools.h"

struct spool {
	struct table_node node;	/* first */
	uint64_t session;
	int	 fd;
};

void
spools_init(struct spools *s, struct queue *q)
{
	s->q = q;
	table_init(&s->by_session);
}

static void
end(struct spools *s, struct spool *sp)
{
	table_remove(&s->by_session, &sp->node);
	store_spool_close(s->q->store, sp->fd);
	free(sp);
}

void
spools_clear(struct spools *s)
{
	struct table_node *n;

	while ((n = table_next(&s->by_session, NULL)) != NULL)
		end(s, (struct spool *)n);
	table_clear(&s->by_session);
}

static struct spool *
find(const struct spools *s, uint64_t session)
{
	return (struct spool *)table_find(&s->by_session, &session,
	    sizeof(session));
}

int
spools_open(struct spools *s, uint64_t session)
{
	struct spool *sp;
	int fd;

	spools_drop(s, session);
	fd = store_spool_open(s->q->store);
	if (fd == -1)
		return -1;
	sp = xcalloc(1, sizeof(*sp));
	sp->session = session;
	sp->fd = fd;
	table_add(&s->by_session, &sp->node, &sp->session,
	    sizeof(sp->session));
	return fd;
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

bool
spools_within(const struct spools *s, uint64_t most)
{
	struct table_node *n = NULL;
	struct stat st;

	while ((n = table_next(&s->by_session, n)) != NULL)
		if (fstat(((struct spool *)n)->fd, &st) == 0 &&
		    (uint64_t)st.st_size > most)
			return false;
	return true;
}
