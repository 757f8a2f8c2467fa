/* The register of sessions; what begins and ends it all is server_life.c. */
#include "lib/prelude.h"

#include "smtpd/session_private.h"

bool
server_full(const struct server *srv)
{
	return srv->sessions + srv->proxied_n + srv->leaving_n >=
	    srv->conf->max_sessions;
}

uint64_t
server_next_id(struct server *srv)
{
	return ++srv->last_id;
}

struct session *
server_find(struct server *srv, uint64_t id)
{
	struct session *s;

	LIST_FOREACH(s, &srv->by_id[id % SERVER_BUCKETS], by_id)
		if (s->id == id)
			return s;
	return NULL;
}

void
server_each(struct server *srv, void (*fn)(struct session *, void *),
    void *arg)
{
	struct session *s, *next;
	size_t i;

	for (i = 0; i < SERVER_BUCKETS; i++)
		for (s = LIST_FIRST(&srv->by_id[i]); s != NULL; s = next) {
			next = LIST_NEXT(s, by_id);
			fn(s, arg);
		}
}
