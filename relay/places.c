#include "lib/prelude.h"

#include "lib/ev.h"
#include "lib/xalloc.h"
#include "relay/places.h"

struct place {
	LIST_ENTRY(place) link;
	struct sockaddr_storage addr;
	socklen_t addr_len;
	size_t	 limit, n;		/* n: seats that are taken */
	TAILQ_HEAD(, seat) seated, waiting;
	struct ev_timer run;
};

/* As many as there are addresses with a connection: they are looked through. */
static LIST_HEAD(, place) places = LIST_HEAD_INITIALIZER(places);

static void
run_cb(void *arg)
{
	struct place *p = arg;
	struct seat *s;

	while (p->n < p->limit && (s = TAILQ_FIRST(&p->waiting)) != NULL) {
		TAILQ_REMOVE(&p->waiting, s, link);
		TAILQ_INSERT_TAIL(&p->seated, s, link);
		s->waits = false;
		p->n++;
		if (p->n == p->limit || TAILQ_EMPTY(&p->waiting)) {
			s->ops->turn(s->arg);	/* the place may go with it */
			return;
		}
		s->ops->turn(s->arg);
	}
}

static struct place *
place_at(const struct sockaddr *sa, socklen_t len)
{
	struct place *p;

	LIST_FOREACH(p, &places, link)
		if (p->addr_len == len && memcmp(&p->addr, sa, len) == 0)
			return p;
	p = xcalloc(1, sizeof(*p));
	memcpy(&p->addr, sa, len);
	p->addr_len = len;
	TAILQ_INIT(&p->seated);
	TAILQ_INIT(&p->waiting);
	ev_timer_init(&p->run, run_cb, p);
	LIST_INSERT_HEAD(&places, p, link);
	return p;
}

bool
seat_take(struct seat *s, const struct sockaddr *sa, socklen_t len,
    size_t limit, const struct place_ops *ops, void *arg)
{
	struct place *p = place_at(sa, len);
	struct seat *other;

	p->limit = limit;		/* that of the last to come: a reload */
	s->place = p;
	s->ops = ops;
	s->arg = arg;
	s->waits = p->n >= limit || !TAILQ_EMPTY(&p->waiting);
	if (!s->waits) {
		TAILQ_INSERT_TAIL(&p->seated, s, link);
		p->n++;
		return true;
	}
	TAILQ_INSERT_TAIL(&p->waiting, s, link);
	TAILQ_FOREACH(other, &p->seated, link)
		other->ops->wanted(other->arg);
	if (p->n < limit)		/* the limit has risen */
		ev_timer_set(&p->run, 0);
	return false;
}

void
seat_leave(struct seat *s)
{
	struct place *p = s->place;

	if (p == NULL)
		return;
	s->place = NULL;
	if (s->waits)
		TAILQ_REMOVE(&p->waiting, s, link);
	else {
		TAILQ_REMOVE(&p->seated, s, link);
		p->n--;
	}
	s->waits = false;
	if (!TAILQ_EMPTY(&p->waiting)) {
		ev_timer_set(&p->run, 0);
		return;
	}
	if (p->n > 0)
		return;
	ev_timer_cancel(&p->run);
	LIST_REMOVE(p, link);
	free(p);
}

bool
seat_wanted(const struct seat *s)
{
	return s->place != NULL && !TAILQ_EMPTY(&s->place->waiting);
}
