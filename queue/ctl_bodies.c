#include "lib/prelude.h"

#include "lib/log.h"
#include "lib/xalloc.h"
#include "queue/ctl_bodies.h"
#include "queue/ctl_walk.h"

/* A message that is just being accepted has its body on disk in a moment. */
#define TRIES	20
#define AGAIN_MS 100

static void	next(struct asked *);

static void
drop(struct bodies *b)
{
	store_msg_clear(b->v[b->next]);
	free(b->v[b->next++]);
	b->tries = 0;
}

void
ctl_bodies_unreadable(struct bodies *b, uint64_t id, const char *why)
{
	char text[STORE_ID_LEN + 1];

	store_id_text(id, text);
	log_warnx("%s is not in the %s: %s", text, b->into, why);
	b->unreadable++;
}

void
ctl_bodies_clear(struct bodies *b)
{
	while (b->next < b->n)
		drop(b);
	free(b->v);
	b->v = NULL;
	b->n = b->next = 0;
}

static void
still_there_cb(struct store_msg *const *msgs, size_t n, void *arg)
{
	struct asked *a = arg;
	struct bodies *b = a->bodies;

	if (n == 0) {
		b->gone++;
		drop(b);
		next(a);
	} else if (++b->tries < TRIES && !a->gone)
		asked_later(a, AGAIN_MS, next);
	else
		b->one(a, b->v[b->next], NULL, 0, -1, 0, b->errstr);
}

static void
body_cb(const uint8_t *p, size_t n, int fd, uint32_t crc,
    const char *errstr, void *arg)
{
	struct asked *a = arg;
	struct bodies *b = a->bodies;

	b->errstr = errstr;
	if (errstr == NULL)
		b->one(a, b->v[b->next], p, n, fd, crc, NULL);
	else
		store_load(a->q->store, b->v[b->next]->id, still_there_cb, a);
}

/* The next of those found, or the next page of the walk. */
static void
next(struct asked *a)
{
	struct bodies *b = a->bodies;

	if (b->next == b->n || a->gone) {
		ctl_bodies_clear(b);
		ctl_walk_on(a);
	} else if (!asked_room(a))
		asked_wait(a, next);
	else
		store_body(a->q->store, b->v[b->next]->id, body_cb, a);
}

void
ctl_bodies_on(struct asked *a)
{
	drop(a->bodies);
	next(a);
}

/* Begins when the page is complete: until then the walk has not let go of it. */
static void
found(struct asked *a, const struct store_msg *m)
{
	struct bodies *b = a->bodies;

	if (!a->busy)
		asked_later(a, 0, next);
	a->busy = true;
	b->v = xreallocarray(b->v, b->n + 1, sizeof(*b->v));
	b->v[b->n] = xmalloc(sizeof(*m));
	store_msg_copy(b->v[b->n++], m);
}

void
ctl_bodies_walk(struct asked *a, struct bodies *b,
    void (*done)(struct asked *))
{
	a->bodies = b;
	ctl_walk(a, found, done);
}
