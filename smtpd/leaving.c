#include "lib/prelude.h"

#include "lib/stream.h"
#include "lib/xalloc.h"
#include "smtpd/leaving.h"

#define LINGER_MS	2000

struct leaving {
	LIST_ENTRY(leaving) link;
	struct server *srv;		/* NULL: it is gone */
	struct crowd_key key;
};

static void
closed_cb(void *arg)
{
	struct leaving *l = arg;

	if (l->srv != NULL) {
		crowd_leave(l->srv->crowd, l->key);
		l->srv->leaving_n--;
		LIST_REMOVE(l, link);
	}
	free(l);
}

void
leaving_add(struct server *srv, struct stream **st, struct crowd_key key)
{
	struct leaving *l = xcalloc(1, sizeof(*l));

	l->srv = srv;
	l->key = key;
	LIST_INSERT_HEAD(&srv->leaving, l, link);
	srv->leaving_n++;
	stream_free_drained(st, LINGER_MS, closed_cb, l);
}

void
leaving_forget(struct server *srv)
{
	struct leaving *l;

	while ((l = LIST_FIRST(&srv->leaving)) != NULL) {
		LIST_REMOVE(l, link);
		l->srv = NULL;
	}
	srv->leaving_n = 0;
}
