#include "lib/prelude.h"

#include "lib/log.h"
#include "lib/num.h"
#include "lib/xalloc.h"
#include "queue/live.h"
#include "queue/route.h"
#include "queue/strays.h"

#define PAGE	500

struct strays {
	struct queue *q;
	bool	 reading;
	bool	 anew;		/* another reload came while it was read */
	uint64_t after, n;
	char	*route;		/* owned: of the first of them */
	bool	 others;	/* they are of several */
};

struct strays *
strays_new(struct queue *q)
{
	struct strays *s = xcalloc(1, sizeof(*s));

	s->q = q;
	return s;
}

void
strays_free(struct strays **sp)
{
	struct strays *s = *sp;

	if (s == NULL)
		return;
	*sp = NULL;
	free(s->route);
	free(s);
}

/* Memory has a newer word than the store, which may be ordered and not written. */
static void
look(struct strays *s, const struct store_msg *m)
{
	const struct live_msg *lm = live_find(s->q->live, m->id);
	const char *route = lm == NULL ? m->route : lm->m.route;

	if (route == NULL || route_named(&s->q->conf->routes, route) != NULL)
		return;
	if (s->n++ == 0)
		s->route = xstrdup(route);
	else if (strcmp(s->route, route) != 0)
		s->others = true;
}

static void
tell(const struct strays *s)
{
	char count[NUM_TEXT_LEN];

	if (s->n > 0)
		log_warnx("route=%s%s is gone from postern.conf, and %s had "
		    "been redirected there: what the other routes are not to "
		    "have can be held (posternctl queue hold) until it is "
		    "back, or redirected (posternctl queue redirect)",
		    log_escs(s->route), s->others ? ", and not alone," : "",
		    num_print_count(s->n, "message", count));
}

static void	read_on(struct strays *);

static void
begin(struct strays *s)
{
	free(s->route);
	s->route = NULL;
	s->after = s->n = 0;
	s->others = s->anew = false;
	read_on(s);
}

static void
page_cb(struct store_msg *const *msgs, size_t n, void *arg)
{
	struct strays *s = arg;
	size_t i;

	s->reading = false;
	if (s->anew) {
		begin(s);
		return;
	}
	for (i = 0; i < n; i++)
		look(s, msgs[i]);
	if (n == 0) {
		tell(s);
		return;
	}
	s->after = msgs[n - 1]->id;
	read_on(s);
}

static void
read_on(struct strays *s)
{
	s->reading = true;
	store_list(s->q->store, s->after, PAGE, page_cb, s);
}

/* The whole queue is read, so only if a route has gone. */
void
strays_reload(struct strays *s, const struct queue_conf *was)
{
	bool gone = false;
	size_t i;

	for (i = 0; was != NULL && i < was->routes.n; i++)
		gone |= route_named(&s->q->conf->routes, CONF_AT(was->routes,
		    struct conf_queue_route, i)->name) == NULL;
	if (s->reading)
		s->anew = true;
	else if (gone)
		begin(s);
}
