#include "lib/prelude.h"

#include <sys/queue.h>

#include "lib/ev.h"
#include "lib/log.h"
#include "lib/xalloc.h"
#include "relay/trouble.h"

#define WHYS	4	/* of a hop's reasons, so that its MX hosts may take turns */

struct said {
	char	*why;
	uint64_t at_ms;			/* when it was written */
};

struct hop_trouble {
	TAILQ_ENTRY(hop_trouble) link;
	char	*hop, *route;
	struct said said[WHYS];
	uint64_t more;			/* times that were not written */
	bool	 down;
};

/* The latest first. A walk of all costs less than the connection that failed. */
static TAILQ_HEAD(hop_troubles, hop_trouble) hops = TAILQ_HEAD_INITIALIZER(hops);
static size_t nhops;

static struct hop_trouble *
find(const char *hop, const char *route)
{
	struct hop_trouble *t;

	TAILQ_FOREACH(t, &hops, link)
		if (strcmp(t->hop, hop) == 0 && strcmp(t->route, route) == 0)
			return t;
	return NULL;
}

static void
forget(struct hop_trouble *t)
{
	size_t i;

	TAILQ_REMOVE(&hops, t, link);
	nhops--;
	for (i = 0; i < WHYS; i++)
		free(t->said[i].why);
	free(t->hop);
	free(t->route);
	free(t);
}

static struct hop_trouble *
remember(const char *hop, const char *route)
{
	struct hop_trouble *t = xcalloc(1, sizeof(*t));

	if (nhops == TROUBLE_HOPS_MAX)
		forget(TAILQ_LAST(&hops, hop_troubles));
	t->hop = xstrdup(hop);
	t->route = xstrdup(route);
	TAILQ_INSERT_HEAD(&hops, t, link);
	nhops++;
	return t;
}

/* Where these words may be noted as written now; NULL when they may not be. */
static struct said *
place(struct hop_trouble *t, const char *why, uint64_t now)
{
	struct said *s, *oldest = &t->said[0];
	size_t i;

	for (i = 0; i < WHYS; i++) {
		s = &t->said[i];
		if (s->why != NULL && strcmp(s->why, why) == 0)
			return now < s->at_ms + TROUBLE_AGAIN_MS ? NULL : s;
		if (s->why == NULL || (oldest->why != NULL &&
		    s->at_ms < oldest->at_ms))
			oldest = s;
	}
	return oldest->why != NULL && now < oldest->at_ms + TROUBLE_AGAIN_MS ?
	    NULL : oldest;
}

void
trouble_say(const char *hop, const char *route, const char *why)
{
	struct hop_trouble *t = find(hop, route);
	uint64_t now = ev_now_ms();
	struct said *s;

	if (t == NULL)
		t = remember(hop, route);
	s = place(t, why, now);
	if (s == NULL) {
		t->more++;
		return;
	}
	free(s->why);
	s->why = xstrdup(why);
	s->at_ms = now;
	if (t->more > 0)
		log_info("next-hop=%s route=%s more=%llu %s", log_escs(hop),
		    route, (unsigned long long)t->more, why);
	else
		log_info("next-hop=%s route=%s %s", log_escs(hop), route, why);
	t->more = 0;
}

void
trouble_down(const char *hop, const char *route)
{
	struct hop_trouble *t = find(hop, route);

	if (t == NULL)
		t = remember(hop, route);
	t->down = true;
}

void
trouble_over(const char *hop, const char *route)
{
	struct hop_trouble *t = find(hop, route);

	if (t == NULL || !t->down)
		return;
	log_info("next-hop=%s route=%s takes mail again more=%llu",
	    log_escs(hop), route, (unsigned long long)t->more);
	forget(t);
}

void
trouble_clear(void)
{
	while (!TAILQ_EMPTY(&hops))
		forget(TAILQ_FIRST(&hops));
}
